//! `pipeprobe setup` as a program: a screen and Terraform for each kind and mode, the folder that it writes, and its script
//! against an `aws` that only takes notes. `UPDATE=1 cargo test --test setup` writes the files again; read the difference.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-access";
const SERVICE_ROLE: &str = "arn:aws:iam::999988887777:role/CH-S3-example-service-role";

/// Every kind, with inputs that differ: what is known, what is named, how it is reached.
const KINDS: [(&str, &[&str]); 5] = [
    (
        "rdspostgres",
        &[
            "--host=orders.abc123.eu-west-1.rds.amazonaws.com",
            "--database=shop",
            "--service-role",
            SERVICE_ROLE,
            "--resource-id=db-ABCDEFGHIJKL01234",
            "--service-region=eu-west-1",
            "--table=public.orders,sales.Order Lines",
        ],
    ),
    (
        "aurorapostgres",
        &["--host=orders.cluster-abc123.eu-west-1.rds.amazonaws.com", "--table=public.order_*"],
    ),
    (
        "rdsmysql",
        &[
            "--host=vpce-0a1b.example.internal",
            "--port=13306",
            "--tls-host=orders.abc123.us-gov-west-1.rds.amazonaws.com",
            "--sign-port=3306",
            "--user=pipe's reader",
            "--external-id=team-7",
            "--replication-mechanism=file_pos",
            "--table=shop.orders,shop.order`lines",
        ],
    ),
    (
        "auroramysql",
        &[
            "--host=orders-1.abc123.eu-west-1.rds.amazonaws.com",
            "--database=my_shop",
            "--service-region=us-east-1",
        ],
    ),
    (
        "rdsmariadb",
        &[
            "--host=orders.abc123.rds.cn-north-1.amazonaws.com.cn",
            "--via-role=arn:aws-cn:iam::999988887777:role/CH-service-role",
            "--caller=arn:aws-cn:iam::123456789012:user/me",
        ],
    ),
];

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipeprobe")).arg("setup").args(args).env_clear().output().unwrap()
}

fn setup(kind: &str, more: &[&str]) -> Output {
    let (_, inputs) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    let partition = match kind {
        "rdsmysql" => "arn:aws-us-gov",
        "rdsmariadb" => "arn:aws-cn",
        _ => "arn:aws",
    };
    let role = ROLE.replace("arn:aws", partition);
    run(&[&["--type", kind, "--iam-role", &role], *inputs, more].concat())
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_kind_and_mode_has_its_screen() {
    for (kind, _) in KINDS {
        for mode in ["cdc", "snapshot"] {
            let mode = ["--replication-mode", mode];
            let screen = stdout(setup(kind, &mode));
            assert_eq!(screen.matches("2012-10-17").count(), 2, "each policy is printed once: {screen}");
            assert!(!screen.contains('\u{1b}'), "no color without a terminal");
            is_current(&format!("{kind}-{}.txt", mode[1]), &screen);
            let terraform = stdout(setup(kind, &[&mode[..], &["--only", "terraform"]].concat()));
            is_current(&format!("{kind}-{}.tf", mode[1]), &terraform);
        }
    }
}

#[track_caller]
fn is_current(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == text, "{} is not current: UPDATE=1 cargo test --test setup", path.display());
}

/// Every step once, and in the order in which it can work.
#[test]
fn steps_are_in_order_of_execution() {
    let screen = stdout(setup("rdsmysql", &[]));
    let headings: Vec<&str> = screen
        .lines()
        .filter_map(|line| line.strip_prefix("── ").map(|line| line.trim_end_matches([' ', '─'])))
        .collect();
    let expected = [
        "Values for the commands",
        "1. IAM database authentication",
        "2. Automated backups",
        "3. Parameters (parameters.json)",
        "4. Reboot",
        "5. Access role (trust-policy.json, rds-connect-policy.json)",
        "6. SQL (setup.sql)",
        "7. Network",
        "8. Check",
        "9. Create the pipe",
        "Terraform, instead of the commands for AWS and the pipe",
    ];
    assert_eq!(headings, expected);
    let script = stdout(setup("rdsmysql", &["--only", "steps"]));
    for (i, title) in
        ["IAM database authentication", "Automated backups", "Parameters", "Reboot"].iter().enumerate()
    {
        assert!(script.contains(&format!("\n# {}. {title}\n# Console: RDS > ", i + 1)), "{title}");
    }
}

