//! The two AWS accounts of the story, as the guide sets them up: the customer's, which owns the databases and the access role,
//! and ClickHouse's, which owns the service role and the caller.

use lab_aws::{Role, User, World};
use serde_json::{Value, json};

use crate::guide;

/// Where the databases are.
pub const REGION: &str = "us-east-1";
/// The customer's account: databases and access role.
pub const CUSTOMER_ACCOUNT: &str = "123456789012";
/// The guide's `{RDS_ACCESS_IAM_ROLE_ARN}`.
pub const ACCESS_ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-access";
/// The guide's `{ClickHouse_IAM_ARN}`.
pub const SERVICE_ROLE: &str = "arn:aws:iam::999988887777:role/CH-S3-lab-service-role";
/// A role that someone made with the resource id of another database: the commonest mistake there is.
pub const WRONG_ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-wrong-resource";
/// That other database.
pub const WRONG_RESOURCE: &str = "db-SOMEOTHERDATABASEENTIRELY0";
/// Who runs pipeprobe: may assume the service role, and the access role directly.
pub const CALLER: &str = "arn:aws:iam::999988887777:user/clickpipes-lab";
/// The caller's access key id. The secret is made at start.
pub const CALLER_ACCESS_KEY_ID: &str = "AKIALABCALLEREXAMPLE";

/// Who may read what RDS and IAM have on record in the customer's account, and nothing else.
pub const OPERATOR: &str = "arn:aws:iam::123456789012:user/lab-operator";
/// The operator's access key id. The secret is the caller's.
pub const OPERATOR_ACCESS_KEY_ID: &str = "AKIALABOPERATOREXAMP";
/// The profile of [`crate::Lab::environment`] that has the operator's keys.
pub const OPERATOR_PROFILE: &str = "operator";

/// The world of a lab with these databases, by resource id.
pub(crate) fn world(resource_ids: &[String], secret: &str) -> World {
    let may_assume = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}]
    });
    let caller = User {
        arn: CALLER.to_owned(),
        access_key_id: CALLER_ACCESS_KEY_ID.to_owned(),
        secret_access_key: secret.to_owned(),
        identity_policies: vec![may_assume.clone()],
    };
    let operator = User {
        arn: OPERATOR.to_owned(),
        access_key_id: OPERATOR_ACCESS_KEY_ID.to_owned(),
        secret_access_key: secret.to_owned(),
        identity_policies: vec![allow_aws_diagnostics()],
    };
    World {
        users: vec![caller, operator],
        roles: vec![
            Role::new(SERVICE_ROLE, trust_policy(&[CALLER])).with_policy(may_assume),
            access_role(ACCESS_ROLE, resource_ids),
        ],
        ..World::default()
    }
}

/// An access role as the guide makes it, for the databases with these resource ids. The service role may assume it, and so may
/// the caller without that detour.
pub fn access_role(arn: &str, resource_ids: &[impl AsRef<str>]) -> Role {
    Role::new(arn, trust_policy(&[SERVICE_ROLE, CALLER])).with_policy(connect_policy(resource_ids))
}

/// Everything the operator's look asks for.
pub fn allow_aws_diagnostics() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeDBProxies",
                "iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies", "iam:GetPolicy", "iam:GetPolicyVersion"
            ],
            "Resource": "*"
        }]
    })
}

/// The guide's trust policy.
pub fn trust_policy(principals: &[&str]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": { "AWS": principals },
                "Action": ["sts:AssumeRole", "sts:TagSession"]
            }
        ]
    })
}

/// The guide's IAM policy, with one resource per database.
pub fn connect_policy(resource_ids: &[impl AsRef<str>]) -> Value {
    let resources: Vec<String> = resource_ids
        .iter()
        .map(|id| {
            let (id, user) = (id.as_ref(), guide::USER);
            format!("arn:aws:rds-db:{REGION}:{CUSTOMER_ACCOUNT}:dbuser:{id}/{user}")
        })
        .collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["rds-db:connect"],
                "Resource": resources
            }
        ]
    })
}
