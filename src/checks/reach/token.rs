//! Why a server refuses a token that it requested.

use super::{alias_of_rds, policy_resource};
use crate::{
    checks::Observations,
    connection::Refusal,
    diagnostic::{Candidate, CheckId, Diagnostic},
    sql,
    target::{Engine, RdsName, Target},
};

/// RDS accepts a token of up to 15 minutes; what a few minutes' skew leaves is not enough to rely on.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// Why a server refuses a token it asked for: what can be told from here, else the policy.
pub(super) fn refused_token(
    target: &Target,
    seen: &Observations,
    row: CheckId,
    cause: &'static str,
    refusal: &Refusal,
) -> Diagnostic {
    let fail = |cause| {
        Diagnostic::fail(row, cause, refusal.to_string()).expected(format!(
            "a token for {} on {} in {}, allowed by its policy",
            target.user, target.sign, target.region
        ))
    };
    if let Some(offset) = seen.identity_evidence.clock_offset_seconds.filter(|o| o.abs() > CLOCK_SKEW_SECONDS)
    {
        return fail("CLOCK_SKEW").remedy(format!(
            "set this machine's clock (AWS's is {offset:+} s from it): the token was signed at the wrong time"
        ));
    }
    if RdsName::parse(&target.sign.host).is_none() {
        let remove = if target.sign.host == target.tls_host { "" } else { "remove `sign_host` and " };
        return fail("TOKEN_WRONG_NAME").remedy(format!(
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
            "the commonest: name, port, user, Region and time in the token are as they should be, so it is the policy"
        }
        Some(_) => {
            "if the port is right: name, user, Region and time in the token are as they should be, so it is the policy"
        }
    };
    let policy = Candidate::new(
        "TOKEN_NOT_ALLOWED",
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
                "TOKEN_WRONG_HOST",
                format!(
                    "it is signed for {}, and it was {} that proved its name",
                    target.sign.host, target.tls_host
                ),
                "remove `sign_host`: the token must be for the database of the certificate",
            ),
        );
    }
    if target.user.as_str().chars().any(char::is_uppercase) {
        causes.push(Candidate::new(
            "TOKEN_WRONG_USER",
            format!("{} has capitals, and its case must be that of the policy and the database", target.user),
            "write `user` as the policy and the database do",
        ));
    }
    if target.engine() != Engine::Postgres {
        causes.push(Candidate::new(
            "AUTH_CLIENT_CERTIFICATE",
            "an account with REQUIRE X509, SUBJECT or ISSUER refuses every login without a client certificate, with the same error",
            format!(
                "look at SHOW CREATE USER {0}; if it requires a certificate: ALTER USER {0} REQUIRE SSL;",
                sql::mysql::literal(target.user.as_str())
            ),
        ));
    }
    causes.push(Candidate::new(
        "TOKEN_DENIED_ABOVE",
        "a service or resource control policy, a permissions boundary or an explicit Deny would show the same",
        "simulate it: aws iam simulate-principal-policy, with the role, rds-db:connect and that resource",
    ));
    let overloaded = match seen.first_login {
        Some(_) => "less likely: two tokens in a row were refused",
        None => "IAM that is short of memory or throttled answers the same",
    };
    causes.push(Candidate::new(
        "IAM_OVERLOADED",
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
            candidate: Candidate::new("TOKEN_WRONG_PORT", because, remedy),
            is_likely: true,
        });
    }
    (sign.port != dial.port).then(|| WrongPort {
        candidate: Candidate::new(
            "TOKEN_WRONG_PORT",
            format!("it is signed for port {}, and the connection goes to port {}", sign.port, dial.port),
            "set `port` (or `sign_port`) to the one that the database itself listens on",
        ),
        // Behind `connect_to`, the other port can be that of a tunnel.
        is_likely: !is_default || dial.host == sign.host,
    })
}
