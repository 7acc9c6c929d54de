//! The connection up to the login: each stage is a check, and an error belongs to its stage.

pub(super) mod resolve;
pub(super) mod dial;
pub(super) mod tls;
pub(super) mod auth_request;
pub(super) mod login;
pub(super) mod clickpipes_role;
pub(super) mod clickpipes_token;
pub(super) mod clickpipes;

use crate::{
    checks::{Diagnostic, Observations, check::Check},
    connection::{ConnectError, ConnectionEvidence, Stage},
    diagnostic::Outcome,
    target::{Engine, Host, RdsName, Target},
};

/// A stage that failed, that passed, or that was not reached.
fn stage(target: &Target, seen: &Observations, stage: Stage) -> Option<Diagnostic> {
    let evidence = &seen.connection;
    if let Some(error) = seen.connect_error()
        && stage_of(error) <= stage
    {
        return (stage_of(error) == stage).then(|| failed(target, seen, error));
    }
    evidence.took(stage)?;
    let found = match stage {
        Stage::Resolve => resolve::resolved(evidence),
        Stage::Connect => evidence.peer?.to_string(),
        Stage::Tls => tls::encrypted(target, evidence)?,
        Stage::AuthRequest | Stage::Login => evidence.auth_request.as_ref()?.to_string(),
    };
    Some(check_of(stage).pass(found))
}

fn stage_of(error: &ConnectError) -> Stage {
    match error {
        ConnectError::Resolve(_) | ConnectError::Resolver(_) => Stage::Resolve,
        ConnectError::NotConnected => Stage::Connect,
        ConnectError::PlaintextOnly | ConnectError::Tls(_) => Stage::Tls,
        ConnectError::NotIam(_) => Stage::AuthRequest,
        ConnectError::Refused { stage, .. }
        | ConnectError::Protocol { stage, .. }
        | ConnectError::Local { stage, .. }
        | ConnectError::Closed { stage }
        | ConnectError::Timeout { stage, .. } => *stage,
        ConnectError::NoToken => Stage::Login,
    }
}

fn check_of(stage: Stage) -> &'static Check {
    match stage {
        Stage::Resolve => &resolve::CHECK,
        Stage::Connect => &dial::CHECK,
        Stage::Tls => &tls::CHECK,
        Stage::AuthRequest => &auth_request::CHECK,
        Stage::Login => &login::CHECK,
    }
}

fn failed(target: &Target, seen: &Observations, error: &ConnectError) -> Diagnostic {
    let evidence = &seen.connection;
    let row = check_of(stage_of(error));
    let fail = |cause, found: String| row.fail(cause, found);
    match error {
        ConnectError::Resolve(why) => fail(&resolve::DNS_NOT_RESOLVED, format!("{}: {why}", target.dial.host)),
        ConnectError::Resolver(why) => fail(&resolve::DNS_FAILED, format!("{}: {why}", target.dial.host)),
        ConnectError::NotConnected => dial::failed(target, evidence),
        ConnectError::Timeout { stage: Stage::Connect, after } => dial::timed_out(target, *after),
        ConnectError::PlaintextOnly => fail(&tls::TLS_NOT_OFFERED, "the server offers no TLS; nothing was sent to it".into()),
        ConnectError::Tls(failure) => tls::failed(target, evidence, failure),
        ConnectError::NotIam(auth_request) => auth_request::not_iam(target, auth_request),
        ConnectError::Refused { refusal, .. } => match target.engine() {
            Engine::Postgres => login::postgres::refused(target, seen, row, refusal),
            Engine::Mysql | Engine::Mariadb => login::mysql::refused(target, seen, row, refusal),
        },
        ConnectError::Protocol { .. } => fail(&auth_request::DB_PROTOCOL, error.to_string())
            .remedy(format!("check that {} is a {} server's port", target.dial, target.engine().name())),
        ConnectError::Closed { .. } => {
            fail(&auth_request::DB_CLOSED, error.to_string())
                .remedy(format!("check that {} is a {} server's port, and its log", target.dial, target.engine().name()))
        }
        ConnectError::Timeout { stage: Stage::Resolve, .. } => fail(&resolve::DNS_TIMED_OUT, error.to_string()),
        ConnectError::Timeout { stage: Stage::Login, .. } => fail(&auth_request::DB_TIMED_OUT, error.to_string()).remedy(
            "try again; if it stays, look at the server's load: IAM logins need 300 to 1000 MiB of free memory on RDS",
        ),
        ConnectError::Timeout { .. } => fail(&auth_request::DB_TIMED_OUT, error.to_string()).remedy(format!(
            "check that {} is a {} server's port (a server of another kind waits for the client to speak), and that \
             there is no proxy between",
            target.dial,
            target.engine().name()
        )),
        ConnectError::Local { failure, .. } => dial::local_failure(row, Outcome::Fail, error.to_string(), failure),
        ConnectError::NoToken => row.unreached(),
    }
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The RDS endpoint that the host name is an alias of.
fn alias_of_rds(evidence: &ConnectionEvidence) -> Option<&String> {
    evidence.alias_of.as_ref().filter(|name| is_of_rds(name) && !tls::is_of_blue_green(name))
}

fn is_of_rds(name: &str) -> bool {
    Host::parse("name", name).is_ok_and(|name| RdsName::parse(&name).is_some())
}
