//! Lists the tables of a pipe and tries to read each of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    super::{Cascades, NamedColumn, TABLES_AT_MOST, Table, TableKind, Tables, UniqueKey, columns, matching},
    Fact, Queries, Rows, ServerText, all,
};
use crate::{
    connection::Refusal,
    sql,
    target::{Pipe, TablePattern},
};

/// One statement tries to read this many tables. If it is refused, it is repeated with half of them.
const TABLES_PER_STATEMENT: usize = 50;

/// Limit for the statements that read tables. A refused table costs up to a dozen.
const STATEMENTS_AT_MOST: usize = 2 * TABLES_AT_MOST;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    schema: ServerText,
    name: ServerText,
    kind: TableKind,
}

impl Listed {
    fn matches(&self, pattern: &TablePattern) -> bool {
        pattern.matches(self.schema.raw(), self.name.raw())
    }

    fn sql_name(&self) -> String {
        sql::mysql::qualified(self.schema.raw(), self.name.raw())
    }
}

impl Queries {
    /// The tables that the user can see, and the tables that were named exactly, visible or not.
    pub(super) async fn tables(&mut self, patterns: &[TablePattern]) -> Fact<Tables<Table>> {
        let rows = match self.rows(&listing(patterns)).await {
            Ok(rows) => rows,
            Err(refusal) => return Fact::Refused(refusal.into()),
        };
        let listed = in_order(listed(&rows, patterns), patterns);
        let mut seen = self.read(&listed).await;
        self.keys(&mut seen).await;
        Fact::Read(Tables { total: listed.len(), seen })
    }

