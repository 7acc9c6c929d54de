//! What `setup` prints is done, word for word, to servers and to AWS's stand-in; then the `check` it prints passes.

use std::{fs, path::Path, process::Command};

use lab::{DATABASE, Engine, Instance, Lab, SERVICE_ROLE, ServerVersion};
use serde_json::Value;

use crate::support::{Run, server_versions, text};

/// A name that has to be quoted everywhere, and not the guide's.
const USER: &str = "Pipe-Reader 1";
const ROLE: &str = "arn:aws:iam::123456789012:role/pipes/fresh-access";
const PUBLICATION: &str = "Fresh publication";

#[test]
fn setup_output_makes_cdc_possible() {
    for server_version in server_versions() {
        let lab = Lab::start(&[server_version]).unwrap();
        let instance = lab.instance(server_version);
        prepare(instance);
        let schema = if server_version.engine() == Engine::Postgres { "public" } else { DATABASE };
        let orders = format!("{schema}.orders");
        let mut args = vec!["--replication-mode", "cdc", "--table", &orders, "--table", "Odd-1.order lines"];
        if server_version.engine() == Engine::Postgres {
            args.extend(["--publication", PUBLICATION]);
        }
        let made = Made::by(&lab, instance, &args);
        assert_eq!(made.check(&lab), 3, "{server_version}: nothing is there yet");

        made.create_role(&lab);
        made.run_sql(instance);
        set_parameters(instance, &made.json("parameters.json"));
        assert_eq!(made.check(&lab), 0, "{server_version}");
    }
}

#[test]
fn setup_output_makes_initial_load_only_possible() {
    for server_version in server_versions() {
        let lab = Lab::start(&[server_version]).unwrap();
        let instance = lab.instance(server_version);
        prepare(instance);
        // By patterns: the grants are made in other ways than for tables with names.
        let patterns = match server_version.engine() {
            Engine::Postgres => ["--table", "Odd-1.*", "--table", "public.ord*"],
            Engine::Mysql | Engine::MariaDb => ["--table", "Odd-1.*", "--table", "app.ord*"],
        };
        let made = Made::by(&lab, instance, &[&["--replication-mode", "snapshot"], &patterns[..]].concat());
        assert!(!made.folder.path().join("parameters.json").exists(), "a copy needs no parameter");
        made.create_role(&lab);
        made.run_sql(instance);
        assert_eq!(made.check(&lab), 0, "{server_version}");
    }
}

#[test]
fn table_patterns_are_published_and_schemas_granted() {
    for tables in [&["--table", "public.*", "--table", "Odd-1.order*"][..], &[]] {
        let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
        let postgres = lab.instance(ServerVersion::Postgres15);
        prepare(postgres);
        if tables.is_empty() {
            // Where no table is named, the guide's schema is all there is to read.
            postgres.sql(r#"DROP SCHEMA "Odd-1" CASCADE"#).unwrap();
        }
        let made = Made::by(&lab, postgres, tables);
        made.create_role(&lab);
        made.run_sql(postgres);
        set_parameters(postgres, &made.json("parameters.json"));
        assert_eq!(made.check(&lab), 0, "{tables:?}");
    }
}

#[test]
fn an_external_id_is_required_of_others_but_not_of_clickpipes() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let postgres = lab.instance(ServerVersion::Postgres15);
    prepare(postgres);
    let caller =
        ["--replication-mode", "snapshot", "--caller", lab::CALLER, "--external-id", "only-for-others"];
    let made = Made::by(&lab, postgres, &caller);
    made.create_role(&lab);
    let assume = |more: &[&str]| {
        let args = [&["other", "--user", USER], more].concat();
        Run::check(&lab, &args).command("token").other(postgres, ROLE).output().status.code()
    };
    assert_eq!(assume(&["--via-role", SERVICE_ROLE]), Some(0), "as ClickPipes: without");
    assert_eq!(assume(&["--external-id", "only-for-others"]), Some(0), "the caller, with");
    assert_eq!(assume(&[]), Some(3), "the caller, without");
}

