//! The steps in order of execution (`templates/steps/`): for the screen, and as a script (`templates/aws.sh`). Steps
//! outside AWS are comments in the script.

use std::{cell::Cell, net::Ipv4Addr};

use askama::Template;

use super::{check, filters, parameters, place::Place, policies, rendered};
use crate::{
    config::Setup,
    static_ips::Candidate,
    target::{DbUser, Engine, Parameter, ReplicationMode, ResourceKind, RoleArn, Target},
};

/// The values of the templates.
pub(super) struct Steps<'a> {
    pub(super) plan: &'a Setup,
    pub(super) target: &'a Target,
    pub(super) role: &'a RoleArn,
    pub(super) mode: &'static str,
    pub(super) place: Place,
    pub(super) aws: Words,
    pub(super) parameters: Vec<Parameter>,
    pub(super) asks_caller: bool,
    pub(super) is_proxy: bool,
    pub(super) needs_backups: bool,
    pub(super) needs_gtid: bool,
    pub(super) reboots_writer: bool,
    pub(super) trust_policy: String,
    pub(super) connect_policy: String,
    pub(super) policy_name: String,
    pub(super) check: String,
    number: Cell<u8>,
}

impl<'a> Steps<'a> {
    /// `None` without an access role, which the configuration requires.
    pub(super) fn new(plan: &'a Setup) -> Option<Self> {
        let target = &plan.target;
        let role = target.access.roles.last()?;
        let place = Place::of(target);
        let parameters = parameters::of(plan);
        // Aurora writes its binary log without backups; a Multi-AZ DB cluster always has them.
        let needs_backups = target.pipe.follows_changes()
            && target.engine() != Engine::Postgres
            && place.kind == ResourceKind::Instance;
        Some(Self {
            plan,
            target,
            role,
            mode: target.pipe.mode.map_or("", ReplicationMode::name),
            aws: words(place.kind),
            asks_caller: policies::asks_caller(plan),
            is_proxy: place.kind == ResourceKind::Proxy,
            needs_backups,
            needs_gtid: parameters.iter().any(Parameter::is_gtid_mode),
            reboots_writer: place.kind == ResourceKind::Cluster && target.source_type.is_aurora(),
            parameters,
            place,
            trust_policy: format!("{:#}", policies::trust(plan)),
            connect_policy: format!("{:#}", policies::connect(plan)),
            policy_name: policy_name(&target.user),
            check: check::command(plan),
            number: Cell::new(0),
        })
    }

    /// The Region that serves a service that was created now.
    pub(super) fn serving(&self) -> Option<Serving<'_>> {
        self.target.pipe.static_ips.as_ref()?.candidates.first().map(Serving)
    }

    /// The number of the next step.
    pub(super) fn step(&self) -> u8 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }
}

/// Addresses as words of a shell variable.
pub(super) struct Serving<'a>(&'a Candidate);

impl Serving<'_> {
    pub(super) fn addresses_on_lines(&self, columns: usize) -> String {
        let lines = self.0.addresses.chunks(columns);
        let line = |ips: &[Ipv4Addr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        lines.map(line).collect::<Vec<_>>().join("\n    ")
    }
}

#[derive(Template)]
#[template(path = "aws.sh", config = "src/setup/templates/askama.toml")]
struct Script<'a> {
    s: Steps<'a>,
}

pub(super) fn script(plan: &Setup) -> String {
    Steps::new(plan).map(|s| rendered(&Script { s })).unwrap_or_default()
}

/// One policy for each database and user, so that another setup does not replace it. IAM allows letters, digits and some
/// punctuation, and 128 characters.
fn policy_name(user: &DbUser) -> String {
    let base = "clickpipes-rds-connect-$resource_id";
    if user.as_str() == DbUser::DEFAULT {
        return format!("\"{base}\"");
    }
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let user: String = user.as_str().chars().take(60).map(allowed).collect();
    format!("\"{base}-{user}\"")
}

/// The names in `aws` commands, for an instance or for a cluster.
pub(super) struct Words {
    pub(super) thing: &'static str,
    pub(super) group: &'static str,
    pub(super) parameters: &'static str,
    pub(super) group_of: &'static str,
    pub(super) family_of: &'static str,
    pub(super) status_of: &'static str,
}

fn words(kind: ResourceKind) -> Words {
    match kind {
        ResourceKind::Cluster => Words {
            thing: "db-cluster",
            group: "db-cluster-parameter-group",
            parameters: "db-cluster-parameters",
            group_of: "DBClusters[0].DBClusterParameterGroup",
            family_of: "DBClusterParameterGroups[0].DBParameterGroupFamily",
            status_of: "DBClusters[0].DBClusterMembers[?IsClusterWriter].DBClusterParameterGroupStatus",
        },
        ResourceKind::Instance | ResourceKind::Proxy => Words {
            thing: "db-instance",
            group: "db-parameter-group",
            parameters: "db-parameters",
            group_of: "DBInstances[0].DBParameterGroups[0].DBParameterGroupName",
            family_of: "DBParameterGroups[0].DBParameterGroupFamily",
            status_of: "DBInstances[0].DBParameterGroups[0].ParameterApplyStatus",
        },
    }
}
