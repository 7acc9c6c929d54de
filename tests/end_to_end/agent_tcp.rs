//! `exec --tcp`: clients that use no Unix socket, with the generated password and without it.

use std::{path::Path, process::Command};

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::{
    agent::{stderr, stdout},
    support::{Run, server_versions, shared, skipped},
};

const USER: &str = "clickpipes_iam_user";

fn exec(instance: &Instance, program: &[&str]) -> Command {
    exec_in(shared(), instance, program)
}

fn exec_in(lab: &Lab, instance: &Instance, program: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command
        .args(["exec", "--tcp", "-c"])
        .arg(Run::check(lab, &[]).config_file())
        .args([&instance.name, "--"])
        .args(program)
        .env_clear()
        .envs(lab.environment())
        .env("PATH", "/usr/bin:/bin");
    command
}

fn servers(is_postgres: bool) -> impl Iterator<Item = &'static Instance> {
    let instances = shared().instances().iter();
    instances.filter(move |instance| (instance.server_version.engine() == Engine::Postgres) == is_postgres)
}

fn postgres_15() -> &'static Instance {
    shared().instance(ServerVersion::Postgres15)
}

/// The command-line clients of all server versions that are here.
fn clients(is_postgres: bool) -> Vec<String> {
    let client = |instance: &Instance| {
        let name = if is_postgres { "psql" } else { instance.server_version.engine().client() };
        instance.installed().program(name).display().to_string()
    };
    servers(is_postgres).map(client).collect()
}

/// A script of this folder, run by the lab's Python.
fn script(name: &str) -> Option<[String; 2]> {
    let Some(python) = lab::python() else {
        skipped("exec --tcp: no Python with psycopg2 and PyMySQL");
        return None;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/agent_tcp").join(name);
    Some([python, path].map(|path| path.display().to_string()))
}

#[test]
fn psql_logs_in_with_the_variables_and_with_the_url() {
    let query = "select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()";
    for instance in servers(true) {
        for psql in clients(true) {
            for place in ["", "\"$DATABASE_URL\""] {
                let shell = format!("{psql} -XAtc '{query}' {place}");
                let output = exec(instance, &["sh", "-c", &shell]).output().unwrap();
                assert_eq!(stdout(&output), "clickpipes_iam_user|t", "{psql} to {}", instance.name);
            }
        }
    }
}

#[test]
fn each_client_of_mysql_logs_in_to_each_server() {
    let query = "select substring_index(current_user(), '@', 1), database(); show status like 'Ssl_version'";
    for instance in servers(false) {
        for client in clients(false) {
            let output = exec(instance, &[&client, "-NBe", query]).output().unwrap();
            assert_eq!(
                stdout(&output),
                format!("{USER}\tapp\nSsl_version\tTLSv1.3"),
                "{client} to {}",
                instance.name
            );
        }
    }
}

#[test]
fn python_logs_in_with_the_url_and_no_other_password_is_accepted() {
    let Some([python, script]) = script("url.py") else { return };
    // Logins are counted, so the servers are not shared.
    let lab = Lab::start(&server_versions()).unwrap();
    for instance in lab.instances() {
        let before = instance.decisions().len();
        let said = stdout(&exec_in(&lab, instance, &[&python, &script]).output().unwrap());
        assert_eq!(said, format!("{USER}\nrefused 6 of 6\n{USER}"), "{}", instance.name);
        // MySQL: an unfinished handshake would count against this host, so it is finished without the client.
        let logins = if instance.server_version.engine() == Engine::Postgres { 2 } else { 8 };
        assert!(instance.decisions().len() - before <= logins, "{}", instance.name);
    }
}

#[test]
fn the_password_differs_each_time_and_is_no_secret_of_aws() {
    let shell = "env; tr '\\0' '\\n' < /proc/$PPID/cmdline; ls \"$XDG_RUNTIME_DIR\" 2>/dev/null || true";
    let said: Vec<_> = (0..2)
        .map(|_| {
            let mut command = exec(postgres_15(), &["sh", "-c", shell]);
            stdout(&command.env("PGHOSTADDR", "192.0.2.1").env("PGREQUIREPEER", "x").output().unwrap())
        })
        .collect();
    let password = |said: &str| said.lines().find_map(|l| l.strip_prefix("PGPASSWORD=")).unwrap().to_owned();
    assert_ne!(password(&said[0]), password(&said[1]));
    for said in &said {
        assert_eq!(
            said.matches(&password(said)).count(),
            3,
            "variable and two URLs, not the arguments: {said}"
        );
        for absent in ["AWS_", "X-Amz", "PGHOSTADDR", shared().secret_access_key()] {
            assert!(!said.contains(absent), "{absent}: {said}");
        }
    }
}

/// PostgreSQL is not dialed for a client that does not know the password.
#[test]
fn a_client_without_the_password_dials_nothing() {
    let Some([python, script]) = script("guess.py") else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("\"{}\"", listener.local_addr().unwrap());
    let config = Run::check(shared(), &[]).with("connect_to", &address).config_file();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.args(["exec", "--tcp", "-c"]).arg(config).args(["postgres15", "--", &python, &script]);
    let said = stdout(
        &command.env_clear().envs(shared().environment()).env("PATH", "/usr/bin:/bin").output().unwrap(),
    );
    assert_eq!(said, "refused 64 of 64");
    let nothing = listener.accept().unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_token_or_nothing_as_password_is_refused_in_words() {
    for (password, expected) in
        [("wrong", "pipeprobe: wrong password for the local agent"), ("", "no password supplied")]
    {
        let shell = format!("PGPASSWORD='{password}' psql -Xwc 'select 1'");
        let said = stderr(&exec(postgres_15(), &["sh", "-c", &shell]).output().unwrap());
        assert!(said.contains(expected), "{said}");
    }
    let instance = shared().instance(ServerVersion::MariaDb10_11);
    for client in clients(false) {
        for password in ["--password=wrong", "--password="] {
            let said = stderr(&exec(instance, &[&client, password, "-e", "select 1"]).output().unwrap());
            assert!(said.contains("ERROR 1045 (28000)"), "{client} {password}: {said}");
            assert!(said.contains("wrong password for the local agent"), "{client} {password}: {said}");
        }
    }
}
