//! Quoting for each language. Input never becomes syntax.

/// A name in PostgreSQL. Always quoted: its case is kept, and it cannot be a reserved word.
pub(super) fn pg_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in PostgreSQL (`standard_conforming_strings` is on: a backslash is one).
pub(super) fn pg_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in MySQL and MariaDB.
pub(super) fn mysql_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// One word of a shell command.
pub(super) fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A string in HCL, the language of Terraform: quotes, `${` and `%{` are escaped.
pub(super) fn hcl(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => quoted.extend([c, c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A line of a comment. Its content cannot end it.
pub(super) fn comment(text: &str) -> String {
    crate::diagnostic::printable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_is_syntax() {
        assert_eq!(pg_name(r#"a"b"#), r#""a""b""#);
        assert_eq!(pg_text(r"it's \"), r"'it''s \'");
        assert_eq!(mysql_name("a`b"), "`a``b`");
        for (text, word) in [
            ("a-b_c.d", "a-b_c.d"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("<db-…>", "'<db-…>'"),
        ] {
            assert_eq!(shell(text), word);
        }
        assert_eq!(hcl("${x} %{y} \"q\" \\ \n$x"), r#""$${x} %%{y} \"q\" \\ \n$x""#);
        assert_eq!(hcl("$${x}"), r#""$$${x}""#);
        assert_eq!(comment("a\nDROP"), "a DROP");
    }
}
