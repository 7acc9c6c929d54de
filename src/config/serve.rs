//! What `serve` is to do: which targets, how often, and who may ask about them.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::Path,
    time::Duration,
};

use super::{
    Environment, Needs, can_be_required, duration, file, given, read_file, read_target, required_capability,
    requirement, targets_of, typed, unreadable,
};
use crate::{
    cli::{self, TargetArgs},
    config::file::Number,
    diagnostic::{Basis, Requirement},
    secret::Secret,
    target::{Invalid, Target, quoted},
};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9719);
const TIMEOUT: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_secs(30);
const FULL_INTERVAL: Duration = Duration::from_secs(600);
/// As long as a role always allows, and a chain of roles may: fewer calls to STS than with the 15 minutes that one check needs.
const SESSION: &str = "1h";

/// What `serve` is to do.
#[derive(Clone, Debug)]
pub struct Serve {
    pub targets: Vec<MonitoredTarget>,
    /// For one check, from the first step to the last.
    pub timeout: Duration,
    pub thresholds: Thresholds,
    /// Checks that are remembered, a target.
    pub history: usize,
    /// The most logins a second and database.
    pub logins_per_second: NonZeroU32,
    pub web: Web,
}

/// A target that is checked again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoredTarget {
    pub target: Target,
    pub requirement: Requirement,
    pub schedule: Schedule,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From one check to the next: identity, connection, login.
    pub interval: Duration,
    /// From one full check, which asks the database everything, to the next.
    pub full_interval: Duration,
}

/// Consecutive results of the other kind after which a target's health changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub healthy: u32,
    pub unhealthy: u32,
}

/// Who may ask.
#[derive(Clone, PartialEq, Eq)]
pub struct Web {
    pub listen: SocketAddr,
    /// Certificate chain and key, in PEM.
    pub tls: Option<(String, Secret)>,
    /// Name → bcrypt hash of its password. Empty: everyone.
    pub users: BTreeMap<String, String>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Web");
        shown.field("listen", &self.listen).field("tls", &self.tls.is_some());
        shown.field("users", &self.users.keys()).finish_non_exhaustive()
    }
}

impl Serve {
    /// # Errors
    /// The first field that cannot be used.
    pub fn read(args: cli::Serve, environment: Environment<'_>) -> Result<Self, Invalid> {
        let Some(path) = args.file.config_file.as_deref() else {
            return Err(Invalid::new(
                "config_file",
                "a file with the targets to watch",
                "nothing (give --config-file or PIPEPROBE_CONFIG_FILE)",
            ));
        };
        let mut file = read_file(path)?;
        let written = std::mem::take(&mut file.serve);
        // As aws-vault leaves them in the environment; every other field of a target is the file's.
        let typed = typed(TargetArgs::default(), environment)?;
        let basis = given(args.basis).or(written.basis);
        let basis = basis.map_or(Ok(Basis::Guide), |text| text.parse())?;
        let require = required_capability(given(args.require).or(written.require))?;
        let timeout = given(args.timeout).or(written.timeout);
        let timeout = timeout.map_or(Ok(TIMEOUT), |text| {
            duration("timeout", &text, Duration::from_secs(1)..=Duration::from_secs(600))
        })?;
        let targets = targets_of(path, file, &[], &typed)?
            .into_iter()
            .map(|(name, mut fields)| {
                fields.duration.get_or_insert_with(|| SESSION.to_owned());
                let schedule = schedule(&fields)?;
                let target = read_target(name, fields, Needs::AccessRole, environment)?;
                can_be_required(require, &target)?;
                Ok(MonitoredTarget { requirement: requirement(basis, require, &target), target, schedule })
            })
            .collect::<Result<_, Invalid>>()?;
        Ok(Self {
            targets,
            timeout,
            thresholds: Thresholds {
                healthy: number("healthy_threshold", written.healthy_threshold, 1..=100)?.unwrap_or(2),
                unhealthy: number("unhealthy_threshold", written.unhealthy_threshold, 1..=100)?.unwrap_or(1),
            },
            history: number("history", written.history, 1..=10_000)?.unwrap_or(100) as usize,
            // Half of what AWS advises as the most.
            logins_per_second: number("logins_per_second", written.logins_per_second, 1..=200)?
                .and_then(NonZeroU32::new)
                .unwrap_or(const { NonZeroU32::new(100).expect("not zero") }),
            web: web(
                given(args.listen).or(written.listen),
                (written.tls_certificate, written.tls_key),
                written.users,
                written.plaintext_beyond_loopback.unwrap_or(false),
            )?,
        })
    }
}

fn schedule(fields: &file::Fields) -> Result<Schedule, Invalid> {
    let day = Duration::from_secs(86_400);
    let read = |field, text: &Option<String>, default: Duration, least| match text {
        Some(text) => duration(field, text, least..=day),
        None => Ok(default.max(least)),
    };
    let interval = read("interval", &fields.interval, INTERVAL, Duration::from_secs(1))?;
    Ok(Schedule {
        interval,
        full_interval: read("full_interval", &fields.full_interval, FULL_INTERVAL, interval)?,
    })
}

fn number(
    field: &str,
    written: Option<Number>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, Invalid> {
    let wrong = |found: &Number| {
        Invalid::new(field, format!("a number from {} to {}", range.start(), range.end()), quoted(found))
    };
    written
        .map(|text| text.to_string().parse().ok().filter(|n| range.contains(n)).ok_or_else(|| wrong(&text)))
        .transpose()
}

/// Plain HTTP is for loopback. Whoever wants it elsewhere (a container's own network) says so.
fn web(
    listen: Option<String>,
    (certificate, key): (Option<String>, Option<String>),
    users: BTreeMap<String, String>,
    plaintext: bool,
) -> Result<Web, Invalid> {
    let listen = listen.map_or(Ok(LISTEN), |text| {
        text.parse().map_err(|_| {
            Invalid::new(
                "listen",
                "an address and a port, such as 127.0.0.1:9719 or [::]:9719",
                quoted(&text),
            )
        })
    })?;
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some((pem("tls_certificate", certificate)?, Secret::new(pem("tls_key", key)?)))
        }
        (None, None) => None,
        (Some(_), None) => return Err(Invalid::new("tls_key", "the key of tls_certificate", "nothing")),
        (None, Some(_)) => {
            return Err(Invalid::new("tls_certificate", "the certificate of tls_key", "nothing"));
        }
    };
    for (name, hash) in &users {
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err(Invalid::new(
                &format!("serve.users.{name}"),
                "a bcrypt hash of the password, as `htpasswd -nB NAME` prints it",
                format!("{} characters that are none", hash.chars().count()),
            ));
        }
    }
    if !listen.ip().is_loopback() && !plaintext && (tls.is_none() || users.is_empty()) {
        let missing = match (tls.is_none(), users.is_empty()) {
            (true, true) => "neither",
            (true, false) => "no certificate",
            _ => "no users",
        };
        return Err(Invalid::new(
            "listen",
            "a loopback address, or tls_certificate, tls_key and users beside it (or, in a network that is \
             private by itself, plaintext_beyond_loopback = true)",
            format!("{} with {missing}", quoted(listen)),
        ));
    }
    Ok(Web { listen, tls, users })
}

/// A file's content, or the PEM itself.
fn pem(field: &str, text: String) -> Result<String, Invalid> {
    match text.contains("-----BEGIN") {
        true => Ok(text),
        false => fs::read_to_string(&text).map_err(|e| unreadable(field, Path::new(&text), &e)),
    }
}