#[test]
fn scripts_are_bash_and_policies_are_json() {
    for (kind, _) in KINDS {
        for mode in ["cdc", "snapshot"] {
            let only = |part| stdout(setup(kind, &["--replication-mode", mode, "--only", part]));
            let script = only("steps");
            let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(bash.wait().unwrap().success(), "{script}");
            for part in ["trust-policy", "connect-policy", "parameters"] {
                serde_json::from_str::<Value>(&only(part)).unwrap();
            }
            assert_eq!(only("parameters").trim() == "[]", mode == "snapshot");
        }
    }
}

#[test]
fn one_part_alone_is_also_one_field_alone() {
    let document = stdout(setup("rdspostgres", &["--only", "sql", "-o", "json"]));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert!(document["sql"].is_string() && document.get("trust_policy").is_none());
    let complete: Value = serde_json::from_str(&stdout(setup("rdspostgres", &["-o", "json"]))).unwrap();
    for field in ["trust_policy", "connect_policy", "sql", "parameters", "steps", "terraform", "check"] {
        assert!(complete.get(field).is_some(), "{field}");
    }
    assert_eq!(complete["parameters"]["settings"][0]["apply_method"], "pending-reboot");
}

#[test]
fn a_folder_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("setup");
    let write = |more: &[&str]| setup("rdspostgres", &[&["--write", inner.to_str().unwrap()], more].concat());
    let said = stdout(write(&[]));
    let mut files: Vec<String> = fs::read_dir(&inner)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "README.txt",
        "aws.sh",
        "aws.tf",
        "clickpipe.tf",
        "parameters.json",
        "rds-connect-policy.json",
        "setup.sql",
        "trust-policy.json",
    ];
    assert_eq!(files, expected);
    assert_eq!(said.lines().count(), files.len());
    let mode = |name: &str| fs::metadata(inner.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("aws.sh"), mode("setup.sql")), (0o755, 0o644));

    // Existing files are kept, and no file is added.
    for name in &expected[2..] {
        fs::remove_file(inner.join(name)).unwrap();
    }
    fs::write(inner.join("aws.sh"), "mine").unwrap();
    let refused = write(&[]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(words.contains("README.txt, aws.sh in `") && words.contains("--force"), "{words}");
    assert_eq!(fs::read_to_string(inner.join("aws.sh")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 2);

    stdout(write(&["--force"]));
    assert!(fs::read_to_string(inner.join("aws.sh")).unwrap().starts_with("#!"));
    assert_eq!(fs::read_dir(&inner).unwrap().count(), expected.len());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("below");
    let refused = setup("rdspostgres", &["--write", path.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().starts_with("error: write"));
}

#[test]
fn certificates_go_with_the_folder() {
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    stdout(setup("rdspostgres", &["--write", path, "--ca-certificate", &pem]));
    assert_eq!(fs::read_to_string(folder.path().join("ca.pem")).unwrap(), pem);
    let pipe = fs::read_to_string(folder.path().join("clickpipe.tf")).unwrap();
    assert!(pipe.contains(r#"ca_certificate = "-----BEGIN CERTIFICATE-----\n"#), "{pipe}");
}

/// Answers as AWS does for a database with a default parameter group and no backups, and records the requests.
const AWS: &str = r#"#!/bin/bash
printf '%s\n' "$*" >> "$NOTES"
case "$*" in
*get-caller-identity*) echo "${ACCOUNT:-123456789012}" ;;
*DBClusterIdentifier*) echo orders ;;
*describe-db-*parameter-groups*-name\ clickpipes-*) exit 254 ;;
*describe-db-*s*ParameterGroups\[0\].DBParameterGroupFamily*) echo family1 ;;
*DBParameterGroupName*|*DBClusterParameterGroup\ *) echo "${GROUP:-default.family1}" ;;
*ParameterApplyStatus*|*GroupStatus*) echo "${STATUS:-in-sync}" ;;
*gtid-mode\'*) echo "${GTID:-OFF}" ;;
*BackupRetentionPeriod*) echo 0 ;;
*IsClusterWriter*) echo orders-1 ;;
*ResourceId*) echo FOUND-ID ;;
*describe-security-groups*) echo "198.51.100.7/32 ${ALLOWED:-}" ;;
*describe-db-*parameter-groups*|*get-role*) exit 254 ;;
esac
"#;

