//! The IAM token is sent over this connection, so it must be verified TLS.

use crate::{
    checks::{
        check::{Cause, Check, Judge},
        sources::PROVIDER,
    },
    target::ProblemKind,
};

pub(crate) static CHECK: Check =
    Check::pipe("PIPE_TLS", "pipe connects with verified TLS", Judge::Pipe(judge))
        .expected(
            "neither disable_tls nor skip_cert_verification: the IAM token is sent over this connection",
        )
        .source(PROVIDER)
        .causes(&[&PIPE_TLS_DISABLED, &PIPE_TLS_UNVERIFIED]);

pub(in crate::checks) static PIPE_TLS_DISABLED: Cause = Cause::new(
    "PIPE_TLS_DISABLED",
    "the pipe would send the IAM token without TLS",
    "disable_tls in the plan or state",
)
.fix("remove disable_tls");

pub(in crate::checks) static PIPE_TLS_UNVERIFIED: Cause = Cause::new(
    "PIPE_TLS_UNVERIFIED",
    "the pipe would send the IAM token to a server that it did not verify",
    "skip_cert_verification in the plan or state",
)
.fix("remove skip_cert_verification");

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::TlsDisabled => Some(&PIPE_TLS_DISABLED),
        ProblemKind::TlsUnverified => Some(&PIPE_TLS_UNVERIFIED),
        _ => None,
    }
}
