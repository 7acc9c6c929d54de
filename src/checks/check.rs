//! What a check and a cause are. Each check has a file of its group with its texts, its causes and its judge; a report
//! contains all checks of the engine, in the order of [`CHECKS`](super::CHECKS).

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Diagnostic, Found, Observations, mysql, postgres};
use crate::{
    diagnostic::{Basis, Outcome, Severity},
    facts::PostgresTable,
    target::{Engine, PlannedPart, ProblemKind, ResourceKind, Target},
};

/// Something that is checked.
pub struct Check {
    /// Stable name; `pipeprobe explain CODE`.
    pub code: &'static str,
    pub group: Group,
    /// A short statement about what is checked, with the technical term. `{user}` and `{engine}` are filled in.
    pub title: &'static str,
    /// What is lost unless it passes.
    pub severity: Severity,
    /// What is lost if the server refused the query. Less than by a failure only if ClickPipes itself continues without an
    /// answer.
    pub severity_if_unknown: Severity,
    pub part: Part,
    /// `None` if it counts on both bases.
    pub basis: Option<Basis>,
    pub engines: &'static [Engine],
    /// Versions that it concerns; empty for every version.
    pub versions: &'static str,
    pub expected: &'static str,
    /// What to do on RDS, with placeholders ([`Check::remedy`]); empty if it depends on the cause.
    pub fix: &'static str,
    /// What to do on Aurora, if that is different.
    pub fix_aurora: Option<&'static str>,
    /// Document and section.
    pub source: &'static str,
    pub causes: &'static [&'static Cause],
    pub(super) judge: Judge,
}