/// A run of the script with this `aws`.
struct Ran {
    output: Output,
    requests: Vec<String>,
}

/// `bash` gets the script as an argument, as a file or as typed lines.
fn run_script(script: &str, bash: &[&str], typed: Option<&str>, environment: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let aws = folder.path().join("aws");
    fs::write(&aws, AWS).unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("bash");
    command.args(bash);
    if typed.is_none() {
        command.arg(script);
    }
    let mut child = command
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("NOTES", folder.path().join("notes"))
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.unwrap_or_default().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let requests = fs::read_to_string(folder.path().join("notes")).unwrap_or_default();
    Ran { output, requests: requests.lines().map(str::to_owned).collect() }
}

fn notes(kind: &str, more: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let script = stdout(setup(kind, &[more, &["--only", "steps"]].concat()));
    let ran = run_script(&script, &["-c"], None, environment);
    assert!(ran.output.status.success(), "{}\n{script}", String::from_utf8_lossy(&ran.output.stderr));
    ran.requests
}

#[track_caller]
fn says(notes: &[String], parts: &[&str]) -> usize {
    let found = notes.iter().position(|note| parts.iter().all(|part| note.contains(part)));
    found.unwrap_or_else(|| panic!("no {parts:?} in {notes:#?}"))
}

#[test]
fn the_script_asks_first_and_restarts_nothing_by_itself() {
    let notes = notes("rdspostgres", &[], &[]);
    let iam =
        says(&notes, &["modify-db-instance", "--enable-iam-database-authentication --apply-immediately"]);
    let create = says(&notes, &["create-db-parameter-group", "clickpipes-orders", "family1"]);
    let set = says(&notes, &["modify-db-parameter-group", "rds.logical_replication,ParameterValue=1"]);
    let attach = says(&notes, &["modify-db-instance", "--db-parameter-group-name clickpipes-orders"]);
    let role = says(&notes, &["create-role", "--role-name clickpipes-rds-access --path /"]);
    says(
        &notes,
        &["put-role-policy", "--policy-name clickpipes-rds-connect-db-ABCDEFGHIJKL01234 --policy-document {"],
    );
    assert!(iam < create && create < set && set < attach && attach < role);
    assert!(
        !notes.iter().any(|note| note.contains("reboot-db") || note.contains("authorize-security-group"))
    );
}

#[test]
fn gtid_mode_changes_one_step_at_a_time() {
    for (now, status, set) in [
        ("OFF", "in-sync", "OFF_PERMISSIVE"),
        ("None", "in-sync", "OFF_PERMISSIVE"),
        ("OFF_PERMISSIVE", "in-sync", "ON_PERMISSIVE"),
        ("OFF_PERMISSIVE", "pending-reboot", "OFF_PERMISSIVE"),
        ("ON_PERMISSIVE", "in-sync", "ON"),
        ("ON_PERMISSIVE", "pending-reboot", "ON_PERMISSIVE"),
        ("ON", "in-sync", "ON"),
        ("ON", "pending-reboot", "ON"),
    ] {
        let environment =
            [("GTID", now), ("STATUS", status), ("GROUP", "our-own"), ("SERVICE_ROLE", SERVICE_ROLE)];
        let notes = notes("auroramysql", &[], &environment);
        says(&notes, &[&format!("ParameterName=gtid-mode,ParameterValue={set},ApplyMethod=pending-reboot")]);
        says(&notes, &["ParameterName=enforce_gtid_consistency,ParameterValue=ON"]);
    }
    let environment = [
        ("SERVICE_ROLE", "arn:aws-us-gov:iam::999988887777:role/s"),
        ("CALLER", "arn:aws-us-gov:iam::1:user/me"),
    ];
    let file_pos = notes("rdsmysql", &[], &environment);
    assert!(!file_pos.iter().any(|note| note.contains("gtid")), "FILE_POS needs no GTID: {file_pos:#?}");
}

