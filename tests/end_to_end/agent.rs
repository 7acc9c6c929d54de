//! The auth token agent, with clients of the distribution and real servers.

use std::{
    io::Read,
    net::TcpListener,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::{
    secrets::secrets_in,
    support::{Run, shared, skipped},
};

/// `pipeprobe exec TARGET -- PROGRAM ARGS…` in the environment of the lab.
fn exec(lab: &Lab, target: &str, program: &[&str]) -> Command {
    exec_with(lab, &Run::check(lab, &[]).config_file(), target, program)
}

fn exec_with(lab: &Lab, config: &Path, target: &str, program: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command
        .args(["exec", "-c"])
        .arg(config)
        .args([target, "--"])
        .args(program)
        .env_clear()
        .envs(lab.environment())
        .env("PATH", "/usr/bin:/bin");
    command
}

#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {stderr}{stdout}", output.status);
    stdout.trim_end().to_owned()
}

#[track_caller]
pub(crate) fn stderr(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn postgres(lab: &Lab) -> impl Iterator<Item = &Instance> {
    lab.instances().iter().filter(|instance| instance.server_version.engine() == Engine::Postgres)
}

/// A server that is never skipped.
fn postgres_15() -> &'static Instance {
    shared().instance(ServerVersion::Postgres15)
}

