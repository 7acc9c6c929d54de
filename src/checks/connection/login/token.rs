//! Why a server refuses a token that it requested.

use super::super::alias_of_rds;
use crate::checks::identity::token_life::CLOCK_SKEW;
use crate::checks::{
    check::Cause,
    connection::auth_request::{AUTH_IAM_OFF, AUTH_IAM_PENDING},
    sources::{LOOK_AT_BOTH, LOOK_AT_RDS},
};
use crate::{
    checks::Observations,
    checks::{Candidate, Check, Diagnostic},
    connection::Refusal,
    sql,
    target::{Engine, RdsName, Target},
};

/// What it can be if IAM refused the token: RDS does not say why, whatever the engine is.
pub(super) static TOKEN_CANDIDATES: [&Cause; 13] = [
    &TOKEN_NOT_ALLOWED,
    &TOKEN_WRONG_PORT,
    &TOKEN_WRONG_HOST,
    &TOKEN_WRONG_USER,
    &AUTH_CLIENT_CERTIFICATE,
    &TOKEN_DENIED_ABOVE,
    &IAM_OVERLOADED,
    &TOKEN_OTHER_RESOURCE,
    &TOKEN_POLICY_DENIES,
    &TOKEN_BOUNDARY_DENIES,
    &TOKEN_OTHER_ACCOUNT,
    &AUTH_IAM_OFF,
    &AUTH_IAM_PENDING,
];

pub(in crate::checks) static TOKEN_NOT_ALLOWED: Cause = Cause::new(
    "TOKEN_NOT_ALLOWED",
    "no identity policy of the role allows rds-db:connect on this database and user",
    "a candidate if the token matches the target",
)
.fix(
    "allow it on arn:<partition>:rds-db:<region>:<account>:dbuser:<db-… | cluster-… | prx-…>/{user}: the \
     resource id, not the name",
);

pub(in crate::checks) static TOKEN_OTHER_RESOURCE: Cause = Cause::new(
    "TOKEN_OTHER_RESOURCE",
    "the role's policy allows rds-db:connect on another database's resource id",
    LOOK_AT_BOTH,
)
.fix(
    "use the resource id of this database in the policy: the cluster's id for an instance of a cluster, the \
     proxy's id for a proxy",
);

pub(in crate::checks) static TOKEN_POLICY_DENIES: Cause = Cause::new(
    "TOKEN_POLICY_DENIES",
    "a policy of the role denies rds-db:connect on this database",
    LOOK_AT_BOTH,
)
.fix("remove or narrow the statement: a Deny overrides every Allow");

pub(in crate::checks) static TOKEN_BOUNDARY_DENIES: Cause = Cause::new(
    "TOKEN_BOUNDARY_DENIES",
    "the role's permissions boundary does not allow rds-db:connect",
    LOOK_AT_BOTH,
)
.fix("allow rds-db:connect on the database in the boundary");

pub(in crate::checks) static TOKEN_OTHER_ACCOUNT: Cause = Cause::new(
    "TOKEN_OTHER_ACCOUNT",
    "the database is in a different account than the access role",
    LOOK_AT_RDS,
)
.fix("create the access role in the database's account: IAM authentication does not cross accounts");

pub(in crate::checks) static TOKEN_WRONG_NAME: Cause = Cause::new(
    "TOKEN_WRONG_NAME",
    "the token is signed for a name that is not the RDS endpoint's",
    "the name is not an RDS endpoint: a CNAME, PrivateLink, an address",
)
.fix("set `tls_host` (or `sign_host`) to the RDS endpoint name");

pub(in crate::checks) static TOKEN_WRONG_PORT: Cause = Cause::new(
    "TOKEN_WRONG_PORT",
    "the token is signed for the wrong port",
    "a candidate if the connection uses a different port than the token",
)
.fix(
    "set `port` to the one that the database listens on, here and in the pipe; ClickPipes has no `sign_port`",
);

