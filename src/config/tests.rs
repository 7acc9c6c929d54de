mod agent;
mod declared;
mod errors;
mod sample;
mod serve;

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

fn temporary(text: &str) -> tempfile::NamedTempFile {
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
    let file = temporary(&format!(
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
    let bad = temporary(&format!(
        "[targets.a]\ntype = \"rdspostgres\"\nhost = \"{HOST}:1\"\niam_role = \"{ROLE}\"\n"
    ));
    assert_eq!(
        read(&["--config-file", bad.path().to_str().unwrap()]).unwrap_err().first().field,
        "targets.a.host"
    );
    let unknown = temporary("[targets.a]\nhots = \"x\"\n");
    let errors = read(&["--config-file", unknown.path().to_str().unwrap()]).unwrap_err();
    let error = errors.first();
    assert_eq!(error.field, "targets.a.hots");
    assert!(error.to_string().contains(&format!("{}:2", unknown.path().display())), "{error}");
    assert_eq!(error.remedy.as_deref(), Some("did you mean `host`?"));
    let empty = temporary("");
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
    assert!(Token::read(*token, &|_| None).unwrap().target.access.roles.is_empty());
}

fn read_serve(args: &[&str]) -> Result<Serve, ConfigErrors> {
    let Command::Serve(args) = Cli::parse_from(["pipeprobe", "serve"].iter().chain(args)).command else {
        unreachable!("the command is serve")
    };
    Serve::read(args, &|_| None)
}

/// What `serve` reads from a target and this table.
pub(crate) fn serve_table(table: &str) -> Result<Serve, ConfigErrors> {
    let target = format!("[targets.orders]\ntype = 'rdspostgres'\nhost = '{HOST}'\niam_role = '{ROLE}'\n");
    let file = temporary(&format!("{target}{table}"));
    read_serve(&["--config-file", file.path().to_str().unwrap()])
}
