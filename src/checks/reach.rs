//! Why we could not get in: the ladder's errors → findings, each with what to do.

mod mysql;
mod postgres;
mod token;

pub(crate) use postgres::is_refused_token;
pub(super) use postgres::raise_role_limit;

use jiff::Timestamp;

use super::{Observations, policy_resource};
use crate::{
    clickpipes,
    connection::{
        AuthRequest, CertificateSummary, ConnectError, ConnectionEvidence, Stage, TlsEvidence, TlsFailure,
    },
    diagnostic::{Candidate, CheckId, Diagnostic},
    facts::Facts,
    sql,
    target::{Engine, Host, RdsName, ResourceKind, Target},
    trust::{BUNDLE_DATE, RegionalRoots},
};

pub(super) fn judge(target: &Target, seen: &Observations) -> Vec<Diagnostic> {
    let evidence = &seen.connection;
    let mut diagnostics = Vec::new();
    for (stage, pass) in [
        (Stage::Resolve, resolved(evidence)),
        (Stage::Connect, dialled(evidence)),
        (Stage::Tls, encrypted(target, evidence)),
        (Stage::AuthRequest, auth_request(evidence)),
    ] {
        if let Some(Err(error)) = &seen.connect
            && stage_of(error) == stage
        {
            diagnostics.push(failed(target, seen, error));
            return diagnostics;
        }
        if let (Some(_), Some(found)) = (evidence.took(stage), pass) {
            diagnostics.push(Diagnostic::pass(row_of(stage), found));
        }
    }
    match &seen.login {
        Some(Ok(())) => diagnostics.push(match &seen.first_login {
            None => Diagnostic::pass(CheckId::LogIn, ""),
            Some(first) => intermittent(first),
        }),
        // The token was never sent, so whether it is accepted stays unreached.
        Some(Err(ConnectError::NoToken)) | None => {}
        Some(Err(error)) => {
            let diagnostic = failed(target, seen, error);
            let twice = match &seen.first_login {
                Some(first) if first == error => "; and once more, with another token".to_owned(),
                Some(first) => format!("; the first token: {first}"),
                None => String::new(),
            };
            diagnostics.push(Diagnostic { found: diagnostic.found + &twice, ..diagnostic });
        }
    }
    diagnostics
}

fn intermittent(first: &ConnectError) -> Diagnostic {
    Diagnostic::warn(
        CheckId::LogIn,
        "AUTH_INTERMITTENT",
        format!("the first token was refused ({first}), the next accepted"),
    )
    .expected("every good token accepted")
    .remedy(
        "look at FreeableMemory (IAM logins need 300 to 1000 MiB to spare) and at IamDbAuthConnectionFailureThrottling \
         (fewer than 200 new logins a second are allowed)",
    )
}

fn stage_of(error: &ConnectError) -> Stage {
    match error {
        ConnectError::Resolve(_) | ConnectError::Resolver(_) => Stage::Resolve,
        ConnectError::Dial => Stage::Connect,
        ConnectError::PlaintextOnly | ConnectError::Tls(_) => Stage::Tls,
        ConnectError::NotIam(_) => Stage::AuthRequest,
        ConnectError::Refused { stage, .. }
        | ConnectError::Protocol { stage, .. }
        | ConnectError::Local { stage, .. }
        | ConnectError::Closed { stage }
        | ConnectError::Timeout { stage, .. } => *stage,
        ConnectError::NoToken => Stage::Login,
    }
}