/// Without `set -e` in the terminal: a part that fails stops, and the terminal stays open.
#[test]
fn a_pasted_script_leaves_the_terminal_open() {
    let script = stdout(setup("auroramysql", &["--only", "steps"]));
    let pasted = format!("{script}\necho still here\n");
    // Without SERVICE_ROLE the part of the role fails, and only that part.
    let ran = run_script("", &["--norc", "-i"], Some(&pasted), &[]);
    let said = String::from_utf8_lossy(&ran.output.stdout);
    assert!(said.contains("still here"), "{said}\n{}", String::from_utf8_lossy(&ran.output.stderr));
    assert!(!ran.requests.iter().any(|note| note.contains("create-role")), "{:#?}", ran.requests);

    // With credentials of another account, nothing is changed: neither from a file nor in a terminal.
    for (bash, typed) in [(&["--norc", "-i"][..], Some(pasted.as_str())), (&["-c"], None)] {
        let environment = [("ACCOUNT", "210987654321"), ("SERVICE_ROLE", SERVICE_ROLE)];
        let ran = run_script(&script, bash, typed, &environment);
        let words = String::from_utf8_lossy(&ran.output.stderr);
        assert!(words.contains("use credentials of account 123456789012"), "{words}");
        for change in ["modify-", "create-", "put-", "authorize-", "reboot-"] {
            assert!(!ran.requests.iter().any(|note| note.contains(change)), "{:#?}", ran.requests);
        }
    }
}

#[test]
fn the_script_fills_in_the_values_that_it_reads() {
    let environment = [("SERVICE_ROLE", SERVICE_ROLE), ("REBOOT", "yes"), ("GROUP", "our-own")];
    let notes = notes("auroramysql", &[], &environment);
    let document = notes.join("\n");
    says(&notes, &["describe-db-instances --db-instance-identifier orders-1", "DBClusterIdentifier"]);
    says(
        &notes,
        &["modify-db-cluster-parameter-group --db-cluster-parameter-group-name our-own", "binlog_format"],
    );
    says(
        &notes,
        &["modify-db-cluster --db-cluster-identifier orders --enable-iam-database-authentication --apply"],
    );
    says(&notes, &["reboot-db-instance --db-instance-identifier orders-1"]);
    assert!(document.contains("dbuser:FOUND-ID/clickpipes_iam_user") && document.contains(SERVICE_ROLE));
    assert!(!document.contains('<') && !document.contains("create-db-cluster-parameter-group"), "{document}");
}

#[test]
fn backups_and_addresses_are_added_on_request() {
    let environment = [
        ("SERVICE_ROLE", "arn:aws-us-gov:iam::999988887777:role/s"),
        ("CALLER", "arn:aws-us-gov:iam::123456789012:user/me"),
        ("REBOOT", "yes"),
        ("ADDRESSES", "192.0.2.1 192.0.2.2"),
        ("SECURITY_GROUP", "sg-1"),
        ("ALLOWED", "192.0.2.1/32"),
    ];
    let notes = notes("rdsmysql", &[], &environment);
    says(&notes, &["modify-db-instance", "--backup-retention-period 1"]);
    says(&notes, &["authorize-security-group-ingress --group-id sg-1", "--port 3306 --cidr 192.0.2.2/32"]);
    assert!(!notes.iter().any(|note| note.contains("--cidr 192.0.2.1/32")), "this rule exists: {notes:#?}");
    let policy = "--policy-name clickpipes-rds-connect-FOUND-ID-pipe-s-reader";
    says(&notes, &["put-role-policy", policy]);
}

