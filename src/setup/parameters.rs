//! What the parameter group must say so that changes can be followed. Initial Load Only needs nothing.

use serde::Serialize;

use crate::{
    config::Setup,
    target::{Engine, ReplicationMechanism},
};

/// One setting of a parameter group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Parameter {
    pub name: &'static str,
    pub value: &'static str,
    /// `immediate` where it is dynamic, `pending-reboot` where it is static.
    pub apply_method: &'static str,
    /// Whether CDC is impossible without it.
    pub required: bool,
    pub why: &'static str,
}

impl Parameter {
    const fn dynamic(name: &'static str, value: &'static str, why: &'static str) -> Self {
        Self { name, value, apply_method: "immediate", required: true, why }
    }

    const fn fixed(name: &'static str, value: &'static str, why: &'static str) -> Self {
        Self { apply_method: "pending-reboot", ..Self::dynamic(name, value, why) }
    }

    const fn recommended(self) -> Self {
        Self { required: false, ..self }
    }

    pub fn needs_reboot(&self) -> bool {
        self.apply_method == "pending-reboot"
    }
}

const POSTGRES: [Parameter; 3] = [
    Parameter::fixed(
        "rds.logical_replication",
        "1",
        "writes the WAL for logical decoding (wal_level = logical)",
    ),
    Parameter::dynamic("rds.iam_auth_for_replication", "1", "accepts IAM tokens on replication connections"),
    Parameter::dynamic("wal_sender_timeout", "300000", "is patient with a slow replica (ms)").recommended(),
];
const ROW_IMAGE: Parameter = Parameter::dynamic("binlog_row_image", "FULL", "logs whole rows");
/// MySQL 8.0.1 and MariaDB 10.5 brought it.
const ROW_METADATA: Parameter = Parameter::dynamic(
    "binlog_row_metadata",
    "FULL",
    "logs the names of columns; leave it out before MySQL 8.0 (Aurora MySQL 3)",
);
const FORMAT: Parameter = Parameter::dynamic("binlog_format", "ROW", "logs rows, not statements");
/// Aurora's default is OFF, and leaving that takes a reboot.
const AURORA_FORMAT: Parameter =
    Parameter::fixed("binlog_format", "ROW", "turns the binary log on, and logs rows, not statements");
const GTID: [Parameter; 2] = [
    Parameter::fixed("gtid-mode", "ON", "numbers transactions: the pipe's position outlives a failover"),
    Parameter::fixed("enforce_gtid_consistency", "ON", "what gtid-mode = ON needs"),
];

pub(super) fn of(plan: &Setup) -> Vec<Parameter> {
    let target = &plan.target;
    if !target.pipe.follows_changes() {
        return Vec::new();
    }
    let format = if target.source_type.is_aurora() { AURORA_FORMAT } else { FORMAT };
    let mut parameters = match target.engine() {
        Engine::Postgres => POSTGRES.to_vec(),
        Engine::Mysql => vec![format, ROW_IMAGE, ROW_METADATA],
        Engine::Mariadb => {
            vec![format, ROW_IMAGE, Parameter { why: "logs the names of columns", ..ROW_METADATA }]
        }
    };
    // MariaDB numbers its transactions always; `auto` goes on without, but a pipe made by Terraform does not.
    match target.pipe.mechanism {
        _ if target.engine() != Engine::Mysql => {}
        ReplicationMechanism::Gtid => parameters.extend(GTID),
        ReplicationMechanism::Auto => parameters.extend(GTID.map(Parameter::recommended)),
        ReplicationMechanism::FilePos => {}
    }
    parameters
}

/// As `aws rds modify-db-…parameter-group --parameters` takes them.
pub(super) fn for_aws(parameters: &[Parameter]) -> serde_json::Value {
    let one = |p: &Parameter| {
        serde_json::json!({
            "ParameterName": p.name, "ParameterValue": p.value, "ApplyMethod": p.apply_method
        })
    };
    parameters.iter().map(one).collect()
}
