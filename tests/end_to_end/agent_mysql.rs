//! The auth token agent with clients of MySQL and MariaDB, and real servers.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::{
    agent_service::Agent,
    support::{Run, shared, skipped},
};

const USER: &str = "clickpipes_iam_user";

/// `pipeprobe exec TARGET -- PROGRAM ARGS…` in the environment of the lab.
fn exec(lab: &Lab, config: &Path, target: &str, program: &[&str]) -> Command {
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

fn config(lab: &Lab) -> PathBuf {
    Run::check(lab, &[]).config_file()
}

#[track_caller]
fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {stderr}{stdout}", output.status);
    stdout.trim_end().to_owned()
}

#[track_caller]
fn stderr(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{stderr}{}", String::from_utf8_lossy(&output.stdout));
    stderr
}

fn servers(lab: &Lab) -> impl Iterator<Item = &Instance> {
    lab.instances().iter().filter(|instance| instance.server_version.engine() != Engine::Postgres)
}

/// The command-line client that comes with a server.
fn client(instance: &Instance) -> String {
    instance.installed().program(instance.server_version.engine().client()).display().to_string()
}

/// The command-line clients of all server versions that are here.
fn clients(lab: &Lab) -> Vec<String> {
    servers(lab).map(client).collect()
}

#[test]
fn each_client_logs_in_to_each_server_over_tls() {
    let lab = shared();
    let query = "select substring_index(current_user(), '@', 1), database(); show status like 'Ssl_version'";
    for instance in servers(lab) {
        for client in clients(lab) {
            let output = exec(lab, &config(lab), &instance.name, &[&client, "-NBe", query]).output().unwrap();
            let expected = format!("{USER}\tapp\nSsl_version\tTLSv1.3");
            assert_eq!(stdout(&output), expected, "{client} to {}", instance.name);
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{client} to {}", instance.name);
        }
    }
}

#[test]
fn the_environment_has_an_option_file_and_no_secret() {
    let lab = shared();
    let instance = lab.instance(ServerVersion::MariaDb10_11);
    let print =
        "env; ls -la \"$MYSQL_HOME\"; cat \"$MYSQL_HOME/my.cnf\"; tr '\\0' '\\n' < /proc/$PPID/cmdline";
    let mut command = exec(lab, &config(lab), &instance.name, &["sh", "-c", print]);
    command.envs([("MYSQL_PWD", "my-secret"), ("MYSQL_HOST", "elsewhere"), ("MARIADB_HOME", "/elsewhere")]);
    let said = stdout(&command.output().unwrap());
    for absent in ["AWS_", "my-secret", "elsewhere", "X-Amz", "password", lab.secret_access_key()] {
        assert!(!said.contains(absent), "{absent}: {said}");
    }
    for present in ["srw-------", "drwx------", "-rw-------", &format!("user=\"{USER}\"")] {
        assert!(said.contains(present), "{present}: {said}");
    }
    let home = said.lines().find_map(|line| line.strip_prefix("MYSQL_HOME=")).unwrap();
    assert!(said.contains(&format!("MYSQL_UNIX_PORT={home}/mysql.sock")), "{said}");
    assert!(!Path::new(home).exists(), "the directory was not removed");
}

#[test]
fn a_session_of_pymysql_has_all_that_a_direct_one_has() {
    let Some(python) = lab::python() else { return skipped("agent: no Python with PyMySQL") };
    let wanted = [ServerVersion::MariaDb10_11, ServerVersion::MariaDb11_8, ServerVersion::Mysql9_7];
    let lab = Lab::start(&wanted).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/agent_mysql/session.py");
    for instance in servers(&lab) {
        let folder = tempfile::tempdir().unwrap();
        let prepare = format!(
            "create database agent; create table agent.lines (line varbinary(20)); \
             grant all on agent.* to {USER}; set global max_allowed_packet = 64 << 20; set global local_infile = 1"
        );
        instance.sql(&prepare).unwrap();
        let paths = [&python, &script, folder.path()].map(|path: &Path| path.display().to_string());
        let program = [&paths[0], &paths[1], &paths[2], USER];
        let said = stdout(&exec(&lab, &config(&lab), &instance.name, &program).output().unwrap());
        let refused = format!(
            "1045 pipeprobe logs in as user {USER} only, not as root. Fix: connect with --user={USER}"
        );
        let expected = format!(
            "user {USER}\nseveral [((1,),), ((2,),), ((3,),)]\nlong request True\nlong response True\n\
             local file (300000, 15)\nchanged True ('app', None, 1)\nchanged True ('agent', None, 1)\n\
             reset True None\nsame connection True\nother user {refused}\nroot {refused}\nnowhere True\n\
             with a password [((1,),)]\n\
             not a response b'\\xff\\x13\\x04#08S01pipeprobe: the handshake response is too short'\naborted 0\nbinary log [b'streamed']"
        );
        let said: Vec<_> = said.lines().collect();
        assert_eq!(said, expected.lines().collect::<Vec<_>>(), "{}", instance.name);
    }
}

