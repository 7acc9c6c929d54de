//! The auth token agent, with clients of the distribution and real servers.

use std::process::{Command, Output};

use lab::{Engine, Instance, Lab};

use crate::support::{Run, shared};

/// `pipeprobe exec TARGET -- PROGRAM ARGS…` in the environment of the lab.
fn exec(lab: &Lab, target: &str, program: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command
        .args(["exec", "-c"])
        .arg(Run::check(lab, &[]).config_file())
        .args([target, "--"])
        .args(program)
        .env_clear()
        .envs(lab.environment())
        .env("PATH", "/usr/bin:/bin");
    command
}

#[track_caller]
fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn postgres(lab: &Lab) -> impl Iterator<Item = &Instance> {
    lab.instances().iter().filter(|instance| instance.server_version.engine() == Engine::Postgres)
}

#[test]
fn psql_logs_in_to_every_postgres_without_a_secret() {
    let lab = shared();
    for instance in postgres(lab) {
        let query = "select current_user, pg_stat_ssl.ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let output = exec(lab, &instance.name, &["psql", "-XAtc", query]).output().unwrap();
        assert_eq!(stdout(&output), "clickpipes_iam_user|t", "{}", instance.name);
    }
}

#[test]
fn mysql_and_mariadb_are_refused_before_the_program_starts() {
    let lab = shared();
    for instance in lab.instances().iter().filter(|i| i.server_version.engine() != Engine::Postgres) {
        let output = exec(lab, &instance.name, &["echo", "started"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{stderr}");
        assert!(stderr.contains("not supported yet"), "{stderr}");
    }
}
