//! Which targets a command is about: those of a file, one of flags, or one of a URL.

use std::path::{Path, PathBuf};

use super::{
    Context, Environment,
    file::{self, File},
    input, url,
};
use crate::{
    cli::{
        ConfigFile,
        fields::{Fields, TargetFields},
    },
    target::{ConfigErrors, ErrorList, Invalid, Origin, quoted},
};

/// The file that is used if none is named.
pub(super) const DEFAULT_FILE: &str = "pipeprobe.toml";

/// The merged fields of one target.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    /// Its name in the file.
    pub(super) name: Option<String>,
    /// Its table in the file.
    pub(super) origin: Option<Origin>,
    pub(super) fields: Fields,
}

/// The targets that are named, or all. `typed`: what flags and variables say, which takes precedence.
pub(super) fn targets(
    file: &ConfigFile,
    names: &[String],
    typed: Fields,
) -> Result<Vec<Selected>, ConfigErrors> {
    if names.iter().any(|name| name.contains("://")) {
        return urls(file, names, &typed);
    }
    let default = || {
        let path = PathBuf::from(DEFAULT_FILE);
        Some(path).filter(|path| typed.target.host.is_none() && path.is_file())
    };
    let Some(path) = file.path().map(Path::to_owned).or_else(default) else {
        return match names.first() {
            None => Ok(vec![Selected { name: None, origin: None, fields: typed }]),
            Some(name) => Err(Invalid::new(
                "config_file",
                format!("a file that defines the target {}", quoted(name)),
                format!("no --config-file, and no ./{DEFAULT_FILE}"),
            )
            .into()),
        };
    };
    targets_of(&path, read_file(&path)?, names, &typed)
}

/// For commands that are about one target. `field`: what names it; `purpose`: what it is for.
pub(super) fn one_target(
    file: &ConfigFile,
    name: Option<String>,
    typed: Fields,
    (field, purpose): (&str, &str),
) -> Result<Selected, ConfigErrors> {
    let names: Vec<String> = name.into_iter().collect();
    let mut found = targets(file, &names, typed)?;
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (_, more) => {
            let known = found.iter().find_map(|target| target.name.as_deref()).unwrap_or("NAME");
            let help = match field.strip_prefix("--") {
                Some(flag) => format!("name one of them, such as --{flag} {known}"),
                None => format!("name one of them, such as {known}"),
            };
            Err(Invalid::new(field, purpose, format!("{} targets in the file", more + 1)).help(help).into())
        }
    }
}

/// The names of the targets for a command line that is not complete, for completions. Empty if no file can be read.
pub fn target_names(typed: &[String], environment: Environment<'_>) -> Vec<String> {
    let after = |i: usize| typed.get(i + 1).cloned();
    let flag = typed.iter().enumerate().find_map(|(i, word)| match word.as_str() {
        "-c" | "--config-file" => after(i),
        word => word.strip_prefix("--config-file=").map(str::to_owned),
    });
    let variable = || environment("PIPEPROBE_CONFIG_FILE").filter(|path| !path.is_empty());
    let path = flag.or_else(variable).unwrap_or_else(|| DEFAULT_FILE.to_owned());
    match path.as_str() {
        "-" => Vec::new(), // stdin belongs to the shell
        path => {
            read_file(Path::new(path)).map_or_else(|_| Vec::new(), |file| file.targets.into_keys().collect())
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<File, ConfigErrors> {
    let text = input::read_limited(path, input::CONFIG_LIMIT).map_err(|why| {
        let found = format!("{}: {why}", quoted(path.display()));
        Invalid::new("config_file", "a file that can be read", found)
    })?;
    file::parse(path, &text)
}

/// The targets of a file that are named, or all, with what was typed above what is written.
pub(super) fn targets_of(
    path: &Path,
    file: File,
    names: &[String],
    typed: &Fields,
) -> Result<Vec<Selected>, ConfigErrors> {
    let shown = path.display();
    if file.targets.is_empty() {
        return Err(Invalid::new(
            "config_file",
            "at least one table [targets.NAME]",
            format!("none in {shown}"),
        )
        .help("print an example with `pipeprobe config example config`")
        .into());
    }
    let mut errors = ErrorList::default();
    let known: Vec<&str> = file.targets.keys().map(String::as_str).collect();
    for name in names.iter().filter(|name| !file.targets.contains_key(*name)) {
        let expected = format!("a target of {shown}: {}", known.join(", "));
        errors.push(Invalid::new("TARGET", expected, quoted(name)).suggest(name, known.iter().copied()));
    }
    errors.check()?;
    let chosen: Vec<_> =
        file.targets.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect();
    if chosen.len() > 1 {
        for (field, origin) in belongs_to_one(&typed.target) {
            let expected = "one target if it is given as a flag or a variable";
            errors.push(Invalid::new(field, expected, format!("{} targets", chosen.len())).at(origin));
        }
        errors.check()?;
    }
    let layered = |(name, table): (String, file::TargetTable)| Selected {
        name: Some(name),
        origin: Some(table.origin),
        fields: typed.clone().over(table.fields.over(file.defaults.clone())),
    };
    Ok(chosen.into_iter().map(layered).collect())
}

/// Fields that cannot be meant for several databases at once.
fn belongs_to_one(typed: &TargetFields) -> impl Iterator<Item = (&'static str, &Origin)> {
    [
        ("host", &typed.host),
        ("connect_to", &typed.connect_to),
        ("tls_host", &typed.tls_host),
        ("sign_host", &typed.sign_host),
    ]
    .into_iter()
    .filter_map(|(field, given)| Some((field, &given.as_ref()?.origin)))
}

/// Targets that are given as URLs.
fn urls(file: &ConfigFile, names: &[String], typed: &Fields) -> Result<Vec<Selected>, ConfigErrors> {
    let mut errors = ErrorList::default();
    if file.path().is_some() {
        errors.push(Invalid::new("TARGET", "names of targets of the configuration file", "a URL"));
    }
    if let Some(host) = &typed.target.host {
        errors.push(Invalid::new("host", "a URL or --host, not both", "both").at(&host.origin));
    }
    let read = |name: &String| {
        let from_url = url::fields(name)?;
        let source_type = typed.target.source_type.clone().or(from_url.source_type.clone());
        let target = TargetFields { source_type, ..from_url }.over(typed.target.clone());
        Ok(Selected { name: None, origin: None, fields: Fields { target, ..typed.clone() } })
    };
    let targets = names.iter().filter_map(|name| errors.take(read(name))).collect();
    errors.check()?;
    Ok(targets)
}

/// What flags and variables say, with what aws-vault puts into the environment below it.
pub(super) fn typed(fields: TargetFields, context: &Context<'_>) -> TargetFields {
    let mut fields = fields.without_empty();
    // Transitive keys belong to the tags that they came with.
    if fields.session_tags.is_none() {
        fields.session_tags = context.list_variable("AWS_SESSION_TAGS");
        if fields.transitive_tags.is_none() {
            fields.transitive_tags = context.list_variable("AWS_TRANSITIVE_TAGS");
        }
    }
    fields
}
