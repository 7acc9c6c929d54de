//! The server accepts the token, and lets the user open the database.

pub(in crate::checks) mod mysql;
pub(in crate::checks) mod postgres;
pub(in crate::checks) mod token;

use self::{
    mysql::{
        MYSQL_ACCOUNT_BLOCKED, MYSQL_ACCOUNT_LOCKED, MYSQL_HOST_BLOCKED, MYSQL_HOST_NOT_ALLOWED,
        MYSQL_IAM_THROTTLED, MYSQL_NO_DATABASE, MYSQL_OFFLINE, MYSQL_PLUGIN_NOT_LOADED, MYSQL_REFUSED,
        MYSQL_TOKEN_REFUSED, MYSQL_TOO_MANY_CONNECTIONS, MYSQL_USER_LIMIT, MYSQL_USER_REFUSED,
    },
    postgres::{
        PG_CLIENT_CERTIFICATE, PG_DATABASE_CLOSED, PG_DATABASE_LIMIT, PG_HBA_REFUSED, PG_NO_CONNECT,
        PG_NO_DATABASE, PG_NO_LOGIN, PG_NO_USER, PG_NOT_READY, PG_PASSWORD_REFUSED, PG_REFUSED,
        PG_ROLE_LIMIT, PG_ROLE_REFUSED, PG_STANDBY_CLOSED, PG_TOKEN_REFUSED, PG_TOO_MANY_CONNECTIONS,
    },
    token::{
        AUTH_CLIENT_CERTIFICATE, AUTH_INTERMITTENT, IAM_OVERLOADED, TOKEN_BOUNDARY_DENIES,
        TOKEN_DENIED_ABOVE, TOKEN_NOT_ALLOWED, TOKEN_OTHER_ACCOUNT, TOKEN_OTHER_RESOURCE,
        TOKEN_POLICY_DENIES, TOKEN_WRONG_HOST, TOKEN_WRONG_NAME, TOKEN_WRONG_PORT, TOKEN_WRONG_USER,
    },
};
use super::failed;
use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Check, Judge},
        sources::IAM_DB,
    },
    connection::ConnectError,
    target::Target,
};

pub(crate) static CHECK: Check = Check::connection("AUTH_LOG_IN", "IAM login as {user}", Judge::Run(judge))
    .expected("the server accepts the token, and the user may connect to the database")
    .source(IAM_DB)
    .causes(&[
        &PG_TOKEN_REFUSED,
        &MYSQL_TOKEN_REFUSED,
        &TOKEN_NOT_ALLOWED,
        &TOKEN_OTHER_RESOURCE,
        &TOKEN_POLICY_DENIES,
        &TOKEN_BOUNDARY_DENIES,
        &TOKEN_OTHER_ACCOUNT,
        &TOKEN_WRONG_NAME,
        &TOKEN_WRONG_PORT,
        &TOKEN_WRONG_HOST,
        &TOKEN_WRONG_USER,
        &TOKEN_DENIED_ABOVE,
        &IAM_OVERLOADED,
        &AUTH_INTERMITTENT,
        &PG_PASSWORD_REFUSED,
        &PG_HBA_REFUSED,
        &PG_CLIENT_CERTIFICATE,
        &PG_ROLE_REFUSED,
        &PG_NO_USER,
        &PG_NO_LOGIN,
        &PG_NO_DATABASE,
        &PG_NO_CONNECT,
        &PG_TOO_MANY_CONNECTIONS,
        &PG_ROLE_LIMIT,
        &PG_DATABASE_LIMIT,
        &PG_NOT_READY,
        &PG_STANDBY_CLOSED,
        &PG_DATABASE_CLOSED,
        &PG_REFUSED,
        &MYSQL_USER_REFUSED,
        &MYSQL_NO_DATABASE,
        &MYSQL_IAM_THROTTLED,
        &MYSQL_TOO_MANY_CONNECTIONS,
        &MYSQL_HOST_BLOCKED,
        &MYSQL_HOST_NOT_ALLOWED,
        &MYSQL_PLUGIN_NOT_LOADED,
        &AUTH_CLIENT_CERTIFICATE,
        &MYSQL_USER_LIMIT,
        &MYSQL_ACCOUNT_BLOCKED,
        &MYSQL_ACCOUNT_LOCKED,
        &MYSQL_OFFLINE,
        &MYSQL_REFUSED,
    ]);

fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    match seen.login()? {
        Ok(()) => Some(seen.first_refusal().map_or_else(|| CHECK.pass(""), intermittent)),
        // The token was never sent, so whether it is accepted stays unreached.
        Err(ConnectError::NoToken) => None,
        Err(error) => {
            let diagnostic = failed(target, seen, error);
            let twice = match seen.first_refusal() {
                Some(first) if first == error => "; and once more, with another token".to_owned(),
                Some(first) => format!("; the first token: {first}"),
                None => String::new(),
            };
            Some(Diagnostic { found: diagnostic.found + &twice, ..diagnostic })
        }
    }
}

fn intermittent(first: &ConnectError) -> Diagnostic {
    CHECK
        .warn(&AUTH_INTERMITTENT, format!("the first token was refused ({first}), the next accepted"))
        .expected("every good token accepted")
}
