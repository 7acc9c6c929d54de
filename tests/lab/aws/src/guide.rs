//! The two documents a customer pastes from the ClickPipes guide, and the one ClickHouse has on its own side.

use serde_json::{Value, json};

/// The guide's trust policy: `principal` (the guide's `{ClickHouse_IAM_ARN}`) may assume the role and tag the session.
pub fn trust_policy(principal: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": { "AWS": principal },
                "Action": ["sts:AssumeRole", "sts:TagSession"]
            }
        ]
    })
}

/// The guide's identity policy: connect to one database as `clickpipes_iam_user`.
pub fn connect_policy(region: &str, account: &str, resource_id: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["rds-db:connect"],
                "Resource": [format!("arn:aws:rds-db:{region}:{account}:dbuser:{resource_id}/clickpipes_iam_user")]
            }
        ]
    })
}

/// The caller's own permission to assume `role` with tags. Across accounts AWS wants this as well as the role's trust.
pub fn may_assume(role: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": role }]
    })
}
