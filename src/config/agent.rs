//! What `agent` and `exec` serve.

use std::{ffi::OsString, fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use nix::unistd::Group;

use super::{
    Context, Environment, SECOND,
    field::{duration, list, optional},
    input::path_of,
    select,
    serve::{SESSION, listen_address},
    target,
    target::Needs,
};
use crate::{
    cli::{
        self, Given,
        fields::{AgentFields, Fields, TargetFields},
    },
    secret::Secret,
    target::{ConfigErrors, Engine, ErrorList, Invalid, Target, quoted},
};

const DRAIN: Duration = Duration::from_secs(30);

/// What `agent` does.
#[derive(Clone, Debug)]
pub struct Agent {
    pub targets: Vec<AgentTarget>,
    /// Each target has a directory in it.
    pub directory: PathBuf,
    pub drain: Duration,
    /// Where metrics and health are served over HTTP.
    pub listen: Option<SocketAddr>,
}

/// A target and what is offered for it beside its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTarget {
    pub target: Target,
    pub tcp: Option<Tcp>,
    /// The id of a group whose members can use the socket.
    pub group: Option<u32>,
    pub token_file: Option<TokenFile>,
}

/// A listener on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub listen: SocketAddr,
    pub password: Secret,
}

/// A file that contains a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    pub path: PathBuf,
    pub format: TokenFormat,
    /// A program and its arguments. Empty: none.
    pub hook: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFormat {
    /// The token and a newline.
    Raw,
    /// A line for libpq (PGPASSFILE).
    Pgpass,
    /// An option file for clients of MySQL and MariaDB, with the CA certificates that they verify the server with.
    MyCnf { ca: PathBuf },
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
            let fields = selected.fields.clone();
            if let Some(target) = errors.take_all(long_lived(selected, &context)) {
                errors.take(directory_name(&target.name));
                if let Some(target) = errors.take_all(offers(target, &fields, &context)) {
                    targets.push(target);
                }
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

/// What is offered for a target beside its socket.
fn offers(target: Target, fields: &Fields, context: &Context<'_>) -> Result<AgentTarget, ConfigErrors> {
    let AgentFields { listen, password_file, socket_group, .. } = &fields.agent;
    let mut errors = ErrorList::default();
    let address = optional(&mut errors, listen.as_ref(), loopback);
    let password = password_file.as_ref().and_then(|given| errors.take(password(given, context)));
    let tcp = match (listen, password_file) {
        (Some(given), None) => {
            let missing =
                Invalid::new("agent_password_file", "a file with the password of agent_listen", "nothing");
            errors
                .push(missing.at(&given.origin).help("write one: (umask 077; openssl rand -hex 16 > FILE)"));
            None
        }
        (None, Some(given)) => {
            let missing = Invalid::new("agent_listen", "an address for agent_password_file", "nothing");
            errors.push(missing.at(&given.origin));
            None
        }
        _ => address.zip(password).map(|(listen, password)| Tcp { listen, password }),
    };
    let group = optional(&mut errors, socket_group.as_ref(), group);
    let token_file = errors.take_all(token_file(&target, fields)).flatten();
    errors.check()?;
    Ok(AgentTarget { target, tcp, group, token_file })
}

fn loopback(text: &str) -> Result<SocketAddr, Invalid> {
    let address = text.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
    address.filter(|address| address.port() != 0).ok_or_else(|| {
        let expected = "an address and port of the loopback interface, such as 127.0.0.1:15432";
        Invalid::new("agent_listen", expected, quoted(text))
    })
}

/// The first line of the file. Others must not be able to read it.
fn password(given: &Given, context: &Context<'_>) -> Result<Secret, Invalid> {
    let path = path_of(given);
    let invalid = |expected: &str, why: String| {
        let found = format!("{}: {why}", quoted(path.display()));
        Err(Invalid::new("agent_password_file", expected, found).at(&given.origin))
    };
    let text = match context.files.text(&path) {
        Ok(text) => text,
        Err(why) => return invalid("a file that can be read", why),
    };
    match fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o7777) {
        Ok(mode) if mode & 0o027 != 0 => {
            return invalid(
                "a file that only its owner can write and others cannot read",
                format!("mode {mode:04o}"),
            );
        }
        Ok(_) => {}
        Err(error) => return invalid("a file that can be read", error.to_string()),
    }
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// The id of a group that is named, or given as a number.
fn group(text: &str) -> Result<u32, Invalid> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let found = Group::from_name(text).ok().flatten();
    found
        .map(|group| group.gid.as_raw())
        .ok_or_else(|| Invalid::new("agent_socket_group", "a group of this machine, or its id", quoted(text)))
}

/// The clients that read it are in other directories.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn token_file(target: &Target, fields: &Fields) -> Result<Option<TokenFile>, ConfigErrors> {
    let AgentFields { token_file, token_format, token_hook, .. } = &fields.agent;
    let mut errors = ErrorList::default();
    let Some(file) = token_file else {
        let without = [token_format.as_ref(), token_hook.as_ref().and_then(|hook| hook.first())];
        for given in without.into_iter().flatten() {
            let missing = Invalid::new("agent_token_file", "the file that it is about", "nothing");
            errors.push(missing.at(&given.origin));
        }
        errors.check()?;
        return Ok(None);
    };
    let path = absolute(path_of(file));
    let format = optional(&mut errors, token_format.as_ref(), |text| {
        let engine = target.engine();
        match text {
            "raw" => Ok(TokenFormat::Raw),
            "pgpass" if engine == Engine::Postgres => Ok(TokenFormat::Pgpass),
            "my_cnf" if engine != Engine::Postgres => {
                let ca = fields.target.ca_certificate.as_ref().filter(|ca| !ca.text.contains("-----BEGIN"));
                let ca = ca.map(path_of).map(absolute);
                let missing = || {
                    let expected =
                        "ca_certificate as the path of a file, which the client verifies the server with";
                    Invalid::new("agent_token_format", expected, "my_cnf without it")
                };
                ca.map(|ca| TokenFormat::MyCnf { ca }).ok_or_else(missing)
            }
            _ => {
                let expected = match engine {
                    Engine::Postgres => "raw or pgpass for PostgreSQL",
                    Engine::Mysql | Engine::Mariadb => "raw or my_cnf for MySQL and MariaDB",
                };
                Err(Invalid::new("agent_token_format", expected, quoted(text)))
            }
        }
    });
    let hook = list(&mut errors, token_hook.as_deref(), "agent_token_hook", |text| Ok(text.to_owned()));
    errors.check()?;
    Ok(Some(TokenFile { path, format: format.unwrap_or(TokenFormat::Raw), hook }))
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
