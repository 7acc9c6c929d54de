//! A pipe of a Terraform plan is checked before apply, so its settings must be known and valid.

use crate::{
    checks::{
        check::{Cause, Check, Judge},
        sources::PROVIDER,
    },
    target::ProblemKind,
};

pub(crate) static CHECK: Check =
    Check::pipe("PIPE_SETTINGS", "pipe settings are known and valid", Judge::Pipe(judge))
        .expected("every setting that a check needs, before apply")
        .fix("correct the settings of the pipe")
        .source(PROVIDER)
        .causes(&[&PIPE_KNOWN_AFTER_APPLY, &PIPE_INVALID, &PIPE_USER_MISSING]);

pub(in crate::checks) static PIPE_KNOWN_AFTER_APPLY: Cause = Cause::new(
    "PIPE_KNOWN_AFTER_APPLY",
    "settings that a check needs are known only after apply",
    "after_unknown in the plan",
)
.fix(
    "check with --terraform-state after apply, or give the value as a flag or in [targets.'ADDRESS'] of a \
     file",
);

pub(in crate::checks) static PIPE_INVALID: Cause =
    Cause::new("PIPE_INVALID", "a setting has a value that cannot be used", "the value in the plan or state");

pub(in crate::checks) static PIPE_USER_MISSING: Cause = Cause::new(
    "PIPE_USER_MISSING",
    "the document does not contain the database user, as after an import; clickpipes_iam_user is checked",
    "no credentials.username in the plan or state",
)
.fix("if the pipe has another user, give it with --user");

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::KnownAfterApply => Some(&PIPE_KNOWN_AFTER_APPLY),
        ProblemKind::Invalid => Some(&PIPE_INVALID),
        ProblemKind::UserMissing => Some(&PIPE_USER_MISSING),
        _ => None,
    }
}
