//! What ClickPipes does with a pipe on this target, and what it does not have. `check` fails on it, `setup` warns about it.
//!
//! Sources: the engine of ClickPipes, PeerDB (flow/connectors/utils/rds.go, aws.go and flow/pkg/common/tls.go at 6b52fb6c); the
//! resource `clickhouse_clickpipe` of the Terraform provider, whose fields are all that a pipe has; the user guides of RDS and
//! Aurora.
//!
//! - Region: read from the host name with a regular expression. A Region in the configuration is not used.
//! - Token: signed for `tls_host`, otherwise `host`, and for `port`. No field changes this.
//! - AssumeRole: without an external id. The service roles of ClickHouse Cloud are in partition `aws`.
//! - TLS: `ca_certificate` is a field of the pipe. It replaces the built-in roots.

use crate::target::{Engine, Host, RdsName, RdsNameKind, Target};

/// What CDC does not replicate, whatever the settings of the database are.
///
/// Sources: `PeerDB`, the engine of ClickPipes: pgoutput's TRUNCATE is an unhandled message (flow/connectors/postgres/cdc.go), and of the
/// statements in a binary log only ALTER TABLE and RENAME TABLE have an effect (flow/connectors/mysql/ddl_parser_classify_test.go);
/// ClickPipes for Postgres FAQ, "Can I update primary key columns in PostgreSQL?"; a column is `Nullable` only with that setting
/// (flow/connectors/clickhouse/normalize.go). MySQL and MariaDB write the rows of an XA transaction to the binary log at XA PREPARE, and
/// nothing that a later XA ROLLBACK could undo them with (binary logs of MySQL 9.7 and MariaDB 10.11 and 11.8).
pub fn not_replicated(engine: Engine) -> Vec<&'static str> {
    let mut all = vec![
        "TRUNCATE",
        "dropped or detached partitions",
        "changes of primary keys (the old row stays)",
        "NULL, unless the pipe has allow_nullable_columns (ClickHouse then has 0 or an empty text)",
    ];
    if engine != Engine::Postgres {
        all.push("XA ROLLBACK (the rows stay), and XA transactions that are prepared when the pipe starts");
    }
    all
}

/// Types of a column that an initial load can be split by, as the server names them, without length and sign (ClickPipes
/// documentation, parallel initial load).
pub fn partition_key_types(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => {
            &["smallint", "integer", "bigint", "timestamp without time zone", "timestamp with time zone"]
        }
        Engine::Mysql | Engine::Mariadb => {
            &["tinyint", "smallint", "mediumint", "int", "bigint", "date", "datetime", "timestamp"]
        }
    }
}

/// The partition of ClickHouse Cloud's service roles (ClickPipes documentation, static IP addresses: Regions of ClickPipes).
const PARTITION: &str = "aws";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    Region,
    Sign,
    Partition,
    Proxy,
    Reader,
    ShardGroup,
}

/// A reason why ClickPipes cannot do the same as this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub kind: LimitKind,
    pub expected: String,
    pub found: String,
    pub remedy: String,
}

/// Why ClickPipes would sign another token, or none.
pub fn token(target: &Target) -> Vec<Limit> {
    region(target).into_iter().chain(signed_endpoint(target)).collect()
}

/// Region that the engine reads from a host name: `^.*?\..*?\.([a-z0-9-]+)\.rds\.amazonaws\.com$`.
pub fn region_in(host: &str) -> Option<&str> {
    let (front, region) = host.strip_suffix(".rds.amazonaws.com")?.rsplit_once('.')?;
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (front.contains('.') && !region.is_empty() && region.chars().all(is_legal)).then_some(region)
}

fn region(target: &Target) -> Option<Limit> {
    let (host, region) = (target.tls_host.as_str(), target.region.as_str());
    let read = region_in(host);
    if read == Some(region) {
        return None;
    }
    let found = match read {
        Some(other) => {
            format!("ClickPipes reads the Region `{other}` from `{host}`, and signs its tokens for it")
        }
        None => format!(
            "ClickPipes reads the Region from a name that ends in .REGION.rds.amazonaws.com, which `{host}` does not"
        ),
    };
    let remedy =
        if RdsName::parse(&target.tls_host).is_some_and(|name| name.kind == RdsNameKind::GlobalWriter) {
            "set `host` to the writer endpoint of the cluster in the primary Region, here and in the pipe \
         (ID.cluster-HASH.REGION.rds.amazonaws.com); after a failover to another Region, change it"
                .to_owned()
        } else if target.region.partition() != PARTITION {
            password(target)
        } else if region_in(&host.to_ascii_lowercase()) == Some(region) {
            format!("write the name in lower case, here and in the pipe: {}", host.to_ascii_lowercase())
        } else if region_in(target.sign.host.as_str()) == Some(region) {
            use_as_tls_host(&target.sign.host)
        } else {
            "set `tls_host` to the endpoint's own name, as the RDS console shows it, here and in the pipe \
         (ID.HASH.REGION.rds.amazonaws.com)"
                .to_owned()
        };
    Some(Limit {
        kind: LimitKind::Region,
        expected: format!("a host name that ends in .{region}.rds.amazonaws.com"),
        found,
        remedy,
    })
}

fn use_as_tls_host(name: &Host) -> String {
    format!("set `tls_host` to {name}, here and in the pipe, and remove `sign_host`")
}