/// A script of this folder, run by Python with psycopg2.
fn script(name: &str) -> Option<(String, String)> {
    let Some(python) = lab::python() else {
        skipped("agent: no Python with psycopg2");
        return None;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/agent").join(name);
    Some((python.display().to_string(), path.display().to_string()))
}

/// Waits until the query returns this text.
#[track_caller]
pub(crate) fn wait_for(instance: &Instance, sql: &str, expected: &str, patience: Duration) {
    let start = Instant::now();
    loop {
        let found = instance.sql(sql).unwrap();
        if found.trim() == expected {
            return;
        }
        assert!(start.elapsed() < patience, "{sql}: {found} after {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn sessions_named(name: &str) -> String {
    format!("select count(*) from pg_stat_activity where application_name = '{name}'")
}

#[test]
fn psql_logs_in_to_every_postgres_without_a_secret() {
    let lab = shared();
    for instance in postgres(lab) {
        let query = "select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()";
        for psql in ["psql".into(), instance.installed().program("psql")] {
            let psql = psql.display().to_string();
            let output = exec(lab, &instance.name, &[&psql, "-XAtc", query]).output().unwrap();
            assert_eq!(stdout(&output), "clickpipes_iam_user|t", "{}", instance.name);
        }
    }
}

#[test]
fn log_lines_of_a_login_name_the_target_and_contain_no_secret() {
    let lab = shared();
    let name = &postgres_15().name;
    let run = Run::check(lab, &[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.args(["exec", "--log-level", "trace", "-c"]).arg(run.config_file());
    command.args([name, "--", "psql", "-XAtc", "select 1"]).env_clear().envs(lab.environment());
    let output = command.env("PATH", "/usr/bin:/bin").output().unwrap();
    assert_eq!(stdout(&output), "1");
    let said = String::from_utf8_lossy(&output.stderr);
    let count = |span: String| said.matches(&span).count();
    assert_eq!(count(format!(" agent{{target=\"{name}\"}}:stage{{stage=\"")), 5, "{said}");
    assert_eq!(count("stage finished".into()), 5, "{said}");
    assert_eq!(count("}:identity: pipeprobe::identity: assumed role=".into()), 1, "{said}");
    assert_eq!(secrets_in(&said, &[lab.secret_access_key()]), [""; 0]);
}

#[test]
fn the_environment_of_the_program_has_an_endpoint_and_no_secret() {
    let lab = shared();
    let instance = postgres_15();
    let print = "env; ls -la \"$PGHOST\"; tr '\\0' '\\n' < /proc/$PPID/cmdline";
    let shell = ["sh", "-c", print];
    let mut command = exec(lab, &instance.name, &shell);
    command.envs([("PGHOSTADDR", "127.0.0.1"), ("PGSERVICE", "other"), ("PGPASSWORD", "pg-secret")]);
    command.env("PGSSLMODE", "prefer");
    let said = stdout(&command.output().unwrap());
    for absent in ["AWS_", "PGHOSTADDR", "PGSERVICE", "pg-secret", "X-Amz", lab.secret_access_key()] {
        assert!(!said.contains(absent), "{absent}: {said}");
    }
    for present in ["PGPORT=5432", "PGUSER=clickpipes_iam_user", "PGSSLMODE=disable", "PGDATABASE=app"] {
        assert!(said.contains(present), "{present}: {said}");
    }
    assert!(said.contains("srw-------") && said.contains("drwx------"), "{said}");
    let host = said.lines().find_map(|line| line.strip_prefix("PGHOST=")).unwrap();
    assert!(!Path::new(host).exists(), "the directory was not removed");

    let config = Run::check(lab, &[]).config_file();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.args(["exec", "--keep-aws", "-c"]).arg(config).args([&instance.name, "--", "env"]);
    let output = command.env_clear().envs(lab.environment()).env("PATH", "/usr/bin:/bin").output().unwrap();
    assert!(stdout(&output).contains("AWS_ACCESS_KEY_ID="));
}

#[test]
fn a_service_file_and_libpqs_demands_do_not_lead_past_the_endpoint() {
    let lab = shared();
    let folder = tempfile::tempdir().unwrap();
    let service = folder.path().join("service.conf");
    std::fs::write(&service, "[other]\nhost=127.0.0.1\nport=1\n").unwrap();
    let mut command = exec(lab, &postgres_15().name, &["psql", "-XAtc", "select 'in'"]);
    command.env("PGSERVICEFILE", &service).envs([
        ("PGSERVICE", "other"),
        ("PGCHANNELBINDING", "require"),
        ("PGGSSENCMODE", "require"),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGREQUIREAUTH", "password"),
        ("PGSSLMODE", "verify-full"),
    ]);
    assert_eq!(stdout(&command.output().unwrap()), "in");
}

#[test]
fn startup_parameters_reach_the_server_unchanged() {
    let lab = shared();
    for instance in postgres(lab) {
        let query = "select current_setting('application_name'), current_setting('geqo'), current_setting('client_encoding'), \
                     current_setting('TimeZone')";
        let mut command = exec(lab, &instance.name, &["psql", "-XAtc", query]);
        command.env("PGAPPNAME", "my app").env("PGOPTIONS", "-c geqo=off");
        command.env("PGCLIENTENCODING", "LATIN1").env("PGTZ", "Asia/Tokyo");
        assert_eq!(stdout(&command.output().unwrap()), "my app|off|LATIN1|Asia/Tokyo", "{}", instance.name);
    }
}

#[test]
fn negotiation_and_keys_of_protocol_3_2_reach_the_client() {
    let lab = shared();
    let Some((python, script)) = script("startup.py") else { return };
    let user = ["user", "clickpipes_iam_user", "database", "app"];
    for instance in postgres(lab) {
        let knows_3_2 = instance.server_version == ServerVersion::Postgres18;
        for (minor, more, negotiates) in [
            ("0", &[][..], false),
            ("0", &["_pq_.unknown", "on"], true),
            ("2", &[], !knows_3_2),
            ("2", &["_pq_.unknown", "on"], true),
        ] {
            let program = [&[python.as_str(), &script, minor], &user[..], more].concat();
            let said = stdout(&exec(lab, &instance.name, &program).output().unwrap());
            // NegotiateProtocolVersion comes before AuthenticationOk.
            let kinds = if negotiates { "kinds vRKZ" } else { "kinds RKZ" };
            let key = if knows_3_2 && minor == "2" { "key 32" } else { "key 4" };
            assert_eq!(said, format!("{key}\n{kinds}"), "{} {minor} {more:?}", instance.name);
        }
    }
}

#[test]
fn one_of_twenty_sessions_is_cancelled_and_unknown_keys_cancel_none() {
    let lab = shared();
    let Some((python, script)) = script("cancel.py") else { return };
    for instance in postgres(lab) {
        let output = exec(lab, &instance.name, &[&python, &script]).output().unwrap();
        let expected = "unknown keys cancelled 0\ncancelled [7]\nslept 19";
        assert_eq!(stdout(&output), expected, "{}", instance.name);
    }
}

#[test]
fn psql_18_cancels_its_own_session_with_a_key_of_32_bytes() {
    let lab = shared();
    let Some(instance) = postgres(lab).find(|i| i.server_version == ServerVersion::Postgres18) else {
        return skipped("agent: PostgreSQL 18");
    };
    let psql = instance.installed().program("psql").display().to_string();
    let shell = format!(
        "for i in 1 2 3; do {psql} -XAtc \"select 'slept $i' from pg_sleep(4)\" max_protocol_version=3.2 & \
         [ $i = 2 ] && second=$!; done; sleep 2; kill -INT $second; wait"
    );
    let output = exec(lab, &instance.name, &["sh", "-c", &shell]).output().unwrap();
    let said = stdout(&output);
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["slept 1", "slept 3"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("canceling statement due to user request").count(), 1, "{said}");
}

#[test]
fn ctrl_c_in_psql_cancels_the_query_and_ends_neither_psql_nor_exec() {
    let lab = shared();
    let Some((python, script)) = script("terminal.py") else { return };
    let inner = exec(lab, &postgres_15().name, &["psql", "-XP", "pager=off"]);
    let mut command = Command::new(python);
    command.arg(script).arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.envs(lab.environment()).envs([("PATH", "/usr/bin:/bin"), ("TERM", "dumb")]);
    let said = stdout(&command.output().unwrap());
    assert!(said.ends_with("the session goes on\nended with 0"), "{said}");
}

#[test]
fn another_user_is_refused_by_the_agent_and_no_password_request_is_relayed() {
    let lab = shared();
    let output = exec(lab, &postgres_15().name, &["psql", "-XU", "postgres"]).output().unwrap();
    let stderr = stderr(&output);
    assert!(stderr.contains("FATAL:  pipeprobe: user `postgres` is not the user of this target"), "{stderr}");
    assert!(stderr.contains("HINT:  connect as clickpipes_iam_user"), "{stderr}");
}

/// A target whose user the server asks for a password.
#[test]
fn a_user_without_rds_iam_is_explained_and_gets_no_token() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let instance = lab.instance(ServerVersion::Postgres15);
    instance.sql("REVOKE rds_iam FROM clickpipes_iam_user").unwrap();
    let output = exec(&lab, &instance.name, &["psql", "-X"]).output().unwrap();
    let stderr = stderr(&output);
    assert!(
        stderr.contains("FATAL:  cannot log in to target postgres15")
            && stderr.contains("DETAIL:  AUTH_NOT_IAM: "),
        "{stderr}"
    );
    assert!(stderr.contains("HINT:  ") && stderr.contains("rds_iam"), "{stderr}");
    assert_eq!(instance.decisions().len(), 0, "no token was sent");
}

#[test]
fn refusals_are_explained_in_psql_with_the_cause_and_the_fix_of_check() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let instance = lab.instance(ServerVersion::Postgres15);
    let psql = ["psql", "-X", "-c", "select 1"];

    let mut command = exec(&lab, &instance.name, &["psql", "-X", "-d", "nowhere"]);
    let said = stderr(&command.output().unwrap());
    assert!(said.contains("FATAL:  database \"nowhere\" does not exist"), "{said}");

    lab.aws().change(|world| world.roles.retain(|role| role.arn != lab::ACCESS_ROLE));
    let said = stderr(&exec(&lab, &instance.name, &psql).output().unwrap());
    assert!(said.contains("DETAIL:  STS_ASSUME_ROLE_DENIED: "), "{said}");
    assert!(said.contains("HINT:  "), "{said}");
    assert!(!said.contains(lab.secret_access_key()), "{said}");

    instance.stop();
    let said = stderr(&exec(&lab, &instance.name, &psql).output().unwrap());
    assert!(said.contains("DETAIL:  ") && said.contains("refused"), "{said}");
}

/// A server that has no TLS, and counts what it receives.
struct Plaintext {
    port: u16,
    received: Arc<AtomicUsize>,
}

impl Plaintext {
    fn start() -> Self {
        use std::io::Write;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let received = Arc::new(AtomicUsize::new(0));
        let (port, count) = (listener.local_addr().unwrap().port(), Arc::clone(&received));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    count.fetch_add(read, Ordering::SeqCst);
                    let _ = stream.write_all(b"N");
                }
            }
        });
        Self { port, received }
    }
}

