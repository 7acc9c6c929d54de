//! With IAM, the server requests a cleartext password. The request is seen before anything secret is sent.

use super::stage;
use crate::{
    checks::{
        Candidate, Diagnostic, Observations,
        check::{Cause, Check, Judge},
        sources::{IAM_DB, LOOK_AT_RDS},
    },
    connection::{AuthRequest, Stage},
    sql,
    target::{Engine, ResourceKind, Target},
};

pub(crate) static CHECK: Check =
    Check::connection("AUTH_IAM_ASKED", "IAM authentication is requested", Judge::Run(judge))
        .expected("a request for a cleartext password, over TLS, before anything secret is sent")
        .source(IAM_DB)
        .causes(&[
            &AUTH_NOT_IAM,
            &AUTH_USER_NOT_IAM,
            &AUTH_NO_USER,
            &AUTH_IAM_OFF,
            &AUTH_OTHER_ADDRESS,
            &AUTH_IAM_PENDING,
            &DB_CLOSED,
            &DB_PROTOCOL,
            &DB_TIMED_OUT,
        ]);

pub(in crate::checks) static AUTH_NOT_IAM: Cause = Cause::new(
    "AUTH_NOT_IAM",
    "the server requests a different authentication for this user",
    "the authentication request, seen before anything secret was sent: SCRAM, MD5, a native plugin; the report \
     ranks the possible causes",
)
.candidates(&[&AUTH_USER_NOT_IAM, &AUTH_NO_USER, &AUTH_IAM_OFF, &AUTH_IAM_PENDING, &AUTH_OTHER_ADDRESS]);

pub(in crate::checks) static AUTH_USER_NOT_IAM: Cause = Cause::new(
    "AUTH_USER_NOT_IAM",
    "the user is not configured for IAM",
    "a candidate of AUTH_NOT_IAM, the most common, but not behind RDS Proxy",
)
.fix("PostgreSQL: GRANT rds_iam TO {user}; MySQL, MariaDB: IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'");

pub(in crate::checks) static AUTH_NO_USER: Cause = Cause::new(
    "AUTH_NO_USER",
    "the user does not exist",
    "a candidate of AUTH_NOT_IAM, because servers request a password from unknown users too",
)
.fix("create the user");

pub(in crate::checks) static AUTH_IAM_OFF: Cause = Cause::new(
    "AUTH_IAM_OFF",
    "IAM database authentication is off",
    "a candidate of AUTH_NOT_IAM",
)
.fix(
    "enable IAM database authentication on the instance or cluster, and apply it immediately; for RDS Proxy, \
     require it for the secret of the user (IAMAuth)",
);

pub(in crate::checks) static AUTH_OTHER_ADDRESS: Cause = Cause::new(
    "AUTH_OTHER_ADDRESS",
    "the account is not for this client address",
    "a candidate of AUTH_NOT_IAM on MySQL and MariaDB, because the account is for another host",
)
.fix("let it be {user}@'%': SELECT host FROM mysql.user WHERE user = {user}; RENAME USER …");

pub(in crate::checks) static AUTH_IAM_PENDING: Cause = Cause::new(
    "AUTH_IAM_PENDING",
    "IAM database authentication is off until the next maintenance window",
    LOOK_AT_RDS,
)
.fix("modify the instance or cluster again with --apply-immediately, which applies every pending change");

pub(in crate::checks) static DB_CLOSED: Cause =
    Cause::new("DB_CLOSED", "the server closed the connection", "the stage is in the report")
        .fix("check that the port belongs to the database, and its log");

pub(in crate::checks) static DB_PROTOCOL: Cause = Cause::new(
    "DB_PROTOCOL",
    "the server does not speak this engine's protocol",
    "an invalid message, which the report shows",
)
.fix("check `type` and `port`");

pub(in crate::checks) static DB_TIMED_OUT: Cause =
    Cause::new("DB_TIMED_OUT", "the server stopped responding", "the stage and the time are in the report")
        .fix("check `type` and `port`, then the server's load");

fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    stage(target, seen, Stage::AuthRequest)
}

/// Why the user in the database must stay as it is.
const PROXY_LOGIN: &str = "leave the user in the database as it is: with rds_iam or AWSAuthenticationPlugin the proxy could no longer \
                           log in with its password";