/// How a check is judged.
pub(super) enum Judge {
    /// By the declaration of a pipe: the cause of each kind of problem that the check is about.
    Pipe(fn(ProblemKind) -> Option<&'static Cause>),
    /// By the AWS resources of a Terraform plan or state, which one part of the pipe needs.
    Planned(PlannedPart, fn(ProblemKind) -> Option<&'static Cause>),
    /// By the run. `None` if the check was not reached.
    Run(fn(&Target, &Observations) -> Option<Diagnostic>),
    Postgres(fn(&postgres::Server<'_>) -> Diagnostic),
    /// By the tables that the user can read. Without any, the check is not reached.
    PostgresTables(fn(&postgres::Server<'_>, &[&PostgresTable]) -> Diagnostic),
    Mysql(fn(&mysql::Server<'_>) -> Diagnostic),
    Engines {
        postgres: fn(&postgres::Server<'_>) -> Diagnostic,
        mysql: fn(&mysql::Server<'_>) -> Diagnostic,
    },
}

/// Sections of a report, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Group {
    // How the pipe is declared in a Terraform plan or state.
    Pipe,
    Identity,
    Connection,
    Capability,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Pipe, Self::Identity, Self::Connection, Self::Capability];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Identity => "identity",
            Self::Connection => "connection",
            Self::Capability => "capability",
        }
    }
}

/// The part of a pipe that a check concerns. It does not apply to a pipe without that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Both,
    /// Copying the rows that exist.
    Load,
    /// Replicating changes.
    Changes,
}

pub(super) const ALL: &[Engine] = &[Engine::Postgres, Engine::Mysql, Engine::Mariadb];
pub(super) const POSTGRES: &[Engine] = &[Engine::Postgres];
pub(super) const MYSQL_FAMILY: &[Engine] = &[Engine::Mysql, Engine::Mariadb];
pub(super) const MYSQL: &[Engine] = &[Engine::Mysql];
pub(super) const MARIADB: &[Engine] = &[Engine::Mariadb];

impl Check {
    const fn new(
        group: Group,
        code: &'static str,
        title: &'static str,
        engines: &'static [Engine],
        judge: Judge,
    ) -> Self {
        Self {
            code,
            group,
            title,
            severity: Severity::Blocks,
            severity_if_unknown: Severity::Blocks,
            part: Part::Both,
            basis: None,
            engines,
            versions: "",
            expected: "",
            fix: "",
            fix_aurora: None,
            source: "",
            causes: &[],
            judge,
        }
    }

    pub(super) const fn pipe(code: &'static str, title: &'static str, judge: Judge) -> Self {
        Self::new(Group::Pipe, code, title, ALL, judge)
    }

    pub(super) const fn identity(code: &'static str, title: &'static str, judge: Judge) -> Self {
        Self::new(Group::Identity, code, title, ALL, judge)
    }

    pub(super) const fn connection(code: &'static str, title: &'static str, judge: Judge) -> Self {
        Self::new(Group::Connection, code, title, ALL, judge)
    }

    pub(super) const fn capability(
        code: &'static str,
        title: &'static str,
        engines: &'static [Engine],
        judge: Judge,
    ) -> Self {
        Self::new(Group::Capability, code, title, engines, judge)
    }

    /// Concerns changes only, and blocks CDC.
    pub(super) const fn changes(
        code: &'static str,
        title: &'static str,
        engines: &'static [Engine],
        judge: Judge,
    ) -> Self {
        Self::capability(code, title, engines, judge).part(Part::Changes).severity(Severity::BlocksCdc)
    }

    pub(super) const fn severity(self, severity: Severity) -> Self {
        Self { severity, severity_if_unknown: severity, ..self }
    }

    pub(super) const fn if_unknown(self, severity_if_unknown: Severity) -> Self {
        Self { severity_if_unknown, ..self }
    }

    pub(super) const fn part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    pub(super) const fn only_for(self, basis: Basis) -> Self {
        Self { basis: Some(basis), ..self }
    }

    pub(super) const fn versions(self, versions: &'static str) -> Self {
        Self { versions, ..self }
    }

    pub(super) const fn expected(self, expected: &'static str) -> Self {
        Self { expected, ..self }
    }

    pub(super) const fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }

    pub(super) const fn aurora(self, fix: &'static str) -> Self {
        Self { fix_aurora: Some(fix), ..self }
    }

    pub(super) const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    pub(super) const fn causes(self, causes: &'static [&'static Cause]) -> Self {
        Self { causes, ..self }
    }

    /// Whether it counts on this basis.
    pub fn counts(&self, basis: Basis) -> bool {
        self.basis.is_none_or(|only| only == basis)
    }

    pub fn title_for(&self, target: &Target) -> String {
        self.title.replace("{user}", target.user.as_str()).replace("{engine}", target.engine().name())
    }

    /// What to do on this kind of database. `{user}` is the user as the engine writes it, `{group}` the parameter group that
    /// its settings are in.
    pub fn remedy(&self, kind: &Kind) -> String {
        let fix = match self.fix_aurora {
            Some(fix) if kind.is_aurora => fix,
            _ => self.fix,
        };
        kind.fill(fix)
    }

    pub fn pass(&'static self, found: impl Into<Found>) -> Diagnostic {
        Diagnostic::new(self, Outcome::Pass, None, found)
    }

    pub fn warn(&'static self, cause: &'static Cause, found: impl Into<Found>) -> Diagnostic {
        Diagnostic::new(self, Outcome::Warn, Some(cause), found)
    }

    pub fn fail(&'static self, cause: &'static Cause, found: impl Into<Found>) -> Diagnostic {
        Diagnostic::new(self, Outcome::Fail, Some(cause), found)
    }

    pub fn unknown(&'static self, cause: &'static Cause, found: impl Into<Found>) -> Diagnostic {
        Diagnostic::new(self, Outcome::Unknown, Some(cause), found)
    }

    pub fn unreached(&'static self) -> Diagnostic {
        Diagnostic::new(self, Outcome::NotReached, None, "")
    }

    /// What another check found made it impossible to try.
    pub fn skipped(&'static self, why: impl Into<Found>) -> Diagnostic {
        Diagnostic::new(self, Outcome::NotReached, None, why)
    }

    /// A choice about the pipe makes it pointless.
    pub fn not_applicable(&'static self, why: impl Into<Found>) -> Diagnostic {
        Diagnostic::new(self, Outcome::NotApplicable, None, why)
    }
}

/// A check is its code.
impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Check {}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

/// Why a check did not pass.
pub struct Cause {
    /// Stable name, which reports contain; `pipeprobe explain CODE`.
    pub code: &'static str,
    pub means: &'static str,
    /// The evidence that identifies it.
    pub told_by: &'static str,
    /// What to do; empty if the remedy of the check says it.
    pub fix: &'static str,
    /// What it can be, if the evidence allows several causes: reports rank them.
    pub candidates: &'static [&'static Self],
}

impl Cause {
    pub(super) const fn new(code: &'static str, means: &'static str, told_by: &'static str) -> Self {
        Self { code, means, told_by, fix: "", candidates: &[] }
    }

    pub(super) const fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }

    pub(super) const fn candidates(self, candidates: &'static [&'static Self]) -> Self {
        Self { candidates, ..self }
    }
}

/// A cause is its code.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Cause {}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

/// Serialized as its code.
impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

/// What a remedy depends on: what the database is, or what it was declared as if that is not known.
#[derive(Clone, Debug)]
pub struct Kind {
    pub is_aurora: bool,
    /// A cluster is Aurora, or a Multi-AZ DB cluster.
    pub resource: ResourceKind,
    /// As the engine writes it: `clickpipes_iam_user`, `'clickpipes_iam_user'`.
    pub user: String,
}

impl Kind {
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{user}", &self.user).replace("{group}", self.resource.parameter_group())
    }
}
