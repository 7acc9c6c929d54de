//! Parameters of a parameter group that CDC needs.

use serde::Serialize;

use super::{Engine, ReplicationMechanism, SourceType};

/// One setting of a parameter group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Parameter {
    pub name: &'static str,
    pub value: &'static str,
    /// `immediate` for a dynamic parameter, `pending-reboot` for a static one.
    pub apply_method: &'static str,
    /// Whether CDC is impossible without it.
    pub required: bool,
    pub why: &'static str,
    #[serde(skip)]
    pub unset: Unset,
}

/// What a parameter group means that does not set the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// The default prevents CDC.
    Prevents,
    /// The default is the value.
    Suffices,
    /// The default depends on the version.
    Depends,
}

impl Parameter {
    const fn dynamic(name: &'static str, value: &'static str, why: &'static str) -> Self {
        Self { name, value, apply_method: "immediate", required: true, why, unset: Unset::Prevents }
    }

    const fn fixed(name: &'static str, value: &'static str, why: &'static str) -> Self {
        Self { apply_method: "pending-reboot", ..Self::dynamic(name, value, why) }
    }

    const fn unset(self, unset: Unset) -> Self {
        Self { unset, ..self }
    }

    /// What CDC needs. Initial Load Only needs none.
    pub fn for_cdc(source_type: SourceType, mechanism: ReplicationMechanism) -> Vec<Self> {
        let format = if source_type.is_aurora() { AURORA_FORMAT } else { FORMAT };
        let mut parameters = match source_type.engine() {
            Engine::Postgres => POSTGRES.to_vec(),
            Engine::Mysql => vec![format, ROW_IMAGE, ROW_METADATA],
            Engine::Mariadb => {
                vec![format, ROW_IMAGE, Self { why: "logs the names of columns", ..ROW_METADATA }]
            }
        };
        // The ClickPipes API and Terraform use GTID by default. MariaDB always writes GTIDs.
        if source_type.engine() == Engine::Mysql && mechanism != ReplicationMechanism::FilePos {
            parameters.extend(GTID);
        }
        parameters
    }

    pub fn needs_reboot(&self) -> bool {
        self.apply_method == "pending-reboot"
    }

    /// Whether it changes step by step.
    pub fn is_gtid_mode(&self) -> bool {
        self.name == GTID_MODE
    }
}

const GTID_MODE: &str = "gtid-mode";

const POSTGRES: [Parameter; 2] = [
    Parameter::fixed("rds.logical_replication", "1", "sets wal_level = logical"),
    Parameter::dynamic("rds.iam_auth_for_replication", "1", "accepts IAM tokens on replication connections"),
];
/// Full is the default of MySQL and MariaDB.
const ROW_IMAGE: Parameter =
    Parameter::dynamic("binlog_row_image", "FULL", "logs all columns of a row").unset(Unset::Suffices);
/// From MySQL 8.0.1 and MariaDB 10.5 on.
const ROW_METADATA: Parameter = Parameter::dynamic(
    "binlog_row_metadata",
    "FULL",
    "logs the names of columns; leave it out before MySQL 8.0 (Aurora MySQL 3)",
);
/// The default of RDS is MIXED, and ROW in newer versions.
const FORMAT: Parameter =
    Parameter::dynamic("binlog_format", "ROW", "logs rows, not statements").unset(Unset::Depends);
/// The default of Aurora is OFF. A change from OFF takes effect after a reboot.
const AURORA_FORMAT: Parameter =
    Parameter::fixed("binlog_format", "ROW", "turns on the binary log, and logs rows, not statements");
const GTID: [Parameter; 2] = [
    Parameter::fixed("enforce_gtid_consistency", "ON", "gtid-mode = ON needs it"),
    Parameter::fixed(
        GTID_MODE,
        "ON",
        "writes GTIDs, the default of ClickPipes; in steps: OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON",
    ),
];
