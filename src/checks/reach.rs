//! Why we could not get in: the ladder's errors → findings, each with what to do.

use super::{Observations, policy_resource};
use crate::{
    connection::{Asked, ConnectError, Evidence, Refusal, Stage, TlsFailure, TlsSeen},
    finding::{CheckId, Finding},
    target::{Engine, Target},
};

pub(super) fn judge(target: &Target, seen: &Observations) -> Vec<Finding> {
    let evidence = &seen.connection;
    let mut findings = Vec::new();
    for (stage, pass) in [
        (Stage::Resolve, resolved(evidence)),
        (Stage::Dial, dialled(evidence)),
        (Stage::Encrypt, encrypted(evidence)),
        (Stage::Ask, asked(evidence)),
    ] {
        if let Some(Err(error)) = &seen.climb
            && stage_of(error) == stage
        {
            findings.push(failed(target, evidence, error));
            return findings;
        }
        if let (Some(_), Some(found)) = (evidence.took(stage), pass) {
            findings.push(Finding::pass(row_of(stage), found));
        }
    }
    match &seen.login {
        Some(Ok(())) => findings.push(Finding::pass(CheckId::LogIn, "")),
        // The token was never sent, so whether it is accepted stays unreached.
        Some(Err(ConnectError::NoToken)) | None => {}
        Some(Err(error)) => findings.push(failed(target, evidence, error)),
    }
    findings
}

fn stage_of(error: &ConnectError) -> Stage {
    match error {
        ConnectError::Resolve(_) => Stage::Resolve,
        ConnectError::Dial => Stage::Dial,
        ConnectError::PlaintextOnly | ConnectError::Tls(_) => Stage::Encrypt,
        ConnectError::NotIam(_) => Stage::Ask,
        ConnectError::Refused { stage, .. }
        | ConnectError::Protocol { stage, .. }
        | ConnectError::Closed { stage }
        | ConnectError::Timeout { stage, .. } => *stage,
        ConnectError::NoToken => Stage::LogIn,
    }
}

