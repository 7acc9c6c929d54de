//! `pipeprobe agent`: sockets of several targets, reload, and the end.

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lab::{Instance, Lab, ServerVersion};

use crate::{
    agent::{sessions_named, stderr, stdout, wait_for},
    serve::client::get,
    support::{Run, shared, skipped},
};

/// A running agent, its sockets and its configuration file.
struct Agent {
    child: Child,
    folder: tempfile::TempDir,
}

impl Agent {
    fn start(lab: &Lab, toml: &str) -> Self {
        Self::start_with(lab, toml, &[])
    }

    fn start_with(lab: &Lab, toml: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pipeprobe.toml"), toml).unwrap();
        let child = Self::command(lab, folder.path()).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let agent = Self { child, folder };
        agent.wait_until(|agent| agent.socket("a").exists());
        agent
    }

    fn command(lab: &Lab, folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
        command.args(["agent", "-c"]).arg(folder.join("pipeprobe.toml")).env_clear();
        command.envs(lab.environment()).env("XDG_RUNTIME_DIR", folder);
        command
    }

    fn directory(&self, target: &str) -> PathBuf {
        self.folder.path().join("pipeprobe").join(target)
    }

    fn socket(&self, target: &str) -> PathBuf {
        self.directory(target).join(".s.PGSQL.5432")
    }

