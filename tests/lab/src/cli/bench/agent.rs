//! The agent next to a direct connection and other relays: the same PostgreSQL, in turn, in the same rounds.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lab::{Instance, Lab};
use serde_json::{Value, json};

use super::load::median;
use crate::cli::process::usage;
use crate::cli::serve::free_address;
use crate::cli::setup;

const SCRIPT: &str = include_str!("agent.py");
/// In each round, for each contender.
const LOGINS: usize = 20;
const TRIPS: usize = 500;
const MEGABYTES: usize = 100;
/// Half of the round trip that is added for the slow network.
const DELAY: Duration = Duration::from_millis(10);
const IDLE: usize = 1_000;
const AT_ONCE: usize = 200;

/// Stopped when the value is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A way to the database: its name, and the connection string of a program that uses it.
struct Contender {
    name: &'static str,
    source: String,
}

pub(crate) fn run(lab: &Lab, instance: &Instance, rounds: usize, connects: usize) -> io::Result<()> {
    let Some(python) = lab::python() else {
        println!("\n## The agent: SKIPPED, Python's libraries are not there");
        return Ok(());
    };
    instance.restart_with(&[("max_connections", "1200")])?;
    let bench = Bench { lab, instance, python };
    let token = bench.token()?;
    let near = bench.agent("near", instance.address())?;
    let (haproxy, _haproxy) = bench.haproxy()?;
    let (socat, _socat) = bench.socat()?;
    let (pgbouncer, _pgbouncer) = bench.pgbouncer(&token)?;
    let direct = bench.direct(instance.address(), &token);
    let plain = |at: SocketAddr| bench.source(at, &format!("sslmode=disable password='{token}'"));
    let contenders = [
        Contender { name: "direct, TLS verified", source: direct },
        Contender { name: "pipeprobe agent", source: near.source.clone() },
        Contender { name: "haproxy, TLS to the server", source: plain(haproxy) },
        Contender { name: "socat, TLS of the client", source: bench.direct(socat, &token) },
        Contender { name: "pgbouncer, session pool", source: plain(pgbouncer) },
    ];
    println!(
        "\n## The agent: {rounds} rounds in turn, each {LOGINS} logins, {TRIPS} round trips, and {MEGABYTES} MB twice\n"
    );
    bench.table(&contenders, rounds, TRIPS)?;

    let far = Delayed::start(instance.address())?;
    let slow = bench.agent("far", far)?;
    let contenders = [
        Contender { name: "direct, TLS verified", source: bench.direct(far, &token) },
        Contender { name: "pipeprobe agent", source: slow.source.clone() },
    ];
    println!("\nThe same with {} ms more for each round trip to the server:\n", 2 * DELAY.as_millis());
    bench.table(&contenders, rounds, TRIPS / 10)?;
    drop(slow);
    bench.many(&near, connects)
}

/// A running agent with one socket.
struct Agent {
    process: Process,
    source: String,
}

struct Bench<'a> {
    lab: &'a Lab,
    instance: &'a Instance,
    python: PathBuf,
}

