//! PostgreSQL. Everything in one transaction: a statement that fails leaves nothing behind.

use crate::{
    config::Setup,
    setup::quote::{comment, pg_name, pg_text},
    target::{TablePattern, Target, like},
};

/// The publication of the ClickPipes guide.
const PUBLICATION: &str = "clickpipes_publication";
/// As ClickPipes makes its own: changes of a partition are those of its table.
const OPTIONS: &str = "WITH (publish_via_partition_root = true)";
/// The schema of the ClickPipes guide, where no table is named.
const SCHEMA: &str = "public";

/// The publication the pipe is to use. The IAM user owns no table, and so ClickPipes cannot create one itself.
pub(in crate::setup) fn publication(target: &Target) -> &str {
    target.pipe.publication.as_deref().unwrap_or(PUBLICATION)
}

pub(super) fn script(plan: &Setup) -> String {
    let target = &plan.target;
    let user = pg_name(target.user.as_str());
    let database = target.database.as_deref().unwrap_or_default();
    let mut sql = format!(
        "-- PostgreSQL at {}\n\
         -- As the master user, on the writer, in the database {}:\n\
         --   psql \"host=… user=… dbname=… sslmode=verify-full sslrootcert=…\" -v ON_ERROR_STOP=1 -f setup.sql\n\
         -- What is granted on a table or a schema, its owner has to grant.\n\
         BEGIN;\n\n\
         -- The user ClickPipes logs in as. A member of rds_iam logs in with IAM tokens and nothing else.\n\
         CREATE USER {user};\n\
         GRANT rds_iam TO {user};\n\n",
        comment(&target.sign.to_string()),
        comment(database),
    );
    let changes = target.pipe.follows_changes();
    if changes {
        sql += &format!("-- Following changes.\nGRANT rds_replication TO {user};\n\n");
    }
    let tables = &target.pipe.tables;
    sql += &match tables.iter().all(TablePattern::is_exact) {
        true if tables.is_empty() => whole_schema(SCHEMA, &user, changes.then(|| publication(target))),
        true => exact(tables, &user, changes.then(|| publication(target))),
        false => by_pattern(tables, target, changes),
    };
    sql += "COMMIT;\n";
    if changes {
        sql += &without_a_key(publication(target));
    }
    sql
}

fn whole_schema(schema: &str, user: &str, publication: Option<&str>) -> String {
    let mut sql =
        format!("-- What it reads. The same again for every other schema.\n{}", usage(schema, user));
    sql += &format!("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {user};\n", pg_name(schema));
    sql += &later_tables(schema, user);
    if let Some(name) = publication {
        sql += &format!(
            "-- What it follows. Where it exists already, leave this out; on PostgreSQL 12 without WITH (…).\n\
             CREATE PUBLICATION {} FOR ALL TABLES {OPTIONS};\n\n",
            pg_name(name)
        );
    }
    sql
}

fn exact(tables: &[TablePattern], user: &str, publication: Option<&str>) -> String {
    let name = |t: &TablePattern| format!("{}.{}", pg_name(&t.schema), pg_name(&t.table));
    let mut schemas: Vec<&str> = tables.iter().map(|t| t.schema.as_str()).collect();
    schemas.sort_unstable();
    schemas.dedup();
    let mut sql = String::from("-- What it reads.\n");
    for schema in schemas {
        sql += &usage(schema, user);
    }
    for table in tables {
        sql += &format!("GRANT SELECT ON {} TO {user};\n", name(table));
    }
    sql += "\n";
    if let Some(publication) = publication {
        let tables: Vec<String> = tables.iter().map(name).collect();
        sql += &format!(
            "-- What it follows. Where it exists already: ALTER PUBLICATION … ADD TABLE …; on PostgreSQL 12\n\
             -- without WITH (…).\n\
             CREATE PUBLICATION {} FOR TABLE\n    {}\n    {OPTIONS};\n\n",
            pg_name(publication),
            tables.join(", ")
        );
    }
    sql
}

/// The tables that match now, by a loop over the catalogue; for whole schemas also those that come later.
fn by_pattern(tables: &[TablePattern], target: &Target, changes: bool) -> String {
    let user = pg_name(target.user.as_str());
    let mut sql = String::new();
    let mut steps = vec![
        format!(
            "EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', t.schema, {});",
            pg_text(target.user.as_str())
        ),
        format!(
            "EXECUTE format('GRANT SELECT ON %I.%I TO %I', t.schema, t.name, {});",
            pg_text(target.user.as_str())
        ),
    ];
    if changes {
        let name = publication(target);
        sql += &format!(
            "-- What it follows. Where it exists already, leave this out; on PostgreSQL 12 without WITH (…).\n\
             CREATE PUBLICATION {} {OPTIONS};\n\n",
            pg_name(name)
        );
        steps.push(format!(
            "EXECUTE format('ALTER PUBLICATION %I ADD TABLE %I.%I', {}, t.schema, t.name);",
            pg_text(name)
        ));
    }
    let matches: Vec<String> = tables
        .iter()
        .map(|pattern| {
            let matches = |column: &str, pattern: &str| match pattern.contains('*') {
                true => format!("{column} LIKE {} ESCAPE '|'", pg_text(&like(pattern))),
                false => format!("{column} = {}", pg_text(pattern)),
            };
            format!(
                "({} AND {})",
                matches("n.nspname", &pattern.schema),
                matches("c.relname", &pattern.table)
            )
        })
        .collect();
    let body = format!(
        "DECLARE\n  t record;\nBEGIN\n  FOR t IN\n    SELECT n.nspname AS schema, c.relname AS name\n    \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n    \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'\n      \
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'\n      AND ({})\n  LOOP\n    {}\n  \
         END LOOP;\nEND\n",
        matches.join("\n        OR "),
        steps.join("\n    "),
    );
    let mut tag = "setup".to_owned();
    while body.contains(&format!("${tag}$")) {
        tag.push('x');
    }
    sql += &format!(
        "-- {} the tables there are now, not those that come later.\n\
         DO ${tag}$\n{body}${tag}$;\n\n",
        if changes { "Lets it read and follow" } else { "Lets it read" },
    );
    for complete in tables.iter().filter(|t| t.table == "*" && !t.schema.contains('*')) {
        sql += &usage(&complete.schema, &user);
        sql += &later_tables(&complete.schema, &user);
    }
    sql
}

fn usage(schema: &str, user: &str) -> String {
    format!("GRANT USAGE ON SCHEMA {} TO {user};\n", pg_name(schema))
}

fn later_tables(schema: &str, user: &str) -> String {
    format!(
        "-- Tables that come later: those that whoever runs this creates (of others: FOR ROLE …).\n\
         ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {user};\n\n",
        pg_name(schema)
    )
}

fn without_a_key(publication: &str) -> String {
    format!(
        "\n-- Lists the published tables without a key to tell rows apart. Each needs a primary key,\n\
         -- or, by its owner:\n\
         --   ALTER TABLE … REPLICA IDENTITY FULL;\n\
         SELECT p.schemaname, p.tablename\n\
         FROM pg_publication_tables p\n\
         JOIN pg_namespace n ON n.nspname = p.schemaname\n\
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename\n\
         WHERE p.pubname = {}\n  \
         AND (c.relreplident = 'n' OR c.relreplident = 'd'\n    \
         AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary));\n",
        pg_text(publication)
    )
}
