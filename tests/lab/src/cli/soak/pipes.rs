//! `cargo lab soak --pipes`: `pipeprobe serve` monitors one pipe on each server, while consumers hold real slots and positions. Each
//! event must be noticed with its cause, and nothing else.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lab::{Engine, Holder, Instance, Lab, ServerVersion, Standby};
use serde_json::Value;

use super::Failures;
use crate::cli::serve::{Serve, free_address, metric};
use crate::cli::setup;

const SLOT: &str = "peerflow_slot_orders";
const PUBLICATION: &str = "clickpipes_publication";
/// Seconds from one full check to the next.
const INTERVAL: u64 = 3;
/// Until an event is noticed, and until the target is as before again. A machine under load needs more than the interval.
const NOTICED: Duration = Duration::from_secs(40);
/// A target that fails is checked every fourth interval, and after a restart its consumer has to come back.
const RECOVERED: Duration = Duration::from_secs(90);

/// A code that a target has: of a check that failed, has a warning or is unknown.
type Code = (String, String);

/// What an event must cause, and what may come with it.
struct Expected {
    codes: &'static [&'static str],
    also: &'static [&'static str],
}

struct Soak<'a> {
    lab: &'a Lab,
    serve: &'a Serve,
    start: Instant,
    /// What the targets have while nothing happens.
    usual: BTreeSet<Code>,
    failures: Failures,
    /// Seconds from the end of the action until all its codes were there.
    latencies: Vec<f64>,
}

/// Forwards connections to an address that can change, as the name of a cluster does.
struct Switch {
    address: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
}

impl Switch {
    fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, to) = (listener.local_addr()?, Arc::new(Mutex::new(to)));
        let current = Arc::clone(&to);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let to = *current.lock().unwrap_or_else(PoisonError::into_inner);
                // Without a server the client sees a closed connection.
                let Ok(server) = TcpStream::connect(to) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { continue };
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Ok(Self { address, to })
    }

    fn turn(&self, to: SocketAddr) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

pub(super) fn run(long: Duration) -> io::Result<ExitCode> {
    if lab::python().is_none() {
        return Err(io::Error::other("the consumers need Python's libraries, which could not be installed"));
    }
    let versions: Vec<ServerVersion> =
        ServerVersion::all().into_iter().filter(|version| lab::obtain(*version).is_ok()).collect();
    let lab = Lab::start(&versions)?;
    let first = &lab.instances()[0];
    let switch = Switch::start(first.address())?;
    for server in lab.instances() {
        prepare(server)?;
    }
    let address = free_address()?;
    let config = lab.dir().join("pipes.toml");
    fs::write(&config, configuration(&lab, address, first, &switch))?;
    let log = lab::setup::target_folder()?.join("soak-pipes.log");
    let mut command = setup::ask_pipeprobe(&lab)?;
    command.args(["--log-format", "json"]);
    let serve = Serve::start(command, &config, address, &log, |_| {})?;
    println!("# one pipe on each of {} servers, checked every {INTERVAL} s", versions.len());
    println!("{:>6}  {:<70} {:>8}  found", "at s", "what happens", "noticed");

    let mut soak = Soak {
        lab: &lab,
        serve: &serve,
        start: Instant::now(),
        usual: BTreeSet::new(),
        failures: Failures::default(),
        latencies: Vec::new(),
    };
    soak.begin()?;
    let mut rounds = 0;
    while rounds == 0 || soak.start.elapsed() < long {
        for server in lab.instances() {
            match server.server_version.engine() {
                Engine::Postgres => soak.postgres(server)?,
                Engine::Mysql | Engine::MariaDb => soak.mysql(server)?,
            }
        }
        rounds += 1;
    }
    soak.failover(first, &switch)?;

    soak.latencies.sort_by(f64::total_cmp);
    let at =
        |part: usize| soak.latencies.get((soak.latencies.len() - 1) * part / 100).copied().unwrap_or(0.0);
    println!(
        "noticed  {} events in {rounds} rounds and {:.1} minutes: median {:.1} s, longest {:.1} s",
        soak.latencies.len(),
        soak.start.elapsed().as_secs_f64() / 60.0,
        at(50),
        at(100)
    );
    println!("kept     {}", log.display());
    let failures = soak.failures;
    let (_, succeeded) = serve.stop()?;
    let mut failures = failures;
    failures.unless(succeeded, || "it did not end in order after SIGTERM".to_owned());
    Ok(failures.end())
}

