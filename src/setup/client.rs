//! The commands that download the CA certificates and open a session: as the master user, or with a token.

use std::path::Path;

use super::{check::CA_FILE, quote::shell};
use crate::{
    cli::Client,
    config::Setup,
    target::{Engine, Invalid, ResourceKind, Target},
    trust::RegionalRoots,
};

/// The CA certificates of RDS, in the current folder.
const BUNDLE: &str = "global-bundle.pem";

/// Commands for a shell, to run `setup.sql`.
pub(super) fn commands(plan: &Setup) -> Vec<String> {
    let target = &plan.target;
    let mut commands = Vec::new();
    let ca = match target.ca_certificate {
        Some(_) => CA_FILE,
        None => {
            commands.push(download(target));
            BUNDLE
        }
    };
    // The SQL is for the database behind a proxy, whose endpoint is not known.
    let host = match target.resource_kind() {
        ResourceKind::Proxy => "ENDPOINT_OF_THE_DATABASE",
        ResourceKind::Instance | ResourceKind::Cluster => target.sign.host.as_str(),
    };
    let port = target.sign.port;
    let database = target.database.as_deref();
    commands.push(match target.engine() {
        Engine::Postgres => {
            let database = conninfo(database.unwrap_or("postgres"));
            let connection = format!(
                "host={host} port={port} dbname={database} user=postgres sslmode=verify-full sslrootcert={ca}"
            );
            format!("psql {} --set ON_ERROR_STOP=1 --file setup.sql", shell(&connection))
        }
        Engine::Mysql | Engine::Mariadb => {
            let client = mysql_client(if target.engine() == Engine::Mariadb { Client::Mariadb } else { Client::Mysql });
            let database = database.map(|name| format!(" {}", shell(name))).unwrap_or_default();
            format!("{client} --ssl-ca={ca} --host={host} --port={port} --user=admin --password{database} < setup.sql")
        }
    });
    commands
}

/// Commands for a shell that log in to a target with a token. `sign` is the command that prints the token.
///
/// The clients verify TLS whatever their defaults are. Without `--ssl-ca` and verification, the MariaDB client 11.4 and later
/// takes MYSQL_PWD for a login without a password, turns verification off, and sends it in plaintext.
///
/// # Errors
/// If the client cannot verify the certificate of this target.
pub fn login_command(
    target: &Target,
    client: Client,
    ca: Option<&Path>,
    sign: &[String],
) -> Result<Vec<String>, Invalid> {
    let mut commands = Vec::new();
    let ca = match ca {
        Some(path) => path.display().to_string(),
        None => {
            commands.push(format!("[ -e {BUNDLE} ] || {}", download(target)));
            BUNDLE.to_owned()
        }
    };
    let sign = sign.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ");
    let (host, dial, port) = (target.tls_host.as_str(), &target.dial.host, target.dial.port);
    let is_direct = dial.as_str() == host;
    let user = target.user.as_str();
    let refused = |expected: &str| {
        let found = format!("{} with tls_host {host}", target.dial);
        Invalid::new("--for", expected, found)
            .remedy("use `pipeprobe exec`, which verifies tls_host for every client")
    };
    commands.push(match client {
        Client::Psql => {
            let address = match (is_direct, dial.ip()) {
                (true, _) => String::new(),
                (false, Some(ip)) => format!(" hostaddr={ip}"),
                (false, None) => return Err(refused("an endpoint that is its own tls_host, or an IP address")),
            };
            let database = conninfo(target.database.as_deref().unwrap_or(user));
            let (user, ca) = (conninfo(user), conninfo(&ca));
            let connection = format!(
                "host={host}{address} port={port} dbname={database} user={user} sslmode=verify-full sslrootcert={ca}"
            );
            format!("PGPASSWORD=\"$({sign})\" psql {}", shell(&connection))
        }
        Client::Mysql | Client::Mariadb => {
            if !is_direct {
                return Err(refused("an endpoint that is its own tls_host"));
            }
            let cleartext = if client == Client::Mysql { " --enable-cleartext-plugin" } else { "" };
            let database = target.database.as_deref().map(|name| format!(" {}", shell(name))).unwrap_or_default();
            format!(
                "MYSQL_PWD=\"$({sign})\" {} --ssl-ca={} --host={host} --port={port} --user={}{cleartext}{database}",
                mysql_client(client),
                shell(&ca),
                shell(user)
            )
        }
    });
    Ok(commands)
}

/// The client with the option that verifies the certificate and its name.
fn mysql_client(client: Client) -> &'static str {
    match client {
        Client::Mariadb => "mariadb --ssl-verify-server-cert",
        Client::Mysql | Client::Psql => "mysql --ssl-mode=VERIFY_IDENTITY",
    }
}

/// Amazon RDS User Guide, "Using SSL/TLS to encrypt a connection"; each partition has its own list.
fn download(target: &Target) -> String {
    let url = RegionalRoots::of(target).url.unwrap_or("URL_OF_THE_RDS_CERTIFICATES");
    format!("curl --fail --silent --show-error --remote-name {url}")
}

/// A value of a libpq connection string.
fn conninfo(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && c != '\'' && c != '\\';
    match !value.is_empty() && value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_name_is_one_value() {
        for (name, value) in [("shop", "shop"), ("my shop", "'my shop'"), (r"it's \", r"'it\'s \\'")] {
            assert_eq!(conninfo(name), value);
        }
    }
}
