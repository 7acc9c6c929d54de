//! Command lines with their exit status, stdout and stderr, one file each. `TRYCMD=overwrite cargo test --test cli`
//! updates them; review the difference.

use std::{collections::BTreeMap, path::Path, process::Command};

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

fn pipeprobe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.env_remove("PIPEPROBE_CONFIG_FILE");
    command
}

/// What a shell gets for a command line that ends with an incomplete word.
fn completed(shell: &str, folder: &Path, words: &[&str]) -> String {
    let output = pipeprobe()
        .env("PIPEPROBE_COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .current_dir(folder)
        .args(["--", "pipeprobe"])
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{shell} {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Command lines and what completes them.
const COMPLETIONS: &[(&[&str], &[&str])] = &[
    (&[""], &["check", "token", "setup", "lint", "serve", "explain"]),
    (&["check", "--"], &["--config-file", "--via-role", "--wait"]),
    (&["check", "-o", ""], &["nagios", "junit"]),
    (&["check", "--type", "aurora"], &["aurorapostgres", "auroramysql"]),
    (&["check", "--replication-mode", ""], &["cdc_only"]),
    (&["check", "--replication-mechanism", ""], &["file_pos"]),
    (&["check", "--require", ""], &["initial-load"]),
    (&["explain", "PG_WAL"], &["PG_WAL_LEVEL", "PG_WAL_SENDERS"]),
    (&["explain", "POLICY_PRINCIPAL_W"], &["POLICY_PRINCIPAL_WIDE", "POLICY_PRINCIPAL_WILDCARD"]),
    (&["check", "o"], &["orders"]),
    (&["token", ""], &["orders", "billing"]),
    (&["lint", "policy.json", "--target", "b"], &["billing"]),
    (&["setup", "-c", "other.toml", ""], &["elsewhere"]),
];

fn folder_with_targets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pipeprobe.toml"), "[targets.orders]\n[targets.billing]\n").unwrap();
    std::fs::write(folder.path().join("other.toml"), "[targets.elsewhere]\n").unwrap();
    folder
}

#[test]
fn every_shell_completes_commands_values_codes_and_targets() {
    let folder = folder_with_targets();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = pipeprobe().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("PIPEPROBE_COMPLETE") && script.contains("pipeprobe"), "{shell}: {script}");
        for (words, expected) in COMPLETIONS {
            let found = completed(shell, folder.path(), words);
            for word in *expected {
                assert!(found.contains(word), "{shell} {words:?}: {word} is missing in {found:?}");
            }
        }
        let flags = completed(shell, folder.path(), &["check", "--"]);
        for hidden in ["explain-with-profile", "explain-with-role", "no-second-look"] {
            assert!(!flags.contains(hidden), "{shell}: {hidden}");
        }
        // A file that cannot be read gives no candidates and no error.
        assert_eq!(completed(shell, folder.path(), &["token", "-c", "no-such-file.toml", "o"]).trim(), "");
    }
}

