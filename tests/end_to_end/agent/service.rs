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
pub(crate) struct Agent {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
}

impl Agent {
    fn start(lab: &Lab, toml: &str) -> Self {
        Self::start_with(lab, toml, &[])
    }

    pub(crate) fn start_with(lab: &Lab, toml: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pipeprobe.toml"), toml).unwrap();
        let child = Self::command(lab, folder.path()).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let agent = Self { child, folder };
        agent.wait_until(|agent| agent.socket("a").exists());
        agent
    }

    /// With these names and addresses in /etc/hosts. The file can be changed while the agent runs.
    pub(crate) fn start_with_hosts(lab: &Lab, toml: &str, hosts: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pipeprobe.toml"), toml).unwrap();
        let agent = Self::command(lab, folder.path());
        let script = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", script])
            .arg(hosts)
            .arg(agent.get_program())
            .args(agent.get_args());
        command.env_clear().envs(agent.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = command.env("PATH", "/usr/sbin:/usr/bin:/bin").spawn().unwrap();
        let agent = Self { child, folder };
        agent.wait_for_socket();
        agent
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// With a password in the file `password`, for one target of any engine.
    pub(crate) fn start_with_password(lab: &Lab, toml: &str, password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pipeprobe.toml"), toml).unwrap();
        write_private(&folder.path().join("password"), password);
        Self::in_folder(lab, folder)
    }

    fn in_folder(lab: &Lab, folder: tempfile::TempDir) -> Self {
        let child = Self::command(lab, folder.path()).stderr(Stdio::inherit()).spawn().unwrap();
        let agent = Self { child, folder };
        agent.wait_for_socket();
        agent
    }

    #[track_caller]
    fn wait_for_socket(&self) {
        self.wait_until(|agent| {
            [".s.PGSQL.5432", "mysql.sock"].iter().any(|name| agent.directory("a").join(name).exists())
        });
    }

    /// A new process with the same configuration, after this one was killed.
    pub(crate) fn restarted(mut self, lab: &Lab) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        for name in [".s.PGSQL.5432", "mysql.sock"] {
            let _ = std::fs::remove_file(folder.path().join("pipeprobe/a").join(name));
        }
        Self::in_folder(lab, folder)
    }

    fn command(lab: &Lab, folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
        command.args(["agent", "-c"]).arg(folder.join("pipeprobe.toml")).env_clear();
        command.envs(lab.environment()).env("XDG_RUNTIME_DIR", folder);
        command
    }

    pub(crate) fn directory(&self, target: &str) -> PathBuf {
        self.folder.path().join("pipeprobe").join(target)
    }

    fn socket(&self, target: &str) -> PathBuf {
        self.directory(target).join(".s.PGSQL.5432")
    }

    pub(crate) fn psql(&self, target: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command.args(["-XAtU", "clickpipes_iam_user", "-d", "app", "-c", sql]).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("PGHOST", self.directory(target));
        command
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, is_true: impl Fn(&Self) -> bool) {
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

pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
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

pub(crate) const PASSWORD: &str = "a-password-of-more-than-22-characters";

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Connects to a TCP port of this machine.
pub(crate) fn psql_at(port: u16, password: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-XwAtU", "clickpipes_iam_user", "-h", "127.0.0.1", "-p", &port.to_string(), "-d", "app"]);
    command.args(["-c", "select 'in'"]).env_clear().env("PATH", "/usr/bin:/bin").env("PGPASSWORD", password);
    command
}

#[test]
fn a_tcp_listener_accepts_only_the_password_of_its_file_which_a_reload_reads_again() {
    let port = free_port();
    let toml =
        format!("{}agent_listen = \"127.0.0.1:{port}\"\nagent_password_file = \"password\"\n", table("a"));
    let agent = Agent::start_with_password(shared(), &toml, &format!("{PASSWORD}\n"));
    assert_eq!(stdout(&psql_at(port, PASSWORD).output().unwrap()), "in");
    assert!(
        stderr(&psql_at(port, "another-password-of-that-length").output().unwrap())
            .contains("wrong password")
    );
    // The socket needs none.
    assert_eq!(stdout(&agent.psql("a", "select 'in'").output().unwrap()), "in");

    let file = agent.folder.path().join("password");
    std::fs::write(&file, "too-short").unwrap();
    agent.signal("HUP");
    std::thread::sleep(Duration::from_millis(500));
    let new = PASSWORD.replace('a', "b");
    std::fs::write(&file, &new).unwrap();
    agent.signal("HUP");
    agent.wait_until(|_| psql_at(port, &new).output().unwrap().status.success());
    stderr(&psql_at(port, PASSWORD).output().unwrap());
}

#[test]
fn a_tcp_listener_needs_loopback_and_a_private_password() {
    let folder = tempfile::tempdir().unwrap();
    write_private(&folder.path().join("password"), PASSWORD);
    std::fs::write(folder.path().join("public"), PASSWORD).unwrap();
    let started = |lines: &str| {
        std::fs::write(folder.path().join("pipeprobe.toml"), table("a") + lines).unwrap();
        let output = Agent::command(shared(), folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = stderr(&output);
        assert!(!said.contains(PASSWORD), "{said}");
        said
    };
    let listen = "agent_listen = \"127.0.0.1:15432\"\n";
    assert!(started(listen).contains("agent_password_file"), "no password");
    assert!(started("agent_password_file = \"password\"\n").contains("agent_listen"), "no address");
    let public = format!("{listen}agent_password_file = \"public\"\n");
    assert!(started(&public).contains("mode 0644"));
    for address in ["0.0.0.0:15432", "192.0.2.1:15432", "127.0.0.1:0", "localhost"] {
        let lines = format!("agent_listen = \"{address}\"\nagent_password_file = \"password\"\n");
        assert!(started(&lines).contains("loopback"), "{address}");
    }
}

#[test]
fn members_of_the_group_can_use_the_socket_and_others_cannot() {
    use std::os::unix::{fs::MetadataExt, process::CommandExt};
    if !rustix::process::geteuid().is_root() {
        return skipped("agent: another user (this process is not root)");
    }
    let group = 54_321;
    let agent = Agent::start(shared(), &format!("{}agent_socket_group = \"{group}\"\n", table("a")));
    std::fs::set_permissions(agent.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let metadata = std::fs::metadata(agent.socket("a")).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.gid()), (0o660, group));
    for (uid, gid, is_allowed) in [(1234, group, true), (1234, 1234, false), (65_534, group, false)] {
        let mut psql = agent.psql("a", "select 'in'");
        let output = psql.uid(uid).gid(gid).current_dir("/").output().unwrap();
        assert_eq!(
            output.status.success(),
            is_allowed,
            "{uid} {gid}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn sockets_of_systemd_are_used_and_stay_after_the_agent() {
    let activate = Path::new("/usr/bin/systemd-socket-activate");
    if !activate.exists() {
        return skipped("agent: systemd-socket-activate");
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let toml = format!(
        "{}agent_listen = \"127.0.0.1:{}\"\nagent_password_file = \"password\"\n",
        table("a"),
        free_port()
    );
    std::fs::write(folder.path().join("pipeprobe.toml"), toml + &table("b")).unwrap();
    write_private(&folder.path().join("password"), PASSWORD);
    let socket = folder.path().join(".s.PGSQL.5432");
    let start = |names: &str| {
        let mut command = Command::new(activate);
        command.arg("-l").arg(&socket).args(["-l", &format!("127.0.0.1:{port}"), "--fdname", names]);
        let agent = Agent::command(shared(), folder.path());
        command
            .arg("--setenv=XDG_RUNTIME_DIR")
            .args(lab_variables())
            .arg(agent.get_program())
            .args(agent.get_args());
        command.env_clear().envs(shared().environment()).env("XDG_RUNTIME_DIR", folder.path());
        command
    };
    let mut child = start("a:a").spawn().unwrap();
    let mut psql = Command::new("psql");
    psql.args(["-XAtU", "clickpipes_iam_user", "-d", "app", "-c", "select 'in'", "-h"]).arg(folder.path());
    let deadline = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "no socket");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The first connection starts the agent.
    assert_eq!(stdout(&psql.output().unwrap()), "in");
    assert_eq!(stdout(&psql_at(port, PASSWORD).output().unwrap()), "in");
    stderr(&psql_at(port, "another-password-of-that-length").output().unwrap());
    assert!(!folder.path().join("pipeprobe/a").exists(), "no other socket for this target");
    assert!(folder.path().join("pipeprobe/b/.s.PGSQL.5432").exists(), "but for the other");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(socket.exists(), "it belongs to the service manager");
}

/// Options that pass the environment of the lab on.
fn lab_variables() -> Vec<String> {
    shared().environment().into_iter().map(|(name, _)| format!("--setenv={name}")).collect()
}

#[test]
fn a_token_file_logs_in_is_private_and_ends_with_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let line = |name: &str, format: &str| {
        let hook = format!("agent_token_hook = [\"touch\", \"{}\"]\n", path("hook").display());
        format!("agent_token_file = \"{}\"\nagent_token_format = \"{format}\"\n{hook}", path(name).display())
    };
    let toml = table("a") + &line("pgpass", "pgpass") + &table("b") + &line("raw", "raw");
    let mut agent = Agent::start(shared(), &toml);
    agent.wait_until(|_| ["pgpass", "raw", "hook"].iter().all(|name| path(name).exists()));
    for name in ["pgpass", "raw"] {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(path(name)).unwrap().mode() & 0o777, 0o600, "{name}");
    }
    let instance = instance();
    let conninfo = format!(
        "host={} hostaddr=127.0.0.1 port={} dbname=app user=clickpipes_iam_user sslmode=verify-full sslrootcert={}",
        instance.host,
        instance.address().port(),
        shared().ca_pem().display()
    );
    let psql = || {
        let mut psql = Command::new("psql");
        psql.args(["-wXAtc", "select 'in'", &conninfo]).env_clear().env("PATH", "/usr/bin:/bin");
        psql
    };
    assert_eq!(stdout(&psql().env("PGPASSFILE", path("pgpass")).output().unwrap()), "in");
    let token = std::fs::read_to_string(path("raw")).unwrap();
    assert_eq!(stdout(&psql().env("PGPASSWORD", token.trim_end()).output().unwrap()), "in");

    agent.signal("TERM");
    assert_eq!(agent.child.wait().unwrap().code(), Some(0));
    assert!(!path("pgpass").exists() && !path("raw").exists(), "removed at the end");
}
