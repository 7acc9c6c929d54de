//! Dependency rules between modules and on external crates, checked in the source text. A violation
//! fails with its reason.

use std::{collections::BTreeMap, fs, path::Path};

/// Every source file below `src`: relative path and text without comments and tests.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !is_test(path.strip_prefix(&root).unwrap())
            {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.insert(name, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    assert!(found.len() > 20, "the source tree was not found");
    found
}

/// Whether the path is `x/tests.rs` or below `x/tests/`.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

/// The modules of `lib.rs`, in its order.
fn map() -> Vec<String> {
    let lib = &sources()["lib.rs"];
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let map = map();
    let rank = |name: &str| map.iter().position(|m| m == name);
    for (file, code) in sources() {
        let Some(own) = rank(module(&file)) else { continue }; // main.rs and lib.rs see all
        for (other_rank, other) in map.iter().enumerate().skip(own + 1) {
            let direct = format!("crate::{other}");
            // `use crate::{\n    a::B,\n    c::D,\n}` names modules at the start of a line or after a brace or comma.
            let grouped = code.split("crate::{").skip(1).any(|group| {
                let group = group.split("};").next().unwrap_or_default();
                group.split(['{', ',', '\n']).any(|item| {
                    let item = item.trim();
                    item == other || item.starts_with(&format!("{other}::"))
                })
            });
            assert!(
                !code.contains(&direct) && !grouped,
                "{file} names {other}, which stands below {} in lib.rs ({own} < {other_rank})",
                module(&file)
            );
        }
    }
}

#[test]
fn each_external_crate_is_used_only_in_its_files() {
    // crate => (files that may name it, why)
    let doors: &[(&str, &[&str], &str)] = &[
        (
            "aws_sdk_sts",
            &["identity.rs", "identity/diagnostics.rs"],
            "STS is spoken to in one place; its errors become plain data there",
        ),
        ("aws_config", &["identity.rs", "identity/diagnostics.rs"], "credential sources belong to identity"),
        ("aws_smithy_runtime_api", &["identity/http.rs"], "the SDK's HTTP is ours, in one file"),
        (
            "aws_types",
            &["identity/diagnostics.rs", "identity/provider.rs"],
            "credential sources belong to identity",
        ),
        ("aws_runtime", &["identity/provider.rs"], "profile files are read in one place"),
        ("roxmltree", &["aws/xml.rs"], "answers of AWS are read in one place"),
        ("aws_smithy_types", &["identity/http.rs"], "the SDK's HTTP is ours, in one file"),
        (
            "hyper",
            &["service/http.rs", "identity/http.rs"],
            "each side of HTTP has one file: connections of clients, requests to AWS",
        ),
        (
            "axum",
            &["agent/http.rs", "agent/token_socket.rs", "serve/http.rs", "serve/probe.rs", "service/http.rs"],
            "HTTP ends where its answer is a value",
        ),
        (
            "base64",
            &[
                "agent/postgres/password.rs",
                "agent/postgres/scram.rs",
                "clickhouse_cloud.rs",
                "serve/auth.rs",
                "secret/redactor.rs",
            ],
            "HTTP authentication and SCRAM, and secrets that are encoded again",
        ),
        (
            "askama",
            &[
                "setup.rs",
                "setup/filters.rs",
                "setup/sql/mysql.rs",
                "setup/sql/postgres.rs",
                "setup/steps.rs",
                "setup/terraform/aws.rs",
                "setup/terraform/clickpipe.rs",
                "setup/text.rs",
            ],
            "templates are setup's",
        ),
        ("bcrypt", &["config/serve.rs", "serve/auth.rs"], "a password's hash is read, and checked"),
        ("fastrand", &["serve/scheduler.rs"], "what is drawn is an argument, as time is"),
        ("governor", &["connection/rate_limit.rs"], "logins have one pace"),
        ("maud", &["serve/page.rs", "serve/page/plot.rs", "serve/page/target.rs"], "HTML is the pages'"),
        (
            "rustix",
            &[
                "agent/caller.rs",
                "agent/listener/unix.rs",
                "agent/token_file.rs",
                "config/shard.rs",
                "connection/tcp.rs",
                "local_failure.rs",
                "run/exec.rs",
                "secret/memory.rs",
                "service/descriptors.rs",
                "service/http.rs",
            ],
            "each setting of the process has one place, and the system's errors are known in one place",
        ),
        (
            "nix::unistd",
            &["config/agent.rs", "run/exec.rs"],
            "users, groups and terminals: of a socket, and of the program that `exec` runs",
        ),
        (
            "sd_notify",
            &["agent/listener/inherited.rs", "service/notify.rs"],
            "systemd is told in one place, and passes sockets in another",
        ),
        ("listenfd", &["agent/listener/inherited.rs"], "sockets of systemd are taken in one place"),
        (
            "subtle",
            &["agent/postgres/scram.rs", "connection/mysql/local_password.rs", "serve/auth.rs"],
            "each kind of password is compared in one place",
        ),
        (
            "ring",
            &["agent/password.rs", "agent/postgres/scram.rs"],
            "random numbers and hashes for the local password",
        ),
        (
            "aws_sigv4",
            &["token.rs", "aws/query.rs"],
            "tokens are signed in one place; RDS, IAM and EC2 have no client of the SDK",
        ),
        ("tokio_postgres", &["connection/postgres.rs"], "drivers stop at the door"),
        ("postgres_protocol", &["connection/postgres.rs"], "drivers stop at the door"),
        ("mysql_async", &["connection/mysql.rs", "connection/mysql/handover.rs"], "drivers stop at the door"),
        (
            "mysql_common",
            &["connection/mysql.rs", "connection/mysql/handover.rs", "connection/mysql/local_password.rs"],
            "drivers stop at the door",
        ),
        (
            "futures_util",
            &[
                "connection/mysql.rs",
                "connection/postgres.rs",
                "connection/sample.rs",
                "facts/postgres.rs",
                "aws/iam.rs",
            ],
            "streams of binlog events and sampled rows, and questions that go out together",
        ),
        ("dns_lookup", &["connection/tcp.rs"], "names become addresses in one place"),
        (
            "x509_parser",
            &["connection/tls.rs", "trust.rs"],
            "certificates become summaries where they are seen",
        ),
        ("webpki_roots", &["trust.rs", "trust/anchors.rs"], "trust anchors are gathered in one place"),
        ("clap_complete", &["cli.rs", "run/completions.rs"], "only what can be typed"),
        ("clap_mangen", &["run/man.rs"], "man pages are written in one place"),
        ("indicatif", &["run/progress.rs"], "progress is the command's, not the story's"),
        (
            "prometheus_client",
            &[
                "agent/metrics.rs",
                "report/metrics.rs",
                "report/metrics/series.rs",
                "report/metrics/table.rs",
                "serve/metrics.rs",
                "serve/probe.rs",
                "service/metrics.rs",
            ],
            "what a report says, what is counted, what every prober says",
        ),
        ("quick_junit", &["report/junit.rs"], "JUnit is written in one place"),
        ("toml", &["config/file.rs"], "the file is parsed in one place"),
        (
            "anstyle",
            &[
                "report/text.rs",
                "report/text/checks.rs",
                "report/text/layout.rs",
                "report/text/summary.rs",
                "report/text/checks.rs",
                "report/text/layout.rs",
                "report/text/summary.rs",
                "setup/text.rs",
                "run/lint/text.rs",
            ],
            "colour is the text renderings'",
        ),
    ];
    for (file, code) in sources() {
        for (name, allowed, why) in doors {
            // Neither `String::` nor `crypto::ring::` is `ring::`.
            let is_part =
                |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let path = format!("{name}::");
            let named = code.match_indices(&path).any(|(at, _)| !is_part(&code[..at]))
                || code.contains(&format!("use {name}"));
            assert!(!named || allowed.contains(&file.as_str()), "{file} names {name}: {why}");
        }
    }
}

/// The token signer of the SDK (aws-sdk-rds) signs another user than requested if the name is unusual, and falls back to a
/// default Region silently.
#[test]
fn no_sdk_makes_the_token() {
    for (file, code) in sources() {
        assert!(!code.contains("auth_token::") && !code.contains("AuthTokenGenerator"), "{file}");
    }
}

#[test]
fn only_main_reads_the_wall_clock() {
    // Stage timing uses Instant; identity/http.rs measures our clock against AWS's Date.
    for (file, code) in sources() {
        if !matches!(file.as_str(), "main.rs" | "identity/http.rs") {
            for clock in ["Timestamp::now", "SystemTime::now"] {
                assert!(!code.contains(clock), "{file} reads the clock: time is an argument");
            }
        }
    }
}

#[test]
fn pure_modules_do_no_io() {
    let pure = [
        "secret",
        "evidence",
        "static_ips",
        "target",
        "clickpipes",
        "diagnostic",
        "sql",
        "policy",
        "cli",
        "token",
        "checks",
        "verdict",
        "report",
        "setup",
        "lint",
        "ship",
        "sources",
    ];
    for (file, code) in sources().into_iter().filter(|(file, _)| pure.contains(&module(file))) {
        for io in ["std::fs", "std::net::Tcp", "tokio::", "std::env::var", "std::process", "println!"] {
            assert!(!code.contains(io), "{file} is pure and names {io}");
        }
    }
}

#[test]
fn secrets_are_revealed_in_few_files() {
    let allowed = [
        "secret.rs",
        "secret/redactor.rs", // to find it in a text
        "connection/postgres.rs",
        "connection/mysql.rs",
        "agent/mysql.rs",             // the password of `exec --tcp`, for its program
        "agent/mysql/option_file.rs", // the same
        "agent/password.rs",
        "agent/postgres.rs", // the same
        "agent/token_file.rs",
        "connection/mysql/local_password.rs",
        "report/signed_token.rs",
        "clickhouse_cloud.rs", // HTTP Basic authentication
        "serve/auth.rs",       // what a browser sends, to be hashed
        "serve/http.rs",       // the server's own TLS key
    ];
    for (file, code) in sources() {
        assert!(!code.contains(".reveal()") || allowed.contains(&file.as_str()), "{file} reveals a secret");
    }
}

#[test]
fn tls_verification_is_never_disabled() {
    for (file, code) in sources() {
        let dangerous = code.matches("dangerous").count();
        // trust.rs: rustls' word for a verifier that is not its own; ours delegates to its own.
        assert!(dangerous == 0 || (file == "trust.rs" && dangerous == 1), "{file}: {dangerous} × dangerous");
        // The attribute of a pipe that is warned about; no module that connects names it.
        let is_declaration = file.starts_with("sources/") || file.starts_with("checks/");
        assert!(!code.contains("skip_cert_verification") || is_declaration, "{file}");
        assert!(!code.contains("accept_invalid"), "{file}");
    }
}

#[test]
fn the_lab_does_not_depend_on_the_product() {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let plugins = fs::read_dir(lab.join("plugins")).unwrap().map(|entry| entry.unwrap().path());
    for folder in [lab.clone(), lab.join("aws")].into_iter().chain(plugins) {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("dependencies]").skip(1);
        assert!(
            dependencies.flat_map(str::lines).all(|line| !line.starts_with("pipeprobe")),
            "{}",
            folder.display()
        );
    }
}
