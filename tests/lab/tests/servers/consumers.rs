//! What a real consumer can read from a server and from its standby, and why not.

use lab::{
    ACCESS_ROLE, Changes, Consumer, Copied, Engine, Followed, Instance, Lab, ServerVersion, Standby, USER,
};

use super::client::{Link, ask};
use super::sign::token;
use super::{assert_nothing_left, keys, skip};

/// One transaction, so that a failing script leaves nothing for the next consumer.
const CHANGE: &str = "BEGIN;
INSERT INTO orders (customer, amount) VALUES ('Barbara', 1.00);
UPDATE orders SET amount = 2.00 WHERE customer = 'Barbara';
DELETE FROM orders WHERE customer = 'Barbara';
COMMIT;
";

const COLUMNS: [&str; 4] = ["id", "customer", "amount", "placed_at"];

#[test]
fn postgres15() {
    on(ServerVersion::Postgres15, postgres);
}

#[test]
fn postgres17() {
    on(ServerVersion::Postgres17, postgres);
}

#[test]
fn postgres18() {
    on(ServerVersion::Postgres18, postgres);
}

#[test]
fn mariadb10_11() {
    on(ServerVersion::MariaDb10_11, mysql);
}

#[test]
fn mariadb11_8() {
    on(ServerVersion::MariaDb11_8, mysql);
}

#[test]
fn mysql9_7() {
    on(ServerVersion::Mysql9_7, mysql);
}

/// A server with tables to read, directly or on a standby.
struct Reader<'a> {
    lab: &'a Lab,
    server: &'a Instance,
    changes: Changes<'a>,
}

fn on(server_version: ServerVersion, engine: fn(&Reader<'_>, &Standby<'_>)) {
    if let Err(skipped) = lab::obtain(server_version) {
        assert!(!server_version.is_always_there(), "{skipped}");
        skip(&skipped.to_string());
        return;
    }
    let lab = Lab::start(&[server_version]).unwrap();
    let server = lab.instance(server_version);
    let standby = lab.standby(server).unwrap();
    it_follows(&lab, server, &standby);
    if lab::python().is_some() {
        let publication = (server_version.engine() == Engine::Postgres).then_some("clickpipes_publication");
        let changes = Changes { publication, writer: server, script: CHANGE };
        let reader = Reader { lab: &lab, server, changes };
        tables_are_copied(&reader, server);
        tables_are_copied(&reader, &standby);
        engine(&reader, &standby);
    } else {
        skip("consumers: no Python libraries in the cache; `cargo lab setup` says why");
    }
    drop(standby);
    let folder = lab.dir().to_owned();
    drop(lab);
    assert_nothing_left(&folder);
}

fn it_follows(lab: &Lab, server: &Instance, standby: &Standby<'_>) {
    assert_ne!((server.port, &server.host), (standby.port, &standby.host));
    let token = token(&keys(lab), &standby.host, standby.port, USER);
    for (script, rows) in [
        ("", "3"),
        ("INSERT INTO orders (customer, amount) VALUES ('Frances', 1.00)", "4"),
        ("DELETE FROM orders WHERE customer = 'Frances'", "3"),
    ] {
        server.sql(script).unwrap();
        standby.catch_up().unwrap();
        let count = ask(lab, standby, Link::Verified, &token, "SELECT count(*) FROM orders");
        assert_eq!(count, Ok(rows.into()));
    }
    assert!(lab.target_toml("standby", standby, ACCESS_ROLE).contains(&standby.host));
}

fn tables_are_copied(reader: &Reader<'_>, instance: &Instance) {
    let tables = [reader.table()];
    let consumer = Consumer { instance, user: USER, tables: &tables };
    let copied = consumer.snapshot(&reader.token(instance)).unwrap();
    let columns = COLUMNS.map(str::to_owned).to_vec();
    assert_eq!(copied, Ok(vec![Copied { table: tables[0].to_owned(), columns, rows: 3 }]));

    // A token for another endpoint.
    let elsewhere = token(&keys(reader.lab), &instance.host, 1, USER);
    let why = consumer.snapshot(&elsewhere).unwrap().unwrap_err();
    assert!(why.contains("authentication failed") || why.ends_with("(1045)"), "{why}");
}

