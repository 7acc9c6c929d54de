//! The token is sent only to a server whose certificate has the expected name and is issued by a known CA.

use super::{alias_of_rds, is_of_rds, list, stage};
use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
    },
    connection::{CertificateSummary, ConnectionEvidence, Stage, TlsEvidence, TlsFailure},
    target::Target,
    trust::{BUNDLE_DATE, RegionalRoots},
};

pub(crate) static CHECK: Check =
    Check::connection("TLS_VERIFY", "TLS certificate matches the host name", Judge::Run(judge))
        .expected("TLS 1.2 or 1.3 and a certificate for its name from a known CA")
        .source("Amazon RDS User Guide, Using SSL/TLS")
        .causes(&[
            &TLS_NOT_OFFERED,
            &TLS_WRONG_NAME,
            &TLS_EXPIRED,
            &TLS_NOT_YET_VALID,
            &TLS_SELF_SIGNED,
            &TLS_UNKNOWN_CA,
            &TLS_NO_SAN,
            &TLS_INTERMEDIATE_EXPIRED,
            &TLS_UNSUPPORTED_KEY,
            &TLS_INCOMPATIBLE,
            &TLS_FAILED,
        ]);

pub(in crate::checks) static TLS_NOT_OFFERED: Cause = Cause::new(
    "TLS_NOT_OFFERED",
    "the server offers no TLS",
    "the server's response to the TLS request; nothing secret was sent",
)
.fix("turn TLS on at the server, or check that the port is the database's and not a plain proxy's");

pub(in crate::checks) static TLS_WRONG_NAME: Cause = Cause::new(
    "TLS_WRONG_NAME",
    "the certificate is for another name",
    "the names in the certificate, which the report shows",
)
.fix("set `tls_host` to the RDS endpoint name; the report shows the names in the certificate");

pub(in crate::checks) static TLS_EXPIRED: Cause =
    Cause::new("TLS_EXPIRED", "the certificate is no longer valid", "its end date and this machine's clock")
        .fix(
            "give the database a new certificate: aws rds modify-db-instance --db-instance-identifier <name> \
     --ca-certificate-identifier rds-ca-rsa2048-g1 --apply-immediately (if it ends in the future, it is this \
     machine's clock that is wrong)",
        );

pub(in crate::checks) static TLS_NOT_YET_VALID: Cause = Cause::new(
    "TLS_NOT_YET_VALID",
    "the certificate is not valid yet",
    "its start date and this machine's clock",
)
.fix(
    "see that this machine's clock is right (it is behind the certificate's beginning), then the server's \
     certificate",
);

pub(in crate::checks) static TLS_SELF_SIGNED: Cause = Cause::new(
    "TLS_SELF_SIGNED",
    "the certificate is self-signed",
    "its subject is its issuer, and it is not a trust anchor; RDS and Aurora have no such certificates",
)
.fix("find out which server answers (a proxy or another server), and connect to the database directly");

pub(in crate::checks) static TLS_UNKNOWN_CA: Cause = Cause::new(
    "TLS_UNKNOWN_CA",
    "the certificate was issued by an unknown CA",
    "its chain ends at no trust anchor: for an RDS endpoint name the RDS roots of its partition (commercial \
     Regions and GovCloud are built in, China and isolated Regions are not), the Amazon roots and \
     `ca_certificate`; for another name the public web roots too",
)
.fix(
    "set `ca_certificate` to the bundle that the report names, if the roots of the Region are not built in \
     (`pipeprobe --version` shows their date); otherwise look for a proxy that intercepts TLS, or another \
     server",
);

pub(in crate::checks) static TLS_NO_SAN: Cause = Cause::new(
    "TLS_NO_SAN",
    "the certificate has no subjectAltName",
    "no name in that extension; the common name is ignored",
)
.fix("give the server a certificate with its name in subjectAltName");

pub(in crate::checks) static TLS_INTERMEDIATE_EXPIRED: Cause = Cause::new(
    "TLS_INTERMEDIATE_EXPIRED",
    "the certificate of an intermediate CA has expired",
    "the chain that the server presented",
)
.fix("let the server send the current certificate of that CA");

pub(in crate::checks) static TLS_UNSUPPORTED_KEY: Cause = Cause::new(
    "TLS_UNSUPPORTED_KEY",
    "a key or a signature of the certificate chain is of an unsupported type",
    "keys and signatures of the chain: RSA with less than 2048 bits, P-521, SHA-1",
)
.fix(
    "give the server a certificate with RSA 2048 or more, or ECDSA P-256 or P-384, signed with SHA-256 or \
     better",
);

