//! Errors: all of them, with where they come from, without secrets; and earlier names.

use super::*;

#[test]
fn all_errors_of_a_file_are_reported_with_line_and_suggestion() {
    let file = temporary(&format!(
        "[defaults]\niam-role = \"{ROLE}\"\n[targets.a]\ntype = \"rdspostgres\"\nhots = \"{HOST}\"\n\
         [targets.b]\nvia_roles = \"{ROLE}\"\n[serv]\n"
    ));
    let errors = read(&["--config-file", file.path().to_str().unwrap()]).unwrap_err();
    let shown: Vec<_> = errors
        .all()
        .iter()
        .map(|invalid| {
            let Some(Origin::File { line, .. }) = invalid.origin.as_deref() else { panic!("{invalid}") };
            (invalid.field.as_str(), *line, invalid.remedy.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("defaults.iam-role", 2, "did you mean `iam_role`?"),
            ("serv", 8, "did you mean `serve`?"),
            ("targets.a.hots", 5, "did you mean `host`?"),
            ("targets.b.via_roles", 7, ""),
            ("targets.b.type", 6, "add `type = \"…\"` to this table or to [defaults]"),
            ("targets.b.host", 6, "add `host = \"…\"` to this table or to [defaults]"),
        ]
    );
    let file = temporary(&format!(
        "[defaults]\niam_role = \"{ROLE}\"\n[targets.a]\ntype = \"mysql\"\nhost = \"{HOST}:1\"\n[targets.b]\n\
         type = \"rdsmysql\"\n"
    ));
    let errors = read(&["--config-file", file.path().to_str().unwrap()]).unwrap_err();
    let shown: Vec<String> = errors.all().iter().map(|invalid| invalid.field.clone()).collect();
    assert_eq!(shown, ["targets.a.type", "targets.a.host", "targets.b.host"]);
}

#[test]
fn an_error_names_the_flag_or_the_variable() {
    let error = |args: &[&str]| one(args).unwrap_err().first().clone();
    assert_eq!(error(&["--via-role", "x"]).origin.as_deref(), Some(&Origin::Flag("--via-role".into())));
    let variable = |name: &str| (name == "AWS_SESSION_TAGS").then(|| "novalue".to_owned());
    let args = ["--type", "rdspostgres", "--host", HOST, "--iam-role", ROLE];
    let errors = read_with(&args, &variable).unwrap_err();
    assert_eq!(errors.first().origin.as_deref(), Some(&Origin::Variable("AWS_SESSION_TAGS".into())));
}

#[test]
fn earlier_names_still_work() {
    let policy = one_config(&["--policy", "observed"], &|_| None).unwrap();
    assert_eq!(policy.judge.basis, Basis::Server);
    assert_eq!(one_config(&["--basis", "DOCUMENTED"], &|_| None).unwrap().judge.basis, Basis::Guide);
    assert!(!one_config(&["--no-second-look"], &|_| None).unwrap().retry);
    let variable =
        |name: &'static str, value: &'static str| move |n: &str| (n == name).then(|| value.to_owned());
    assert_eq!(
        one_config(&[], &variable("PIPEPROBE_POLICY", "observed")).unwrap().judge.basis,
        Basis::Server
    );
    assert!(!one_config(&[], &variable("PIPEPROBE_NO_SECOND_LOOK", "true")).unwrap().retry);
    assert!(one_config(&[], &variable("PIPEPROBE_NO_SECOND_LOOK", "false")).unwrap().retry);
    // With a build that has no AWS diagnostics, these are refused by their present name.
    let credentials = |result: Result<Config, ConfigErrors>| match result {
        Ok(config) => format!("{:?}", config.targets[0].aws_diagnostics),
        Err(errors) => format!("{} {:?}", errors.first().field, errors.first().origin),
    };
    for (flag, name) in [
        ("--explain-with-profile", "PIPEPROBE_EXPLAIN_WITH_PROFILE"),
        ("--explain-with-role", "PIPEPROBE_EXPLAIN_WITH_ROLE"),
    ] {
        let value = if flag.ends_with("role") { ROLE } else { "ops" };
        for result in [one_config(&[flag, value], &|_| None), one_config(&[], &variable(name, value))] {
            let shown = credentials(result);
            assert!(shown.contains(value) || shown.starts_with("diagnose_"), "{shown}");
        }
    }
    let fields = "explain_with_profile = \"ops\"\nexplain_with_role = \"arn:aws:iam::123456789012:role/x\"";
    let text = format!("[targets.a]\n{fields}\n[serve]\npolicy = \"observed\"\n");
    let file = file::read(Path::new("x"), &text).unwrap();
    let diagnose = &file.targets["a"].fields.diagnose;
    assert!(diagnose.diagnose_profile.is_some() && diagnose.diagnose_role.is_some());
    assert_eq!(file.judge.basis.unwrap().text, "observed");
    assert!(matches!(Cli::parse_from(["pipeprobe", "healthy"]).command, Command::Health(_)));
    // As every variable, the earlier one takes precedence over the file.
    let target = format!("[targets.a]\ntype = 'rdspostgres'\nhost = '{HOST}'\niam_role = '{ROLE}'\n");
    let file = temporary(&format!("{target}[serve]\nbasis = 'guide'\n"));
    let Command::Serve(args) =
        Cli::parse_from(["pipeprobe", "serve", "-c", file.path().to_str().unwrap()]).command
    else {
        unreachable!("the command is serve")
    };
    let config = Serve::read(args, &variable("PIPEPROBE_POLICY", "observed")).unwrap();
    assert_eq!(config.targets[0].requirement.basis, Basis::Server);
}

#[test]
fn secrets_in_a_file_are_not_quoted() {
    for text in [
        "[serve]\nusers = 'hunter2'",
        "[serve]\nusers = ['hunter2']",
        "[serve.users]\nali = 'hunter2'",
        "[serve]\ntls_certificate = 'hunter2 hunter2'\ntls_key = 'MIIEhunter2'",
        "[serve]\ntls_key = 'MIIEhunter2",
        "[serve]\ntls_key = hunter2",
        "[serve]\ntls_key = ['MIIEhunter2']",
        "[targets.orders.x]\nhunter2 = 'hunter2'",
        "[targets.x]\ndatabase = 'postgres://me:hunter2@db/shop'",
        "[targets.x]\nuser = '-----BEGIN hunter2\\u0007'",
        "[targets.x]\nhost = 'me:hunter2@db'",
        "[targets.x]\nhost = 'postgres://me:hunter2@db'",
        "[targets.x]\nconnect_to = 'hunter2!:5432'",
        "[targets.x]\ntls_host = 'password=hunter2'",
        "[targets.x]\nhost = 'hunter2\\n'",
    ] {
        let error = serve_table(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_target_name_cannot_control_a_terminal() {
    for name in ["\\u001b[2J", "a\\u202eb", "a\\nb", ""] {
        let text = format!("[targets.\"{name}\"]\ntype = \"rdspostgres\"\n");
        let errors = file::read(Path::new("x"), &text).unwrap().errors.check().unwrap_err();
        assert_eq!(errors.first().field, "targets", "{errors}");
        assert!(!errors.to_string().contains(['\u{1b}', '\u{202e}']), "{errors:?}");
    }
}

/// A name that is almost right is read as if it were right, so that one mistake is one error.
#[test]
fn all_errors_of_a_file_are_reported_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeprobe.toml");
    let text = format!(
        "[defaults]\niam-role = '{ROLE}'\n[targets.a]\ntype = 'rdspostgres'\nhost = '{HOST}'\nprot = 5432\n\
         [targets.b]\ntype = 'postgresss'\nhost = 'x'\nunheard = 1\n"
    );
    std::fs::write(&path, text).unwrap();
    let errors = read(&["-c", path.to_str().unwrap()]).unwrap_err();
    let found: Vec<_> = errors.all().iter().map(|invalid| invalid.field.as_str()).collect();
    assert_eq!(
        found,
        ["defaults.iam-role", "targets.a.prot", "targets.b.unheard", "targets.b.type"],
        "{errors}"
    );
}

#[test]
fn targets_with_the_same_ca_share_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let pem = rcgen::generate_simple_self_signed(["db".to_owned()]).unwrap().cert.pem();
    std::fs::write(folder.path().join("ca.pem"), &pem).unwrap();
    for ca in ["ca.pem", pem.as_str()] {
        let target = |name: &str| {
            format!("[targets.{name}]\ntype = 'rdspostgres'\nhost = '{HOST}'\niam_role = '{ROLE}'\n")
        };
        let defaults = format!("[defaults]\nca_certificate = \"\"\"{ca}\"\"\"\n");
        let path = folder.path().join("pipeprobe.toml");
        std::fs::write(&path, format!("{defaults}{}{}", target("a"), target("b"))).unwrap();
        let targets = read(&["-c", path.to_str().unwrap()]).unwrap().targets;
        let [a, b] = [0, 1].map(|i| targets[i].ca_certificate.clone().unwrap().pem);
        assert!(std::sync::Arc::ptr_eq(&a, &b), "{ca}");
    }
}

fn one_config(args: &[&str], environment: Environment<'_>) -> Result<Config, ConfigErrors> {
    let base = ["--type", "rdspostgres", "--host", HOST, "--iam-role", ROLE];
    read_with(&[&base, args].concat(), environment)
}

#[test]
fn aurora_dsql_is_no_valid_target() {
    let host = "abcdefghijklmnopqrst.dsql.us-east-1.on.aws";
    let args = ["--type", "aurorapostgres", "--host", host, "--iam-role", ROLE, "--region", "us-east-1"];
    let errors = read(&args).unwrap_err();
    assert_eq!(errors.first().field, "host");
    assert!(errors.first().expected.contains("cannot read from Aurora DSQL"), "{errors}");
    assert_eq!(one(&["--tls-host", host, "--region", "us-east-1"]).unwrap_err().first().field, "tls_host");
}
