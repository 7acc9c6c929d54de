//! Which targets a command is about: those of a file, of a Terraform plan or state, of a ClickHouse service, one of flags, or one
//! of a URL.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::civil::Date;

use super::{
    Context, Environment,
    declared::{self, Document},
    file::{self, File},
    input, url,
};
use crate::{
    cli::{
        Given, Sources,
        fields::{Fields, TargetFields},
    },
    sources::{DeclaredPipe, SecurityGroups},
    target::{ConfigErrors, Declaration, ErrorList, Invalid, Origin, Problem, ProblemKind, Skipped, quoted},
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
    /// If a Terraform plan, a Terraform state or a ClickHouse service declares it.
    pub(super) declared: Option<SelectedPipe>,
}

/// What a document says about a pipe beyond the fields of a target.
#[derive(Clone, Debug)]
pub(super) struct SelectedPipe {
    pub(super) declaration: Declaration,
    pub(super) service_role: Option<Given>,
    pub(super) service_created: Option<Date>,
    pub(super) security_groups: Option<SecurityGroups>,
}

/// The targets of a command, and the pipes that are not checked.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) targets: Vec<Selected>,
    pub(super) skipped: Vec<Skipped>,
    /// Errors of the file that leave targets to read.
    pub(super) errors: ErrorList,
}

/// The targets that are named, or all. `typed`: what flags and variables say, which takes precedence.
pub(super) fn targets(sources: &Sources, names: &[String], typed: Fields) -> Result<Selection, ConfigErrors> {
    if names.iter().any(|name| name.contains("://")) {
        return urls(sources, names, &typed);
    }
    let document = declared::document(sources)?;
    let default = || {
        let path = PathBuf::from(DEFAULT_FILE);
        Some(path).filter(|path| typed.target.host.is_none() && document.is_none() && path.is_file())
    };
    let path = sources.file.path().map(Path::to_owned).or_else(default);
    if path.is_none() && document.is_none() {
        return match names.first() {
            None => {
                let only = Selected { name: None, origin: None, fields: typed, declared: None };
                Ok(Selection { targets: vec![only], ..Selection::default() })
            }
            Some(name) => Err(Invalid::new(
                "config_file",
                format!("a file that defines the target {}", quoted(name)),
                format!("no --config-file, and no ./{DEFAULT_FILE}"),
            )
            .into()),
        };
    }
    let file = path.as_deref().map(read_file).transpose()?;
    targets_of(path.as_deref(), file.unwrap_or_default(), document, names, &typed)
}

