//! The sample file.

use super::*;

const SAMPLE: &str = include_str!("../sample.toml");

/// The sample with its placeholders replaced; `all`: with every commented field active.
fn sample(all: bool) -> String {
    let text = SAMPLE.replace("{ACCOUNT_ID}", "123456789012");
    let text = text.replace("{DB_IDENTIFIER}.{HASH}.{REGION}.rds.amazonaws.com", HOST);
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(field) if all && field.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
            format!("{field}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_sample_shows_every_field_with_its_default() {
    let keys =
        Fields::keys().chain(JudgeFields::KEYS.iter().copied()).chain(ServeFields::KEYS.iter().copied());
    for key in keys {
        let shown = ["", "# "].iter().any(|comment| SAMPLE.contains(&format!("\n{comment}{key} = ")));
        assert!(shown || SAMPLE.contains(&format!("[serve.{key}]")), "{key} is missing from the sample");
    }
    let path = Path::new("sample.toml");
    let full = file::read(path, &sample(true).replace("prometheus = ", "# ")).unwrap();
    let mut target = full.targets["orders"].fields.clone().over(full.defaults);
    // These have no default; the sample shows an example.
    target.target = TargetFields {
        via_roles: None,
        external_id: None,
        profile: None,
        sts_region: None,
        tls_host: None,
        ca_certificate: None,
        connect_to: None,
        sign_host: None,
        transitive_tags: None,
        ..target.target
    };
    target.pipe = PipeFields { replication_mode: target.pipe.replication_mode, ..PipeFields::default() };
    let mut shown = read_fields(target);
    shown.aws_diagnostics = None;
    let least = file::read(path, &sample(false)).unwrap();
    let default = read_fields(least.targets["orders"].fields.clone().over(least.defaults));
    assert_eq!(shown, default);

    let keep = |line: &&str| {
        let key = line.split(' ').next().unwrap_or_default();
        let shared = ["type", "host", "database", "iam_role", "replication_mode"];
        let serve = [
            "listen",
            "basis",
            "timeout",
            "healthy_threshold",
            "unhealthy_threshold",
            "history",
            "logins_per_second",
            "interval",
            "full_interval",
        ];
        line.starts_with('[') && !line.contains("users") || shared.contains(&key) || serve.contains(&key)
    };
    let settings = sample(true).lines().filter(keep).collect::<Vec<_>>().join("\n");
    let (settings, least) = (temporary(&settings), temporary(&sample(false)));
    let read = |path: &Path| read_serve(&["--config-file", path.to_str().unwrap()]).unwrap();
    assert_eq!(format!("{:?}", read(settings.path())), format!("{:?}", read(least.path())));
}

#[test]
fn the_placeholders_of_the_sample_are_refused() {
    let file = temporary(SAMPLE);
    let errors = read(&["--config-file", file.path().to_str().unwrap()]).unwrap_err();
    let fields: Vec<&str> = errors.all().iter().map(|invalid| invalid.field.as_str()).collect();
    assert_eq!(fields, ["targets.orders.host", "defaults.iam_role"]);
}

fn read_fields(fields: Fields) -> Target {
    let selected = select::Selected { name: Some("orders".into()), origin: None, fields, declared: None };
    target::read(selected, Needs::AccessRole, &Context::new(&|_| None)).unwrap()
}
