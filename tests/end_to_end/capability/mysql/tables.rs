//! Kinds, names and numbers of tables, and what the account may do with them.

use super::super::{
    Case,
    Change::{self, Restart, Sql},
    case,
};

/// More tables than are tried one by one, none of them readable, in a schema that comes first by its name.
fn many_unreadable_tables() -> Change {
    let tables: String = (0..520).map(|i| format!("CREATE TABLE aaa.t{i} (id int PRIMARY KEY);")).collect();
    let there = format!("CREATE DATABASE aaa; {tables} GRANT INSERT ON aaa.* TO 'clickpipes_iam_user'@'%';");
    Sql(there.leak(), "REVOKE INSERT ON aaa.* FROM 'clickpipes_iam_user'@'%'; DROP DATABASE aaa;")
}

pub(super) fn of_both() -> Vec<Case> {
    vec![
        case("an excluded column", Change::Nothing, "", "").no_row().cdc().with_args(&[
            "--table",
            "app.orders",
            "--excluded-column",
            "app.orders.customer",
        ]),
        // The server knows the column, and the engine does not: nothing is excluded.
        case(
            "an excluded key column in another case",
            Change::Nothing,
            "DB_COLUMNS",
            "warn DB_EXCLUDED_COLUMN_MISSING",
        )
        .cdc()
        .with_args(&["--table", "app.orders", "--excluded-column", "app.orders.ID"]),
        case("a sorting key in another case", Change::Nothing, "DB_COLUMNS", "fail DB_SORTING_KEY")
            .blocked()
            .with_args(&["--table", "app.orders", "--sorting-key", "app.orders.ID"])
            .rule(),
        // The stream has the column, but the copy in ClickHouse has not.
        case("an excluded key column", Change::Nothing, "DB_EXCLUDED_KEY", "fail DB_KEY_COLUMN_EXCLUDED")
            .also("DB_ROW_KEY", "fail DB_NO_ROW_KEY")
            .blocked()
            .with_args(&["--table", "app.orders", "--excluded-column", "app.orders.id"])
            .rule(),
        case(
            "a view",
            Sql("CREATE VIEW recent AS SELECT * FROM orders", "DROP VIEW recent"),
            "MYSQL_TABLE_KINDS",
            "fail MYSQL_NOT_A_TABLE",
        )
        .also("DB_ROW_KEY", "fail DB_NO_ROW_KEY")
        .blocked()
        .with_args(&["--table", "app.recent"])
        .rule(),
        case(
            "names with a tab, a newline, a zero-width joiner and a BOM",
            Sql(
                "CREATE TABLE `a\tb\nc\u{200d}d\u{feff}e` (id int PRIMARY KEY)",
                "DROP TABLE `a\tb\nc\u{200d}d\u{feff}e`",
            ),
            "",
            "",
        )
        .no_row()
        .cdc(),
        case(
            "a name with a dot",
            Sql("CREATE TABLE `dot.ted` (id int PRIMARY KEY)", "DROP TABLE `dot.ted`"),
            "DB_TABLES_READ",
            "warn DB_TABLE_NAME_DOT",
        )
        .cdc(),
        case("520 unreadable tables", many_unreadable_tables(), "DB_TABLES_READ", "warn DB_TABLES_UNREADABLE")
            .cdc(),
        case(
            "a binary log of another database",
            Restart(&[("binlog-do-db", "other")]),
            "MYSQL_BINLOG_FILTERS",
            "fail MYSQL_BINLOG_FILTERED",
        ),
        case(
            "a binary log that ignores the database",
            Restart(&[("binlog-ignore-db", "app")]),
            "MYSQL_BINLOG_FILTERS",
            "fail MYSQL_BINLOG_FILTERED",
        ),
        case(
            "two connections at a time",
            Sql(
                "ALTER USER 'clickpipes_iam_user'@'%' WITH MAX_USER_CONNECTIONS 2",
                "ALTER USER 'clickpipes_iam_user'@'%' WITH MAX_USER_CONNECTIONS 0",
            ),
            "MYSQL_ACCOUNT_LIMITS",
            "fail MYSQL_ACCOUNT_LIMIT",
        ),
        case(
            "SELECT in a role that is not a default role",
            Sql(
                "CREATE ROLE reader; GRANT SELECT ON app.* TO reader; GRANT reader TO 'clickpipes_iam_user'@'%';
                 REVOKE SELECT ON `app`.* FROM 'clickpipes_iam_user'@'%';",
                "DROP ROLE reader; GRANT SELECT ON `app`.* TO 'clickpipes_iam_user'@'%';",
            ),
            "DB_TABLES_READ",
            "fail DB_NO_TABLES",
        )
        .also("DB_ROW_KEY", "not_reached")
        .blocked(),
        case(
            "messages in French, and no privilege to stream",
            Sql(
                "SET GLOBAL lc_messages = 'fr_FR';
                 REVOKE REPLICATION SLAVE ON *.* FROM 'clickpipes_iam_user'@'%';",
                "SET GLOBAL lc_messages = 'en_US';
                 GRANT REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user'@'%';",
            ),
            "MYSQL_BINLOG_STREAM",
            "fail MYSQL_NO_REPLICATION_SLAVE",
        ),
    ]
}