#[test]
fn initial_load_only_needs_iam_authentication_and_a_role() {
    let notes =
        notes("aurorapostgres", &["--replication-mode", "snapshot"], &[("SERVICE_ROLE", SERVICE_ROLE)]);
    says(&notes, &["modify-db-cluster", "--enable-iam-database-authentication --apply-immediately"]);
    assert!(!notes.iter().any(|note| note.contains("parameter") || note.contains("reboot")), "{notes:#?}");
}

#[test]
fn every_static_address_of_the_serving_region_becomes_a_rule() {
    let environment = [("SERVICE_ROLE", SERVICE_ROLE), ("SECURITY_GROUP", "sg-1")];
    let rules = |notes: &[String]| {
        let of = |note: &String| Some(note.split_once("authorize-security-group-ingress")?.1.to_owned());
        notes.iter().filter_map(of).collect::<Vec<_>>()
    };
    let made = rules(&notes("auroramysql", &[], &environment));
    assert_eq!(made.len(), 9, "{made:#?}");
    assert!(made.iter().all(|rule| rule.contains("--group-id sg-1") && rule.contains("--port 3306 --cidr ")));
    let terraform = stdout(setup("auroramysql", &["--only", "terraform"]));
    for rule in &made {
        let address = rule.rsplit(' ').next().unwrap();
        assert!(terraform.contains(&format!("    \"{address}\",\n")), "{address}\n{terraform}");
    }
    for text in [stdout(setup("rdspostgres", &[])), stdout(setup("rdspostgres", &["--only", "terraform"]))] {
        for part in
            ["2026-08-04", "https://api.clickhouse.cloud/static-ips.json", "--service-region eu-central-1"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
    // A pipe over PrivateLink needs no rule, so a group is not required.
    let script = stdout(setup("auroramysql", &["--only", "steps"]));
    let ran = run_script(&script, &["-c"], None, &environment[..1]);
    assert!(ran.output.status.success());
    assert!(String::from_utf8_lossy(&ran.output.stderr).contains("Set SECURITY_GROUP"));
    assert!(rules(&ran.requests).is_empty());

    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.json");
    let path = list.to_str().unwrap();
    fs::write(&list, r#"{"aws": [{"region": "us-east-1", "egress_ips": ["198.51.100.1"], "clickpipes_egress_ips": ["192.0.2.1"]}]}"#)
        .unwrap();
    let made = rules(&notes("auroramysql", &["--static-ips", path], &environment));
    assert!(made.len() == 1 && made[0].ends_with("--cidr 192.0.2.1/32"), "{made:#?}");
    // The Region is not in this list, and egress_ips is another list.
    let refused = setup("rdspostgres", &["--static-ips", path]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("of Region eu-west-1"), "{said}");
    fs::write(&list, r#"{"aws": [{"region": "eu-west-1", "egress_ips": ["198.51.100.1"]}]}"#).unwrap();
    let refused = setup("rdspostgres", &["--static-ips", path]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("clickpipes_egress_ips"), "{said}");
    let refused = setup("rdsmariadb", &["--service-region", "westeurope"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("eu-central-1 if it is in the EU"), "{said}");
}

/// The schema of Terraform's provider for AWS, as far as `setup` and the judge of plans use it.
const AWS_PROVIDER: &str = include_str!("terraform/aws-provider.json");

/// Every document of Terraform that is printed for these kinds and modes.
fn terraform_documents() -> Vec<String> {
    let all = KINDS.iter().flat_map(|(kind, _)| ["cdc", "snapshot"].map(|mode| (kind, mode)));
    all.map(|(kind, mode)| stdout(setup(kind, &["--replication-mode", mode, "--only", "terraform"])))
        .collect()
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[track_caller]
fn assert_block(block: &hcl::Block, schema: &Value) {
    /// Of every resource (Terraform documentation, meta-arguments).
    const META: [&str; 5] = ["count", "depends_on", "for_each", "lifecycle", "provider"];
    let labels: Vec<&str> = block.labels.iter().map(hcl::BlockLabel::as_str).collect();
    let required = names(&schema["required"]);
    let given: BTreeSet<&str> = block.body.attributes().map(hcl::Attribute::key).collect();
    assert!(required.is_subset(&given), "{labels:?}: {required:?} of {given:?}");
    for name in &given {
        let is_known =
            required.contains(name) || names(&schema["optional"]).contains(name) || META.contains(name);
        assert!(is_known, "{labels:?} has no attribute {name}");
    }
    for inner in block.body.blocks() {
        let of_inner = &schema["blocks"][inner.identifier()];
        assert!(of_inner.is_object(), "{labels:?} has no block {}", inner.identifier());
        assert_block(inner, of_inner);
    }
}

#[test]
fn the_terraform_parses_and_has_the_attributes_of_the_provider() {
    let schema: Value = serde_json::from_str(AWS_PROVIDER).unwrap();
    let mut checked = BTreeSet::new();
    for text in terraform_documents() {
        let body = hcl::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut variables = BTreeSet::new();
        for block in body.blocks() {
            let label = block.labels.first().map(hcl::BlockLabel::as_str).unwrap_or_default();
            match block.identifier() {
                "variable" => assert!(variables.insert(label), "{label} twice"),
                kind @ ("resource" | "data") if label.starts_with("aws_") => {
                    let schema = &schema[kind][label];
                    assert!(schema.is_object(), "{kind} {label} is not in tests/terraform/aws-provider.json");
                    assert_block(block, schema);
                    checked.insert(label.to_owned());
                }
                _ => {}
            }
        }
        let words = |separator: fn(char) -> bool| text.split(separator).filter(|word| !word.is_empty());
        // References, such as data.aws_rds_cluster.source.cluster_resource_id and var.tables.
        for word in words(|c| !c.is_ascii_alphanumeric() && c != '_' && c != '.') {
            let parts: Vec<&str> = word.split('.').collect();
            match parts[..] {
                ["data", kind, _, attribute] => {
                    assert!(names(&schema["data"][kind]["attributes"]).contains(attribute), "{word}");
                }
                [kind, _, attribute] if kind.starts_with("aws_") => {
                    assert!(names(&schema["resource"][kind]["attributes"]).contains(attribute), "{word}");
                }
                ["var", name] => assert!(variables.contains(name), "{word} is not declared"),
                _ => {}
            }
        }
        for name in &variables {
            assert!(text.contains(&format!("var.{name}")), "variable {name} is not used");
        }
        // What is to be added to a resource that exists is a comment.
        for note in text.split("# Add to the existing ").skip(1) {
            let (kind, rest) = note.split_once(':').unwrap();
            let lines = rest.lines().skip(1).map_while(|line| line.strip_prefix("#   "));
            let added: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
            assert!(!added.is_empty(), "{note}");
            for name in added {
                assert!(names(&schema["resource"][kind]["optional"]).contains(name), "{kind} has no {name}");
            }
        }
    }
    assert!(checked.len() >= 7, "{checked:?}");
}

/// Terraform itself, if it is installed. Its providers are downloaded for `validate`.
#[test]
fn terraform_accepts_the_files() {
    let providers = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str], folder: &Path| {
        let mut command = Command::new(program);
        command.env("CHECKPOINT_DISABLE", "1").env("TF_PLUGIN_CACHE_DIR", providers.path());
        command.args(arguments).current_dir(folder).output()
    };
    let here = Path::new(".");
    let found = ["terraform", "tofu"].into_iter().find(|program| run(program, &["version"], here).is_ok());
    let skipped = |what: &str| {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
    };
    let Some(program) = found else {
        return skipped("terraform fmt and terraform validate: terraform is not installed");
    };
    for text in terraform_documents() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.tf"), &text).unwrap();
        let formatted = run(program, &["fmt", "-check", "-diff"], folder.path()).unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stdout));
        if !run(program, &["init", "-backend=false", "-input=false"], folder.path()).unwrap().status.success()
        {
            return skipped("terraform validate: the providers could not be downloaded");
        }
        let valid = run(program, &["validate"], folder.path()).unwrap();
        assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
    }
}
