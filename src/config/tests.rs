use std::io::Write;

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

const HOST: &str = "db.abc.eu-west-1.rds.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn read_with(args: &[&str], environment: Environment<'_>) -> Result<Config, Invalid> {
    let Command::Check(check) = Cli::parse_from(["pipeprobe", "check"].iter().chain(args)).command else {
        unreachable!("check was typed")
    };
    Config::read(*check, environment)
}

/// What `check` makes of these arguments alone. Other rooms' tests get their targets here.
pub(crate) fn read(args: &[&str]) -> Result<Config, Invalid> {
    read_with(args, &|_| None)
}

fn one(args: &[&str]) -> Result<Target, Invalid> {
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
fn the_three_endpoints_are_told_apart() {
    let target = one(&["--connect-to", "127.0.0.1:6000", "--sign-port", "5555"]).unwrap();
    assert_eq!(target.dial.to_string(), "127.0.0.1:6000");
    assert_eq!(target.tls_host.as_str(), HOST);
    assert_eq!(target.sign.to_string(), format!("{HOST}:5555"));
    // ClickPipes signs for tls_host too, where it is given.
    let args = ["--type", "rdsmysql", "--host", "pl.internal", "--tls-host", HOST, "--iam-role", ROLE];
    let target = read(&args).unwrap().targets.remove(0);
    assert_eq!(
        (target.dial.to_string(), target.sign.to_string()),
        ("pl.internal:3306".into(), format!("{HOST}:3306"))
    );
}

#[test]
fn bad_fields_are_named_with_what_was_wanted() {
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
        (&["--require", "cdc", "--replication-mode", "snapshot"], "require", "initial-load, since"),
    ] {
        let error = one(args).unwrap_err();
        assert_eq!(error.field, field, "{args:?}");
        assert!(error.expected.contains(expected), "{args:?}: {error}");
    }
}

#[test]
fn each_engine_has_choices_of_its_own() {
    let mysql = |args: &[&str]| {
        let base = ["--type", "rdsmysql", "--host", HOST, "--iam-role", ROLE];
        read(&[&base[..], args].concat()).map(|config| config.targets[0].pipe.clone())
    };
    assert!(mysql(&["--publication", "p"]).unwrap_err().expected.contains("PostgreSQL target"));
    assert!(mysql(&["--replication-mechanism", "pos"]).unwrap_err().expected.contains("auto, gtid"));
    let pipe = mysql(&["--replication-mechanism", "file_pos", "--table", "app.a,app.b", "--table", "x.*"]);
    assert_eq!(pipe.unwrap().tables.len(), 3);
}

#[test]
fn the_mode_that_is_asked_for_is_required() {
    let required = |args: &[&str]| {
        let base = ["--type", "rdspostgres", "--host", HOST, "--iam-role", ROLE];
        let config = read(&[&base[..], args].concat()).unwrap();
        config.requirement(&config.targets[0]).required
    };
    use Capability::{Cdc, InitialLoadOnly};
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
        assert_eq!(read(&args).unwrap_err().field, "region");
        let given = read(&[&args[..], &["--region", "eu-west-1"]].concat()).unwrap();
        assert_eq!(given.targets[0].region.as_str(), "eu-west-1");
    }
}

#[test]
fn an_address_needs_the_name_to_verify() {
    let args = ["--type", "rdspostgres", "--host", "10.0.0.1", "--iam-role", ROLE];
    assert_eq!(read(&args).unwrap_err().field, "tls_host");
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

    let error = read(&["--config-file", path, "--host", HOST]).unwrap_err();
    assert_eq!((error.field.as_str(), error.found.as_str()), ("host", "2 targets"));
    assert_eq!(
        read(&["--config-file", path, "c"]).unwrap_err().expected,
        format!("a target of {path}: a, b")
    );
    assert_eq!(read(&["a"]).unwrap_err().field, "config_file");
}

#[test]
fn errors_in_a_file_name_the_target_or_the_line() {
    let bad =
        file(&format!("[targets.a]\ntype = \"rdspostgres\"\nhost = \"{HOST}:1\"\niam_role = \"{ROLE}\"\n"));
    assert_eq!(read(&["--config-file", bad.path().to_str().unwrap()]).unwrap_err().field, "targets.a.host");
    let unknown = file("[targets.a]\nhots = \"x\"\n");
    let error = read(&["--config-file", unknown.path().to_str().unwrap()]).unwrap_err();
    assert_eq!(error.field, format!("{}:2", unknown.path().display()));
    assert!(error.found.contains("unknown field `hots`"), "{error}");
    let empty = file("");
    assert!(
        read(&["--config-file", empty.path().to_str().unwrap()])
            .unwrap_err()
            .expected
            .contains("[targets.NAME]")
    );
}