fn row_of(stage: Stage) -> CheckId {
    match stage {
        Stage::Resolve => CheckId::Resolve,
        Stage::Connect => CheckId::Dial,
        Stage::Tls => CheckId::Tls,
        Stage::AuthRequest => CheckId::IamAsked,
        Stage::Login => CheckId::LogIn,
    }
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn resolved(evidence: &ConnectionEvidence) -> Option<String> {
    let alias = evidence.alias_of.as_ref().map(|name| format!(", an alias of {name}")).unwrap_or_default();
    Some(list(&evidence.addresses) + &alias)
}

fn dialled(evidence: &ConnectionEvidence) -> Option<String> {
    evidence.peer.map(|peer| peer.to_string())
}

fn encrypted(target: &Target, evidence: &ConnectionEvidence) -> Option<String> {
    let tls = evidence.tls.as_ref()?;
    let by = match target.ca_certificate {
        Some(_) => "; trusted by ca_certificate, which the pipe needs too",
        None => "",
    };
    Some(format!("{}, {}{by}", tls.version.as_deref()?, certificate(tls)))
}

fn certificate(tls: &TlsEvidence) -> String {
    let Some(leaf) = tls.chain.first() else { return "no certificate".into() };
    let until = leaf.not_after.map(|t| format!(" until {}", t.strftime("%Y-%m-%d"))).unwrap_or_default();
    match leaf.names.as_slice() {
        [] => format!(
            "certificate of {} without subjectAltName, issued by {}{until}",
            leaf.subject, leaf.issuer
        ),
        names => format!("certificate of {}, issued by {}{until}", list(names), leaf.issuer),
    }
}

fn auth_request(evidence: &ConnectionEvidence) -> Option<String> {
    evidence.auth_request.as_ref().map(ToString::to_string)
}

fn failed(target: &Target, seen: &Observations, error: &ConnectError) -> Diagnostic {
    let evidence = &seen.connection;
    let row = row_of(stage_of(error));
    let fail = |cause, found: String| Diagnostic::fail(row, cause, found);
    match error {
        ConnectError::Resolve(why) => fail("DNS_NOT_RESOLVED", format!("{}: {why}", target.dial.host)).remedy(
            "check the spelling of `host`; a private name resolves only inside its VPC: run this there, or dial \
             a tunnel or endpoint with `connect_to`",
        ),
        ConnectError::Resolver(why) => fail("DNS_FAILED", format!("{}: {why}", target.dial.host)).remedy(
            "try again; if it stays, it is this machine's resolver and not the name: see that the name servers of \
             /etc/resolv.conf can be reached and answer (getent hosts <name>)",
        ),
        ConnectError::Dial => dial(target, evidence),
        ConnectError::Timeout { stage: Stage::Connect, after } => {
            fail("NET_TIMED_OUT", format!("no answer from {} within {} s", target.dial, after.as_secs_f32().round()))
                .remedy(NET_REMEDY)
        }
        ConnectError::PlaintextOnly => fail("TLS_NOT_OFFERED", "the server offers no TLS; nothing was sent to it".into())
            .remedy("turn TLS on at the server, or check that the port is the database's and not a plain proxy's"),
        ConnectError::Tls(failure) => tls(target, evidence, failure),
        ConnectError::NotIam(auth_request) => not_iam(target, auth_request),
        ConnectError::Refused { refusal, .. } => match target.engine() {
            Engine::Postgres => postgres::refused(target, seen, row, refusal),
            Engine::Mysql | Engine::Mariadb => mysql::refused(target, seen, row, refusal),
        },
        ConnectError::Protocol { .. } => fail("DB_PROTOCOL", error.to_string())
            .remedy(format!("check that {} is a {} server's port", target.dial, target.engine().name())),
        ConnectError::Closed { .. } => {
            fail("DB_CLOSED", error.to_string())
                .remedy(format!("check that {} is a {} server's port, and its log", target.dial, target.engine().name()))
        }
        ConnectError::Timeout { stage: Stage::Resolve, .. } => fail("DNS_TIMED_OUT", error.to_string())
            .remedy("check this machine's resolver: no name server answers"),
        ConnectError::Timeout { stage: Stage::Login, .. } => fail("DB_TIMED_OUT", error.to_string()).remedy(
            "try again; if it stays, look at the server's load: IAM logins need 300 to 1000 MiB of free memory on RDS",
        ),
        ConnectError::Timeout { .. } => fail("DB_TIMED_OUT", error.to_string()).remedy(format!(
            "check that {} is a {} server's port (a server of another kind waits for the client to speak), and that \
             there is no proxy between",
            target.dial,
            target.engine().name()
        )),
        ConnectError::Local { failure, .. } => fail("LOCAL_FAILURE", error.to_string()).remedy(failure.remedy),
        ConnectError::NoToken => Diagnostic::unreached(row),
    }
}

const NET_REMEDY: &str = "allow this address inbound in the database's security group (ClickPipes connects from its own \
                          static addresses: they need the same rule), and check route and `port`";

fn dial(target: &Target, evidence: &ConnectionEvidence) -> Diagnostic {
    let attempts = list(
        evidence.attempts.iter().map(|a| format!("{} {}", a.address, a.error.as_deref().unwrap_or("ok"))),
    );
    let refused = evidence.attempts.iter().any(|a| a.error.as_deref().is_some_and(|e| e.contains("refused")));
    if refused {
        Diagnostic::fail(CheckId::Dial, "NET_REFUSED", attempts).remedy(format!(
            "nothing listens on port {}: check `port`, and that the database is running",
            target.dial.port
        ))
    } else {
        Diagnostic::fail(CheckId::Dial, "NET_UNREACHABLE", attempts).remedy(NET_REMEDY)
    }
}

fn tls(target: &Target, evidence: &ConnectionEvidence, failure: &TlsFailure) -> Diagnostic {
    let presented =
        evidence.tls.as_ref().map(|tls| format!("; presented: {}", certificate(tls))).unwrap_or_default();
    let fail = |cause| {
        Diagnostic::fail(CheckId::Tls, cause, format!("{failure}{presented}"))
            .expected(format!("a certificate of {}", target.tls_host))
    };
    match failure {
        TlsFailure::WrongName if leaf(evidence).is_some_and(|leaf| leaf.names.is_empty()) => {
            fail("TLS_NO_SAN").remedy(format!(
                "give the server a certificate with {} in its subjectAltName extension, because clients ignore the common name. \
                 RDS and Aurora endpoints have one: see what answers at {}",
                target.tls_host, target.dial
            ))
        }
        TlsFailure::WrongName => fail("TLS_WRONG_NAME").remedy(wrong_name(evidence)),
        TlsFailure::Expired(at) if let Some(expired) = intermediate_of(evidence, *at) => {
            Diagnostic::fail(
                CheckId::Tls,
                "TLS_INTERMEDIATE_EXPIRED",
                format!("the certificate of the intermediate CA {} has expired{presented}", expired.subject),
            )
            .expected(format!("a certificate of {} with a valid chain", target.tls_host))
            .remedy(format!("let the server send the current certificate of {} after its own", expired.subject))
        }
        TlsFailure::Expired(_) => fail("TLS_EXPIRED").remedy(
            "give the database a new certificate: aws rds modify-db-instance --db-instance-identifier <name> \
             --ca-certificate-identifier rds-ca-rsa2048-g1 --apply-immediately (if it ends in the future, it is this \
             machine's clock that is wrong)",
        ),
        TlsFailure::NotYetValid => fail("TLS_NOT_YET_VALID").remedy(
            "see that this machine's clock is right (it is behind the certificate's beginning), then the server's certificate",
        ),
        TlsFailure::UnknownIssuer | TlsFailure::Unacceptable(_) if is_self_signed(evidence) => {
            fail("TLS_SELF_SIGNED").remedy(format!(
                "no RDS or Aurora endpoint presents such a certificate: see what answers at {} (a proxy, a tunnel's end, \
                 another server), and dial the database itself",
                target.dial
            ))
        }
        TlsFailure::UnknownIssuer => unknown_issuer(target, evidence, fail("TLS_UNKNOWN_CA")),
        TlsFailure::Unsupported => unsupported_key(evidence, fail("TLS_UNSUPPORTED_KEY")),
        TlsFailure::Unacceptable(_) if has_short_key(evidence) => {
            unsupported_key(evidence, fail("TLS_UNSUPPORTED_KEY"))
        }
        TlsFailure::Incompatible(_) => fail("TLS_INCOMPATIBLE").remedy(
            "allow TLS 1.2 or 1.3 at the server (ssl_min_protocol_version, tls_version); if it does, its certificate has a key of \
             an unsupported type: use RSA 2048 to 8192, or ECDSA P-256 or P-384",
        ),
        TlsFailure::Closed | TlsFailure::NotTls(_) | TlsFailure::Unacceptable(_) | TlsFailure::Other(_) => {
            fail("TLS_FAILED").remedy(format!(
                "look for a firewall or proxy between here and {} that intercepts TLS, \
                 a plain tunnel, another server",
                target.dial
            ))
        }
    }
}

/// What to do about a CA that is not known. It depends on whether the roots of the Region are built in.
fn unknown_ca(target: &Target) -> String {
    if target.ca_certificate.is_some() {
        return "add the CA that issued the certificate to `ca_certificate`, here and in the pipe: it replaces the built-in \
                roots. If the server has a certificate of RDS or RDS Proxy, remove `ca_certificate`"
            .to_owned();
    }
    let RegionalRoots { region, built_in, url } = RegionalRoots::of(target);
    match (built_in, url) {
        (true, _) => format!(
            "check what answers at {}: the RDS roots of {region} are built in (as of {BUNDLE_DATE}), so it may be a proxy that \
             intercepts TLS, or another server. If you trust the CA that issued the certificate, set `ca_certificate` \
             (--ca-certificate) to it, here and in the pipe",
            target.dial
        ),
        (false, Some(url)) => format!(
            "the RDS roots of {region} are not built in: download {url}, and set `ca_certificate` (--ca-certificate) to that \
             file"
        ),
        (false, None) => format!(
            "the RDS roots of {region} are not built in: download the certificate bundle of its partition (RDS User Guide of \
             the partition, \"Using SSL/TLS\"), and set `ca_certificate` (--ca-certificate) to that file"
        ),
    }
}

/// The database's own name, which its certificate carries wherever it is dialled. The chain has been verified by then.
fn wrong_name(evidence: &ConnectionEvidence) -> String {
    let names = evidence.tls.iter().filter_map(|tls| tls.chain.first()).flat_map(|leaf| &leaf.names);
    let of_rds = names.filter(|name| is_of_rds(name));
    let (temporary, lasting): (Vec<_>, Vec<_>) = of_rds.partition(|name| is_of_blue_green(name));
    match lasting.as_slice() {
        [] if !temporary.is_empty() => format!(
            "wait until the switchover of the blue/green deployment is complete, then check again with the same `host`: {} is a name \
             of that deployment, which RDS changes or removes, so it is no `tls_host`",
            list(temporary)
        ),
        [] => {
            "set `tls_host` to the RDS endpoint's own name (behind PrivateLink, an NLB, a tunnel or a CNAME)"
                .into()
        }
        [name] => format!(
            "if that is your database, set `tls_host` to {name} (--tls-host): behind PrivateLink, an NLB, a tunnel or a \
             CNAME it keeps its own name, and the token is signed for it"
        ),
        names => format!(
            "set `tls_host` (--tls-host) to the one of these that is your database's endpoint{}: {}",
            alias_of_rds(evidence).map(|name| format!(" (the alias leads to {name})")).unwrap_or_default(),
            list(names)
        ),
    }
}

/// The RDS endpoint that the dialled name is an alias of.
fn alias_of_rds(evidence: &ConnectionEvidence) -> Option<&String> {
    evidence.alias_of.as_ref().filter(|name| is_of_rds(name) && !is_of_blue_green(name))
}

fn is_of_rds(name: &str) -> bool {
    Host::parse("name", name).is_ok_and(|name| RdsName::parse(&name).is_some())
}

/// RDS names the two sides of a blue/green deployment `<id>-green-<random>` before the switchover and `<id>-old1` after it
/// (RDS User Guide, "Switching a blue/green deployment").
fn is_of_blue_green(name: &str) -> bool {
    let id = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_old = |(_, number): (&str, &str)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    id.contains("-green-") || id.rsplit_once("-old").is_some_and(is_old)
}

fn leaf(evidence: &ConnectionEvidence) -> Option<&CertificateSummary> {
    evidence.tls.as_ref().and_then(|tls| tls.chain.first())
}

/// The certificate above the server's own that ends then.
fn intermediate_of(evidence: &ConnectionEvidence, end: Option<Timestamp>) -> Option<&CertificateSummary> {
    let mut above = evidence.tls.as_ref()?.chain.iter().skip(1);
    above.find(|certificate| end.is_some() && certificate.not_after == end)
}

/// Names the certificate that is missing: the issuer of the last one that was presented.
fn unknown_issuer(target: &Target, evidence: &ConnectionEvidence, diagnostic: Diagnostic) -> Diagnostic {
    let chain = evidence.tls.as_ref().map(|tls| tls.chain.as_slice()).unwrap_or_default();
    let Some(last) = chain.last().filter(|last| last.subject != last.issuer) else {
        return diagnostic.remedy(unknown_ca(target));
    };
    let found = format!(
        "{}; a certificate of {} was not presented and is not trusted",
        diagnostic.found, last.issuer
    );
    Diagnostic { found, ..diagnostic }.remedy(format!(
        "{}; if {} is an intermediate CA, let the server send its certificate too",
        unknown_ca(target),
        last.issuer
    ))
}

/// RSA with fewer than 2048 bits, whose signatures no TLS library here verifies.
fn has_short_key(evidence: &ConnectionEvidence) -> bool {
    let bits = |key: &str| key.strip_prefix("RSA ").and_then(|bits| bits.parse::<u32>().ok());
    evidence.tls.iter().flat_map(|tls| &tls.chain).any(|c| bits(&c.key).is_some_and(|bits| bits < 2048))
}

fn unsupported_key(evidence: &ConnectionEvidence, diagnostic: Diagnostic) -> Diagnostic {
    let keys = evidence.tls.iter().flat_map(|tls| &tls.chain).map(|c| c.key.as_str());
    let found = format!("{} (keys: {})", diagnostic.found, list(keys));
    Diagnostic { found, ..diagnostic }
        .expected("RSA with 2048 bits or more, ECDSA P-256 or P-384, or Ed25519, signed with SHA-256 or better")
        .remedy(
            "give the server a certificate with such a key from such a CA (RDS: --ca-certificate-identifier rds-ca-rsa2048-g1)",
        )
}

/// No authority issued it: what an RDS endpoint never presents.
fn is_self_signed(evidence: &ConnectionEvidence) -> bool {
    leaf(evidence).is_some_and(|leaf| leaf.subject == leaf.issuer)
}

fn not_iam(target: &Target, auth_request: &AuthRequest) -> Diagnostic {
    Diagnostic::fail(
        CheckId::IamAsked,
        "AUTH_NOT_IAM",
        format!("the server asks for {auth_request}; the token was not sent"),
    )
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
                "AUTH_USER_NOT_IAM",
                "the commonest: the user is there, and no member of rds_iam",
                format!("as the master user: GRANT rds_iam TO {user};"),
            )
        }
        Engine::Mysql | Engine::Mariadb => Candidate::new(
            "AUTH_USER_NOT_IAM",
            "the commonest: the account has another plugin than AWSAuthenticationPlugin",
            format!(
                "as the master user: ALTER USER {} IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';",
                sql::mysql::literal(target.user.as_str())
            ),
        ),
    };
    let mut candidates = vec![
        user,
        Candidate::new(
            "AUTH_NO_USER",
            format!(
                "a user that does not exist is asked the same, lest its name be guessed; is it `{}`?",
                target.user
            ),
            make_iam_user(target),
        ),
        Candidate::new("AUTH_IAM_OFF", "where IAM is off, users are asked for passwords", enable),
    ];
    if target.engine() != Engine::Postgres {
        candidates.push(Candidate::new(
            "AUTH_OTHER_ADDRESS",
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
            "AUTH_IAM_OFF",
            "RDS Proxy requests a password unless IAM authentication is required for the secret of the user",
            format!(
                "in the proxy, require IAM authentication for the secret of {user}: aws rds modify-db-proxy --db-proxy-name <proxy> \
                 --auth AuthScheme=SECRETS,IAMAuth=REQUIRED,SecretArn=<secret of {user}> (list every secret again); {PROXY_LOGIN}",
                user = target.user
            ),
        ),
        Candidate::new(
            "AUTH_NO_USER",
            format!("the proxy may have no secret for the user; is it `{}`?", target.user),
            make_iam_user(target),
        ),
    ]
}

