//! `serve` keeps running, answers and stops, whatever its configuration file and its log are connected to.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A target that cannot be reached, so that every check logs something.
const TARGET: &str = "[targets.a]\ntype = 'rdspostgres'\nhost = 'db.abc.eu-west-1.rds.amazonaws.com'\n\
     iam_role = 'arn:aws:iam::123456789012:role/r'\nconnect_to = '127.0.0.1:9'\ninterval = '1s'\n";

/// A running `serve` that does not outlive its test.
struct Serve(Child);

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(config: &Path, listen: SocketAddr, stderr: Stdio) -> Serve {
    let child = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(["serve", "--log-level", "trace", "--listen", &listen.to_string(), "-c"])
        .arg(config)
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "example")])
        .envs([("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"), ("AWS_CONFIG_FILE", "/dev/null")])
        .stderr(stderr)
        .spawn()
        .unwrap();
    Serve(child)
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until the health check answers.
fn wait_until_healthy(address: SocketAddr) {
    let healthy = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    let start = Instant::now();
    while !healthy().unwrap_or(false) {
        assert!(start.elapsed() < TIMEOUT, "the health check does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stop(mut serve: Serve) -> ExitStatus {
    kill_process(Pid::from_child(&serve.0), Signal::TERM).unwrap();
    ended(&mut serve)
}

fn ended(serve: &mut Serve) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = serve.0.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < TIMEOUT, "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_fifo_in_place_of_the_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pipeprobe.toml");
    make_fifo(&config);
    let log = folder.path().join("log");
    let mut serve = serve(&config, free_address(), Stdio::from(fs::File::create(&log).unwrap()));
    assert_eq!(ended(&mut serve).code(), Some(2));
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("not a regular file"), "{log}");
}

#[test]
fn a_reload_of_a_fifo_or_a_directory_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pipeprobe.toml");
    let log = folder.path().join("log");
    fs::write(&config, TARGET).unwrap();
    let address = free_address();
    let serve = serve(&config, address, Stdio::from(fs::File::create(&log).unwrap()));
    wait_until_healthy(address);
    fs::remove_file(&config).unwrap();
    for replace in [make_fifo as fn(&Path), |path| fs::create_dir(path).unwrap()] {
        replace(&config);
        let before = fs::read_to_string(&log).unwrap().matches("configuration not reloaded").count();
        kill_process(Pid::from_child(&serve.0), Signal::HUP).unwrap();
        let start = Instant::now();
        while fs::read_to_string(&log).unwrap().matches("configuration not reloaded").count() == before {
            assert!(start.elapsed() < TIMEOUT, "{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
        wait_until_healthy(address);
        fs::remove_file(&config).or_else(|_| fs::remove_dir(&config)).unwrap();
    }
    assert_eq!(stop(serve).code(), Some(0));
}

#[test]
fn a_log_that_is_not_read_blocks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pipeprobe.toml");
    fs::write(&config, TARGET).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // Fills the pipe, and then waits until the reader is closed.
    let filling = std::thread::spawn(move || while filler.write_all(b".").is_ok() {});
    std::thread::sleep(Duration::from_millis(500));
    let address = free_address();
    let serve = serve(&config, address, Stdio::from(writer));
    wait_until_healthy(address);
    std::thread::sleep(Duration::from_secs(2)); // a few checks
    wait_until_healthy(address);
    assert_eq!(stop(serve).code(), Some(0));
    drop(reader);
    filling.join().unwrap();
}

/// Resident memory, in MiB.
fn memory(serve: &Serve) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", serve.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// A running `serve` with one target, its address and its log.
fn with_log(folder: &Path) -> (Serve, SocketAddr, impl Fn() -> String) {
    let (config, log) = (folder.join("pipeprobe.toml"), folder.join("log"));
    fs::write(&config, TARGET).unwrap();
    let address = free_address();
    let serve = serve(&config, address, Stdio::from(fs::File::create(&log).unwrap()));
    wait_until_healthy(address);
    (serve, address, move || fs::read_to_string(&log).unwrap())
}

#[test]
fn three_thousand_signals_to_reload_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (serve, address, log) = with_log(folder.path());
    let signals = |count: usize| {
        for _ in 0..count {
            kill_process(Pid::from_child(&serve.0), Signal::HUP).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        wait_until_healthy(address);
    };
    signals(500);
    let before = memory(&serve);
    signals(2500);
    let (after, log) = (memory(&serve), log());
    assert!(after <= before + 8, "{before} MiB, then {after} MiB");
    // Signals that come during a reload are one more reload.
    let reloads = log.matches("configuration reloaded").count();
    assert!(reloads > 100, "{reloads}");
    assert!(!log.contains("configuration not reloaded"), "{log}");
    assert_eq!(stop(serve).code(), Some(0));
}

#[test]
fn three_thousand_clients_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (serve, address, _) = with_log(folder.path());
    let clients = |count: usize| {
        for client in 0..count {
            let path = ["/", "/metrics", "/targets/a", "/api/v1/targets", "/nothing"][client % 5];
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            // Some do not read the response.
            if client % 7 > 0 {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
            }
        }
    };
    clients(1000);
    let before = memory(&serve);
    clients(2000);
    let after = memory(&serve);
    assert!(after <= before + 8, "{before} MiB, then {after} MiB");
    wait_until_healthy(address);
    assert_eq!(stop(serve).code(), Some(0));
}

/// The file of the CA certificate is read once, and the configuration is read beside the daemon, which keeps answering.
#[test]
fn a_reload_of_ten_thousand_targets_delays_no_answer_and_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (serve, address, log) = with_log(folder.path());
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    // With comments, as in a bundle: 10,000 copies would be 2 GiB.
    fs::write(folder.path().join("ca.pem"), format!("{}\n{ca}", "# a comment\n".repeat(16_000))).unwrap();
    let mut config = "[defaults]\ntype = 'rdspostgres'\niam_role = 'arn:aws:iam::123456789012:role/r'\n\
        ca_certificate = 'ca.pem'\nconnect_to = '127.0.0.1:9'\ninterval = '1h'\nfull_interval = '1h'\n"
        .to_owned();
    for n in 0..10_000 {
        config += &format!("[targets.t{n}]\nhost = 't{n}.abc.eu-west-1.rds.amazonaws.com'\n");
    }
    fs::write(folder.path().join("pipeprobe.toml"), config).unwrap();
    kill_process(Pid::from_child(&serve.0), Signal::HUP).unwrap();
    let start = Instant::now();
    while !log().contains("configuration reloaded targets=10000") {
        assert!(start.elapsed() < 6 * TIMEOUT && !log().contains("configuration not reloaded"), "{}", log());
        let asked = Instant::now();
        wait_until_healthy(address);
        assert!(asked.elapsed() < Duration::from_secs(3), "no answer for {:?}", asked.elapsed());
    }
    let memory = memory(&serve);
    assert!(memory < 256, "{memory} MiB");
    assert_eq!(stop(serve).code(), Some(0));
}

#[test]
fn a_log_that_is_full_or_closed_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pipeprobe.toml");
    fs::write(&config, TARGET).unwrap();
    let address = free_address();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [Stdio::from(full), Stdio::from(closed)] {
        let serve = serve(&config, address, stderr);
        wait_until_healthy(address);
        std::thread::sleep(Duration::from_secs(2)); // a few checks
        wait_until_healthy(address);
        assert_eq!(stop(serve).code(), Some(0));
    }
}
