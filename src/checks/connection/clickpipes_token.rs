//! A login that works only with `sign_host` or `sign_port` does not work for ClickPipes, which has no such settings.

use super::clickpipes::limited;
use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
        sources::{ENGINE_IAM, REGION_UNREADABLE},
    },
    clickpipes,
    target::Target,
};

pub(crate) static CHECK: Check =
    Check::connection("CLICKPIPES_TOKEN", "ClickPipes signs the token in the same way", Judge::Run(judge))
        .expected(
            "a Region that can be read from the host name, and a token for tls_host (otherwise host) and \
         port",
        )
        .source(ENGINE_IAM)
        .causes(&[&CLICKPIPES_REGION, &CLICKPIPES_SIGN]);

pub(in crate::checks) static CLICKPIPES_REGION: Cause = Cause::new(
    "CLICKPIPES_REGION",
    REGION_UNREADABLE,
    "the name does not end in .REGION.rds.amazonaws.com: a CNAME, a PrivateLink name, the writer endpoint of \
     an Aurora global database, a name of another partition",
)
.fix("set `tls_host` to the endpoint's own name, here and in the pipe");

pub(in crate::checks) static CLICKPIPES_SIGN: Cause = Cause::new(
    "CLICKPIPES_SIGN",
    "ClickPipes signs its tokens for another endpoint",
    "`sign_host` or `sign_port` differs from tls_host (otherwise host) and port",
)
.fix(
    "set `tls_host` and `port` to the endpoint of the database, here and in the pipe, and remove `sign_host` \
     and `sign_port`",
);

/// Judged after a login: before, the login itself says what is wrong.
fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    seen.facts().is_some().then(|| {
        limited(&CHECK, &clickpipes::token(target))
            .unwrap_or_else(|| CHECK.pass(format!("for {} in {}", target.sign, target.region)))
    })
}
