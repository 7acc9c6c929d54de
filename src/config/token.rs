//! What `token` signs, or prints a command line for.

use std::path::{Path, PathBuf};

use super::{Context, Environment, input::path_of, select, target, target::Needs};
use crate::{
    cli::{self, Client, Format, fields::Fields},
    target::{ConfigErrors, Engine, ErrorList, Invalid, Target},
};

/// What `token` does. Without a role, the source credentials sign.
#[derive(Clone, Debug)]
pub struct Token {
    pub target: Target,
    /// `None`: the token is printed.
    pub command: Option<ClientCommand>,
}

/// A command line that is printed instead of a token.
#[derive(Clone, Debug)]
pub struct ClientCommand {
    pub client: Client,
    /// The file of `ca_certificate`, if it is set.
    pub ca: Option<PathBuf>,
}

impl Token {
    /// # Errors
    /// Everything that cannot be used, or if not exactly one target is named.
    pub fn read(args: cli::Token, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        let typed = Fields { target: select::typed(args.target, &context), ..Fields::default() };
        let format = args.output.format();
        let purpose = ("TARGET", "one target to sign for");
        let is_stdin = args.file.path() == Some(Path::new("-"));
        let selected = select::one_target(&args.file.into(), args.name, typed, purpose)?;
        let ca = selected.fields.target.ca_certificate.clone();
        let target = target::read(selected, Needs::NoRole, &context)?;
        let Some(client) = args.client else { return Ok(Self { target, command: None }) };
        let mut errors = ErrorList::default();
        errors.take(check_client(client, &target));
        if is_stdin {
            let found = "a configuration on stdin";
            errors.take::<()>(Err(Invalid::new(
                "for",
                "a file or flags, which the command reads again",
                found,
            )));
        }
        if format == Format::Json {
            errors.take::<()>(Err(Invalid::new("--for", "output as text", "output as JSON")));
        }
        let ca = match ca {
            // Only a file can be named in the command.
            Some(given) if given.text.contains("-----BEGIN") => {
                let invalid =
                    Invalid::new("--for", "ca_certificate as the path of a file, for the client", "PEM text")
                        .at(&given.origin)
                        .remedy("save the certificates to a file, and set ca_certificate to its path");
                errors.take::<()>(Err(invalid));
                None
            }
            given => given.as_ref().map(path_of),
        };
        errors.check()?;
        Ok(Self { target, command: Some(ClientCommand { client, ca }) })
    }
}

fn check_client(client: Client, target: &Target) -> Result<(), Invalid> {
    let (expected, is_right) = match target.engine() {
        Engine::Postgres => ("psql for PostgreSQL", client == Client::Psql),
        Engine::Mysql | Engine::Mariadb => ("mysql or mariadb for MySQL and MariaDB", client != Client::Psql),
    };
    match is_right {
        true => Ok(()),
        false => Err(Invalid::new("--for", expected, format!("{client:?}").to_lowercase())),
    }
}