/// What `setup --write` wrote, and the document it printed.
struct Made {
    folder: tempfile::TempDir,
    document: Value,
}

impl Made {
    fn by(lab: &Lab, instance: &Instance, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let common =
            ["other", "--user", USER, "--via-role", SERVICE_ROLE, "--resource-id", &instance.resource_id];
        let args = [&common[..], &["--write", path], more].concat();
        let answer = Run::check(lab, &args).command("setup").other(instance, ROLE).json();
        assert_eq!(answer.status, 0, "{:#}", answer.document);
        assert_eq!(
            answer.document["missing"].as_array().unwrap().len(),
            0,
            "{:#}",
            answer.document["missing"]
        );
        Self { folder, document: answer.document }
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.folder.path().join(file)).unwrap()).unwrap()
    }

    fn create_role(&self, lab: &Lab) {
        let role = lab_aws::Role::new(ROLE, self.json("trust-policy.json"))
            .with_policy(self.json("rds-connect-policy.json"));
        lab.aws().change(|world| world.roles.push(role));
    }

    fn run_sql(&self, instance: &Instance) {
        let script = fs::read_to_string(self.folder.path().join("setup.sql")).unwrap();
        instance.sql(&script).unwrap_or_else(|e| panic!("{e}\n{script}"));
        if instance.server_version.engine() == Engine::Postgres && script.contains("rds_replication") {
            // On RDS, the role rds_replication is enough. Here the REPLICATION attribute is needed.
            instance.sql(&format!(r#"ALTER ROLE "{USER}" REPLICATION"#)).unwrap();
        }
    }

    /// Runs the command that was printed, in the folder that was written.
    fn check(&self, lab: &Lab) -> i32 {
        let bin = Path::new(env!("CARGO_BIN_EXE_pipeprobe")).parent().unwrap();
        let output = Command::new("bash")
            .args(["-c", text(&self.document["check"])])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(lab.environment())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .output()
            .unwrap();
        let status = output.status.code().unwrap();
        if status != 0 {
            eprintln!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        status
    }
}

/// A table whose name and schema have to be quoted; nothing of what the guide had typed; and settings that will not do.
fn prepare(instance: &Instance) {
    match instance.server_version.engine() {
        Engine::Postgres => {
            let script = r#"DROP PUBLICATION clickpipes_publication; CREATE SCHEMA "Odd-1";
                CREATE TABLE "Odd-1"."order lines" (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
                CREATE TABLE "Odd-1"."order lines, others" PARTITION OF "Odd-1"."order lines" DEFAULT;"#;
            instance.sql(script).unwrap();
            instance.restart_with(&[("wal_level", "replica")]).unwrap();
        }
        Engine::Mysql | Engine::MariaDb => {
            let script = "CALL mysql.rds_set_configuration('binlog retention hours', NULL);
                CREATE DATABASE `Odd-1`; CREATE TABLE `Odd-1`.`order lines` (id bigint PRIMARY KEY);";
            instance.sql(script).unwrap();
            let weak = [
                ("binlog_format", "MIXED"),
                ("binlog_row_image", "MINIMAL"),
                ("binlog_row_metadata", "MINIMAL"),
            ];
            instance.restart_with(&weak).unwrap();
        }
    }
}

/// As RDS does it with a parameter group, and a reboot.
fn set_parameters(instance: &Instance, parameters: &Value) {
    let parameters: Vec<(&str, &str)> = parameters
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (text(&p["ParameterName"]), text(&p["ParameterValue"])))
        .collect();
    match instance.server_version.engine() {
        Engine::Postgres => {
            for (name, value) in &parameters {
                instance.sql(&format!("ALTER SYSTEM SET {name} = '{value}'")).unwrap();
            }
            // That is what RDS makes of it.
            assert!(parameters.contains(&("rds.logical_replication", "1")));
            instance.restart_with(&[("wal_level", "logical")]).unwrap();
        }
        Engine::Mysql | Engine::MariaDb => instance.restart_with(&parameters).unwrap(),
    }
}