#[test]
fn a_server_without_tls_gets_no_byte_of_the_token_whatever_the_client_prefers() {
    let lab = shared();
    let server = Plaintext::start();
    let address = format!("\"127.0.0.1:{}\"", server.port);
    let config = Run::check(lab, &[]).with("connect_to", &address).config_file();
    for mode in ["disable", "prefer", "verify-full"] {
        let mut command = exec_with(lab, &config, &postgres_15().name, &["psql", "-X", "-c", "select 1"]);
        let said = stderr(&command.env("PGSSLMODE", mode).output().unwrap());
        assert!(said.contains("DETAIL:  ") && said.contains("TLS"), "{said}");
    }
    // Three SSLRequests.
    assert_eq!(server.received.load(Ordering::SeqCst), 3 * 8);
}

/// What `token TARGET --for psql` prints, with these arguments at its end.
fn command_for_psql(lab: &Lab, config: &Path, target: &str, arguments: &str) -> Command {
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(["token", "--for", "psql", target, "-c"])
        .arg(config)
        .env_clear()
        .envs(lab.environment())
        .output()
        .unwrap();
    let script = format!("{} {arguments}", stdout(&output));
    assert!(!script.contains("X-Amz"), "{script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env_clear().envs(lab.environment()).env("PATH", "/usr/bin:/bin");
    command
}

#[test]
fn the_command_for_psql_logs_in_over_tls_and_sends_a_server_without_it_nothing() {
    let lab = shared();
    let query = "-XAtc 'select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()'";
    let config = Run::check(lab, &[]).config_file();
    for instance in postgres(lab) {
        let output = command_for_psql(lab, &config, &instance.name, query).output().unwrap();
        assert_eq!(stdout(&output), "clickpipes_iam_user|t", "{}", instance.name);
    }
    let server = Plaintext::start();
    let address = format!("\"127.0.0.1:{}\"", server.port);
    let config = Run::check(lab, &[]).with("connect_to", &address).config_file();
    let mut command = command_for_psql(lab, &config, &postgres_15().name, query);
    let said = stderr(&command.env("PGSSLMODE", "disable").output().unwrap());
    assert!(said.contains("does not support SSL"), "{said}");
    assert_eq!(server.received.load(Ordering::SeqCst), 8, "an SSLRequest");
}

#[test]
fn a_request_with_an_unknown_key_dials_nothing() {
    let lab = shared();
    let Some((python, _)) = script("cancel.py") else { return };
    let server = Plaintext::start();
    let address = format!("\"127.0.0.1:{}\"", server.port);
    let config = Run::check(lab, &[]).with("connect_to", &address).config_file();
    let request = "import os, socket, struct\n\
                   s = socket.socket(socket.AF_UNIX); s.connect(os.environ['PGHOST'] + '/.s.PGSQL.5432')\n\
                   s.sendall(struct.pack('!IIII', 16, 80877102, 1, 2)); print(s.recv(1))";
    let output = exec_with(lab, &config, &postgres_15().name, &[&python, "-c", request]).output().unwrap();
    assert_eq!(stdout(&output), "b''");
    assert_eq!(server.received.load(Ordering::SeqCst), 0);
}

#[test]
fn pg_dump_and_pgbench_work_and_leak_nothing() {
    let lab = shared();
    let instance = postgres_15();
    let dump = stdout(&exec(lab, &instance.name, &["pg_dump", "--schema-only"]).output().unwrap());
    assert!(dump.contains("PostgreSQL database dump complete"), "{dump}");
    // 400 connections, of which up to 10 at the same time. The number of descriptors of the agent is that of before.
    let count = "n() { ls /proc/$PPID/fd | wc -l; }; before=$(n); echo 'select 1' > \"$PGHOST/q.sql\"; \
                 pgbench -n -C -c 10 -t 40 -f \"$PGHOST/q.sql\" >&2 || exit 1; sleep 1; echo $(($(n) - before))";
    let output = exec(lab, &instance.name, &["sh", "-c", count]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("number of transactions actually processed: 400/400"), "{said}");
    assert!(stdout(&output).parse::<i32>().unwrap() <= 0, "descriptors: {said}");
}

#[test]
fn a_replication_connection_streams_changes() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let instance = lab.instance(ServerVersion::Postgres15);
    let steps = "pg_recvlogical -d app -S agent_slot --create-slot -P test_decoding && \
                 PGOPTIONS='-c synchronous_commit=on' psql -Xqc \"select pg_logical_emit_message(true, 'p', 'hello')\" >/dev/null && \
                 end=$(psql -XAtc 'select pg_current_wal_lsn()') && \
                 pg_recvlogical -d app -S agent_slot --start --endpos=$end -f - && \
                 pg_recvlogical -d app -S agent_slot --drop-slot && echo dropped";
    let output = exec(&lab, &instance.name, &["sh", "-c", steps]).output().unwrap();
    let refused = stderr(&output);
    assert!(refused.contains("PAM authentication failed"), "rds.iam_auth_for_replication is off: {refused}");
    assert!(refused.contains("DETAIL:  PG_REPLICATION_NOT_IAM: "), "{refused}");
    assert!(
        refused.contains("HINT:  set rds.iam_auth_for_replication = 1 in the DB parameter group"),
        "{refused}"
    );

    instance.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    let said = stdout(&exec(&lab, &instance.name, &["sh", "-c", steps]).output().unwrap());
    assert!(said.contains("hello") && said.ends_with("dropped"), "{said}");
}

