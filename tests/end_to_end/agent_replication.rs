//! Consumers of changes behind the agent: they cannot store a token, and reconnect after it has ended.

use std::{net::TcpListener, process::Command, time::Duration};

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::{
    agent::{stdout, wait_for},
    agent_service::Agent,
    support::{Run, server_versions, shared, skipped},
};

const USER: &str = "clickpipes_iam_user";
/// As long as a replica of MySQL can store.
const PASSWORD: &str = "0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent for this database with a TCP listener, and its port.
fn agent(lab: &Lab, instance: &Instance) -> (Agent, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let table = lab.target_toml("a", instance, lab::ACCESS_ROLE);
    let table = format!("{table}agent_listen = \"127.0.0.1:{port}\"\nagent_password_file = \"password\"\n");
    (Agent::start_with_password(lab, &table, PASSWORD), port)
}

/// Of MySQL and MariaDB: a second server of the same version.
fn follows_across_a_restart(version: ServerVersion) {
    if !server_versions().contains(&version) {
        return skipped(format!("agent: a replica of {version}"));
    }
    let source_lab = Lab::start(&[version]).unwrap();
    let replica_lab = Lab::start(&[version]).unwrap();
    let (source, replica) = (source_lab.instance(version), replica_lab.instance(version));
    let is_mysql = version.engine() == Engine::Mysql;
    replica.restart_with(&[("server-id", "77")]).unwrap();
    let status = if is_mysql { "show binary log status" } else { "show master status" };
    let status = source.sql(status).unwrap();
    let mut status = status.split_whitespace();
    let (file, position) = (status.next().unwrap(), status.next().unwrap());
    let (agent, port) = agent(&source_lab, source);
    let follow = if is_mysql {
        format!(
            "change replication source to source_host = '127.0.0.1', source_port = {port}, source_user = '{USER}', \
             source_password = '{PASSWORD}', source_log_file = '{file}', source_log_pos = {position}, \
             source_auto_position = 0, source_connect_retry = 1, source_ssl = 0; start replica"
        )
    } else {
        // Both servers have a history in the same domain.
        format!(
            "set global gtid_strict_mode = off; change master to master_host = '127.0.0.1', master_port = {port}, \
             master_user = '{USER}', master_password = '{PASSWORD}', master_log_file = '{file}', \
             master_log_pos = {position}, master_use_gtid = no, master_connect_retry = 1, master_ssl = 0; start slave"
        )
    };
    replica.sql(&follow).unwrap();
    source
        .sql("create table app.behind_agent (id int primary key); insert into app.behind_agent values (1)")
        .unwrap();
    // Before the table has arrived, the query is refused.
    let count = "select count(*) from information_schema.tables where table_name = 'behind_agent'";
    wait_for(replica, count, "1", PATIENCE);
    wait_for(replica, "select count(*) from app.behind_agent", "1", PATIENCE);
    let decisions = source.decisions().len();

    let agent = agent.restarted(&source_lab);
    source.sql("insert into app.behind_agent values (2)").unwrap();
    wait_for(replica, "select count(*) from app.behind_agent", "2", PATIENCE);
    assert!(source.decisions().len() > decisions, "the new connection has a new token");
    replica.sql(if is_mysql { "stop replica" } else { "stop slave" }).unwrap();
    drop(agent);
}

#[test]
fn a_replica_of_mysql_goes_on_after_a_restart_of_the_agent() {
    follows_across_a_restart(ServerVersion::Mysql9_7);
}

#[test]
fn a_replica_of_mariadb_10_11_goes_on_after_a_restart_of_the_agent() {
    follows_across_a_restart(ServerVersion::MariaDb10_11);
}

#[test]
fn a_replica_of_mariadb_11_8_goes_on_after_a_restart_of_the_agent() {
    follows_across_a_restart(ServerVersion::MariaDb11_8);
}

