//! External programs for the tests of shipped files and pages. None is
//! needed for anything else. A test without its program is reported as skipped, by name.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::setup::step;
use crate::{apt, cache, python, readers};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// One of the [`crate::reader`]s.
    Prometheus,
    /// promtool: validates configurations, rules and metrics.
    Promtool,
    /// Headless Chromium (100 MB with its libraries, installed).
    Chromium,
    /// systemd-analyze: validates units; from the package systemd, installed.
    SystemdAnalyze,
    /// A Python interpreter that can `import kubernetes_validate, yaml`.
    Kubernetes,
    /// zizmor: a linter of GitHub Actions workflows.
    Zizmor,
    /// proxy.py: an HTTP proxy.
    Proxy,
    /// A Python interpreter that can `import moto, awscli`.
    Moto,
    /// ministack: an implementation of AWS.
    Ministack,
    /// Shells that complete command lines; bash is on every Debian.
    Zsh,
    Fish,
}

impl Tool {
    pub const ALL: [Self; 11] = [
        Self::Prometheus,
        Self::Promtool,
        Self::Chromium,
        Self::SystemdAnalyze,
        Self::Kubernetes,
        Self::Zizmor,
        Self::Proxy,
        Self::Moto,
        Self::Ministack,
        Self::Zsh,
        Self::Fish,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
            Self::Chromium => "chromium",
            Self::SystemdAnalyze => "systemd",
            Self::Kubernetes => python::KUBERNETES.name,
            Self::Zizmor => python::ZIZMOR.name,
            Self::Proxy => python::PROXY.name,
            Self::Moto => python::MOTO.name,
            Self::Ministack => python::MINISTACK.name,
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// The key under which a failure is stored.
    fn excuse(self) -> &'static str {
        match self {
            Self::Prometheus | Self::Promtool => readers::NAME,
            _ => self.name(),
        }
    }

    /// Whether an attempt failed within the last hour.
    pub(crate) fn failed_lately(self) -> bool {
        cache::failed_lately(self.excuse())
    }

    /// The program, or the reason why it is missing. Never downloads anything; `cargo lab setup` does that.
    pub fn find(self) -> Result<PathBuf, String> {
        let found = match self {
            Self::Prometheus | Self::Promtool => readers::reader(&format!("usr/bin/{}", self.name())),
            Self::Chromium => installed(&["chromium-headless-shell", "chromium"]),
            Self::SystemdAnalyze => installed(&["systemd-analyze"]),
            Self::Kubernetes => python::KUBERNETES.python(),
            Self::Zizmor => python::ZIZMOR.program("zizmor"),
            Self::Proxy => python::PROXY.program("proxy"),
            Self::Moto => python::MOTO.python(),
            Self::Ministack => python::MINISTACK.program("ministack"),
            Self::Zsh | Self::Fish => installed(&[self.name()]),
        };
        found.ok_or_else(|| {
            cache::excuse(self.excuse()).unwrap_or_else(|| "not there yet: run `cargo lab setup`".to_owned())
        })
    }

    /// Gets it.
    pub(crate) fn get(self) -> io::Result<()> {
        let got = match self {
            // It stores its own reason.
            Self::Prometheus | Self::Promtool => return readers::fetch().map(drop),
            Self::Chromium => step("installing Chromium without a screen", || {
                apt::install_wanted(&["chromium-headless-shell"])
            }),
            Self::SystemdAnalyze => {
                step("installing systemd, for its judge of units", || apt::install_wanted(&["systemd"]))
            }
            Self::Kubernetes => python::KUBERNETES.make(),
            Self::Zizmor => python::ZIZMOR.make(),
            Self::Proxy => python::PROXY.make(),
            Self::Moto => python::MOTO.make(),
            Self::Ministack => python::MINISTACK.make(),
            Self::Zsh | Self::Fish => {
                step("installing a shell that completes", || apt::install_wanted(&[self.name()]))
            }
        };
        cache::remember(self.name(), &got);
        got
    }
}

/// The first of these programs that exists on this machine.
fn installed(names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| PathBuf::from("/usr/bin").join(name)).find(|path| fs::metadata(path).is_ok())
}
