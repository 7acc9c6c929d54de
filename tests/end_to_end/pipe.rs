//! The pipe itself: real consumers hold replication slots and read binary logs while pipeprobe checks.

use lab::{Engine, Holder, Instance, Lab, ServerVersion};
use serde_json::Value;

use crate::serve::{QUICK, ServeProcess, wait};
use crate::support::{Answer, Run, server_versions, skipped, text};

const SLOT: &str = "peerflow_slot_orders";
const PUBLICATION: &str = "clickpipes_publication";

pub(crate) fn token(lab: &Lab, name: &str) -> String {
    let output = Run::check(lab, &[name]).command("token").output();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A consumer as the user of the guide; `None` without Python's libraries.
pub(crate) fn hold(lab: &Lab, server: &Instance, slot: &str) -> Option<Holder> {
    if lab::python().is_none() {
        skipped("a consumer that holds a slot: its libraries could not be installed");
        return None;
    }
    let token = token(lab, &server.name);
    Some(Holder::start(server, "clickpipes_iam_user", &token, slot, PUBLICATION).unwrap())
}

/// So many segments of 16 MB are written.
pub(crate) fn write_wal(server: &Instance, segments: usize) {
    let write = "SELECT pg_logical_emit_message(false, 'lab', 'x'); SELECT pg_switch_wal();\n";
    server.sql(&format!("{}CHECKPOINT;\n", write.repeat(segments))).unwrap();
}

pub(crate) fn create_slot(server: &Instance, slot: &str) {
    server.sql(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput');")).unwrap();
}

pub(crate) fn drop_slot(server: &Instance, slot: &str) {
    server.sql(&format!("SELECT pg_drop_replication_slot('{slot}');")).unwrap();
}

fn check(lab: &Lab, server: &Instance, more: &[&str]) -> Answer {
    Run::check(lab, &[&[&*server.name, "--basis", "server"], more].concat()).json()
}

fn row(answer: &Answer, code: &str) -> (String, String) {
    let row = answer.row(code);
    (text(&row["outcome"]).to_owned(), row["cause"].as_str().unwrap_or_default().to_owned())
}

fn is(outcome: &str, cause: &str) -> (String, String) {
    (outcome.to_owned(), cause.to_owned())
}

fn slot(answer: &Answer) -> &Value {
    let slots = answer.report()["measurements"]["slots"].as_array().unwrap();
    slots.first().unwrap_or_else(|| panic!("{:#}", answer.report()))
}

#[test]
fn the_slot_of_a_pipe_is_seen_from_its_creation_to_its_loss() {
    for version in server_versions().into_iter().filter(|version| version.engine() == Engine::Postgres) {
        let lab = Lab::start(&[version]).unwrap();
        a_life(&lab, lab.instance(version), version);
    }
}

fn a_life(lab: &Lab, server: &Instance, version: ServerVersion) {
    server.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    server
        .restart_with(&[
            ("max_replication_slots", "3"),
            ("max_slot_wal_keep_size", "64MB"),
            ("max_wal_senders", "2"),
        ])
        .unwrap();
    let before = check(lab, server, &[]);
    assert_eq!(row(&before, "PG_PIPE_SLOT"), is("pass", ""), "{version}");
    assert_eq!(before.report()["measurements"]["slots"], serde_json::json!([]));

    let elsewhere =
        server.sql_in("postgres", "SELECT pg_create_logical_replication_slot('taken', 'pgoutput');");
    elsewhere.unwrap();
    let taken = check(lab, server, &["--replication-slot-name", "taken"]);
    assert_eq!(row(&taken, "PG_PIPE_SLOT"), is("fail", "PG_SLOT_OTHER_DATABASE"), "{version}");
    assert!(text(&taken.row("PG_PIPE_SLOT")["found"]).contains("the database postgres"), "{version}");
    server.sql_in("postgres", "SELECT pg_drop_replication_slot('taken');").unwrap();

    create_slot(server, SLOT);
    let idle = check(lab, server, &[]);
    assert_eq!(row(&idle, "PG_PIPE_SLOT"), is("warn", "PG_SLOT_INACTIVE"), "{version}");
    assert_eq!(slot(&idle)["active"], false);

    // It runs, and uses the last slot and the last WAL sender.
    let Some(consumer) = hold(lab, server, SLOT) else { return };
    create_slot(server, "peerflow_slot_second");
    let Some(second) = hold(lab, server, "peerflow_slot_second") else { return };
    server.sql("SELECT pg_create_physical_replication_slot('other');").unwrap();
    let running = check(lab, server, &["--replication-slot-name", SLOT]);
    assert_eq!(row(&running, "PG_PIPE_SLOT"), is("pass", ""), "{version}");
    assert_eq!(row(&running, "PG_REPLICATION_SLOTS"), is("warn", "PG_NO_OTHER_SLOT"), "{version}");
    assert_eq!(row(&running, "PG_WAL_SENDERS"), is("warn", "PG_NO_OTHER_WAL_SENDER"), "{version}");
    assert_eq!(row(&running, "PG_IAM_REPLICATION"), is("pass", ""), "{version}");
    assert_eq!(running.report()["verdict"]["server"], "cdc", "{version}: {:#}", running.report()["verdict"]);
    let found = slot(&running);
    assert_eq!((&found["active"], &found["wal_status"]), (&true.into(), &"reserved".into()), "{found}");
    assert!(found["retained_bytes"].as_u64().unwrap() < 64 << 20, "{found}");
    assert!(found["safe_wal_bytes"].as_i64().unwrap() > 0, "{found}");
    drop(second);
    drop_slot_when_free(server, "peerflow_slot_second");

    // The consumer stops, and the server writes more than it may keep.
    drop(consumer);
    write_wal(server, 10);
    let lost = check(lab, server, &[]);
    assert_eq!(
        row(&lost, "PG_PIPE_SLOT"),
        is("fail", "PG_SLOT_LOST"),
        "{version}: {:#}",
        lost.row("PG_PIPE_SLOT")
    );
    assert_eq!(lost.report()["verdict"]["server"], "initial_load_only");
    assert!(text(&lost.row("PG_PIPE_SLOT")["remedy"]).starts_with("resync the pipe in ClickPipes"));
    assert_eq!(slot(&lost)["lost"], true);
    if version >= ServerVersion::Postgres17 {
        assert_eq!(slot(&lost)["invalidation_reason"], "wal_removed", "{version}");
    }

    drop_slot(server, SLOT);
    assert_eq!(check(lab, server, &[]).report()["verdict"]["server"], "cdc");

    if version >= ServerVersion::Postgres18 {
        server.set(&[("idle_replication_slot_timeout", "1s")]).unwrap();
        create_slot(server, SLOT);
        std::thread::sleep(std::time::Duration::from_millis(1500));
        server.sql("CHECKPOINT").unwrap();
        let lost = check(lab, server, &[]);
        assert_eq!(slot(&lost)["invalidation_reason"], "idle_timeout");
        let remedy = text(&lost.row("PG_PIPE_SLOT")["remedy"]);
        assert!(remedy.contains("set idle_replication_slot_timeout = 0"), "{remedy}");
    }
}

/// The server frees a slot some time after its consumer has gone.
pub(crate) fn drop_slot_when_free(server: &Instance, slot: &str) {
    let drop = format!("SELECT pg_drop_replication_slot('{slot}');");
    for _ in 0..100 {
        if server.sql(&drop).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.sql(&drop).unwrap();
}

/// The forecast of `serve` is compared with what the server does. The error is printed: it depends on the speed of this machine.
#[test]
fn the_forecast_comes_true() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let server = &lab.instances()[0];
    server.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    server.restart_with(&[("max_slot_wal_keep_size", "320MB")]).unwrap();
    create_slot(server, SLOT);
    let head = format!("{QUICK}full_interval = \"1s\"\n[serve]\nbasis = \"server\"\n");
    let serve = ServeProcess::start(&lab, &head, &lab.config_toml());
    serve.becomes(&server.name, "healthy");

    let start = std::time::Instant::now();
    let mut forecasts = Vec::new();
    let series = format!("pipeprobe_slot_lost_after_seconds{{target=\"{}\",slot=\"{SLOT}\"}}", server.name);
    let mut page = String::new();
    // A segment of 16 MB every half second.
    let lost_at = loop {
        write_wal(server, 1);
        let now = start.elapsed().as_secs_f64();
        if server.sql("SELECT wal_status FROM pg_replication_slots").unwrap().contains("lost") {
            break now;
        }
        if let Some(after) = serve.metric(&series) {
            forecasts.push((now, now + after));
            page = serve.get(&format!("/targets/{}", server.name)).body;
        }
        assert!(now < 120.0, "the slot is not lost");
        std::thread::sleep(std::time::Duration::from_millis(500));
    };
    assert!(page.contains("lost in about") && page.contains("(max_slot_wal_keep_size)"), "{page}");
    assert!(!forecasts.is_empty());
    for (at, expected) in &forecasts {
        eprintln!(
            "at {at:.1} s: lost at {expected:.1} s expected, {:+.1} s from {lost_at:.1} s",
            expected - lost_at
        );
    }
    let unhealthy = serve.becomes(&server.name, "unhealthy");
    assert_eq!(unhealthy["last"]["verdict"]["blocked_by"][0], "PG_PIPE_SLOT");

    // Someone drops the slot: it is missed, and not forgotten.
    drop_slot(server, SLOT);
    wait("the loss of the slot is named", || {
        let page = serve.get("/").body;
        if page.contains("PG_SLOT_GONE") { Ok(()) } else { Err(page) }
    });
    // After the resync, the pipe has another one.
    create_slot(server, "peerflow_slot_resync");
    serve.becomes(&server.name, "healthy");
}

/// A reader as the user of the guide; `None` without Python's libraries.
pub(crate) fn read_binlog(lab: &Lab, server: &Instance) -> Option<Holder> {
    if lab::python().is_none() {
        skipped("a reader of the binary log: its libraries could not be installed");
        return None;
    }
    Some(Holder::of_binlog(server, "clickpipes_iam_user", &token(lab, &server.name)).unwrap())
}

#[test]
fn the_reader_of_a_binary_log_is_seen_missed_and_lost() {
    for version in server_versions().into_iter().filter(|version| version.engine() != Engine::Postgres) {
        let lab = Lab::start(&[version]).unwrap();
        a_life_of_a_reader(&lab, lab.instance(version), version);
    }
}

fn a_life_of_a_reader(lab: &Lab, server: &Instance, version: ServerVersion) {
    let one = check(lab, server, &[]);
    assert_eq!(
        row(&one, "MYSQL_PIPE_READER"),
        is("pass", ""),
        "{version}: {:#}",
        one.row("MYSQL_PIPE_READER")
    );
    let binlog = &one.report()["measurements"]["binlog"];
    assert_eq!(binlog["readers"], 0, "{version}: {binlog:#}");
    assert!(binlog["retained_bytes"].as_u64().unwrap() > 0, "{version}: {binlog:#}");
    assert!(binlog["lost_after_seconds"].is_null(), "{version}: {binlog:#}");

    let head = format!("{QUICK}full_interval = \"1s\"\n[serve]\nbasis = \"server\"\n");
    let serve = ServeProcess::start(lab, &head, &lab.config_toml());
    serve.becomes(&server.name, "healthy");
    let metric = |name: &str| serve.metric(&format!("pipeprobe_{name}{{target=\"{}\"}}", server.name));
    let until = |what: &str, name: &str, expected: Option<f64>| {
        wait(what, || match metric(name) {
            found if found == expected => Ok(()),
            found => Err(format!("{version}: {name} is {found:?}")),
        });
    };
    until("no reader", "binlog_readers", Some(0.0));
    assert_eq!(metric("binlog_lost_after_seconds"), None, "{version}: no pipe was seen");

    let Some(reader) = read_binlog(lab, server) else { return };
    until("the reader", "binlog_readers", Some(1.0));
    until("the reader was sent everything", "binlog_readers_caught_up", Some(1.0));
    // The grants of the guide do not show how long RDS keeps the log.
    assert_eq!(metric("binlog_lost_after_seconds"), None, "{version}");
    server.sql("GRANT SELECT ON mysql.rds_configuration TO clickpipes_iam_user").unwrap();
    wait("a forecast", || metric("binlog_lost_after_seconds").ok_or_else(|| "none".to_owned()));
    // The lab keeps the binary log for 72 hours, as the guide says.
    assert_eq!(metric("binlog_lost_after_seconds"), Some(72.0 * 3600.0), "{version}");
    let page = serve.get(&format!("/targets/{}", server.name)).body;
    assert!(page.contains("could be disconnected for at least 3 d 0 h (binlog retention hours)"), "{page}");

    // It stops: a warning, and still healthy.
    drop(reader);
    until("the reader is missed", "binlog_readers", Some(0.0));
    let left = metric("binlog_lost_after_seconds").unwrap();
    assert!(left < 72.0 * 3600.0 && left > 71.0 * 3600.0, "{version}: {left}");
    let warning = format!("pipeprobe_warning{{target=\"{}\",code=\"MYSQL_PIPE_DISCONNECTED\"}}", server.name);
    wait("a warning", || serve.metric(&warning).ok_or_else(|| "none".to_owned()));
    until("nothing is lost", "binlog_lost", Some(0.0));
    serve.becomes(&server.name, "healthy");

    // What was purged had been read: nothing is lost, if GTIDs say so.
    server.sql("FLUSH BINARY LOGS").unwrap();
    // Two checks that miss it, before anything is written.
    let before = metric("last_check_timestamp_seconds").unwrap();
    wait("two checks", || match metric("last_check_timestamp_seconds").unwrap() - before {
        passed if passed > 3.0 => Ok(()),
        passed => Err(passed.to_string()),
    });
    server.purge_binary_logs().unwrap();
    wait("the oldest file", || match metric("binlog_files") {
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(metric("binlog_lost"), Some(0.0), "{version}");

    server
        .sql("CREATE TABLE app.written_while_away (id int PRIMARY KEY); DROP TABLE app.written_while_away")
        .unwrap();
    server.sql("FLUSH BINARY LOGS").unwrap();
    server.purge_binary_logs().unwrap();
    until("the pipe is lost", "binlog_lost", Some(1.0));
    let unhealthy = serve.becomes(&server.name, "unhealthy");
    assert_eq!(unhealthy["last"]["verdict"]["blocked_by"][0], "MYSQL_PIPE_READER", "{version}");
    assert!(serve.get("/").body.contains("MYSQL_PIPE_LOST"));

    // After the resync, the pipe reads again.
    let Some(_reader) = read_binlog(lab, server) else { return };
    serve.becomes(&server.name, "healthy");
    until("nothing is lost", "binlog_lost", Some(0.0));
}

/// What a running pipe gets no error for.
#[test]
fn tables_that_leave_the_publication_lose_their_key_or_are_dropped_are_noticed() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let server = &lab.instances()[0];
    server.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    let tables = ["left", "keyless", "dropped"].map(|name| format!("watched_{name}"));
    // That of the lab is FOR ALL TABLES.
    server
        .sql(&format!("DROP PUBLICATION {PUBLICATION}; CREATE PUBLICATION {PUBLICATION} FOR TABLE orders;"))
        .unwrap();
    for table in &tables {
        server
            .sql(&format!(
                "CREATE TABLE {table} (id int PRIMARY KEY); GRANT SELECT ON {table} TO clickpipes_iam_user;
                 ALTER PUBLICATION {PUBLICATION} ADD TABLE {table};"
            ))
            .unwrap();
    }
    create_slot(server, SLOT);
    let head = format!("{QUICK}full_interval = \"1s\"\n[serve]\nbasis = \"server\"\n");
    let serve = ServeProcess::start(&lab, &head, &lab.config_toml());
    serve.becomes(&server.name, "healthy");
    let found = || {
        let body = serve.get(&format!("/api/v1/targets/{}", server.name)).body;
        let entry: Value = serde_json::from_str(&body).unwrap();
        let rows = entry["last"]["checks"].as_array().unwrap();
        let row = rows.iter().find(|row| row["code"] == "PG_PIPE_TABLES").unwrap();
        (row["cause"].as_str().unwrap_or_default().to_owned(), text(&row["found"]).to_owned())
    };
    let until = |cause: &str, words: &str| {
        wait(words, || {
            let (is, found) = found();
            if is == cause && found.contains(words) { Ok(()) } else { Err(format!("{is}: {found}")) }
        });
    };
    until("", "4 published tables are as they were");
    server.sql("DROP TABLE watched_dropped;").unwrap();
    until("PG_TABLE_DROPPED", "no longer there: public.watched_dropped");
    server.sql("ALTER TABLE watched_keyless DROP CONSTRAINT watched_keyless_pkey;").unwrap();
    until("PG_TABLE_LOST_KEY", "without their replica identity: public.watched_keyless");
    server.sql(&format!("ALTER PUBLICATION {PUBLICATION} DROP TABLE watched_left;")).unwrap();
    until("PG_TABLE_UNPUBLISHED", "no longer published: public.watched_left (clickpipes_publication until ");

    // Put right again, but for the table that is gone.
    server
        .sql(&format!(
            "ALTER PUBLICATION {PUBLICATION} ADD TABLE watched_left; ALTER TABLE watched_keyless REPLICA IDENTITY FULL;"
        ))
        .unwrap();
    until("PG_TABLE_DROPPED", "no longer there: public.watched_dropped");
    serve.becomes(&server.name, "healthy");
}
