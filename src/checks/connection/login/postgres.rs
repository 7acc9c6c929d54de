//! What a PostgreSQL server's refusal of a login means.
//!
//! The message is in the language of `lc_messages`, so the SQLSTATE and the routine that reports the error (field `R`) decide;
//! neither is translated. Names of files and parameters in a message are not translated either. The rest of the text only
//! separates two errors of one routine, and only if it is English. Source: PostgreSQL, auth.c, miscinit.c, postinit.c, proc.c,
//! backend_startup.c. A pooler or proxy sends no routine; then the English text decides.

use super::{
    super::auth_request::make_iam_user,
    token::{TOKEN_CANDIDATES, refused_token},
};
use crate::checks::{check::Cause, sources::OWN_WORDS};
use crate::{
    checks::Observations,
    checks::{Candidate, Check, Diagnostic},
    connection::Refusal,
    sql,
    target::Target,
};

pub(in crate::checks) static PG_TOKEN_REFUSED: Cause = Cause::new(
    "PG_TOKEN_REFUSED",
    "IAM refused the token (PostgreSQL)",
    "PAM authentication failed (28000); RDS does not say why, so the report ranks the possible causes",
)
.candidates(&TOKEN_CANDIDATES);

pub(in crate::checks) static PG_PASSWORD_REFUSED: Cause = Cause::new(
    "PG_PASSWORD_REFUSED",
    "the server checked the token as a password",
    "SQLSTATE 28P01: the user is not a member of rds_iam, does not exist, or IAM is off",
)
.fix("GRANT rds_iam TO {user}; and enable IAM database authentication");

pub(in crate::checks) static PG_HBA_REFUSED: Cause = Cause::new(
    "PG_HBA_REFUSED",
    "pg_hba.conf has no rule for this user, database and address",
    "SQLSTATE 28000 with pg_hba.conf in the message, in every language",
)
.fix(
    "on RDS, set `database` to one of yours (rdsadmin is not accessible); on your own server, add to its \
     pg_hba.conf: hostssl {database} +rds_iam all pam",
);

pub(in crate::checks) static PG_CLIENT_CERTIFICATE: Cause = Cause::new(
    "PG_CLIENT_CERTIFICATE",
    "pg_hba.conf requires a client certificate (clientcert), and ClickPipes has none",
    "SQLSTATE 28000, routine ClientAuthentication",
)
.fix("remove clientcert from the line of pg_hba.conf for this user");

pub(in crate::checks) static PG_ROLE_REFUSED: Cause = Cause::new(
    "PG_ROLE_REFUSED",
    "the role has NOLOGIN, or does not exist",
    "SQLSTATE 28000, routine InitializeSessionUserId, and a message that is not English (lc_messages)",
)
.candidates(&[&PG_NO_LOGIN, &PG_NO_USER]);

pub(in crate::checks) static PG_NO_USER: Cause = Cause::new(
    "PG_NO_USER",
    "the user does not exist",
    "SQLSTATE 28000 with \"does not exist\"; in another language a candidate of PG_ROLE_REFUSED",
)
.fix("CREATE USER {user}; GRANT rds_iam TO {user};");

pub(in crate::checks) static PG_NO_LOGIN: Cause = Cause::new(
    "PG_NO_LOGIN",
    "the role has NOLOGIN",
    "SQLSTATE 28000 with \"not permitted to log in\"; in another language a candidate of PG_ROLE_REFUSED",
)
.fix("ALTER ROLE {user} LOGIN;");

pub(in crate::checks) static PG_NO_DATABASE: Cause =
    Cause::new("PG_NO_DATABASE", "the database does not exist", "SQLSTATE 3D000")
        .fix("set `database` to one that exists");

pub(in crate::checks) static PG_NO_CONNECT: Cause = Cause::new(
    "PG_NO_CONNECT",
    "the user lacks the CONNECT privilege on the database",
    "SQLSTATE 42501 at login, routine CheckMyDatabase",
)
.fix("GRANT CONNECT ON DATABASE {database} TO {user};");