impl Bench<'_> {
    fn source(&self, at: SocketAddr, rest: &str) -> String {
        let (user, database) = (lab::USER, lab::DATABASE);
        format!(
            "host={} hostaddr={} port={} user={user} dbname={database} {rest}",
            self.instance.host,
            at.ip(),
            at.port()
        )
    }

    fn direct(&self, at: SocketAddr, token: &str) -> String {
        let root = self.lab.ca_pem();
        self.source(at, &format!("sslmode=verify-full sslrootcert={} password='{token}'", root.display()))
    }

    /// A configuration file with this database at another address.
    fn config(&self, name: &str, at: SocketAddr) -> io::Result<PathBuf> {
        let path = self.lab.dir().join(format!("agent-{name}.toml"));
        let table = self.lab.target_toml("db", self.instance, lab::ACCESS_ROLE);
        fs::write(&path, table.replace(&self.instance.address().to_string(), &at.to_string()))?;
        Ok(path)
    }

    fn token(&self) -> io::Result<String> {
        let config = self.config("token", self.instance.address())?;
        let output = setup::ask_pipeprobe(self.lab)?.args(["token", "db", "-c"]).arg(config).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
        }
    }

    fn agent(&self, name: &str, at: SocketAddr) -> io::Result<Agent> {
        let sockets = self.lab.dir().join(name);
        let mut command = setup::ask_pipeprobe(self.lab)?;
        command.args(["agent", "-c"]).arg(self.config(name, at)?).arg("--socket-dir").arg(&sockets);
        let process = self.start(command, name)?;
        let socket = sockets.join("db/.s.PGSQL.5432");
        wait(name, || socket.exists())?;
        let directory = sockets.join("db").display().to_string();
        let source = format!("host={directory} user={} dbname={}", lab::USER, lab::DATABASE);
        Ok(Agent { process, source })
    }

    fn haproxy(&self) -> io::Result<(SocketAddr, Process)> {
        let (at, config) = (free_address()?, self.lab.dir().join("haproxy.cfg"));
        // PostgreSQL 17 accepts TLS without an SSLRequest, if ALPN names it.
        let text = format!(
            "global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
             listen pg\n  bind {at}\n  server db {} ssl verify required ca-file {} sni str({host}) verifyhost {host} alpn postgresql\n",
            self.instance.address(),
            self.lab.ca_pem().display(),
            host = self.instance.host
        );
        fs::write(&config, text)?;
        let mut command = Command::new(lab::relay("haproxy")?);
        command.arg("-db").arg("-f").arg(config);
        Ok((at, self.listening(command, "haproxy", at)?))
    }

    fn socat(&self) -> io::Result<(SocketAddr, Process)> {
        let at = free_address()?;
        let mut command = Command::new(lab::relay("socat")?);
        command.arg(format!("TCP-LISTEN:{},bind=127.0.0.1,fork,reuseaddr,nodelay", at.port()));
        command.arg(format!("TCP:{},nodelay", self.instance.address()));
        Ok((at, self.listening(command, "socat", at)?))
    }

    /// It does not run as root.
    fn pgbouncer(&self, token: &str) -> io::Result<(SocketAddr, Process)> {
        let (at, config) = (free_address()?, self.lab.dir().join("pgbouncer.ini"));
        let server = self.instance.address();
        let text = format!(
            "[databases]\n{database} = host={} port={} user={user} password='{token}' dbname={database}\n\
             [pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nauth_type = any\npool_mode = session\nunix_socket_dir =\n\
             server_tls_sslmode = verify-ca\nserver_tls_ca_file = {}\nmax_client_conn = 2000\ndefault_pool_size = 50\n",
            server.ip(),
            server.port(),
            at.ip(),
            at.port(),
            self.lab.ca_pem().display(),
            user = lab::USER,
            database = lab::DATABASE,
        );
        fs::write(&config, text)?;
        let mut command = Command::new(lab::relay("pgbouncer")?);
        command.arg(config);
        if rustix::process::geteuid().is_root() {
            use std::os::unix::process::CommandExt;
            command.uid(65_534).gid(65_534); // nobody
        }
        Ok((at, self.listening(command, "pgbouncer", at)?))
    }

    fn start(&self, mut command: Command, name: &str) -> io::Result<Process> {
        let log = File::create(self.lab.dir().join(format!("{name}.log")))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Process(command.spawn()?))
    }

    fn listening(&self, command: Command, name: &str, at: SocketAddr) -> io::Result<Process> {
        let process = self.start(command, name)?;
        wait(name, || TcpStream::connect(at).is_ok())?;
        Ok(process)
    }

    fn program(&self, task: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(SCRIPT).args(task).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    fn ask(&self, task: &[&str], contenders: &[Contender]) -> io::Result<Value> {
        let mut child = self.program(task).spawn()?;
        let sources: Vec<_> =
            contenders.iter().map(|contender| json!([contender.name, contender.source])).collect();
        child
            .stdin
            .take()
            .ok_or(io::ErrorKind::BrokenPipe)?
            .write_all(json!(sources).to_string().as_bytes())?;
        let output = child.wait_with_output()?;
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout)?),
            false => Err(io::Error::other(format!("{}: {}", task[0], output.status))),
        }
    }

    fn table(&self, contenders: &[Contender], rounds: usize, trips: usize) -> io::Result<()> {
        let numbers = [rounds, LOGINS, trips, MEGABYTES].map(|number| number.to_string());
        let task = [&["compare"][..], &numbers.each_ref().map(String::as_str)].concat();
        let found = self.ask(&task, contenders)?;
        println!("| | login, ms: median, p99 | round trip, ms: median | COPY, MB/s | SELECT, MB/s |");
        println!("|---|---|---|---|---|");
        for contender in contenders {
            let of = &found[contender.name];
            let (login, trip) = (Figures::of(&of["login"]), Figures::of(&of["trip"]));
            let rate = |kind: &str| {
                let figures = Figures::of(&of[kind]);
                let rate = |milliseconds: f64| MEGABYTES as f64 / milliseconds * 1e3;
                format!(
                    "{:.0} ({:.0} to {:.0})",
                    rate(figures.median),
                    rate(figures.slowest),
                    rate(figures.fastest)
                )
            };
            println!(
                "| {} | {:.1} ({:.1} to {:.1}), {:.1} | {:.3} ({:.3} to {:.3}) | {} | {} |",
                contender.name,
                login.median,
                login.fastest,
                login.slowest,
                login.p99,
                trip.median,
                trip.fastest,
                trip.slowest,
                rate("copy"),
                rate("select")
            );
        }
        println!("\nIn brackets: the medians of the fastest and of the slowest round.");
        Ok(())
    }

    /// Many connections at once, one after the other, and idle.
    fn many(&self, agent: &Agent, connects: usize) -> io::Result<()> {
        let contender = || [Contender { name: "pipeprobe agent", source: agent.source.clone() }];
        let calls = || self.lab.aws().calls().iter().filter(|call| call.action == "AssumeRole").count();
        let before = calls();
        let took = self.ask(&["at_once", &AT_ONCE.to_string()], &contender())?;
        println!("\n| many connections through the agent | |\n|---|---|");
        println!(
            "| {AT_ONCE} at once, at 100 logins per second | {:.1} s, {} calls of STS |",
            took.as_f64().unwrap_or(f64::NAN) / 1e3,
            calls() - before
        );
        let pid = agent.process.0.id();
        let settled = || -> io::Result<_> {
            // A closed session ends in the agent a moment later.
            std::thread::sleep(Duration::from_secs(2));
            usage(pid)
        };
        let before = settled()?;
        let took = self.ask(&["one_by_one", &connects.to_string()], &contender())?;
        let after = settled()?;
        println!(
            "| {connects} logins, four at a time | {:.1} s; descriptors before and after: {} and {}; memory {:.1} and {:.1} MB |",
            took.as_f64().unwrap_or(f64::NAN) / 1e3,
            before.descriptors,
            after.descriptors,
            before.resident as f64 / 1e6,
            after.resident as f64 / 1e6
        );
        let mut child = Process(self.program(&["hold", &IDLE.to_string()]).spawn()?);
        let mut stdin = child.0.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{}", json!([["pipeprobe agent", agent.source]]))?;
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
        if line.trim() != IDLE.to_string() {
            return Err(io::Error::other(format!("{IDLE} idle sessions: {line}")));
        }
        let with_sessions = settled()?;
        let each = with_sessions.resident.saturating_sub(after.resident) / IDLE as u64;
        println!("| memory of an idle session, of {IDLE} | {:.1} KB |", each as f64 / 1e3);
        Ok(())
    }
}

