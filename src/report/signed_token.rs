//! A signed token as JSON, for `token -o json` and for the token socket of the agent.

use jiff::Timestamp;
use serde::Serialize;

use super::json::SCHEMA_VERSION;
use crate::{
    checks::{self, Diagnostic, Observations},
    identity::{IdentityError, IdentityEvidence},
    target::{Invalid, RdsName, RdsNameKind, Target},
    token::AuthToken,
};

/// What `token -o json` prints, and `GET /token` answers. The only document that contains a secret.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SignedToken<'a> {
    schema_version: u32,
    pub(crate) token: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
    region: &'a str,
    /// ARN of the session that signed; null if the source credentials signed.
    identity: Option<&'a str>,
    signed_at: String,
    expires_at: String,
    pub(crate) warnings: Vec<String>,
}

impl<'a> SignedToken<'a> {
    pub(crate) fn of(
        target: &'a Target,
        signed: &'a AuthToken,
        evidence: &'a IdentityEvidence,
        now: Timestamp,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            token: signed.text.reveal(),
            host: target.sign.host.as_str(),
            port: target.sign.port,
            user: target.user.as_str(),
            region: target.region.as_str(),
            identity: evidence.hops.last().map(|hop| hop.became.as_str()),
            signed_at: signed.signed_at.to_string(),
            expires_at: signed.expires_at.to_string(),
            warnings: warnings(target, signed, evidence.clock_offset_seconds, now),
        }
    }
}

/// Why there are no credentials to sign with, in the same words as in `check`.
pub(crate) fn not_signed(target: &Target, evidence: IdentityEvidence, error: IdentityError) -> Invalid {
    let mut seen = Observations::default();
    seen.fail_identity(error, evidence);
    let diagnostics = checks::judge(target, &seen);
    let failed = diagnostics.iter().find(|f| f.cause.is_some());
    let cause = failed.map_or("", Diagnostic::cause_code);
    let found = failed.map(|f| f.found.as_str()).unwrap_or_default();
    let remedy = failed.and_then(|f| f.remedy.clone());
    let invalid = Invalid::new("identity", "credentials to sign with", format!("{cause}: {found}"));
    Invalid { remedy, ..invalid }
}

/// Reasons why the token cannot work, or not for long. Source: "IAM database authentication", limitations.
fn warnings(target: &Target, signed: &AuthToken, clock_offset: Option<i64>, now: Timestamp) -> Vec<String> {
    let host = &target.sign.host;
    let mut warnings = Vec::new();
    match RdsName::parse(host).map(|name| name.kind) {
        None => warnings.push(format!(
            "`{host}` is not an RDS endpoint name: RDS refuses tokens signed for a custom name or an address (set sign_host)"
        )),
        Some(RdsNameKind::ClusterReader) => {
            warnings.push(format!("`{host}` is a reader endpoint: CDC needs the writer"));
        }
        Some(_) => {}
    }
    if let Some(offset) = clock_offset.filter(|offset| offset.abs() > 60) {
        warnings.push(format!(
            "AWS's clock is {offset:+} s from this machine's: the token was signed at the wrong time"
        ));
    }
    let left = signed.expires_at.duration_since(now).as_secs();
    if left <= 0 {
        warnings.push("the credentials have expired, and with them the token".to_owned());
    } else if left < 300 {
        warnings.push(format!("the credentials, and with them the token, end in {left} s"));
    }
    warnings
}