pub(in crate::checks) static PG_TOO_MANY_CONNECTIONS: Cause = Cause::new(
    "PG_TOO_MANY_CONNECTIONS",
    "all connections of the server are in use",
    "SQLSTATE 53300 at login, from another routine than the next two",
)
.fix("free connections at the server, or raise max_connections");

pub(in crate::checks) static PG_ROLE_LIMIT: Cause = Cause::new(
    "PG_ROLE_LIMIT",
    "all connections that the role may open are in use (CONNECTION LIMIT)",
    "SQLSTATE 53300, routine InitializeSessionUserId",
)
.fix("ALTER ROLE {user} CONNECTION LIMIT -1; (-1 means no limit)");

pub(in crate::checks) static PG_DATABASE_LIMIT: Cause = Cause::new(
    "PG_DATABASE_LIMIT",
    "all connections that the database accepts are in use (CONNECTION LIMIT)",
    "SQLSTATE 53300, routine CheckMyDatabase",
)
.fix("ALTER DATABASE {database} CONNECTION LIMIT -1; (-1 means no limit)");

pub(in crate::checks) static PG_NOT_READY: Cause =
    Cause::new("PG_NOT_READY", "the server is starting or stopping", "SQLSTATE 57P03")
.fix("the server is starting or stopping: try again in a moment; if it stays, look at the database's status and \
     events, and see that the endpoint is not a standby's with hot_standby = off");

pub(in crate::checks) static PG_STANDBY_CLOSED: Cause = Cause::new(
    "PG_STANDBY_CLOSED",
    "the server is a standby that accepts no connections",
    "SQLSTATE 57P03 with \"Hot standby mode is disabled\"",
)
.fix("use the endpoint of the writer: this is a standby that accepts no connections (hot_standby = off)");

pub(in crate::checks) static PG_DATABASE_CLOSED: Cause = Cause::new(
    "PG_DATABASE_CLOSED",
    "the database accepts no connections (ALLOW_CONNECTIONS false)",
    "SQLSTATE 55000 at login, with \"not currently accepting connections\"",
)
.fix("ALTER DATABASE {database} ALLOW_CONNECTIONS true;");

pub(in crate::checks) static PG_REFUSED: Cause =
    Cause::new("PG_REFUSED", "PostgreSQL refused for another reason", OWN_WORDS)
        .fix("see the server's own words, and its log of this minute (RDS: Logs & events)");

/// Whether it is the token that was refused.
pub(crate) fn is_refused_token(refusal: &Refusal) -> bool {
    refusal.code == "28000" && refusal.is_by("auth_failed", "authentication failed")
}

pub(in crate::checks::connection) fn refused(
    target: &Target,
    seen: &Observations,
    row: &'static Check,
    refusal: &Refusal,
) -> Diagnostic {
    let fail = |cause, expected: &str| row.fail(cause, refusal.to_string()).expected(expected);
    let database = sql::postgres::identifier(target.database.as_deref().unwrap_or_default());
    match refusal.code.as_str() {
        "28000" if is_refused_token(refusal) => refused_token(target, seen, row, &PG_TOKEN_REFUSED, refusal),
        "28000" => not_admitted(target, row, refusal),
        // The token was judged as a password.
        "28P01" => fail(&PG_PASSWORD_REFUSED, "IAM authentication, not a password, for this user")
            .remedy(make_iam_user(target)),
        "3D000" => fail(&PG_NO_DATABASE, "a database of that name"),
        "42501" if refusal.is_by("CheckMyDatabase", "permission denied for database") => {
            let user = sql::postgres::identifier(target.user.as_str());
            fail(&PG_NO_CONNECT, "the CONNECT privilege on the database")
                .filled(&[("{database}", &database), ("{user}", &user)])
        }
        "53300" => no_connection_left(target, row, refusal),
        "55000" if refusal.is_by("CheckMyDatabase", "not currently accepting connections") => {
            fail(&PG_DATABASE_CLOSED, "a database that accepts connections")
                .filled(&[("{database}", &database)])
        }
        // PostgreSQL 14 and newer. Before, such a standby reported that it was starting up.
        "57P03"
            if refusal
                .detail
                .as_deref()
                .is_some_and(|detail| detail.contains("Hot standby mode is disabled")) =>
        {
            fail(&PG_STANDBY_CLOSED, "a server that accepts connections")
        }
        "57P03" => fail(&PG_NOT_READY, "a server that accepts connections"),
        _ => fail(&PG_REFUSED, "a login with the token"),
    }
}

