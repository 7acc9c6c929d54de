//! The way of ClickPipes to the database in the same plan. It blocks nothing: rules can be managed elsewhere.

use super::{CHECK_AFTER_APPLY, NOT_KNOWN_YET};
use crate::{
    checks::{
        check::{Cause, Check, Judge},
        sources::AWS_PROVIDER,
    },
    diagnostic::Severity,
    target::{PlannedPart, ProblemKind},
};

pub(crate) static CHECK: Check = Check::pipe(
    "PIPE_ROUTE",
    "security groups of the plan allow ClickPipes",
    Judge::Planned(PlannedPart::Route, judge),
)
.severity(Severity::Advisory)
.expected(
    "a public database whose security groups allow every static IP address of ClickPipes, or PrivateLink",
)
.source(AWS_PROVIDER)
.causes(&[&PIPE_ADDRESSES_BLOCKED, &PIPE_NOT_PUBLIC, &PIPE_ROUTE_UNKNOWN]);

pub(in crate::checks) static PIPE_ADDRESSES_BLOCKED: Cause = Cause::new(
    "PIPE_ADDRESSES_BLOCKED",
    "the security groups of the plan do not allow all static IP addresses of ClickPipes",
    "the rules of the security groups in the plan or state, and the Region of the ClickHouse service",
)
.fix("add ingress rules: pipeprobe setup --only terraform prints them");

pub(in crate::checks) static PIPE_NOT_PUBLIC: Cause = Cause::new(
    "PIPE_NOT_PUBLIC",
    "the database of the plan is not publicly accessible, so that ClickPipes needs AWS PrivateLink",
    "publicly_accessible of the instance",
)
.fix("create a PrivateLink endpoint; set `host` of the pipe to its DNS name and `tls_host` to the name of the RDS endpoint");

pub(in crate::checks) static PIPE_ROUTE_UNKNOWN: Cause = Cause::new(
    "PIPE_ROUTE_UNKNOWN",
    "a security group or a rule is not in the plan, or known only after apply",
    NOT_KNOWN_YET,
)
.fix(CHECK_AFTER_APPLY);

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::AddressesBlocked => Some(&PIPE_ADDRESSES_BLOCKED),
        ProblemKind::NotPublic => Some(&PIPE_NOT_PUBLIC),
        ProblemKind::PlannedUnknown(PlannedPart::Route) => Some(&PIPE_ROUTE_UNKNOWN),
        _ => None,
    }
}
