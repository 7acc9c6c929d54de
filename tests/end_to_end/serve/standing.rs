//! What is known of each target, and when it changes.

use lab_aws::Fault;

use super::{QUICK, ServeProcess, silent_target, two, wait};
use crate::support::{Run, server_versions, shared};

#[test]
fn every_lane_gets_the_verdict_that_check_gives_it() {
    let lab = shared();
    let serve = ServeProcess::start(lab, QUICK, &lab.config_toml());
    wait("every target has been checked", || match serve.get("/-/ready").status {
        200 => Ok(()),
        _ => Err(serve.get("/-/ready").body),
    });
    for server_version in server_versions() {
        let checked = Run::check(lab, &[server_version.name()]).json();
        let (by_check, known) = (&checked.report()["verdict"], serve.target(server_version.name()));
        // `serve` has a memory: it requires the best that it has found, and `check` the default.
        let (mut by_serve, mut expected) = (known["last"]["verdict"].clone(), by_check.clone());
        for verdict in [&mut by_serve, &mut expected] {
            for field in ["required", "required_by", "required_of_server"] {
                verdict.as_object_mut().unwrap().remove(field).expect(field);
            }
        }
        assert_eq!(by_serve, expected, "{server_version}");
        assert_eq!(by_check["required_by"], "default");
        assert_eq!(known["health"], "healthy");
        let series = format!("pipeprobe_capability{{target=\"{server_version}\",basis=\"server\"}}");
        let expected = if by_check["server"] == "cdc" { 2.0 } else { 1.0 };
        assert_eq!(serve.metric(&series), Some(expected), "{server_version}");
    }
}

#[test]
fn a_stopped_database_is_noticed_and_nothing_else_is() {
    let lab = two();
    let postgres = &lab.instances()[0];
    let serve = ServeProcess::start(&lab, QUICK, &lab.config_toml());
    serve.becomes("postgres15", "healthy");
    serve.becomes("mariadb10_11", "healthy");

    postgres.stop();
    let down = serve.becomes("postgres15", "unhealthy");
    assert_eq!(down["last"]["verdict"]["blocked_by"][0], "NET_DIAL", "{down:#}");
    assert_eq!(serve.metric("pipeprobe_healthy{target=\"postgres15\"}"), Some(0.0));
    assert!(
        serve.metric("pipeprobe_check_failures_total{target=\"postgres15\",code=\"NET_REFUSED\"}").unwrap()
            >= 1.0
    );

    postgres.start_again().unwrap();
    let up = serve.becomes("postgres15", "healthy");
    // The first check after a failure asks everything again.
    assert!(up["last"]["facts_as_of"].as_str().unwrap() > down["since"].as_str().unwrap(), "{up:#}");
    assert_eq!(up["last_failure"]["verdict"]["met"], false);
    assert_eq!(serve.metric("pipeprobe_health_changes_total{target=\"postgres15\"}"), Some(2.0));
    assert_eq!(serve.metric("pipeprobe_health_changes_total{target=\"mariadb10_11\"}"), Some(0.0));

    let (page, events) = (serve.get("/targets/postgres15").body, serve.lines().join("\n"));
    assert!(page.contains("Last failure"), "{page}");
    assert_eq!(events.matches("\"message\":\"unhealthy\"").count(), 1, "{events}");
}

#[test]
fn a_role_is_assumed_once_for_all_its_targets_and_a_token_made_for_each_login() {
    let lab = two();
    let tables: String = (0..5)
        .map(|i| {
            let instance = &lab.instances()[i % 2];
            lab.target_toml(&format!("t{i}"), instance, lab::ACCESS_ROLE)
        })
        .collect();
    let serve = ServeProcess::start(&lab, QUICK, &tables);
    for i in 0..5 {
        let series = format!("pipeprobe_checks_total{{target=\"t{i}\"}}");
        wait("each target was checked three times", || {
            serve.metric(&series).filter(|n| *n >= 3.0).ok_or_else(|| serve.get("/metrics").body)
        });
    }
    let assumed = lab.aws().calls().into_iter().filter(|call| call.action == "AssumeRole").count();
    assert_eq!(assumed, 1);
    let logins: usize = lab.instances().iter().map(|instance| instance.decisions().len()).sum();
    assert!(logins >= 15, "{logins} logins");
    // Between full checks, a check logs in and asks nothing.
    let target = serve.target("t0");
    assert!(target["last"]["facts_as_of"].as_str() < target["last"]["started_at"].as_str(), "{target:#}");
    let steps: Vec<_> = target["last"]["timings"].as_array().unwrap().iter().map(|t| &t["stage"]).collect();
    assert_eq!(steps, ["resolve", "connect", "tls", "auth_request", "login"]);
}

#[test]
fn a_change_of_the_database_is_seen_by_the_next_full_check() {
    let lab = two();
    let head = "[defaults]\ninterval = \"1s\"\nfull_interval = \"2s\"\n";
    let serve =
        ServeProcess::start(&lab, head, &lab.target_toml("maria", &lab.instances()[1], lab::ACCESS_ROLE));
    let known = serve.becomes("maria", "healthy");
    assert_eq!(known["last"]["verdict"]["capability"], "cdc");
    lab.instances()[1].sql("SET GLOBAL binlog_format = 'STATEMENT'").unwrap();
    wait("the capability is less", || {
        let known = serve.target("maria");
        let held = &known["last"]["verdict"]["blocked_by"];
        if held[0] == "MYSQL_BINLOG_FORMAT" { Ok(()) } else { Err(format!("{held}")) }
    });
    // No mode is set, so it is held to the best that it has had.
    serve.becomes("maria", "unhealthy");
    assert_eq!(serve.metric("pipeprobe_capability{target=\"maria\",basis=\"guide\"}"), Some(1.0));
}

