//! The steps in order, as a script of `aws` commands: `templates/aws.sh`. Steps outside AWS are comments in it.

use std::cell::Cell;

use askama::Template;

use super::{
    check, filters,
    parameters::{self, Parameter},
    place::Place,
    policies, rendered,
};
use crate::{
    config::Setup,
    target::{Engine, ReplicationMode, ResourceKind, RoleArn, Target},
};

#[derive(Template)]
#[template(path = "aws.sh", config = "src/setup/templates/askama.toml")]
struct Script<'a> {
    plan: &'a Setup,
    target: &'a Target,
    role: &'a RoleArn,
    mode: &'static str,
    place: Place,
    aws: Words,
    parameters: Vec<Parameter>,
    asks_caller: bool,
    needs_backups: bool,
    trust_policy: String,
    connect_policy: String,
    check: String,
    steps: Cell<u8>,
}

impl Script<'_> {
    /// The number of the next step.
    fn step(&self) -> u8 {
        self.steps.set(self.steps.get() + 1);
        self.steps.get()
    }
}

pub(super) fn script(plan: &Setup) -> String {
    let target = &plan.target;
    let Some(role) = target.access.roles.last() else { return String::new() };
    let place = Place::of(target);
    // Aurora writes its binary log without backups; a Multi-AZ DB cluster always has them.
    let needs_backups = target.pipe.follows_changes()
        && target.engine() != Engine::Postgres
        && place.kind == ResourceKind::Instance;
    rendered(&Script {
        plan,
        target,
        role,
        mode: target.pipe.mode.map_or("", ReplicationMode::name),
        aws: words(place.kind),
        place,
        parameters: parameters::of(plan),
        asks_caller: policies::asks_caller(plan),
        needs_backups,
        trust_policy: format!("{:#}", policies::trust(plan)),
        connect_policy: format!("{:#}", policies::connect(plan)),
        check: check::command(plan),
        steps: Cell::new(0),
    })
}

/// The words of the `aws` commands for an instance, or for a cluster.
struct Words {
    thing: &'static str,
    group: &'static str,
    group_of: &'static str,
    family_of: &'static str,
}

fn words(kind: ResourceKind) -> Words {
    match kind {
        ResourceKind::Cluster => Words {
            thing: "db-cluster",
            group: "db-cluster-parameter-group",
            group_of: "DBClusters[0].DBClusterParameterGroup",
            family_of: "DBClusterParameterGroups[0].DBParameterGroupFamily",
        },
        ResourceKind::Instance | ResourceKind::Proxy => Words {
            thing: "db-instance",
            group: "db-parameter-group",
            group_of: "DBInstances[0].DBParameterGroups[0].DBParameterGroupName",
            family_of: "DBParameterGroups[0].DBParameterGroupFamily",
        },
    }
}