    /// COLUMN_KEY is what ClickPipes' engine reads: a unique index over NOT NULL columns is PRI too if there is no primary key.
    async fn keys(&mut self, tables: &mut [Table]) {
        let readable = tables.iter().filter(|table| table.select.is_ok()).map(Table::raw_names);
        let names = ["TABLE_SCHEMA", "TABLE_NAME"];
        let Some(is_readable) = columns::is_one_of_tables(readable, names, sql::mysql::hex_literal) else {
            return;
        };
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS \
             WHERE COLUMN_KEY = 'PRI' AND {is_readable} ORDER BY 1, 2, ORDINAL_POSITION"
        );
        // The server can compare names without regard to case.
        let folded = |names: [&str; 2]| names.map(str::to_lowercase);
        let keys = self.rows(&sql).await.map(|rows| {
            let mut keys: HashMap<[String; 2], Vec<ServerText>> = HashMap::new();
            for row in &rows {
                if let [Some(schema), Some(table), Some(column)] = row.as_slice() {
                    keys.entry(folded([schema.raw(), table.raw()])).or_default().push(column.clone());
                }
            }
            keys
        });
        for table in tables {
            table.key = match &keys {
                Ok(keys) => Fact::Read(keys.get(&folded(table.raw_names())).cloned().unwrap_or_default()),
                Err(refusal) => Fact::Refused(refusal.clone().into()),
            };
        }
    }

    /// The unique indexes of the tables that have sorting keys.
    pub(super) async fn unique_keys(&mut self, pipe: &Pipe) -> Fact<Vec<UniqueKey>> {
        let names = ["TABLE_SCHEMA", "TABLE_NAME"];
        let Some(is_sorted) = columns::is_sorted(pipe, names, sql::mysql::hex_literal) else {
            return Fact::Absent;
        };
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, NULLABLE = '' FROM information_schema.STATISTICS \
             WHERE NON_UNIQUE = 0 AND {is_sorted} ORDER BY 1, 2, 3, SEQ_IN_INDEX"
        );
        columns::unique_keys(self.rows(&sql).await)
    }

    /// Reads with as few statements as possible: only parts that are refused are split further. Tables that the limit
    /// does not leave a statement for are missing from the result.
    async fn read(&mut self, listed: &[Listed]) -> Vec<Table> {
        let mut parts: Vec<&[Listed]> = listed.chunks(TABLES_PER_STATEMENT).rev().collect();
        let mut seen = Vec::new();
        for _ in 0..STATEMENTS_AT_MOST {
            let Some(part) = parts.pop() else { break };
            match (part, self.rows(&reading(part)).await) {
                (part, Ok(_)) => seen.extend(part.iter().map(|table| examined(table, Ok(())))),
                ([table], Err(refusal)) => seen.push(examined(table, Err(refusal))),
                (part, Err(_)) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        seen
    }

    /// MySQL shows foreign keys to an account with the SELECT privilege.
    pub(super) async fn cascades(&mut self, patterns: &[TablePattern]) -> Fact<Vec<Cascades>> {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME FROM (SELECT CONSTRAINT_SCHEMA AS TABLE_SCHEMA, TABLE_NAME, \
             CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE DELETE_RULE IN ('CASCADE', 'SET NULL') \
             OR UPDATE_RULE IN ('CASCADE', 'SET NULL')) AS f WHERE {} ORDER BY 1, 2, 3 LIMIT {TABLES_AT_MOST}",
            is_requested(patterns)
        );
        all(self.rows(&sql).await, |rows| {
            let mut found: Vec<Cascades> = Vec::new();
            for row in rows {
                let [Some(schema), Some(table), Some(constraint)] = row.as_slice() else { continue };
                let table = format!("{schema}.{table}");
                if found.last().is_none_or(|last| last.table != table) {
                    found.push(Cascades { table, constraints: Vec::new() });
                }
                if let Some(last) = found.last_mut() {
                    last.constraints.push(constraint.clone());
                }
            }
            found
        })
    }

    /// MariaDB shows such an account only which tables have foreign keys. Their rules are in the definition of the table, which takes
    /// a statement per table. Absent if those are too many.
    pub(super) async fn cascades_in_definitions(&mut self, patterns: &[TablePattern]) -> Fact<Vec<Cascades>> {
        let sql = format!(
            "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE \
             WHERE REFERENCED_TABLE_NAME IS NOT NULL AND {} ORDER BY 1, 2 LIMIT {}",
            is_requested(patterns),
            TABLES_AT_MOST + 1
        );
        let rows = match self.rows(&sql).await {
            Ok(rows) if rows.len() <= TABLES_AT_MOST => rows,
            Ok(_) => return Fact::Absent,
            Err(refusal) => return Fact::Refused(refusal.into()),
        };
        let mut found = Vec::new();
        for row in &rows {
            let [Some(schema), Some(table)] = row.as_slice() else { continue };
            let name = sql::mysql::qualified(schema.raw(), table.raw());
            // A table that cannot be read has its own row in the report.
            let Ok(rows) = self.rows(&format!("SHOW CREATE TABLE {name}")).await else { continue };
            let definition = rows.first().and_then(|row| row.get(1)?.as_ref());
            let constraints = definition.map_or_else(Vec::new, |definition| cascades_of(definition.raw()));
            if !constraints.is_empty() {
                found.push(Cascades { table: format!("{schema}.{table}"), constraints });
            }
        }
        Fact::Read(found)
    }

    /// The server shows only columns that the account has a privilege on.
    pub(super) async fn named_columns(&mut self, pipe: &Pipe) -> Fact<Vec<NamedColumn>> {
        let names = ["c.TABLE_SCHEMA", "c.TABLE_NAME", "c.COLUMN_NAME"];
        let Some(is_named) = columns::is_named(pipe, names, sql::mysql::hex_literal) else {
            return Fact::Absent;
        };
        let sql = format!(
            "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, EXISTS (SELECT 1 \
             FROM information_schema.STATISTICS AS s WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME \
             AND s.COLUMN_NAME = c.COLUMN_NAME AND s.SEQ_IN_INDEX = 1), c.COLUMN_KEY = 'PRI', 1 \
             FROM information_schema.COLUMNS AS c WHERE {is_named}"
        );
        columns::of_rows(self.rows(&sql).await)
    }

    /// MariaDB writes the attribute COMPRESSED into the type, between comment marks.
    pub(super) async fn special_columns(&mut self, pipe: &Pipe) -> SpecialColumns {
        let sql = format!(
            "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME), COLUMN_TYPE LIKE '%COMPRESSED%' \
             FROM information_schema.COLUMNS WHERE (COLUMN_TYPE LIKE '%COMPRESSED%' OR EXTRA LIKE '%GENERATED%' \
             OR EXTRA IN ('VIRTUAL', 'PERSISTENT')) AND {} ORDER BY 2 DESC, 1 LIMIT {TABLES_AT_MOST}",
            is_requested(&pipe.tables)
        );
        let rows = self.rows(&sql).await;
        let excluded: Vec<String> = pipe.excluded_columns.iter().map(ToString::to_string).collect();
        // A compressed column makes the log unreadable even if the pipe leaves it out.
        let is_kept = |row: &Vec<Option<ServerText>>| {
            let name = row.first().and_then(Option::as_ref).map(ServerText::raw);
            !excluded.iter().any(|column| Some(column.as_str()) == name)
        };
        let of_kind = |is_compressed: &str| {
            all(rows.clone(), |rows| {
                let is_meant = |row: &&Vec<Option<ServerText>>| match row.as_slice() {
                    [Some(_), Some(kind)] => {
                        kind.raw() == is_compressed && (is_compressed == "1" || is_kept(row))
                    }
                    _ => false,
                };
                let name = |row: &Vec<Option<ServerText>>| row.first()?.as_ref().map(ToString::to_string);
                rows.iter().filter(is_meant).filter_map(name).collect()
            })
        };
        SpecialColumns { compressed: of_kind("1"), generated: of_kind("0") }
    }
}