/// A publication of some tables, and grants that show everything that the user can read of the pipe.
fn prepare(server: &Instance) -> io::Result<()> {
    match server.server_version.engine() {
        Engine::Postgres => {
            server.restart_with(&[("max_slot_wal_keep_size", "256MB")])?;
            server.set(&[("rds.iam_auth_for_replication", "1")])?;
            server.sql(&format!(
                "CREATE TABLE payments (id int PRIMARY KEY); GRANT SELECT ON payments TO clickpipes_iam_user;
                 CREATE TABLE events (id int PRIMARY KEY); GRANT SELECT ON events TO clickpipes_iam_user;
                 DROP PUBLICATION {PUBLICATION};
                 CREATE PUBLICATION {PUBLICATION} FOR TABLE orders, payments, events;"
            ))?;
        }
        Engine::Mysql | Engine::MariaDb => {
            server.sql(
                "CREATE TABLE app.payments (id int PRIMARY KEY);
                 GRANT SELECT ON mysql.rds_configuration TO clickpipes_iam_user;",
            )?;
        }
    }
    Ok(())
}

fn configuration(lab: &Lab, address: SocketAddr, switched: &Instance, switch: &Switch) -> String {
    let mut text = format!(
        "[serve]\nlisten = \"{address}\"\nbasis = \"server\"\n\n[defaults]\ninterval = \"{INTERVAL}s\"\nfull_interval = \"{INTERVAL}s\"\n\n"
    );
    for server in lab.instances() {
        let table = lab.target_toml(&server.name, server, lab::ACCESS_ROLE);
        let table = match server.name == switched.name {
            true => table.replace(&server.address().to_string(), &switch.address.to_string()),
            false => table,
        };
        let _ = write!(text, "{}\nreplication_mode = \"cdc\"\n", table.trim_end());
        if server.server_version.engine() == Engine::Postgres {
            let _ = writeln!(text, "publication = \"{PUBLICATION}\"");
        }
        text.push('\n');
    }
    text
}