#[test]
fn a_client_that_is_killed_in_a_copy_leaves_no_backend_behind() {
    let lab = shared();
    let instance = postgres_15();
    let copy = "copy (select repeat('x', 1000), generate_series(1, 100000000)) to stdout";
    let shell = format!("PGAPPNAME=killed psql -Xqc \"{copy}\" >/dev/null & echo $!; wait");
    let mut command = exec(lab, &instance.name, &["sh", "-c", &shell]);
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let psql = first_line(&mut child.0);
    wait_for(instance, &sessions_named("killed"), "1", Duration::from_secs(20));
    std::thread::sleep(Duration::from_millis(500)); // rows are on their way
    assert!(Command::new("kill").args(["-KILL", &psql]).status().unwrap().success());
    wait_for(instance, &sessions_named("killed"), "0", Duration::from_secs(2));
}

#[test]
fn a_backend_that_is_terminated_says_so_in_the_client() {
    let lab = shared();
    let instance = postgres_15();
    let mut command = exec(lab, &instance.name, &["psql", "-Xc", "select pg_sleep(60)"]);
    command.env("PGAPPNAME", "ended").stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for(instance, &sessions_named("ended"), "1", Duration::from_secs(20));
    instance
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ended'")
        .unwrap();
    let said = stderr(&child.wait_with_output().unwrap());
    assert!(said.contains("terminating connection due to administrator command"), "{said}");
}

