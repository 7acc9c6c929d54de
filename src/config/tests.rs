use std::{io::Write, path::Path};

use clap::Parser;

use super::{target::DEFAULT_DURATION, *};
use crate::{
    cli::{
        Cli, Command,
        fields::{PipeFields, ServeFields, TargetFields},
    },
    target::{Origin, SessionTags},
};

const HOST: &str = "db.abc.eu-west-1.rds.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn read_with(args: &[&str], environment: Environment<'_>) -> Result<Config, ConfigErrors> {
    let Command::Check(check) = Cli::parse_from(["pipeprobe", "check"].iter().chain(args)).command else {
        unreachable!("the command is check")
    };
    Config::read(*check, environment)
}

/// What `check` reads from these arguments. Tests of other modules get their targets here.
pub(crate) fn read(args: &[&str]) -> Result<Config, ConfigErrors> {
    read_with(args, &|_| None)
}

fn one(args: &[&str]) -> Result<Target, ConfigErrors> {
    let base = ["--type", "rdspostgres", "--host", HOST, "--iam-role", ROLE];
    read(&[&base, args].concat()).map(|mut config| config.targets.remove(0))
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn flags_alone_make_a_target_with_defaults() {
    let target = one(&[]).unwrap();
    assert_eq!(target.name, HOST);
    assert_eq!(target.dial.to_string(), format!("{HOST}:5432"));
    assert_eq!((target.tls_host.as_str(), target.sign.to_string()), (HOST, format!("{HOST}:5432")));
    assert_eq!(target.region.as_str(), "eu-west-1");
    assert_eq!(target.user.as_str(), "clickpipes_iam_user");
    assert_eq!(target.database.as_deref(), Some("postgres"));
    assert_eq!(target.access.tags, SessionTags::default());
    assert_eq!(target.access.duration, DEFAULT_DURATION);
}

#[test]
fn dial_verify_and_sign_endpoints_are_separate() {
    let target = one(&["--connect-to", "127.0.0.1:6000", "--sign-port", "5555"]).unwrap();
    assert_eq!(target.dial.to_string(), "127.0.0.1:6000");
    assert_eq!(target.tls_host.as_str(), HOST);
    assert_eq!(target.sign.to_string(), format!("{HOST}:5555"));
    // ClickPipes signs for tls_host too, if it is given.
    let args = ["--type", "rdsmysql", "--host", "pl.internal", "--tls-host", HOST, "--iam-role", ROLE];
    let target = read(&args).unwrap().targets.remove(0);
    assert_eq!(
        (target.dial.to_string(), target.sign.to_string()),
        ("pl.internal:3306".into(), format!("{HOST}:3306"))
    );
}

#[test]
fn an_invalid_field_is_named_with_what_is_expected() {
    for (args, field, expected) in [
        (&["--port", "0"][..], "port", "1 to 65535"),
        (&["--region", "us-east-1"], "region", "eu-west-1, as"),
        (&["--tls-host", "10.0.0.1"], "tls_host", "name"),
        (&["--duration", "5m"], "duration", "15m to 12h"),
        (&["--duration", "2h", "--via-role", ROLE], "duration", "15m to 1h"),
        (&["--duration", "soon"], "duration", "such as"),
        (&["--session-tag", "novalue"], "session_tags", "KEY=VALUE"),
        (&["--session-tag", "a=1,A=2"], "session_tags", "each key once"),
        (&["--transitive-tag", "nokey"], "transitive_tags", "among session_tags"),
        (&["--ca-certificate", "/does/not/exist.pem"], "ca_certificate", "can be read"),
        (&["--via-role", "arn:aws:iam::1:role/x"], "via_roles", "12-digit"),
        (&["--database", "a\nb"], "database", "name of a database"),
        (&["--database", "{DATABASE}"], "database", "in place of {DATABASE}"),
        (&["--sign-host", "10.0.0.1"], "sign_host", "name"),
        (&["--connect-to", "127.0.0.1:0"], "connect_to", "1 to 65535"),
        (&["--timeout", "0s"], "timeout", "1s to 1h"),
        (&["--basis", "hopeful"], "basis", "guide or server"),
        (&["--require", "all"], "require", "initial-load or cdc"),
        (&["--fail-on", "x"], "fail_on", "error or warning"),
        (&["--replication-mode", "full"], "replication_mode", "cdc, snapshot or cdc_only"),
        (&["--replication-mechanism", "gtid"], "replication_mechanism", "MySQL or MariaDB target"),
        (&["--publication", "{PUBLICATION}"], "publication", "in place of {PUBLICATION}"),
        (&["--table", "orders"], "tables", "SCHEMA.TABLE"),
        (&["--require", "cdc", "--replication-mode", "snapshot"], "require", "initial-load, because"),
    ] {
        let errors = one(args).unwrap_err();
        let error = errors.first();
        assert_eq!(error.field, field, "{args:?}");
        assert!(error.expected.contains(expected), "{args:?}: {error}");
    }
}

#[test]
fn a_field_of_another_engine_is_refused() {
    let mysql = |args: &[&str]| {
        let base = ["--type", "rdsmysql", "--host", HOST, "--iam-role", ROLE];
        read(&[&base[..], args].concat()).map(|config| config.targets[0].pipe.clone())
    };
    assert!(mysql(&["--publication", "p"]).unwrap_err().first().expected.contains("PostgreSQL target"));
    assert!(mysql(&["--replication-mechanism", "pos"]).unwrap_err().first().expected.contains("auto, gtid"));
    let pipe = mysql(&["--replication-mechanism", "file_pos", "--table", "app.a,app.b", "--table", "x.*"]);
    assert_eq!(pipe.unwrap().tables.len(), 3);
}

#[test]
fn the_requested_mode_is_required() {
    use Capability::{Cdc, InitialLoadOnly};
    let required = |args: &[&str]| {
        let base = ["--type", "rdspostgres", "--host", HOST, "--iam-role", ROLE];
        let config = read(&[&base[..], args].concat()).unwrap();
        config.requirement(&config.targets[0]).required
    };
    assert_eq!(required(&[]), InitialLoadOnly);
    assert_eq!(required(&["--replication-mode", "cdc"]), Cdc);
    assert_eq!(required(&["--replication-mode", "cdc_only"]), Cdc);
    assert_eq!(required(&["--replication-mode", "snapshot"]), InitialLoadOnly);
    assert_eq!(required(&["--replication-mode", "cdc", "--require", "initial-load"]), InitialLoadOnly);
}

#[test]
fn a_name_without_a_region_needs_one_and_never_gets_a_default() {
    for host in ["db.example.com", "g.global-abc.global.rds.amazonaws.com"] {
        let args = ["--type", "rdspostgres", "--host", host, "--iam-role", ROLE];
        assert_eq!(read(&args).unwrap_err().first().field, "region");
        let given = read(&[&args[..], &["--region", "eu-west-1"]].concat()).unwrap();
        assert_eq!(given.targets[0].region.as_str(), "eu-west-1");
    }
}

#[test]
fn an_address_needs_the_name_to_verify() {
    let args = ["--type", "rdspostgres", "--host", "10.0.0.1", "--iam-role", ROLE];
    assert_eq!(read(&args).unwrap_err().first().field, "tls_host");
    let named = read(&[&args[..], &["--tls-host", HOST]].concat()).unwrap();
    assert_eq!(
        (named.targets[0].dial.to_string(), named.targets[0].tls_host.as_str()),
        ("10.0.0.1:5432".into(), HOST)
    );
}

#[test]
fn files_hold_defaults_and_targets_and_flags_win() {
    let file = file(&format!(
        "[defaults]\niam_role = \"{ROLE}\"\nuser = \"shared\"\n\
         [targets.a]\ntype = \"rdspostgres\"\nhost = \"{HOST}\"\nport = 5433\n\
         [targets.b]\ntype = \"rdsmysql\"\nhost = \"{HOST}\"\nuser = \"own\"\nsession_tags = {{ team = \"x\" }}\n"
    ));
    let path = file.path().to_str().unwrap();
    let both = read(&["--config-file", path]).unwrap().targets;
    let seen: Vec<_> = both.iter().map(|t| (t.name.as_str(), t.sign.port, t.user.as_str())).collect();
    assert_eq!(seen, [("a", 5433, "shared"), ("b", 3306, "own")]);
    assert_eq!(both[1].access.tags.tags[0].to_string(), "team=x");

    let one = read(&["--config-file", path, "--user", "typed", "--port", "1", "b"]).unwrap().targets;
    assert_eq!((one.len(), one[0].user.as_str(), one[0].sign.port), (1, "typed", 1));

    let errors = read(&["--config-file", path, "--host", HOST]).unwrap_err();
    let error = errors.first();
    assert_eq!((error.field.as_str(), error.found.as_str()), ("host", "2 targets"));
    assert_eq!(
        read(&["--config-file", path, "c"]).unwrap_err().first().expected,
        format!("a target of {path}: a, b")
    );
    assert_eq!(read(&["a"]).unwrap_err().first().field, "config_file");
}

#[test]
fn errors_in_a_file_name_the_target_or_the_line() {
    let bad =
        file(&format!("[targets.a]\ntype = \"rdspostgres\"\nhost = \"{HOST}:1\"\niam_role = \"{ROLE}\"\n"));
    assert_eq!(
        read(&["--config-file", bad.path().to_str().unwrap()]).unwrap_err().first().field,
        "targets.a.host"
    );
    let unknown = file("[targets.a]\nhots = \"x\"\n");
    let errors = read(&["--config-file", unknown.path().to_str().unwrap()]).unwrap_err();
    let error = errors.first();
    assert_eq!(error.field, "targets.a.hots");
    assert!(error.to_string().contains(&format!("{}:2", unknown.path().display())), "{error}");
    assert_eq!(error.help.as_deref(), Some("did you mean `host`?"));
    let empty = file("");
    assert!(
        read(&["--config-file", empty.path().to_str().unwrap()])
            .unwrap_err()
            .first()
            .expected
            .contains("[targets.NAME]")
    );
}

#[test]
fn tags_of_aws_vault_apply_below_flags() {
    let environment = |name: &str| match name {
        "AWS_SESSION_TAGS" => Some("team=data, env=prod".to_owned()),
        "AWS_TRANSITIVE_TAGS" => Some("team".to_owned()),
        _ => None,
    };
    let args = ["--type", "rdspostgres", "--host", HOST, "--iam-role", ROLE];
    let tags = read_with(&args, &environment).unwrap().targets.remove(0).access.tags;
    assert_eq!(tags.tags.iter().map(ToString::to_string).collect::<Vec<_>>(), ["env=prod", "team=data"]);
    assert_eq!(tags.transitive, ["team"]);
    // Flags replace the tags, and with them their transitive keys.
    let args = [&args[..], &["--session-tag", "other=typed"]].concat();
    let tags = read_with(&args, &environment).unwrap().targets.remove(0).access.tags;
    assert_eq!(tags.tags.iter().map(ToString::to_string).collect::<Vec<_>>(), ["other=typed"]);
    assert!(tags.transitive.is_empty());
}

#[test]
fn an_empty_value_is_not_given() {
    let target = one(&["--external-id", "", "--session-tag", "", "--database", "", "--timeout", ""]).unwrap();
    assert_eq!(target, one(&[]).unwrap());
}

#[test]
fn only_token_works_without_a_role() {
    let args = ["--type", "rdspostgres", "--host", HOST];
    assert_eq!(read(&args).unwrap_err().first().field, "iam_role");
    let Command::Token(token) = Cli::parse_from(["pipeprobe", "token"].iter().chain(&args)).command else {
        unreachable!("the command is token")
    };
    assert!(token_target(*token, &|_| None).unwrap().access.roles.is_empty());
}

const SAMPLE: &str = include_str!("sample.toml");

/// The sample with its placeholders replaced; `all`: with every commented field active.
fn sample(all: bool) -> String {
    let text = SAMPLE.replace("{ACCOUNT_ID}", "123456789012");
    let text = text.replace("{DB_IDENTIFIER}.{HASH}.{REGION}.rds.amazonaws.com", HOST);
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(field) if all && field.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
            format!("{field}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_sample_shows_every_field_with_its_default() {
    let keys =
        Fields::keys().chain(JudgeFields::KEYS.iter().copied()).chain(ServeFields::KEYS.iter().copied());
    for key in keys {
        let shown = ["", "# "].iter().any(|comment| SAMPLE.contains(&format!("\n{comment}{key} = ")));
        assert!(shown || SAMPLE.contains(&format!("[serve.{key}]")), "{key} is missing from the sample");
    }
    let path = Path::new("sample.toml");
    let full = file::parse(path, &sample(true).replace("prometheus = ", "# ")).unwrap();
    let mut target = full.targets["orders"].fields.clone().over(full.defaults);
    // These have no default; the sample shows an example.
    target.target = TargetFields {
        via_roles: None,
        external_id: None,
        profile: None,
        tls_host: None,
        ca_certificate: None,
        connect_to: None,
        sign_host: None,
        transitive_tags: None,
        ..target.target
    };
    target.pipe = PipeFields::default();
    let mut shown = read_fields(target);
    shown.operator = None;
    let least = file::parse(path, &sample(false)).unwrap();
    let default = read_fields(least.targets["orders"].fields.clone().over(least.defaults));
    assert_eq!(shown, default);

    let keep = |line: &&str| {
        let key = line.split(' ').next().unwrap_or_default();
        let shared = ["type", "host", "database", "iam_role"];
        let serve = [
            "listen",
            "basis",
            "timeout",
            "healthy_threshold",
            "unhealthy_threshold",
            "history",
            "logins_per_second",
            "interval",
            "full_interval",
        ];
        line.starts_with('[') && !line.contains("users") || shared.contains(&key) || serve.contains(&key)
    };
    let settings = sample(true).lines().filter(keep).collect::<Vec<_>>().join("\n");
    let (settings, least) = (file(&settings), file(&sample(false)));
    let read = |path: &Path| serve(&["--config-file", path.to_str().unwrap()]).unwrap();
    assert_eq!(format!("{:?}", read(settings.path())), format!("{:?}", read(least.path())));
}

#[test]
fn the_placeholders_of_the_sample_are_refused() {
    let file = file(SAMPLE);
    let errors = read(&["--config-file", file.path().to_str().unwrap()]).unwrap_err();
    let fields: Vec<&str> = errors.all().iter().map(|invalid| invalid.field.as_str()).collect();
    assert_eq!(fields, ["targets.orders.host", "defaults.iam_role"]);
}

#[test]
fn all_errors_of_a_file_are_reported_with_line_and_suggestion() {
    let file = file(&format!(
        "[defaults]\niam-role = \"{ROLE}\"\n[targets.a]\ntype = \"rdspostgres\"\nhots = \"{HOST}\"\n\
         [targets.b]\nvia_roles = \"{ROLE}\"\n[serv]\n"
    ));
    let errors = read(&["--config-file", file.path().to_str().unwrap()]).unwrap_err();
    let shown: Vec<_> = errors
        .all()
        .iter()
        .map(|invalid| {
            let Some(Origin::File { line, .. }) = invalid.origin.as_deref() else { panic!("{invalid}") };
            (invalid.field.as_str(), *line, invalid.help.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("defaults.iam-role", 2, "did you mean `iam_role`?"),
            ("serv", 8, "did you mean `serve`?"),
            ("targets.a.hots", 5, "did you mean `host`?"),
            ("targets.b.via_roles", 7, ""),
        ]
    );
    // Without unknown fields, every value is read.
    let file = self::file(&format!(
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
    let operator = |result: Result<Config, ConfigErrors>| match result {
        Ok(config) => format!("{:?}", config.targets[0].operator),
        Err(errors) => format!("{} {:?}", errors.first().field, errors.first().origin),
    };
    for (flag, name) in [
        ("--explain-with-profile", "PIPEPROBE_EXPLAIN_WITH_PROFILE"),
        ("--explain-with-role", "PIPEPROBE_EXPLAIN_WITH_ROLE"),
    ] {
        let value = if flag.ends_with("role") { ROLE } else { "ops" };
        for result in [one_config(&[flag, value], &|_| None), one_config(&[], &variable(name, value))] {
            let shown = operator(result);
            assert!(shown.contains(value) || shown.starts_with("diagnose_"), "{shown}");
        }
    }
    let fields = "explain_with_profile = \"ops\"\nexplain_with_role = \"arn:aws:iam::123456789012:role/x\"";
    let text = format!("[targets.a]\n{fields}\n[serve]\npolicy = \"observed\"\n");
    let file = file::parse(Path::new("x"), &text).unwrap();
    let diagnose = &file.targets["a"].fields.diagnose;
    assert!(diagnose.diagnose_profile.is_some() && diagnose.diagnose_role.is_some());
    assert_eq!(file.judge.basis.unwrap().text, "observed");
    assert!(matches!(Cli::parse_from(["pipeprobe", "healthy"]).command, Command::Health(_)));
    // As every variable, the earlier one takes precedence over the file.
    let target = format!("[targets.a]\ntype = 'rdspostgres'\nhost = '{HOST}'\niam_role = '{ROLE}'\n");
    let file = self::file(&format!("{target}[serve]\nbasis = 'guide'\n"));
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
        let errors = file::parse(Path::new("x"), &text).unwrap_err();
        assert_eq!(errors.first().field, "targets", "{errors}");
        assert!(!errors.to_string().contains(['\u{1b}', '\u{202e}']), "{errors:?}");
    }
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

fn read_fields(fields: Fields) -> Target {
    let selected = select::Selected { name: Some("orders".into()), origin: None, fields };
    target::read(selected, Needs::AccessRole, &Context::new(&|_| None)).unwrap()
}

fn serve(args: &[&str]) -> Result<Serve, ConfigErrors> {
    let Command::Serve(args) = Cli::parse_from(["pipeprobe", "serve"].iter().chain(args)).command else {
        unreachable!("the command is serve")
    };
    Serve::read(args, &|_| None)
}

/// What `serve` reads from a target and this table.
fn serve_table(table: &str) -> Result<Serve, ConfigErrors> {
    let target = format!("[targets.orders]\ntype = 'rdspostgres'\nhost = '{HOST}'\niam_role = '{ROLE}'\n");
    let file = file(&format!("{target}{table}"));
    serve(&["--config-file", file.path().to_str().unwrap()])
}

#[test]
fn serve_uses_sessions_of_an_hour_by_default() {
    assert_eq!(serve_table("").unwrap().targets[0].target.access.duration, Duration::from_hours(1));
    let short = serve_table("[defaults]\nduration = '20m'").unwrap();
    assert_eq!(short.targets[0].target.access.duration, Duration::from_mins(20));
}

#[test]
fn plain_http_beyond_loopback_must_be_turned_on() {
    let field =
        |table: &str| serve_table(table).map_err(|e| (e.first().field.clone(), e.first().found.clone()));
    assert!(field("[serve]\nlisten = '[::1]:9719'").is_ok());
    let refused = field("[serve]\nlisten = '0.0.0.0:9719'").unwrap_err();
    assert_eq!(refused, ("serve.listen".into(), "`0.0.0.0:9719` without a certificate and users".into()));
    assert!(field("[serve]\nlisten = '0.0.0.0:9719'\nplaintext_beyond_loopback = true").is_ok());
    let hash = bcrypt::hash("x", 4).unwrap();
    let users = format!("[serve]\nlisten = '0.0.0.0:9719'\n[serve.users]\nali = '{hash}'");
    assert_eq!(field(&users).unwrap_err().1, "`0.0.0.0:9719` without a certificate");
}

#[test]
fn invalid_settings_of_serve_are_named_and_hashes_are_not_shown() {
    for (table, expected) in [
        ("listen = 'localhost:9719'", "listen"),
        ("timeout = '0s'", "timeout"),
        ("healthy_threshold = 0", "healthy_threshold"),
        ("history = 1000000", "history"),
        ("logins_per_second = 201", "logins_per_second"),
        ("basis = 'hopeful'", "basis"),
        ("require = 'all'", "require"),
        ("tls_key = 'server.key'", "tls_certificate"),
        ("tls_certificate = 'no-such-file.pem'\ntls_key = '-----BEGIN PRIVATE KEY-----'", "tls_certificate"),
    ] {
        assert_eq!(
            serve_table(&format!("[serve]\n{table}")).unwrap_err().first().field,
            format!("serve.{expected}"),
            "{table}"
        );
    }
    assert_eq!(serve_table("[defaults]\ninterval = '10ms'").unwrap_err().first().field, "defaults.interval");
    let shorter = serve_table("[defaults]\ninterval = '1m'\nfull_interval = '30s'").unwrap_err();
    assert_eq!(shorter.first().field, "defaults.full_interval");
    let plain = serve_table("[serve.users]\nali = 'open sesame'").unwrap_err();
    assert_eq!(
        (plain.first().field.as_str(), plain.first().found.as_str()),
        ("serve.users.ali", "11 characters that are not a bcrypt hash (not shown)")
    );
    assert_eq!(serve(&[]).unwrap_err().first().field, "config_file");
}
