//! The access role of the same plan: its trust policy, and its policies for `rds-db:connect`. The rules are those of `lint`.

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
    "PIPE_ACCESS_ROLE",
    "access role of the plan allows ClickPipes",
    Judge::Planned(PlannedPart::AccessRole, judge),
)
.expected("sts:AssumeRole and sts:TagSession for the service role, and rds-db:connect for the database user")
.if_unknown(Severity::Advisory)
.source(AWS_PROVIDER)
.causes(&[&PIPE_ROLE_NOT_TRUSTED, &PIPE_ROLE_CONNECT_DENIED, &PIPE_ROLE_CONNECT_MISSING, &PIPE_ROLE_UNKNOWN]);

pub(in crate::checks) static PIPE_ROLE_NOT_TRUSTED: Cause = Cause::new(
    "PIPE_ROLE_NOT_TRUSTED",
    "the trust policy of the plan does not let ClickPipes assume the role with session tags",
    "assume_role_policy of the aws_iam_role, judged as `pipeprobe lint` does",
)
.fix("allow sts:AssumeRole and sts:TagSession for the service role of ClickHouse");

pub(in crate::checks) static PIPE_ROLE_CONNECT_DENIED: Cause = Cause::new(
    "PIPE_ROLE_CONNECT_DENIED",
    "a policy of the plan denies rds-db:connect, or IAM rejects it",
    "the policies of the role in the plan or state, judged as `pipeprobe lint` does",
)
.fix("correct the policy: pipeprobe setup --only connect-policy");

pub(in crate::checks) static PIPE_ROLE_CONNECT_MISSING: Cause = Cause::new(
    "PIPE_ROLE_CONNECT_MISSING",
    "no policy of the plan allows rds-db:connect for the role; a policy that is attached elsewhere can",
    "the policies of the role in the plan or state, judged as `pipeprobe lint` does",
)
.fix("allow rds-db:connect on the database user: pipeprobe setup --only connect-policy");

pub(in crate::checks) static PIPE_ROLE_UNKNOWN: Cause =
    Cause::new("PIPE_ROLE_UNKNOWN", "the role or a policy of it is known only after apply", NOT_KNOWN_YET)
        .fix(CHECK_AFTER_APPLY);

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::RoleNotTrusted => Some(&PIPE_ROLE_NOT_TRUSTED),
        ProblemKind::RoleConnectDenied => Some(&PIPE_ROLE_CONNECT_DENIED),
        ProblemKind::RoleConnectMissing => Some(&PIPE_ROLE_CONNECT_MISSING),
        ProblemKind::PlannedUnknown(PlannedPart::AccessRole) => Some(&PIPE_ROLE_UNKNOWN),
        _ => None,
    }
}
