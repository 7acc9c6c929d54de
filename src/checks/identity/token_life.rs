//! RDS accepts a token for 15 minutes after it was signed, if the clock is right and the credentials live that long.

use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
        sources::IAM_DB,
    },
    diagnostic::Severity::Advisory,
    target::Target,
    token::LIFETIME,
};

pub(crate) static CHECK: Check =
    Check::identity("TOKEN_LIFE", "IAM token is valid for 15 minutes", Judge::Run(judge))
        .severity(Advisory)
        .expected("a lifetime of at least 5 minutes, and a correct clock")
        .source(IAM_DB)
        .causes(&[&TOKEN_SHORT_LIFE, &CLOCK_SKEW, &TOKEN_NOT_SIGNED]);

pub(in crate::checks) static TOKEN_SHORT_LIFE: Cause = Cause::new(
    "TOKEN_SHORT_LIFE",
    "the token expires soon, with the credentials that signed it",
    "less than 5 of its 15 minutes are left",
)
.fix("renew the source credentials, or raise `duration`");

pub(in crate::checks) static CLOCK_SKEW: Cause = Cause::new(
    "CLOCK_SKEW",
    "this machine's clock is wrong, and a token contains its signing time",
    "AWS's Date header compared with this machine's clock",
)
.fix("set this machine's clock (NTP)");

pub(in crate::checks) static TOKEN_NOT_SIGNED: Cause =
    Cause::new("TOKEN_NOT_SIGNED", "the token could not be signed", "the signer's error is in the report")
        .fix("report this as a bug");

/// Below this, a token may expire on its way.
const SHORT_LIFE_SECONDS: i64 = 300;

/// A clock further off than this shortens a token's life, or makes it one of the future.
const CLOCK_SKEW_SECONDS: i64 = 60;

fn judge(_: &Target, seen: &Observations) -> Option<Diagnostic> {
    Some(match seen.token()? {
        Ok(token) => {
            let seconds = token.expires_at.duration_since(token.signed_at).as_secs();
            life(seconds, seen.identity_evidence.clock_offset_seconds)
        }
        Err(why) => CHECK.fail(&TOKEN_NOT_SIGNED, why),
    })
}

fn life(seconds: i64, clock_offset: Option<i64>) -> Diagnostic {
    let full = LIFETIME.as_secs();
    if let Some(offset) = clock_offset.filter(|offset| offset.abs() > CLOCK_SKEW_SECONDS) {
        return CHECK.warn(
            &CLOCK_SKEW,
            format!("AWS's clock is {offset:+} s from this machine's, and a token carries its signing time"),
        );
    }
    if seconds < SHORT_LIFE_SECONDS {
        return CHECK
            .warn(&TOKEN_SHORT_LIFE, format!("{seconds} s of {full} s: the credentials end first"))
            .expected(format!("at least {SHORT_LIFE_SECONDS} s"));
    }
    CHECK.pass(format!("{} min {} s", seconds / 60, seconds % 60))
}
