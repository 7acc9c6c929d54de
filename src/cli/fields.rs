//! Every field that can be typed or written, declared once: its key in the file, its flag, its environment variable and
//! its help. [`Fields`] are one layer (command line and environment, a target, or the defaults of a file).

use clap::Args;

pub use super::value::FieldValue;
use super::value::{Given, Written, one_of};
use crate::{
    diagnostic::Basis,
    target::{Invalid, Origin, ReplicationMechanism, ReplicationMode, SourceType},
};

/// A list of fields: a struct that clap reads, that a file can fill key by key, and whose layers are merged.
macro_rules! fields {
    (
        $(#[$list_attribute:meta])*
        pub struct $list:ident {
            $($(#[$attribute:meta])* $key:literal => $field:ident: $value:ty,)*
        }
    ) => {
        #[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
        $(#[$list_attribute])*
        pub struct $list {
            $($(#[$attribute])* pub $field: Option<$value>,)*
        }

        impl $list {
            /// The keys of a file, in order.
            pub const KEYS: &'static [&'static str] = &[$($key),*];

            /// The fields as the schema of the file describes them.
            pub fn described() -> Vec<Described> {
                let flags = Self::augment_args(clap::Command::new("fields"));
                let flag = |id| flags.get_arguments().find(|flag| flag.get_id() == id);
                vec![$(Described {
                    key: $key,
                    help: help_of(&[$(stringify!($attribute)),*]),
                    several: <$value as FieldValue>::SEVERAL,
                    values: flag(stringify!($field)).map(clap::Arg::get_possible_values).unwrap_or_default(),
                },)*]
            }

            /// These fields where they are given, otherwise those below.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self { $($field: self.$field.or(below.$field),)* }
            }

            /// These fields without empty ones: an empty flag or variable is one that is not given.
            #[must_use]
            pub fn without_empty(self) -> Self {
                Self { $($field: self.$field.and_then(FieldValue::non_empty),)* }
            }

            /// Whether the field with this key is given.
            pub fn has(&self, key: &str) -> bool {
                match key {
                    $($key => self.$field.is_some(),)*
                    _ => false,
                }
            }

            /// Sets the field with this key; `None` if there is none.
            pub fn set(&mut self, key: &str, value: Written, origin: &Origin) -> Option<Result<(), Invalid>> {
                match current_key(key) {
                    $($key => Some(
                        <$value>::from_written(key, value, origin).map(|value| self.$field = Some(value)),
                    ),)*
                    _ => None,
                }
            }
        }
    };
}

/// A field in the schema of the configuration file.
#[derive(Debug)]
pub struct Described {
    pub key: &'static str,
    pub help: String,
    /// It is a list or a table.
    pub several: bool,
    /// Empty if every text is possible.
    pub values: Vec<clap::builder::PossibleValue>,
}

/// The doc comments among the attributes of a field, which are its help.
fn help_of(attributes: &[&str]) -> String {
    let doc = |attribute: &&str| {
        let text = attribute.strip_prefix("doc")?.trim_start().strip_prefix('=')?.trim();
        Some(text.trim_start_matches(['r', '#']).trim_matches(['"', '#']).trim().to_owned())
    };
    attributes.iter().filter_map(doc).collect::<Vec<_>>().join(" ")
}

fields! {
    /// Where the database is and who logs in, named as in ClickHouse's Terraform provider if it has the field.
    #[command(next_help_heading = "Target")]
    pub struct TargetFields {
        /// Type of the source
        #[arg(long = "type", env = "PIPEPROBE_TYPE", value_name = "TYPE", value_parser = one_of::<SourceType>())]
        "type" => source_type: Given,
        /// Host name of the database endpoint
        #[arg(long, env = "PIPEPROBE_HOST", value_name = "NAME")]
        "host" => host: Given,
        /// Port of the database [default: 5432 or 3306]
        #[arg(long, env = "PIPEPROBE_PORT", value_name = "PORT", hide_short_help = true)]
        "port" => port: Given,
        /// Database to connect to [default: postgres; none for MySQL and MariaDB]
        #[arg(long, env = "PIPEPROBE_DATABASE", value_name = "NAME")]
        "database" => database: Given,
        /// Database user that logs in with the token [default: clickpipes_iam_user]
        #[arg(long, env = "PIPEPROBE_USER", value_name = "NAME", hide_short_help = true)]
        "user" => user: Given,
        /// AWS Region of the database [default: read from the RDS host name]
        #[arg(long, env = "PIPEPROBE_REGION", value_name = "REGION", hide_short_help = true)]
        "region" => region: Given,
        /// Host name in the TLS certificate if it differs from --host (PrivateLink, NLB, CNAME, IP address)
        #[arg(long, env = "PIPEPROBE_TLS_HOST", value_name = "NAME", hide_short_help = true)]
        "tls_host" => tls_host: Given,
        /// CA certificates of the pipe, instead of the built-in RDS and Amazon roots: a PEM file or the PEM text
        #[arg(long, env = "PIPEPROBE_CA_CERTIFICATE", value_name = "PEM", hide_short_help = true)]
        #[arg(allow_hyphen_values = true)] // PEM begins with -----BEGIN
        "ca_certificate" => ca_certificate: Given,
        /// Connect to this address instead of the host: a tunnel, an NLB, a PrivateLink endpoint
        #[arg(long, env = "PIPEPROBE_CONNECT_TO", value_name = "HOST:PORT", hide_short_help = true)]
        "connect_to" => connect_to: Given,
        /// Host name that the token is signed for; a pipe has no such setting [default: --tls-host, otherwise --host]
        #[arg(long, env = "PIPEPROBE_SIGN_HOST", value_name = "NAME", hide_short_help = true)]
        "sign_host" => sign_host: Given,
        /// Port that the token is signed for; a pipe has no such setting [default: --port]
        #[arg(long, env = "PIPEPROBE_SIGN_PORT", value_name = "PORT", hide_short_help = true)]
        "sign_port" => sign_port: Given,
        /// Access role to assume: the role that ClickPipes is given
        #[arg(long, env = "PIPEPROBE_IAM_ROLE", value_name = "ARN")]
        "iam_role" => iam_role: Given,
        /// Role to assume before the access role, such as the ClickHouse service role; repeatable, in order
        #[arg(long = "via-role", env = "PIPEPROBE_VIA_ROLES", value_name = "ARN", value_delimiter = ',')]
        #[arg(help_heading = "Identity", hide_short_help = true)]
        "via_roles" => via_roles: Vec<Given>,
        /// External ID for AssumeRole; ClickPipes sends none, so a role that requires it fails
        #[arg(long, env = "PIPEPROBE_EXTERNAL_ID", value_name = "ID", help_heading = "Identity")]
        #[arg(hide_short_help = true)]
        "external_id" => external_id: Given,
        /// Role session name [default: pipeprobe]
        #[arg(long, env = "PIPEPROBE_SESSION_NAME", value_name = "NAME", help_heading = "Identity")]
        #[arg(hide_short_help = true)]
        "session_name" => session_name: Given,
        /// Session tag; repeatable; AWS_SESSION_TAGS is read too [default: pipeprobe=1]
        #[arg(long = "session-tag", env = "PIPEPROBE_SESSION_TAGS", value_name = "KEY=VALUE")]
        #[arg(value_delimiter = ',', help_heading = "Identity", hide_short_help = true)]
        "session_tags" => session_tags: Vec<Given>,
        /// Key of a session tag that is passed on to the next role; repeatable; AWS_TRANSITIVE_TAGS is read too
        #[arg(long = "transitive-tag", env = "PIPEPROBE_TRANSITIVE_TAGS", value_name = "KEY")]
        #[arg(value_delimiter = ',', help_heading = "Identity", hide_short_help = true)]
        "transitive_tags" => transitive_tags: Vec<Given>,
        /// Duration of the role sessions, from 15m to 12h [default: 15m]
        #[arg(long, env = "PIPEPROBE_DURATION", value_name = "DURATION", help_heading = "Identity")]
        #[arg(hide_short_help = true)]
        "duration" => duration: Given,
        /// Region whose STS is called, if STS of the database's Region is not enabled or not reachable; a pipe has no such setting [default: that of the database]
        #[arg(long, env = "PIPEPROBE_STS_REGION", value_name = "REGION", help_heading = "Identity")]
        #[arg(hide_short_help = true)]
        "sts_region" => sts_region: Given,
        /// Profile of the shared AWS configuration files [default: AWS_PROFILE]
        #[arg(long, env = "PIPEPROBE_PROFILE", value_name = "NAME", help_heading = "Identity")]
        #[arg(hide_short_help = true)]
        "profile" => profile: Given,
    }
}

fields! {
    /// What the pipe does, named as in ClickHouse's Terraform provider.
    #[command(next_help_heading = "Pipe")]
    pub struct PipeFields {
        /// Replication mode of the pipe [default: the best possible]
        #[arg(long, env = "PIPEPROBE_REPLICATION_MODE", value_name = "MODE")]
        #[arg(value_parser = one_of::<ReplicationMode>())]
        "replication_mode" => replication_mode: Given,
        /// How the pipe names a binary log position (MySQL, MariaDB) [default: auto]
        #[arg(long, env = "PIPEPROBE_REPLICATION_MECHANISM", value_name = "MECHANISM", hide_short_help = true)]
        #[arg(value_parser = one_of::<ReplicationMechanism>())]
        "replication_mechanism" => replication_mechanism: Given,
        /// Table to replicate, with * as a wildcard; repeatable [default: all]
        #[arg(long = "table", env = "PIPEPROBE_TABLES", value_name = "SCHEMA.TABLE")]
        "tables" => tables: Vec<Given>,
        /// Column that the pipe leaves out; repeatable [default: none]
        #[arg(long = "excluded-column", env = "PIPEPROBE_EXCLUDED_COLUMNS", value_name = "SCHEMA.TABLE.COLUMN")]
        #[arg(value_delimiter = ',', hide_short_help = true)]
        "excluded_columns" => excluded_columns: Vec<Given>,
        /// Column of a sorting key in ClickHouse; repeatable, in order [default: the primary keys]
        #[arg(long = "sorting-key", env = "PIPEPROBE_SORTING_KEYS", value_name = "SCHEMA.TABLE.COLUMN")]
        #[arg(value_delimiter = ',', hide_short_help = true)]
        "sorting_keys" => sorting_keys: Vec<Given>,
        /// Column that the initial load of its table is split by; repeatable, one for each table
        #[arg(long = "partition-key", env = "PIPEPROBE_PARTITION_KEY", value_name = "SCHEMA.TABLE.COLUMN")]
        #[arg(value_delimiter = ',', hide_short_help = true)]
        "partition_key" => partition_keys: Vec<Given>,
        /// Engine of a table in ClickHouse: MergeTree, ReplacingMergeTree or Null; repeatable [default: ReplacingMergeTree]
        #[arg(long = "table-engine", env = "PIPEPROBE_TABLE_ENGINE", value_name = "SCHEMA.TABLE=ENGINE")]
        #[arg(value_delimiter = ',', hide_short_help = true)]
        "table_engine" => table_engines: Vec<Given>,
        /// server_id of the pipe as a replica (MySQL, MariaDB) [default: chosen by ClickPipes]
        #[arg(long, env = "PIPEPROBE_SERVER_ID", value_name = "NUMBER", hide_short_help = true)]
        "server_id" => server_id: Given,
        /// Whether ClickPipes creates a failover slot (PostgreSQL): true or false [default: false]
        #[arg(long, env = "PIPEPROBE_ENABLE_FAILOVER_SLOTS", value_name = "BOOLEAN", hide_short_help = true)]
        "enable_failover_slots" => enable_failover_slots: Given,
        /// Connections for one table in the initial load [default: 4]
        #[arg(long, env = "PIPEPROBE_INITIAL_LOAD_PARALLELISM", value_name = "NUMBER", hide_short_help = true)]
        "initial_load_parallelism" => initial_load_parallelism: Given,
        /// Tables that are copied at the same time in the initial load [default: 1]
        #[arg(long, env = "PIPEPROBE_SNAPSHOT_NUMBER_OF_PARALLEL_TABLES", value_name = "NUMBER")]
        #[arg(hide_short_help = true)]
        "snapshot_number_of_parallel_tables" => snapshot_number_of_parallel_tables: Given,
        /// Publication that the pipe uses (PostgreSQL) [default: one that covers the tables]
        #[arg(long, env = "PIPEPROBE_PUBLICATION", value_name = "NAME", hide_short_help = true)]
        "publication" => publication: Given,
        /// Replication slot of the pipe (PostgreSQL) [default: every slot that begins with peerflow_slot_]
        #[arg(long, env = "PIPEPROBE_REPLICATION_SLOT_NAME", value_name = "NAME", hide_short_help = true)]
        "replication_slot_name" => replication_slot_name: Given,
        /// Region of the ClickHouse service: it decides from which static IP addresses ClickPipes connects
        #[arg(long, env = "PIPEPROBE_SERVICE_REGION", value_name = "REGION", hide_short_help = true)]
        "service_region" => service_region: Given,
        /// The live list of these addresses, instead of the built-in list: a file, or its URL on the command line
        #[arg(long, env = "PIPEPROBE_STATIC_IPS", value_name = "FILE|URL", hide_short_help = true)]
        "static_ips" => static_ips: Given,
    }
}

/// `--diagnose-*` are shown only in a build that can use them.
const HIDE_DIAGNOSE: bool = !cfg!(feature = "aws-diagnostics");

fields! {
    /// The credentials that may read what RDS and IAM have on record.
    #[command(next_help_heading = "AWS diagnostics")]
    pub struct DiagnoseFields {
        /// Profile whose credentials read RDS and IAM records to find the cause of a failure
        #[arg(long, alias = "explain-with-profile", env = "PIPEPROBE_DIAGNOSE_PROFILE", value_name = "NAME")]
        #[arg(hide = HIDE_DIAGNOSE, hide_short_help = true)]
        "diagnose_profile" => diagnose_profile: Given,
        /// Role that reads these records, assumed from that profile, otherwise from the source credentials
        #[arg(long, alias = "explain-with-role", env = "PIPEPROBE_DIAGNOSE_ROLE", value_name = "ARN")]
        #[arg(hide = HIDE_DIAGNOSE, hide_short_help = true)]
        "diagnose_role" => diagnose_role: Given,
    }
}

fields! {
    /// How often `serve` checks a target; only in a file.
    pub struct ScheduleFields {
        /// Time between two checks of a target [default: 30s]
        #[arg(skip)]
        "interval" => interval: Given,
        /// Time between two full checks of a target [default: 10m]
        #[arg(skip)]
        "full_interval" => full_interval: Given,
    }
}

fields! {
    /// What `agent` offers for a target beside its socket; only in a file.
    pub struct AgentFields {
        /// agent: address and port on loopback at which clients with the password can connect too [default: none]
        #[arg(skip)]
        "agent_listen" => listen: Given,
        /// agent: file with the password of agent_listen
        #[arg(skip)]
        "agent_password_file" => password_file: Given,
        /// agent: group whose members can use the socket too [default: none]
        #[arg(skip)]
        "agent_socket_group" => socket_group: Given,
        /// agent: file that always contains a valid token, for programs that cannot use the socket [default: none]
        #[arg(skip)]
        "agent_token_file" => token_file: Given,
        /// agent: format of that file: raw, pgpass or my_cnf [default: raw]
        #[arg(skip)]
        "agent_token_format" => token_format: Given,
        /// agent: program with arguments that runs after each change of that file [default: none]
        #[arg(skip)]
        "agent_token_hook" => token_hook: Vec<Given>,
        /// agent: whether a second socket, token.sock, answers `GET /token` with a new token as JSON: true or false [default: false]
        #[arg(skip)]
        "agent_token_socket" => token_socket: Given,
    }
}

fields! {
    /// How a result is judged.
    pub struct JudgeFields {
        /// Basis of the verdict [default: guide]
        #[arg(long, alias = "policy", env = "PIPEPROBE_BASIS", value_name = "BASIS")]
        #[arg(value_parser = one_of::<Basis>())]
        "basis" => basis: Given,
        /// Required capability [default: what the replication mode needs]
        #[arg(long, env = "PIPEPROBE_REQUIRE", value_name = "CAPABILITY")]
        #[arg(value_parser = one_of::<super::Require>())]
        "require" => require: Given,
        /// Time limit for one check of a target, such as 30s or 1m [default: 30s; serve: 20s]
        #[arg(long, env = "PIPEPROBE_TIMEOUT", value_name = "DURATION", hide_short_help = true)]
        "timeout" => timeout: Given,
    }
}

fields! {
    /// How `serve` works; all but `listen` only in a file.
    pub struct ServeFields {
        /// Address and port to listen on [default: 127.0.0.1:9719]
        #[arg(long, env = "PIPEPROBE_LISTEN", value_name = "ADDRESS:PORT")]
        "listen" => listen: Given,
        /// Part of the targets that this process checks: 0/3, or ordinal/3 with the number at the end of the host name
        #[arg(long, env = "PIPEPROBE_SHARD", value_name = "K/N")]
        "shard" => shard: Given,
        /// Consecutive passed checks after which a target becomes healthy [default: 2]
        #[arg(skip)]
        "healthy_threshold" => healthy_threshold: Given,
        /// Consecutive failed checks after which a target becomes unhealthy [default: 1]
        #[arg(skip)]
        "unhealthy_threshold" => unhealthy_threshold: Given,
        /// Results kept per target [default: 100]
        #[arg(skip)]
        "history" => history: Given,
        /// Login limit per database and second [default: 100]
        #[arg(skip)]
        "logins_per_second" => logins_per_second: Given,
        /// Certificate chain of the server: a PEM file or the PEM text
        #[arg(skip)]
        "tls_certificate" => tls_certificate: Given,
        /// Private key of the server: a PEM file or the PEM text
        #[arg(skip)]
        "tls_key" => tls_key: Given,
        /// Users, with the bcrypt hash of their password
        #[arg(skip)]
        "users" => users: Vec<Given>,
        /// Names of this server in requests over plain HTTP [default: IP addresses and localhost]
        #[arg(skip)]
        "host_names" => host_names: Vec<Given>,
        /// Allow plain HTTP without users beyond loopback
        #[arg(skip)]
        "plaintext_beyond_loopback" => plaintext_beyond_loopback: Given,
    }
}

fields! {
    /// What `setup` and `lint` compare with.
    pub struct SubjectFields {
        /// ClickHouse service role that assumes the access role [default: the last --via-role]
        #[arg(long, env = "PIPEPROBE_SERVICE_ROLE", value_name = "ARN")]
        "service_role" => service_role: Given,
        /// Resource ID of the instance (db-…), the cluster (cluster-…) or the proxy (prx-…)
        #[arg(long, env = "PIPEPROBE_RESOURCE_ID", value_name = "ID")]
        "resource_id" => resource_id: Given,
    }
}

/// The fields of one target in one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub target: TargetFields,
    pub pipe: PipeFields,
    pub diagnose: DiagnoseFields,
    pub schedule: ScheduleFields,
    pub agent: AgentFields,
}

impl Fields {
    /// The keys of `[targets.NAME]` and `[defaults]`.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        [TargetFields::KEYS, PipeFields::KEYS, DiagnoseFields::KEYS, ScheduleFields::KEYS, AgentFields::KEYS]
            .into_iter()
            .flatten()
            .copied()
    }

    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            target: self.target.over(below.target),
            pipe: self.pipe.over(below.pipe),
            diagnose: self.diagnose.over(below.diagnose),
            schedule: self.schedule.over(below.schedule),
            agent: self.agent.over(below.agent),
        }
    }

    /// Whether the field with this key is given.
    pub fn has(&self, key: &str) -> bool {
        self.target.has(key)
            || self.pipe.has(key)
            || self.diagnose.has(key)
            || self.schedule.has(key)
            || self.agent.has(key)
    }

    pub fn set(&mut self, key: &str, value: Written, origin: &Origin) -> Option<Result<(), Invalid>> {
        (self.target.set(key, value.clone(), origin))
            .or_else(|| self.pipe.set(key, value.clone(), origin))
            .or_else(|| self.diagnose.set(key, value.clone(), origin))
            .or_else(|| self.schedule.set(key, value.clone(), origin))
            .or_else(|| self.agent.set(key, value, origin))
    }
}

/// Keys that were renamed: the present key, and the earlier one, which still works in files and as a variable.
pub(crate) const RENAMED: &[(&str, &str)] = &[
    ("basis", "policy"),
    ("diagnose_profile", "explain_with_profile"),
    ("diagnose_role", "explain_with_role"),
    ("no_retry", "no_second_look"),
];

fn current_key(key: &str) -> &str {
    RENAMED.iter().find(|(_, earlier)| *earlier == key).map_or(key, |(current, _)| current)
}

/// The value of the environment variable that a renamed field had before.
pub fn from_earlier_variable(key: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<Given> {
    let (_, earlier) = RENAMED.iter().find(|(current, _)| *current == key)?;
    Given::from_variable(&format!("PIPEPROBE_{}", earlier.to_uppercase()), environment)
}
