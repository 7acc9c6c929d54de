//! Stages of a run and their durations.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::{checks::Observations, connection, diagnostic::milliseconds};

/// How long one stage of the run took.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StageTiming {
    pub stage: Stage,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub duration: Duration,
}

/// A part of a run whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// AWS credentials and AssumeRole.
    Identity,
    Resolve,
    Connect,
    Tls,
    AuthRequest,
    Login,
    /// All queries.
    Facts,
    AwsDiagnostics,
}

impl Stage {
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::AuthRequest,
        Self::Login,
        Self::Facts,
        Self::AwsDiagnostics,
    ];

    /// The value in JSON and of the label `stage`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::AuthRequest => "auth_request",
            Self::Login => "login",
            Self::Facts => "facts",
            Self::AwsDiagnostics => "aws_diagnostics",
        }
    }

    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::AuthRequest => "authentication request",
            Self::Facts => "queries",
            Self::AwsDiagnostics => "AWS diagnostics",
            Self::Identity | Self::Resolve | Self::Connect | Self::Login => self.code(),
        }
    }
}

impl From<connection::Stage> for Stage {
    fn from(stage: connection::Stage) -> Self {
        match stage {
            connection::Stage::Resolve => Self::Resolve,
            connection::Stage::Connect => Self::Connect,
            connection::Stage::Tls => Self::Tls,
            connection::Stage::AuthRequest => Self::AuthRequest,
            connection::Stage::Login => Self::Login,
        }
    }
}

/// When a run started, and how long it and its queries took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub started_at: Timestamp,
    pub took: Duration,
    pub facts_took: Option<Duration>,
    pub facts_as_of: Option<Timestamp>,
}

/// The durations of the stages that ran.
pub(super) fn timings(seen: &Observations, timing: Timing) -> Vec<StageTiming> {
    let evidence = &seen.identity_evidence;
    let identity = seen.identity().filter(|_| !evidence.kept).map(|_| (Stage::Identity, evidence.took));
    let connection = seen.connection.stage_durations.iter().map(|(stage, took)| ((*stage).into(), *took));
    let facts = timing.facts_took.map(|took| (Stage::Facts, took));
    let records = seen.aws_records.as_ref().map(|records| (Stage::AwsDiagnostics, records.took));
    let all = identity.into_iter().chain(connection).chain(facts).chain(records);
    all.map(|(stage, duration)| StageTiming { stage, duration }).collect()
}
