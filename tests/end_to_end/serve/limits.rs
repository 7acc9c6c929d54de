//! Neither probes nor reloads exceed the limits of the databases and of STS, or change the state of a target.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use super::{
    HOURLY, QUICK, ServeProcess, TIMEOUT,
    client::{get, post},
    relay::Relay,
    two, wait,
};

#[test]
fn a_probe_with_a_short_timeout_answers_only_its_caller() {
    let lab = two();
    let postgres = &lab.instances()[0];
    let relay = Relay::start(postgres, Duration::from_secs(1));
    let serve = ServeProcess::start(&lab, HOURLY, &relay.target(&lab, "slow", postgres));
    serve.becomes("slow", "healthy");
    let page = || serve.get("/targets/slow").body;
    let state = || (serve.target("slow"), serve.get("/metrics").body, page().matches("<tr").count());
    let before = state();

    for timeout in ["0.001", "0.9", "1e-300"] {
        let start = Instant::now();
        let header = [("X-Prometheus-Scrape-Timeout-Seconds", timeout)];
        let answer = get(&serve.address, "/probe?target=slow", &header);
        assert_eq!((answer.status, answer.series("probe_success")), (200, Some(0.0)), "{timeout}");
        assert_eq!(answer.series("probe_timeout_seconds"), Some(0.5), "{timeout}");
        assert!(!answer.body.contains("pipeprobe_"), "nothing was found: {}", answer.body);
        assert!(start.elapsed() < TIMEOUT / 4, "{timeout}");
    }
    let header = [("X-Prometheus-Scrape-Timeout-Seconds", "0.001")];
    let debug = get(&serve.address, "/probe?target=slow&debug=true", &header).body;
    assert!(debug.starts_with("The check did not finish within 0.5 s"), "{debug}");

    // The check that they started was not shortened, so it succeeds for those who wait.
    let whole = serve.get("/probe?target=slow");
    assert_eq!(whole.series("probe_success"), Some(1.0), "{}", whole.body);
    assert!(!page().contains("Last failure"));
    assert_eq!(state(), before);
    let log = serve.lines().join("\n");
    assert!(!log.contains("\"message\":\"unhealthy\""), "{log}");
}

