//! The `pipeprobe check` command with the same inputs.

use super::quote::shell;
use crate::{
    config::Setup,
    target::{DbUser, Engine, RdsName, ReplicationMechanism, ReplicationMode},
};

/// The file of the CA certificates that were given.
pub(super) const CA_FILE: &str = "ca.pem";

pub(super) fn command(plan: &Setup) -> String {
    let target = &plan.target;
    let mut lines = vec![format!("pipeprobe check --type {}", target.source_type.name())];
    let mut flag = |name: &str, value: &str| lines.push(format!("{name} {}", shell(value)));
    flag("--host", target.dial.host.as_str());
    if target.dial.port != target.engine().default_port() {
        flag("--port", &target.dial.port.to_string());
    }
    match (&target.database, target.engine()) {
        (Some(name), Engine::Postgres) if name == "postgres" => {}
        (Some(name), _) => flag("--database", name),
        (None, _) => {}
    }
    if target.user.as_str() != DbUser::DEFAULT {
        flag("--user", target.user.as_str());
    }
    if RdsName::parse(&target.sign.host).and_then(|name| name.region).is_none() {
        flag("--region", target.region.as_str());
    }
    if target.tls_host != target.dial.host {
        flag("--tls-host", target.tls_host.as_str());
    }
    if target.sign.host != target.tls_host {
        flag("--sign-host", target.sign.host.as_str());
    }
    if target.sign.port != target.dial.port {
        flag("--sign-port", &target.sign.port.to_string());
    }
    if let Some(endpoint) = &plan.connect_to {
        flag("--connect-to", &endpoint.to_string());
    }
    if target.ca_certificate.is_some() {
        flag("--ca-certificate", CA_FILE);
    }
    if let Some((access, via)) = target.access.roles.split_last() {
        flag("--iam-role", access.as_str());
        for role in via {
            flag("--via-role", role.as_str());
        }
    }
    if let Some(id) = &target.access.external_id {
        flag("--external-id", id.as_str());
    }
    if let Some(profile) = &target.access.profile {
        flag("--profile", profile);
    }
    let pipe = &target.pipe;
    flag("--replication-mode", pipe.mode.map(ReplicationMode::name).unwrap_or_default());
    match pipe.mechanism {
        ReplicationMechanism::Auto => {}
        ReplicationMechanism::Gtid => flag("--replication-mechanism", "gtid"),
        ReplicationMechanism::FilePos => flag("--replication-mechanism", "file_pos"),
    }
    for table in &pipe.tables {
        flag("--table", &table.typed());
    }
    if target.engine() == Engine::Postgres && pipe.follows_changes() {
        flag("--publication", super::publication(target));
        // On the basis of the guide, Postgres with IAM is Initial Load Only.
        flag("--basis", "server");
    }
    lines.join(" \\\n    ")
}
