//! Applies the SQL that the report prints, and checks again.

use lab::{Engine, Instance, Lab};

use crate::support::{Answer, Run, server_versions, text};

/// A situation that one statement of the report repairs.
struct Situation {
    name: &'static str,
    sql: &'static str,
    /// The row that fails, and that passes after the statement.
    row: &'static str,
    cause: &'static str,
    /// How the statement begins. It ends with a semicolon.
    statement: &'static str,
}

fn situations(engine: Engine) -> Vec<Situation> {
    let mut situations = vec![
        Situation {
            name: "SELECT in a role that is not a default role",
            sql: "CREATE ROLE reader; GRANT SELECT ON app.* TO reader; GRANT reader TO 'clickpipes_iam_user'@'%';
                  REVOKE SELECT ON `app`.* FROM 'clickpipes_iam_user'@'%';",
            row: "DB_TABLES_READ",
            cause: "DB_NO_TABLES",
            statement: "SET DEFAULT ROLE",
        },
        Situation {
            name: "two connections at a time",
            sql: "ALTER USER 'clickpipes_iam_user'@'%' WITH MAX_USER_CONNECTIONS 2",
            row: "MYSQL_ACCOUNT_LIMITS",
            cause: "MYSQL_ACCOUNT_LIMIT",
            statement: "ALTER USER",
        },
        Situation {
            name: "a client certificate is required",
            sql: "ALTER USER 'clickpipes_iam_user'@'%' REQUIRE X509",
            row: "AUTH_LOG_IN",
            cause: "MYSQL_TOKEN_REFUSED",
            statement: "ALTER USER",
        },
        Situation {
            name: "a locked account",
            sql: "ALTER USER 'clickpipes_iam_user'@'%' ACCOUNT LOCK",
            row: "AUTH_LOG_IN",
            cause: "MYSQL_ACCOUNT_LOCKED",
            statement: "ALTER USER",
        },
    ];
    if engine == Engine::MariaDb {
        situations.push(Situation {
            name: "REPLICATION SLAVE in a role that is not a default role",
            sql: "CREATE ROLE `stream-er`; GRANT REPLICATION SLAVE ON *.* TO `stream-er`;
                  GRANT `stream-er` TO 'clickpipes_iam_user'@'%';
                  REVOKE REPLICATION SLAVE ON *.* FROM 'clickpipes_iam_user'@'%';",
            row: "MYSQL_BINLOG_STREAM",
            cause: "MYSQL_NO_REPLICATION_SLAVE",
            statement: "SET DEFAULT ROLE",
        });
    }
    situations
}

/// The statement, from the remedy of the row or of one of its candidates.
fn statement(answer: &Answer, situation: &Situation) -> String {
    let row = answer.row(situation.row);
    assert_eq!((text(&row["outcome"]), text(&row["cause"])), ("fail", situation.cause), "{row:#}");
    let candidates = row["candidates"].as_array().cloned().unwrap_or_default();
    let certificate = candidates.iter().filter(|candidate| candidate["cause"] == "AUTH_CLIENT_CERTIFICATE");
    let mut remedies = certificate.chain([row]).map(|part| text(&part["remedy"]));
    let found = remedies.find_map(|remedy| remedy.find(situation.statement).map(|start| &remedy[start..]));
    let sql = found.unwrap_or_else(|| panic!("{}: {row:#}", situation.name));
    sql[..=sql.find(';').unwrap()].to_owned()
}

#[test]
fn the_printed_statement_repairs_the_row() {
    for server_version in server_versions().into_iter().filter(|v| v.engine() != Engine::Postgres) {
        let mut repaired = 0;
        for situation in situations(server_version.engine()) {
            let lab = Lab::start(&[server_version]).unwrap();
            let server: &Instance = lab.instance(server_version);
            // No database is selected at login, so that a missing privilege shows up with the tables.
            let table = lab.target_toml("other", server, lab::ACCESS_ROLE);
            let table: String =
                table.lines().filter(|l| !l.starts_with("database")).map(|l| format!("{l}\n")).collect();
            let check = || Run::check(&lab, &["other"]).table(&table).json();
            server.sql(situation.sql).unwrap();
            let sql = statement(&check(), &situation);
            server.sql(&sql).unwrap_or_else(|e| panic!("{}: {sql}: {e}", situation.name));
            let answer = check();
            let row = answer.row(situation.row);
            assert_eq!(row["outcome"], "pass", "{server_version}: {}: {sql}: {row:#}", situation.name);
            assert_eq!(answer.report()["verdict"]["capability"], "cdc", "{}: {sql}", situation.name);
            repaired += 1;
        }
        eprintln!("{server_version}: {repaired} printed statements repaired their row");
    }
}