pub(super) fn not_iam(target: &Target, auth_request: &AuthRequest) -> Diagnostic {
    CHECK
        .fail(&AUTH_NOT_IAM, format!("the server asks for {auth_request}; the token was not sent"))
        .expected("a cleartext password over TLS (the token)")
        .with_candidates(not_in_force(target))
}

/// Why a server asks this user for something else.
fn not_in_force(target: &Target) -> Vec<Candidate> {
    if target.resource_kind() == ResourceKind::Proxy {
        return not_in_force_at_proxy(target);
    }
    let enable = "enable IAM database authentication on the instance or cluster (Password and IAM database \
                  authentication; apply immediately)";
    let user = match target.engine() {
        Engine::Postgres => {
            let user = sql::postgres::identifier(target.user.as_str());
            Candidate::new(
                &AUTH_USER_NOT_IAM,
                "the most common cause: the user exists, but is not a member of rds_iam",
                format!("as the master user: GRANT rds_iam TO {user};"),
            )
        }
        Engine::Mysql | Engine::Mariadb => Candidate::new(
            &AUTH_USER_NOT_IAM,
            "the most common cause: the account has another plugin than AWSAuthenticationPlugin",
            format!(
                "as the master user: ALTER USER {} IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';",
                sql::mysql::literal(target.user.as_str())
            ),
        ),
    };
    let mut candidates = vec![
        user,
        Candidate::new(
            &AUTH_NO_USER,
            format!(
                "servers request the same from a user that does not exist, which hides the names of users; is it `{}`?",
                target.user
            ),
            make_iam_user(target),
        ),
        Candidate::new(&AUTH_IAM_OFF, "where IAM is off, users are asked for passwords", enable),
    ];
    if target.engine() != Engine::Postgres {
        candidates.push(Candidate::new(
            &AUTH_OTHER_ADDRESS,
            "an account is a name and the addresses it may come from: from any other it does not exist",
            let_in_from_anywhere(target),
        ));
    }
    candidates
}

/// RDS Proxy decides by itself how clients log in, and logs in to the database with a password from Secrets Manager.
fn not_in_force_at_proxy(target: &Target) -> Vec<Candidate> {
    vec![
        Candidate::new(
            &AUTH_IAM_OFF,
            "RDS Proxy requests a password unless IAM authentication is required for the secret of the user",
            format!(
                "in the proxy, require IAM authentication for the secret of {user}: aws rds modify-db-proxy --db-proxy-name <proxy> \
                 --auth AuthScheme=SECRETS,IAMAuth=REQUIRED,SecretArn=<secret of {user}> (list every secret again); {PROXY_LOGIN}",
                user = target.user
            ),
        ),
        Candidate::new(
            &AUTH_NO_USER,
            format!("the proxy may have no secret for the user; is it `{}`?", target.user),
            make_iam_user(target),
        ),
    ]
}

/// MySQL's and MariaDB's accounts name the addresses that they are for.
pub(super) fn let_in_from_anywhere(target: &Target) -> String {
    let user = sql::mysql::literal(target.user.as_str());
    format!(
        "as the master user: SELECT host FROM mysql.user WHERE user = {user}; and if it is not %: \
         RENAME USER {user}@'<its host>' TO {user}@'%';"
    )
}

/// What makes a user one of IAM's.
pub(super) fn make_iam_user(target: &Target) -> String {
    if target.resource_kind() == ResourceKind::Proxy {
        return format!(
            "add a Secrets Manager secret with the name and the password of {} to the proxy, with IAM authentication required; \
             {PROXY_LOGIN}",
            target.user
        );
    }
    match target.engine() {
        Engine::Postgres => {
            let user = sql::postgres::identifier(target.user.as_str());
            format!(
                "enable IAM database authentication on the instance (Password and IAM database authentication), and as \
                 the master user: CREATE USER {user}; GRANT rds_iam TO {user};"
            )
        }
        Engine::Mysql | Engine::Mariadb => format!(
            "enable IAM database authentication on the instance, and as the master user: \
             CREATE USER {} IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'; (or ALTER USER)",
            sql::mysql::literal(target.user.as_str())
        ),
    }
}
