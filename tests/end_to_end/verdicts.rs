use lab::{ACCESS_ROLE, CALLER, Engine, Lab, SERVICE_ROLE, ServerVersion};

use crate::support::{Run, server_versions, shared, text};

#[test]
fn every_server_gets_its_verdict_and_evidence() {
    let lab = shared();
    let schema = serde_json::from_str(pipeprobe::report::json::SCHEMA).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let answer = Run::check(lab, &[&instance.name]).json();
        schema.validate(&answer.document).unwrap();
        let report = answer.report();
        assert_eq!(answer.status, 0, "{server_version}: {report:#}");
        assert_eq!(answer.document["success"], true);

        let (capability, observed) = match server_version.engine() {
            Engine::Postgres => ("initial_load_only", "initial_load_only"),
            Engine::Mysql | Engine::MariaDb => ("cdc", "cdc"),
        };
        let verdict = &report["verdict"];
        assert_eq!(
            (text(&verdict["capability"]), text(&verdict["server"])),
            (capability, observed),
            "{server_version}"
        );
        assert_eq!(verdict["guide"], capability);
        if server_version.engine() == Engine::Postgres {
            assert_eq!(answer.row("PG_IAM_REPLICATION")["cause"], "PG_REPLICATION_NOT_IAM");
            assert_eq!(answer.row("PG_DOCUMENTED_RULE")["cause"], "PG_DOCUMENTED_RULE");
            assert!(text(&verdict["next_steps"][0]).contains("rds.iam_auth_for_replication = 1"));
        }

        // Every engine must give the same evidence.
        assert_eq!(text(&report["identity"]["caller"]), CALLER);
        let hop = &report["identity"]["roles"][0];
        assert_eq!(hop["role"], ACCESS_ROLE);
        assert_eq!(hop["session_tags"][0], "pipeprobe=1");
        assert_eq!(
            hop["session_arn"],
            "arn:aws:sts::123456789012:assumed-role/clickpipes-rds-access/pipeprobe"
        );
        let tls = &report["tls"];
        assert_eq!(tls["version"], "TLSv1.3", "{server_version}");
        assert_eq!(tls["certificates"][0]["names"][0], instance.host.as_str());
        assert_eq!(answer.row("AUTH_IAM_ASKED")["found"], "a cleartext password (the token)");
        assert_eq!(report["endpoints"]["addresses"][0], "127.0.0.1");
        assert_eq!(report["endpoints"]["sign"]["host"], instance.host.as_str());
        let steps: Vec<_> = report["timings"].as_array().unwrap().iter().map(|t| text(&t["stage"])).collect();
        assert_eq!(
            steps,
            ["identity", "resolve", "connect", "tls", "auth_request", "login", "facts"],
            "{server_version}"
        );
        assert!(report["token"]["length"].as_u64().unwrap() > 1000, "session tokens are long");
        assert!(
            instance.decisions().iter().any(lab_aws::Decision::accepted),
            "{server_version}: the server asked and accepted"
        );
    }
}

#[test]
fn postgres_allows_cdc_by_the_server_if_the_parameter_is_on() {
    for server_version in
        server_versions().into_iter().filter(|server_version| server_version.engine() == Engine::Postgres)
    {
        let lab = Lab::start(&[server_version]).unwrap();
        let postgres = lab.instance(server_version);
        postgres.sql("ALTER SYSTEM SET rds.iam_auth_for_replication = 1").unwrap();
        postgres.sql("SELECT pg_reload_conf()").unwrap();
        // A reload is asynchronous: wait until the server has handled the signal.
        while !matches!(postgres.sql("SHOW rds.iam_auth_for_replication").unwrap().trim(), "1" | "on") {}

        let observed = Run::check(&lab, &["--basis", "server", "--require", "cdc"]).json();
        assert_eq!(
            observed.report()["verdict"]["capability"],
            "cdc",
            "{server_version}: {:#}",
            observed.report()
        );
        assert_eq!(observed.report()["verdict"]["guide"], "initial_load_only");
        assert_eq!(observed.status, 0);
        assert!(
            text(&observed.row("PG_IAM_REPLICATION")["found"])
                .starts_with("IDENTIFY_SYSTEM: timeline 1, WAL at ")
        );
        assert_eq!(observed.row("PG_DOCUMENTED_RULE")["applies"], false);

        let documented = Run::check(&lab, &["--require", "cdc"]).json();
        assert_eq!(
            (documented.status, text(&documented.report()["verdict"]["capability"])),
            (3, "initial_load_only")
        );
        assert_eq!(documented.report()["verdict"]["server"], "cdc");

        // The check must not leave objects behind.
        assert_eq!(postgres.sql("SELECT count(*) FROM pg_replication_slots").unwrap().trim(), "0");
    }
}