/// Columns as `schema.table.column`.
pub(super) struct SpecialColumns {
    pub(super) compressed: Fact<Vec<String>>,
    pub(super) generated: Fact<Vec<String>>,
}

/// The foreign keys in `SHOW CREATE TABLE` that change rows of the table: their names.
fn cascades_of(definition: &str) -> Vec<ServerText> {
    const RULES: [&str; 4] =
        [" ON DELETE CASCADE", " ON DELETE SET NULL", " ON UPDATE CASCADE", " ON UPDATE SET NULL"];
    let (masked, mut start, mut found) = (without_names(definition), 0, Vec::new());
    for line in masked.split_inclusive('\n') {
        let name = line
            .trim_start()
            .strip_prefix("CONSTRAINT ")
            .filter(|_| RULES.iter().any(|rule| line.contains(rule)))
            .and_then(|rest| Some((rest, rest.split_once(" FOREIGN KEY (")?.0)));
        if let Some((rest, name)) = name {
            let at = start + line.len() - rest.len();
            let quoted = &definition[at..at + name.len()];
            let inner = quoted.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            found.push(ServerText::new(inner.unwrap_or(quoted).replace("``", "`")));
        }
        start += line.len();
    }
    found
}

/// A definition with names and strings of the same length that contain nothing: they can contain anything, also line breaks and
/// key words.
fn without_names(definition: &str) -> String {
    let (mut left, mut quote, mut is_escaped) = (String::new(), None, false);
    for c in definition.chars() {
        match quote {
            None => quote = matches!(c, '`' | '\'' | '"').then_some(c),
            // A doubled quote ends one name and begins the next.
            Some(open) if c == open && !is_escaped => quote = None,
            Some(open) => {
                is_escaped = open != '`' && c == '\\' && !is_escaped;
                left.extend(std::iter::repeat_n('_', c.len_utf8()));
                continue;
            }
        }
        left.push(c);
    }
    left
}

fn examined(table: &Listed, select: Result<(), Refusal>) -> Table {
    let Listed { schema, name, kind } = table.clone();
    Table { schema, name, kind, select: select.map_err(Box::new), key: Fact::Absent }
}

/// Storage engines without rows of their own, in upper case (MySQL Reference Manual, Alternative Storage Engines; MariaDB
/// Knowledge Base, Storage Engines).
const ROWS_ELSEWHERE: [&str; 5] = ["BLACKHOLE", "FEDERATED", "MRG_MYISAM", "SPIDER", "CONNECT"];

fn listing(patterns: &[TablePattern]) -> String {
    format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE {}",
        is_requested(patterns)
    )
}