fn postgres(reader: &Reader<'_>, standby: &Standby<'_>) {
    let server = reader.server;
    reader.is_refused(server, "PAM authentication failed for user \"clickpipes_iam_user\"");
    for instance in [server, standby] {
        instance.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    }
    reader.is_followed(server);

    let own = Reader { changes: Changes { publication: None, ..reader.changes }, ..*reader };
    own.is_refused(server, "permission denied for database app (42501)");
    server
        .sql("ALTER TABLE orders OWNER TO clickpipes_iam_user; GRANT CREATE ON DATABASE app TO clickpipes_iam_user")
        .unwrap();
    own.is_followed(server);
    partitions_count_as_their_table(reader);
    let left = "SELECT pubname FROM pg_publication; SELECT slot_name FROM pg_replication_slots";
    assert_eq!(server.sql(left).unwrap().trim(), "clickpipes_publication");

    server.sql("ALTER TABLE orders REPLICA IDENTITY NOTHING").unwrap();
    reader.is_refused(server, "does not have a replica identity");
    server.sql("ALTER TABLE orders REPLICA IDENTITY DEFAULT").unwrap();
    server.sql("ALTER PUBLICATION clickpipes_publication SET (publish = 'insert, update')").unwrap();
    reader.is_refused(server, "the stream did not bring: deletes of public.orders");
    server.sql("ALTER PUBLICATION clickpipes_publication SET (publish = 'insert, update, delete')").unwrap();

    standby.catch_up().unwrap();
    reader.is_refused(standby, "hot_standby_feedback must be on");
    standby.set(&[("hot_standby_feedback", "on")]).unwrap();
    match server.server_version {
        ServerVersion::Postgres15 => reader.is_refused(standby, "cannot be used while in recovery (0A000)"),
        _ => reader.is_followed(standby),
    }
    own.is_refused(standby, "cannot execute CREATE PUBLICATION in a read-only transaction (25006)");

    let why = server.set(&[("wal_level", "replica")]).unwrap_err().to_string();
    assert!(why.starts_with("wal_level is still logical"), "{why}");
    server.restart_with(&[("wal_level", "replica")]).unwrap();
    reader.is_refused(server, "logical decoding requires");

    standby.stop();
    server.sql("DELETE FROM orders").unwrap();
    standby.start_again().unwrap();
    standby.catch_up().unwrap();
    assert_eq!(standby.sql("SELECT count(*) FROM orders").unwrap().trim(), "0");
}

/// Whether the publication names them or their root.
fn partitions_count_as_their_table(reader: &Reader<'_>) {
    let server = reader.server;
    server
        .sql(
            "CREATE TABLE parted (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
             CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
             ALTER TABLE parted OWNER TO clickpipes_iam_user;",
        )
        .unwrap();
    let tables = ["public.parted", "public.orders"];
    let consumer = Consumer { instance: server, user: USER, tables: &tables };
    let script = format!(
        "{CHANGE} INSERT INTO parted VALUES (1, ''); UPDATE parted SET note = 'x'; DELETE FROM parted;"
    );
    for publication in [reader.changes.publication, None] {
        let changes = Changes { publication, script: &script, ..reader.changes };
        let followed = consumer.changes(&reader.token(server), &changes).unwrap().unwrap();
        let seen =
            followed.iter().map(|t| (t.table.as_str(), t.columns.len(), t.inserts, t.updates, t.deletes));
        assert_eq!(seen.collect::<Vec<_>>(), [(tables[0], 2, 1, 1, 1), (tables[1], 4, 1, 1, 1)]);
    }
}

