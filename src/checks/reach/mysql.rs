//! What a MySQL or MariaDB server's refusal of a login means.

use super::{OWN_WORDS, let_in_from_anywhere, make_iam_user, token::refused_token};
use crate::{
    checks::Observations,
    connection::Refusal,
    diagnostic::{CheckId, Diagnostic},
    sql,
    target::Target,
};

pub(super) fn refused(target: &Target, seen: &Observations, row: CheckId, refusal: &Refusal) -> Diagnostic {
    let fail = |cause| Diagnostic::fail(row, cause, refusal.to_string());
    let user = sql::mysql::literal(target.user.as_str());
    match refusal.code.as_str() {
        "1045" if row == CheckId::LogIn => refused_token(target, seen, row, "MYSQL_TOKEN_REFUSED", refusal),
        "1045" => fail("MYSQL_USER_REFUSED").remedy(make_iam_user(target)), // before any token was sent
        "1044" | "1049" => fail("MYSQL_NO_DATABASE").remedy(format!(
            "set `database` to one that exists and that the user may use (GRANT SELECT ON <database>.* TO {user})"
        )),
        "1040" if refusal.message.contains("IAM authentication rate limit") => fail("MYSQL_IAM_THROTTLED")
            .remedy("try again in a minute: fewer than 200 IAM logins a second are allowed"),
        "1040" => {
            fail("MYSQL_TOO_MANY_CONNECTIONS").remedy("free connections at the server, or raise max_connections")
        }
        "1203" => fail("MYSQL_USER_LIMIT").remedy(
            "close connections of this user, or raise max_user_connections in the DB parameter group",
        ),
        "1226" => fail("MYSQL_USER_LIMIT").remedy(format!(
            "ALTER USER {user} WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0; (0 means no limit; the message names \
             the limit)"
        )),
        "1129" => {
            fail("MYSQL_HOST_BLOCKED").remedy(
                "as the master user: FLUSH HOSTS; then find what breaks off its connections from this address (a health \
                 check, a port scan), or raise max_connect_errors in the DB parameter group",
            )
        }
        "1130" => fail("MYSQL_HOST_NOT_ALLOWED").remedy(let_in_from_anywhere(target)),
        "1524" => fail("MYSQL_PLUGIN_NOT_LOADED").remedy("enable IAM database authentication on the instance"),
        "3118" | "4151" => fail("MYSQL_ACCOUNT_LOCKED").remedy(format!("ALTER USER {user} ACCOUNT UNLOCK;")),
        // ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK; MariaDB: ER_USER_IS_BLOCKED.
        "3955" => fail("MYSQL_ACCOUNT_BLOCKED").remedy(format!(
            "ALTER USER {user} ACCOUNT UNLOCK; then find out why logins failed: the account has FAILED_LOGIN_ATTEMPTS, and \
             this refusal hides the cause"
        )),
        "4150" => fail("MYSQL_ACCOUNT_BLOCKED").remedy(
            "FLUSH PRIVILEGES; then find out why logins failed: max_password_errors was reached, and this refusal hides the cause",
        ),
        "3032" => fail("MYSQL_OFFLINE")
            .remedy("SET GLOBAL offline_mode = OFF; (ask first whoever turned it on, and why)"),
        _ => fail("MYSQL_REFUSED").remedy(OWN_WORDS),
    }
}
