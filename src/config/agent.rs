//! What `agent` and `exec` serve.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    Context, Environment, SECOND,
    field::{duration, optional},
    select,
    serve::{SESSION, listen_address},
    target,
    target::Needs,
};
use crate::{
    cli::{
        self, Given,
        fields::{Fields, TargetFields},
    },
    target::{ConfigErrors, ErrorList, Invalid, Target, quoted},
};

const DRAIN: Duration = Duration::from_secs(30);

/// What `agent` does.
#[derive(Clone, Debug)]
pub struct Agent {
    pub targets: Vec<Target>,
    /// Each target has a directory in it.
    pub directory: PathBuf,
    pub drain: Duration,
    /// Where metrics and health are served over HTTP.
    pub listen: Option<SocketAddr>,
}

impl Agent {
    /// # Errors
    /// Everything that cannot be used.
    pub fn read(args: cli::Agent, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        let typed = Fields { target: select::typed(TargetFields::default(), &context), ..Fields::default() };
        let mut errors = ErrorList::default();
        let drain = args.drain.filter(|given| !given.text.is_empty());
        let drain = errors.take(drain_of(drain.as_ref()));
        let listen = args.listen.filter(|given| !given.text.is_empty());
        let listen = optional(&mut errors, listen.as_ref(), listen_address);
        let mut targets = Vec::new();
        let mut selection = select::targets(&args.file.into(), &[], typed)?;
        errors.take_all(selection.errors.check());
        for selected in selection.targets {
            if let Some(target) = errors.take_all(long_lived(selected, &context)) {
                errors.take(directory_name(&target.name));
                targets.push(target);
            }
        }
        errors.check()?;
        let runtime = environment("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = args.socket_dir.filter(|path| !path.as_os_str().is_empty());
        let directory =
            directory.unwrap_or_else(|| runtime.unwrap_or_else(|| "/run".into()).join("pipeprobe"));
        Ok(Self { targets, directory, drain: drain.unwrap_or(DRAIN), listen })
    }
}

fn drain_of(given: Option<&Given>) -> Result<Duration, Invalid> {
    given.map_or(Ok(DRAIN), |given| duration("drain", &given.text, Duration::ZERO..=3600 * SECOND))
}

/// The name of a target becomes the name of a directory.
fn directory_name(name: &str) -> Result<(), Invalid> {
    match name.starts_with('.') || name.contains('/') {
        false => Ok(()),
        true => Err(Invalid::new(
            "targets",
            "a name that can be a directory, without / and a dot at its start",
            quoted(name),
        )),
    }
}

/// A target whose session is used for a long time. Without a role, the source credentials sign.
fn long_lived(selected: select::Selected, context: &Context<'_>) -> Result<Target, ConfigErrors> {
    let has_duration = selected.fields.target.duration.is_some();
    let mut target = target::read(selected, Needs::NoRole, context)?;
    if !has_duration {
        target.access.duration = SESSION;
    }
    Ok(target)
}

/// What `exec` does.
#[derive(Clone, Debug)]
pub struct Exec {
    pub target: Target,
    /// The program and its arguments; not empty.
    pub program: Vec<OsString>,
    /// TCP on loopback instead of a socket.
    pub tcp: bool,
    pub keep_aws: bool,
}

impl Exec {
    /// # Errors
    /// Everything that cannot be used, or if not exactly one target is named.
    pub fn read(args: cli::Exec, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        let typed = Fields { target: select::typed(args.target, &context), ..Fields::default() };
        let purpose = ("TARGET", "one target for the program");
        let selected = select::one_target(&args.file.into(), args.name, typed, purpose)?;
        let target = long_lived(selected, &context)?;
        Ok(Self { target, program: args.program, tcp: args.tcp, keep_aws: args.keep_aws })
    }
}
