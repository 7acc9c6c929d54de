//! `IAM_ROLE` needs `iam_role` and no password; anything else is a pipe that does not use IAM.

use crate::{
    checks::{
        check::{Cause, Check, Judge},
        sources::PROVIDER,
    },
    target::ProblemKind,
};

pub(crate) static CHECK: Check =
    Check::pipe("PIPE_AUTHENTICATION", "pipe logs in with IAM_ROLE", Judge::Pipe(judge))
        .expected("authentication = \"IAM_ROLE\" with iam_role and without a password")
        .source(PROVIDER)
        .causes(&[&PIPE_ROLE_MISSING, &PIPE_BASIC_WITH_ROLE, &PIPE_PASSWORD_WITH_ROLE]);

pub(in crate::checks) static PIPE_ROLE_MISSING: Cause = Cause::new(
    "PIPE_ROLE_MISSING",
    "authentication is IAM_ROLE, but there is no iam_role",
    "the plan or state",
)
.fix("set iam_role");

pub(in crate::checks) static PIPE_BASIC_WITH_ROLE: Cause =
    Cause::new("PIPE_BASIC_WITH_ROLE", "iam_role is set, but authentication is basic", "the plan or state")
        .fix("set authentication = \"IAM_ROLE\" and remove the password, or remove iam_role");

pub(in crate::checks) static PIPE_PASSWORD_WITH_ROLE: Cause = Cause::new(
    "PIPE_PASSWORD_WITH_ROLE",
    "authentication is IAM_ROLE, but there is a password",
    "the plan or state",
)
.fix("remove the password");

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::RoleMissing => Some(&PIPE_ROLE_MISSING),
        ProblemKind::BasicWithRole => Some(&PIPE_BASIC_WITH_ROLE),
        ProblemKind::PasswordWithRole => Some(&PIPE_PASSWORD_WITH_ROLE),
        _ => None,
    }
}
