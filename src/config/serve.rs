//! What `serve` is to do: which targets, how often, and who may ask about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    Agent, Context, Environment, Judge, SECOND,
    agent::Offers,
    can_be_required, declared,
    field::{boolean, duration, host_name, internal, list, optional},
    judge, select,
    shard::Shard,
    target::Needs,
};
use crate::{
    cli::{
        self, Given,
        fields::{AgentFields, Fields, ScheduleFields, ServeFields},
    },
    diagnostic::Requirement,
    secret::Secret,
    target::{ConfigErrors, ErrorList, Invalid, Origin, Target, quoted},
};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9719);
const TIMEOUT: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_secs(30);
const FULL_INTERVAL: Duration = Duration::from_mins(10);
/// What every role and every chain of roles allows: fewer calls to STS than with the 15 minutes that one check needs.
pub(super) const SESSION: Duration = Duration::from_hours(1);

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
    /// Which part of the configured targets `targets` is.
    pub shard: Option<Shard>,
    pub web: Web,
    /// What `agent` does, in the same process.
    pub agent: Option<Agent>,
}

/// Which targets the agent of `serve` has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AgentTargets {
    All,
    /// Those with fields of the agent.
    Declared,
    None,
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
    pub tls: Option<(Arc<str>, Secret)>,
    /// Name → bcrypt hash of its password. Empty: everyone.
    pub users: BTreeMap<String, String>,
    /// Names of this server in requests over plain HTTP, in lower case.
    pub host_names: BTreeSet<String>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Web");
        shown.field("listen", &self.listen).field("tls", &self.tls.is_some());
        shown.field("users", &self.users.keys()).field("host_names", &self.host_names).finish_non_exhaustive()
    }
}

impl Serve {
    /// # Errors
    /// Everything that cannot be used.
    pub fn read(args: cli::Serve, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let agent = if args.agent { AgentTargets::All } else { AgentTargets::None };
        Self::read_with(args, agent, environment)
    }

    /// For `config check`: also what only `agent` reads.
    ///
    /// # Errors
    /// Everything that cannot be used.
    pub fn check(args: cli::ConfigCheck, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        Self::read_with(args.into(), AgentTargets::Declared, environment)
    }

    fn read_with(
        args: cli::Serve,
        agent: AgentTargets,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        let path = path(&args.sources)?;
        let mut file = path.as_deref().map(select::read_file).transpose()?.unwrap_or_default();
        let document = declared::document(&args.sources)?;
        let written = std::mem::take(&mut file.serve);
        let mut errors = ErrorList::default();
        let judge_fields = context.typed_judge(args.judge).over(std::mem::take(&mut file.judge));
        let judge = errors.take_all(judge(&judge_fields, TIMEOUT..=600 * SECOND));
        // What aws-vault leaves in the environment; every other field of a target comes from the file.
        let typed = Fields {
            target: select::typed(cli::fields::TargetFields::default(), &context),
            ..Fields::default()
        };
        let selection = errors.take_all(select::targets_of(path.as_deref(), file, document, &[], &typed));
        let mut selection = selection.unwrap_or_default();
        errors.take_all(selection.errors.check());
        let (mut targets, mut offers) = (Vec::new(), Offers::default());
        for selected in selection.targets {
            let (fields, origin) = (selected.fields.clone(), selected.origin.clone());
            let schedule = errors.take_all(schedule(&fields.schedule));
            let mut target = errors.take_all(declared::read_complete(selected, Needs::AccessRole, &context));
            if let Some(target) = &mut target
                && fields.target.duration.is_none()
            {
                target.access.duration = SESSION;
            }
            if agent == AgentTargets::All || agent == AgentTargets::Declared && has_agent_fields(&fields) {
                errors.take_all(offers.add(target.clone(), &fields, origin.as_ref(), &context));
            }
            let (Some(schedule), Some(target), Some(judge)) = (schedule, target, judge) else { continue };
            errors.take(can_be_required(judge.require, &target));
            targets.push(MonitoredTarget {
                requirement: judge.requirement(target.pipe.mode),
                target,
                schedule,
            });
        }
        let e = &mut errors;
        let thresholds = Thresholds {
            healthy: number(e, "healthy_threshold", written.healthy_threshold.as_ref(), 1..=100).unwrap_or(2),
            unhealthy: number(e, "unhealthy_threshold", written.unhealthy_threshold.as_ref(), 1..=100)
                .unwrap_or(1),
        };
        let history = number(e, "history", written.history.as_ref(), 1..=10_000).unwrap_or(100) as usize;
        let logins_per_second = number(e, "logins_per_second", written.logins_per_second.as_ref(), 1..=200)
            .and_then(NonZeroU32::new)
            .unwrap_or(super::LOGINS_PER_SECOND);
        let fields = args.serve.without_empty().over(written);
        let shard = optional(e, fields.shard.as_ref(), |text| Shard::parse(text, super::shard::host_name));
        let web = e.take_all(web(&fields, &context));
        let agent = errors.take_all(offers.agent(args.sockets, None, environment));
        errors.check()?;
        let mut agent = agent.filter(|agent| !agent.targets.is_empty());
        if let Some(shard) = shard {
            targets.retain(|monitored| shard.has(&monitored.target.name));
            if let Some(agent) = &mut agent {
                agent.targets.retain(|offered| shard.has(&offered.target.name));
            }
        }
        let Some((web, Judge { timeout, .. })) = web.zip(judge) else {
            return Err(internal().into());
        };
        Ok(Self { targets, timeout, thresholds, history, logins_per_second, shard, web, agent })
    }
}