#[test]
fn a_subscription_goes_on_after_a_restart_of_the_agent() {
    let newest = [ServerVersion::Postgres18, ServerVersion::Postgres17];
    let Some(subscriber) = newest.into_iter().find(|version| server_versions().contains(version)) else {
        return skipped("agent: CREATE SUBSCRIPTION needs a second PostgreSQL");
    };
    let lab = Lab::start(&[ServerVersion::Postgres15, subscriber]).unwrap();
    let (source, subscriber) = (lab.instance(ServerVersion::Postgres15), lab.instance(subscriber));
    source.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    let table = "create table behind_agent (id int primary key)";
    source
        .sql_in(
            "app",
            &format!(
                "{table}; grant select on behind_agent to {USER}; create publication behind_agent for table behind_agent; \
                 insert into behind_agent values (1)"
            ),
        )
        .unwrap();
    subscriber.sql_in("app", table).unwrap();
    let (agent, port) = agent(&lab, source);
    let conninfo =
        format!("host=127.0.0.1 port={port} user={USER} dbname=app password={PASSWORD} sslmode=disable");
    let subscribe =
        format!("create subscription behind_agent connection '{conninfo}' publication behind_agent");
    subscriber.sql_in("app", &subscribe).unwrap();
    let count = |expected: &str| {
        let start = std::time::Instant::now();
        loop {
            let found = subscriber.sql_in("app", "select count(*) from behind_agent").unwrap();
            if found.trim() == expected {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{found}: {}", subscriber.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    count("1");
    source.sql_in("app", "insert into behind_agent values (2)").unwrap();
    count("2");
    let agent = agent.restarted(&lab);
    source.sql_in("app", "insert into behind_agent values (3)").unwrap();
    count("3");
    subscriber.sql_in("app", "drop subscription behind_agent").unwrap();
    drop(agent);
}

/// `exec TARGET -- PROGRAM`.
fn exec(lab: &Lab, instance: &Instance, program: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.args(["exec", "-c"]).arg(Run::check(lab, &[]).config_file());
    command.args([&instance.name, "--"]).args(program).env_clear().envs(lab.environment());
    command.env("PATH", "/usr/bin:/bin");
    command
}

/// The flags are about privileges that the user does not have, none about the connection.
#[test]
fn dumps_and_readers_of_the_binary_log_need_no_flags_for_the_connection() {
    let lab = shared();
    let servers = lab.instances().iter().filter(|i| i.server_version.engine() != Engine::Postgres);
    for instance in servers {
        let is_mysql = instance.server_version.engine() == Engine::Mysql;
        let (dump, more, reader) = match is_mysql {
            true => ("mysqldump", &["--no-tablespaces", "--set-gtid-purged=OFF"][..], "mysqlbinlog"),
            false => ("mariadb-dump", &[][..], "mariadb-binlog"),
        };
        let (dump, reader) = match lab::client(dump).and_then(|dump| Ok((dump, lab::client(reader)?))) {
            Ok(found) => found,
            Err(why) => {
                skipped(format!("agent: {dump} and {reader}: {why}"));
                continue;
            }
        };
        let dump = dump.display().to_string();
        let arguments = [&[dump.as_str(), "--no-data", "--skip-lock-tables"][..], more, &["app"]].concat();
        let said = stdout(&exec(lab, instance, &arguments).output().unwrap());
        assert!(said.contains("Dump completed"), "{}: {said}", instance.name);

        let logs = instance.sql("show binary logs").unwrap();
        let log = logs.split_whitespace().next().unwrap();
        let reader = reader.display().to_string();
        let said =
            stdout(&exec(lab, instance, &[&reader, "--read-from-remote-server", log]).output().unwrap());
        assert!(said.contains("End of log file"), "{}: {said}", instance.name);
    }
}

/// A program of a server version. Of downloaded servers only some are scripts that find their libraries.
fn program(instance: &Instance, name: &str) -> String {
    let program = instance.installed().program(name);
    let root = program.ancestors().find(|folder| folder.join("usr/lib64/ld-linux-x86-64.so.2").is_file());
    match root.filter(|root| *root != std::path::Path::new("/")) {
        Some(root) => format!(
            "{0}/usr/lib64/ld-linux-x86-64.so.2 --inhibit-cache --library-path {0}/usr/lib/x86_64-linux-gnu {1}",
            root.display(),
            program.display()
        ),
        None => program.display().to_string(),
    }
}

#[test]
fn pg_dump_and_pg_recvlogical_of_each_version_work() {
    let versions = server_versions();
    let lab = Lab::start(
        &versions.into_iter().filter(|version| version.engine() == Engine::Postgres).collect::<Vec<_>>(),
    )
    .unwrap();
    for instance in lab.instances() {
        instance.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
        let [dump, receive] = ["pg_dump", "pg_recvlogical"].map(|name| program(instance, name));
        let dump = format!("{dump} --schema-only");
        let said = stdout(&exec(&lab, instance, &["sh", "-c", &dump]).output().unwrap());
        assert!(said.contains("PostgreSQL database dump complete"), "{}: {said}", instance.name);
        let steps = format!(
            "{receive} -d app -S s --create-slot -P test_decoding && {receive} -d app -S s --drop-slot && echo dropped"
        );
        assert_eq!(stdout(&exec(&lab, instance, &["sh", "-c", &steps]).output().unwrap()), "dropped");
    }
}
