//! `/probe`: the contract of blackbox_exporter.

use super::{HOURLY, QUICK, ServeProcess, client::get, silent_target, two};

#[test]
fn a_probe_is_a_fresh_full_check_of_a_named_target() {
    let lab = two();
    let serve = ServeProcess::start(&lab, HOURLY, &lab.config_toml());
    serve.becomes("mariadb10_11", "healthy");
    let before = lab.instances()[1].decisions().len();
    let answer = serve.get("/probe?target=mariadb10_11");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("application/openmetrics-text; version=1.0.0"), "{}", answer.head);
    assert_eq!(answer.series("probe_success"), Some(1.0));
    assert_eq!(answer.series("probe_timeout_seconds"), Some(20.0));
    assert!(answer.series("probe_duration_seconds").is_some_and(|s| s > 0.0));
    let expiry = serve.target("mariadb10_11")["last"]["tls"]["certificates"][0]["not_after"].clone();
    let expiry: jiff::Timestamp = expiry.as_str().unwrap().parse().unwrap();
    assert_eq!(answer.series("probe_ssl_earliest_cert_expiry"), Some(expiry.as_second() as f64));
    assert_eq!(answer.series("pipeprobe_capability{target=\"mariadb10_11\",basis=\"guide\"}"), Some(2.0));
    assert!(!answer.body.contains("postgres15"), "{}", answer.body);
    assert_eq!(lab.instances()[1].decisions().len(), before + 1, "one login");
    let checks = serve.metric("pipeprobe_checks_total{target=\"mariadb10_11\"}");
    assert_eq!(checks, Some(1.0), "only the scheduled check is recorded");

    let debug = serve.get("/probe?target=postgres15&debug=true");
    assert!(debug.body.contains("Verdict: Initial Load Only — postgres15"), "{}", debug.body);
    assert!(
        debug.body.contains("\nMetrics that would have been returned:\n# HELP probe_success"),
        "{}",
        debug.body
    );
    assert!(!debug.body.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn only_targets_of_the_configuration_are_probed() {
    let lab = two();
    let serve = ServeProcess::start(&lab, QUICK, &lab.config_toml());
    for query in ["", "?target=", "?target=127.0.0.1:5432", "?target=nobody", "?target=postgres15%00"] {
        let answer = serve.get(&format!("/probe{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert!(answer.body.contains("mariadb10_11, postgres15"), "{query}: {}", answer.body);
    }
    assert_eq!(serve.get("/api/v1/targets/nobody").status, 404);
    assert_eq!(serve.get("/targets/nobody").status, 404);
    assert_eq!(serve.get("/nowhere").status, 404);
}

#[test]
fn a_failed_probe_is_an_answer_within_the_time_that_is_given() {
    let lab = two();
    lab.instances()[0].stop();
    let tables = lab.config_toml() + &silent_target("silent");
    let serve = ServeProcess::start(&lab, HOURLY, &tables);
    let answer = serve.get("/probe?target=postgres15");
    assert_eq!((answer.status, answer.series("probe_success")), (200, Some(0.0)));
    assert_eq!(answer.series("pipeprobe_failure{target=\"postgres15\",code=\"NET_REFUSED\"}"), Some(1.0));
    assert_eq!(answer.series("probe_ssl_earliest_cert_expiry"), None);

    let short = [("X-Prometheus-Scrape-Timeout-Seconds", "1.5")];
    let answer = get(&serve.address, "/probe?target=silent", &short);
    assert_eq!((answer.status, answer.series("probe_success")), (200, Some(0.0)));
    assert_eq!(answer.series("probe_timeout_seconds"), Some(1.0));
    assert!(!answer.body.contains("pipeprobe_"), "the check has found nothing yet: {}", answer.body);
    let answer = serve.get("/probe?target=silent");
    assert_eq!(answer.series("pipeprobe_failure{target=\"silent\",code=\"DB_TIMED_OUT\"}"), Some(1.0));
    for wrong in ["soon", "-1", "NaN"] {
        let answer =
            get(&serve.address, "/probe?target=silent", &[("X-Prometheus-Scrape-Timeout-Seconds", wrong)]);
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
