//! Command lines with their exit status, stdout and stderr, one file each. `TRYCMD=overwrite cargo test --test cli`
//! updates them; review the difference.

#[test]
fn screens() {
    // The output must not depend on this machine's trust store.
    let screens = trycmd::TestCases::new();
    screens.env("AWS_CA_BUNDLE", "").case("tests/cli/*.toml");
    if cfg!(feature = "aws-diagnostics") {
        screens.skip("tests/cli/diagnose-profile-not-built.toml");
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
        assert_eq!(script.contains("nagios"), knows_values, "{shell}");
    }
}
