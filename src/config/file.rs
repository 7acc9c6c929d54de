//! The configuration file: layers of fields with the line that each came from. All errors of a file are reported.

use std::{collections::BTreeMap, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    cli::{
        Written,
        fields::{Fields, JudgeFields, ServeFields},
    },
    target::{ConfigErrors, ErrorList, Invalid, Origin, nearest, quoted},
};

/// A configuration file: fields that all targets share, and a table for each target.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub defaults: Fields,
    pub targets: BTreeMap<String, TargetTable>,
    pub serve: ServeFields,
    /// `basis`, `require` and `timeout` of `[serve]`.
    pub judge: JudgeFields,
    /// Unknown fields and values of a wrong kind. What follows from the rest of the file is reported with them.
    pub errors: ErrorList,
}

/// The table of one target.
#[derive(Clone, Debug)]
pub struct TargetTable {
    pub fields: Fields,
    pub origin: Origin,
}

/// Reads the text of the file at `path`; the path is for messages, and relative paths in the file start at its folder.
///
/// # Errors
/// Every syntax error. Other errors are in the result. Values are not quoted, because they can be secrets.
pub fn read(path: &Path, text: &str) -> Result<File, ConfigErrors> {
    let line_starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let reader = Reader { path: path.display().to_string(), line_starts };
    let mut errors = ErrorList::default();
    let (root, syntax) = DeTable::parse_recoverable(text);
    // One error per line: the parser goes on after an error, and some of what follows is its consequence.
    let mut by_line = BTreeMap::new();
    for error in &syntax {
        by_line.entry(reader.line(error.span().map_or(0, |span| span.start))).or_insert(error);
    }
    for (line, error) in by_line {
        let origin = Origin::File { path: reader.path.clone(), line, table: String::new() };
        errors.push(Invalid::new("config_file", "TOML", error.message()).at(&origin));
    }
    errors.check()?;
    let file = reader.file(root.get_ref(), &mut errors);
    Ok(File { errors, ..file })
}

struct Reader {
    path: String,
    /// Offsets of all lines but the first.
    line_starts: Vec<usize>,
}

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

impl Reader {
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) + 1
    }

    fn origin(&self, offset: usize, table: &str) -> Origin {
        Origin::File { path: self.path.clone(), line: self.line(offset), table: table.to_owned() }
    }

    fn file(&self, root: &DeTable<'_>, errors: &mut ErrorList) -> File {
        let mut file = File::default();
        for (key, value) in root {
            match (&**key.get_ref(), value.get_ref()) {
                ("defaults", DeValue::Table(table)) => {
                    self.fields("defaults", table, &mut file.defaults, errors);
                }
                ("targets", DeValue::Table(targets)) => {
                    for (name, value) in targets {
                        if let Some(target) = self.target(name, value, errors) {
                            file.targets.insert(name.get_ref().to_string(), target);
                        }
                    }
                }
                ("serve", DeValue::Table(table)) => self.serve(table, &mut file, errors),
                ("defaults" | "targets" | "serve", _) => {
                    let origin = self.origin(key.span().start, "");
                    errors.push(Invalid::new(key.get_ref(), "a table", "a value").at(&origin));
                }
                _ => self.unknown(key, "", ["defaults", "targets", "serve"], errors),
            }
        }
        file
    }

    fn target(
        &self,
        name: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
        errors: &mut ErrorList,
    ) -> Option<TargetTable> {
        let table_name = format!("targets.{}", name.get_ref());
        let origin = self.origin(name.span().start, &table_name);
        if let Err(invalid) = printable_name(name.get_ref()) {
            errors.push(invalid.at(&self.origin(name.span().start, "")));
            return None;
        }
        let DeValue::Table(table) = value.get_ref() else {
            let expected = format!("a table [{table_name}]");
            errors.push(Invalid::new("", expected, "a value").at(&origin));
            return None;
        };
        let mut fields = Fields::default();
        self.fields(&table_name, table, &mut fields, errors);
        Some(TargetTable { fields, origin })
    }

    fn fields(&self, table: &str, entries: &DeTable<'_>, fields: &mut Fields, errors: &mut ErrorList) {
        for (key, value) in entries {
            match fields.set(key.get_ref(), written(value.get_ref()), &self.origin(key.span().start, table)) {
                Some(result) => drop(errors.take(result)),
                None => {
                    self.unknown(key, table, Fields::keys(), errors);
                    // As if the name were right, so that the field is not reported as missing too.
                    let meant =
                        nearest(key.get_ref(), Fields::keys()).filter(|name| !entries.contains_key(*name));
                    if let Some(name) = meant {
                        let origin = self.origin(key.span().start, table);
                        fields.set(name, written(value.get_ref()), &origin);
                    }
                }
            }
        }
    }

    fn serve(&self, entries: &DeTable<'_>, file: &mut File, errors: &mut ErrorList) {
        for (key, value) in entries {
            let origin = self.origin(key.span().start, "serve");
            let value = written(value.get_ref());
            let set = file.serve.set(key.get_ref(), value.clone(), &origin);
            if let Some(result) = set.or_else(|| file.judge.set(key.get_ref(), value, &origin)) {
                errors.take(result);
            } else {
                let keys = ServeFields::KEYS.iter().chain(JudgeFields::KEYS).copied();
                self.unknown(key, "serve", keys, errors);
            }
        }
    }

    fn unknown<'k>(
        &self,
        key: &Key<'_>,
        table: &str,
        known: impl IntoIterator<Item = &'k str>,
        errors: &mut ErrorList,
    ) {
        let origin = self.origin(key.span().start, table);
        let expected = match table {
            "" => "a table [defaults], [targets.NAME] or [serve]".to_owned(),
            table => format!("a field of [{table}]"),
        };
        let invalid = Invalid::new(&printed(key.get_ref()), expected, "an unknown name");
        errors.push(invalid.at(&origin).suggest(key.get_ref(), known));
    }
}

/// A key of the file in a message.
fn printed(key: &str) -> String {
    quoted(key).trim_matches('`').to_owned()
}

/// Names of targets are printed in reports, logs and pages: they must not be able to control a terminal, or look like
/// another name.
fn printable_name(name: &str) -> Result<(), Invalid> {
    let printable = |c: char| !c.is_control() && !crate::diagnostic::is_invisible(c);
    match name.chars().count() {
        1..=128 if name.chars().all(printable) => Ok(()),
        _ => Err(Invalid::new(
            "targets",
            "a target name of 1 to 128 characters without control characters and invisible characters",
            quoted(name),
        )),
    }
}

fn written(value: &DeValue<'_>) -> Written {
    let Some(text) = scalar(value) else {
        return match value {
            DeValue::Array(items) => match items.iter().map(|item| scalar(item.get_ref())).collect() {
                Some(texts) => Written::List(texts),
                None => Written::Unusable("a list of lists or tables"),
            },
            DeValue::Table(entries) => {
                let entry = |(key, value): (&Key<'_>, &Spanned<DeValue<'_>>)| {
                    Some((key.get_ref().to_string(), scalar(value.get_ref())?))
                };
                match entries.iter().map(entry).collect() {
                    Some(entries) => Written::Table(entries),
                    None => Written::Unusable("a table of lists or tables"),
                }
            }
            _ => Written::Unusable("a value of another kind"),
        };
    };
    Written::Scalar(text)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