#[test]
fn a_missing_replication_privilege_differs_from_the_parameter() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let postgres = lab.instance(ServerVersion::Postgres15);
    postgres.sql("ALTER ROLE clickpipes_iam_user NOREPLICATION").unwrap();
    postgres.sql("ALTER SYSTEM SET rds.iam_auth_for_replication = 1").unwrap();
    postgres.sql("SELECT pg_reload_conf()").unwrap();
    while !matches!(postgres.sql("SHOW rds.iam_auth_for_replication").unwrap().trim(), "1" | "on") {}
    let answer = Run::check(&lab, &["--basis", "server"]).json();
    assert_eq!(answer.row("PG_IAM_REPLICATION")["outcome"], "pass", "{:#}", answer.report());
    let row = answer.row("PG_REPLICATION_RIGHT");
    assert_eq!(row["cause"], "PG_NO_REPLICATION_RIGHT", "{row:#}");
    assert_eq!(row["remedy"], "GRANT rds_replication TO clickpipes_iam_user;");
}

#[test]
fn a_successful_check_uses_one_connection_and_aborts_none() {
    for server_version in
        server_versions().into_iter().filter(|server_version| server_version.engine() != Engine::Postgres)
    {
        let lab = Lab::start(&[server_version]).unwrap();
        let server = lab.instance(server_version);
        let count = |name: &str| -> i64 {
            let row = server.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).unwrap();
            row.split_whitespace().last().unwrap().parse().unwrap()
        };
        let aborted = (count("Aborted_connects"), count("Aborted_clients"));
        let connections = count("Connections");
        for _ in 0..5 {
            assert_eq!(Run::check(&lab, &[]).json().status, 0, "{server_version}");
        }
        // This query itself uses a connection.
        assert_eq!(count("Connections") - connections, 5 + 1, "{server_version}");
        assert_eq!((count("Aborted_connects"), count("Aborted_clients")), aborted, "{server_version}");
    }
}

#[test]
fn a_binary_log_that_is_off_leaves_the_initial_load() {
    let lab = Lab::start(&[ServerVersion::MariaDb10_11]).unwrap();
    let mariadb = lab.instance(ServerVersion::MariaDb10_11);
    mariadb.restart_with(&[("skip-log-bin", "")]).unwrap();
    let answer = Run::check(&lab, &["--require", "cdc"]).json();
    assert_eq!(answer.status, 3);
    assert_eq!(answer.report()["verdict"]["capability"], "initial_load_only", "{:#}", answer.report());
    assert_eq!(answer.row("MYSQL_BINARY_LOG")["cause"], "MYSQL_BINARY_LOG_OFF");
    assert!(text(&answer.row("MYSQL_BINARY_LOG")["remedy"]).contains("automated backups"));
}

#[test]
fn mysql_declared_as_mariadb_is_refused_and_the_reverse() {
    let lab = shared();
    let answer = Run::check(lab, &["mariadb10_11", "--type", "rdsmysql"]).json();
    let row = answer.fails_at("DB_ENGINE", "DB_WRONG_ENGINE");
    assert!(text(&row["remedy"]).contains("rdsmariadb"));
}

