//! ClickPipes reads the Region of the token from the host name.

use crate::{
    checks::{
        check::{Cause, Check, Judge},
        sources::REGION_UNREADABLE,
    },
    target::ProblemKind,
};

pub(crate) static CHECK: Check =
    Check::pipe("PIPE_REGION", "ClickPipes can read the Region from the host name", Judge::Pipe(judge))
        .expected("the name of the RDS endpoint as host or tls_host")
        .source("ClickPipes' engine, IAM authentication for RDS")
        .causes(&[&PIPE_REGION_UNREADABLE]);

pub(in crate::checks) static PIPE_REGION_UNREADABLE: Cause =
    Cause::new("PIPE_REGION_UNREADABLE", REGION_UNREADABLE, "host and tls_host in the plan or state")
        .fix("set tls_host to the name of the RDS endpoint");

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    (kind == ProblemKind::RegionUnreadable).then_some(&PIPE_REGION_UNREADABLE)
}
