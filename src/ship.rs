//! Files that operators put around pipeprobe, included in the program. tests/end_to_end/operators.rs
//! checks each file with the tool that reads it.

use crate::cli::Example;

/// The whole file.
pub fn text(example: Example) -> &'static str {
    match example {
        Example::Config => include_str!("config/sample.toml"),
        Example::Prometheus => include_str!("ship/prometheus.yml"),
        Example::PrometheusTls => include_str!("ship/prometheus-tls.yml"),
        Example::PrometheusProbe => include_str!("ship/prometheus-probe.yml"),
        Example::PrometheusProbeTls => include_str!("ship/prometheus-probe-tls.yml"),
        Example::Alerts => include_str!("ship/alerts.yml"),
        Example::Dashboard => include_str!("ship/dashboard.json"),
        Example::Systemd => include_str!("ship/pipeprobe.service"),
        Example::Kubernetes => include_str!("ship/kubernetes.yaml"),
        Example::KubernetesPreflight => include_str!("ship/kubernetes-preflight.yaml"),
        Example::GithubActions => include_str!("ship/github-actions.yml"),
    }
}
