//! Comparison with common exporters: the same PostgreSQL, one after the other in the same run.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::{Instance, Lab};

use super::load::{self, Load, median};
use crate::cli::process::usage;
use crate::cli::serve::{Serve, by_target, free_address};
use crate::cli::{http, setup};

const AT_ONCE: [usize; 2] = [1, 8];
/// Targets of the run that measures light checks, each checked every second.
const LIGHT: usize = 40;

/// The program that is measured.
struct Contender {
    name: &'static str,
    address: SocketAddr,
    path: String,
    wanted: &'static str,
    pid: u32,
}

/// Stopped when the value is dropped.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(lab: &Lab, instance: &Instance, rounds: usize, long: Duration) -> io::Result<()> {
    let password = "of-the-lab";
    instance
        .sql(&format!("CREATE ROLE monitor LOGIN PASSWORD '{password}'; GRANT pg_monitor TO monitor;"))?;
    let at = instance.address();

    let blackbox = free_address()?;
    let modules = lab.dir().join("blackbox.yml");
    let (root, name) = (lab.ca_pem(), &instance.host);
    fs::write(
        &modules,
        format!(
            "modules:\n  tcp: {{prober: tcp, timeout: 5s}}\n  tls: {{prober: tcp, timeout: 5s, tcp: {{tls: true, \
             tls_config: {{ca_file: {}, server_name: {name}}}}}}}\n",
            root.display()
        ),
    )?;
    let mut command = Command::new(lab::exporter("prometheus-blackbox-exporter")?);
    command.arg(format!("--config.file={}", modules.display()));
    let blackbox_process = start(command, blackbox, &lab.dir().join("blackbox.log"))?;

    let exporter = free_address()?;
    let mut command = Command::new(lab::exporter("prometheus-postgres-exporter")?);
    let source =
        format!("postgresql://monitor:{password}@{at}/app?sslmode=verify-ca&sslrootcert={}", root.display());
    command.env("DATA_SOURCE_NAME", source);
    let exporter_process = start(command, exporter, &lab.dir().join("postgres_exporter.log"))?;

    let ours = free_address()?;
    let config = lab.dir().join("peers.toml");
    // The scheduled checks are rare here; each request runs a check.
    let head = |address: SocketAddr, interval| {
        format!(
            "[serve]\nlisten = \"{address}\"\nlogins_per_second = 200\n[defaults]\ninterval = \"{interval}\"\n\
             full_interval = \"24h\"\n\n"
        )
    };
    fs::write(&config, head(ours, "24h") + &lab.target_toml("db", instance, lab::ACCESS_ROLE))?;
    let serve =
        Serve::start(setup::ask_pipeprobe(lab)?, &config, ours, &lab.dir().join("peers.log"), |_| {})?;

    let contender = |name, address, path: &str, wanted, pid| Contender {
        name,
        address,
        path: path.to_owned(),
        wanted,
        pid,
    };
    let at = at.to_string();
    let contenders = [
        contender("pipeprobe, a full check", ours, "/probe?target=db", "probe_success 1", serve.pid()),
        contender("postgres_exporter, a scrape", exporter, "/metrics", "\npg_up 1", exporter_process.0.id()),
        contender(
            "blackbox_exporter, TCP and TLS",
            blackbox,
            &format!("/probe?module=tls&target={at}"),
            "probe_success 1",
            blackbox_process.0.id(),
        ),
        contender(
            "blackbox_exporter, TCP",
            blackbox,
            &format!("/probe?module=tcp&target={at}"),
            "probe_success 1",
            blackbox_process.0.id(),
        ),
    ];
    let mut seen: Vec<Vec<Vec<Load>>> = vec![vec![Vec::new(); AT_ONCE.len()]; contenders.len()];
    for round in 0..=rounds {
        for (c, contender) in contenders.iter().enumerate() {
            for (a, at_once) in AT_ONCE.into_iter().enumerate() {
                let asked = (contender.address, contender.path.as_str(), contender.wanted);
                let load = load::ask(asked, contender.pid, at_once, long)?;
                // The first round is a warm-up.
                if round > 0 {
                    seen[c][a].push(load);
                }
            }
        }
    }

    println!(
        "\n## Beside exporters: {rounds} rounds of {} s, medians; in brackets, ours divided by theirs\n",
        long.as_secs_f64()
    );
    println!("| | a second, one at a time | a second, eight at a time | CPU each, ms | memory, MiB |");
    println!("|---|---|---|---|---|");
    let row = |c: usize| -> io::Result<[f64; 4]> {
        let rate = |a: usize| median(seen[c][a].iter().map(|load| load.per_second));
        let cpu = median(seen[c].iter().flatten().map(|load| load.cpu.as_secs_f64() * 1e3));
        let memory = usage(contenders[c].pid)?.resident as f64 / (1024.0 * 1024.0);
        Ok([rate(0), rate(1), cpu, memory])
    };
    let base = row(0)?;
    for (c, contender) in contenders.iter().enumerate() {
        let row = row(c)?;
        let cell = |i: usize| {
            let precise = if row[i] < 10.0 { 2 } else { 0 };
            match c {
                0 => format!("{:.precise$}", row[i]),
                _ => format!("{:.precise$} ({:.2})", row[i], base[i] / row[i]),
            }
        };
        println!("| {} | {} | {} | {} | {} |", contender.name, cell(0), cell(1), cell(2), cell(3));
    }
    drop((serve, blackbox_process, exporter_process));
    light(lab, instance, &head, long * (2 * rounds) as u32)
}

