//! The servers' command-line clients.

use std::process::Command;

use lab::{Engine, Instance, Lab, USER};

/// How a client connects.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Link {
    /// TLS, verified against the lab's root (and against the name, where the client can dial elsewhere).
    Verified,
    Plaintext,
    /// As [`Link::Verified`], for PostgreSQL's logical replication.
    Replication,
}

/// Logs in with that token and runs one statement. Returns stdout, or stderr as the error.
pub(crate) fn ask(
    lab: &Lab,
    server: &Instance,
    link: Link,
    token: &str,
    statement: &str,
) -> Result<String, String> {
    let mut client = match server.server_version.engine() {
        Engine::Postgres => psql(lab, server, link, token),
        engine => mysql(lab, server, link, token, engine),
    };
    let output = client.arg(statement).output().expect("the client runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

fn psql(lab: &Lab, server: &Instance, link: Link, token: &str) -> Command {
    let tls = match link {
        Link::Plaintext => "sslmode=disable".to_owned(),
        _ => format!("sslmode=verify-full sslrootcert={}", lab.ca_pem().display()),
    };
    let replication = if link == Link::Replication { "replication=database" } else { "" };
    let mut client = Command::new(server.installed().program("psql"));
    client
        .env_clear()
        .env("PGPASSWORD", token)
        .args(["-X", "-A", "-t", "-w", "-d"])
        .arg(format!(
            "host={} hostaddr=127.0.0.1 port={} dbname=app user={USER} {tls} {replication}",
            server.host, server.port
        ))
        .arg("-c");
    client
}

fn mysql(lab: &Lab, server: &Instance, link: Link, token: &str, engine: Engine) -> Command {
    let mut client = Command::new(server.installed().program(engine.client()));
    client.env_clear().env("MYSQL_PWD", token).args([
        "--no-defaults",
        "--batch",
        "--skip-column-names",
        "--host=127.0.0.1",
        "--protocol=tcp",
        "--database=app",
    ]);
    client.arg(format!("--port={}", server.port)).arg(format!("--user={USER}"));
    let root = format!("--ssl-ca={}", lab.ca_pem().display());
    match (engine, link) {
        (Engine::Mysql, Link::Plaintext) => client.args(["--ssl-mode=DISABLED", "--enable-cleartext-plugin"]),
        (Engine::Mysql, _) => client.args([&root, "--ssl-mode=VERIFY_CA", "--enable-cleartext-plugin"]),
        (_, Link::Plaintext) => client.arg("--skip-ssl"),
        // It can only verify the name that it connects to, and that name does not resolve.
        _ => client.args([&root, "--ssl", "--skip-ssl-verify-server-cert"]),
    };
    client.arg("--execute");
    client
}
