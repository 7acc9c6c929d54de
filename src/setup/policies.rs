//! The two policies of the access role, as in the ClickPipes guide.

use serde_json::{Value, json};

use crate::{
    config::Setup,
    target::{PrincipalArn, ResourceId},
};

/// Placeholder of the service role. IAM refuses it.
pub(super) const SERVICE_ROLE: &str = "<ClickHouse service role ARN>";
/// Placeholder of another principal that can assume the access role, if an external id is required of it.
pub(super) const CALLER: &str = "<ARN of the principal that runs pipeprobe check>";

/// Trust policy: who can assume the access role, with session tags. Only other principals need the external id, because
/// ClickPipes sends none.
pub(super) fn trust(plan: &Setup) -> Value {
    let service_role = plan.service_role.as_ref().map_or(SERVICE_ROLE, |role| role.as_str());
    let mut statements = vec![statement(json!(service_role))];
    let callers: Vec<&str> = plan.callers.iter().map(PrincipalArn::as_str).collect();
    let external_id = plan.target.access.external_id.as_ref();
    let callers = match (callers.as_slice(), external_id) {
        ([], None) => None,
        ([], Some(_)) => Some(json!(CALLER)),
        ([one], _) => Some(json!(one)),
        (several, _) => Some(json!(several)),
    };
    if let Some(callers) = callers {
        let mut others = statement(callers);
        if let Some(id) = external_id {
            others["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id.as_str() } });
        }
        statements.push(others);
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Whether the external id needs a caller that was not given.
pub(super) fn asks_caller(plan: &Setup) -> bool {
    plan.callers.is_empty() && plan.target.access.external_id.is_some()
}

fn statement(principal: Value) -> Value {
    json!({
        "Effect": "Allow",
        "Principal": { "AWS": principal },
        "Action": ["sts:AssumeRole", "sts:TagSession"]
    })
}

/// Identity policy: the access role can log in to this database as this user.
pub(super) fn connect(plan: &Setup) -> Value {
    let placeholder = plan.target.resource_kind().placeholder();
    let id = plan.resource_id.as_ref().map_or(placeholder, ResourceId::as_str);
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["rds-db:connect"],
                "Resource": [plan.target.connect_resource(id)]
            }
        ]
    })
}