fn mysql(reader: &Reader<'_>, standby: &Standby<'_>) {
    let server = reader.server;
    reader.is_followed(server);
    for (name, bad, good, why) in [
        (
            "binlog_format",
            "STATEMENT",
            "ROW",
            "did not bring: inserts of app.orders, updates of app.orders, deletes of",
        ),
        ("binlog_row_image", "MINIMAL", "FULL", "the binlog holds only a part of a row of app.orders"),
        ("binlog_row_metadata", "MINIMAL", "FULL", "the binlog does not name the columns of app.orders"),
        ("binlog_expire_logs_seconds", "3600", "0", "must be 0 or at least 86400, currently 3600"),
    ] {
        server.set(&[(name, bad)]).unwrap();
        reader.is_refused(server, why);
        server.set(&[(name, good)]).unwrap();
    }

    // As on RDS, it is NULL until it is set.
    server.sql("GRANT SELECT ON mysql.rds_configuration TO clickpipes_iam_user").unwrap();
    server.sql("CALL mysql.rds_set_configuration('binlog retention hours', NULL)").unwrap();
    reader.is_refused(server, "binlog retention hours should be at least 24, currently unset");
    server.sql("CALL mysql.rds_set_configuration('binlog retention hours', 24)").unwrap();
    reader.is_followed(server);

    if server.server_version.engine() == Engine::MariaDb {
        server.sql("ALTER TABLE orders MODIFY customer varchar(100) COMPRESSED NOT NULL").unwrap();
        reader.is_refused(server, "app.orders has COMPRESSED columns");
        server.sql("ALTER TABLE orders MODIFY customer varchar(100) NOT NULL").unwrap();
        without(reader, "REPLICA MONITOR", "SLAVE MONITOR privilege(s) for this operation (1227)");
    }
    without(reader, "REPLICATION CLIENT", "privilege(s) for this operation (1227)");
    without(
        reader,
        "REPLICATION SLAVE",
        "Access denied for user 'clickpipes_iam_user'@'%' (using password: YES) (1045)",
    );

    standby.catch_up().unwrap();
    if server.server_version.engine() == Engine::MariaDb {
        reader.is_refused(standby, "log_slave_updates must be enabled");
        standby.restart_with(&[("log_slave_updates", "ON")]).unwrap();
        reader.is_followed(standby);
    } else {
        reader.is_followed(standby);
        standby.restart_with(&[("log_replica_updates", "OFF")]).unwrap();
        standby.catch_up().unwrap();
        reader.is_refused(standby, "log_replica_updates must be enabled");
    }

    if server.server_version.engine() == Engine::Mysql {
        // File and position work too.
        let steps = ["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"];
        server.set(&steps.map(|step| ("gtid_mode", step))).unwrap();
        reader.is_followed(server);
    }
    server.restart_with(&[("skip-log-bin", "")]).unwrap();
    reader.is_refused(server, "no binary log position; binary logging may be disabled");
}

/// Revokes the privilege temporarily.
fn without(reader: &Reader<'_>, privilege: &str, why: &str) {
    reader.server.sql(&format!("REVOKE {privilege} ON *.* FROM clickpipes_iam_user")).unwrap();
    reader.is_refused(reader.server, why);
    reader.server.sql(&format!("GRANT {privilege} ON *.* TO clickpipes_iam_user")).unwrap();
}

impl Reader<'_> {
    fn table(&self) -> &'static str {
        match self.server.server_version.engine() {
            Engine::Postgres => "public.orders",
            Engine::Mysql | Engine::MariaDb => "app.orders",
        }
    }

    fn token(&self, instance: &Instance) -> String {
        token(&keys(self.lab), &instance.host, instance.port, USER)
    }

    fn follow(&self, instance: &Instance) -> Result<Vec<Followed>, String> {
        let consumer = Consumer { instance, user: USER, tables: &[self.table()] };
        consumer.changes(&self.token(instance), &self.changes).unwrap()
    }

    #[track_caller]
    fn is_followed(&self, instance: &Instance) {
        let columns = COLUMNS.map(str::to_owned).to_vec();
        let table = self.table().to_owned();
        let seen = Followed { table, columns, inserts: 1, updates: 1, deletes: 1 };
        assert_eq!(self.follow(instance), Ok(vec![seen]));
    }

    #[track_caller]
    fn is_refused(&self, instance: &Instance, words: &str) {
        let why = self.follow(instance).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}
