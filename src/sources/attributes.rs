//! The attributes of a `clickhouse_clickpipe` that are read. An attribute that is absent is null, or not known yet.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Number, value::RawValue};

#[derive(Deserialize)]
pub(super) struct Attributes {
    pub(super) name: Option<String>,
    pub(super) service_id: Option<String>,
    /// By the name of the source. All but one are null.
    pub(super) source: Option<BTreeMap<String, Option<Box<RawValue>>>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Source {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<Number>,
    pub(super) database: Option<String>,
    pub(super) tls_host: Option<String>,
    pub(super) ca_certificate: Option<String>,
    pub(super) authentication: Option<String>,
    pub(super) iam_role: Option<String>,
    pub(super) disable_tls: Option<bool>,
    pub(super) skip_cert_verification: Option<bool>,
    pub(super) credentials: Option<Credentials>,
    pub(super) settings: Option<Settings>,
    pub(super) table_mappings: Option<Vec<TableMapping>>,
}

/// Passwords are not read, only whether there is one.
#[derive(Default, Deserialize)]
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<IgnoredAny>,
    pub(super) password_wo: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
pub(super) struct Settings {
    pub(super) replication_mode: Option<String>,
    pub(super) replication_mechanism: Option<String>,
    pub(super) publication_name: Option<String>,
    pub(super) replication_slot_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct TableMapping {
    pub(super) source_schema_name: Option<String>,
    pub(super) source_table: Option<String>,
    pub(super) target_table: Option<String>,
    pub(super) excluded_columns: Option<Vec<Option<String>>>,
}
