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
    for artefact in ["trust-policy", "connect-policy", "sql", "parameters", "steps", "terraform"] {
        assert_eq!(judged(&[&setup[..], &["--only", artefact]].concat()), 0);
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