#[test]
fn an_interrupt_in_the_client_ends_the_query_on_the_server() {
    let lab = shared();
    for instance in servers(lab) {
        for client in clients(lab) {
            let running =
                "select count(*) from information_schema.processlist where info like 'select sleep(60%'";
            let shell = format!(
                "{client} -NBe 'select sleep(60)' & sleep 2; kill -INT $!; wait $!; {client} -NBe \"{running}\""
            );
            let start = Instant::now();
            let output = exec(lab, &config(lab), &instance.name, &["sh", "-c", &shell]).output().unwrap();
            let said = stdout(&output);
            assert!(said.ends_with('0'), "{client} to {}: {said}", instance.name);
            assert!(start.elapsed() < Duration::from_secs(30), "{client} to {}", instance.name);
        }
    }
}

#[test]
fn refusals_are_explained_in_the_client_with_the_cause_and_the_fix_of_check() {
    let lab = Lab::start(&[ServerVersion::MariaDb10_11]).unwrap();
    let instance = lab.instance(ServerVersion::MariaDb10_11);
    let run = |arguments: &[&str]| {
        let program = [&["mariadb", "-NBe", "select 1"], arguments].concat();
        let said = stderr(&exec(&lab, &config(&lab), &instance.name, &program).output().unwrap());
        assert!(!said.contains(lab.secret_access_key()) && !said.contains("X-Amz"), "{said}");
        said
    };
    let said = run(&["-u", "root"]);
    assert!(
        said.contains("ERROR 1045 (28000)") && said.contains(&format!("Fix: connect with --user={USER}"))
    );

    let said = run(&["-D", "nowhere"]);
    assert!(said.contains("ERROR 104") && said.contains("'nowhere'"), "{said}");

    let mut known = Vec::new();
    lab.aws().change(|world| known = std::mem::take(&mut world.roles));
    let said = run(&[]);
    assert!(
        said.contains("ERROR 1045 (28000)") && said.contains(". Cause: STS_ASSUME_ROLE_DENIED: "),
        "{said}"
    );
    assert!(said.contains(". Fix: "), "{said}");
    lab.aws().change(|world| world.roles = known);

    let before = instance.decisions().len();
    instance.sql(&format!("alter user {USER} identified by 'a password'")).unwrap();
    let said = run(&[]);
    assert!(said.contains(". Cause: AUTH_NOT_IAM: "), "{said}");
    assert_eq!(instance.decisions().len(), before, "no token was sent");

    instance.stop();
    let said = run(&[]);
    assert!(said.contains("1429") && said.contains(". Cause: ") && said.contains("refused"), "{said}");
}

/// A server that has no TLS, requests a cleartext password, and keeps what it receives.
struct Plaintext {
    port: u16,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Plaintext {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (port, kept) = (listener.local_addr().unwrap().port(), Arc::clone(&received));
        // Version, connection id, scramble, filler, flags without CLIENT_SSL, character set, status, flags.
        let mut greeting = b"\x0a8.0.39\0\x01\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\xdf\x15".to_vec();
        greeting.extend([0; 10]);
        greeting.extend(b"ijklmnopqrst\0mysql_clear_password\0");
        let packet = [&[greeting.len() as u8, 0, 0, 0], &greeting[..]].concat();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(&packet);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                let mut bytes = [0; 4096];
                // The response and the password. A client would answer every further request.
                for _ in 0..2 {
                    let Ok(read @ 1..) = stream.read(&mut bytes) else { break };
                    kept.lock().unwrap().extend_from_slice(&bytes[..read]);
                    let _ = stream.write_all(b"\x16\0\0\x02\xfemysql_clear_password\0");
                }
            }
        });
        Self { port, received }
    }
}

#[test]
fn a_server_without_tls_receives_nothing_whatever_the_client_prefers() {
    let lab = shared();
    let server = Plaintext::start();
    let address = format!("\"127.0.0.1:{}\"", server.port);
    let config = Run::check(lab, &[]).with("connect_to", &address).config_file();
    let home = tempfile::tempdir().unwrap();
    let options = "[client]\npassword=secret\nloose-enable-cleartext-plugin\nloose-ssl-mode=PREFERRED\n";
    std::fs::write(home.path().join(".my.cnf"), options).unwrap();
    for client in clients(lab) {
        let mut command = exec(lab, &config, "mariadb10_11", &[&client, "-NBe", "select 1"]);
        let said = stderr(&command.env("HOME", home.path()).output().unwrap());
        assert!(said.contains(". Cause: ") && said.contains("TLS"), "{said}");
    }
    assert_eq!(server.received.lock().unwrap().len(), 0);
}