pub(in crate::checks) static TOKEN_WRONG_HOST: Cause = Cause::new(
    "TOKEN_WRONG_HOST",
    "the token is signed for another database",
    "a candidate if the token has a different name than the certificate",
)
.fix("remove `sign_host`");

pub(in crate::checks) static TOKEN_WRONG_USER: Cause = Cause::new(
    "TOKEN_WRONG_USER",
    "the user in the token is spelled differently than in the policy or the database",
    "a candidate if the user name has capital letters",
)
.fix("spell `user` as in the policy and the database");

pub(in crate::checks) static TOKEN_DENIED_ABOVE: Cause = Cause::new(
    "TOKEN_DENIED_ABOVE",
    "a policy above the role denies rds-db:connect",
    "a candidate: a service or resource control policy, a permissions boundary or an explicit Deny look the \
     same",
)
.fix("run aws iam simulate-principal-policy");

pub(in crate::checks) static IAM_OVERLOADED: Cause = Cause::new(
    "IAM_OVERLOADED",
    "RDS could not query IAM: low memory or throttling",
    "a candidate, because RDS gives the same error",
)
.fix("try again in a minute; check the metric FreeableMemory");

pub(in crate::checks) static AUTH_INTERMITTENT: Cause = Cause::new(
    "AUTH_INTERMITTENT",
    "one token was refused, and the next one was accepted",
    "the second login of the run succeeded",
)
.fix(
    "look at FreeableMemory (IAM logins need 300 to 1000 MiB to spare) and at \
     IamDbAuthConnectionFailureThrottling (fewer than 200 new logins a second are allowed)",
);

pub(in crate::checks) static AUTH_CLIENT_CERTIFICATE: Cause = Cause::new(
    "AUTH_CLIENT_CERTIFICATE",
    "the account requires a client certificate, which ClickPipes does not have",
    "error 1045; SHOW CREATE USER has REQUIRE X509, SUBJECT or ISSUER",
)
.fix("ALTER USER {user} REQUIRE SSL;");

/// RDS accepts a token of up to 15 minutes; what a few minutes' skew leaves is not enough to rely on.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// Why a server refuses a token it asked for: what can be told from here, else the policy.
pub(super) fn refused_token(
    target: &Target,
    seen: &Observations,
    row: &'static Check,
    cause: &'static Cause,
    refusal: &Refusal,
) -> Diagnostic {
    let fail = |cause| {
        row.fail(cause, refusal.to_string()).expected(format!(
            "a token for {} on {} in {}, allowed by its policy",
            target.user, target.sign, target.region
        ))
    };
    if let Some(offset) = seen.identity_evidence.clock_offset_seconds.filter(|o| o.abs() > CLOCK_SKEW_SECONDS)
    {
        return fail(&CLOCK_SKEW).remedy(format!(
            "set this machine's clock (AWS's is {offset:+} s from it): the token was signed at the wrong time"
        ));
    }
    if RdsName::parse(&target.sign.host).is_none() {
        let remove = if target.sign.host == target.tls_host { "" } else { "remove `sign_host` and " };
        return fail(&TOKEN_WRONG_NAME).remedy(format!(
            "{remove}set `tls_host` to the RDS endpoint's own name{}: RDS refuses tokens signed for `{}`",
            alias_of_rds(&seen.connection).map(|name| format!(", {name} by its alias")).unwrap_or_default(),
            target.sign.host
        ));
    }
    fail(cause).with_candidates(not_accepted(target, seen))
}

