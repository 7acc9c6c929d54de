//! Text that goes into SQL, and text that comes out of it.
//!
//! All SQL that is sent or printed is quoted here, so that no name can become syntax. Text from a server is a
//! [`ServerText`]: exact for SQL, cleaned for people.

use std::fmt;

use crate::diagnostic::{is_unprintable, printable};

/// Text exactly as a server sent it. [`Display`](fmt::Display) shows it without control and invisible characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(serde::Deserialize), serde(transparent))]
pub struct ServerText(String);

impl ServerText {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The exact text, for SQL and for comparisons. It may contain anything.
    pub fn raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

/// PostgreSQL (documentation, "Lexical Structure").
pub mod postgres {
    use super::is_unprintable;

    /// An identifier, unquoted if that means the same. A name with control or invisible characters is written with
    /// Unicode escapes, so that it can be printed and pasted.
    pub fn identifier(name: &str) -> String {
        if is_plain(name) {
            return name.to_owned();
        }
        if !name.contains(is_unprintable) {
            return format!("\"{}\"", name.replace('"', "\"\""));
        }
        let escaped = |c: char| match c {
            '"' => "\"\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if is_unprintable(c) => format!("\\+{:06x}", u32::from(c)),
            c => c.to_string(),
        };
        format!("U&\"{}\"", name.chars().map(escaped).collect::<String>())
    }

    /// `schema.name`, each part quoted if necessary.
    pub fn qualified(schema: &str, name: &str) -> String {
        format!("{}.{}", identifier(schema), identifier(name))
    }

    /// A string constant. A backslash is one, whatever `standard_conforming_strings` is.
    pub fn literal(text: &str) -> String {
        match text.contains('\\') {
            true => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            false => format!("'{}'", text.replace('\'', "''")),
        }
    }

    /// Whether the name needs no quotes: nothing is folded to lower case, and it is not a key word.
    fn is_plain(name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !KEY_WORDS.split_whitespace().any(|word| word == name)
    }

    /// `SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'` of PostgreSQL 15, and what 16 to 18 added. `quote_ident`
    /// quotes the same words.
    const KEY_WORDS: &str = "all analyse analyze and any array as asc asymmetric authorization between bigint binary \
        bit boolean both case cast char character check coalesce collate collation column concurrently constraint \
        create cross current_catalog current_date current_role current_schema current_time current_timestamp \
        current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch float \
        for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer \
        intersect interval into is isnull join lateral leading least left like limit localtime localtimestamp national \
        natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps \
        overlay placing position precision primary real references returning right row select session_user setof \
        similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true \
        union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat \
        xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable json json_array \
        json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table \
        json_value merge_action system_user";
}

/// MySQL and MariaDB (MySQL Reference Manual, "Schema Object Names", "String Literals").
pub mod mysql {
    /// A quoted identifier. There is no escape for control characters: do not print it if the name has any.
    pub fn identifier(name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }

    /// `schema.name`, quoted.
    pub fn qualified(schema: &str, name: &str) -> String {
        format!("{}.{}", identifier(schema), identifier(name))
    }

    /// A string for people to type, under the default `sql_mode`.
    pub fn literal(text: &str) -> String {
        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    }

    /// A string for queries: in hexadecimal, which means the same under every `sql_mode`.
    pub fn hex_literal(text: &str) -> String {
        let digits: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("_utf8mb4 x'{}'", digits.concat())
    }

    /// An account, such as `'clickpipes_iam_user'@'10.0.0.%'`. `%` is the default host and is left out.
    pub fn account(user: &str, host: &str) -> String {
        match host {
            "%" => literal(user),
            host => format!("{}@{}", literal(user), literal(host)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgres_identifier_is_quoted_if_it_must_be() {
        for (name, quoted) in [
            ("clickpipes_iam_user", "clickpipes_iam_user"),
            ("_1", "_1"),
            ("orders", "orders"),
            ("order", "\"order\""),
            ("current_user", "\"current_user\""),
            ("1_a", "\"1_a\""),
            ("ClickPipes_User", "\"ClickPipes_User\""),
            ("my-db\"x", "\"my-db\"\"x\""),
            ("", "\"\""),
            ("ö_l", "\"ö_l\""),
            ("a\nb\"c\\d\u{200d}", "U&\"a\\+00000ab\"\"c\\\\d\\+00200d\""),
        ] {
            assert_eq!(postgres::identifier(name), quoted);
        }
    }

    #[test]
    fn text_is_never_syntax() {
        assert_eq!(postgres::literal(r"it's"), r"'it''s'");
        assert_eq!(postgres::literal(r"it's \"), r"E'it''s \\'");
        assert_eq!(mysql::literal(r"o'hara\"), r"'o''hara\\'");
        assert_eq!(mysql::hex_literal("a'"), "_utf8mb4 x'6127'");
        assert_eq!(mysql::qualified("a`b", "c"), "`a``b`.`c`");
        assert_eq!(mysql::account("u", "%"), "'u'");
        assert_eq!(mysql::account("u", "10.%"), "'u'@'10.%'");
    }

    #[test]
    fn server_text_is_cleaned_only_for_display() {
        let name = ServerText::new("a\tb\u{feff}");
        assert_eq!((name.raw(), name.to_string().as_str()), ("a\tb\u{feff}", "a b"));
    }
}
