//! What a MySQL or MariaDB server's refusal of a login means. The error number decides: the message is in the language of
//! `lc_messages`. Only RDS sends the text about its IAM limit, and only in English.

use super::{OWN_WORDS, let_in_from_anywhere, make_iam_user, token::refused_token};
use crate::{
    checks::Observations,
    connection::Refusal,
    diagnostic::{CheckId, Diagnostic},
    sql,
    target::Target,
};

pub(super) fn refused(target: &Target, seen: &Observations, row: CheckId, refusal: &Refusal) -> Diagnostic {
    let fail = |cause, expected: &str| Diagnostic::fail(row, cause, refusal.to_string()).expected(expected);
    let user = sql::mysql::literal(target.user.as_str());
    match refusal.code.as_str() {
        "1045" if row == CheckId::LogIn => refused_token(target, seen, row, "MYSQL_TOKEN_REFUSED", refusal),
        "1045" => fail("MYSQL_USER_REFUSED", "an account for this user that uses AWSAuthenticationPlugin").remedy(make_iam_user(target)), // before any token was sent
        "1044" | "1049" => fail("MYSQL_NO_DATABASE", "a database that exists and that the user may use").remedy(format!(
            "set `database` to one that exists and that the user may use (GRANT SELECT ON <database>.* TO {user})"
        )),
        "1040" if refusal.message.contains("IAM authentication rate limit") => fail("MYSQL_IAM_THROTTLED", "fewer than 200 IAM logins a second")
            .remedy("try again in a minute: fewer than 200 IAM logins a second are allowed"),
        "1040" => {
            fail("MYSQL_TOO_MANY_CONNECTIONS", "a free connection of the server (max_connections)").remedy("free connections at the server, or raise max_connections")
        }
        "1203" => fail("MYSQL_USER_LIMIT", "a free connection of the account").remedy(
            "close connections of this user, or raise max_user_connections in the DB parameter group",
        ),
        "1226" => fail("MYSQL_USER_LIMIT", "a free connection of the account").remedy(format!(
            "ALTER USER {user} WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0; (0 means no limit; the message names \
             the limit)"
        )),
        "1129" => {
            fail("MYSQL_HOST_BLOCKED", "an address that the server does not block").remedy(
                "as the master user: FLUSH HOSTS; then find what breaks off its connections from this address (a health \
                 check, a port scan), or raise max_connect_errors in the DB parameter group",
            )
        }
        "1130" => fail("MYSQL_HOST_NOT_ALLOWED", "an account that may come from this address").remedy(let_in_from_anywhere(target)),
        "1524" => fail("MYSQL_PLUGIN_NOT_LOADED", "the plugin AWSAuthenticationPlugin").remedy("enable IAM database authentication on the instance"),
        "3118" | "4151" => fail("MYSQL_ACCOUNT_LOCKED", "an account that is not locked").remedy(format!("ALTER USER {user} ACCOUNT UNLOCK;")),
        // ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK; MariaDB: ER_USER_IS_BLOCKED.
        "3955" => fail("MYSQL_ACCOUNT_BLOCKED", "an account that is not blocked after failed logins").remedy(format!(
            "ALTER USER {user} ACCOUNT UNLOCK; then find out why logins failed: the account has FAILED_LOGIN_ATTEMPTS, and \
             this refusal hides the cause"
        )),
        "4150" => fail("MYSQL_ACCOUNT_BLOCKED", "an account that is not blocked after failed logins").remedy(
            "FLUSH PRIVILEGES; then find out why logins failed: max_password_errors was reached, and this refusal hides the cause",
        ),
        "3032" => fail("MYSQL_OFFLINE", "a server that is not in offline mode")
            .remedy("SET GLOBAL offline_mode = OFF; (first ask who turned it on, and why)"),
        _ => fail("MYSQL_REFUSED", "a login with the token").remedy(OWN_WORDS),
    }
}
