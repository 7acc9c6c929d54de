//! MySQL and MariaDB. Every statement commits by itself.

use crate::{
    config::Setup,
    setup::quote::{comment, mysql_name},
    sql::mysql::literal,
    target::{Engine, TablePattern},
};

/// In place of a schema. Not quoted, so that the server refuses it as it stands.
pub(in crate::setup) const SCHEMA: &str = "<schema>";

pub(super) fn script(plan: &Setup) -> String {
    let target = &plan.target;
    let user = literal(target.user.as_str());
    let account = format!("{user}@'%'");
    let client = match target.engine() {
        Engine::Mariadb => "mariadb --ssl-verify-server-cert",
        Engine::Mysql | Engine::Postgres => "mysql --ssl-mode=VERIFY_IDENTITY",
    };
    let mut sql = format!(
        "-- {} at {}\n\
         -- As the master user, on the writer:\n\
         --   {client} --host=… --user=… --password --ssl-ca=… < setup.sql\n\n\
         -- The user ClickPipes logs in as, with IAM tokens, and over TLS only.\n\
         CREATE USER {user} IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';\n\
         ALTER USER {account} REQUIRE SSL;\n\n",
        target.engine().name(),
        comment(&target.sign.to_string()),
    );
    sql += "-- What it reads.\n";
    let objects = objects(plan);
    if objects.iter().any(|object| object.is_loose) {
        sql += "-- In a grant on a whole schema _ and % stand for other characters too: \\_ and \\% do not\n\
                -- (but not with partial_revokes = ON, where they never do).\n";
    }
    for object in &objects {
        sql += &format!("GRANT SELECT ON {} TO {account};\n", object.name);
    }
    if target.pipe.follows_changes() {
        sql += "\n-- Following changes.\n";
        let mut rights = vec!["REPLICATION CLIENT", "REPLICATION SLAVE"];
        if target.engine() == Engine::Mariadb {
            sql += "-- REPLICA MONITOR is not in the ClickPipes guide: its engine asks SHOW REPLICA STATUS, which\n\
                    -- REPLICATION CLIENT has not allowed since MariaDB 10.5.9.\n";
            rights.push("REPLICA MONITOR");
        }
        for right in rights {
            sql += &format!("GRANT {right} ON *.* TO {account};\n");
        }
        sql += "\n-- Keeps the binary log while the pipe is away, and while it copies the tables: 24 at least.\n\
                CALL mysql.rds_set_configuration('binlog retention hours', 72);\n";
    }
    sql
}

/// What SELECT is granted on.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    name: String,
    /// A whole schema whose name has characters that a grant takes for others.
    is_loose: bool,
}

fn objects(plan: &Setup) -> Vec<Object> {
    let target = &plan.target;
    let schema = |name: &str| Object {
        // A grant has patterns for schemas, none for tables.
        name: format!("{}.*", mysql_name(&name.replace('*', "%"))),
        is_loose: name.contains(['_', '%']),
    };
    let mut objects: Vec<Object> = match (target.pipe.tables.as_slice(), &target.database) {
        ([], Some(database)) => vec![schema(database)],
        ([], None) => vec![Object { name: format!("{SCHEMA}.*"), is_loose: false }],
        (tables, _) => tables
            .iter()
            .map(|pattern: &TablePattern| match pattern.is_exact() {
                true => Object {
                    name: format!("{}.{}", mysql_name(&pattern.schema), mysql_name(&pattern.table)),
                    is_loose: false,
                },
                false => schema(&pattern.schema),
            })
            .collect(),
    };
    objects.dedup();
    objects
}
