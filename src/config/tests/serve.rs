//! The settings of `serve`.

use super::*;

#[test]
fn serve_uses_sessions_of_an_hour_by_default() {
    assert_eq!(serve_table("").unwrap().targets[0].target.access.duration, Duration::from_hours(1));
    let short = serve_table("[defaults]\nduration = '20m'").unwrap();
    assert_eq!(short.targets[0].target.access.duration, Duration::from_mins(20));
}

#[test]
fn plain_http_beyond_loopback_must_be_turned_on() {
    let field =
        |table: &str| serve_table(table).map_err(|e| (e.first().field.clone(), e.first().found.clone()));
    assert!(field("[serve]\nlisten = '[::1]:9719'").is_ok());
    let refused = field("[serve]\nlisten = '0.0.0.0:9719'").unwrap_err();
    assert_eq!(refused, ("serve.listen".into(), "`0.0.0.0:9719` without a certificate and users".into()));
    assert!(field("[serve]\nlisten = '0.0.0.0:9719'\nplaintext_beyond_loopback = true").is_ok());
    let hash = bcrypt::hash("x", 4).unwrap();
    let users = format!("[serve]\nlisten = '0.0.0.0:9719'\n[serve.users]\nali = '{hash}'");
    assert_eq!(field(&users).unwrap_err().1, "`0.0.0.0:9719` without a certificate");
}

#[test]
fn host_names_are_a_list_and_letter_case_does_not_matter() {
    let names = |table: &str| serve_table(table).unwrap().web.host_names.into_iter().collect::<Vec<_>>();
    assert!(names("").is_empty());
    let table = "[serve]\nhost_names = ['Pipeprobe.Example.com', 'pipeprobe']";
    assert_eq!(names(table), ["pipeprobe", "pipeprobe.example.com"]);
}

#[test]
fn invalid_settings_of_serve_are_named_and_hashes_are_not_shown() {
    for (table, expected) in [
        ("listen = 'localhost:9719'", "listen"),
        ("timeout = '0s'", "timeout"),
        ("healthy_threshold = 0", "healthy_threshold"),
        ("history = 1000000", "history"),
        ("logins_per_second = 201", "logins_per_second"),
        ("basis = 'hopeful'", "basis"),
        ("require = 'all'", "require"),
        ("tls_key = 'server.key'", "tls_certificate"),
        ("host_names = ['https://pipeprobe.example.com']", "host_names"),
        ("host_names = ['pipeprobe.example.com:9719']", "host_names"),
        ("host_names = ['10.0.0.1']", "host_names"),
        ("host_names = ['*']", "host_names"),
        ("tls_certificate = 'no-such-file.pem'\ntls_key = '-----BEGIN PRIVATE KEY-----'", "tls_certificate"),
    ] {
        assert_eq!(
            serve_table(&format!("[serve]\n{table}")).unwrap_err().first().field,
            format!("serve.{expected}"),
            "{table}"
        );
    }
    assert_eq!(serve_table("[defaults]\ninterval = '10ms'").unwrap_err().first().field, "defaults.interval");
    let shorter = serve_table("[defaults]\ninterval = '1m'\nfull_interval = '30s'").unwrap_err();
    assert_eq!(shorter.first().field, "defaults.full_interval");
    let plain = serve_table("[serve.users]\nali = 'open sesame'").unwrap_err();
    assert_eq!(
        (plain.first().field.as_str(), plain.first().found.as_str()),
        ("serve.users.ali", "11 characters that are not a bcrypt hash (not shown)")
    );
    assert_eq!(read_serve(&[]).unwrap_err().first().field, "config_file");
}