    fn psql(&self, target: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command.args(["-XAtU", "clickpipes_iam_user", "-d", "app", "-c", sql]).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("PGHOST", self.directory(target));
        command
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    #[track_caller]
    fn wait_until(&self, is_true: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_true(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "not in time");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn instance() -> &'static Instance {
    shared().instance(ServerVersion::Postgres15)
}

fn table(name: &str) -> String {
    shared().target_toml(name, instance(), lab::ACCESS_ROLE)
}

#[test]
fn a_reload_removes_a_target_adds_another_and_leaves_open_sessions_alone() {
    let agent = Agent::start(shared(), &(table("a") + &table("b")));
    for target in ["a", "b"] {
        assert_eq!(stdout(&agent.psql(target, "select 'in'").output().unwrap()), "in");
    }
    let mut open = agent.psql("b", "select 'finished' from pg_sleep(3)");
    let open = open.env("PGAPPNAME", "agent_reload").stdout(Stdio::piped()).spawn().unwrap();
    wait_for(instance(), &sessions_named("agent_reload"), "1", Duration::from_secs(10));

    let file = agent.folder.path().join("pipeprobe.toml");
    std::fs::write(&file, "no toml").unwrap();
    agent.signal("HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(agent.socket("b").exists(), "an invalid file changes nothing");

    std::fs::write(&file, table("a") + &table("c")).unwrap();
    agent.signal("HUP");
    agent.wait_until(|agent| agent.socket("c").exists());
    assert!(!agent.socket("b").exists());
    assert_eq!(stdout(&agent.psql("c", "select 'in'").output().unwrap()), "in");
    assert_eq!(stdout(&open.wait_with_output().unwrap()), "finished");
}

#[test]
fn after_sigterm_open_sessions_end_by_themselves_and_the_exit_code_is_0() {
    let mut agent = Agent::start(shared(), &table("a"));
    let mut open = agent.psql("a", "select 'finished' from pg_sleep(2)");
    let open = open.env("PGAPPNAME", "agent_drain").stdout(Stdio::piped()).spawn().unwrap();
    wait_for(instance(), &sessions_named("agent_drain"), "1", Duration::from_secs(10));
    agent.signal("TERM");
    agent.wait_until(|agent| !agent.socket("a").exists());
    let refused = stderr(&agent.psql("a", "select 1").output().unwrap());
    assert!(refused.contains("No such file"), "{refused}");
    assert_eq!(stdout(&open.wait_with_output().unwrap()), "finished");
    assert_eq!(agent.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_sigterm_ends_open_sessions_at_once() {
    let mut agent = Agent::start(shared(), &table("a"));
    let mut open = agent.psql("a", "select pg_sleep(60)");
    let open = open.env("PGAPPNAME", "agent_cut").stderr(Stdio::piped()).spawn().unwrap();
    wait_for(instance(), &sessions_named("agent_cut"), "1", Duration::from_secs(10));
    agent.signal("TERM");
    agent.wait_until(|agent| !agent.socket("a").exists());
    let start = Instant::now();
    agent.signal("TERM");
    assert_eq!(agent.child.wait().unwrap().code(), Some(0));
    stderr(&open.wait_with_output().unwrap());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn metrics_count_logins_refusals_and_bytes_and_readiness_ends_with_the_drain() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut agent = Agent::start_with(shared(), &(table("a") + &table("b")), &["--listen", &address]);
    let ready = || get(&address, "/-/ready", &[]).status;
    assert_eq!((get(&address, "/-/healthy", &[]).status, ready()), (200, 200));
    let connections = |target: &str, result: &str| {
        let series = format!("pipeprobe_agent_connections_total{{target=\"{target}\",result=\"{result}\"}}");
        get(&address, "/metrics", &[]).series(&series)
    };
    assert_eq!((connections("a", "logged_in"), connections("b", "refused")), (Some(0.0), Some(0.0)));

    assert_eq!(stdout(&agent.psql("a", "select repeat('x', 100000)").output().unwrap()).len(), 100_000);
    let mut nobody = agent.psql("a", "select 1");
    stderr(&nobody.args(["-U", "nobody"]).output().unwrap());
    let mut open = agent.psql("b", "select 'finished' from pg_sleep(3)");
    let open = open.env("PGAPPNAME", "agent_metrics").stdout(Stdio::piped()).spawn().unwrap();
    wait_for(instance(), &sessions_named("agent_metrics"), "1", Duration::from_secs(10));
    let page = get(&address, "/metrics", &[]);
    let value = |series: &str| page.series(series);
    assert_eq!((connections("a", "logged_in"), connections("a", "refused")), (Some(1.0), Some(1.0)));
    assert_eq!(value("pipeprobe_agent_sessions{target=\"a\"}"), Some(0.0));
    assert_eq!(value("pipeprobe_agent_sessions{target=\"b\"}"), Some(1.0));
    assert_eq!(value("pipeprobe_agent_login_duration_seconds_count{target=\"a\"}"), Some(1.0));
    let received = value("pipeprobe_agent_bytes_total{target=\"a\",direction=\"to_client\"}");
    assert!(received.is_some_and(|bytes| (100_000.0..110_000.0).contains(&bytes)), "{received:?}");
    match lab::Tool::Promtool.find() {
        Ok(promtool) => {
            let mut check = Command::new(promtool);
            let check = check.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let mut check = check.unwrap();
            check.stdin.take().unwrap().write_all(page.body.as_bytes()).unwrap();
            let said = check.wait_with_output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
        Err(why) => skipped(format!("metrics of the agent: promtool: {why}")),
    }
    assert_eq!(get(&address, "/metrics", &[("Host", "page.example")]).status, 403);

    agent.signal("TERM");
    agent.wait_until(|agent| !agent.socket("a").exists());
    assert_eq!((get(&address, "/-/healthy", &[]).status, ready()), (200, 503));
    assert_eq!(stdout(&open.wait_with_output().unwrap()), "finished");
    assert_eq!(agent.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_agent_is_refused_and_an_agent_that_was_killed_is_replaced() {
    let lab = shared();
    let mut first = Agent::start(lab, &table("a"));
    let second = Agent::command(lab, first.folder.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains("another agent uses"));
    assert_eq!(stdout(&first.psql("a", "select 'in'").output().unwrap()), "in");

    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(first.socket("a").exists(), "it could not remove its socket");
    first.child = Agent::command(lab, first.folder.path()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !first.psql("a", "select 1").output().unwrap().status.success() {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_session_of_aws_is_used_for_many_logins_also_at_the_same_time() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let instance = lab.instance(ServerVersion::Postgres15);
    let agent = Agent::start(&lab, &lab.target_toml("a", instance, lab::ACCESS_ROLE));
    let sessions: Vec<_> =
        (0..20).map(|_| agent.psql("a", "select 'in'").stdout(Stdio::piped()).spawn().unwrap()).collect();
    for session in sessions {
        assert_eq!(stdout(&session.wait_with_output().unwrap()), "in");
    }
    assert_eq!(lab.aws().calls().iter().filter(|call| call.action == "AssumeRole").count(), 1);
    assert_eq!(instance.decisions().len(), 20, "each login has a token");
}

#[test]
fn a_name_that_is_no_directory_is_refused_with_the_file() {
    let lab = shared();
    let config =
        Run::check(lab, &[]).only(&table("a").replace("[targets.a]", "[targets.'../a']")).config_file();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    let output =
        command.args(["agent", "-c"]).arg(config).env_clear().envs(lab.environment()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a name that can be a directory"));
}