/// RDS refuses a token without saying why. What is in it agrees with the target, by the time this is asked.
fn not_accepted(target: &Target, seen: &Observations) -> Vec<Candidate> {
    let resource = policy_resource(target);
    let port = wrong_port(target);
    let because = match &port {
        None => {
            "the most common cause: name, port, user, Region and time in the token are right, so it is the policy"
        }
        Some(_) => {
            "if the port is right: name, user, Region and time in the token are right, so it is the policy"
        }
    };
    let policy = Candidate::new(
        &TOKEN_NOT_ALLOWED,
        because,
        format!(
            "let the access role's identity policy allow rds-db:connect on {resource} (its resource id is on the \
             database's Configuration tab); IAM changes take a minute to arrive"
        ),
    );
    let mut causes: Vec<Candidate> = match port {
        Some(port) if port.is_likely => vec![port.candidate, policy],
        port => [policy].into_iter().chain(port.map(|port| port.candidate)).collect(),
    };
    if target.sign.host != target.tls_host && RdsName::parse(&target.tls_host).is_some() {
        causes.insert(
            0,
            Candidate::new(
                &TOKEN_WRONG_HOST,
                format!(
                    "it is signed for {}, and the server has the certificate of {}",
                    target.sign.host, target.tls_host
                ),
                "remove `sign_host`: the token must be for the database of the certificate",
            ),
        );
    }
    if target.user.as_str().chars().any(char::is_uppercase) {
        causes.push(Candidate::new(
            &TOKEN_WRONG_USER,
            format!("{} has capitals, and its case must be that of the policy and the database", target.user),
            "write `user` as the policy and the database do",
        ));
    }
    if target.engine() != Engine::Postgres {
        causes.push(Candidate::new(
            &AUTH_CLIENT_CERTIFICATE,
            "an account with REQUIRE X509, SUBJECT or ISSUER refuses every login without a client certificate, with the same error",
            format!(
                "look at SHOW CREATE USER {0}; if it requires a certificate: ALTER USER {0} REQUIRE SSL;",
                sql::mysql::literal(target.user.as_str())
            ),
        ));
    }
    causes.push(Candidate::new(
        &TOKEN_DENIED_ABOVE,
        "a service or resource control policy, a permissions boundary or an explicit Deny would show the same",
        "simulate it: aws iam simulate-principal-policy, with the role, rds-db:connect and that resource",
    ));
    let overloaded = match seen.first_refusal() {
        Some(_) => "less likely: two tokens in a row were refused",
        None => "IAM that is short of memory or throttled answers the same",
    };
    causes.push(Candidate::new(
        &IAM_OVERLOADED,
        overloaded,
        "try again in a minute, and look at FreeableMemory",
    ));
    causes
}

struct WrongPort {
    candidate: Candidate,
    is_likely: bool,
}

/// RDS accepts only tokens for the port that the database listens on. ClickPipes signs for `port` of the target.
fn wrong_port(target: &Target) -> Option<WrongPort> {
    let Target { sign, dial, host, .. } = target;
    let default = target.engine().default_port();
    let is_default = sign.port == default;
    // `host` is a tunnel or a load balancer, so `port` is its port and not the database's.
    if *host != sign.host && dial.host != sign.host && dial.port == sign.port {
        let because = format!(
            "it is signed for port {}, the port of {host}; the database itself listens on {default}, unless that was changed",
            sign.port
        );
        let remedy = format!(
            "for a tunnel, set `host` to {}, `port` to the one that the database listens on, and `connect_to` to {dial} \
             (--host {} --port {default} --connect-to {dial}); let a load balancer listen on the port of the database, because \
             ClickPipes signs the token for the port that it connects to",
            sign.host, sign.host
        );
        return (!is_default).then(|| WrongPort {
            candidate: Candidate::new(&TOKEN_WRONG_PORT, because, remedy),
            is_likely: true,
        });
    }
    (sign.port != dial.port).then(|| WrongPort {
        candidate: Candidate::new(
            &TOKEN_WRONG_PORT,
            format!("it is signed for port {}, and the connection goes to port {}", sign.port, dial.port),
            "set `port` to the one that the database itself listens on, here and in the pipe, and remove `sign_port`, which ClickPipes \
             does not have; let a load balancer or a tunnel in between listen on the same port",
        ),
        // Behind `connect_to`, the other port can be that of a tunnel.
        is_likely: !is_default || dial.host == sign.host,
    })
}

/// The resource that an identity policy must allow `rds-db:connect` on, as far as it can be known from here.
fn policy_resource(target: &Target) -> String {
    target.connect_resource(target.resource_kind().placeholder())
}