pub(in crate::checks) static TLS_INCOMPATIBLE: Cause = Cause::new(
    "TLS_INCOMPATIBLE",
    "the server does not support TLS 1.2 or 1.3",
    "it refused TLS 1.2 and 1.3",
)
.fix(
    "allow TLS 1.2 or 1.3 at the server (ssl_min_protocol_version, tls_version); if it does, its certificate \
     has a key of an unsupported type: use RSA 2048 to 8192, or ECDSA P-256 or P-384",
);

pub(in crate::checks) static TLS_FAILED: Cause =
    Cause::new("TLS_FAILED", "the TLS handshake failed", "the TLS library's error is in the report")
        .fix("look for a proxy or firewall between here and the database");

fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    stage(target, seen, Stage::Tls)
}

pub(super) fn encrypted(target: &Target, evidence: &ConnectionEvidence) -> Option<String> {
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

pub(super) fn failed(target: &Target, evidence: &ConnectionEvidence, failure: &TlsFailure) -> Diagnostic {
    let presented =
        evidence.tls.as_ref().map(|tls| format!("; presented: {}", certificate(tls))).unwrap_or_default();
    let fail = |cause| {
        CHECK
            .fail(cause, format!("{failure}{presented}"))
            .expected(format!("a certificate of {}", target.tls_host))
    };
    match failure {
        TlsFailure::WrongName if leaf(evidence).is_some_and(|leaf| leaf.names.is_empty()) => {
            fail(&TLS_NO_SAN).remedy(format!(
                "give the server a certificate with {} in its subjectAltName extension, because clients ignore the common name. \
                 RDS and Aurora endpoints have one: see what answers at {}",
                target.tls_host, target.dial
            ))
        }
        TlsFailure::WrongName => fail(&TLS_WRONG_NAME).remedy(wrong_name(evidence)),
        TlsFailure::Expired(at) if let Some(expired) = intermediate_of(evidence, *at) => {
            CHECK.fail(&TLS_INTERMEDIATE_EXPIRED,
                format!("the certificate of the intermediate CA {} has expired{presented}", expired.subject),
            )
            .expected(format!("a certificate of {} with a valid chain", target.tls_host))
            .remedy(format!("let the server send the current certificate of {} after its own", expired.subject))
        }
        TlsFailure::Expired(_) => fail(&TLS_EXPIRED),
        TlsFailure::NotYetValid => fail(&TLS_NOT_YET_VALID),
        TlsFailure::UnknownIssuer | TlsFailure::Unacceptable(_) if is_self_signed(evidence) => {
            fail(&TLS_SELF_SIGNED).remedy(format!(
                "no RDS or Aurora endpoint presents such a certificate: see what answers at {} (a proxy, a tunnel's end, \
                 another server), and dial the database itself",
                target.dial
            ))
        }
        TlsFailure::UnknownIssuer => unknown_issuer(target, evidence, fail(&TLS_UNKNOWN_CA)),
        TlsFailure::Unsupported => unsupported_key(evidence, fail(&TLS_UNSUPPORTED_KEY)),
        TlsFailure::Unacceptable(_) if has_short_key(evidence) => {
            unsupported_key(evidence, fail(&TLS_UNSUPPORTED_KEY))
        }
        TlsFailure::Incompatible(_) => fail(&TLS_INCOMPATIBLE),
        TlsFailure::Closed | TlsFailure::NotTls(_) | TlsFailure::Unacceptable(_) | TlsFailure::Other(_) => {
            fail(&TLS_FAILED).remedy(format!(
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

/// The database's own name, which its certificate has wherever the connection goes. The chain has been verified by then.
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

/// RDS names the two sides of a blue/green deployment `<id>-green-<random>` before the switchover and `<id>-old1` after it
/// (RDS User Guide, "Switching a blue/green deployment").
pub(super) fn is_of_blue_green(name: &str) -> bool {
    let id = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_old = |(_, number): (&str, &str)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    id.contains("-green-") || id.rsplit_once("-old").is_some_and(is_old)
}

fn leaf(evidence: &ConnectionEvidence) -> Option<&CertificateSummary> {
    evidence.tls.as_ref().and_then(|tls| tls.chain.first())
}

/// The certificate above the server's own that ends then.
fn intermediate_of(
    evidence: &ConnectionEvidence,
    end: Option<jiff::Timestamp>,
) -> Option<&CertificateSummary> {
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