#[test]
fn rds_declared_as_aurora_is_a_warning_with_an_exit_code_for_fail_on() {
    let lab = shared();
    let aurora =
        |more: &[&str]| Run::check(lab, &[&["postgres15", "--type", "aurorapostgres"], more].concat()).json();
    let answer = aurora(&[]);
    assert_eq!((answer.status, text(&answer.row("DB_ENGINE")["cause"])), (0, "DB_NOT_AURORA"));
    assert_eq!(aurora(&["--fail-on", "warning"]).status, 4);
}

#[test]
fn roles_are_chained_through_the_service_role() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let args =
        ["--via-role", SERVICE_ROLE, "--session-tag", "team=data,cost=low", "--transitive-tag", "team"];
    let answer = Run::check(&lab, &args).json();
    assert_eq!(answer.status, 0, "{:#}", answer.report());
    let hops = &answer.report()["identity"]["roles"];
    assert_eq!((text(&hops[0]["role"]), text(&hops[1]["role"])), (SERVICE_ROLE, ACCESS_ROLE));
    // The transitive tag is passed once, at the first role; AWS passes it on.
    assert_eq!(
        (&hops[0]["session_tags"][0], &hops[1]["session_tags"][0]),
        (&"team=data".into(), &"cost=low".into())
    );
    let calls = lab.aws().calls();
    let assumed: Vec<_> = calls.iter().filter(|c| c.action == "AssumeRole").collect();
    assert_eq!(assumed.len(), 2);
    assert_eq!(assumed[0].transitive, ["team"]);
    assert!(assumed[1].transitive.is_empty());
}

#[test]
fn signals_end_the_program_with_their_exit_codes() {
    use std::{thread::sleep, time::Duration};
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.aws().set_fault(lab_aws::Fault::Hang);
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let before = lab.aws().calls().len();
        let mut child = Run::check(&lab, &[]).spawnable().spawn().unwrap();
        while lab.aws().calls().len() == before {
            sleep(Duration::from_millis(5)); // until it waits for STS, with its signal handlers installed
        }
        let kill = std::process::Command::new("sh")
            .args(["-c", &format!("kill -s {signal} {}", child.id())])
            .status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(status));
    }
}

#[test]
fn a_closed_stdout_changes_no_exit_code() {
    use std::process::Stdio;
    let lab = shared();
    for (args, status) in [(&["postgres15"][..], 0), (&["postgres15", "--require", "cdc"], 3)] {
        let mut child = Run::check(lab, args).spawnable().stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(status));
    }
}

#[test]
fn wal_level_replica_is_never_cdc() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let postgres = lab.instance(ServerVersion::Postgres15);
    postgres.restart_with(&[("wal_level", "replica"), ("rds.iam_auth_for_replication", "1")]).unwrap();
    let answer = Run::check(&lab, &["--basis", "server"]).json();
    assert_eq!(answer.row("PG_IAM_REPLICATION")["outcome"], "pass", "{:#}", answer.report());
    assert_eq!(answer.row("PG_WAL_LEVEL")["cause"], "PG_WAL_LEVEL");
    assert_eq!(answer.report()["verdict"]["capability"], "initial_load_only");
}

#[test]
fn a_database_that_was_not_named_is_named_in_the_report() {
    let postgres = shared().instance(ServerVersion::Postgres15);
    let answer = Run::check(shared(), &[&postgres.name]).with("database", "").json();
    let row = answer.row("DB_TABLES_READ");
    assert_eq!(text(&row["cause"]), "DB_NO_TABLES", "{row:#}");
    assert_eq!(text(&row["found"]), "there is no table in database postgres that the user can see");
    assert!(
        text(&row["remedy"]).starts_with("set `database` (--database) to the database of the pipe"),
        "{row:#}"
    );
}
