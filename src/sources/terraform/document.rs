//! The parts of the document that are read. Values stay text until a resource is known to be a pipe, so that a large
//! document needs little memory.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, error::Category, value::RawValue};

use super::Kind;
use crate::target::Invalid;

#[derive(Deserialize)]
pub(super) struct Document<'a> {
    format_version: Option<String>,
    #[serde(borrow)]
    planned_values: Option<Values<'a>>,
    #[serde(borrow)]
    values: Option<Values<'a>>,
    #[serde(borrow)]
    prior_state: Option<PriorState<'a>>,
    #[serde(borrow)]
    resource_changes: Option<Vec<ResourceChange<'a>>>,
    #[serde(borrow)]
    configuration: Option<&'a RawValue>,
    /// The plan failed, so it is not complete.
    errored: Option<bool>,
    /// Only in `terraform.tfstate` itself.
    lineage: Option<IgnoredAny>,
    /// Only in the log that `terraform plan -json` prints.
    #[serde(rename = "@level")]
    level: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct PriorState<'a> {
    #[serde(borrow)]
    values: Option<Values<'a>>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    root_module: Option<Module<'a>>,
}

#[derive(Deserialize)]
struct Module<'a> {
    #[serde(borrow)]
    resources: Option<Vec<Resource<'a>>>,
    child_modules: Option<Vec<Self>>,
}

/// A resource, or a data source.
#[derive(Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) address: Cow<'a, str>,
    #[serde(borrow)]
    mode: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) values: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) sensitive_values: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct ResourceChange<'a> {
    #[serde(borrow)]
    pub(super) address: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    /// The key of an object that is deleted apart from the resource of the same address.
    deposed: Option<IgnoredAny>,
    #[serde(borrow)]
    change: Option<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    after_unknown: Option<&'a RawValue>,
}

impl<'a> Document<'a> {
    /// Errors do not contain the message of the parser, because it can quote a value.
    pub(super) fn parse(kind: Kind, text: &'a str) -> Result<Self, Invalid> {
        // PowerShell writes a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Err(kind.invalid("nothing"));
        }
        let document: Self = serde_json::from_str(text).map_err(|error| not_read(kind, text, &error))?;
        document.check(kind)?;
        Ok(document)
    }

    fn check(&self, kind: Kind) -> Result<(), Invalid> {
        let wrong = |found: &str, help: &str| Err(kind.invalid(found).remedy(help));
        if self.lineage.is_some() {
            return wrong(
                "a state file (terraform.tfstate)",
                "run `terraform show -json` and give its output",
            );
        }
        if self.level.is_some() {
            return wrong("the log of `terraform plan -json`", LOG);
        }
        match self.format_version.as_deref() {
            None => return wrong("JSON without `format_version`", &format!("run `{}`", kind.command())),
            Some(version) if version.split('.').next() == Some("1") => {}
            Some(_) => {
                return wrong("another `format_version`; this pipeprobe reads 1.x", "use a newer pipeprobe");
            }
        }
        match kind {
            Kind::Plan if self.planned_values.is_none() => match self.resource_changes {
                Some(_) => wrong("a plan without `planned_values`", "create the plan again"),
                None => wrong("a state", "give it with --terraform-state"),
            },
            Kind::Plan if self.errored == Some(true) => {
                wrong("a plan that ended with an error", "correct the error that `terraform plan` prints")
            }
            Kind::State if self.planned_values.is_some() => wrong("a plan", "give it with --terraform-plan"),
            Kind::Plan | Kind::State => Ok(()),
        }
    }

    /// All resources after apply, in all modules; those that will be deleted are not among them.
    pub(super) fn resources(&self, kind: Kind) -> Vec<&Resource<'a>> {
        all(match kind {
            Kind::Plan => self.planned_values.as_ref(),
            Kind::State => self.values.as_ref(),
        })
    }

    /// The resources before apply, with the data sources that were read for the plan.
    pub(super) fn prior_resources(&self) -> Vec<&Resource<'a>> {
        all(self.prior_state.as_ref().and_then(|prior| prior.values.as_ref()))
    }

    /// What is not known yet of the resources, by address.
    pub(super) fn unknown(
        &self,
        is_read: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&str, Option<&'a RawValue>)> {
        let changes = self.resource_changes.iter().flatten();
        let changes = changes.filter(move |change| is_read(&change.kind) && change.deposed.is_none());
        changes.map(|change| (&*change.address, change.after_unknown()))
    }

    /// What the resources refer to. Only a plan has it.
    pub(super) fn configuration(&self) -> Value {
        self.configuration.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
    }
}

const LOG: &str = "run `terraform plan -out=PLAN`, then `terraform show -json PLAN`";

fn not_read(kind: Kind, text: &str, error: &serde_json::Error) -> Invalid {
    let at = format!("line {}, column {}", error.line(), error.column());
    let invalid = match error.classify() {
        // `terraform plan -json` prints one object in each line.
        _ if text.starts_with("{\"@level\"") => {
            return kind.invalid("the log of `terraform plan -json`").remedy(LOG);
        }
        Category::Eof => kind.invalid(format!("JSON that ends too early ({at})")),
        Category::Data => kind.invalid(format!("JSON of another form ({at})")),
        Category::Syntax | Category::Io => kind.invalid(format!("a text that is not JSON ({at})")),
    };
    invalid.remedy(format!("run `{}` and give its output", kind.command()))
}

fn all<'d, 'a>(values: Option<&'d Values<'a>>) -> Vec<&'d Resource<'a>> {
    let mut resources = Vec::new();
    let mut modules: Vec<&Module<'a>> =
        values.and_then(|values| values.root_module.as_ref()).into_iter().collect();
    while let Some(module) = modules.pop() {
        resources.extend(module.resources.iter().flatten());
        modules.extend(module.child_modules.iter().flatten());
    }
    resources
}

impl Resource<'_> {
    /// Whether it is a resource of that type, and not a data source.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.mode == "managed" && self.kind == kind
    }

    /// Its values, whatever their form.
    pub(super) fn json(&self) -> Value {
        self.values.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
    }
}

impl<'a> ResourceChange<'a> {
    pub(super) fn after_unknown(&self) -> Option<&'a RawValue> {
        self.change.as_ref()?.after_unknown
    }
}
