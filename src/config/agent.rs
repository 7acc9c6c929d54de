//! What `agent` and `exec` serve.

use std::{
    collections::HashMap, ffi::OsString, fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf,
    time::Duration,
};

use nix::unistd::Group;

use super::{
    Context, Environment, SECOND,
    field::{boolean, duration, internal, list, optional},
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
    target::{ConfigErrors, Engine, ErrorList, Invalid, Origin, Target, quoted},
};

const DRAIN: Duration = Duration::from_secs(30);

/// 22 characters of Base64 are 128 bits.
const SHORTEST_PASSWORD: usize = 22;
const LONGEST_PASSWORD: usize = 128;

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
    /// Whether a socket answers with a token.
    pub token_socket: bool,
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
        let listen = args.listen.filter(|given| !given.text.is_empty());
        let listen = optional(&mut errors, listen.as_ref(), listen_address);
        let mut offers = Offers::default();
        let mut selection = select::targets(&args.file.into(), &[], typed)?;
        errors.take_all(selection.errors.check());
        for selected in selection.targets {
            let (fields, origin) = (selected.fields.clone(), selected.origin.clone());
            let target = errors.take_all(long_lived(selected, &context));
            errors.take_all(offers.add(target, &fields, origin.as_ref(), &context));
        }
        let agent = errors.take_all(offers.agent(args.sockets, listen, environment));
        errors.check()?;
        agent.ok_or_else(|| internal().into())
    }
}

/// The targets of an agent, while they are read.
#[derive(Debug, Default)]
pub(super) struct Offers {
    targets: Vec<AgentTarget>,
    /// The target that uses an address or a file.
    listens: HashMap<SocketAddr, String>,
    files: HashMap<PathBuf, String>,
}

impl Offers {
    /// Adds a target and what is offered for it beside its socket. Without a target, which then has other errors, its fields are
    /// only checked.
    ///
    /// # Errors
    /// Everything that cannot be used.
    pub(super) fn add(
        &mut self,
        target: Option<Target>,
        fields: &Fields,
        origin: Option<&Origin>,
        context: &Context<'_>,
    ) -> Result<(), ConfigErrors> {
        let mut errors = ErrorList::default();
        let AgentFields { listen, password_file, socket_group, token_socket, .. } = &fields.agent;
        let tcp = errors.take_all(tcp(listen.as_ref(), password_file.as_ref(), context)).flatten();
        let group = optional(&mut errors, socket_group.as_ref(), group);
        let engine = target.as_ref().map(Target::engine);
        let token_file = errors.take_all(token_file(engine, fields)).flatten();
        let token_socket =
            optional(&mut errors, token_socket.as_ref(), |text| boolean("agent_token_socket", text));
        if let Some(target) = target {
            let name = &target.name;
            errors
                .take(directory_name(name).map_err(|invalid| origin.into_iter().fold(invalid, Invalid::at)));
            if let (Some(tcp), Some(given)) = (&tcp, listen) {
                let taken = self.listens.insert(tcp.listen, name.clone());
                errors.take(unique("agent_listen", "an address that no other target has", given, taken));
            }
            if let (Some(file), Some(given)) = (&token_file, &fields.agent.token_file) {
                let taken = self.files.insert(file.path.clone(), name.clone());
                errors.take(unique("agent_token_file", "a file that no other target has", given, taken));
            }
            let token_socket = token_socket.unwrap_or(false);
            self.targets.push(AgentTarget { target, tcp, group, token_file, token_socket });
        }
        errors.check()
    }

