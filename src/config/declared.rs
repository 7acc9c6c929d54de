//! Pipes of a Terraform plan or state, or of a ClickHouse service, as targets. What their declaration leaves open is a finding
//! about the pipe; what is wrong in flags, variables and files is an error.

use std::path::Path;

use super::{
    Context, input,
    select::Selected,
    target::{self, Needs},
};
use crate::{
    cli::{Given, Sources},
    sources::{
        Declared, clickhouse,
        terraform::{self, Kind},
    },
    target::{
        ConfigErrors, Declaration, ErrorList, InputField, Invalid, Origin, Problem, ProblemKind,
        ReplicationMode, SourceType, Target, Unchecked, quoted,
    },
};

/// A plan of 500 pipes has about 4 MiB.
const DOCUMENT_LIMIT: u64 = 256 << 20;

/// A document that declares pipes.
#[derive(Debug)]
pub(super) struct Document {
    /// Its path, or the service, for errors.
    pub(super) name: String,
    pub(super) declared: Declared,
}

/// Reads the plan, the state or the answers about a service that were given, if any were.
///
/// # Errors
/// A file that cannot be read, or is not what `terraform show -json` prints.
pub(super) fn document(sources: &Sources) -> Result<Option<Document>, ConfigErrors> {
    let (kind, given) = match (sources.plan(), sources.state(), &sources.service) {
        (Some(_), Some(state), _) => {
            let expected = "a plan or a state, not both";
            return Err(Invalid::new("terraform_state", expected, "both").at(&state.origin).into());
        }
        (Some(document), None, Some(service)) | (None, Some(document), Some(service)) => {
            let expected = "a service, or a plan or state, not both";
            let found = format!("also {}", document.origin);
            return Err(Invalid::new("clickhouse_service", expected, found).at(&service.origin).into());
        }
        (None, None, Some(answers)) => {
            let (name, declared) = clickhouse::read(&answers.text)?;
            return Ok(Some(Document { name, declared }));
        }
        (Some(plan), None, None) => (Kind::Plan, plan),
        (None, Some(state), None) => (Kind::State, state),
        (None, None, None) => return Ok(None),
    };
    let is_stdin = given.text == "-";
    if is_stdin && sources.file.path() == Some(Path::new("-")) {
        let expected = "stdin (-) once";
        return Err(Invalid::new(kind.field(), expected, "`-` twice").at(&given.origin).into());
    }
    let name = if is_stdin { "stdin".to_owned() } else { given.text.clone() };
    let text = input::read_limited(Path::new(&given.text), DOCUMENT_LIMIT).map_err(|why| {
        let expected = format!("a file with the {} as JSON", kind.name());
        let help = format!("the {} as JSON is the output of `terraform show -json`", kind.name());
        Invalid::new(kind.field(), expected, format!("{}: {why}", quoted(&name)))
            .at(&given.origin)
            .remedy(help)
    })?;
    let declared = terraform::read(kind, &text, &name).map_err(|errors| at(errors, &given.origin))?;
    Ok(Some(Document { name, declared }))
}

fn at(errors: ConfigErrors, origin: &Origin) -> ConfigErrors {
    let mut list = ErrorList::default();
    for invalid in errors.all() {
        list.push(invalid.clone().at(origin));
    }
    list.check().err().unwrap_or(errors)
}

/// What a selected target is.
pub(super) enum Candidate {
    Target(Box<Target>),
    Unchecked(Unchecked),
}

/// Reads a target. Errors in what a document declares are problems of that pipe.
///
/// # Errors
/// Every field of flags, variables and files that cannot be used.
pub(super) fn read(
    selected: Selected,
    needs: Needs,
    context: &Context<'_>,
) -> Result<Candidate, ConfigErrors> {
    let Some(pipe) = selected.declared.clone() else {
        return target::read(selected, needs, context).map(|target| Candidate::Target(Box::new(target)));
    };
    let mut declaration = pipe.declaration;
    // Of the fields of all layers, and before anything else that could make the target incomplete.
    if let Some(groups) = &pipe.security_groups
        && let Ok(Some(ips)) = target::static_ips(&selected, context)
    {
        groups.judge(&ips, &mut declaration);
    }
    let fields = &selected.fields;
    let mut unchecked = Unchecked {
        name: selected.name.clone().unwrap_or_default(),
        source_type: parsed::<SourceType>(fields.target.source_type.as_ref()),
        mode: parsed::<ReplicationMode>(fields.pipe.replication_mode.as_ref()),
        declaration: Declaration::default(),
    };
    let is_open = declaration.has(ProblemKind::KnownAfterApply) || declaration.has(ProblemKind::Invalid);
    match target::read(selected, needs, context) {
        Ok(target) if !is_open => {
            let target = Target { declaration: Some(declaration), ..target };
            return Ok(Candidate::Target(Box::new(target)));
        }
        Ok(_) => {}
        Err(errors) => {
            let is_declared =
                |invalid: &&Invalid| matches!(invalid.origin.as_deref(), Some(Origin::Resource { .. }));
            let (declared, typed): (Vec<_>, Vec<_>) = errors.all().iter().partition(is_declared);
            let mut list = ErrorList::default();
            for invalid in typed {
                list.push(invalid.clone());
            }
            list.check()?;
            for invalid in declared {
                add(&mut declaration, &unchecked.name, invalid.clone());
            }
        }
    }
    unchecked.declaration = declaration;
    Ok(Candidate::Unchecked(unchecked))
}

fn parsed<T: std::str::FromStr>(given: Option<&Given>) -> Option<T> {
    given.and_then(|given| given.text.parse().ok())
}

/// Adds an error as a problem, unless it follows from one.
fn add(declaration: &mut Declaration, name: &str, invalid: Invalid) {
    let field = invalid.field.strip_prefix(name).map_or(&*invalid.field, |rest| rest.trim_start_matches('.'));
    if declaration.problems.iter().any(|problem| problem.key == Some(field)) {
        return;
    }
    let field = InputField { field: field.to_owned(), origin: None };
    let invalid = invalid.about(|_| field).with_texts(|text| declaration.sensitive.hide(text));
    declaration.problems.push(Problem { kind: ProblemKind::Invalid, key: None, invalid });
}

/// For commands that need a target.
///
/// # Errors
/// Every problem of a pipe that cannot be checked.
pub(super) fn read_complete(
    selected: Selected,
    needs: Needs,
    context: &Context<'_>,
) -> Result<Target, ConfigErrors> {
    let origin = selected.origin.clone();
    match read(selected, needs, context)? {
        Candidate::Target(target) => Ok(*target),
        Candidate::Unchecked(unchecked) => {
            let mut errors = ErrorList::default();
            // What AWS resources show prevents no command that needs only the target.
            let problems = unchecked.declaration.problems.into_iter();
            for problem in problems.filter(|problem| problem.kind.planned().is_none()) {
                errors.push(origin.iter().fold(problem.invalid, Invalid::at));
            }
            errors.check()?;
            Err(super::field::internal().into())
        }
    }
}
