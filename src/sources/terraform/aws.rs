//! AWS resources of the same document as a pipe: its access role, its database with the parameter group, and the security
//! groups. They are judged before anything exists.
//!
//! A pipe belongs to a resource by a known value (endpoint, identifier, ARN) or, if that is known only after apply, by the
//! references of its configuration. A value that is not known yet is a problem, and never a default. What the document does
//! not contain is not judged.
//!
//! Source: Terraform's provider for AWS, the schemas of the resources that are named here.

mod database;
mod graph;
mod network;
mod role;

use super::{Kind, document::Document};
use crate::{
    cli::Given,
    sources::DeclaredPipe,
    target::{
        Declaration, Host, Invalid, Planned, PlannedPart, Problem, ProblemKind, ReplicationMode, SourceType,
    },
};
use graph::{Found, Graph, Value};
pub use network::SecurityGroups;

#[cfg(test)]
mod tests;

/// The AWS resources of a document.
pub(super) struct Resources<'a> {
    graph: Graph<'a>,
}

impl<'a> Resources<'a> {
    pub(super) fn of(document: &'a Document<'_>, kind: Kind) -> Self {
        Self { graph: Graph::of(document, kind) }
    }

    /// Adds to the declaration of a pipe what the resources show.
    pub(super) fn judge(&self, pipe: &mut DeclaredPipe) {
        if self.graph.is_empty() {
            return;
        }
        let reader = Reader { graph: &self.graph, pipe };
        let mut judged = Judged::default();
        let database = database::find(&reader);
        role::judge(&reader, database.as_ref(), &mut judged);
        if let Some(database) = &database {
            database::judge(&reader, database, &mut judged);
        }
        let groups = database.and_then(|database| network::judge(&reader, &database, &mut judged));
        pipe.security_groups = groups;
        judged.add_to(&mut pipe.declaration);
    }
}

/// What was found about one pipe.
#[derive(Default)]
struct Judged {
    problems: Vec<Problem>,
    planned: Vec<Planned>,
}

impl Judged {
    fn add_to(self, declaration: &mut Declaration) {
        let Declaration { problems, planned, sensitive, .. } = declaration;
        let hide = |text: &str| sensitive.hide(text);
        problems.extend(self.problems.into_iter().map(|problem| {
            let found = hide(&problem.invalid.found);
            Problem { invalid: Invalid { found, ..problem.invalid }, ..problem }
        }));
        planned.extend(self.planned);
    }

    /// The part was judged by this resource.
    fn seen(&mut self, part: PlannedPart, resource: &Found<'_>) {
        let resource = resource.address.to_owned();
        let planned = Planned { part, resource };
        if !self.planned.contains(&planned) {
            self.planned.push(planned);
        }
    }

    fn problem(
        &mut self,
        kind: ProblemKind,
        field: &str,
        (expected, found): (&str, &str),
        help: impl Into<String>,
    ) {
        let invalid = Invalid::new(field, expected, found).remedy(help.into());
        self.problems.push(Problem { kind, key: None, invalid });
    }

    fn known_after_apply(&mut self, part: PlannedPart, resource: &Found<'_>, attribute: &str) {
        self.unknown(part, &resource.at(attribute), "known only after apply");
    }

    fn unknown(&mut self, part: PlannedPart, field: &str, found: &str) {
        let expected = "a value that is known before apply";
        let help = "it cannot be checked before apply: use --terraform-state after apply";
        self.problem(ProblemKind::PlannedUnknown(part), field, (expected, found), help);
    }
}

/// A pipe, and the resources that can belong to it.
struct Reader<'r> {
    graph: &'r Graph<'r>,
    pipe: &'r DeclaredPipe,
}

impl<'r> Reader<'r> {
    fn text(given: Option<&Given>) -> Option<&str> {
        given.map(|given| given.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The name of the database that the token is signed for.
    fn host(&self) -> Option<Host> {
        let target = &self.pipe.fields.target;
        let name = Self::text(target.tls_host.as_ref()).or(Self::text(target.host.as_ref()))?;
        Host::parse("host", name).ok()
    }

    fn source_type(&self) -> Option<SourceType> {
        Self::text(self.pipe.fields.target.source_type.as_ref())?.parse().ok()
    }

    fn follows_changes(&self) -> bool {
        let mode = Self::text(self.pipe.fields.pipe.replication_mode.as_ref());
        mode.and_then(|mode| mode.parse().ok()) != Some(ReplicationMode::Snapshot)
    }

    /// The resources of these types that the configuration of the pipe refers to.
    fn referenced(&self, kinds: &[&str]) -> Vec<&'r Found<'r>> {
        self.graph.refers(&self.pipe.name, "source", kinds)
    }

    /// The resource that an attribute of another one names: by its value, or by a reference if the value is not known yet.
    fn named(
        &self,
        from: &Found<'_>,
        attribute: &str,
        kind: &'static str,
        by: &[&'static str],
    ) -> Vec<&'r Found<'r>> {
        match from.get(attribute) {
            Value::Known(value) => self.graph.named(kind, by, value.as_str().unwrap_or_default()),
            Value::Unknown => self.graph.refers(from.address, attribute, &[kind]),
            Value::Null => Vec::new(),
        }
    }

    /// Whether an attribute of a resource names this one.
    fn names(&self, from: &Found<'_>, attribute: &str, one: &Found<'_>, by: &[&'static str]) -> bool {
        match from.get(attribute) {
            Value::Known(value) => {
                value.as_str().is_some_and(|value| by.iter().any(|by| one.text(by) == Some(value)))
            }
            Value::Unknown => {
                let referenced = self.graph.refers(from.address, attribute, &[one.kind]);
                referenced.iter().any(|found| found.address == one.address)
            }
            Value::Null => false,
        }
    }
}
