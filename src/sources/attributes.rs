//! The attributes of a `clickhouse_clickpipe` that are read. An attribute that is absent is null, or not known yet. The
//! ClickHouse Cloud API has the same fields with names in camel case.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Number, value::RawValue};

#[derive(Deserialize)]
pub(super) struct Attributes {
    pub(super) name: Option<String>,
    #[serde(alias = "serviceId")]
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
    #[serde(alias = "tlsHost")]
    pub(super) tls_host: Option<String>,
    #[serde(alias = "caCertificate")]
    pub(super) ca_certificate: Option<String>,
    pub(super) authentication: Option<String>,
    #[serde(alias = "iamRole")]
    pub(super) iam_role: Option<String>,
    #[serde(alias = "disableTls")]
    pub(super) disable_tls: Option<bool>,
    #[serde(alias = "skipCertVerification")]
    pub(super) skip_cert_verification: Option<bool>,
    pub(super) credentials: Option<Credentials>,
    #[serde(alias = "serverId")]
    pub(super) server_id: Option<Number>,
    pub(super) settings: Option<Settings>,
    #[serde(alias = "tableMappings")]
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
    #[serde(alias = "replicationMode")]
    pub(super) replication_mode: Option<String>,
    #[serde(alias = "replicationMechanism")]
    pub(super) replication_mechanism: Option<String>,
    #[serde(alias = "publicationName")]
    pub(super) publication_name: Option<String>,
    #[serde(alias = "enableFailoverSlots")]
    pub(super) enable_failover_slots: Option<bool>,
    #[serde(alias = "initialLoadParallelism")]
    pub(super) initial_load_parallelism: Option<Number>,
    #[serde(alias = "snapshotNumberOfParallelTables")]
    pub(super) snapshot_number_of_parallel_tables: Option<Number>,
    #[serde(alias = "replicationSlotName")]
    pub(super) replication_slot_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct TableMapping {
    #[serde(alias = "sourceSchemaName")]
    pub(super) source_schema_name: Option<String>,
    #[serde(alias = "sourceTable")]
    pub(super) source_table: Option<String>,
    #[serde(alias = "targetTable")]
    pub(super) target_table: Option<String>,
    #[serde(alias = "useCustomSortingKey")]
    pub(super) use_custom_sorting_key: Option<bool>,
    #[serde(alias = "sortingKeys")]
    pub(super) sorting_keys: Option<Vec<Option<String>>>,
    #[serde(alias = "partitionKey")]
    pub(super) partition_key: Option<String>,
    #[serde(alias = "tableEngine")]
    pub(super) table_engine: Option<String>,
    #[serde(alias = "excludedColumns")]
    pub(super) excluded_columns: Option<Vec<Option<String>>>,
}