#[test]
fn a_role_that_trusts_no_longer_is_noticed_while_its_session_lives() {
    let lab = two();
    let head = "[defaults]\ninterval = \"1s\"\nfull_interval = \"2s\"\n";
    let serve = ServeProcess::start(&lab, head, &lab.config_toml());
    serve.becomes("postgres15", "healthy");
    lab.aws().change(|world| {
        let role = world.roles.iter_mut().find(|role| role.arn == lab::ACCESS_ROLE).unwrap();
        role.trust_policy = lab::trust_policy(&["arn:aws:iam::999988887777:user/somebody-else"]);
    });
    let known = serve.becomes("postgres15", "unhealthy");
    assert_eq!(known["last"]["verdict"]["blocked_by"][0], "STS_ACCESS_ROLE");
}

/// Each second check of a target is a full one, which renews the session.
#[test]
fn an_sts_that_hangs_or_fails_delays_and_fails_no_check() {
    let lab = two();
    let head = "[defaults]\ninterval = \"1s\"\nfull_interval = \"2s\"\n";
    let serve = ServeProcess::start(&lab, head, &lab.config_toml());
    let names = ["postgres15", "mariadb10_11"];
    for name in names {
        serve.becomes(name, "healthy");
    }
    for fault in [Fault::Hang, Fault::InternalFailure] {
        lab.aws().set_fault(fault.clone());
        for name in names {
            let series = format!("pipeprobe_checks_total{{target=\"{name}\"}}");
            let before = serve.metric(&series).unwrap();
            wait(&format!("{name} is checked five times"), || {
                serve.metric(&series).filter(|n| *n >= before + 5.0).ok_or_else(|| serve.get("/metrics").body)
            });
            let known = serve.target(name);
            assert_eq!(known["health"], "healthy", "{fault:?}: {known:#}");
            let history = known["past"].as_array().unwrap();
            assert!(history.iter().all(|entry| entry["met"] == true), "{fault:?}: {history:#?}");
        }
    }
    assert!(serve.lines().iter().any(|line| line.contains("session not renewed")), "the failure is logged");
}

#[test]
fn databases_that_hang_delay_no_other() {
    let lab = two();
    // One after the other they would take minutes.
    let silent: String = (0..60).map(|i| silent_target(&format!("silent{i}"))).collect();
    let tables = lab.target_toml("quick", &lab.instances()[0], lab::ACCESS_ROLE) + &silent;
    let serve = ServeProcess::start(&lab, QUICK, &tables);
    wait("the quick one is checked three times", || {
        let answer = serve.get("/metrics");
        let checks = answer.series("pipeprobe_checks_total{target=\"quick\"}");
        checks.filter(|n| *n >= 3.0).ok_or(answer.body)
    });
    let known = serve.becomes("silent59", "unhealthy");
    let rows = known["last"]["checks"].as_array().unwrap();
    assert_eq!(rows.iter().find(|row| row["outcome"] == "fail").unwrap()["cause"], "DB_TIMED_OUT");
}

#[test]
fn a_target_without_a_declared_purpose_is_held_to_the_best_it_has_had() {
    let lab = two();
    let postgres = &lab.instances()[0];
    let name = postgres.name.clone();
    postgres.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    let head = format!("{QUICK}full_interval = \"1s\"\n[serve]\nbasis = \"server\"\n");
    let serve = ServeProcess::start(&lab, &head, &lab.config_toml());
    serve.becomes(&name, "healthy");
    let held = format!("pipeprobe_required_capability{{target=\"{name}\",by=\"best_so_far\"}}");
    wait("CDC is what it is held to", || {
        serve.metric(&held).filter(|value| *value >= 2.0).ok_or_else(|| serve.get("/metrics").body)
    });
    let log = serve.lines().join("\n");
    assert!(log.contains("held to the best capability that their checks find"), "{log}");
    assert!(log.contains("\"held_to\":\"CDC\""), "{log}");

    // The login still works, and so does the initial load.
    postgres.set(&[("rds.iam_auth_for_replication", "0")]).unwrap();
    let lost = serve.becomes(&name, "unhealthy");
    let verdict = &lost["last"]["verdict"];
    assert_eq!((&verdict["capability"], &verdict["met"]), (&"initial_load_only".into(), &false.into()));
    assert_eq!((&verdict["required"], &verdict["required_by"]), (&"cdc".into(), &"best_so_far".into()));
    assert!(verdict["reason"].as_str().unwrap().ends_with("Earlier, it allowed CDC."), "{verdict:#}");
    let probe = serve.get(&format!("/probe?target={name}")).body;
    assert!(probe.contains("probe_success 0.0\n") || probe.contains("probe_success 0\n"), "{probe}");
    let page = serve.get(&format!("/targets/{name}")).body;
    assert!(
        page.contains("CDC (the best so far, because neither replication_mode nor require is set): not met"),
        "{page}"
    );

    // What "What to fix" says, and the target is healthy again.
    let index = serve.get("/").body;
    assert!(
        index.contains("<code>PG_REPLICATION_NOT_IAM</code> set rds.iam_auth_for_replication = 1"),
        "{index}"
    );
    postgres.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    serve.becomes(&name, "healthy");
}
