//! Every server of the lab: it accepts permitted users, refuses all others, and is removed at the end.
//!
//! A server that is not available here is skipped by name, on the real stderr. The two servers of the distribution are never
//! skipped.

#[path = "servers/client.rs"]
mod client;
#[path = "servers/consumers.rs"]
mod consumers;
#[path = "servers/sign.rs"]
mod sign;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::{Link, ask};
use lab::{
    ACCESS_ROLE, Engine, Instance, Lab, MYSQL_GRANTS, MYSQL_USER, POSTGRES_GRANTS, POSTGRES_USER,
    ServerVersion, USER,
};
use lab_aws::{Credentials, Refusal, Tag};
use sign::token;

#[test]
fn postgres15() {
    on(ServerVersion::Postgres15, postgres);
}

#[test]
fn postgres17() {
    on(ServerVersion::Postgres17, postgres);
}

#[test]
fn postgres18() {
    on(ServerVersion::Postgres18, postgres);
}

#[test]
fn mariadb10_11() {
    on(ServerVersion::MariaDb10_11, mysql);
}

#[test]
fn mariadb11_8() {
    on(ServerVersion::MariaDb11_8, mysql);
}

#[test]
fn mysql9_7() {
    on(ServerVersion::Mysql9_7, mysql);
}

/// Assertions for every server, then for its engine.
fn on(server_version: ServerVersion, engine: fn(&Lab, &Instance)) {
    if let Err(skipped) = lab::obtain(server_version) {
        assert!(!server_version.is_always_there(), "{skipped}");
        skip(&skipped.to_string());
        return;
    }
    let lab = Lab::start(&[server_version]).unwrap();
    let server = lab.instance(server_version);
    a_good_token_lets_in(&lab, server);
    a_bad_one_does_not(&lab, server);
    tokens_need_tls(&lab, server);
    the_guide_works_word_for_word(&lab, server);
    engine(&lab, server);
    it_stops_and_starts(&lab, server);
    nobody_gets_in_unverified(&lab, server);

    let folder = lab.dir().to_owned();
    drop(lab);
    assert_nothing_left(&folder);
}

fn a_good_token_lets_in(lab: &Lab, server: &Instance) {
    // Tags make a session token long; encoded it is more than 2 KB.
    let tags: Vec<Tag> = (0..8).map(|i| Tag::new(format!("tag-{i}"), "x".repeat(90))).collect();
    let keys = lab.aws().issue(ACCESS_ROLE, "servers", &tags, Duration::from_hours(1));
    let token = token(&keys, &server.host, server.port, USER);
    assert!(token.len() > 2048, "{}", token.len());

    assert_eq!(ask(lab, server, Link::Verified, &token, "SELECT count(*) FROM orders"), Ok("3".into()));
    let decision = server.decisions().pop().unwrap();
    assert!(decision.accepted(), "{decision:?}");
    assert_eq!((decision.user.as_str(), decision.token_len), (USER, token.len()));
    assert_ne!(decision.tls, "no");
}

fn a_bad_one_does_not(lab: &Lab, server: &Instance) {
    let keys = keys(lab);
    let good = token(&keys, &server.host, server.port, USER);

    let last = if good.ends_with('0') { "1" } else { "0" };
    let tampered = format!("{}{last}", &good[..good.len() - 1]);
    refused(lab, server, &tampered, |why| *why == Refusal::SignatureMismatch);

    let elsewhere = token(&keys, &server.host, server.port ^ 1, USER);
    refused(lab, server, &elsewhere, |why| matches!(why, Refusal::WrongEndpoint { .. }));

    let stranger =
        lab.aws().issue("arn:aws:iam::123456789012:role/nobody", "servers", &[], Duration::from_mins(15));
    let unauthorized = token(&stranger, &server.host, server.port, USER);
    refused(lab, server, &unauthorized, |why| matches!(why, Refusal::NotAuthorized { .. }));

    refused(lab, server, &good[..512], |why| matches!(why, Refusal::Malformed(_)));
}

fn refused(lab: &Lab, server: &Instance, token: &str, why: impl Fn(&Refusal) -> bool) {
    let words = match server.server_version.engine() {
        Engine::Postgres => "PAM authentication failed for user \"clickpipes_iam_user\"",
        _ => "Access denied for user 'clickpipes_iam_user'",
    };
    let said = ask(lab, server, Link::Verified, token, "SELECT 1").unwrap_err();
    assert!(said.contains(words), "{said}");
    let refusal = server.decisions().pop().unwrap().refusal.unwrap();
    assert!(why(&refusal), "{refusal:?}");
}