/// The program ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn first_line(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn another_user_of_the_machine_cannot_reach_the_socket() {
    let lab = shared();
    let mut command = exec(lab, &postgres_15().name, &["sh", "-c", "echo \"$PGHOST\"; sleep 30"]);
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let host = PathBuf::from(first_line(&mut child.0));
    assert!(host.join(".s.PGSQL.5432").exists());
    let mut other = Command::new("psql");
    other.args(["-XU", "clickpipes_iam_user", "-d", "app", "-h"]).arg(&host);
    if !rustix::process::geteuid().is_root() {
        return skipped("agent: another user (this process is not root)");
    }
    let output = other.uid(65_534).gid(65_534).current_dir("/").output().unwrap();
    assert!(stderr(&output).contains("Permission denied"));
}

#[test]
fn exec_ends_as_the_program_ends() {
    let lab = shared();
    for (program, expected) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
        (&["sh", "-c", "sleep 5 &"], 0),
    ] {
        let start = Instant::now();
        let status = exec(lab, &postgres_15().name, program).stderr(Stdio::null()).status().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(expected), None), "{program:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{program:?}");
    }
}

#[test]
fn signals_for_exec_reach_the_program() {
    let lab = shared();
    for signal in ["TERM", "HUP", "USR1", "USR2", "INT", "QUIT"] {
        let shell =
            format!("trap 'echo got {signal}; exit 9' {signal}; echo ready; while :; do sleep 0.05; done");
        let mut command = exec(lab, &postgres_15().name, &["sh", "-c", &shell]);
        // In its own process group, which is not that of a terminal.
        let mut child = Running(command.process_group(0).stdout(Stdio::piped()).spawn().unwrap());
        let mut output = std::io::BufReader::new(child.0.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line, "ready\n");
        let id = child.0.id().to_string();
        assert!(Command::new("kill").arg(format!("-{signal}")).arg(id).status().unwrap().success());
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert_eq!(
            (said.trim_end(), child.0.wait().unwrap().code()),
            (format!("got {signal}").as_str(), Some(9))
        );
    }
}

