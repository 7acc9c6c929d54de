//! The pipes of a ClickHouse service, as the ClickHouse Cloud API lists them (OpenAPI specification of ClickHouse Cloud,
//! operations `instanceGet` and `clickPipeGetList`). The API does not return credentials, so the user of a pipe is not known.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Declared, ServiceFacts,
    attributes::Attributes,
    marks::Marks,
    pipe::{PipeReader, Read},
};
use crate::{
    cli::Given,
    diagnostic::is_unprintable,
    static_ips,
    target::{ConfigErrors, Invalid, Origin, Skipped},
};

/// The field that names the service.
const FIELD: &str = "clickhouse_service";

/// `result` of the answers about a service and its pipes.
#[derive(Deserialize)]
struct Answers {
    service: Service,
    pipes: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    id: String,
    name: Option<String>,
    iam_role: Option<String>,
    provider: Option<String>,
    region: Option<String>,
    created_at: Option<String>,
}

/// What is read of a pipe beyond its attributes.
#[derive(Deserialize)]
struct Pipe {
    id: Option<String>,
    name: Option<String>,
    state: Option<String>,
}

/// Reads the name of a service and its pipes.
///
/// # Errors
/// Answers of another form than that of the API. Nothing of them is quoted.
pub fn read(answers: &str) -> Result<(String, Declared), ConfigErrors> {
    let Answers { service, pipes } = parsed(answers)?;
    let name = match service.name.as_deref().filter(|name| is_usable(name)) {
        Some(name) => format!("ClickHouse service {name}"),
        None => "ClickHouse service".to_owned(),
    };
    let id = service.id.clone();
    let services = BTreeMap::from([(id.clone(), facts(service))]);
    let pipes = pipes.iter().map(|text| Ok((parsed(text.get())?, parsed(text.get())?)));
    let pipes: Vec<(Pipe, Attributes)> = pipes.collect::<Result<_, Invalid>>()?;
    let mut targets = Targets::of(&pipes);
    let mut declared = Declared::default();
    let nothing = Marks::default();
    for (pipe, attributes) in pipes {
        let target = targets.name(&pipe)?;
        let origin = Origin::Resource { document: name.clone(), address: target.clone() };
        let attributes = Attributes { service_id: Some(id.clone()), ..attributes };
        match PipeReader::new(origin, &nothing, &nothing, "ClickHouse Cloud API").read(attributes, &services)
        {
            Read::Pipe(mut found) => {
                found.declaration.pipe_state = pipe.state.filter(|state| is_state(state));
                declared.pipes.push(*found);
            }
            Read::Skipped(reason) => declared.skipped.push(Skipped { target, reason }),
        }
    }
    Ok((name, declared))
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Invalid> {
    serde_json::from_str(text).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        unusable(format!("a service or a pipe of another form ({at})"))
    })
}

fn unusable(found: impl std::fmt::Display) -> Invalid {
    Invalid::new(FIELD, "the service and its pipes, as the ClickHouse Cloud API describes them", found)
        .remedy("use a newer pipeprobe, or --terraform-state")
}

fn facts(service: Service) -> ServiceFacts {
    let Service { id, iam_role, provider, region, created_at, .. } = service;
    let given = |text| {
        let origin = Origin::Resource { document: "ClickHouse Cloud".to_owned(), address: id.clone() };
        Given::new(text, origin)
    };
    let has_rules = provider.is_none_or(|provider| provider == "aws" || provider == "gcp");
    let created: Option<Timestamp> = created_at.and_then(|time| time.parse().ok());
    ServiceFacts {
        role: iam_role.filter(|role| !role.is_empty()).map(given),
        region: region.filter(|region| has_rules && static_ips::is_known(region)).map(given),
        created: created.map(|time| TimeZone::UTC.to_datetime(time).date()),
    }
}

/// The names of the targets. Two pipes of a service can have the same name.
struct Targets {
    twice: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Targets {
    fn of(pipes: &[(Pipe, Attributes)]) -> Self {
        let (mut twice, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for name in pipes.iter().filter_map(|(pipe, _)| pipe.name.clone()) {
            if !seen.insert(name.clone()) {
                twice.insert(name);
            }
        }
        Self { twice, used: BTreeSet::new() }
    }

    /// The name of a pipe, with its ID if it has no other that can be used.
    fn name(&mut self, pipe: &Pipe) -> Result<String, Invalid> {
        let id = pipe.id.as_deref().filter(|id| is_usable(id));
        let target = match (pipe.name.as_deref().filter(|name| is_usable(name)), id) {
            (Some(name), _) if !self.twice.contains(name) => name.to_owned(),
            (Some(name), Some(id)) => format!("{name} ({id})"),
            (None, Some(id)) => id.to_owned(),
            (_, None) => return Err(unusable("a pipe without an ID")),
        };
        match self.used.insert(target.clone()) {
            true => Ok(target),
            false => Err(unusable("two pipes with the same ID")),
        }
    }
}

/// Names of targets must not be able to control a terminal, or look like another name.
fn is_usable(name: &str) -> bool {
    (1..=1000).contains(&name.chars().count()) && !name.contains(is_unprintable)
}

fn is_state(state: &str) -> bool {
    (1..=40).contains(&state.len()) && state.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