/// Views and sequences count only if they were named: a pattern means tables.
fn listed(rows: &Rows, patterns: &[TablePattern]) -> Vec<Listed> {
    let one = |row: &Vec<Option<ServerText>>| {
        let [Some(schema), Some(name), Some(kind), engine] = row.as_slice() else { return None };
        let rows_elsewhere =
            engine.as_ref().is_some_and(|name| ROWS_ELSEWHERE.contains(&name.raw().to_uppercase().as_str()));
        let kind = match kind.raw() {
            "BASE TABLE" | "SYSTEM VERSIONED" if rows_elsewhere => TableKind::RowsElsewhere,
            "BASE TABLE" => TableKind::Table,
            "SYSTEM VERSIONED" => TableKind::SystemVersioned,
            "SEQUENCE" => TableKind::Sequence,
            "VIEW" | "SYSTEM VIEW" => TableKind::View,
            _ => return None, // temporary tables of this session
        };
        let table = Listed { schema: schema.clone(), name: name.clone(), kind };
        let is_table = !matches!(kind, TableKind::View | TableKind::Sequence);
        // The server compares without regard to case.
        let is_requested = match patterns {
            [] => is_table,
            some => some.iter().any(|p| table.matches(p) && (is_table || p.is_exact())),
        };
        is_requested.then_some(table)
    };
    let mut listed: Vec<Listed> = rows.iter().filter_map(one).collect();
    listed.extend(in_other_case(rows, patterns));
    listed
}

/// Tables that the pipe names in another case. A server that compares names without regard to case reads them.
fn in_other_case(rows: &Rows, patterns: &[TablePattern]) -> impl Iterator<Item = Listed> {
    let names = rows.iter().filter_map(|row| match row.as_slice() {
        [Some(schema), Some(name), ..] => Some([schema.raw(), name.raw()]),
        _ => None,
    });
    let exact: HashSet<[&str; 2]> = names.collect();
    let lower: HashSet<[String; 2]> = exact.iter().map(|names| names.map(str::to_lowercase)).collect();
    let is_other = move |pattern: &&TablePattern| {
        let names = [pattern.schema.as_str(), pattern.table.as_str()];
        pattern.is_exact() && !exact.contains(&names) && lower.contains(&names.map(str::to_lowercase))
    };
    patterns.iter().filter(is_other).map(|p| Listed {
        schema: ServerText::new(&p.schema),
        name: ServerText::new(&p.table),
        kind: TableKind::OtherCase,
    })
}

/// Exact names first, found or not. Then the first table of every schema, the second of every schema, and so on: one
/// schema with many tables must not hide the others behind the limit.
fn in_order(mut tables: Vec<Listed>, patterns: &[TablePattern]) -> Vec<Listed> {
    for pattern in patterns.iter().filter(|pattern| pattern.is_exact()) {
        if !tables.iter().any(|table| table.matches(pattern)) {
            let (schema, name) = (ServerText::new(&pattern.schema), ServerText::new(&pattern.table));
            tables.push(Listed { schema, name, kind: TableKind::Table });
        }
    }
    tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    let mut counts = BTreeMap::new();
    let mut keyed: Vec<_> = tables
        .into_iter()
        .map(|table| {
            let count = counts.entry(table.schema.clone()).or_insert(0_usize);
            *count += 1;
            let named = patterns.iter().any(|p| p.is_exact() && table.matches(p));
            ((!named, *count, table.schema.clone()), table)
        })
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    keyed.into_iter().map(|(_, table)| table).collect()
}