/// The scripts work in the shells that are installed here.
#[test]
fn the_scripts_of_installed_shells_complete() {
    let folder = folder_with_targets();
    // What each shell runs: the function of the script with the words, or the shell's own completion.
    let bash = r#"source <(pipeprobe completions bash); COMP_WORDS=(pipeprobe explain PG_WAL); COMP_CWORD=2
        _clap_complete_pipeprobe pipeprobe PG_WAL explain 2>&1; printf '%s\n' "${COMPREPLY[@]}"
        COMP_WORDS=(pipeprobe check o); _clap_complete_pipeprobe pipeprobe o check 2>&1; printf '%s\n' "${COMPREPLY[@]}""#;
    let zsh = r#"compdef() { :; }; _describe() { print -l -- "${(@P)${@[-1]}}"; }; compadd() { print -l -- "$@"; }
        source <(pipeprobe completions zsh)
        words=(pipeprobe explain PG_WAL); CURRENT=3; _clap_dynamic_completer_pipeprobe
        words=(pipeprobe check o); CURRENT=3; _clap_dynamic_completer_pipeprobe"#;
    let fish = "pipeprobe completions fish | source; complete -C 'pipeprobe explain PG_WAL'; complete -C 'pipeprobe check o'";
    let program = Path::new(env!("CARGO_BIN_EXE_pipeprobe")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let path =
        std::env::join_paths([program.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    for (shell, arguments, script) in
        [("bash", &["--norc", "-c"][..], bash), ("zsh", &["-f", "-c"], zsh), ("fish", &["-N", "-c"], fish)]
    {
        let run = Command::new(shell)
            .args(arguments)
            .arg(script)
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("HOME", folder.path())
            .env_remove("PIPEPROBE_CONFIG_FILE")
            .output();
        let output = match run {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && shell != "bash" => {
                eprintln!("{shell} is not installed: its script was not run");
                continue;
            }
            Err(error) => panic!("{shell}: {error}"),
        };
        let found = String::from_utf8_lossy(&output.stdout);
        for word in ["PG_WAL_LEVEL", "PG_WAL_SENDERS", "orders"] {
            assert!(found.contains(word), "{shell}: {word} is missing: {output:?}");
        }
        assert!(!found.contains("billing"), "{shell}: {output:?}");
    }
}

/// One page for each command that is not hidden. They have the help of every option, and groff has no warnings.
#[test]
fn man_pages_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let written = pipeprobe().args(["man", "--output-dir"]).arg(folder.path()).output().unwrap();
    assert!(written.status.success(), "{written:?}");
    let pages: BTreeMap<String, String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let commands =
        ["check", "token", "explain", "setup", "lint", "serve", "health", "config-example", "config-check"];
    for command in commands {
        assert!(pages.contains_key(&format!("pipeprobe-{command}.1")), "{command}: {:?}", pages.keys());
    }
    assert!(
        pages.contains_key("pipeprobe.1") && !pages.contains_key("pipeprobe-man.1"),
        "{:?}",
        pages.keys()
    );
    let first = pipeprobe().arg("man").output().unwrap();
    assert_eq!(String::from_utf8(first.stdout).unwrap(), pages["pipeprobe.1"]);
    for (name, page) in &pages {
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(page.contains(section), "{name}: {section}");
        }
        // `.TP`, the option, and its help on the next line.
        let lines: Vec<&str> = page.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("\\fB\\-\\-")) {
            let help = lines.get(i + 1).is_some_and(|next| !next.starts_with('.') && !next.is_empty());
            assert!(help, "{name}: {line} has no help");
        }
        let checked = Command::new("groff")
            .args(["-Kutf8", "-man", "-Tutf8", "-ww", "-z"])
            .arg(folder.path().join(name))
            .output();
        match checked {
            Ok(checked) => assert_eq!(String::from_utf8_lossy(&checked.stderr), "", "{name}"),
            Err(_) => eprintln!("groff is not installed"),
        }
    }
    assert!(pages["pipeprobe-check.1"].contains("PIPEPROBE_TIMEOUT"), "variables are in the page");
}

#[test]
fn the_version_has_the_commit_and_the_features() {
    let run = |argument| {
        let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe")).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("-V"), format!("pipeprobe {}\n", env!("CARGO_PKG_VERSION")));
    let long = run("--version");
    let [version, commit, features, roots] = long.lines().collect::<Vec<_>>()[..] else { panic!("{long}") };
    assert_eq!(version, format!("pipeprobe {}", env!("CARGO_PKG_VERSION")));
    assert!(commit.starts_with("commit: ") && commit.len() > 8, "{long}");
    assert_eq!(roots, format!("RDS root certificates: as of {}", pipeprobe::trust::BUNDLE_DATE));
    for (enabled, name) in [
        (cfg!(feature = "aws-diagnostics"), "aws-diagnostics"),
        (cfg!(feature = "credentials-process"), "credentials-process"),
        (cfg!(feature = "login"), "login"),
        (cfg!(feature = "sso"), "sso"),
    ] {
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
        let mut child = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
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
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
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

#[test]
fn every_command_has_an_example_and_its_help_fits_a_screen() {
    for command in [
        "check",
        "token",
        "explain",
        "setup",
        "lint",
        "serve",
        "health",
        "agent",
        "exec",
        "config check",
        "config example",
        "completions",
        "man",
        "schema",
    ] {
        let output = pipeprobe().args(command.split(' ')).arg("-h").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let (options, examples) =
            help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{command}: {help}"));
        assert!(examples.contains(&format!("pipeprobe {command}")), "{command}: {examples}");
        assert!(help.lines().count() < 50, "{command}: {} lines", help.lines().count());
        assert!(options.contains("Usage: "), "{command}: {options}");
    }
}
