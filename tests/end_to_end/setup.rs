//! The output of `setup` is applied, unchanged, to servers and to the AWS stand-in; then the `check` that it prints passes.
//! Everything is applied twice, and extended.

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
        assert_eq!(made.check(&lab), 3, "{server_version}: nothing exists yet");

        made.create_role(&lab);
        made.run_sql(instance);
        made.run_sql(instance);
        set_parameters(instance, &made.json("parameters.json"));
        assert_eq!(made.check(&lab), 0, "{server_version}");
        let mysql = server_version.engine() != Engine::Postgres;
        assert!(!mysql || retention(instance) == "72", "{server_version}: {}", retention(instance));

        // Another table: the same command with one more --table. A longer retention is kept.
        if mysql {
            instance.sql("CALL mysql.rds_set_configuration('binlog retention hours', 168)").unwrap();
        }
        let later = format!("{schema}.later");
        instance.sql(&format!("CREATE TABLE {later} (id bigint PRIMARY KEY)")).unwrap();
        let made = Made::by(&lab, instance, &[&args[..], &["--table", &later]].concat());
        assert_eq!(made.check(&lab), 3, "{server_version}: the new table is not set up");
        made.run_sql(instance);
        assert_eq!(made.check(&lab), 0, "{server_version}: with another table");
        assert!(!mysql || retention(instance) == "168", "{server_version}: {}", retention(instance));
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
        made.run_sql(instance);
        assert_eq!(made.check(&lab), 0, "{server_version}");

        // From Initial Load Only to CDC.
        let made = Made::by(&lab, instance, &patterns);
        made.run_sql(instance);
        made.run_sql(instance);
        set_parameters(instance, &made.json("parameters.json"));
        assert_eq!(made.check(&lab), 0, "{server_version}: CDC after Initial Load Only");
    }
}

/// Roles exist in every database of an instance, publications in one.
#[test]
fn another_database_on_the_same_instance_is_set_up() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let postgres = lab.instance(ServerVersion::Postgres15);
    prepare(postgres);
    let made = Made::by(&lab, postgres, &["--table", "public.orders"]);
    made.create_role(&lab);
    made.run_sql(postgres);
    set_parameters(postgres, &made.json("parameters.json"));
    postgres.sql(r#"CREATE DATABASE "Second db""#).unwrap();
    postgres.sql_in("Second db", "CREATE TABLE public.orders (id bigint PRIMARY KEY)").unwrap();
    let second = Made::by(&lab, postgres, &["--table", "public.orders", "--database", "Second db"]);
    assert_eq!(second.check(&lab), 3, "nothing exists in the second database");
    let script = second.sql();
    for _ in 0..2 {
        postgres.sql_in("Second db", &script).unwrap_or_else(|e| panic!("{e}\n{script}"));
    }
    assert_eq!(second.check(&lab), 0);
    assert_eq!(made.check(&lab), 0, "the first database still works");
}

/// A published table without a replica identity refuses UPDATE and DELETE, so setup.sql does not publish it.
#[test]
fn a_table_without_replica_identity_is_not_published() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let postgres = lab.instance(ServerVersion::Postgres15);
    prepare(postgres);
    let tables = "CREATE TABLE keyless (id int);
        CREATE TABLE parts (id int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
        CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
        CREATE TABLE late (id int PRIMARY KEY DEFERRABLE);";
    postgres.sql(tables).unwrap();
    let refused = |tables: &[&str], named: &str| {
        let made = Made::by(&lab, postgres, tables);
        let error = postgres.sql(&made.sql()).unwrap_err().to_string();
        let remedy = format!("ALTER TABLE {named} REPLICA IDENTITY FULL;");
        assert!(error.contains(&remedy), "{error}");
        let left = format!(
            "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_roles WHERE rolname = '{USER}')"
        );
        assert_eq!(postgres.sql(&left).unwrap().trim(), "0", "everything is rolled back");
        remedy
    };
    refused(&["--table", "public.orders,public.keyless"], "keyless");
    refused(&["--table", "public.late"], "late");
    let keyless = refused(&["--table", "public.key*"], "keyless");
    let child = refused(&["--table", "public.parent"], "child");
    postgres.sql("ALTER TABLE parts_1 REPLICA IDENTITY NOTHING").unwrap();
    let part = refused(&["--table", "public.parts"], "parts_1");
    for remedy in [keyless, child, part, "ALTER TABLE late REPLICA IDENTITY FULL".to_owned()] {
        postgres.sql(&remedy).unwrap();
    }
    let made = Made::by(
        &lab,
        postgres,
        &["--table", "public.orders,public.key*,public.parent,public.parts,public.late"],
    );
    made.run_sql(postgres);
    for table in ["keyless", "parent", "parts", "late"] {
        postgres
            .sql(&format!("INSERT INTO {table} VALUES (1); UPDATE {table} SET id = 2; DELETE FROM {table}"))
            .unwrap();
    }
}

#[test]
fn table_patterns_are_published_and_schemas_granted() {
    for tables in [&["--table", "public.*", "--table", "Odd-1.order*"][..], &[]] {
        let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
        let postgres = lab.instance(ServerVersion::Postgres15);
        prepare(postgres);
        if tables.is_empty() {
            // Without tables, setup grants the schema of the guide only.
            postgres.sql(r#"DROP SCHEMA "Odd-1" CASCADE"#).unwrap();
        }
        let made = Made::by(&lab, postgres, tables);
        made.create_role(&lab);
        made.run_sql(postgres);
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

    fn sql(&self) -> String {
        fs::read_to_string(self.folder.path().join("setup.sql")).unwrap()
    }

    fn run_sql(&self, instance: &Instance) {
        let script = self.sql();
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

/// A table whose name and schema must be quoted, nothing from the guide, and settings that CDC cannot use.
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

fn retention(instance: &Instance) -> String {
    let query = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";
    instance.sql(query).unwrap().trim().to_owned()
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
            // RDS sets wal_level from it.
            assert!(parameters.contains(&("rds.logical_replication", "1")));
            instance.restart_with(&[("wal_level", "logical")]).unwrap();
        }
        Engine::Mysql | Engine::MariaDb => instance.restart_with(&parameters).unwrap(),
    }
}
