//! What a MySQL or MariaDB server's refusal of a login means. The error number decides: the message is in the language of
//! `lc_messages`. Only RDS sends the text about its IAM limit, and only in English.

use super::{
    super::auth_request::{let_in_from_anywhere, make_iam_user},
    token::{TOKEN_CANDIDATES, refused_token},
};
use crate::checks::{check::Cause, sources::OWN_WORDS};
use crate::{
    checks::Observations,
    checks::{Check, Diagnostic},
    connection::Refusal,
    sql,
    target::Target,
};

pub(in crate::checks) static MYSQL_TOKEN_REFUSED: Cause = Cause::new(
    "MYSQL_TOKEN_REFUSED",
    "IAM refused the token (MySQL, MariaDB)",
    "error 1045 after the token; RDS does not say why, so the report ranks the possible causes",
)
.candidates(&TOKEN_CANDIDATES);

pub(in crate::checks) static MYSQL_USER_REFUSED: Cause = Cause::new(
    "MYSQL_USER_REFUSED",
    "the server refused the user before it requested a token",
    "error 1045 before the token",
)
.fix("create the user with AWSAuthenticationPlugin");

pub(in crate::checks) static MYSQL_NO_DATABASE: Cause = Cause::new(
    "MYSQL_NO_DATABASE",
    "the database does not exist, or the user has no privilege on it",
    "error 1044 or 1049",
)
.fix("set `database` to one that exists and that the user may use (GRANT SELECT ON <database>.* TO {user})");

pub(in crate::checks) static MYSQL_IAM_THROTTLED: Cause = Cause::new(
    "MYSQL_IAM_THROTTLED",
    "too many IAM logins per second",
    "error 1040 with \"IAM authentication rate limit\"",
)
.fix("try again in a minute: fewer than 200 IAM logins a second are allowed");

pub(in crate::checks) static MYSQL_TOO_MANY_CONNECTIONS: Cause =
    Cause::new("MYSQL_TOO_MANY_CONNECTIONS", "all connections of the server are in use", "error 1040")
        .fix("free connections at the server, or raise max_connections");

pub(in crate::checks) static MYSQL_HOST_BLOCKED: Cause = Cause::new(
    "MYSQL_HOST_BLOCKED",
    "the server blocked this address after broken connections",
    "error 1129",
)
.fix(
    "as the master user: FLUSH HOSTS; then find what breaks off its connections from this address (a health \
     check, a port scan), or raise max_connect_errors in the DB parameter group",
);

pub(in crate::checks) static MYSQL_HOST_NOT_ALLOWED: Cause =
    Cause::new("MYSQL_HOST_NOT_ALLOWED", "no account allows this client address", "error 1130")
        .fix("let the account be {user}@'%': RENAME USER …");

pub(in crate::checks) static MYSQL_PLUGIN_NOT_LOADED: Cause =
    Cause::new("MYSQL_PLUGIN_NOT_LOADED", "the server has no AWSAuthenticationPlugin", "error 1524")
        .fix("enable IAM database authentication on the instance or cluster");

pub(in crate::checks) static MYSQL_USER_LIMIT: Cause = Cause::new(
    "MYSQL_USER_LIMIT",
    "the connection limit of the account is reached",
    "error 1226 (a limit of the account) or 1203 (max_user_connections)",
)
.fix("ALTER USER {user} WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0; (0 means no limit; the message \
     names the limit)");

pub(in crate::checks) static MYSQL_ACCOUNT_BLOCKED: Cause = Cause::new(
    "MYSQL_ACCOUNT_BLOCKED",
    "the account is blocked after failed logins",
    "error 3955 (MySQL, FAILED_LOGIN_ATTEMPTS) or 4150 (MariaDB, max_password_errors)",
)
.fix("ALTER USER {user} ACCOUNT UNLOCK; on MariaDB: FLUSH PRIVILEGES;");

pub(in crate::checks) static MYSQL_ACCOUNT_LOCKED: Cause =
    Cause::new("MYSQL_ACCOUNT_LOCKED", "the account is locked", "error 3118 (MySQL) or 4151 (MariaDB)")
        .fix("ALTER USER {user} ACCOUNT UNLOCK;");

pub(in crate::checks) static MYSQL_OFFLINE: Cause =
    Cause::new("MYSQL_OFFLINE", "the server is in offline mode", "error 3032")
        .fix("SET GLOBAL offline_mode = OFF; (first ask who turned it on, and why)");

pub(in crate::checks) static MYSQL_REFUSED: Cause =
    Cause::new("MYSQL_REFUSED", "MySQL or MariaDB refused for another reason", OWN_WORDS)
        .fix("see the server's own words, and its log of this minute (RDS: Logs & events)");

pub(in crate::checks::connection) fn refused(
    target: &Target,
    seen: &Observations,
    row: &'static Check,
    refusal: &Refusal,
) -> Diagnostic {
    let fail = |cause, expected: &str| row.fail(cause, refusal.to_string()).expected(expected);
    let user = sql::mysql::literal(target.user.as_str());
    match refusal.code.as_str() {
        "1045" if row == &super::CHECK => refused_token(target, seen, row, &MYSQL_TOKEN_REFUSED, refusal),
        "1045" => fail(&MYSQL_USER_REFUSED, "an account for this user that uses AWSAuthenticationPlugin").remedy(make_iam_user(target)), // before any token was sent
        "1044" | "1049" => fail(&MYSQL_NO_DATABASE, "a database that exists and that the user may use"),
        "1040" if refusal.message.contains("IAM authentication rate limit") => fail(&MYSQL_IAM_THROTTLED, "fewer than 200 IAM logins a second"),
        "1040" => {
            fail(&MYSQL_TOO_MANY_CONNECTIONS, "a free connection of the server (max_connections)")
        }
        "1203" => fail(&MYSQL_USER_LIMIT, "a free connection of the account").remedy(
            "close connections of this user, or raise max_user_connections in the DB parameter group",
        ),
        "1226" => fail(&MYSQL_USER_LIMIT, "a free connection of the account"),
        "1129" => {
            fail(&MYSQL_HOST_BLOCKED, "an address that the server does not block")
        }
        "1130" => fail(&MYSQL_HOST_NOT_ALLOWED, "an account that may come from this address").remedy(let_in_from_anywhere(target)),
        "1524" => fail(&MYSQL_PLUGIN_NOT_LOADED, "the plugin AWSAuthenticationPlugin"),
        "3118" | "4151" => fail(&MYSQL_ACCOUNT_LOCKED, "an account that is not locked"),
        // ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK; MariaDB: ER_USER_IS_BLOCKED.
        "3955" => fail(&MYSQL_ACCOUNT_BLOCKED, "an account that is not blocked after failed logins").remedy(format!(
            "ALTER USER {user} ACCOUNT UNLOCK; then find out why logins failed: the account has FAILED_LOGIN_ATTEMPTS, and \
             this refusal hides the cause"
        )),
        "4150" => fail(&MYSQL_ACCOUNT_BLOCKED, "an account that is not blocked after failed logins").remedy(
            "FLUSH PRIVILEGES; then find out why logins failed: max_password_errors was reached, and this refusal hides the cause",
        ),
        "3032" => fail(&MYSQL_OFFLINE, "a server that is not in offline mode"),
        _ => fail(&MYSQL_REFUSED, "a login with the token"),
    }
}
