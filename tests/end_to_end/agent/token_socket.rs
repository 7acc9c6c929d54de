//! `agent_token_socket`: a token as JSON, for programs that connect to the database themselves.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::Duration,
};

use lab::{Lab, ServerVersion};

use crate::{
    agent::stdout,
    agent_service::Agent,
    serve::client::{Answer, request},
    support::{shared, skipped},
};

fn table(lab: &Lab, more: &str) -> String {
    let instance = lab.instance(ServerVersion::Postgres15);
    format!("{}agent_token_socket = true\n{more}", lab.target_toml("a", instance, lab::ACCESS_ROLE))
}

fn ask(agent: &Agent, method: &str, path: &str) -> Answer {
    let socket = agent.directory("a").join("token.sock");
    // On a busy machine it is there a moment after the other socket.
    let connect = || {
        std::thread::sleep(Duration::from_millis(50));
        UnixStream::connect(&socket).ok()
    };
    let stream = (0..200).find_map(|_| connect()).unwrap_or_else(|| panic!("no {}", socket.display()));
    request(stream, method, path, &[])
}

#[test]
fn a_token_from_the_socket_logs_in_and_is_what_the_schema_says() {
    let lab = shared();
    let agent = Agent::start_with(lab, &table(lab, ""), &[]);
    let answers = [ask(&agent, "GET", "/token"), ask(&agent, "GET", "/token")];
    let documents = answers.map(|answer| {
        assert_eq!(answer.status, 200, "{}", answer.body);
        for header in ["content-type: application/json", "cache-control: no-store"] {
            assert!(answer.head.to_ascii_lowercase().contains(header), "{}", answer.head);
        }
        answer.json()
    });
    let schema = Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["schema", "token"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let instance = lab.instance(ServerVersion::Postgres15);
    for document in &documents {
        jsonschema::validate(&schema, document).unwrap();
        assert_eq!(
            (&document["host"], &document["port"], &document["user"]),
            (&instance.host.as_str().into(), &instance.port.into(), &"clickpipes_iam_user".into())
        );
        assert!(document["identity"].as_str().unwrap().contains("assumed-role"), "{document}");
        let conninfo = format!(
            "host={} hostaddr=127.0.0.1 port={} dbname=app user=clickpipes_iam_user sslmode=verify-full sslrootcert={}",
            instance.host,
            instance.address().port(),
            lab.ca_pem().display()
        );
        let mut psql = Command::new("psql");
        psql.args(["-wXAtc", "select 'in'", &conninfo]).env_clear().env("PATH", "/usr/bin:/bin");
        psql.env("PGPASSWORD", document["token"].as_str().unwrap());
        assert_eq!(stdout(&psql.output().unwrap()), "in");
    }
}

#[test]
fn other_requests_get_no_token_and_are_answered() {
    let lab = shared();
    let agent = Agent::start_with(lab, &table(lab, ""), &[]);
    for (method, path, status) in [("GET", "/", 404), ("POST", "/token", 405), ("GET", "/token/../x", 404)] {
        let answer = ask(&agent, method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(!answer.body.contains("X-Amz"), "{}", answer.body);
    }
    let mut no_http = UnixStream::connect(agent.directory("a").join("token.sock")).unwrap();
    no_http.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = std::io::Read::read_to_string(&mut no_http, &mut answer);
    assert!(!answer.contains("X-Amz"), "{answer}");
    // Silent clients do not keep others out.
    let _silent: Vec<_> =
        (0..20).map(|_| UnixStream::connect(agent.directory("a").join("token.sock")).unwrap()).collect();
    assert_eq!(ask(&agent, "GET", "/token").status, 200);
    assert_eq!(stdout(&agent.psql("a", "select 'in'").output().unwrap()), "in", "the other socket");
}

#[test]
fn without_a_session_of_aws_the_cause_and_the_fix_are_in_the_answer() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.aws().change(|world| world.roles.retain(|role| role.arn != lab::ACCESS_ROLE));
    let agent = Agent::start_with(&lab, &table(&lab, ""), &[]);
    let answer = ask(&agent, "GET", "/token");
    assert_eq!(answer.status, 502, "{}", answer.body);
    let document = answer.json();
    let error = &document["errors"][0];
    assert!(error["found"].as_str().unwrap().starts_with("STS_ASSUME_ROLE_DENIED: "), "{document}");
    assert!(error["help"].is_string() && document["success"] == false, "{document}");
    assert!(!answer.body.contains(lab.secret_access_key()), "{}", answer.body);
}

#[test]
fn it_exists_only_on_request_and_has_the_access_rule_of_the_other_socket() {
    use std::os::unix::{fs::MetadataExt, process::CommandExt};
    let lab = shared();
    let mut agent = Agent::start_with(lab, &table(lab, "").replace("= true", "= false"), &[]);
    let socket = |agent: &Agent| agent.directory("a").join("token.sock");
    assert!(!socket(&agent).exists());
    std::fs::write(agent.folder.path().join("pipeprobe.toml"), table(lab, "")).unwrap();
    agent.signal("HUP");
    agent.wait_until(|agent| socket(agent).exists());
    assert_eq!(std::fs::metadata(socket(&agent)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(ask(&agent, "GET", "/token").status, 200);
    agent.signal("TERM");
    agent.wait_until(|agent| !socket(agent).exists());

    if !rustix::process::geteuid().is_root() {
        return skipped("agent: another user (this process is not root)");
    }
    let group = 54_321;
    agent = Agent::start_with(lab, &table(lab, &format!("agent_socket_group = \"{group}\"\n")), &[]);
    std::fs::set_permissions(agent.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let metadata = std::fs::metadata(socket(&agent)).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.gid()), (0o660, group));
    let read = "import socket, sys\n\
                s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n\
                s.sendall(b'GET /token HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(12).decode())";
    for (uid, gid, is_allowed) in [(1234, group, true), (1234, 1234, false), (65_534, group, false)] {
        let mut python = Command::new("python3");
        python.args(["-c", read]).arg(socket(&agent)).uid(uid).gid(gid).current_dir("/");
        let output = python.env_clear().env("PATH", "/usr/bin:/bin").stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.contains("HTTP/1.1 200"), is_allowed, "{uid} {gid}: {said}");
    }
}
