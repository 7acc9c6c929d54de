//! No secret in any output, at any log level.

use lab::{Lab, ServerVersion};

use crate::{
    serve::{ServeProcess, two},
    support::{Run, http_server, server_versions, skipped},
};

/// Signs of a secret: the caller's key, any signature or session token, and anything as long as one.
pub(crate) fn secrets_in(output: &str, known: &[&str]) -> Vec<String> {
    let mut found: Vec<String> =
        known.iter().filter(|secret| output.contains(**secret)).map(ToString::to_string).collect();
    for sign in ["X-Amz-Signature=", "X-Amz-Security-Token=", "<SecretAccessKey>", "<SessionToken>"] {
        if let Some((_, rest)) = output.split_once(sign) {
            let value: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "+/=%".contains(*c)).collect();
            if value.len() > 8 {
                found.push(format!("{sign}{value}"));
            }
        }
    }
    let long = |word: &&str| word.len() >= 300 && !word.contains("certificate");
    let base64 = |c: char| !(c.is_ascii_alphanumeric() || "+/=%".contains(c));
    found.extend(output.split(base64).filter(long).map(str::to_owned));
    // A failing test is an output too.
    found
        .iter()
        .map(|secret| format!("{}… ({} bytes)", &secret[..secret.len().min(30)], secret.len()))
        .collect()
}

#[test]
fn the_search_itself_finds_secrets() {
    assert_eq!(secrets_in("key=abc", &["abc"]).len(), 1);
    assert_eq!(secrets_in("x&X-Amz-Signature=0123456789abcdef", &[]).len(), 1);
    assert_eq!(secrets_in(&format!("token {}", "A".repeat(800)), &[]).len(), 1);
    assert!(secrets_in("X-Amz-Signature= nothing here", &[]).is_empty());
}

#[test]
fn nothing_secret_is_said_with_everything_at_trace() {
    let lab = Lab::start(&server_versions()).unwrap();
    let wrong = "arn:aws:iam::123456789012:role/of-another-database";
    lab.aws().change(|world| world.roles.push(lab::access_role(wrong, &["db-OTHER"])));
    let postgres = lab.instance(ServerVersion::Postgres15);
    for (what, args) in [
        ("good", &[][..]),
        ("json", &["-o", "json"]),
        ("junit", &["-o", "junit"]),
        ("prometheus", &["-o", "prometheus"]),
        ("nagios", &["-o", "nagios"]),
        ("waiting", &["other", "--wait", "1s"]),
        ("refused", &["other"]),
        ("not iam", &["postgres15", "--user", "nobody_here"]),
        ("unknown ca", &["postgres15", "--tls-host", "other.example"]),
    ] {
        for level in ["error", "trace"] {
            let run = Run::check(&lab, &[args, &["--log-level", level]].concat()).other(postgres, wrong);
            let output = run.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").output();
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            if level == "trace" {
                for event in ["assumed", "stage finished", "check{target=\""] {
                    assert!(said.contains(event), "{what}: the log has no `{event}`: {said}");
                }
                let is_queried = matches!(what, "good" | "json" | "junit" | "prometheus" | "nagios");
                assert_eq!(said.contains("query answered"), is_queried, "{what}: {said}");
                spans_name_the_target(&lab, what, &said);
            }
            let found = secrets_in(&said, &[lab.secret_access_key()]);
            assert!(found.is_empty(), "{what} at {level}: {found:#?}");
        }
    }
}

