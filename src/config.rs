//! What the input means: targets and options, from flags over environment variables over the file over defaults.
//! Everything is read and checked here, before any connection is made.

mod agent;
mod declared;
mod endpoints;
mod field;
pub mod file;
mod input;
mod select;
mod serve;
mod shard;
mod service;
mod setup;
mod subject;
mod tables;
mod target;
mod token;
mod url;

use std::{num::NonZeroU32, time::Duration};

pub use agent::{Agent, AgentTarget, Exec, Tcp, TokenFile, TokenFormat};
use declared::Candidate;
use field::{duration, optional};
pub use select::target_names;
pub use serve::{MonitoredTarget, Schedule, Serve, Thresholds, Web};
pub use service::{ApiKey, ServiceQuery, list_url};
pub use setup::Setup;
pub use subject::LintConfig;
use target::Needs;
pub use token::{ClientCommand, Token};

use crate::{
    cli::{
        self, CheckFormat, Detail, FailOn, Given, Require,
        fields::{Fields, JudgeFields, from_earlier_variable},
    },
    diagnostic::{Basis, Capability, RequiredBy, Requirement},
    target::{ConfigErrors, ErrorList, Invalid, ReplicationMode, Skipped, Target, Unchecked, choice, quoted},
};

/// Logins to one database, by default: half of the maximum that AWS recommends.
pub const LOGINS_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

/// What `check` does.
#[derive(Clone, Debug)]
pub struct Config {
    pub targets: Vec<Target>,
    /// Pipes of a Terraform plan, a Terraform state or a service whose declaration does not contain what a check needs.
    pub unchecked: Vec<Unchecked>,
    /// Pipes of a Terraform plan, a Terraform state or a service that do not log in with IAM.
    pub skipped: Vec<Skipped>,
    pub judge: Judge,
    pub fail_on_warning: bool,
    /// How long to repeat checks of targets that do not meet the requirement; `None`: check once.
    pub wait: Option<Duration>,
    /// After a refusal, at most one more STS call and one more login.
    pub retry: bool,
    /// Estimate the duration of the initial load.
    pub estimate: bool,
    pub output: CheckFormat,
    pub detail: Detail,
    /// The locale is not UTF-8, so texts use ASCII marks.
    pub ascii: bool,
}

/// How a result is judged, and how long a check may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judge {
    pub basis: Basis,
    /// What every target must allow; if `None`, what the target's own `replication_mode` needs.
    pub require: Option<Capability>,
    /// Time limit for one check of one target.
    pub timeout: Duration,
}

/// Looks up an environment variable that no flag declares.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What reading a configuration needs from outside.
pub(crate) struct Context<'a> {
    environment: Environment<'a>,
    files: input::Files,
}