impl Soak<'_> {
    /// The codes of all targets, of their last check.
    fn found(&self) -> io::Result<BTreeSet<Code>> {
        let body = self.serve.get("/api/v1/targets")?;
        let document: Value = serde_json::from_str(&body).map_err(io::Error::other)?;
        let mut found = BTreeSet::new();
        for target in document["targets"].as_array().into_iter().flatten() {
            for check in target["last"]["checks"].as_array().into_iter().flatten() {
                let is_bad = matches!(check["outcome"].as_str(), Some("fail" | "warn" | "unknown"));
                if is_bad && check["applies"] != false {
                    let code = check["cause"].as_str().or(check["code"].as_str()).unwrap_or_default();
                    found.insert((target["name"].as_str().unwrap_or_default().to_owned(), code.to_owned()));
                }
            }
        }
        Ok(found)
    }

    fn token(&self, server: &Instance) -> io::Result<String> {
        let output = setup::ask_pipeprobe(self.lab)?
            .args(["token", "-c"])
            .arg(self.lab.dir().join("pipes.toml"))
            .arg(&server.name)
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
        }
    }

    /// A consumer as the user of the guide.
    fn consumer(&self, server: &Instance) -> io::Result<Holder> {
        let token = self.token(server)?;
        match server.server_version.engine() {
            Engine::Postgres => Holder::start(server, "clickpipes_iam_user", &token, SLOT, PUBLICATION),
            Engine::Mysql | Engine::MariaDb => Holder::of_binlog(server, "clickpipes_iam_user", &token),
        }
    }

    /// Starts a consumer, and waits until a check has seen it and everything is as usual.
    fn reading(&mut self, server: &Instance) -> io::Result<Holder> {
        let consumer = self.consumer(server)?;
        let series = match server.server_version.engine() {
            Engine::Postgres => {
                format!("pipeprobe_slot_active{{target=\"{}\",slot=\"{SLOT}\"}}", server.name)
            }
            Engine::Mysql | Engine::MariaDb => {
                format!("pipeprobe_binlog_readers{{target=\"{}\"}}", server.name)
            }
        };
        let deadline = Instant::now() + RECOVERED;
        while metric(&self.serve.get("/metrics")?, &series, "") != Some(1.0) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(300));
        }
        self.failures
            .unless(Instant::now() < deadline, || format!("{}: its consumer is not seen", server.name));
        self.undo(server, || Ok(()))?;
        Ok(consumer)
    }

    fn create_slot(&self, server: &Instance) -> io::Result<()> {
        let create = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput');");
        server.sql(&create).map(drop)
    }

    /// Waits for the first checks, and keeps what they find: the warnings of the lab's own tables and settings.
    fn begin(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + RECOVERED;
        while self.serve.get("/-/ready").is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("not every target was checked"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        self.usual = self.found()?;
        let usual: Vec<String> =
            self.usual.iter().map(|(target, code)| format!("{target}: {code}")).collect();
        println!("# while nothing happens: {}", usual.join(", "));
        Ok(())
    }

    /// Acts, and waits until the expected codes are there. Nothing else may appear, on any target.
    fn event(
        &mut self,
        server: &Instance,
        what: &str,
        expected: &Expected,
        act: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let at = self.start.elapsed().as_secs_f64();
        let before = self.found()?;
        act()?;
        let (acted, what) = (Instant::now(), format!("{}: {what}", server.name));
        let mut seen = BTreeSet::new();
        let is_there = |seen: &BTreeSet<Code>| {
            expected.codes.iter().all(|code| seen.contains(&(server.name.clone(), (*code).to_owned())))
        };
        while !is_there(&seen) && acted.elapsed() < NOTICED {
            std::thread::sleep(Duration::from_millis(200));
            seen.extend(self.found()?.difference(&self.usual).cloned());
        }
        let noticed = is_there(&seen).then(|| acted.elapsed().as_secs_f64());
        // Long enough for one more check of every target.
        std::thread::sleep(Duration::from_secs(INTERVAL + 1));
        seen.extend(self.found()?.difference(&self.usual).cloned());
        let invented: Vec<&Code> = seen
            .iter()
            .filter(|(target, code)| {
                let mut known = expected.codes.iter().chain(expected.also);
                match *target == server.name {
                    true => !known.any(|known| known == code),
                    false => !before.contains(&(target.clone(), code.clone())),
                }
            })
            .collect();
        let own = seen.iter().filter(|(target, _)| *target == server.name);
        let found: Vec<&str> = own.map(|(_, code)| code.as_str()).collect();
        let after = noticed.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
        println!("{at:>6.0}  {what:<70} {after:>8}  {}", found.join(", "));
        self.latencies.extend(noticed);
        self.failures
            .unless(noticed.is_some(), || format!("{what}: expected {:?}, found {seen:?}", expected.codes));
        self.failures.unless(invented.is_empty(), || {
            format!("{what}: nothing else was expected than {:?}: {invented:?}", expected.codes)
        });
        Ok(())
    }

    /// Undoes an event, and waits until everything is as before.
    fn undo(&mut self, server: &Instance, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        act()?;
        let acted = Instant::now();
        let mut left = BTreeSet::from([(server.name.clone(), "not looked at yet".to_owned())]);
        while !left.is_empty() && acted.elapsed() < RECOVERED {
            std::thread::sleep(Duration::from_millis(300));
            let found = self.found()?;
            left =
                found.difference(&self.usual).filter(|(target, _)| *target == server.name).cloned().collect();
        }
        self.failures.unless(left.is_empty(), || format!("{}: not as before: {left:?}", server.name));
        Ok(())
    }

    fn postgres(&mut self, server: &Instance) -> io::Result<()> {
        let sql = |script: &str| server.sql(script).map(drop);
        self.create_slot(server)?;
        let mut consumer = Some(self.reading(server)?);

        let inactive = Expected { codes: &["PG_SLOT_INACTIVE"], also: &[] };
        self.event(server, "the consumer stops", &inactive, || {
            consumer = None;
            Ok(())
        })?;
        let again = self.reading(server)?;

        let left_open = Expected { codes: &["PG_OPEN_TRANSACTION"], also: &[] };
        std::thread::scope(|threads| {
            let open = "BEGIN; INSERT INTO payments VALUES (1); SELECT pg_sleep(60); ROLLBACK;";
            let session = threads.spawn(move || server.sql(open));
            self.event(server, "a transaction is left open", &left_open, || Ok(()))?;
            // Its client fails then.
            sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()")?;
            drop(session.join());
            self.undo(server, || Ok(()))
        })?;

        let unpublished =
            Expected { codes: &["PG_TABLE_UNPUBLISHED"], also: &["PG_PUBLICATION_LACKS_TABLES"] };
        self.event(server, "a table leaves the publication", &unpublished, || {
            sql(&format!("ALTER PUBLICATION {PUBLICATION} DROP TABLE payments"))
        })?;
        self.undo(server, || sql(&format!("ALTER PUBLICATION {PUBLICATION} ADD TABLE payments")))?;

        let keyless = Expected {
            codes: &["PG_TABLE_LOST_KEY"],
            also: &["PG_NO_REPLICA_IDENTITY", "PG_PUBLICATION_BREAKS_WRITES", "DB_NO_ROW_KEY"],
        };
        self.event(server, "a primary key is dropped", &keyless, || {
            sql("ALTER TABLE payments DROP CONSTRAINT payments_pkey")
        })?;
        self.undo(server, || sql("ALTER TABLE payments ADD PRIMARY KEY (id)"))?;

        let unreadable = Expected { codes: &["DB_TABLES_UNREADABLE"], also: &[] };
        self.event(server, "SELECT is revoked", &unreadable, || {
            sql("REVOKE SELECT ON payments FROM clickpipes_iam_user")
        })?;
        self.undo(server, || sql("GRANT SELECT ON payments TO clickpipes_iam_user"))?;

        let down = Expected {
            codes: &["NET_REFUSED"],
            also: &["PG_SLOT_INACTIVE", "PG_NOT_READY", "DB_CLOSED", "DB_TIMED_OUT"],
        };
        if self.is_direct(server) {
            self.event(server, "the server stops", &down, || {
                server.stop();
                Ok(())
            })?;
            server.start_again()?;
        } else {
            server.stop();
            server.start_again()?;
        }
        drop(again);
        let again = self.reading(server)?;

        drop(again);
        self.fill_wal(server)?;
        sql(&format!("SELECT pg_drop_replication_slot('{SLOT}')"))?;
        // It is missed until the pipe has another one, as after a resync.
        sql("SELECT pg_create_logical_replication_slot('peerflow_slot_resync', 'pgoutput')")?;
        let gone = Expected { codes: &["PG_SLOT_INACTIVE"], also: &["PG_SLOT_GONE", "PG_SLOT_LOST"] };
        self.event(server, "the pipe is resynced, and its new slot is not read yet", &gone, || Ok(()))?;
        sql("SELECT pg_drop_replication_slot('peerflow_slot_resync')")?;
        self.create_slot(server)?;
        let reader = self.reading(server)?;
        drop(reader);
        self.drop_slot(server)
    }

    /// The next round begins without a slot. `serve` misses it until then.
    fn drop_slot(&mut self, server: &Instance) -> io::Result<()> {
        let drop_it = format!("SELECT pg_drop_replication_slot('{SLOT}')");
        let gone = Expected { codes: &["PG_SLOT_GONE"], also: &["PG_SLOT_INACTIVE"] };
        self.event(server, "the slot is dropped", &gone, || {
            let deadline = Instant::now() + NOTICED;
            while let Err(error) = server.sql(&drop_it) {
                if Instant::now() > deadline {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        })
    }

    /// Writes WAL steadily until the server gives up the slot, and compares the forecasts with that moment.
    fn fill_wal(&mut self, server: &Instance) -> io::Result<()> {
        let series =
            format!("pipeprobe_slot_lost_after_seconds{{target=\"{}\",slot=\"{SLOT}\"}}", server.name);
        let (start, mut forecasts) = (Instant::now(), Vec::new());
        let lost = Expected {
            codes: &["PG_SLOT_LOST"],
            also: &["PG_SLOT_INACTIVE", "PG_SLOT_UNRESERVED", "PG_SLOT_EXTENDED"],
        };
        let serve = self.serve;
        let mut lost_at = 0.0;
        self.event(server, "WAL is written until the slot is lost", &lost, || {
            loop {
                // A segment of 16 MB and a checkpoint a second.
                server.sql(
                    "SELECT pg_logical_emit_message(false, 'lab', 'x'); SELECT pg_switch_wal(); CHECKPOINT;",
                )?;
                let now = start.elapsed().as_secs_f64();
                let status = server.sql(&format!(
                    "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
                ))?;
                if status.trim() == "lost" {
                    lost_at = now;
                    return Ok(());
                }
                if now > 180.0 {
                    return Err(io::Error::other("the slot is not lost after three minutes"));
                }
                let text = serve.get("/metrics")?;
                if let Some(after) = metric(&text, &series, "") {
                    forecasts.push((now, now + after));
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        })?;
        let errors: Vec<f64> = forecasts.iter().map(|(_, expected)| expected - lost_at).collect();
        let last_half = &errors[errors.len() / 2..];
        let worst = last_half
            .iter()
            .copied()
            .fold(0.0, |worst: f64, error| if error.abs() > worst.abs() { error } else { worst });
        println!(
            "        {}: lost after {lost_at:.0} s; {} forecasts, the last one {:+.1} s off, the worst of the later half {worst:+.1} s",
            server.name,
            errors.len(),
            errors.last().copied().unwrap_or(f64::NAN),
        );
        self.failures.unless(!errors.is_empty(), || format!("{}: no forecast", server.name));
        Ok(())
    }

    fn mysql(&mut self, server: &Instance) -> io::Result<()> {
        let sql = |script: &str| server.sql(script).map(drop);
        let mut reader = Some(self.reading(server)?);

        let missed = Expected { codes: &["MYSQL_PIPE_DISCONNECTED"], also: &[] };
        self.event(server, "the reader stops", &missed, || {
            reader = None;
            Ok(())
        })?;
        let mut reader = Some(self.reading(server)?);

        let short = Expected { codes: &["MYSQL_RETENTION_SHORT"], also: &[] };
        self.event(server, "the retention is shortened to one hour", &short, || {
            sql("CALL mysql.rds_set_configuration('binlog retention hours', 1)")
        })?;
        self.undo(server, || sql("CALL mysql.rds_set_configuration('binlog retention hours', 72)"))?;

        let unreadable = Expected {
            codes: &["MYSQL_NO_REPLICATION_CLIENT"],
            also: &[
                "MYSQL_NO_BINLOG_POSITION",
                "MYSQL_UNANSWERED",
                "MYSQL_NO_REPLICATION_SLAVE",
                "MYSQL_BINLOG_STREAM_REFUSED",
                "MYSQL_NO_REPLICA_MONITOR",
            ],
        };
        self.event(server, "REPLICATION CLIENT is revoked", &unreadable, || {
            sql("REVOKE REPLICATION CLIENT ON *.* FROM 'clickpipes_iam_user'@'%'")
        })?;
        self.undo(server, || sql("GRANT REPLICATION CLIENT ON *.* TO 'clickpipes_iam_user'@'%'"))?;

        let down = Expected { codes: &["NET_REFUSED"], also: &["MYSQL_PIPE_DISCONNECTED", "DB_CLOSED"] };
        self.event(server, "the server stops", &down, || {
            server.stop();
            reader = None;
            Ok(())
        })?;
        server.start_again()?;
        let mut reader = Some(self.reading(server)?);

        let lost = Expected { codes: &["MYSQL_PIPE_LOST"], also: &["MYSQL_PIPE_DISCONNECTED"] };
        self.event(server, "the reader stops", &missed, || {
            reader = None;
            Ok(())
        })?;
        self.event(server, "the binary log that it had not read is purged", &lost, || {
            sql("INSERT INTO app.payments VALUES (1); DELETE FROM app.payments; FLUSH BINARY LOGS;")?;
            server.purge_binary_logs()
        })?;
        let reader = self.reading(server)?;
        drop(reader);
        let missed_again = Expected { codes: &["MYSQL_PIPE_DISCONNECTED"], also: &[] };
        self.event(server, "the reader stops", &missed_again, || Ok(()))
    }

    /// Whether the target connects to the server itself.
    fn is_direct(&self, server: &Instance) -> bool {
        server.name != self.lab.instances()[0].name
    }

    /// The endpoint leads to the promoted standby, which has no slot.
    fn failover(&mut self, primary: &Instance, switch: &Switch) -> io::Result<()> {
        self.create_slot(primary)?;
        let reader = self.reading(primary)?;
        let standby: Standby<'_> = self.lab.standby(primary)?;
        let (lab, gone) = (
            self.lab,
            Expected { codes: &["PG_SLOT_GONE"], also: &["PG_SLOT_INACTIVE", "PG_NOT_READY", "DB_CLOSED"] },
        );
        self.event(primary, "fails over to its standby, which has no slot", &gone, || {
            drop(reader);
            lab.fail_over(&standby)?;
            switch.turn(standby.address());
            Ok(())
        })?;
        let resynced = Expected { codes: &["PG_SLOT_INACTIVE"], also: &["PG_SLOT_GONE"] };
        self.event(primary, "the pipe is resynced, and its new slot is not read yet", &resynced, || {
            let create = "SELECT pg_create_logical_replication_slot('peerflow_slot_resync', 'pgoutput')";
            standby.sql(create).map(drop)
        })
    }
}