/// Each line of a stage, a query and an assumed role is in the span of its target, and each of them has its own span.
#[track_caller]
fn spans_name_the_target(lab: &Lab, what: &str, said: &str) {
    let target = |line: &str| {
        let (_, rest) = line.split_once(" check{target=\"")?;
        rest.split_once('"').map(|(name, spans)| (name.to_owned(), spans.to_owned()))
    };
    for (event, span) in [
        ("pipeprobe::identity: credentials found", "}:identity: "),
        ("pipeprobe::identity: assumed", "}:identity: "),
        ("pipeprobe::connection: stage finished", ":stage{stage=\""),
        ("pipeprobe::connection: query ", ":query{sql=\""),
    ] {
        for line in said.lines().filter(|line| line.contains(event)) {
            let (name, spans) = target(line).unwrap_or_else(|| panic!("{what}: no target in {line}"));
            assert!(name == "other" || lab.instances().iter().any(|server| server.name == name), "{line}");
            assert!(spans.contains(span) && spans.contains(event), "{what}: {line}");
        }
    }
    if what != "good" {
        return;
    }
    for name in lab.instances().iter().map(|server| server.name.as_str()) {
        let of_target = |span: &str| said.contains(&format!(" check{{target=\"{name}\"}}:{span}"));
        for stage in ["resolve", "connect", "TLS", "authentication request", "login"] {
            assert!(of_target(&format!("stage{{stage=\"{stage}\"}}: ")), "{name} {stage}: {said}");
        }
        for event in ["credentials found", "assumed"] {
            assert!(of_target(&format!("identity: pipeprobe::identity: {event}")), "{name} {event}: {said}");
        }
        assert!(of_target("query{sql=\""), "{name}: {said}");
        let replicates = of_target("connection{purpose=Replication}:stage{stage=\"login\"}: ");
        assert_eq!(replicates, name.starts_with("postgres"), "{name}: {said}");
    }
}

/// Between checks no token and no response of STS is in memory, not even in freed buffers. The session itself is.
#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_serve_contains_no_token_between_checks() {
    let lab = two();
    let serve = ServeProcess::start(&lab, "[defaults]\ninterval = \"10m\"\n", &lab.config_toml());
    for name in ["postgres15", "mariadb10_11"] {
        serve.becomes(name, "healthy");
    }
    let Some(memory) = memory(serve.id()) else {
        return skipped("memory of serve: this machine does not allow to read it");
    };
    assert!(contains(&memory, b"clickpipes_iam_user"), "the memory was read");
    // The kept session is in memory as it is. Encoded it was in tokens, requests and responses only.
    for session in lab.aws().issued() {
        let encoded = session.session_token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let pieces = encoded.as_bytes().windows(24).step_by(8).filter(|piece| piece.contains(&b'%'));
        let found: Vec<_> =
            pieces.filter(|piece| contains(&memory, piece)).map(String::from_utf8_lossy).collect();
        assert_eq!(found, [""; 0], "pieces of a token are in memory");
    }
}

#[cfg(target_os = "linux")]
fn contains(memory: &[u8], part: &[u8]) -> bool {
    memory.windows(part.len()).any(|window| window == part)
}

/// Everything that the process can write to.
#[cfg(target_os = "linux")]
fn memory(id: u32) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    let file = std::fs::File::open(format!("/proc/{id}/mem")).ok()?;
    let mut memory = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let mut region = vec![0; usize::try_from(end - start).ok()?];
        // Some regions have no pages that can be read.
        if file.read_exact_at(&mut region, start).is_ok() {
            memory.extend(region);
        }
    }
    Some(memory)
}

#[test]
fn token_says_it_on_stdout_alone() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let output = Run::check(&lab, &["postgres15", "--log-level", "trace"]).command("token").output();
    assert_eq!(output.status.code(), Some(0));
    let token = String::from_utf8(output.stdout).unwrap();
    assert!(
        token.starts_with(&format!("{}:", lab.instance(ServerVersion::Postgres15).host))
            && token.contains("X-Amz-Signature=")
    );
    let found =
        secrets_in(&String::from_utf8_lossy(&output.stderr), &[lab.secret_access_key(), token.trim()]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_answer_that_cannot_be_read_is_not_printed() {
    const ANSWER: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
        <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>SECRETSECRETSECRETSECRET</SecretAccessKey>\
        <SessionToken>TOKENTOKENTOKENTOKENTOKEN</SessionToken><Expiration>tomorrow</Expiration>\
        </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let token = lab.dir().join("web-identity");
    std::fs::write(&token, "WEBIDENTITYWEBIDENTITY").unwrap();
    let output = Run::check(&lab, &["--log-level", "trace"])
        .env("AWS_ACCESS_KEY_ID", "")
        .env("AWS_SECRET_ACCESS_KEY", "")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
        .env("AWS_ENDPOINT_URL_STS", &format!("http://{}", http_server(|_| ANSWER.to_owned())))
        .output();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("AWS_PROVIDER_FAILED"), "{said}");
    for secret in ["SECRETSECRET", "TOKENTOKEN", "WEBIDENTITYWEBIDENTITY"] {
        assert!(!said.contains(secret), "{secret} is in the output");
    }
}

