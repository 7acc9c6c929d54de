//! The files alone: what their own programs say of them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use lab::Tool;
use serde_json::Value;

use super::{content, documented, example, examples, find};

/// The page that says how to use the files.
const README: &str = include_str!("../../../src/ship/README.md");

#[test]
fn every_file_is_listed_and_the_page_says_how_to_use_it() {
    let names = examples();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(example(&name).lines().count() > 10, "{name}");
        assert!(README.contains(&format!("`{name}`")), "src/ship/README.md does not name {name}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ship");
    let shipped: BTreeSet<String> = examples().iter().map(|name| example(name)).collect();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            path.ends_with("README.md") || shipped.contains(&text),
            "{} is not printed by config example",
            path.display()
        );
    }
}

#[test]
fn prometheus_takes_every_scrape_configuration_and_the_rules() {
    let Some(promtool) = find(Tool::Promtool) else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("pipeprobe-alerts.yml", &example("alerts"));
    write("pipeprobe-ca.pem", &rcgen_certificate());
    write("pipeprobe-password", "sesame");
    for name in ["prometheus", "prometheus-tls", "prometheus-probe", "prometheus-probe-tls"] {
        write("prometheus.yml", &example(name));
        let words = content(&promtool, &["check", "config", "prometheus.yml"], folder.path());
        assert!(words.contains("1 rule files found"), "{name}: {words}");
    }
    content(
        &promtool,
        &["check", "rules", "--lint=all", "--lint-fatal", "pipeprobe-alerts.yml"],
        folder.path(),
    );
}

#[test]
fn zizmor_finds_nothing_in_the_workflow_and_its_command_is_one_of_pipeprobe() {
    let workflow = example("github-actions");
    // What runs in the container, as far as the plan is concerned.
    let (_, command) = workflow.split_once("\"$PIPEPROBE_IMAGE\" ").unwrap();
    assert_eq!(command.trim(), "check --terraform-plan -");
    let Some(zizmor) = find(Tool::Zizmor) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("clickpipes.yml"), &workflow).unwrap();
    content(&zizmor, &["--offline", "--no-config", "--persona=pedantic", "clickpipes.yml"], folder.path());
    // It would find something.
    let pinned = "checkout@11bd71901bbe5b1630ceea73d27597364c9af683";
    assert!(workflow.contains(pinned));
    fs::write(folder.path().join("clickpipes.yml"), workflow.replace(pinned, "checkout@v4")).unwrap();
    let arguments = ["--offline", "--no-config", "clickpipes.yml"];
    let output = Command::new(&zizmor).args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
}

fn rcgen_certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().pem()
}

#[test]
fn every_alert_fires_when_it_should_and_not_before() {
    let Some(promtool) = find(Tool::Promtool) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (alerts, tests) = (example("alerts"), include_str!("alerts.test.yml"));
    fs::write(folder.path().join("alerts.yml"), &alerts).unwrap();
    fs::write(folder.path().join("alerts.test.yml"), tests).unwrap();
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names.len(), 20);
    for name in &names {
        // A pattern may name two: Pipeprobe(Credentials|Token)Short, PipeprobeCert.*.
        let short = name.strip_prefix("Pipeprobe").unwrap();
        let short = short.strip_suffix("Short").unwrap_or(short);
        assert!(tests.contains(name) || tests.contains(short), "{name} has no test");
    }
    content(&promtool, &["test", "rules", "alerts.test.yml"], folder.path());
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() {
    let alerts = example("alerts");
    let mut names = BTreeSet::new();
    for alert in alerts.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        assert!(names.insert(name), "{name} twice");
        for part in ["for: ", "severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        documented::assert_metrics(name, alert);
    }
}

#[test]
fn the_dashboard_asks_only_what_there_is_and_of_the_source_that_is_chosen() {
    let dashboard: Value = serde_json::from_str(&example("dashboard")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut auth_request) = (BTreeSet::new(), Vec::new());
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another's");
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24 && at("h") > 0, "{title} is wider than the grid");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            auth_request.push((title, target["expr"].as_str().unwrap()));
        }
    }
    assert!(auth_request.len() > 20);
    // No two panels lie over one another.
    for (i, a) in panels.iter().enumerate() {
        for b in &panels[i + 1..] {
            let at = |panel: &Value, side: &str| panel["gridPos"][side].as_u64().unwrap();
            let apart = |from: &str, size: &str| {
                at(a, from) + at(a, size) <= at(b, from) || at(b, from) + at(b, size) <= at(a, from)
            };
            assert!(apart("x", "w") || apart("y", "h"), "{} lies over {}", a["title"], b["title"]);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let known: BTreeSet<&str> = variables.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(known, ["basis", "datasource", "job", "target"].into());
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        auth_request.push(("a variable", variable["definition"].as_str().unwrap()));
    }
    for (title, expression) in &auth_request {
        documented::assert_metrics(title, expression);
        for name in expression.split('$').skip(1) {
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // The group of label_replace, which Grafana leaves alone.
            assert!(known.contains(&*name) || ["__rate_interval", "1"].contains(&&*name), "{title}: ${name}");
        }
    }
    let Some(promtool) = find(Tool::Promtool) else { return };
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (i, (_, expression)) in auth_request.iter().filter(|(title, _)| *title != "a variable").enumerate() {
        let expression = expression.replace("$__rate_interval", "5m").replace("$basis", "server");
        rules += &format!("      - record: panel:{i}\n        expr: {}\n", Value::from(expression));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("panels.yml"), rules).unwrap();
    content(&promtool, &["check", "rules", "panels.yml"], folder.path());
}

#[test]
fn systemd_takes_the_unit_and_finds_it_confined() {
    let unit = example("systemd");
    let arguments = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/pipeprobe "));
    assert_eq!(arguments, Some("serve --config-file /etc/pipeprobe/pipeprobe.toml"));
    let Some(analyze) = find(Tool::SystemdAnalyze) else { return };
    let folder = tempfile::tempdir().unwrap();
    // It wants the program to be there.
    let unit = unit.replace("/usr/local/bin/pipeprobe", env!("CARGO_BIN_EXE_pipeprobe"));
    fs::write(folder.path().join("pipeprobe.service"), unit).unwrap();
    let words = content(&analyze, &["verify", "--man=no", "./pipeprobe.service"], folder.path());
    assert!(words.trim().is_empty(), "{words}");
    // Of 10; a service that confines nothing has 9.6.
    let confined = ["security", "--offline=yes", "--threshold=15", "--no-pager", "./pipeprobe.service"];
    content(&analyze, &confined, folder.path());
}

/// zizmor finds nothing in the release workflow, but finds it if the token has all permissions.
#[test]
fn the_release_workflow_passes_its_linter() {
    let Some(zizmor) = find(Tool::Zizmor) else { return };
    let arguments = ["--offline", "--pedantic", "--no-progress"];
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    content(&zizmor, &[&arguments[..], &[".github/workflows/release.yml"]].concat(), repository);
    let folder = tempfile::tempdir().unwrap();
    let workflow = fs::read_to_string(repository.join(".github/workflows/release.yml")).unwrap();
    let wide = workflow.replace("permissions: {}", "permissions: write-all");
    assert_ne!(wide, workflow);
    fs::write(folder.path().join("release.yml"), wide).unwrap();
    let output =
        Command::new(zizmor).args(arguments).arg("release.yml").current_dir(folder.path()).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
}
