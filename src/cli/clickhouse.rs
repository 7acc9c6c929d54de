//! The service of ClickHouse Cloud whose pipes are targets.

use clap::Args;

use super::Given;

/// `--clickhouse-service`. The key is not a flag: other users of the machine can read those.
#[derive(Clone, Debug, Default, Args)]
pub struct ClickHouse {
    /// Targets are the ClickPipes of this ClickHouse Cloud service (its ID). The API key (permission manage-clickpipes) is read from CLICKHOUSE_CLOUD_API_KEY and CLICKHOUSE_CLOUD_API_SECRET
    #[arg(long, env = "PIPEPROBE_CLICKHOUSE_SERVICE", value_name = "ID", help_heading = "ClickHouse Cloud")]
    #[arg(hide_short_help = true)]
    pub clickhouse_service: Option<Given>,

    /// ID of the organization of the service [default: the organization of the key]
    #[arg(
        long,
        env = "PIPEPROBE_CLICKHOUSE_ORGANIZATION",
        value_name = "ID",
        help_heading = "ClickHouse Cloud"
    )]
    #[arg(hide_short_help = true)]
    pub clickhouse_organization: Option<Given>,

    /// File with the API key, as KEY_ID:KEY_SECRET, instead of the variables
    #[arg(
        long,
        env = "PIPEPROBE_CLICKHOUSE_KEY_FILE",
        value_name = "FILE",
        help_heading = "ClickHouse Cloud"
    )]
    #[arg(hide_short_help = true)]
    pub clickhouse_key_file: Option<Given>,
}