/// Whatever is typed, in whatever order, for whichever command: the caller's keys are not in the output.
#[test]
fn no_input_to_any_command_prints_a_secret() {
    use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
    const SECRETS: [&str; 2] = ["SECRETACCESSKEYOFTHECALLER", "SESSIONTOKENOFTHECALLER"];
    let flags = select(vec![
        "--type",
        "--host",
        "--port",
        "--database",
        "--user",
        "--region",
        "--tls-host",
        "--ca-certificate",
        "--sign-host",
        "--sign-port",
        "--iam-role",
        "--via-role",
        "--external-id",
        "--session-name",
        "--session-tag",
        "--transitive-tag",
        "--duration",
        "--basis",
        "--require",
        "--fail-on",
        "--replication-mode",
        "--replication-mechanism",
        "--table",
        "--publication",
        "--config-file",
        "--explain-with-profile",
        "--explain-with-role",
        "-o",
    ]);
    let values = prop_oneof![
        3 => select(vec![
            "rdspostgres", "rdsmysql", "rdsmariadb", "auroramysql", "db.abc123.eu-west-1.rds.amazonaws.com",
            "arn:aws:iam::123456789012:role/r", "arn:aws:iam::999988887777:role/s", "json", "text", "15m", "1h",
            "cdc", "snapshot", "eu-west-1", "5432", "team=data", "public.*", "observed",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,40}",
        1 => ".{0,20}".prop_filter("arguments have no NUL", |text| !text.contains('\0')),
    ];
    let commands = select(vec![
        "check",
        "token",
        "explain",
        "setup",
        "lint -",
        "config check",
        "serve",
        "completions",
        "schema",
        "help",
        "",
    ]);
    let arguments = (commands, any::<bool>(), vec((flags, values), 0..7));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&arguments, |(command, complete, pairs)| {
            // Half of them name a target that can be tried.
            let target = ["--type", "rdspostgres", "--host", "db.abc123.eu-west-1.rds.amazonaws.com"];
            let target = [&target[..], &["--iam-role", "arn:aws:iam::123456789012:role/r"]].concat();
            let takes_target = command == "check" || command == "token";
            let target = if complete && takes_target { target } else { Vec::new() };
            let pairs = pairs.into_iter().filter(|(flag, _)| !target.contains(flag)).collect::<Vec<_>>();
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
                .args(command.split_whitespace())
                .stdin(std::process::Stdio::null())
                .args(&target)
                .args(pairs.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]))
                .args(takes_target.then_some(["--connect-to", "127.0.0.1:9"]).iter().flatten())
                .args(["--log-level", "trace"])
                .env_clear()
                .envs([
                    ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00"),
                    ("AWS_SECRET_ACCESS_KEY", SECRETS[0]),
                    ("AWS_SESSION_TOKEN", SECRETS[1]),
                    ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
                    ("AWS_ENDPOINT_URL_RDS", "http://127.0.0.1:9"),
                    ("AWS_ENDPOINT_URL_IAM", "http://127.0.0.1:9"),
                    ("AWS_MAX_ATTEMPTS", "1"),
                    ("RUST_BACKTRACE", "full"),
                ])
                .output()
                .unwrap();
            let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
            if command != "token" {
                said += &String::from_utf8_lossy(&output.stdout);
            }
            prop_assert!(SECRETS.iter().all(|secret| !said.contains(secret)), "{said}");
            prop_assert!(!said.contains("panicked"), "{said}");
            prop_assert!(output.status.code().is_some_and(|code| code != 1), "{said}");
            Ok(())
        })
        .unwrap();
}