/// Why the user in the database must stay as it is.
const PROXY_LOGIN: &str = "leave the user in the database as it is: with rds_iam or AWSAuthenticationPlugin the proxy could no longer \
                           log in with its password";

/// MySQL's and MariaDB's accounts name the addresses that they are for.
fn let_in_from_anywhere(target: &Target) -> String {
    let user = sql::mysql::literal(target.user.as_str());
    format!(
        "as the master user: SELECT host FROM mysql.user WHERE user = {user}; and if it is not %: \
         RENAME USER {user}@'<its host>' TO {user}@'%';"
    )
}

/// What makes a user one of IAM's.
fn make_iam_user(target: &Target) -> String {
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

/// Remedy for an unknown refusal.
const OWN_WORDS: &str =
    "these are the server's own words; its log of this minute may say more (RDS: Logs & events)";

/// Where changes can be streamed from.
pub(super) fn endpoint(target: &Target, facts: &Facts) -> Diagnostic {
    let check = CheckId::Endpoint;
    let host = &target.sign.host;
    // The name of an instance endpoint, a custom endpoint or an alias does not say that it is a reader. Aurora MySQL sets
    // innodb_read_only on readers; a replica of RDS for MySQL only has read_only (Amazon Aurora User Guide).
    if let Facts::Mysql(facts) = facts
        && facts
            .settings
            .read()
            .is_some_and(|s| s.get("innodb_read_only").is_some_and(|v| v == "ON" || v == "1"))
    {
        return Diagnostic::fail(
            check,
            "DB_ENDPOINT_READER",
            format!("{host} leads to a reader: innodb_read_only is ON"),
        )
        .remedy("give the writer endpoint of the cluster");
    }
    if let Some(diagnostic) = super::clickpipes::limited(check, clickpipes::changes(host).as_slice()) {
        return diagnostic;
    }
    match RdsName::parse(host) {
        Some(_) => Diagnostic::pass(check, "no proxy, reader or shard group endpoint"),
        None => Diagnostic::pass(check, format!("{host} is no RDS name, so its kind is not known")),
    }
}