fn signed_endpoint(target: &Target) -> Option<Limit> {
    let (sign, tls_host, port) = (&target.sign, &target.tls_host, target.port);
    let mut remedies = Vec::new();
    if sign.host != *tls_host {
        remedies.push(use_as_tls_host(&sign.host));
    }
    if sign.port != port {
        remedies.push(format!(
            "set `port` to {}, here and in the pipe, and remove `sign_port`: an NLB or a PrivateLink endpoint must listen on \
             the port of the database. A tunnel that only this machine uses belongs in `connect_to`",
            sign.port
        ));
    }
    (!remedies.is_empty()).then(|| Limit {
        kind: LimitKind::Sign,
        expected: format!("a token for {tls_host}:{port}, as ClickPipes signs it"),
        found: format!("ClickPipes signs its tokens for {tls_host}:{port}, and this token is for {sign}"),
        remedy: remedies.join("; "),
    })
}

/// A role cannot be assumed from another partition (IAM User Guide, "How IAM roles differ": partitions).
pub fn partition(target: &Target) -> Option<Limit> {
    let role = target.access.roles.last()?;
    (role.partition() != PARTITION).then(|| Limit {
        kind: LimitKind::Partition,
        expected: format!("an access role in partition {PARTITION}"),
        found: format!(
            "ClickPipes assumes roles from partition {PARTITION}, and the access role is in {}: AWS refuses that",
            role.partition()
        ),
        remedy: password(target),
    })
}

fn password(target: &Target) -> String {
    format!(
        "use a password for this pipe: ClickPipes cannot use IAM authentication in {} (partition {})",
        target.region,
        target.region.partition()
    )
}

/// What a run with an external id means for ClickPipes.
pub const NO_EXTERNAL_ID: &str = "ClickPipes sends no external id";

/// Why changes cannot be streamed from an endpoint of this name: not through RDS Proxy (RDS User Guide, limitations of RDS
/// Proxy: no streaming replication), not from a reader of a cluster (ClickPipes documentation: use the writer endpoint), and not
/// from a shard group (its cluster has no writer: Aurora User Guide, Limitless Database).
pub fn changes(host: &Host) -> Option<Limit> {
    let (kind, what, remedy) = match RdsName::parse(host)?.kind {
        RdsNameKind::Proxy => (
            LimitKind::Proxy,
            "an RDS Proxy endpoint",
            "set `host` to the endpoint of the instance or the cluster itself",
        ),
        RdsNameKind::ClusterReader => {
            (LimitKind::Reader, "a reader endpoint", "set `host` to the writer endpoint of the cluster")
        }
        RdsNameKind::ShardGroup => (
            LimitKind::ShardGroup,
            "the endpoint of an Aurora Limitless shard group",
            "use replication_mode = \"snapshot\", or a cluster without Limitless Database",
        ),
        RdsNameKind::Instance
        | RdsNameKind::ClusterWriter
        | RdsNameKind::ClusterCustom
        | RdsNameKind::GlobalWriter => return None,
    };
    Some(Limit {
        kind,
        expected: "the endpoint of an instance, or the writer endpoint of a cluster".to_owned(),
        found: format!("{host} is {what}, which cannot stream changes"),
        remedy: remedy.to_owned(),
    })
}

/// Aurora DSQL has its own tokens (dsql:DbConnect), and ClickPipes has no source type for it.
pub fn is_dsql(host: &Host) -> bool {
    let name = host.as_str().to_ascii_lowercase();
    name.strip_suffix(".on.aws").is_some_and(|front| front.split('.').any(|label| label.starts_with("dsql")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_as_the_engine_does() {
        for (host, region) in [
            ("db.abc.us-east-1.rds.amazonaws.com", Some("us-east-1")),
            ("db.cluster-ro-abc.eu-west-1.rds.amazonaws.com", Some("eu-west-1")),
            ("reads.endpoint.proxy-abc.eu-west-1.rds.amazonaws.com", Some("eu-west-1")),
            ("db.abc.us-gov-west-1.rds.amazonaws.com", Some("us-gov-west-1")),
            // Accepted by the expression, but no Region.
            ("db.global-abc.global.rds.amazonaws.com", Some("global")),
            ("db.us-east-1.rds.amazonaws.com", None),
            ("db.abc.US-EAST-1.rds.amazonaws.com", None),
            ("db.abc.us-east-1.RDS.amazonaws.com", None),
            ("db.abc.rds.us-gov-west-1.amazonaws.com", None),
            ("db.abc.cn-north-1.rds.amazonaws.com.cn", None),
            ("db.abc.rds.cn-north-1.amazonaws.com.cn", None),
            ("db.abc.us-east-1.rds.amazonaws.com.example.com", None),
            ("vpce-0a1b.rds.us-east-1.vpce.amazonaws.com", None),
            ("db.example.com", None),
            ("", None),
        ] {
            assert_eq!(region_in(host), region, "{host}");
        }
    }

    #[test]
    fn dsql_is_recognized() {
        let is = |name: &str| is_dsql(&Host::parse("host", name).unwrap());
        assert!(is("abcdefghijklmnopqrst.dsql.us-east-1.on.aws"));
        assert!(is("abcdefghijklmnopqrst.dsql-fnh4.us-east-1.on.aws"));
        assert!(!is("db.abc.us-east-1.rds.amazonaws.com"));
        assert!(!is("dsql.example.com"));
    }
}
