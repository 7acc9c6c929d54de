//! The two AWS accounts of the guide: the customer's account, which owns the databases and the access role,
//! and ClickHouse's account, which owns the service role and the caller.

use lab_aws::{Role, User, World};
use serde_json::{Value, json};

use crate::guide;

/// The Region of the databases.
pub const REGION: &str = "us-east-1";
/// The customer's account: databases and access role.
pub const CUSTOMER_ACCOUNT: &str = "123456789012";
/// The guide's `{RDS_ACCESS_IAM_ROLE_ARN}`.
pub const ACCESS_ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-access";
/// The guide's `{ClickHouse_IAM_ARN}`.
pub const SERVICE_ROLE: &str = "arn:aws:iam::999988887777:role/CH-S3-lab-service-role";
/// A role whose policy has the resource id of another database. This is the most common mistake.
pub const WRONG_ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-wrong-resource";
/// The resource id of that other database.
pub const WRONG_RESOURCE: &str = "db-SOMEOTHERDATABASEENTIRELY0";
/// The user that runs pipeprobe. It may assume the service role, and the access role directly.
pub const CALLER: &str = "arn:aws:iam::999988887777:user/clickpipes-lab";
/// The caller's access key id. The secret is generated at start.
pub const CALLER_ACCESS_KEY_ID: &str = "AKIALABCALLEREXAMPLE";

/// A user that may only read RDS and IAM records in the customer's account.
pub const OPERATOR: &str = "arn:aws:iam::123456789012:user/lab-operator";
/// The operator's access key id. The secret is the same as the caller's.
pub const OPERATOR_ACCESS_KEY_ID: &str = "AKIALABOPERATOREXAMP";
/// The AWS profile of [`crate::Lab::environment`] with the operator's keys.
pub const OPERATOR_PROFILE: &str = "operator";

/// The AWS content of a lab with these databases, given by resource id.
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

/// An access role as in the guide, for the databases with these resource ids. The service role may assume it, and so may
/// the caller directly.
pub fn access_role(arn: &str, resource_ids: &[impl AsRef<str>]) -> Role {
    Role::new(arn, trust_policy(&[SERVICE_ROLE, CALLER])).with_policy(connect_policy(resource_ids))
}

/// Allows every call of AWS diagnostics.
pub fn allow_aws_diagnostics() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeDBProxies",
                "ec2:DescribeSecurityGroups",
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
