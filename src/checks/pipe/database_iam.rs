//! IAM database authentication of the database in the same plan.

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
    "PIPE_DATABASE_IAM",
    "IAM database authentication of the plan",
    Judge::Planned(PlannedPart::DatabaseIam, judge),
)
.expected("iam_database_authentication_enabled = true")
.if_unknown(Severity::Advisory)
.source(AWS_PROVIDER)
.causes(&[&PIPE_IAM_OFF, &PIPE_IAM_UNKNOWN]);

pub(in crate::checks) static PIPE_IAM_OFF: Cause = Cause::new(
    "PIPE_IAM_OFF",
    "IAM database authentication is off in the plan",
    "iam_database_authentication_enabled of the aws_db_instance or aws_rds_cluster",
)
.fix("set iam_database_authentication_enabled = true");

pub(in crate::checks) static PIPE_IAM_UNKNOWN: Cause = Cause::new(
    "PIPE_IAM_UNKNOWN",
    "whether IAM database authentication is on is known only after apply",
    NOT_KNOWN_YET,
)
.fix(CHECK_AFTER_APPLY);

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::IamOff => Some(&PIPE_IAM_OFF),
        ProblemKind::PlannedUnknown(PlannedPart::DatabaseIam) => Some(&PIPE_IAM_UNKNOWN),
        _ => None,
    }
}
