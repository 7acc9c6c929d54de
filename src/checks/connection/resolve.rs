//! The host name must have an address where pipeprobe runs.

use super::{list, stage};
use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
    },
    connection::{ConnectionEvidence, Stage},
    target::Target,
};

pub(crate) static CHECK: Check =
    Check::connection("DNS_RESOLVE", "host name resolves (DNS)", Judge::Run(judge)).causes(&[
        &DNS_NOT_RESOLVED,
        &DNS_FAILED,
        &DNS_TIMED_OUT,
    ]);

pub(in crate::checks) static DNS_NOT_RESOLVED: Cause = Cause::new(
    "DNS_NOT_RESOLVED",
    "the host name does not resolve here",
    "the resolver's error is in the report",
)
.fix(
    "check the spelling of `host`; a private name resolves only inside its VPC: run this there, or dial a \
     tunnel or endpoint with `connect_to`",
);

pub(in crate::checks) static DNS_FAILED: Cause = Cause::new(
    "DNS_FAILED",
    "the name servers failed or did not respond",
    "the resolver's error is in the report; it is not known whether the name exists",
)
.fix(
    "try again; if it stays, it is this machine's resolver and not the name: see that the name servers of \
     /etc/resolv.conf can be reached and answer (getent hosts <name>)",
);

pub(in crate::checks) static DNS_TIMED_OUT: Cause =
    Cause::new("DNS_TIMED_OUT", "no name server responds", "5 seconds without a response")
        .fix("check this machine's resolver: no name server answers");

fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    stage(target, seen, Stage::Resolve)
}

pub(super) fn resolved(evidence: &ConnectionEvidence) -> String {
    let alias = evidence.alias_of.as_ref().map(|name| format!(", an alias of {name}")).unwrap_or_default();
    list(&evidence.addresses) + &alias
}