#[test]
fn as_pid_1_exec_passes_signals_on_and_leaves_no_zombies() {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let works =
        Command::new("unshare").args(namespace).arg("true").output().is_ok_and(|o| o.status.success());
    if !works {
        return skipped("agent: no PID namespace may be created here");
    }
    let lab = shared();
    let shell = "for i in 1 2 3; do (sleep 0.1 &); done; sleep 1; echo \"pid $PPID\"; \
                 echo \"zombies $(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ')\"; \
                 trap 'echo got TERM; exit 9' TERM; kill -TERM 1; while :; do sleep 0.05; done";
    let inner = exec(lab, &postgres_15().name, &["sh", "-c", shell]);
    let mut command = Command::new("unshare");
    command.args(namespace).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().envs(lab.environment()).env("PATH", "/usr/bin:/bin");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim_end(), "pid 1\nzombies 0\ngot TERM", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(9));
}

#[test]
fn clients_that_say_nothing_do_not_keep_others_out() {
    let lab = shared();
    let Some((python, _)) = script("cancel.py") else { return };
    let silent = "import os, socket, psycopg2\n\
                  silent = [socket.socket(socket.AF_UNIX) for _ in range(500)]\n\
                  for s in silent: s.connect(os.environ['PGHOST'] + '/.s.PGSQL.5432')\n\
                  c = psycopg2.connect('').cursor(); c.execute('select 7'); print(c.fetchone()[0])\n\
                  print(silent[0].recv(100)[:1])";
    let output = exec(lab, &postgres_15().name, &[&python, "-c", silent]).output().unwrap();
    assert_eq!(stdout(&output), "7\nb'E'", "an error after 10 s");
}

#[test]
fn bytes_are_the_same_in_both_directions() {
    let lab = shared();
    let Some((python, script)) = script("bytes.py") else { return };
    for instance in postgres(lab) {
        let said = stdout(&exec(lab, &instance.name, &[&python, &script]).output().unwrap());
        assert_eq!(said, "received True\nsent True", "{}", instance.name);
    }
}
