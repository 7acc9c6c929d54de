//! A security group, a route or a stopped database prevents the TCP connection.

use std::time::Duration;

use super::{list, stage};
use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
        sources::{LOOK_AT_EC2, LOOK_AT_RDS},
    },
    connection::{ConnectionEvidence, Stage},
    diagnostic::Outcome,
    local_failure::LocalFailure,
    target::Target,
};

pub(crate) static CHECK: Check =
    Check::connection("NET_DIAL", "TCP connection to the port", Judge::Run(judge))
        .source("ClickPipes documentation, static IP addresses and PrivateLink")
        .causes(&[
            &NET_REFUSED,
            &NET_TIMED_OUT,
            &NET_UNREACHABLE,
            &DB_NOT_AVAILABLE,
            &ROUTE_ADDRESSES_BLOCKED,
            &ROUTE_NOT_PUBLIC,
            &LOCAL_FAILURE,
        ]);

pub(in crate::checks) static NET_REFUSED: Cause =
    Cause::new("NET_REFUSED", "nothing listens on the port", "every address refused the connection")
        .fix("check `port`, and that the database is running");

pub(in crate::checks) static NET_TIMED_OUT: Cause = Cause::new(
    "NET_TIMED_OUT",
    "packets to the port are dropped",
    "no response from any address: a security group, a network ACL, a route",
)
.fix("allow this address inbound in the security group; ClickPipes connects from different addresses");

pub(in crate::checks) static NET_UNREACHABLE: Cause = Cause::new(
    "NET_UNREACHABLE",
    "there is no route to the address",
    "the system reports that the network or host is unreachable",
)
.fix("check the route: VPC, peering, VPN, IPv6");

pub(in crate::checks) static DB_NOT_AVAILABLE: Cause = Cause::new(
    "DB_NOT_AVAILABLE",
    "the database is stopped, starting or otherwise not available",
    LOOK_AT_RDS,
)
.fix("start it, or wait until its status is available");

pub(in crate::checks) static ROUTE_ADDRESSES_BLOCKED: Cause = Cause::new(
    "ROUTE_ADDRESSES_BLOCKED",
    "the security groups of the database do not allow all static IP addresses of ClickPipes; it does not \
     change the verdict",
    LOOK_AT_EC2,
)
.fix("allow every address in a security group of the database: pipeprobe setup --service-region REGION");

pub(in crate::checks) static ROUTE_NOT_PUBLIC: Cause = Cause::new(
    "ROUTE_NOT_PUBLIC",
    "the database is not publicly accessible, so that ClickPipes needs AWS PrivateLink; it does not change the \
     verdict",
    LOOK_AT_EC2,
)
.fix("create a PrivateLink endpoint; set `host` of the pipe to its DNS name and `tls_host` to the name of the \
     RDS endpoint");

pub(crate) static LOCAL_FAILURE: Cause = Cause::new(
    "LOCAL_FAILURE",
    "this machine has no descriptors, memory, buffers, ports or permissions left",
    "the system's error is in the report (EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EACCES, EPERM); any \
     connection can have it, and `serve` then keeps the health of the target",
)
.fix("check limits and permissions of the process (open files, memory, sockets, sandbox)");

const NET_REMEDY: &str = "allow this address inbound in the database's security group (ClickPipes connects from its own \
                          static addresses: they need the same rule), and check route and `port`";

fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    stage(target, seen, Stage::Connect)
}

/// What this machine could not do, in a check of any stage. It says nothing about the target.
pub(in crate::checks) fn local_failure(
    check: &'static Check,
    outcome: Outcome,
    found: String,
    failure: &LocalFailure,
) -> Diagnostic {
    Diagnostic::new(check, outcome, Some(&LOCAL_FAILURE), found).remedy(failure.remedy)
}

pub(super) fn timed_out(target: &Target, after: Duration) -> Diagnostic {
    let found = format!("no answer from {} within {} s", target.dial, after.as_secs_f32().round());
    CHECK.fail(&NET_TIMED_OUT, found).remedy(NET_REMEDY)
}

pub(super) fn failed(target: &Target, evidence: &ConnectionEvidence) -> Diagnostic {
    let attempts = list(
        evidence.attempts.iter().map(|a| format!("{} {}", a.address, a.error.as_deref().unwrap_or("ok"))),
    );
    let refused = evidence.attempts.iter().any(|a| a.error.as_deref().is_some_and(|e| e.contains("refused")));
    if refused {
        CHECK.fail(&NET_REFUSED, attempts).remedy(format!(
            "nothing listens on port {}: check `port`, and that the database is running",
            target.dial.port
        ))
    } else {
        CHECK.fail(&NET_UNREACHABLE, attempts).remedy(NET_REMEDY)
    }
}
