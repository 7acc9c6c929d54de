//! Why a client is refused: the cause and the fix, from the same code as in `check`.

use crate::{
    checks::{self, Observations},
    connection::{ConnectError, Purpose, Stage},
    diagnostic::Outcome,
    secret::Redactor,
    target::Target,
};

/// What a client must know. Each protocol has its own form for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) class: Class,
    /// One sentence; the server's own words if it refused.
    pub(super) message: String,
    /// The cause, with its code of `pipeprobe explain`.
    pub(super) detail: Option<String>,
    /// What to type or change.
    pub(super) hint: Option<String>,
}

/// Which kind of error code a refusal has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The server's own code.
    Server(String),
    /// The login is not allowed, or has no token.
    NotAuthorized,
    /// The client does not know the password of the listener.
    WrongPassword,
    /// The database cannot be reached over verified TLS.
    NotConnected,
    /// This machine has no descriptors, memory or permissions left.
    Resources,
    /// What the client sent is no valid message.
    Protocol,
    /// The agent does not support it.
    NotSupported,
}

impl Refusal {
    /// Of the agent itself.
    pub(super) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), detail: None, hint: None }
    }

    pub(super) fn wrong_password() -> Self {
        Self::new(Class::WrongPassword, "pipeprobe: wrong password for the local agent")
            .hint("use the password of the agent (DATABASE_URL of exec, agent_password_file), and no token")
    }

    /// The client was silent while others waited.
    pub(super) fn slow() -> Self {
        Self::new(Class::WrongPassword, "pipeprobe: no password within 1 s, while other clients wait")
    }

    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Of a login that failed.
    pub(super) fn of(target: &Target, purpose: Purpose, seen: &Observations, redactor: &Redactor) -> Self {
        let failed = checks::judge(target, seen).into_iter().find(|diagnostic| {
            diagnostic.cause.is_some() && matches!(diagnostic.outcome, Outcome::Fail | Outcome::Unknown)
        });
        let identity = seen.identity().is_some_and(|result| result.is_err());
        let (class, message) = match seen.connection_error() {
            // The identity is judged first, as in `check`.
            _ if identity => (Class::NotAuthorized, None),
            Some(ConnectError::Refused { refusal, .. }) if !refusal.is_silence() => {
                (Class::Server(refusal.code.clone()), Some(refusal.message.clone()))
            }
            Some(ConnectError::Local { .. }) => (Class::Resources, None),
            Some(ConnectError::NotIam(_) | ConnectError::NoToken) => (Class::NotAuthorized, None),
            Some(ConnectError::Closed { stage: Stage::Login }) => (Class::NotAuthorized, None),
            Some(_) => (Class::NotConnected, None),
            None => (Class::NotAuthorized, None),
        };
        let message = message.filter(|message| !message.is_empty()).unwrap_or_else(|| {
            format!("cannot log in to target {} ({}) as {}", target.name, target.dial, target.user)
        });
        let (detail, hint) = match failed {
            Some(failed) => {
                let cause = failed.cause_code();
                let title = failed.check.title_for(target);
                let hint = failed.remedy.unwrap_or_else(|| format!("run `pipeprobe explain {cause}`"));
                (Some(format!("{cause}: {} (check: {title})", failed.found)), Some(hint))
            }
            None => (None, None),
        };
        let replication = (purpose == Purpose::Replication).then(|| checks::replication_cause(target, seen));
        let (detail, hint) = match (replication.flatten(), detail, hint) {
            // Both are possible: a replication connection is refused in the same words.
            (Some((cause, remedy)), Some(detail), Some(hint)) => (
                Some(format!("{cause}: {}; or {detail}", cause.means)),
                Some(format!("{remedy}; if a login without replication is refused too: {hint}")),
            ),
            (_, detail, hint) => (detail, hint),
        };
        let clean = |text: String| redactor.clean(&text).into_owned();
        Self { class, message: clean(message), detail: detail.map(clean), hint: hint.map(clean) }
    }
}
