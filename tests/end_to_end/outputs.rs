//! The outputs of `check` for CI and monitoring, read by the programs that they are for.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use lab::{Lab, ServerVersion};

use crate::support::{Run, shared, skipped};

const REFUSED_ROLE: &str = "arn:aws:iam::123456789012:role/of-another-database";

/// One target that meets its requirement and one that does not.
fn lab_with_a_refusing_role() -> Lab {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.aws().change(|world| world.roles.push(lab::access_role(REFUSED_ROLE, &["db-OTHER"])));
    lab
}

fn run(lab: &Lab, args: &[&str]) -> Output {
    Run::check(lab, args).other(lab.instance(ServerVersion::Postgres15), REFUSED_ROLE).output()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn reader(path: &str) -> Option<PathBuf> {
    let found = lab::reader(path);
    if found.is_none() {
        skipped(format!("what {path} says of our output: it could not be fetched"));
    }
    found
}

fn with_stdin(command: &mut Command, input: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn promtool_and_node_exporter_read_the_metrics() {
    let lab = lab_with_a_refusing_role();
    let output = run(&lab, &["-o", "prometheus", "--no-second-look"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let metrics = text(&output.stdout);
    for series in [
        "pipeprobe_capability{target=\"postgres15\",basis=\"guide\"} 1.0",
        "pipeprobe_success{target=\"postgres15\"} 1.0",
        "pipeprobe_capability{target=\"other\",basis=\"server\"} 0.0",
        "pipeprobe_success{target=\"other\"} 0.0",
        "pipeprobe_failure{target=\"other\",code=\"PG_TOKEN_REFUSED\"} 1.0",
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series}\n{metrics}");
    }

    if let Some(promtool) = reader("usr/bin/promtool") {
        let said = with_stdin(Command::new(promtool).args(["check", "metrics"]), &output.stdout);
        // promtool prints its advice on stderr and exits with 3.
        assert!(said.status.success(), "{}", text(&said.stderr));
        assert_eq!((text(&said.stdout), text(&said.stderr)), ("", ""));
    }

    let Some(program) = reader("usr/bin/prometheus-node-exporter") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeprobe.prom"), &output.stdout).unwrap();
    let exporter = NodeExporter::start(program, folder.path());
    let scraped = exporter.scrape();
    assert!(scraped.contains("node_textfile_scrape_error 0\n"), "{scraped}");
    // node_exporter sorts labels and writes integers without a decimal point.
    for series in [
        "pipeprobe_capability{basis=\"guide\",target=\"postgres15\"} 1\n",
        "pipeprobe_success{target=\"other\"} 0\n",
        "pipeprobe_failure{code=\"PG_TOKEN_REFUSED\",target=\"other\"} 1\n",
        "# TYPE pipeprobe_check_duration_seconds gauge\n",
    ] {
        assert!(scraped.contains(series), "{series}\n{scraped}");
    }
    let ours = metrics.lines().filter(|line| line.starts_with("pipeprobe_")).count();
    assert_eq!(scraped.lines().filter(|line| line.starts_with("pipeprobe_")).count(), ours);
}

struct NodeExporter {
    process: Child,
    address: String,
    /// Kept open while it runs: without a reader, its next log line would end it.
    _log: BufReader<ChildStderr>,
}

impl NodeExporter {
    fn start(program: PathBuf, textfiles: &std::path::Path) -> Self {
        let mut process = Command::new(program)
            .args([
                "--collector.disable-defaults",
                "--collector.textfile",
                "--web.listen-address=127.0.0.1:0",
            ])
            .arg(format!("--collector.textfile.directory={}", textfiles.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // ts=… msg="Listening on" address=127.0.0.1:34567
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut said = Vec::new();
        let address = log.by_ref().lines().map_while(Result::ok).find_map(|line| {
            said.push(line.clone());
            let (_, address) = line.split_once("Listening on")?.1.split_once("address=")?;
            Some(address.trim().to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("{said:#?}"));
        Self { process, address, _log: log }
    }

    fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints one line per suite: its name and the result of each case, as the library reads them.
const JUNITPARSER: &str = r#"
import sys
from junitparser import JUnitXml, Error, Failure, Skipped
for suite in JUnitXml.fromfile(sys.argv[1]):
    cases = list(suite)
    kinds = {kind.__name__: sum(1 for c in cases if any(isinstance(r, kind) for r in c.result)) for kind in (Failure, Skipped, Error)}
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (len(cases), kinds["Failure"], kinds["Skipped"], kinds["Error"])
    first = [r.message for c in cases for r in c.result if isinstance(r, (Failure, Error))]
    print(suite.name, kinds["Failure"], kinds["Error"], "|".join(first), sep="\t")
"#;

#[test]
fn junitparser_reads_one_suite_per_target() {
    let lab = lab_with_a_refusing_role();
    let parsed = |output: &Output| -> Option<Vec<Vec<String>>> {
        let packages = reader("usr/lib/python3/dist-packages")?;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &output.stdout).unwrap();
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", JUNITPARSER]).arg(file.path()).env("PYTHONPATH", packages);
        let said = python.output().unwrap();
        assert!(said.status.success(), "{}\n{}", text(&said.stderr), text(&output.stdout));
        Some(text(&said.stdout).lines().map(|l| l.split('\t').map(str::to_owned).collect()).collect())
    };

    let output = run(&lab, &["-o", "junit", "--no-second-look"]);
    assert_eq!(output.status.code(), Some(3));
    let Some(suites) = parsed(&output) else { return };
    assert_eq!(suites.len(), 2, "{suites:?}");
    let [other, postgres] = [&suites[0], &suites[1]];
    assert_eq!((other[0].as_str(), other[1].as_str(), other[2].as_str()), ("other", "2", "0"));
    assert!(other[3].contains("PAM authentication failed"), "{other:?}");
    assert!(other[3].contains("|Blocked: "), "{other:?}");
    // CDC is not required, so its failure does not fail CI, as with the exit code.
    assert_eq!((postgres[0].as_str(), postgres[1].as_str()), ("postgres15", "0"), "{postgres:?}");

    let green = run(&lab, &["-o", "junit", "postgres15"]);
    assert_eq!((green.status.code(), parsed(&green).unwrap()[0][1].as_str()), (Some(0), "0"));

    let refused = run(&lab, &["-o", "junit", "--basis", "maybe"]);
    assert_eq!(refused.status.code(), Some(2));
    let suites = parsed(&refused).unwrap();
    assert_eq!((suites[0][2].as_str(), suites.len()), ("1", 1), "{suites:?}");
    assert!(suites[0][3].starts_with("basis: "), "{suites:?}");
}

#[test]
fn nagios_gets_one_line_and_its_exit_codes() {
    let lab = lab_with_a_refusing_role();
    let nagios = |args: &[&str]| {
        let output = run(&lab, &[&["-o", "nagios", "--no-second-look"], args].concat());
        (output.status.code().unwrap(), text(&output.stdout).to_owned())
    };
    let (code, said) = nagios(&["postgres15"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("PIPEPROBE OK - postgres15: Initial Load Only, "), "{said}");
    let (code, said) = nagios(&["postgres15", "--fail-on", "warning"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("PIPEPROBE WARNING - postgres15: Initial Load Only, "), "{said}");
    let (code, said) = nagios(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.starts_with(
            "PIPEPROBE CRITICAL - 1 of 2 targets met, other: Blocked, not Initial Load Only, \
             AUTH_LOG_IN (PG_TOKEN_REFUSED) | 'other duration'="
        ),
        "{said}"
    );
    assert_eq!(said.lines().next().unwrap().matches('|').count(), 1, "{said}");
    let (code, said) = nagios(&["nobody"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.starts_with("PIPEPROBE UNKNOWN - "), "{said}");

    // A real plugin wrapper: the state in the text equals the exit code.
    let Some(negate) = reader("usr/lib/nagios/plugins/negate") else { return };
    let plugin = Run::check(&lab, &["-o", "nagios", "postgres15"]).spawnable();
    let mut wrapped = Command::new(negate);
    let wrapped =
        wrapped.args(["-s", "-o", "CRITICAL", "--"]).arg(plugin.get_program()).args(plugin.get_args());
    wrapped.env_clear().envs(plugin.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = wrapped.output().unwrap();
    assert_eq!(said.status.code(), Some(2), "{}", text(&said.stdout));
    assert!(text(&said.stdout).starts_with("PIPEPROBE CRITICAL - postgres15: Initial Load Only"));
}

#[test]
fn a_closed_stdout_changes_no_nagios_state() {
    let lab = shared();
    for (format, status) in [("nagios", 0), ("junit", 0), ("prometheus", 0)] {
        let run = Run::check(lab, &["postgres15", "-o", format]);
        let mut child = run.spawnable().stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(status), "{format}");
    }
}