/// A statement that succeeds only if all these tables can be read: every column, no row.
fn reading(tables: &[Listed]) -> String {
    match tables {
        // Its error message is shown, so the statement is as simple as possible.
        [table] => format!("SELECT * FROM {} LIMIT 0", table.sql_name()),
        tables => {
            let one = |(i, table): (usize, &Listed)| {
                format!("(SELECT COUNT(*) FROM (SELECT * FROM {} LIMIT 0) AS t{i})", table.sql_name())
            };
            format!("SELECT {}", tables.iter().enumerate().map(one).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A condition on TABLE_SCHEMA and TABLE_NAME: requested, and not a system table.
fn is_requested(patterns: &[TablePattern]) -> String {
    format!(
        "TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys', 'innodb') AND {}",
        matching(patterns, "TABLE_SCHEMA", "TABLE_NAME", sql::mysql::hex_literal)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(tables: &[[&str; 4]]) -> Rows {
        tables.iter().map(|row| row.map(|text| Some(ServerText::new(text))).to_vec()).collect()
    }

    fn names(tables: &[Listed]) -> Vec<String> {
        tables.iter().map(|table| format!("{}.{}", table.schema.raw(), table.name.raw())).collect()
    }

    fn pattern(text: &str) -> TablePattern {
        text.parse().unwrap()
    }

    #[test]
    fn views_and_sequences_count_only_if_they_are_named() {
        let rows = rows(&[
            ["app", "orders", "BASE TABLE", "InnoDB"],
            ["app", "prices", "SYSTEM VERSIONED", "InnoDB"],
            ["app", "sink", "BASE TABLE", "BLACKHOLE"],
            ["app", "recent", "VIEW", ""],
            ["app", "numbers", "SEQUENCE", "InnoDB"],
            ["app", "scratch", "TEMPORARY", "InnoDB"],
        ]);
        assert_eq!(names(&listed(&rows, &[])), ["app.orders", "app.prices", "app.sink"]);
        assert_eq!(listed(&rows, &[])[2].kind, TableKind::RowsElsewhere);
        assert_eq!(names(&listed(&rows, &[pattern("app.*")])), ["app.orders", "app.prices", "app.sink"]);
        let recent = listed(&rows, &[pattern("app.recent"), pattern("app.numbers")]);
        assert_eq!(recent.iter().map(|t| t.kind).collect::<Vec<_>>(), [TableKind::View, TableKind::Sequence]);
        let other = listed(&rows, &[pattern("app.ORDERS"), pattern("app.orders"), pattern("app.OTHERS")]);
        assert_eq!(names(&other), ["app.orders", "app.ORDERS"]);
        assert_eq!(other[1].kind, TableKind::OtherCase);
    }

    #[test]
    fn foreign_keys_that_change_rows_are_found_in_the_definition() {
        let of = |line: &str| -> Vec<String> {
            let definition = format!(
                "CREATE TABLE `c` (\n  `id` int COMMENT ' FOREIGN KEY ( ON DELETE CASCADE',\n  `ü` int,\n{line}\n)"
            );
            cascades_of(&definition).iter().map(|name| name.raw().to_owned()).collect()
        };
        let key = "  CONSTRAINT `k` FOREIGN KEY (`p`) REFERENCES `p` (`id`)";
        assert_eq!(of(&format!("{key} ON DELETE CASCADE")), ["k"]);
        assert_eq!(of(&format!("{key} ON UPDATE SET NULL,")), ["k"]);
        let odd = "  CONSTRAINT `ö``\n FOREIGN KEY (` FOREIGN KEY (`p`) REFERENCES `new\nline``` (`id`) ON DELETE SET NULL";
        assert_eq!(of(odd), ["ö`\n FOREIGN KEY ("]);
        assert_eq!(of(&format!("{key} ON DELETE CASCADE,\n{key},\n{odd}")), ["k", "ö`\n FOREIGN KEY ("]);
        let default = "  `a` text DEFAULT 'it''s \\'\n  CONSTRAINT `k` FOREIGN KEY (`p`) ON DELETE CASCADE'";
        assert!(of(default).is_empty());
        assert!(of(&format!("{key} ON DELETE NO ACTION")).is_empty());
        assert!(of(key).is_empty());
    }

    #[test]
    fn a_schema_with_many_tables_does_not_hide_the_others() {
        let mut all: Vec<Listed> = Vec::new();
        let table = |schema: &str, name: String| Listed {
            schema: ServerText::new(schema),
            name: ServerText::new(name),
            kind: TableKind::Table,
        };
        all.extend((0..600).map(|i| table("audit", format!("t{i:03}"))));
        all.extend(["customers", "orders"].map(|name| table("shop", name.into())));
        let ordered = in_order(all, &[pattern("audit.t599"), pattern("shop.none"), pattern("*.*")]);
        assert_eq!(
            names(&ordered)[..7],
            [
                "shop.none",
                "audit.t599",
                "audit.t000",
                "shop.customers",
                "audit.t001",
                "audit.t002",
                "shop.orders"
            ]
        );
        assert_eq!(ordered.len(), 603);
    }
}