fn row_of(stage: Stage) -> CheckId {
    match stage {
        Stage::Resolve => CheckId::Resolve,
        Stage::Dial => CheckId::Dial,
        Stage::Encrypt => CheckId::Tls,
        Stage::Ask => CheckId::IamAsked,
        Stage::LogIn => CheckId::LogIn,
    }
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn resolved(evidence: &Evidence) -> Option<String> {
    Some(list(&evidence.addresses))
}

fn dialled(evidence: &Evidence) -> Option<String> {
    evidence.peer.map(|peer| peer.to_string())
}

fn encrypted(evidence: &Evidence) -> Option<String> {
    let tls = evidence.tls.as_ref()?;
    Some(format!("{}, {}", tls.version.as_deref()?, certificate(tls)))
}

fn certificate(tls: &TlsSeen) -> String {
    let Some(leaf) = tls.chain.first() else { return "no certificate".into() };
    let until = leaf.not_after.map(|t| format!(" until {}", t.strftime("%Y-%m-%d"))).unwrap_or_default();
    format!("certificate of {}, issued by {}{until}", list(&leaf.names), leaf.issuer)
}

fn asked(evidence: &Evidence) -> Option<String> {
    evidence.asked.as_ref().map(ToString::to_string)
}

fn failed(target: &Target, evidence: &Evidence, error: &ConnectError) -> Finding {
    let row = row_of(stage_of(error));
    let fail = |cause, found: String| Finding::fail(row, cause, found);
    match error {
        ConnectError::Resolve(why) => fail("DNS_NOT_RESOLVED", format!("{}: {why}", target.dial.host)).remedy(
            "check the spelling of `host`; a private name resolves only inside its VPC: run this there, or dial \
             a tunnel or endpoint with `connect_to`",
        ),
        ConnectError::Dial => dial(target, evidence),
        ConnectError::Timeout { stage: Stage::Dial, after } => {
            fail("NET_TIMED_OUT", format!("no answer from {} within {} s", target.dial, after.as_secs_f32().round()))
                .remedy(NET_REMEDY)
        }
        ConnectError::PlaintextOnly => fail("TLS_NOT_OFFERED", "the server offers no TLS; nothing was sent to it".into())
            .remedy("turn TLS on at the server, or check that the port is the database's and not a plain proxy's"),
        ConnectError::Tls(failure) => tls(target, evidence, failure),
        ConnectError::NotIam(asked) => not_iam(target, asked),
        ConnectError::Refused { refusal, .. } => match target.engine() {
            Engine::Postgres => postgres_refused(target, row, refusal),
            Engine::Mysql | Engine::Mariadb => mysql_refused(target, row, refusal),
        },
        ConnectError::Protocol { .. } => fail("DB_PROTOCOL", error.to_string())
            .remedy(format!("check that {} is a {} server's port", target.dial, target.engine().name())),
        ConnectError::Closed { .. } => {
            fail("DB_CLOSED", error.to_string())
                .remedy(format!("check that {} is a {} server's port, and its log", target.dial, target.engine().name()))
        }
        ConnectError::Timeout { .. } => {
            fail("DB_TIMED_OUT", error.to_string()).remedy(
                "try again; if it stays, look at the server's load: IAM logins need 300 to 1000 MiB of free memory on RDS",
            )
        }
        ConnectError::NoToken => Finding::unreached(row),
    }
}

const NET_REMEDY: &str = "allow this address inbound in the database's security group (ClickPipes connects from its own \
                          static addresses: they need the same rule), and check route and `port`";

fn dial(target: &Target, evidence: &Evidence) -> Finding {
    let attempts = list(
        evidence.attempts.iter().map(|a| format!("{} {}", a.address, a.error.as_deref().unwrap_or("ok"))),
    );
    let refused = evidence.attempts.iter().any(|a| a.error.as_deref().is_some_and(|e| e.contains("refused")));
    if refused {
        Finding::fail(CheckId::Dial, "NET_REFUSED", attempts).remedy(format!(
            "nothing listens on port {}: check `port`, and that the database is running",
            target.dial.port
        ))
    } else {
        Finding::fail(CheckId::Dial, "NET_UNREACHABLE", attempts).remedy(NET_REMEDY)
    }
}

fn tls(target: &Target, evidence: &Evidence, failure: &TlsFailure) -> Finding {
    let presented =
        evidence.tls.as_ref().map(|tls| format!("; presented: {}", certificate(tls))).unwrap_or_default();
    let fail = |cause| {
        Finding::fail(CheckId::Tls, cause, format!("{failure}{presented}"))
            .wanted(format!("a certificate of {}", target.tls_host))
    };
    match failure {
        TlsFailure::WrongName => fail("TLS_WRONG_NAME").remedy(
            "set `tls_host` to the RDS endpoint's own name (behind PrivateLink, an NLB, a tunnel or a CNAME)",
        ),
        TlsFailure::Expired => {
            fail("TLS_EXPIRED").remedy("rotate the server certificate (RDS: Modify, Certificate authority)")
        }
        TlsFailure::NotYetValid => {
            fail("TLS_NOT_YET_VALID").remedy("check this machine's clock, then the server certificate")
        }
        TlsFailure::UnknownIssuer => fail("TLS_UNKNOWN_CA").remedy(
            "give the issuing CA as `ca_certificate`; the RDS roots of the commercial Regions are built in, \
             GovCloud and China have bundles of their own",
        ),
        TlsFailure::Incompatible(_) => fail("TLS_INCOMPATIBLE")
            .remedy("allow TLS 1.2 or 1.3 at the server (ssl_min_protocol_version, tls_version)"),
        TlsFailure::Closed | TlsFailure::NotTls(_) | TlsFailure::Other(_) => fail("TLS_FAILED"),
    }
}

fn not_iam(target: &Target, asked: &Asked) -> Finding {
    let user = &target.user;
    let remedy = match target.engine() {
        Engine::Postgres => format!(
            "enable IAM database authentication on the instance (Password and IAM database authentication), and as the \
             master user: CREATE USER {user}; GRANT rds_iam TO {user};"
        ),
        Engine::Mysql | Engine::Mariadb => format!(
            "enable IAM database authentication on the instance, and as the master user: \
             CREATE USER '{user}' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'; (or ALTER USER)"
        ),
    };
    Finding::fail(
        CheckId::IamAsked,
        "AUTH_NOT_IAM",
        format!("the server asks for {asked}; the token was not sent"),
    )
    .wanted("a cleartext password over TLS (the token)")
    .remedy(remedy)
}

/// What a policy must allow, once the server has refused a token it asked for.
fn refused_token(target: &Target, row: CheckId, cause: &'static str, refusal: &Refusal) -> Finding {
    Finding::fail(row, cause, refusal.to_string())
        .wanted(format!("a token for {} on {} in {}, allowed by its policy", target.user, target.sign, target.region))
        .remedy(format!(
            "let the access role's identity policy allow rds-db:connect on {} (its resource id is on the database's \
             Configuration tab); IAM changes take a minute to arrive",
            policy_resource(target)
        ))
}

fn postgres_refused(target: &Target, row: CheckId, refusal: &Refusal) -> Finding {
    let fail = |cause| Finding::fail(row, cause, refusal.to_string());
    let database = target.database.as_deref().unwrap_or_default();
    match refusal.code.as_str() {
        "28000" if refusal.message.contains("PAM authentication failed") => {
            refused_token(target, row, "PG_TOKEN_REFUSED", refusal)
        }
        "28P01" => refused_token(target, row, "PG_PASSWORD_REFUSED", refusal),
        "28000" => fail("PG_HBA_REFUSED")
            .remedy("the server's pg_hba has no line for this user, database and address"),
        "3D000" => fail("PG_NO_DATABASE")
            .remedy(format!("set `database` to one that exists (found none named {database})")),
        "42501" => {
            fail("PG_NO_CONNECT").remedy(format!("GRANT CONNECT ON DATABASE {database} TO {};", target.user))
        }
        "53300" => {
            fail("PG_TOO_MANY_CONNECTIONS").remedy("free connections at the server, or raise max_connections")
        }
        "57P03" => fail("PG_NOT_READY").remedy("the server is starting or stopping: try again in a moment"),
        _ => fail("PG_REFUSED"),
    }
}

fn mysql_refused(target: &Target, row: CheckId, refusal: &Refusal) -> Finding {
    let fail = |cause| Finding::fail(row, cause, refusal.to_string());
    let user = &target.user;
    match refusal.code.as_str() {
        "1045" => refused_token(target, row, "MYSQL_TOKEN_REFUSED", refusal),
        "1044" | "1049" => fail("MYSQL_NO_DATABASE")
            .remedy(format!("set `database` to one that exists and that {user} may use (GRANT SELECT ON <database>.* TO '{user}')")),
        "1040" | "1203" => fail("MYSQL_TOO_MANY_CONNECTIONS").remedy("free connections at the server, or raise max_connections"),
        "1129" => fail("MYSQL_HOST_BLOCKED").remedy("FLUSH HOSTS; (too many broken connections came from this address)"),
        "1130" => fail("MYSQL_HOST_NOT_ALLOWED").remedy(format!("the account must allow this address: '{user}'@'%'")),
        "1524" => fail("MYSQL_PLUGIN_NOT_LOADED").remedy("enable IAM database authentication on the instance"),
        "3118" | "4151" => fail("MYSQL_ACCOUNT_LOCKED").remedy(format!("ALTER USER '{user}' ACCOUNT UNLOCK;")),
        _ => fail("MYSQL_REFUSED"),
    }
}
