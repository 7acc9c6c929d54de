//! What could not be known from the inputs, and what is worth knowing about them.

use serde::Serialize;

use super::{place::Place, policies, sql};
use crate::{
    clickpipes,
    config::Setup,
    target::{Engine, RdsName, RdsNameKind, ReplicationMechanism, ResourceKind},
};

/// A placeholder in the generated files that has to be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Missing {
    /// As it is marked.
    pub placeholder: &'static str,
    pub what: String,
    /// The flag that gives it.
    pub flag: &'static str,
    /// The command that prints it, where there is one.
    pub command: Option<String>,
}

pub(super) fn missing(plan: &Setup) -> Vec<Missing> {
    let target = &plan.target;
    let mut missing = Vec::new();
    if plan.service_role.is_none() {
        missing.push(Missing {
            placeholder: policies::SERVICE_ROLE,
            what: "the role of your ClickHouse service: ClickHouse Cloud console, the service, Settings, \
                   Network security information, Service role ID (IAM)"
                .to_owned(),
            flag: "--service-role",
            command: None,
        });
    }
    if plan.callers.is_empty() && target.access.external_id.is_some() {
        missing.push(Missing {
            placeholder: policies::CALLER,
            what: "who else may assume the access role, with the external id".to_owned(),
            flag: "--caller",
            command: None,
        });
    }
    if plan.resource_id.is_none() {
        let place = Place::of(target);
        missing.push(Missing {
            placeholder: target.resource_kind().placeholder(),
            what: format!("the resource id of the {}", place.noun()),
            flag: "--resource-id",
            command: Some(place.resource_id_command()),
        });
    }
    if target.engine() != Engine::Postgres && target.pipe.tables.is_empty() && target.database.is_none() {
        missing.push(Missing {
            placeholder: sql::SCHEMA,
            what: "the schema of the tables, in the grant of SELECT".to_owned(),
            flag: "--table or --database",
            command: None,
        });
    }
    missing
}

pub(super) fn remarks(plan: &Setup) -> Vec<String> {
    let target = &plan.target;
    let changes = target.pipe.follows_changes();
    let name = RdsName::parse(&target.sign.host).map(|name| name.kind);
    let mut remarks = Vec::new();
    let mut say = |text: String| remarks.push(text);
    if changes && target.engine() == Engine::Postgres {
        say("The ClickPipes guide says that Postgres with IAM is Initial Load Only. Newer RDS and ClickPipes allow \
             CDC where rds.iam_auth_for_replication = 1; `pipeprobe check` judges so with --basis server."
            .to_owned());
        say("Once rds.iam_auth_for_replication is on, every user that is in both rds_iam and rds_replication needs a \
             token for replication connections too."
            .to_owned());
    }
    if target.access.external_id.is_some() {
        say(format!(
            "{}: the trust policy requires it from other callers only. To check that ClickPipes can assume the role, use \
             --via-role with the service role, without --external-id.",
            clickpipes::NO_EXTERNAL_ID
        ));
    }
    if plan.callers.is_empty() && target.access.external_id.is_none() && target.access.roles.len() < 2 {
        say("`pipeprobe check` has to assume the access role as well: through the service role (--via-role) where \
             you may assume that, else name who runs it (--caller)."
            .to_owned());
    }
    if !plan.callers.is_empty() {
        say("A caller of another account also needs to be allowed sts:AssumeRole and sts:TagSession on the access \
             role in a separate policy."
            .to_owned());
    }
    if let Some([serving, other, ..]) = target.pipe.static_ips.as_ref().map(|ips| &*ips.candidates) {
        say(format!(
            "The security group rules are for {} ({}). For {}, use --service-region {}.",
            serving.services_or_all(),
            serving.region,
            other.services_or_all(),
            other.region
        ));
    }
    if target.resource_kind() == ResourceKind::Proxy {
        say("Behind a proxy without end-to-end IAM the user logs in to the database with a password from Secrets \
             Manager: then create it with that password, without rds_iam or AWSAuthenticationPlugin."
            .to_owned());
    }
    for limit in clickpipes::partition(target).into_iter().chain(clickpipes::token(target)) {
        say(format!("{}. To do: {}.", limit.found, limit.remedy));
    }
    if changes && target.source_type.is_aurora() && name == Some(RdsNameKind::Instance) {
        say("The writer endpoint of the cluster outlives a failover; that of an instance does not."
            .to_owned());
    }
    if changes && target.engine() == Engine::Mysql && target.pipe.mechanism != ReplicationMechanism::FilePos {
        say("On a server that writes with gtid-mode = OFF, see what is said about turning it on before you reboot: \
             statements that GTIDs cannot number are refused from then on."
            .to_owned());
    }
    remarks
}