/// For commands that are about one target. `field`: what names it; `purpose`: what it is for.
pub(super) fn one_target(
    sources: &Sources,
    name: Option<String>,
    typed: Fields,
    (field, purpose): (&str, &str),
) -> Result<Selected, ConfigErrors> {
    let names: Vec<String> = name.into_iter().collect();
    let mut selection = targets(sources, &names, typed)?;
    selection.errors.check()?;
    let mut found = selection.targets;
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(Invalid::new(field, purpose, "no pipe with authentication = \"IAM_ROLE\"").into()),
        (_, more) => {
            let known = found.iter().find_map(|target| target.name.as_deref()).unwrap_or("NAME");
            let help = match field.strip_prefix("--") {
                Some(flag) => format!("name one of them, such as --{flag} {known}"),
                None => format!("name one of them, such as {known}"),
            };
            let place = if sources.has_document() { "document" } else { "file" };
            let found = format!("{} targets in the {place}", more + 1);
            Err(Invalid::new(field, purpose, found).remedy(help).into())
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
    file::read(path, &text)
}

/// The targets of a file and a document that are named, or all, with what was typed above what is written. A table of the
/// file with the name of a pipe adds fields to it.
pub(super) fn targets_of(
    path: Option<&Path>,
    file: File,
    document: Option<Document>,
    names: &[String],
    typed: &Fields,
) -> Result<Selection, ConfigErrors> {
    let places = path.map(|path| path.display().to_string());
    let places: Vec<_> =
        places.into_iter().chain(document.as_ref().map(|document| document.name.clone())).collect();
    let shown = places.join(" and ");
    let mut errors = file.errors;
    if file.targets.is_empty() && document.is_none() {
        errors.check()?;
        return Err(Invalid::new(
            "config_file",
            "at least one table [targets.NAME]",
            format!("none in {shown}"),
        )
        .remedy("print an example with `pipeprobe config example config`")
        .into());
    }
    let defaults = file.defaults;
    let mut all: BTreeMap<String, Layers> =
        file.targets.into_iter().map(|(name, table)| (name, Layers::of(table))).collect();
    let mut skipped = document.map(|document| merge(document, &mut all)).unwrap_or_default();
    let before = errors.len();
    let known: Vec<&str> = all.keys().map(String::as_str).collect();
    for name in names.iter().filter(|name| !all.contains_key(*name)) {
        let reason = skipped.iter().find(|skipped| skipped.target == *name).map(|skipped| &skipped.reason);
        let found =
            reason.map_or(quoted(name), |reason| format!("{}, which is skipped: {reason}", quoted(name)));
        let expected = format!("a target of {shown}: {}", known.join(", "));
        errors.push(Invalid::new("TARGET", expected, found).suggest(name, known.iter().copied()));
    }
    if errors.len() > before {
        errors.check()?;
    }
    if !names.is_empty() {
        skipped.clear();
    }
    let chosen: Vec<_> =
        all.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect();
    if chosen.len() > 1 {
        for (field, origin) in belongs_to_one(&typed.target) {
            let expected = "one target if it is given as a flag or a variable";
            errors.push(Invalid::new(field, expected, format!("{} targets", chosen.len())).at(origin));
        }
        if errors.len() > before {
            errors.check()?;
        }
    }
    let targets = chosen.into_iter().map(|(name, written)| written.layered(name, typed, &defaults)).collect();
    Ok(Selection { targets, skipped, errors })
}

/// What is written about a target: in its table of the file, in a document, or both.
struct Layers {
    origin: Origin,
    table: Option<Fields>,
    pipe: Option<DeclaredPipe>,
}

impl Layers {
    fn of(table: file::TargetTable) -> Self {
        Self { origin: table.origin, table: Some(table.fields), pipe: None }
    }

    fn layered(self, name: String, typed: &Fields, defaults: &Fields) -> Selected {
        let above = typed.clone().over(self.table.unwrap_or_default());
        let Some(DeclaredPipe {
            name: _,
            fields,
            mut declaration,
            service_role,
            service_created,
            security_groups,
        }) = self.pipe
        else {
            let fields = above.over(defaults.clone());
            return Selected { name: Some(name), origin: Some(self.origin), fields, declared: None };
        };
        declaration.problems.retain(|problem| !is_solved(problem, &above));
        Selected {
            name: Some(name),
            origin: Some(self.origin),
            fields: above.over(fields).over(defaults.clone()),
            declared: Some(SelectedPipe { declaration, service_role, service_created, security_groups }),
        }
    }
}

/// Whether a value that the document does not contain is given. Defaults do not count: they are not about this pipe.
fn is_solved(problem: &Problem, given: &Fields) -> bool {
    use ProblemKind::{Invalid, KnownAfterApply, UserMissing};
    let is_value = matches!(problem.kind, KnownAfterApply | Invalid | UserMissing);
    is_value && problem.key.is_some_and(|key| given.has(key))
}

/// Adds the pipes of a document, and returns those that are skipped.
fn merge(document: Document, all: &mut BTreeMap<String, Layers>) -> Vec<Skipped> {
    for pipe in document.declared.pipes {
        let origin = Origin::Resource { document: document.name.clone(), address: pipe.name.clone() };
        let written = all.remove(&pipe.name);
        let table = written.and_then(|written| written.table);
        all.insert(pipe.name.clone(), Layers { origin, table, pipe: Some(pipe) });
    }
    document.declared.skipped
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
fn urls(sources: &Sources, names: &[String], typed: &Fields) -> Result<Selection, ConfigErrors> {
    let mut errors = ErrorList::default();
    if sources.has_document() {
        errors.push(Invalid::new("TARGET", "names of pipes of the plan, the state or the service", "a URL"));
    } else if sources.file.path().is_some() {
        errors.push(Invalid::new("TARGET", "names of targets of the configuration file", "a URL"));
    }
    if let Some(host) = &typed.target.host {
        errors.push(Invalid::new("host", "a URL or --host, not both", "both").at(&host.origin));
    }
    let read = |name: &String| {
        let from_url = url::fields(name)?;
        let source_type = typed.target.source_type.clone().or(from_url.source_type.clone());
        let target = TargetFields { source_type, ..from_url }.over(typed.target.clone());
        let fields = Fields { target, ..typed.clone() };
        Ok(Selected { name: None, origin: None, fields, declared: None })
    };
    let targets = names.iter().filter_map(|name| errors.take(read(name))).collect();
    errors.check()?;
    Ok(Selection { targets, ..Selection::default() })
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