#[test]
fn aws_vaults_tags_are_honoured_below_flags() {
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
fn empty_values_are_as_good_as_none() {
    let target = one(&["--external-id", "", "--session-tag", "", "--database", "", "--timeout", ""]).unwrap();
    assert_eq!(target, one(&[]).unwrap());
}

#[test]
fn only_token_may_go_without_a_role() {
    let args = ["--type", "rdspostgres", "--host", HOST];
    assert_eq!(read(&args).unwrap_err().field, "iam_role");
    let Command::Token(token) = Cli::parse_from(["pipeprobe", "token"].iter().chain(&args)).command else {
        unreachable!("token was typed")
    };
    assert!(token_target(*token, &|_| None).unwrap().access.roles.is_empty());
}

#[test]
fn the_sample_file_shows_every_field_with_its_default() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/sample.toml"));
    let text = fs::read_to_string(path).unwrap();
    let sample = file::parse(path, &text).unwrap();
    let fields = sample.targets["orders"].clone();
    let written =
        read_target(Some("orders".into()), fields.clone().over(sample.defaults), Needs::AccessRole, &|_| {
            None
        })
        .unwrap();
    let least = Fields {
        source_type: fields.source_type,
        host: fields.host,
        iam_role: Some(written.access.roles[1].to_string()),
        ..Fields::default()
    };
    let mut default = read_target(Some("orders".into()), least, Needs::AccessRole, &|_| None).unwrap();
    // What has no default is shown by example.
    default.access.roles = written.access.roles.clone();
    default.access.external_id = written.access.external_id.clone();
    default.access.profile = written.access.profile.clone();
    assert_eq!(written, default);
    for field in ["tls_host", "ca_certificate", "connect_to", "sign_host", "sign_port", "transitive_tags"]
        .into_iter()
        .chain(["replication_mode", "replication_mechanism", "tables", "publication"])
        .chain(["require", "tls_certificate", "tls_key", "plaintext_beyond_loopback"])
        .chain(["explain_with_profile", "explain_with_role"])
    {
        assert!(text.contains(&format!("# {field} = ")), "{field} is missing from the sample");
    }
    // serve: what is written out equals what is left out.
    let bare = text.split("[serve]").next().unwrap().replace("\ninterval = ", "\n# ");
    let bare = file(&bare.replace("\nfull_interval = ", "\n# "));
    let read = |path: &Path| serve(&["--config-file", path.to_str().unwrap()]).unwrap();
    let (sample, bare) = (read(path), read(bare.path()));
    assert_eq!(format!("{sample:?}"), format!("{bare:?}"));
}

fn serve(args: &[&str]) -> Result<Serve, Invalid> {
    let Command::Serve(args) = Cli::parse_from(["pipeprobe", "serve"].iter().chain(args)).command else {
        unreachable!("serve was typed")
    };
    Serve::read(args, &|_| None)
}

/// What `serve` makes of a target and this table.
fn metric_defs(table: &str) -> Result<Serve, Invalid> {
    let target = format!("[targets.orders]\ntype = 'rdspostgres'\nhost = '{HOST}'\niam_role = '{ROLE}'\n");
    let file = file(&format!("{target}{table}"));
    serve(&["--config-file", file.path().to_str().unwrap()])
}

#[test]
fn sessions_of_a_daemon_are_long_unless_the_file_says_otherwise() {
    assert_eq!(metric_defs("").unwrap().targets[0].target.access.duration, Duration::from_secs(3600));
    let short = metric_defs("[defaults]\nduration = '20m'").unwrap();
    assert_eq!(short.targets[0].target.access.duration, Duration::from_secs(1200));
}

#[test]
fn plain_http_beyond_loopback_has_to_be_meant() {
    let field = |table: &str| metric_defs(table).map_err(|e| (e.field, e.found));
    assert!(field("[serve]\nlisten = '[::1]:9719'").is_ok());
    let refused = field("[serve]\nlisten = '0.0.0.0:9719'").unwrap_err();
    assert_eq!(refused, ("listen".into(), "`0.0.0.0:9719` with neither".into()));
    assert!(field("[serve]\nlisten = '0.0.0.0:9719'\nplaintext_beyond_loopback = true").is_ok());
    let hash = bcrypt::hash("x", 4).unwrap();
    let users = format!("[serve]\nlisten = '0.0.0.0:9719'\n[serve.users]\nali = '{hash}'");
    assert_eq!(field(&users).unwrap_err().1, "`0.0.0.0:9719` with no certificate");
}

#[test]
fn bad_words_about_serving_are_refused_by_name_and_hashes_are_not_shown() {
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
        assert_eq!(metric_defs(&format!("[serve]\n{table}")).unwrap_err().field, expected, "{table}");
    }
    assert_eq!(metric_defs("[defaults]\ninterval = '10ms'").unwrap_err().field, "interval");
    let shorter = metric_defs("[defaults]\ninterval = '1m'\nfull_interval = '30s'").unwrap_err();
    assert_eq!(shorter.field, "full_interval");
    let plain = metric_defs("[serve.users]\nali = 'open sesame'").unwrap_err();
    assert_eq!(
        (plain.field.as_str(), plain.found.as_str()),
        ("serve.users.ali", "11 characters that are none")
    );
    assert_eq!(serve(&[]).unwrap_err().field, "config_file");
}