impl<'a> Context<'a> {
    fn new(environment: Environment<'a>) -> Self {
        Self { environment, files: input::Files::default() }
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<Given> {
        Given::from_variable(name, self.environment)
    }

    /// The items of a variable with a comma-separated list.
    fn list_variable(&self, name: &str) -> Option<Vec<Given>> {
        let given = self.variable(name)?;
        let item = |text: &str| given.clone().with_text(text.trim().to_owned());
        Some(given.text.split(',').map(item).collect())
    }

    /// How to judge, as flags and variables say.
    fn typed_judge(&self, fields: JudgeFields) -> JudgeFields {
        let fields = fields.without_empty();
        JudgeFields { basis: self.or_earlier("basis", fields.basis), ..fields }
    }

    /// A field that was given, otherwise the value of the variable that it had under an earlier name.
    fn or_earlier(&self, key: &str, given: Option<Given>) -> Option<Given> {
        given.or_else(|| from_earlier_variable(key, self.environment))
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

impl Config {
    /// Reads the arguments of `check`, the environment variables and the configuration file.
    ///
    /// ```
    /// use pipeprobe::{cli::{Cli, Command}, config::Config};
    ///
    /// let arguments = [
    ///     "pipeprobe", "check", "--type", "rdspostgres",
    ///     "--host", "orders.abc123.eu-west-1.rds.amazonaws.com",
    ///     "--iam-role", "arn:aws:iam::123456789012:role/clickpipes-rds-access",
    /// ];
    /// let Command::Check(check) = Cli::read(arguments.map(Into::into))?.command else { unreachable!() };
    /// let config = Config::read(*check, &|_| None)?; // without environment variables
    /// let target = &config.targets[0];
    /// assert_eq!(target.region.as_str(), "eu-west-1");
    /// assert_eq!(target.user.as_str(), "clickpipes_iam_user");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Everything that cannot be used.
    pub fn read(args: cli::Check, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        let mut typed = Fields {
            target: select::typed(args.target, &context),
            pipe: args.pipe.without_empty(),
            diagnose: args.diagnose.without_empty(),
            ..Fields::default()
        };
        let diagnose = &mut typed.diagnose;
        diagnose.diagnose_profile = context.or_earlier("diagnose_profile", diagnose.diagnose_profile.take());
        diagnose.diagnose_role = context.or_earlier("diagnose_role", diagnose.diagnose_role.take());

        let mut errors = ErrorList::default();
        let judge = errors.take_all(judge(&context.typed_judge(args.judge), DEFAULT_TIMEOUT..=3600 * SECOND));
        let fail_on = optional(&mut errors, non_empty(args.fail_on).as_ref(), |text| choice("fail_on", text));
        let wait = optional(&mut errors, non_empty(args.wait).as_ref(), |text| {
            duration("wait", text, SECOND..=86_400 * SECOND)
        });
        let mut selection =
            errors.take_all(select::targets(&args.sources, &args.names, typed)).unwrap_or_default();
        errors.take_all(selection.errors.check());
        if let [only] = &selection.targets[..]
            && is_nothing(only)
        {
            errors.push(no_target());
            errors.check()?;
        }
        let (mut targets, mut unchecked) = (Vec::new(), Vec::new());
        for selected in selection.targets {
            errors.take(require_feature(&selected.fields));
            match errors.take_all(declared::read(selected, Needs::AccessRole, &context)) {
                Some(Candidate::Target(target)) => {
                    if let Some(judge) = &judge {
                        errors.take(can_be_required(judge.require, &target));
                    }
                    targets.push(*target);
                }
                Some(Candidate::Unchecked(pipe)) => unchecked.push(pipe),
                None => {}
            }
        }
        errors.check()?;
        let no_retry =
            args.no_retry || from_earlier_variable("no_retry", environment).is_some_and(|g| is_true(&g.text));
        Ok(Self {
            targets,
            unchecked,
            skipped: selection.skipped,
            judge: judge.ok_or_else(field::internal)?,
            fail_on_warning: fail_on == Some(FailOn::Warning),
            wait,
            retry: !no_retry,
            estimate: args.estimate,
            output: args.output.format(),
            detail: match (args.quiet, args.verbose) {
                (true, _) => Detail::Quiet,
                (false, true) => Detail::Verbose,
                (false, false) => Detail::Normal,
            },
            ascii: is_ascii_locale(environment),
        })
    }

    /// What a target's run is judged by.
    pub fn requirement(&self, target: &Target) -> Requirement {
        self.judge.requirement(target.pipe.mode)
    }
}

impl Judge {
    /// What is required of every target, otherwise what the requested mode needs.
    pub fn requirement(&self, mode: Option<ReplicationMode>) -> Requirement {
        let (required, required_by) = match (self.require, mode) {
            (Some(required), _) => (required, RequiredBy::Require),
            (None, Some(ReplicationMode::Cdc | ReplicationMode::CdcOnly)) => {
                (Capability::Cdc, RequiredBy::ReplicationMode)
            }
            (None, Some(ReplicationMode::Snapshot)) => {
                (Capability::InitialLoadOnly, RequiredBy::ReplicationMode)
            }
            (None, None) => (Capability::InitialLoadOnly, RequiredBy::Default),
        };
        Requirement::new(self.basis, required, required_by)
    }
}

/// Whether the locale for characters has another encoding than UTF-8. Without a locale, as in most containers and CI
/// jobs, UTF-8 is expected. Source: POSIX, Environment Variables: the first of these that is not empty.
fn is_ascii_locale(environment: Environment<'_>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| environment(name)).find(|l| !l.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

/// `timeouts`: from the default to the largest; the smallest is a second.
fn judge(fields: &JudgeFields, timeouts: std::ops::RangeInclusive<Duration>) -> Result<Judge, ConfigErrors> {
    let mut errors = ErrorList::default();
    let e = &mut errors;
    let judge = Judge {
        basis: optional(e, fields.basis.as_ref(), str::parse).unwrap_or(Basis::Guide),
        require: optional(e, fields.require.as_ref(), |text| choice("require", text)).map(|require| {
            match require {
                Require::InitialLoad => Capability::InitialLoadOnly,
                Require::Cdc => Capability::Cdc,
            }
        }),
        timeout: optional(e, fields.timeout.as_ref(), |text| {
            duration("timeout", text, SECOND..=*timeouts.end())
        })
        .unwrap_or(*timeouts.start()),
    };
    errors.check()?;
    Ok(judge)
}

fn can_be_required(require: Option<Capability>, target: &Target) -> Result<(), Invalid> {
    match require {
        Some(Capability::Cdc) if !target.pipe.follows_changes() => Err(Invalid::new(
            "require",
            format!("initial-load, because the replication_mode of {} is snapshot", target.name),
            quoted("cdc"),
        )),
        _ => Ok(()),
    }
}

/// A build without default features has no AWS diagnostics.
fn require_feature(fields: &Fields) -> Result<(), Invalid> {
    let diagnose = &fields.diagnose;
    let given =
        [("diagnose_profile", &diagnose.diagnose_profile), ("diagnose_role", &diagnose.diagnose_role)];
    match given.into_iter().find_map(|(field, given)| Some((field, given.as_ref()?))) {
        Some((field, given)) if !cfg!(feature = "aws-diagnostics") => {
            Err(Invalid::new(field, "a pipeprobe with the feature aws-diagnostics", "a build without it")
                .at(&given.origin)
                .remedy("cargo install --path ."))
        }
        _ => Ok(()),
    }
}

fn is_nothing(selected: &select::Selected) -> bool {
    let target = &selected.fields.target;
    selected.name.is_none()
        && target.host.is_none()
        && target.source_type.is_none()
        && target.iam_role.is_none()
}

/// For `check` without anything to check.
fn no_target() -> Invalid {
    let expected = "--type, --host and --iam-role, or a file with targets (-c FILE)";
    Invalid::new("target", expected, "nothing, and no ./pipeprobe.toml").remedy(
        "give a target, for example:\n\
         \x20 pipeprobe check --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\\n\
         \x20     --iam-role arn:aws:iam::123456789012:role/clickpipes\n\
         or start a configuration file:\n\
         \x20 pipeprobe config example config > pipeprobe.toml",
    )
}

fn non_empty(given: Option<Given>) -> Option<Given> {
    given.filter(|given| !given.text.is_empty())
}

/// As clap reads a variable that turns a flag on.
fn is_true(text: &str) -> bool {
    !matches!(text.to_lowercase().as_str(), "" | "0" | "n" | "no" | "f" | "false" | "off")
}

#[cfg(test)]
pub(crate) mod tests;
