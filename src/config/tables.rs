//! Names of tables. In a flag or a variable, commas separate them, and double quotes keep a comma or a dot in a name, as in SQL.

use super::field;
use crate::{
    cli::Given,
    target::{ErrorList, Invalid, Origin, TablePattern, quoted},
};

/// The tables of a pipe; those that cannot be used are noted. In files and documents, each name is an item, and quotes are part
/// of it.
pub(super) fn list(errors: &mut ErrorList, given: Option<&[Given]>) -> Vec<TablePattern> {
    let mut all = Vec::new();
    for item in given.into_iter().flatten() {
        match item.origin {
            Origin::Flag(_) | Origin::Variable(_) => {
                let names = parts(&item.text, ',').into_iter().filter(|name| !name.is_empty());
                all.extend(names.filter_map(|name| errors.take(item.read(|_| typed(name)))));
            }
            _ => {
                let item = std::slice::from_ref(item);
                all.extend(field::list(errors, Some(item), "tables", str::parse::<TablePattern>));
            }
        }
    }
    all
}

/// A name with quotes: `public."a.b"`. A doubled quote is one.
fn typed(name: &str) -> Result<TablePattern, Invalid> {
    if !name.contains('"') {
        return name.parse();
    }
    let wrong = || {
        let expected = "SCHEMA.TABLE, with \" around a whole schema or table, such as public.\"a,b\"";
        Invalid::new("tables", expected, quoted(name))
    };
    match parts(name, '.')[..] {
        [schema, table] => Ok(TablePattern {
            schema: unquoted(schema).ok_or_else(wrong)?,
            table: unquoted(table).ok_or_else(wrong)?,
        }),
        _ => Err(wrong()),
    }
}

/// The name without its quotes. `None` if it is empty, or has quotes that do not surround it.
fn unquoted(part: &str) -> Option<String> {
    let name = match part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.replace("\"\"", "").contains('"') => inner.replace("\"\"", "\""),
        None if !part.contains('"') => part.to_owned(),
        _ => return None,
    };
    Some(name).filter(|name| !name.is_empty())
}

/// The text between separators that are not within quotes.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|c: char| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::ConfigErrors;

    fn read(text: &str, origin: Origin) -> Result<Vec<[String; 2]>, ConfigErrors> {
        let mut errors = ErrorList::default();
        let tables = list(&mut errors, Some(&[Given::new(text.to_owned(), origin)]));
        errors.check().map(|()| tables.into_iter().map(|table| [table.schema, table.table]).collect())
    }

    #[test]
    fn quotes_keep_a_comma_and_a_dot_in_a_name() {
        let flag = || Origin::Flag("--table".to_owned());
        for (text, expected) in [
            ("public.a,public.b_*", vec![["public", "a"], ["public", "b_*"]]),
            (r#"public."a,b",public.c"#, vec![["public", "a,b"], ["public", "c"]]),
            (r#""s.1"."t.2""#, vec![["s.1", "t.2"]]),
            (r#"public."say ""hi"", now""#, vec![["public", "say \"hi\", now"]]),
            ("public.a,", vec![["public", "a"]]),
        ] {
            let found = read(text, flag()).unwrap();
            assert_eq!(found, expected, "{text}");
            for [schema, table] in found {
                let typed = TablePattern { schema: schema.clone(), table: table.clone() }.typed();
                assert_eq!(read(&typed, flag()).unwrap(), [[schema, table]], "{typed}");
            }
        }
        for wrong in [
            r#"public."a"#,
            r#"public."a"b"#,
            r#"public.a"b"#,
            r#"public."""#,
            r#""a.b""#,
            r#"a."b".c"#,
            "a.b.c",
        ] {
            assert_eq!(read(wrong, flag()).unwrap_err().first().field, "tables", "{wrong}");
        }
        // A plan and a file name one table with each text.
        let file = Origin::File { path: "p.toml".into(), line: 1, table: String::new() };
        assert_eq!(read(r#"public."a,b""#, file).unwrap(), [["public", r#""a,b""#]]);
    }
}