/// Light checks are the scheduled checks of `serve`.
fn light(
    lab: &Lab,
    instance: &Instance,
    head: &dyn Fn(SocketAddr, &'static str) -> String,
    long: Duration,
) -> io::Result<()> {
    let (address, config) = (free_address()?, lab.dir().join("light.toml"));
    let tables: String =
        (0..LIGHT).map(|i| lab.target_toml(&format!("db{i}"), instance, lab::ACCESS_ROLE)).collect();
    fs::write(&config, head(address, "1s") + &tables)?;
    let serve =
        Serve::start(setup::ask_pipeprobe(lab)?, &config, address, &lab.dir().join("light.log"), |_| {})?;
    while http::get(address, "/-/ready")?.status != 200 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let checks = || -> io::Result<f64> {
        Ok(by_target(&serve.get("/metrics")?, "pipeprobe_checks_total").map(|(_, n)| n).sum())
    };
    std::thread::sleep(Duration::from_secs(2));
    let (checks_before, before, start) = (checks()?, serve.usage()?, Instant::now());
    std::thread::sleep(long);
    let (took, after) = (start.elapsed(), serve.usage()?);
    let text = serve.get("/metrics")?;
    let count = checks()? - checks_before;
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64() / count;
    let duration = median(by_target(&text, "pipeprobe_check_duration_seconds").map(|(_, seconds)| seconds));
    println!(
        "| pipeprobe, a light check ({LIGHT} targets every second) | {:.0} (1 / median duration) | {:.0} (as scheduled) | {:.2} | {:.0} |",
        1.0 / duration,
        count / took.as_secs_f64(),
        cpu * 1e3,
        after.resident as f64 / (1024.0 * 1024.0)
    );
    Ok(())
}

fn start(mut command: Command, address: SocketAddr, log: &Path) -> io::Result<Exporter> {
    let log = File::create(log)?;
    command.arg(format!("--web.listen-address={address}"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let exporter = Exporter(command.spawn()?);
    let deadline = Instant::now() + Duration::from_secs(30);
    while http::get(address, "/").is_err() {
        if Instant::now() > deadline {
            let program = command.get_program().to_string_lossy().into_owned();
            return Err(io::Error::other(format!("{program} does not answer")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(exporter)
}