/// The file is read after ours. The client of MySQL then refuses to connect; that of MariaDB connects there, with what the file
/// says: it has no token.
#[test]
fn a_server_that_the_option_file_of_the_user_names_gets_no_token() {
    let lab = shared();
    let server = Plaintext::start();
    let home = tempfile::tempdir().unwrap();
    let options = format!(
        "[client]\nhost=127.0.0.1\nport={}\npassword=own\nloose-enable-cleartext-plugin\n",
        server.port
    );
    std::fs::write(home.path().join(".my.cnf"), options).unwrap();
    for instance in servers(lab) {
        let client = client(instance);
        let before = server.received.lock().unwrap().len();
        let mut command = exec(lab, &config(lab), "mariadb10_11", &[&client, "-NBe", "select 1"]);
        stderr(&command.env("HOME", home.path()).output().unwrap());
        let received = server.received.lock().unwrap()[before..].to_vec();
        assert_eq!(received.is_empty(), instance.server_version.engine() == Engine::Mysql, "{client}");
        assert!(!String::from_utf8_lossy(&received).contains("X-Amz"), "{client}");
        assert!(received.is_empty() || received.windows(4).any(|bytes| bytes == b"own\0"), "{client}");
    }
}

/// What `token TARGET --for CLIENT` prints, with these arguments at its end, where the host name of the target is loopback.
fn command_for(instance: &Instance, client: &Path, port: u16, arguments: &str) -> Command {
    let lab = shared();
    // The clients cannot verify a name that they did not connect to.
    let address = format!("\"{}:{port}\"", instance.host);
    let config = Run::check(lab, &[]).with("connect_to", &address).config_file();
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(["token", &instance.name, "--for", client.file_name().unwrap().to_str().unwrap(), "-c"])
        .arg(config)
        .env_clear()
        .envs(lab.environment())
        .output()
        .unwrap();
    let script = format!("{} {arguments}", stdout(&output));
    assert!(!script.contains("X-Amz"), "{script}");
    let hosts = lab.dir().join(format!("hosts-{}", instance.name));
    std::fs::write(&hosts, format!("127.0.0.1 localhost {}\n", instance.host)).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", r#"mount --bind "$0" /etc/hosts && exec sh -c "$1""#])
        .arg(hosts)
        .arg(script)
        .env_clear()
        .envs(lab.environment())
        .env("PATH", format!("{}:/usr/bin:/bin", client.parent().unwrap().display()));
    command
}

#[test]
fn the_commands_for_clients_log_in_over_tls_and_send_a_server_without_it_nothing() {
    let works = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        return skipped("token --for mysql and mariadb: no mount namespace may be created here");
    }
    let lab = shared();
    let server = Plaintext::start();
    let query = "-NBe \"select substring_index(current_user(), '@', 1); show status like 'Ssl_version'\"";
    for client in clients(lab) {
        let client = Path::new(&client);
        for instance in servers(lab) {
            let output = command_for(instance, client, instance.address().port(), query).output().unwrap();
            let expected = format!("{USER}\nSsl_version\tTLSv1.3");
            assert_eq!(stdout(&output), expected, "{} to {}", client.display(), instance.name);
        }
        let instance = servers(lab).next().unwrap();
        let said = stderr(&command_for(instance, client, server.port, query).output().unwrap());
        assert!(said.contains("SSL"), "{}: {said}", client.display());
        assert_eq!(server.received.lock().unwrap().len(), 0, "{}", client.display());
    }
}

/// The option file of `agent_token_file` leads to the database itself, so the host name of the target is loopback here.
#[test]
fn an_option_file_with_a_token_logs_in_over_verified_tls_without_flags() {
    let works = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        return skipped("agent_token_file as my_cnf: no mount namespace may be created here");
    }
    let lab = shared();
    for instance in servers(lab) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token.cnf");
        let table = lab.target_toml("a", instance, lab::ACCESS_ROLE);
        let table =
            format!("{table}agent_token_file = \"{}\"\nagent_token_format = \"my_cnf\"\n", file.display());
        let agent = Agent::start_with_password(lab, &table, "");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !file.exists() {
            assert!(Instant::now() < deadline, "no token file");
            std::thread::sleep(Duration::from_millis(20));
        }
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, format!("127.0.0.1 localhost {}\n", instance.host)).unwrap();
        let query = "select substring_index(current_user(), '@', 1); show status like 'Ssl_version'";
        // The client of MySQL needs an option that the file of a MariaDB server does not contain.
        let same = |other: &&Instance| other.server_version.engine() == instance.server_version.engine();
        for client in servers(lab).filter(same).map(client) {
            let script = r#"mount --bind "$0" /etc/hosts && exec "$1" --defaults-extra-file="$2" -NBe "$3""#;
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", script]).arg(&hosts).args([&client]).arg(&file).arg(query);
            let output = command.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
            assert_eq!(
                stdout(&output),
                format!("{USER}\nSsl_version\tTLSv1.3"),
                "{client} to {}",
                instance.name
            );
        }
        drop(agent);
    }
}