/// Of one contender and one kind of work, in milliseconds.
struct Figures {
    median: f64,
    p99: f64,
    /// The medians of the rounds.
    fastest: f64,
    slowest: f64,
}

impl Figures {
    /// One list for each round.
    fn of(rounds: &Value) -> Self {
        let list = |value: &Value| -> Vec<f64> {
            value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let rounds: Vec<Vec<f64>> = rounds.as_array().into_iter().flatten().map(list).collect();
        let mut all = rounds.concat();
        all.sort_by(f64::total_cmp);
        let mut medians: Vec<f64> = rounds.into_iter().map(median).collect();
        medians.sort_by(f64::total_cmp);
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self {
            median: median(all.iter().copied()),
            p99: end(all.get((all.len() * 99).div_ceil(100).saturating_sub(1))),
            fastest: end(medians.first()),
            slowest: end(medians.last()),
        }
    }
}

fn wait(name: &str, is_ready: impl Fn() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_ready() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("{name} does not listen")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A relay that delivers bytes after a delay, in each direction. It ends with this process.
struct Delayed;

impl Delayed {
    fn start(server: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let at = listener.local_addr()?;
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let _ = Self::relay(client, server);
            }
        });
        Ok(at)
    }

    fn relay(client: TcpStream, server: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        Self::one_way(client.try_clone()?, server.try_clone()?);
        Self::one_way(server, client);
        Ok(())
    }

    fn one_way(mut from: TcpStream, mut to: TcpStream) {
        // Bounded by the size of the window that a network of this delay would need.
        let (send, receive) = mpsc::sync_channel::<(Instant, Vec<u8>)>(256);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                if send.send((Instant::now() + DELAY, buffer[..read].to_vec())).is_err() {
                    return;
                }
            }
        });
        std::thread::spawn(move || {
            for (due, bytes) in receive {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    return;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