pub(super) const CHILD: &str = "CREATE TABLE heads (id int PRIMARY KEY);
    CREATE TABLE `lines` (id int PRIMARY KEY, head int, FOREIGN KEY (head) REFERENCES heads (id) ON DELETE CASCADE);";

/// The lab has MySQL 9.7, which logs what foreign keys change, but can do as older versions do. The tables of [`CHILD`]
/// exist.
pub(super) fn of_mysql() -> Vec<Case> {
    vec![
        case("foreign keys in the SQL layer", Change::Nothing, "", "").no_row().cdc().with_args(&[
            "--table",
            "app.lines",
            "--table",
            "app.orders",
        ]),
        case(
            "foreign keys in InnoDB",
            Restart(&[("innodb-native-foreign-keys", "ON")]),
            "MYSQL_FOREIGN_KEYS",
            "fail MYSQL_CASCADES",
        )
        .with_args(&["--table", "app.lines", "--table", "app.orders"])
        .rule(),
    ]
}

pub(super) fn of_mariadb() -> Vec<Case> {
    vec![
        // What a reader of an Aurora cluster has, under whatever name it is reached.
        case("a reader", Restart(&[("innodb-read-only", "ON")]), "DB_ENDPOINT", "fail DB_ENDPOINT_READER"),
        // Events flow, but an UPDATE is followed by an INSERT of the old row, and a DELETE is an UPDATE.
        case(
            "a system-versioned table",
            Sql("ALTER TABLE orders ADD SYSTEM VERSIONING", "ALTER TABLE orders DROP SYSTEM VERSIONING"),
            "MYSQL_TABLE_KINDS",
            "fail MARIADB_SYSTEM_VERSIONED",
        ),
        case(
            "rows that a foreign key deletes",
            Sql(CHILD, "DROP TABLE `lines`; DROP TABLE heads;"),
            "MYSQL_FOREIGN_KEYS",
            "fail MYSQL_CASCADES",
        )
        .with_args(&["--table", "app.lines"])
        .rule(),
        case(
            "rows that a foreign key deletes, and no table is named",
            Sql(CHILD, "DROP TABLE `lines`; DROP TABLE heads;"),
            "MYSQL_FOREIGN_KEYS",
            "warn MYSQL_CASCADES",
        )
        .cdc(),
        // MySQL takes this setting only for a new data directory.
        case(
            "a table in another case than on the server",
            Restart(&[("lower-case-table-names", "1")]),
            "MYSQL_TABLE_KINDS",
            "fail MYSQL_TABLE_NAME_CASE",
        )
        .with_args(&["--table", "app.Orders"])
        .rule(),
        case(
            "a sequence",
            Sql("CREATE SEQUENCE numbers", "DROP SEQUENCE numbers"),
            "MYSQL_TABLE_KINDS",
            "fail MYSQL_NOT_A_TABLE",
        )
        .also("DB_ROW_KEY", "fail DB_NO_ROW_KEY")
        .blocked()
        .with_args(&["--table", "app.numbers"])
        .rule(),
    ]
}
