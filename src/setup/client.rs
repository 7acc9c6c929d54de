//! The commands that download the CA certificates and open a session as the master user.

use super::{check::CA_FILE, quote::shell};
use crate::{
    config::Setup,
    target::{Engine, ResourceKind, Target},
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
            commands.push(format!("curl --fail --silent --show-error --remote-name {}", bundle_url(target)));
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
        engine @ (Engine::Mysql | Engine::Mariadb) => {
            let (client, tls) = match engine {
                Engine::Mariadb => ("mariadb", "--ssl-verify-server-cert"),
                _ => ("mysql", "--ssl-mode=VERIFY_IDENTITY"),
            };
            let database = database.map(|name| format!(" {}", shell(name))).unwrap_or_default();
            format!(
                "{client} --host={host} --port={port} --user=admin --password {tls} --ssl-ca={ca}{database} < setup.sql"
            )
        }
    });
    commands
}

/// Amazon RDS User Guide, "Using SSL/TLS to encrypt a connection"; each partition has its own list.
fn bundle_url(target: &Target) -> &'static str {
    match target.region.partition() {
        "aws-cn" => "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem",
        "aws-us-gov" => "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem",
        _ => "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
    }
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