fn tokens_need_tls(lab: &Lab, server: &Instance) {
    let asked = server.decisions().len();
    let token = token(&keys(lab), &server.host, server.port, USER);
    let said = ask(lab, server, Link::Plaintext, &token, "SELECT 1").unwrap_err();
    let words = match server.server_version {
        ServerVersion::Postgres15 | ServerVersion::Postgres17 | ServerVersion::Postgres18 => {
            "pg_hba.conf rejects connection"
        }
        ServerVersion::MariaDb11_8 => "insecure transport",
        // These servers check for TLS only after their plugin got the token, which has crossed the network by then. Therefore a
        // client must never send it without TLS, whatever the server requests.
        ServerVersion::MariaDb10_11 | ServerVersion::Mysql9_7 => {
            assert!(said.contains("Access denied"), "{said}");
            assert_eq!(server.decisions().len(), asked + 1);
            return;
        }
    };
    assert!(said.contains(words), "{said}");
    assert_eq!(server.decisions().len(), asked, "the token must not get as far as the verifier");
}

fn the_guide_works_word_for_word(lab: &Lab, server: &Instance) {
    match server.server_version.engine() {
        Engine::Postgres => {
            let forget = "DROP OWNED BY clickpipes_iam_user; DROP USER clickpipes_iam_user; DROP PUBLICATION clickpipes_publication;";
            server.sql(forget).unwrap();
            server.sql(POSTGRES_USER).unwrap();
            server.sql(POSTGRES_GRANTS).unwrap();
        }
        Engine::Mysql | Engine::MariaDb => {
            server.sql("DROP USER clickpipes_iam_user").unwrap();
            server.sql(MYSQL_USER).unwrap();
            server.sql(MYSQL_GRANTS).unwrap();
        }
    }
    let token = token(&keys(lab), &server.host, server.port, USER);
    assert_eq!(ask(lab, server, Link::Verified, &token, "SELECT count(*) FROM orders"), Ok("3".into()));
}

/// `rds.iam_auth_for_replication`, as on RDS: off by default, changed by a reload.
fn postgres(lab: &Lab, server: &Instance) {
    server.sql("ALTER ROLE clickpipes_iam_user REPLICATION").unwrap();
    let token = token(&keys(lab), &server.host, server.port, USER);
    let identify = || ask(lab, server, Link::Replication, &token, "IDENTIFY_SYSTEM");
    let ordinary = || ask(lab, server, Link::Verified, &token, "SHOW rds.logical_replication");

    assert_eq!(ordinary(), Ok("on".into()));
    assert!(identify().unwrap_err().contains("FATAL"));

    switch(server, "1");
    assert!(identify().unwrap().ends_with("|app"));
    assert_eq!(server.decisions().pop().unwrap().replication, "database");

    switch(server, "0");
    assert!(identify().unwrap_err().contains("FATAL"));
    assert!(ordinary().is_ok());
}

