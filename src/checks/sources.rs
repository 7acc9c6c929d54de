//! Documents and kinds of evidence that several checks name.

pub(super) const PROVIDER: &str = "ClickHouse's Terraform provider, resource clickhouse_clickpipe";
/// The document that replaced the rule of the guide: PostgreSQL 11 and newer with `rds.iam_auth_for_replication`.
pub(crate) const NEWER_THAN_GUIDE: &str =
    "the ClickPipes documentation of 2026-06-29 (PostgreSQL, IAM authentication)";
pub(super) const AWS_PROVIDER: &str = "Terraform's provider for AWS, schemas of its resources";
pub(super) const GUIDE: &str = "ClickPipes guide, secure RDS access";
pub(super) const STS: &str = "AWS STS API reference, AssumeRole";
pub(super) const IAM_DB: &str = "Amazon RDS User Guide, IAM database authentication";
pub(super) const ENGINE_IAM: &str =
    "IAM authentication of ClickPipes' engine (PeerDB, flow/connectors/utils/rds.go and aws.go)";
pub(super) const PG_SOURCE: &str = "ClickPipes documentation, Postgres source setup";
pub(super) const MYSQL_SOURCE: &str = "ClickPipes documentation, MySQL source setup";
pub(super) const PG_ENGINE: &str = "validation of ClickPipes' engine for Postgres";
pub(super) const MYSQL_ENGINE: &str = "validation of ClickPipes' engine for MySQL";
pub(super) const PG_LOGICAL: &str = "PostgreSQL documentation, Logical Replication";
pub(super) const PG_FAQ: &str = "ClickPipes documentation, Postgres FAQ";
pub(super) const MYSQL_FAQ: &str = "ClickPipes documentation, MySQL FAQ";

/// Of a declared pipe, and of a target.
pub(super) const REGION_UNREADABLE: &str = "ClickPipes cannot read the Region from the host name";

pub(super) const OWN_WORDS: &str = "no known code; the report contains the server's code and message";
pub(super) const LOOK_AT_EC2: &str = "AWS diagnostics (--diagnose-profile) with --service-region: PubliclyAccessible in RDS, and \
                                      ec2:DescribeSecurityGroups";
pub(super) const LOOK_AT_RDS: &str = "AWS diagnostics (--diagnose-profile): the RDS record of the database";
pub(super) const LOOK_AT_BOTH: &str =
    "AWS diagnostics (--diagnose-profile): the role's IAM policies, evaluated for the resource id in RDS";
pub(super) const NO_ANSWER: &str =
    "the server refused the query or did not respond in time; its message is in the report";