fn has_agent_fields(fields: &Fields) -> bool {
    AgentFields::KEYS.iter().any(|key| fields.agent.has(key))
}

fn path(sources: &cli::Sources) -> Result<Option<PathBuf>, Invalid> {
    let default = PathBuf::from(select::DEFAULT_FILE);
    match sources.file.path() {
        Some(path) => Ok(Some(path.to_owned())),
        None if sources.has_document() => Ok(None),
        None if default.is_file() => Ok(Some(default)),
        None => Err(Invalid::new("config_file", "a file with targets", "nothing, and no ./pipeprobe.toml")
            .remedy("give -c FILE; start one with: pipeprobe config example config > pipeprobe.toml")),
    }
}

fn schedule(fields: &ScheduleFields) -> Result<Schedule, ConfigErrors> {
    const DAY: Duration = Duration::from_hours(24);
    let mut errors = ErrorList::default();
    let interval =
        optional(&mut errors, fields.interval.as_ref(), |text| duration("interval", text, SECOND..=DAY));
    let interval = interval.unwrap_or(INTERVAL);
    let full = optional(&mut errors, fields.full_interval.as_ref(), |text| {
        duration("full_interval", text, interval..=DAY)
    });
    errors.check()?;
    Ok(Schedule { interval, full_interval: full.unwrap_or_else(|| FULL_INTERVAL.max(interval)) })
}

fn number(
    errors: &mut ErrorList,
    field: &str,
    given: Option<&Given>,
    range: RangeInclusive<u32>,
) -> Option<u32> {
    optional(errors, given, |text| {
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            Invalid::new(field, format!("a number from {} to {}", range.start(), range.end()), quoted(text))
        })
    })
}

fn web(fields: &ServeFields, context: &Context<'_>) -> Result<Web, ConfigErrors> {
    let mut errors = ErrorList::default();
    let e = &mut errors;
    let listen = optional(e, fields.listen.as_ref(), listen_address);
    let plaintext = optional(e, fields.plaintext_beyond_loopback.as_ref(), |text| {
        boolean("plaintext_beyond_loopback", text)
    });
    let tls = match (&fields.tls_certificate, &fields.tls_key) {
        (Some(certificate), Some(key)) => {
            let certificate = e.take(context.pem("tls_certificate", certificate));
            let key = e.take(context.pem("tls_key", key));
            certificate.zip(key).map(|(certificate, key)| (certificate, Secret::new(&*key)))
        }
        (None, None) => None,
        (Some(given), None) => {
            e.push(
                Invalid::new("tls_key", "the private key of tls_certificate", "nothing").at(&given.origin),
            );
            None
        }
        (None, Some(given)) => {
            e.push(
                Invalid::new("tls_certificate", "the certificate of tls_key", "nothing").at(&given.origin),
            );
            None
        }
    };
    let users =
        fields.users.iter().flatten().filter_map(|given| e.take(user(given))).collect::<BTreeMap<_, _>>();
    let host_names = list(e, fields.host_names.as_deref(), "host_names", |text| {
        host_name("host_names", text).map(|host| host.as_str().to_ascii_lowercase())
    });
    errors.check()?;
    let web =
        Web { listen: listen.unwrap_or(LISTEN), tls, users, host_names: host_names.into_iter().collect() };
    if !plaintext.unwrap_or(false) {
        refuse_plaintext(&web, fields.listen.as_ref().map(|given| &given.origin))?;
    }
    Ok(web)
}

pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Invalid> {
    let expected = "an IP address and a port, such as 127.0.0.1:9719 or [::]:9719";
    text.parse().map_err(|_| Invalid::new("listen", expected, quoted(text)))
}

/// A name and the bcrypt hash of a password. What is not a hash can be the password itself, and is not quoted.
fn user(given: &Given) -> Result<(String, String), Invalid> {
    let Some(name) = &given.key else {
        let expected = "a table [serve.users] of names and bcrypt hashes";
        return Err(Invalid::new("users", expected, "a list").at(&given.origin));
    };
    match given.text.parse::<bcrypt::HashParts>() {
        Ok(_) => Ok((name.clone(), given.text.clone())),
        Err(_) => Err(Invalid::new(
            &format!("users.{name}"),
            "a bcrypt hash of the password, as `htpasswd -nB NAME` prints it",
            format!("{} characters that are not a bcrypt hash (not shown)", given.text.chars().count()),
        )
        .at(&given.origin)),
    }
}

/// Plain HTTP is for loopback. Elsewhere, for example in the network of a container, it must be turned on.
fn refuse_plaintext(web: &Web, origin: Option<&Origin>) -> Result<(), Invalid> {
    let missing = match (web.tls.is_none(), web.users.is_empty()) {
        _ if web.listen.ip().is_loopback() => return Ok(()),
        (false, false) => return Ok(()),
        (true, true) => "without a certificate and users",
        (true, false) => "without a certificate",
        (false, true) => "without users",
    };
    let invalid = Invalid::new(
        "listen",
        "a loopback address, or tls_certificate, tls_key and users (or, in a private network, \
         plaintext_beyond_loopback = true)",
        format!("{} {missing}", quoted(web.listen)),
    );
    Err(origin.into_iter().fold(invalid, Invalid::at))
}
