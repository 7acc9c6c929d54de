//! Command lines with their exit status, stdout and stderr, one file each. `TRYCMD=overwrite cargo test --test cli`
//! updates them; review the difference.

#[test]
fn screens() {
    // The output must not depend on this machine's trust store.
    let screens = trycmd::TestCases::new();
    screens.env("AWS_CA_BUNDLE", "").case("tests/cli/*.toml");
    if cfg!(feature = "aws-diagnostics") {
        screens.skip("tests/cli/*-not-built.toml");
    } else {
        screens.skip("tests/cli/diagnose-role-of-another-partition.toml");
    }
}

#[test]
fn completions_list_commands_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["completions", shell]).output();
        let script = String::from_utf8(output.unwrap().stdout).unwrap();
        for word in ["check", "token", "setup", "config-file", "via-role", "wait"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let knows_values = ["bash", "zsh", "fish"].contains(&shell);
        for value in ["nagios", "aurorapostgres", "cdc_only", "file_pos", "initial-load"] {
            assert_eq!(script.contains(value), knows_values, "{shell}: {value}");
        }
        for hidden in ["explain-with-profile", "explain-with-role", "no-second-look"] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
}

#[test]
fn the_version_has_the_commit_and_the_features() {
    let run = |argument| {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_pipeprobe")).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("-V"), format!("pipeprobe {}\n", env!("CARGO_PKG_VERSION")));
    let long = run("--version");
    let [version, commit, features, roots] = long.lines().collect::<Vec<_>>()[..] else { panic!("{long}") };
    assert_eq!(version, format!("pipeprobe {}", env!("CARGO_PKG_VERSION")));
    assert!(commit.starts_with("commit: ") && commit.len() > 8, "{long}");
    assert_eq!(roots, format!("RDS root certificates: as of {}", pipeprobe::trust::BUNDLE_DATE));
    for (enabled, name) in
        [(cfg!(feature = "sso"), "sso"), (cfg!(feature = "aws-diagnostics"), "aws-diagnostics")]
    {
        assert_eq!(features.contains(name), enabled, "{long}");
    }
}

/// The default file is used only if no host is given, and a file can come from stdin.
#[test]
fn the_configuration_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("cli/config/two-targets.toml");
    std::fs::write(folder.path().join("pipeprobe.toml"), text).unwrap();
    let run = |arguments: &[&str], stdin: &str| {
        use std::io::Write;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
            .args(arguments)
            .current_dir(folder.path())
            .env_remove("PIPEPROBE_CONFIG_FILE")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let shown = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), shown)
    };
    for arguments in
        [&["config", "check"][..], &["config", "check", "pipeprobe.toml"], &["config", "check", "-c", "-"]]
    {
        let (code, shown) = run(arguments, text);
        assert!(code == 0 && shown.contains("orders"), "{arguments:?}: {shown}");
    }
    // Two targets of the file, so the file was read.
    let (code, shown) = run(&["token"], "");
    assert!(code == 2 && shown.contains("2 targets in the file"), "{shown}");
    // With --host, what is missing is not taken from the file.
    let (code, shown) = run(&["check", "--host", "db.abc.eu-west-1.rds.amazonaws.com"], "");
    assert!(code == 2 && shown.contains("error: type"), "{shown}");
    // --json is -o json, also for bad usage.
    let (code, shown) = run(&["check", "--json", "--no-such-flag"], "");
    assert!(code == 2 && shown.starts_with('{'), "{shown}");
}

/// A profile can set any endpoint. Neither it nor the request appears in the report.
#[test]
fn an_unusable_endpoint_of_a_profile_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, "[default]\nendpoint_url = ::hunter2\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(["check", "--json", "--type", "rdspostgres", "--host", "db.abc.eu-west-1.rds.amazonaws.com"])
        .args(["--iam-role", "arn:aws:iam::123456789012:role/r", "--connect-to", "127.0.0.1:9"])
        .env_clear()
        .env("AWS_CONFIG_FILE", &config)
        .envs([("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "example")])
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("failed to apply endpoint") && shown.contains("STS_UNREACHABLE"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("Action=AssumeRole"), "{shown}");
}