    /// # Errors
    /// If what was typed cannot be used.
    pub(super) fn agent(
        self,
        sockets: cli::AgentSockets,
        listen: Option<SocketAddr>,
        environment: Environment<'_>,
    ) -> Result<Agent, ConfigErrors> {
        let mut errors = ErrorList::default();
        let drain = sockets.drain.filter(|given| !given.text.is_empty());
        let drain = optional(&mut errors, drain.as_ref(), |text| {
            duration("drain", text, Duration::ZERO..=3600 * SECOND)
        });
        errors.check()?;
        let runtime = environment("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = sockets.socket_dir.filter(|path| !path.as_os_str().is_empty());
        let directory =
            directory.unwrap_or_else(|| runtime.unwrap_or_else(|| "/run".into()).join("pipeprobe"));
        Ok(Agent { targets: self.targets, directory, drain: drain.unwrap_or(DRAIN), listen })
    }
}

fn unique(field: &str, expected: &str, given: &Given, taken: Option<String>) -> Result<(), Invalid> {
    match taken {
        Some(other) => {
            let found = format!("{}, as target {}", quoted(&given.text), quoted(other));
            Err(Invalid::new(field, expected, found).at(&given.origin))
        }
        None => Ok(()),
    }
}

fn tcp(
    listen: Option<&Given>,
    password_file: Option<&Given>,
    context: &Context<'_>,
) -> Result<Option<Tcp>, ConfigErrors> {
    let mut errors = ErrorList::default();
    let address = optional(&mut errors, listen, loopback);
    let password = password_file.and_then(|given| errors.take(password(given, context)));
    match (listen, password_file) {
        (Some(given), None) => {
            let missing =
                Invalid::new("agent_password_file", "a file with the password of agent_listen", "nothing");
            errors.push(
                missing.at(&given.origin).remedy("write one: (umask 077; openssl rand -hex 16 > FILE)"),
            );
        }
        (None, Some(given)) => {
            let missing = Invalid::new("agent_listen", "an address for agent_password_file", "nothing");
            errors.push(missing.at(&given.origin));
        }
        _ => {}
    }
    errors.check()?;
    Ok(address.zip(password).map(|(listen, password)| Tcp { listen, password }))
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
    let password = text.lines().next().unwrap_or_default();
    check_password(password).map_err(|invalid| invalid.at(&given.origin))?;
    Ok(Secret::new(password))
}

/// Its characters are the same in every encoding, and in SASLprep (RFC 4013).
fn check_password(password: &str) -> Result<(), Invalid> {
    let is_printable = password.bytes().all(|byte| byte.is_ascii_graphic());
    let found = match password.len() {
        SHORTEST_PASSWORD..=LONGEST_PASSWORD if is_printable => return Ok(()),
        length if is_printable => format!("{length} characters"),
        _ => "other characters".to_owned(),
    };
    let expected = format!(
        "{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters of printable ASCII, such as `openssl rand -hex 16`"
    );
    Err(Invalid::new("agent_password_file", expected, found))
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

/// `engine`: `None` if it is not known; a format is then not compared with it.
fn token_file(engine: Option<Engine>, fields: &Fields) -> Result<Option<TokenFile>, ConfigErrors> {
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
    let format = optional(&mut errors, token_format.as_ref(), |text| match text {
        "raw" => Ok(TokenFormat::Raw),
        "pgpass" if engine.is_none_or(|engine| engine == Engine::Postgres) => Ok(TokenFormat::Pgpass),
        "my_cnf" if engine.is_none_or(|engine| engine != Engine::Postgres) => {
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
                Some(Engine::Postgres) => "raw or pgpass for PostgreSQL",
                Some(Engine::Mysql | Engine::Mariadb) => "raw or my_cnf for MySQL and MariaDB",
                None => "raw, pgpass or my_cnf",
            };
            Err(Invalid::new("agent_token_format", expected, quoted(text)))
        }
    });
    let hook = list(&mut errors, token_hook.as_deref(), "agent_token_hook", |text| Ok(text.to_owned()));
    errors.check()?;
    Ok(Some(TokenFile { path, format: format.unwrap_or(TokenFormat::Raw), hook }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_can_be_guessed_is_refused() {
        for (text, is_good) in [
            ("x".repeat(21), false),
            ("x".repeat(22), true),
            ("x".repeat(128), true),
            ("x".repeat(129), false),
            (format!("{} ", "x".repeat(30)), false),
            ("é".repeat(30), false),
        ] {
            assert_eq!(check_password(&text).is_ok(), is_good, "{text}");
        }
    }
}
