//! The output of `-o json` matches the schema from `pipeprobe schema COMMAND`, for valid and invalid input.

use std::process::Command;

use serde_json::Value;

fn pipeprobe(args: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .unwrap();
    let document =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {output:?}"));
    (output.status.code().unwrap(), document)
}

fn schema(of: &str) -> Value {
    pipeprobe(&["schema", of]).1
}

/// The exit code, and whether the document matches the command's schema.
fn judged(args: &[&str]) -> i32 {
    let validator = jsonschema::validator_for(&schema(args[0])).unwrap();
    let (status, document) = pipeprobe(&[args, &["-o", "json"]].concat());
    validator.validate(&document).unwrap_or_else(|e| panic!("{args:?}: {}", e.masked()));
    status
}

const TARGET: [&str; 6] = [
    "--type",
    "rdspostgres",
    "--host",
    "orders.abc123.eu-west-1.rds.amazonaws.com",
    "--iam-role",
    "arn:aws:iam::123456789012:role/clickpipes",
];

#[test]
fn setup_output_matches_its_schema() {
    let setup = [&["setup"], &TARGET[..]].concat();
    assert_eq!(judged(&setup), 0);
    for part in ["trust-policy", "connect-policy", "sql", "parameters", "steps", "terraform"] {
        assert_eq!(judged(&[&setup[..], &["--only", part]].concat()), 0);
    }
    assert_eq!(judged(&["setup", "--host", "orders:1"]), 2);
}

#[test]
fn lint_output_matches_its_schema() {
    let files = ["tests/cli/policies/trust.json", "tests/cli/policies/permission.json"];
    for files in [
        &files[..],
        &["tests/cli/policies/smart-quotes.json"],
        &["tests/cli/policies/permission-of-rds.json"],
    ] {
        let _ = judged(&[&["lint"], files, &TARGET[..]].concat());
    }
    assert_eq!(judged(&["lint", "no-such-file.json"]), 2);
}

#[test]
fn explain_output_matches_its_schema() {
    assert_eq!(judged(&["explain", "--list"]), 0);
    assert_eq!(judged(&["explain", "PG_TOKEN_REFUSED"]), 0);
    assert_eq!(judged(&["explain", "NO_SUCH_CODE"]), 2);
}

/// A signed token is tested in `end_to_end`, because it needs STS.
#[test]
fn errors_of_check_and_token_match_their_schemas() {
    assert_eq!(judged(&["check"]), 2);
    assert_eq!(judged(&["token", "--type", "nothing"]), 2);
}

/// Without a command, the schema of `check` is printed.
#[test]
fn the_default_schema_is_that_of_check() {
    assert_eq!(pipeprobe(&["schema"]).1, schema("check"));
}

#[test]
fn schemas_reject_unknown_fields() {
    for (of, args) in [
        ("setup", [&["setup"], &TARGET[..]].concat()),
        ("lint", vec!["lint", "tests/cli/policies/smart-quotes.json"]),
        ("explain", vec!["explain", "PG_TOKEN_REFUSED"]),
    ] {
        let validator = jsonschema::validator_for(&schema(of)).unwrap();
        let (_, document) = pipeprobe(&[&args[..], &["-o", "json"]].concat());
        for field in document.as_object().unwrap().keys().filter(|field| *field != "written") {
            let mut without = document.clone();
            without.as_object_mut().unwrap().remove(field);
            // Fields that --only omits.
            let may_go = ["trust_policy", "connect_policy", "sql", "parameters", "steps", "terraform"];
            assert_eq!(
                validator.is_valid(&without),
                may_go.contains(&field.as_str()),
                "{of} without {field}"
            );
        }
    }
}

/// Valid and invalid files, judged by the schema and by `config check`.
#[test]
fn the_schema_of_the_configuration_file_agrees_with_config_check() {
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["schema", "config"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipeprobe.toml");
    let target = "[defaults]\niam_role = \"arn:aws:iam::123456789012:role/r\"\n[targets.orders]\ntype = \"rdspostgres\"\n\
                  host = \"orders.abc.eu-west-1.rds.amazonaws.com\"\n";
    for (valid, more) in [
        (true, ""),
        (true, "port = 5433\ntables = [\"public.orders\"]\nsession_tags = { team = \"data\" }\n"),
        (true, "session_tags = [\"team=data\"]\nreplication_mode = \"cdc\"\ninterval = \"1m\"\n"),
        (true, "[serve]\nlisten = \"127.0.0.1:9719\"\nbasis = \"server\"\nhealthy_threshold = 3\n"),
        (true, "[serve]\npolicy = \"server\"\n"),
        (false, "iam-role = \"x\"\n"),
        (false, "port = [5433]\n"),
        (false, "port = { a = 1 }\n"),
        (false, "tables = \"public.orders\"\n"),
        (false, "tables = [[\"public.orders\"]]\n"),
        (false, "replication_mode = \"both\"\n"),
        (false, "listen = \"127.0.0.1:9719\"\n"),
        (false, "[serve]\ninterval = \"1m\"\n"),
        (false, "[serve]\nbasis = \"mine\"\n"),
        (false, "[target.billing]\n"),
        (false, "[targets]\nbilling = 1\n"),
        (false, "[targets.\"\"]\n"),
    ] {
        let text = match more.starts_with("[targets]") {
            true => more.to_owned(),
            false => format!("{target}{more}"),
        };
        std::fs::write(&path, &text).unwrap();
        let (status, document) = pipeprobe(&["config", "check", "-o", "json", "-c", path.to_str().unwrap()]);
        assert_eq!(status == 0, valid, "config check: {text}\n{document}");
        let file: Value = toml::from_str(&text).unwrap();
        let result = validator.validate(&file);
        assert_eq!(result.is_ok(), valid, "schema: {text}\n{:?}", result.map_err(|e| e.masked().to_string()));
    }
    // The sample, as it is and with every field.
    let output =
        Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["config", "example", "config"]).output().unwrap();
    let sample = String::from_utf8(output.stdout).unwrap();
    let field = |line: &str| {
        let (key, value) =
            line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).unwrap_or_default();
        let named = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        named && (value.starts_with(['"', '[', '{', 't', 'f']) || value.parse::<u32>().is_ok())
    };
    let active = |line: &str| match line {
        "# [serve.users]" => line[2..].to_owned(),
        line if field(line) => line[2..].to_owned(),
        line => line.to_owned(),
    };
    let full: String = sample.lines().map(|line| active(line) + "\n").collect();
    for text in [&sample, &full] {
        let file: Value = toml::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        validator.validate(&file).unwrap_or_else(|e| panic!("{e}: {text}"));
    }
    let keys = full.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
    let described = schema["$defs"]["target"]["properties"].as_object().unwrap().values();
    let described =
        described.chain(schema["properties"]["serve"]["properties"].as_object().unwrap().values());
    let current: Vec<&Value> = described.filter(|field| field.get("deprecated").is_none()).collect();
    // `users` is a table, which has no " = " of its own but one user.
    assert_eq!(keys, current.len(), "{full}");
    for field in current {
        assert!(field["description"].as_str().is_some_and(|text| text.len() > 10), "{field}");
    }
}
