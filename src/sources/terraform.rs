//! Terraform: `clickhouse_clickpipe` resources of a plan or a state, as `terraform show -json` prints them (Terraform
//! documentation, JSON Output Format; ClickHouse's provider, resource clickhouse_clickpipe). OpenTofu prints the same
//! format.
//!
//! The AWS resources of the document are judged for the pipes that they belong to (`aws`).
//!
//! A value that is known only after apply is absent; only `after_unknown` names it. Sensitive values are in clear text.

mod aws;
mod document;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

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
    target::{ConfigErrors, ErrorList, Invalid, Origin, Skipped, quoted},
};
pub use aws::SecurityGroups;
use document::{Document, Resource};

/// The kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plan,
    State,
}

impl Kind {
    /// The field that names the document.
    pub fn field(self) -> &'static str {
        match self {
            Self::Plan => "terraform_plan",
            Self::State => "terraform_state",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::State => "state",
        }
    }

    /// The command that prints the document.
    fn command(self) -> &'static str {
        match self {
            Self::Plan => "terraform show -json PLAN",
            Self::State => "terraform show -json",
        }
    }

    fn expected(self) -> String {
        format!("the output of `{}`", self.command())
    }

    fn invalid(self, found: impl std::fmt::Display) -> Invalid {
        Invalid::new(self.field(), self.expected(), found)
    }
}

const PIPE: &str = "clickhouse_clickpipe";
const SERVICE: &str = "clickhouse_service";

/// Reads the pipes of a document. `name`: of the document, for errors.
///
/// ```
/// use pipeprobe::sources::terraform::{self, Kind};
///
/// // terraform show -json PLAN
/// let plan = std::fs::read_to_string("tests/terraform/plan.json")?;
/// let declared = terraform::read(Kind::Plan, &plan, "plan.json")?;
/// for pipe in &declared.pipes {
///     assert!(pipe.name.contains("clickhouse_clickpipe."), "{}", pipe.name);
/// }
/// # assert!(!declared.pipes.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A document that is not what `terraform show -json` prints. Nothing of the document is quoted but addresses.
pub fn read(kind: Kind, text: &str, name: &str) -> Result<Declared, ConfigErrors> {
    let document = Document::parse(kind, text)?;
    let resources = document.resources(kind);
    let services = services(&document, kind, name);
    let unknown: BTreeMap<&str, Marks> = document
        .unknown(|kind| kind == PIPE)
        .map(|(address, marks)| (address, Marks::parse(marks)))
        .collect();
    let aws = aws::Resources::of(&document, kind);
    let mut declared = Declared::default();
    let mut errors = ErrorList::default();
    let mut seen = BTreeSet::new();
    let nothing = Marks::default();
    for resource in resources.iter().filter(|resource| resource.is(PIPE)) {
        let address = &*resource.address;
        errors.take(usable_address(kind, address));
        if !seen.insert(address) {
            errors.push(kind.invalid(format!("{} twice", quoted(address))));
        }
        let Some(attributes) = errors.take(attributes(kind, resource)) else { continue };
        let origin = Origin::Resource { document: name.to_owned(), address: address.to_owned() };
        let sensitive = Marks::parse(resource.sensitive_values);
        let reader =
            PipeReader::new(origin, unknown.get(address).unwrap_or(&nothing), &sensitive, kind.name());
        match reader.read(attributes, &services) {
            Read::Pipe(mut pipe) => {
                aws.judge(&mut pipe);
                declared.pipes.push(*pipe);
            }
            Read::Skipped(reason) => declared.skipped.push(Skipped { target: address.to_owned(), reason }),
        }
    }
    errors.check()?;
    Ok(declared)
}

/// The attributes of a pipe. An error does not quote a value: it can be a secret.
fn attributes(kind: Kind, resource: &Resource<'_>) -> Result<Attributes, Invalid> {
    let values = resource.values.map_or("{}", RawValue::get);
    serde_json::from_str(values).map_err(|error| {
        let found = format!(
            "{} with an attribute of another type (line {}, column {} of its values)",
            quoted(&resource.address),
            error.line(),
            error.column()
        );
        kind.invalid(found)
            .remedy("pipeprobe reads the attributes of ClickHouse's provider from version 3.4 on")
    })
}

/// Addresses are names of targets: they must not be able to control a terminal, or look like another name.
fn usable_address(kind: Kind, address: &str) -> Result<(), Invalid> {
    const LONGEST: usize = 1000;
    match address.chars().count() {
        1..=LONGEST if !address.contains(is_unprintable) => Ok(()),
        _ => Err(kind.invalid(format!(
            "the address {}, which is empty, too long, or has control or invisible characters",
            quoted(address)
        ))),
    }
}

#[derive(Deserialize)]
struct Service {
    id: Option<String>,
    iam_role: Option<String>,
    cloud_provider: Option<String>,
    region: Option<String>,
}

/// The ClickHouse services, by their id. A service can be a resource or a data source.
fn services(document: &Document<'_>, kind: Kind, name: &str) -> BTreeMap<String, ServiceFacts> {
    let mut services: BTreeMap<String, ServiceFacts> = BTreeMap::new();
    let all = document.resources(kind).into_iter().chain(document.prior_resources());
    for resource in all.filter(|resource| resource.kind == SERVICE) {
        let values = resource.values.map_or("{}", RawValue::get);
        // A service of another form does not prevent the check of its pipes.
        let Ok(Service { id: Some(id), iam_role, cloud_provider, region }) = serde_json::from_str(values)
        else {
            continue;
        };
        let given = |text| {
            let address = resource.address.to_string();
            Given::new(text, Origin::Resource { document: name.to_owned(), address })
        };
        let has_rules = cloud_provider.is_none_or(|provider| provider == "aws" || provider == "gcp");
        let region = region.filter(|region| has_rules && static_ips::is_known(region));
        let facts: &mut ServiceFacts = services.entry(id).or_default();
        facts.role = facts.role.take().or(iam_role.map(given));
        facts.region = facts.region.take().or(region.map(given));
    }
    services
}