fn switch(server: &Instance, value: &str) {
    server
        .sql(&format!("ALTER SYSTEM SET rds.iam_auth_for_replication = {value}; SELECT pg_reload_conf();"))
        .unwrap();
    // A reload is asynchronous: new sessions see it once the postmaster has handled the signal.
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.sql("SHOW rds.iam_auth_for_replication").unwrap().trim() != value {
        assert!(Instant::now() < deadline, "the parameter did not change");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The prerequisites of CDC, with the queries of ClickPipes.
fn mysql(lab: &Lab, server: &Instance) {
    let token = token(&keys(lab), &server.host, server.port, USER);
    let ask = |statement| ask(lab, server, Link::Verified, &token, statement);
    let settings = "SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata";
    assert_eq!(ask(settings), Ok("1\tROW\tFULL\tFULL".into()));

    let status = match server.server_version.engine() {
        Engine::Mysql => "SHOW BINARY LOG STATUS",
        _ => "SHOW MASTER STATUS",
    };
    assert!(ask(status).unwrap().starts_with("mysql-bin-changelog."), "REPLICATION CLIENT");
    assert!(ask("SHOW GRANTS").unwrap().contains("REPLICATION SLAVE"));

    // As at a customer, our user may not read it, but the administrator may.
    assert!(ask("SELECT * FROM mysql.rds_configuration").unwrap_err().contains("denied"));
    let hours = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";
    assert_eq!(server.sql(hours).unwrap().trim(), "72");
}

fn it_stops_and_starts(lab: &Lab, server: &Instance) {
    let token = token(&keys(lab), &server.host, server.port, USER);
    server.stop();
    assert!(ask(lab, server, Link::Verified, &token, "SELECT 1").is_err());
    let squatter = TcpListener::bind(server.address()).unwrap();
    assert_eq!(server.start_again().unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(squatter);
    let (name, value) = match server.server_version.engine() {
        Engine::Postgres => ("wal_level", "replica"),
        _ => ("binlog_format", "MIXED"),
    };
    server.restart_with(&[(name, value)]).unwrap();
    let show = match server.server_version.engine() {
        Engine::Postgres => format!("SHOW {name}"),
        _ => format!("SELECT @@{name}"),
    };
    assert_eq!(ask(lab, server, Link::Verified, &token, &show), Ok(value.into()));
}

fn nobody_gets_in_unverified(lab: &Lab, server: &Instance) {
    let token = token(&keys(lab), &server.host, server.port, USER);
    fs::remove_file(lab.dir().join(&server.name).join("verify.sock")).unwrap();
    ask(lab, server, Link::Verified, &token, "SELECT 1").unwrap_err();
    assert!(server.log().contains("refused: verifier: "), "{}", server.log());
}

#[test]
fn two_servers_of_one_version_run_in_parallel() {
    let lab = Lab::start(&[ServerVersion::Postgres15, ServerVersion::Postgres15]).unwrap();
    let [first, second] = lab.instances() else { panic!("two") };
    assert_ne!((first.port, &first.host), (second.port, &second.host));
    for server in lab.instances() {
        let token = token(&keys(&lab), &server.host, server.port, USER);
        assert_eq!(ask(&lab, server, Link::Verified, &token, "SELECT 1"), Ok("1".into()));
    }
    // The token of one server is refused by the other.
    let token = token(&keys(&lab), &first.host, first.port, USER);
    refused(&lab, second, &token, |why| matches!(why, Refusal::WrongEndpoint { .. }));
}

/// botocore does the same: AssumeRole with a session tag, then a token.
#[test]
fn botocore_gets_in() {
    let Some(python) = lab::oracle_python() else {
        skip("botocore: not in the cache; `cargo lab setup` says why");
        return;
    };
    let lab = Lab::start(&[ServerVersion::Postgres15, ServerVersion::MariaDb10_11]).unwrap();
    for server in lab.instances() {
        let output = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/oracle.py"))
            .args([ACCESS_ROLE, lab::REGION, &server.host, &server.port.to_string(), USER])
            .env_clear()
            .envs(lab.environment())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8(output.stdout).unwrap();
        assert_eq!(ask(&lab, server, Link::Verified, token.trim(), "SELECT 1"), Ok("1".into()));
    }
}

#[test]
fn a_panic_removes_everything() {
    let mut folder = PathBuf::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
        folder = lab.dir().to_owned();
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_nothing_left(&folder);
}

#[test]
fn the_supervisor_cleans_up_when_the_owner_is_killed() {
    let mut up = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["up", "--no-setup", "postgres15", "mariadb10_11"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let config = lines.find_map(|line| line.ok().filter(|l| l.ends_with("/pipeprobe.toml"))).unwrap();
    let folder = Path::new(&config).parent().unwrap().to_owned();
    assert!(processes_of(&folder).len() >= 3, "two servers and a supervisor");

    up.kill().unwrap(); // SIGKILL
    up.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while folder.exists() || !processes_of(&folder).is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", processes_of(&folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn ctrl_c_ends_cargo_lab_up() {
    let mut up = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["up", "--no-setup", "postgres15"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let config = lines.find_map(|line| line.ok().filter(|l| l.ends_with("/pipeprobe.toml"))).unwrap();
    // Its stdout needs a reader until it exits.
    let rest = std::thread::spawn(move || lines.count());
    let interrupt = Command::new("sh").args(["-c", &format!("kill -s INT {}", up.id())]).status().unwrap();
    assert!(interrupt.success());
    assert!(up.wait().unwrap().success());
    rest.join().unwrap();
    assert_nothing_left(Path::new(&config).parent().unwrap());
}

fn keys(lab: &Lab) -> Credentials {
    lab.aws().issue(ACCESS_ROLE, "servers", &[], Duration::from_hours(1))
}

fn assert_nothing_left(folder: &Path) {
    assert!(!folder.exists(), "{} is still there", folder.display());
    let left = processes_of(folder);
    assert!(left.is_empty(), "still running: {left:?}");
}

/// Command lines of processes that contain that folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

/// Prints on the real stderr, which the test harness does not capture.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}");
}
