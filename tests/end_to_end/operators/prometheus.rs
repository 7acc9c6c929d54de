//! A real Prometheus with the shipped files: it scrapes, and its alerts come and go with a database.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use lab::Tool;
use serde_json::Value;

use super::{example, find};
use crate::serve::{QUICK, ServeProcess, client::get, two, wait};

/// A running Prometheus. Dropped, it is ended.
struct Prometheus {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(program: &Path, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut child = Command::new(program)
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--web.listen-address=127.0.0.1:0",
            ])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            let address =
                line.contains("\"Listening on\"").then(|| line.rsplit_once("address=").unwrap().1.to_owned());
            said.push(line);
            address
        });
        // What it goes on to say must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap_or_else(|| panic!("{}", said.join("\n")));
        Self { child, address, _folder: folder }
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = get(&self.address, path, &[]);
        // It starts to listen a moment before it starts to answer.
        if answer.status == 200 { Ok(answer.json()["data"].clone()) } else { Err(answer.body) }
    }

    /// The values of an instant query, by one label.
    fn query(&self, expression: &str, label: &str) -> Result<Vec<(String, String)>, String> {
        let data = self.ask(&format!("/api/v1/query?query={}", encode(expression)))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = data["result"].as_array().unwrap().iter();
        let mut rows: Vec<_> =
            rows.map(|row| (text(&row["metric"][label]), text(&row["value"][1]))).collect();
        rows.sort();
        Ok(rows)
    }

    #[track_caller]
    fn says(&self, expression: &str, label: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        wait(expression, || {
            let found = self.query(expression, label)?;
            if found == expected {
                Ok(())
            } else {
                Err(format!("{found:?}, not {expected:?}: {}", self.troubles()))
            }
        });
    }

    /// Names and targets (or instances) of the alerts that fire.
    fn firing(&self) -> Result<Vec<(String, String)>, String> {
        let data = self.ask("/api/v1/alerts")?;
        let firing = data["alerts"].as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
        let mut firing: Vec<_> = firing
            .map(|alert| {
                let labels = &alert["labels"];
                let of = labels.get("target").unwrap_or(&labels["instance"]);
                (labels["alertname"].as_str().unwrap().to_owned(), of.as_str().unwrap_or_default().to_owned())
            })
            .collect();
        firing.sort();
        firing.dedup();
        Ok(firing)
    }

    #[track_caller]
    fn fires(&self, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        wait(&format!("{expected:?} fire"), || {
            let firing = self.firing()?;
            if firing == expected { Ok(()) } else { Err(format!("{firing:?}")) }
        });
    }

    /// What went wrong with its scrapes.
    fn troubles(&self) -> String {
        let Ok(data) = self.ask("/api/v1/targets") else { return String::new() };
        let targets = data["activeTargets"].as_array().unwrap().iter();
        targets.map(|t| format!("{} {}", t["scrapeUrl"], t["lastError"])).collect::<Vec<_>>().join(", ")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The shipped text with `from`, which must be in it, replaced.
#[track_caller]
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

/// As shipped, for the two targets, as fast as a test wants it.
fn of_both_jobs(address: &str) -> String {
    let metrics = with(&example("prometheus"), "127.0.0.1:9719", address);
    let probe = with(&example("prometheus-probe"), "127.0.0.1:9719", address);
    let probe = with(&probe, "[orders, billing]", "[mariadb10_11, postgres15]");
    let (_, jobs) = probe.split_once("scrape_configs:\n").unwrap();
    // No shorter timeout than what a check of a machine under load takes.
    let jobs = with(jobs, "metrics_path: /probe\n", "metrics_path: /probe\n    scrape_interval: 5s\n");
    let fast = with(&metrics, "scrape_interval: 30s", "scrape_interval: 1s");
    with(&fast, "evaluation_interval: 30s", "evaluation_interval: 1s") + &jobs
}

/// Every alert without its `for:`.
fn at_once(alerts: &str) -> String {
    let lines = alerts.lines().map(|line| match line.trim().starts_with("for: ") {
        true => "        for: 0s",
        false => line,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn alerts_come_when_a_database_stops_and_go_when_it_is_back() {
    let Some(program) = find(Tool::Prometheus) else { return };
    let lab = two();
    let serve = ServeProcess::start(&lab, QUICK, &lab.config_toml());
    let prometheus = Prometheus::start(
        &program,
        &[
            ("prometheus.yml", &of_both_jobs(&serve.address)),
            ("pipeprobe-alerts.yml", &at_once(&example("alerts"))),
        ],
    );
    // Every scrape is one that Prometheus could read.
    let address = serve.address.clone();
    prometheus.says("up{job='pipeprobe'}", "instance", &[(&address, "1")]);
    let both = [("mariadb10_11", "1"), ("postgres15", "1")];
    prometheus.says("up{job='pipeprobe-probe'}", "instance", &both);
    prometheus.says("probe_success", "instance", &both);
    prometheus.says("pipeprobe_healthy", "target", &both);
    let capability = "max by (target) (pipeprobe_capability{basis='server'})";
    prometheus.says(capability, "target", &[("mariadb10_11", "2"), ("postgres15", "1")]);
    prometheus.says("min(scrape_samples_scraped) > bool 10", "job", &[("", "1")]);
    prometheus.fires(&[]);

    let stopped = lab.instance(lab::ServerVersion::MariaDb10_11);
    stopped.stop();
    prometheus
        .fires(&[("PipeprobeProbeFailed", "mariadb10_11"), ("PipeprobeTargetUnhealthy", "mariadb10_11")]);
    let alerts = prometheus.ask("/api/v1/alerts").unwrap();
    let mut alerts = alerts["alerts"].as_array().unwrap().iter();
    let unhealthy = alerts.find(|a| a["labels"]["alertname"] == "PipeprobeTargetUnhealthy").unwrap();
    let words = unhealthy["annotations"]["description"].as_str().unwrap();
    assert!(words.contains("By its last check: NET_REFUSED"), "{words}");
    prometheus.says("pipeprobe_healthy", "target", &[("mariadb10_11", "0"), ("postgres15", "1")]);
    prometheus.says("probe_success", "instance", &[("mariadb10_11", "0"), ("postgres15", "1")]);

    stopped.start_again().unwrap();
    prometheus.fires(&[]);
    prometheus.says("pipeprobe_healthy", "target", &both);

    drop(serve);
    prometheus.says("up{job='pipeprobe'}", "instance", &[(&address, "0")]);
    prometheus.fires(&[("PipeprobeDown", &address)]);
}

#[test]
fn over_tls_and_with_a_user_it_is_let_in_by_the_shipped_files() {
    let Some(program) = find(Tool::Prometheus) else { return };
    let lab = two();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["pipeprobe.example.com".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let head = format!(
        "{QUICK}[serve]\ntls_certificate = '''{}'''\ntls_key = '''{}'''\n[serve.users]\nprometheus = '{}'\n",
        certificate.pem(),
        key.serialize_pem(),
        bcrypt::hash("sesame", 4).unwrap()
    );
    let serve = ServeProcess::start(&lab, &head, &lab.config_toml());
    let metrics =
        with(&example("prometheus-tls"), "\"pipeprobe.example.com:9719\"", &format!("\"{}\"", serve.address));
    let probe = with(&example("prometheus-probe-tls"), "pipeprobe.example.com:9719", &serve.address);
    let probe = with(&probe, "[orders, billing]", "[mariadb10_11, postgres15]");
    let (_, jobs) = probe.split_once("scrape_configs:\n").unwrap();
    let jobs = with(jobs, "metrics_path: /probe\n", "metrics_path: /probe\n    scrape_interval: 5s\n");
    let config = with(&metrics, "scrape_interval: 30s", "scrape_interval: 1s") + &jobs;
    let (pem, alerts) = (certificate.pem(), example("alerts"));
    let files = |password| {
        [
            ("prometheus.yml", config.as_str()),
            ("pipeprobe-alerts.yml", alerts.as_str()),
            ("pipeprobe-ca.pem", pem.as_str()),
            ("pipeprobe-password", password),
        ]
    };
    let prometheus = Prometheus::start(&program, &files("sesame"));
    prometheus.says("up{job='pipeprobe'}", "instance", &[(&serve.address, "1")]);
    prometheus.says("probe_success", "instance", &[("mariadb10_11", "1"), ("postgres15", "1")]);
    let wrong = Prometheus::start(&program, &files("barley"));
    wrong.says("up{job='pipeprobe'}", "instance", &[(&serve.address, "0")]);
    assert!(wrong.troubles().contains("401 Unauthorized"), "{}", wrong.troubles());
}

#[test]
fn promtool_accepts_the_metrics_in_the_older_format() {
    let Some(promtool) = find(Tool::Promtool) else { return };
    let lab = two();
    let serve = ServeProcess::start(&lab, QUICK, &lab.config_toml());
    serve.becomes("postgres15", "healthy");
    serve.becomes("mariadb10_11", "healthy");
    let plain = serve.get("/metrics");
    assert!(plain.head.contains("text/plain; version=0.0.4"), "{}", plain.head);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &plain.body).unwrap();
    let said = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(fs::File::open(file.path()).unwrap())
        .output()
        .unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&words));

    let open = get(&serve.address, "/metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")]);
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
}
