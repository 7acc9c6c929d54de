//! `--config-file`, `pipeprobe config check` and `pipeprobe config example`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::{
    AgentSockets, Format, Given, Output, Serve,
    fields::{JudgeFields, ServeFields},
};

#[derive(Clone, Debug, Default, Args)]
pub struct ConfigFile {
    /// Configuration file (TOML), or - for stdin [default: ./pipeprobe.toml]
    #[arg(short, long, alias = "config", env = "PIPEPROBE_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

impl ConfigFile {
    /// The path that was given. An empty variable is one that is not set.
    pub fn path(&self) -> Option<&Path> {
        self.config_file.as_deref().filter(|path| !path.as_os_str().is_empty())
    }
}

/// Where targets come from: a configuration file, and the pipes of a Terraform plan, a Terraform state or a service.
#[derive(Clone, Debug, Default, Args)]
pub struct Sources {
    #[command(flatten)]
    pub file: ConfigFile,

    /// Targets are the ClickPipes of a Terraform plan: the output of `terraform show -json PLAN`, or - for stdin
    #[arg(long, env = "PIPEPROBE_TERRAFORM_PLAN", value_name = "FILE")]
    pub terraform_plan: Option<Given>,

    /// Targets are the ClickPipes of a Terraform state: the output of `terraform show -json`, or - for stdin
    #[arg(long, env = "PIPEPROBE_TERRAFORM_STATE", value_name = "FILE", hide_short_help = true)]
    pub terraform_state: Option<Given>,

    /// What ClickHouse Cloud answered about the service of `--clickhouse-service`, once it was asked.
    #[arg(skip)]
    pub service: Option<Given>,
}

impl Sources {
    pub fn plan(&self) -> Option<&Given> {
        self.terraform_plan.as_ref().filter(|given| !given.text.is_empty())
    }

    pub fn state(&self) -> Option<&Given> {
        self.terraform_state.as_ref().filter(|given| !given.text.is_empty())
    }

    /// Whether a document declares pipes.
    pub fn has_document(&self) -> bool {
        self.plan().or(self.state()).or(self.service.as_ref()).is_some()
    }
}

impl From<ConfigFile> for Sources {
    fn from(file: ConfigFile) -> Self {
        Self { file, ..Self::default() }
    }
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    Check(Box<ConfigCheck>),
    Example(ConfigExample),
}

/// Read a configuration file as `check`, `serve` and `agent` do, and print its content or its errors
///
/// Makes no connection.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pipeprobe config check pipeprobe.toml\n\nExit codes: 0 valid, 2 not valid"
)]
pub struct ConfigCheck {
    /// Configuration file; the same as --config-file
    #[arg(value_name = "FILE", conflicts_with = "config_file")]
    pub path: Option<PathBuf>,

    #[command(flatten)]
    pub file: ConfigFile,

    #[command(flatten)]
    pub serve: ServeFields,

    #[command(flatten)]
    pub judge: JudgeFields,

    #[command(flatten)]
    pub output: Output<Format>,
}

impl From<ConfigCheck> for Serve {
    fn from(args: ConfigCheck) -> Self {
        let config_file = args.path.or(args.file.config_file);
        Self {
            sources: ConfigFile { config_file }.into(),
            serve: args.serve,
            judge: args.judge,
            agent: false,
            sockets: AgentSockets::default(),
        }
    }
}

/// Print an example file: configuration, Prometheus, alerts, dashboard, systemd, Kubernetes, GitHub Actions
///
/// Without a name, lists the examples. Each is complete, and says at its top what to change.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pipeprobe config example config > pipeprobe.toml\n  pipeprobe config example alerts > alerts.yml"
)]
pub struct ConfigExample {
    #[arg(value_name = "NAME", ignore_case = true)]
    pub name: Option<Example>,
}

/// One of the example files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// pipeprobe.toml with every field
    Config,
    /// Prometheus: scrape /metrics of a pipeprobe on the same host
    Prometheus,
    /// The same over TLS with a user
    PrometheusTls,
    /// Prometheus: probe one target per scrape, as with blackbox_exporter
    PrometheusProbe,
    /// The same over TLS with a user
    PrometheusProbeTls,
    /// Alert rules for Prometheus
    Alerts,
    /// Dashboard for Grafana
    Dashboard,
    /// Sandboxed systemd service
    Systemd,
    /// Kubernetes: Deployment, ServiceAccount, ConfigMap, Service and ServiceMonitor
    Kubernetes,
    /// Kubernetes: CronJob and init container that check before a deployment
    KubernetesPreflight,
    /// GitHub Actions: check the ClickPipes of a Terraform plan in a pull request
    GithubActions,
}
