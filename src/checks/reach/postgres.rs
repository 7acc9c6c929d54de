//! What a PostgreSQL server's refusal of a login means.

use super::{OWN_WORDS, make_iam_user, token::refused_token};
use crate::{
    checks::Observations,
    connection::Refusal,
    diagnostic::{CheckId, Diagnostic},
    sql,
    target::Target,
};

pub(super) fn refused(target: &Target, seen: &Observations, row: CheckId, refusal: &Refusal) -> Diagnostic {
    let fail = |cause| Diagnostic::fail(row, cause, refusal.to_string());
    let says = |words: &str| refusal.message.contains(words);
    let (user, database) = (
        sql::postgres::identifier(target.user.as_str()),
        sql::postgres::identifier(target.database.as_deref().unwrap_or_default()),
    );
    match refusal.code.as_str() {
        "28000" if says("PAM authentication failed") || says("IAM authentication failed") => {
            refused_token(target, seen, row, "PG_TOKEN_REFUSED", refusal)
        }
        "28000" if says("not permitted to log in") => {
            fail("PG_NO_LOGIN").remedy(format!("ALTER ROLE {user} LOGIN;"))
        }
        "28000" if says("does not exist") => fail("PG_NO_USER").remedy(make_iam_user(target)),
        "28000" if says("pg_hba.conf") => fail("PG_HBA_REFUSED").remedy(format!(
            "on RDS, set `database` to one of yours (rdsadmin is not accessible); on your own server, add to its \
             pg_hba.conf: hostssl {database} +rds_iam all pam"
        )),
        // The token was judged as a password.
        "28P01" => fail("PG_PASSWORD_REFUSED").remedy(make_iam_user(target)),
        "3D000" => fail("PG_NO_DATABASE")
            .remedy(format!("set `database` to one that exists (found none named {database})")),
        "42501" => fail("PG_NO_CONNECT").remedy(format!("GRANT CONNECT ON DATABASE {database} TO {user};")),
        "53300" => {
            fail("PG_TOO_MANY_CONNECTIONS").remedy("free connections at the server, or raise max_connections")
        }
        "55000" if says("not currently accepting connections") => {
            fail("PG_DATABASE_CLOSED").remedy(format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true;"))
        }
        // PostgreSQL 14 and newer. Before, such a standby reported that it was starting up.
        "57P03" if refusal.detail.as_deref().is_some_and(|detail| detail.contains("Hot standby mode is disabled")) => {
            fail("PG_STANDBY_CLOSED")
                .remedy("it is a standby that takes no connections (hot_standby = off): give the writer's endpoint")
        }
        "57P03" => fail("PG_NOT_READY").remedy(
            "the server is starting or stopping: try again in a moment; if it stays, look at the database's status and events",
        ),
        _ => fail("PG_REFUSED").remedy(OWN_WORDS),
    }
}