#[test]
fn seventy_probes_of_a_target_are_one_check() {
    let lab = two();
    let postgres = &lab.instances()[0];
    postgres.restart_with(&[("max_connections", "10")]).unwrap();
    let relay = Relay::start(postgres, Duration::from_secs(2));
    let serve = ServeProcess::start(&lab, HOURLY, &relay.target(&lab, "small", postgres));
    let known = serve.becomes("small", "healthy");
    let before = relay.counts().total;

    let answers: Vec<_> = std::thread::scope(|threads| {
        let asking: Vec<_> = (0..70).map(|_| threads.spawn(|| serve.get("/probe?target=small"))).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for answer in &answers {
        assert_eq!((answer.status, answer.series("probe_success")), (200, Some(1.0)), "{}", answer.body);
    }
    let opened = relay.counts().total - before;
    // One check opens two. Under load, some probes may come after its end.
    assert!((2..=6).contains(&opened), "{opened} connections");
    assert_eq!(serve.target("small")["past"], known["past"]);
}

#[test]
fn targets_of_one_database_are_checked_four_at_a_time() {
    let lab = two();
    let postgres = &lab.instances()[0];
    let relay = Relay::start(postgres, Duration::from_millis(300));
    let targets: String = (0..16).map(|i| relay.target(&lab, &format!("t{i}"), postgres)).collect();
    let serve = ServeProcess::start(&lab, HOURLY, &targets);
    for i in 0..16 {
        serve.becomes(&format!("t{i}"), "healthy");
    }
    std::thread::scope(|threads| {
        for i in 0..16 {
            let serve = &serve;
            threads.spawn(move || {
                let answer = serve.get(&format!("/probe?target=t{i}"));
                assert_eq!(answer.series("probe_success"), Some(1.0), "{}", answer.body);
            });
        }
    });
    let counts = relay.counts();
    assert_eq!(counts.total, 64, "16 scheduled checks and 16 probes with 2 connections each");
    // A check opens its second connection after the first has connected.
    assert!((2..=4).contains(&counts.most), "{counts:?}");
}

#[test]
fn reloads_keep_sessions_and_state_of_what_did_not_change() {
    let lab = two();
    let head = "[defaults]\ninterval = \"1s\"\nfull_interval = \"1h\"\n";
    let target = |name: &str, i: usize| lab.target_toml(name, &lab.instances()[i], lab::ACCESS_ROLE);
    let assumed_by = |role: &str| {
        let is = |call: &lab_aws::Call| call.action == "AssumeRole" && call.role.as_deref() == Some(role);
        lab.aws().calls().into_iter().filter(is).count()
    };
    let assumed = || assumed_by(lab::ACCESS_ROLE);
    let serve = ServeProcess::start(&lab, head, &(target("a", 0) + &target("b", 1)));
    let before = serve.becomes("a", "healthy");
    serve.becomes("b", "healthy");
    assert_eq!(assumed(), 1);

    let checks = |name: &str| serve.metric(&format!("pipeprobe_checks_total{{target=\"{name}\"}}"));
    for i in 0..20 {
        // Every second reload removes or adds a target and changes another.
        let other = if i % 2 == 0 { String::new() } else { target("c", 1) };
        let interval = format!("interval = \"{}s\"\n", 1 + i % 2);
        serve.rewrite(&(head.to_owned() + &target("a", 0) + &target("b", 1) + &interval + &other));
        assert_eq!(post(&serve.address, "/-/reload", &[]).body, "reloaded\n");
    }
    for name in ["a", "b", "c"] {
        let last = checks(name).unwrap_or(0.0);
        wait(&format!("{name} is checked twice more"), || {
            checks(name).filter(|n| *n >= last + 2.0).ok_or_else(|| serve.get("/metrics").body)
        });
    }
    assert_eq!(assumed(), 1);
    assert_eq!(serve.target("a")["since"], before["since"]);

    // Only a role that was not used before is assumed.
    let table = lab.target_toml("d", &lab.instances()[0], lab::WRONG_ROLE);
    serve.rewrite(&(QUICK.to_owned() + &target("a", 0) + &table));
    assert_eq!(post(&serve.address, "/-/reload", &[]).body, "reloaded\n");
    serve.becomes("d", "unhealthy");
    assert!(assumed_by(lab::WRONG_ROLE) >= 1);
    assert_eq!(assumed(), 1);

    // A target that changed is not checked with its earlier fields any more.
    serve.rewrite(&(QUICK.to_owned() + &target("a", 0) + &target("d", 0)));
    assert_eq!(post(&serve.address, "/-/reload", &[]).body, "reloaded\n");
    serve.becomes("d", "healthy");
    let (before, last) = (assumed_by(lab::WRONG_ROLE), checks("d").unwrap());
    wait("d is checked five times more", || {
        checks("d").filter(|n| *n >= last + 5.0).ok_or_else(|| serve.get("/metrics").body)
    });
    assert_eq!(assumed_by(lab::WRONG_ROLE), before);
}

#[test]
fn a_machine_without_descriptors_changes_no_health() {
    let lab = two();
    let head = "[defaults]\ninterval = \"1s\"\nfull_interval = \"2s\"\n";
    let serve = ServeProcess::start(&lab, head, &lab.config_toml());
    let names = ["postgres15", "mariadb10_11"];
    let before = names.map(|name| serve.becomes(name, "healthy"));

    // Below what is open now: nothing more can be opened.
    let none = Rlimit { current: Some(4), ..getrlimit(Resource::Nofile) };
    let enough = prlimit(Some(serve.pid()), Resource::Nofile, none).unwrap();
    serve.logged("not checked: a failure of this machine");
    // Long enough for checks of every kind: with the kept session, and with a new one.
    std::thread::sleep(Duration::from_secs(8));
    prlimit(Some(serve.pid()), Resource::Nofile, enough).unwrap();

    for (name, before) in names.iter().zip(&before) {
        let target = serve.target(name);
        assert_eq!((&target["health"], &target["since"]), (&"healthy".into(), &before["since"]));
        assert_eq!(target["last_failure"], before["last_failure"]);
        let series = |metric: &str| serve.metric(&format!("{metric}{{target=\"{name}\"}}"));
        assert!(series("pipeprobe_local_failures_total").is_some_and(|n| n >= 2.0), "{target:#}");
        assert_eq!(series("pipeprobe_health_changes_total"), Some(0.0));
        assert_eq!(series("pipeprobe_healthy"), Some(1.0));
        let checks = series("pipeprobe_checks_total");
        wait(&format!("{name} is checked again"), || {
            let now = series("pipeprobe_checks_total");
            if now > checks { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }
    assert!(!serve.get("/metrics").body.contains("pipeprobe_check_failures_total{"));
    let log = serve.lines().join("\n");
    assert!(!log.contains("\"message\":\"unhealthy\""), "{log}");
    let said = log.matches("\"not checked: a failure of this machine\"").count();
    assert_eq!(said, 1, "once a minute: {log}");
    assert!(log.contains("EMFILE") && log.contains("ulimit -n"), "{log}");
}
