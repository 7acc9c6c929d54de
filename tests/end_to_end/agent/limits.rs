//! Many clients at once: those that log in, and those that say nothing.

use std::{
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::Duration,
};

use lab::{Instance, Lab, ServerVersion};

use crate::{
    agent::{stdout, wait_for},
    agent_service::{Agent, PASSWORD, free_port, psql_at},
    support::{Run, shared, skipped},
};

const HALF_OPEN: usize = 5_000;

fn postgres_15(lab: &Lab) -> &Instance {
    lab.instance(ServerVersion::Postgres15)
}

/// Raises the limit of this process, in which other tests run too. Whether so many descriptors can be open.
fn can_open(count: usize) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let needed = count as u64 + 2_000;
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        skipped(format!(
            "agent: {count} open clients (the hard limit of descriptors is {:?})",
            limit.maximum
        ));
        return false;
    }
    if limit.current.is_some_and(|current| current < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), ..limit }).unwrap();
    }
    true
}

/// Resident memory of a process, in KB.
fn memory(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

fn descriptors(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

fn with_tcp(table: &str, port: u16) -> String {
    format!("{table}agent_listen = \"127.0.0.1:{port}\"\nagent_password_file = \"password\"\n")
}

#[test]
fn pgbench_with_200_clients_logs_in_each_of_400_times_with_one_session_of_aws() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let instance = postgres_15(&lab);
    instance.restart_with(&[("max_connections", "250")]).unwrap();
    let shell = "n() { ls /proc/$PPID/fd | wc -l; }; before=$(n); echo 'select 1' > \"$PGHOST/q.sql\"; \
                 pgbench -n -C -c 200 -j 2 -t 2 -f \"$PGHOST/q.sql\" >&2 || exit 1; \
                 for i in $(seq 600); do [ $(n) -le $before ] && echo closed && exit; sleep 0.1; done";
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.args(["exec", "-c"]).arg(Run::check(&lab, &[]).config_file());
    command.args([&instance.name, "--", "sh", "-c", shell]);
    let output = command.env_clear().envs(lab.environment()).env("PATH", "/usr/bin:/bin").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stdout(&output), "closed", "descriptors: {said}");
    assert!(said.contains("number of transactions actually processed: 400/400"), "{said}");
    assert_eq!(lab.aws().calls().iter().filter(|call| call.action == "AssumeRole").count(), 1);
    // pgbench connects once more, before its clients do.
    assert!((400..=402).contains(&instance.decisions().len()), "{}", instance.decisions().len());
}

#[test]
fn five_thousand_silent_clients_of_the_socket_cost_little_memory_and_a_good_one_is_served() {
    if !can_open(HALF_OPEN) {
        return;
    }
    let lab = shared();
    let agent = Agent::start_with(lab, &lab.target_toml("a", postgres_15(lab), lab::ACCESS_ROLE), &[]);
    assert_eq!(stdout(&agent.psql("a", "select 'in'").output().unwrap()), "in");
    let (before, open) = (memory(agent.id()), descriptors(agent.id()));
    let socket = agent.directory("a").join(".s.PGSQL.5432");
    let silent: Vec<_> = (0..HALF_OPEN).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(stdout(&agent.psql("a", "select 'in'").output().unwrap()), "in");
    let each = memory(agent.id()).saturating_sub(before) / HALF_OPEN;
    assert!(each < 64, "{each} KB for each");
    drop(silent);
    agent.wait_until(|agent| descriptors(agent.id()) <= open);
}

#[test]
fn five_thousand_silent_clients_of_the_tcp_port_are_limited_and_a_good_one_is_served() {
    if !can_open(HALF_OPEN) {
        return;
    }
    let lab = shared();
    let port = free_port();
    let table = with_tcp(&lab.target_toml("a", postgres_15(lab), lab::ACCESS_ROLE), port);
    let agent = Agent::start_with_password(lab, &table, PASSWORD);
    assert_eq!(stdout(&psql_at(port, PASSWORD).output().unwrap()), "in");
    let (before, open) = (memory(agent.id()), descriptors(agent.id()));
    let silent: Vec<_> = (0..HALF_OPEN).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    agent.wait_until(|agent| descriptors(agent.id()) - open < 300);
    assert_eq!(stdout(&psql_at(port, PASSWORD).output().unwrap()), "in");
    let grown = memory(agent.id()).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KB");
    drop(silent);
    agent.wait_until(|agent| descriptors(agent.id()) <= open);
}

/// The limits are generous for the machine, and short of the time that these clients would take in the order of their arrival: 10 s for
/// each 32.
#[test]
fn silent_clients_of_the_tcp_port_do_not_keep_a_good_one_waiting() {
    let versions = [ServerVersion::Postgres15, ServerVersion::MariaDb10_11];
    let lab = Lab::start(&versions).unwrap();
    let aborted = || {
        let sql = "select variable_value from information_schema.global_status where variable_name = 'Aborted_connects'";
        lab.instance(ServerVersion::MariaDb10_11).sql(sql).unwrap()
    };
    let aborted_before = aborted();
    for version in versions {
        let (instance, port) = (lab.instance(version), free_port());
        let table = with_tcp(&lab.target_toml("a", instance, lab::ACCESS_ROLE), port);
        let _agent = Agent::start_with_password(&lab, &table, PASSWORD);
        let silent: Vec<_> = (0..280).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        for _ in 0..3 {
            let mut client = if version == ServerVersion::Postgres15 {
                let mut client = psql_at(port, PASSWORD);
                client.env("PGCONNECT_TIMEOUT", "20");
                client
            } else {
                let mut client = Command::new("mariadb");
                client.args([
                    "--connect-timeout=20",
                    "--skip-ssl",
                    "-NBu",
                    "clickpipes_iam_user",
                    "-h",
                    "127.0.0.1",
                ]);
                client.args([&format!("-P{port}"), &format!("-p{PASSWORD}"), "-e", "select 'in'", "app"]);
                client
            };
            assert_eq!(stdout(&client.stdin(Stdio::null()).output().unwrap()), "in", "{version}");
        }
        drop(silent);
        if version == ServerVersion::MariaDb10_11 {
            // A handshake that a silent client did not finish is finished without it.
            let of_clients = "select count(*) from information_schema.processlist where user in ('clickpipes_iam_user', 'unauthenticated user')";
            wait_for(instance, of_clients, "0", Duration::from_secs(60));
            assert_eq!(aborted(), aborted_before, "{}", instance.log());
        }
    }
}