/// SQLSTATE 28000 for another reason than the token: by pg_hba.conf, or because of the role.
fn not_admitted(target: &Target, row: &'static Check, refusal: &Refusal) -> Diagnostic {
    let fail = |cause, expected: &str| row.fail(cause, refusal.to_string()).expected(expected);
    let says = |words: &str| refusal.message.contains(words);
    let user = sql::postgres::identifier(target.user.as_str());
    let login = PG_NO_LOGIN.fix.replace("{user}", &user);
    if says("pg_hba.conf") {
        let database = sql::postgres::identifier(target.database.as_deref().unwrap_or_default());
        return fail(&PG_HBA_REFUSED, "a line of pg_hba.conf for this user, database and address")
            .filled(&[("{database}", &database)]);
    }
    if refusal.is_by("ClientAuthentication", "valid client certificate") {
        return fail(&PG_CLIENT_CERTIFICATE, "a login without a client certificate, as ClickPipes has none");
    }
    let expected = "a role that exists and has the LOGIN attribute";
    if says("not permitted to log in") {
        return fail(&PG_NO_LOGIN, expected);
    }
    if says("does not exist") {
        return fail(&PG_NO_USER, expected).remedy(make_iam_user(target));
    }
    if refusal.routine.as_deref() == Some("InitializeSessionUserId") {
        return fail(&PG_ROLE_REFUSED, expected).with_candidates(vec![
            Candidate::new(
                &PG_NO_LOGIN,
                "the more common one of two causes that have the same SQLSTATE and routine",
                login,
            ),
            Candidate::new(
                &PG_NO_USER,
                "the other one; the message says which, in the server's language",
                make_iam_user(target),
            ),
        ]);
    }
    fail(&PG_REFUSED, "a login with the token")
}

/// SQLSTATE 53300: the limit of the role, of the database, or of the server.
fn no_connection_left(target: &Target, row: &'static Check, refusal: &Refusal) -> Diagnostic {
    let fail = |cause, expected: &str| row.fail(cause, refusal.to_string()).expected(expected);
    if let Some(remedy) = raise_role_limit(target, refusal) {
        return fail(&PG_ROLE_LIMIT, "a free connection of the role (CONNECTION LIMIT)").remedy(remedy);
    }
    if refusal.is_by("CheckMyDatabase", "too many connections for database") {
        let database = sql::postgres::identifier(target.database.as_deref().unwrap_or_default());
        return fail(&PG_DATABASE_LIMIT, "a free connection of the database (CONNECTION LIMIT)")
            .filled(&[("{database}", &database)]);
    }
    fail(&PG_TOO_MANY_CONNECTIONS, "a free connection of the server (max_connections)")
}

/// What raises the role's own limit, if that is what was reached.
pub(in crate::checks) fn raise_role_limit(target: &Target, refusal: &Refusal) -> Option<String> {
    let is_limit =
        refusal.code == "53300" && refusal.is_by("InitializeSessionUserId", "too many connections for role");
    let user = sql::postgres::identifier(target.user.as_str());
    is_limit.then(|| PG_ROLE_LIMIT.fix.replace("{user}", &user))
}
