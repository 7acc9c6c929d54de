//! The RDS auth token: a SigV4 query-presigned `GET https://HOST:PORT/?Action=connect&DBUser=USER`
//! for service `rds-db`, without its scheme. Computed locally, without a call to AWS.
//!
//! Source: "IAM database authentication", Amazon RDS User Guide; byte-equal to botocore's
//! `generate_db_auth_token` (tests/token, and an oracle test against botocore itself).

use std::{fmt::Write, time::Duration};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign as presign},
    sign::v4,
};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    secret::Secret,
    target::{DbUser, Endpoint, Region},
};

/// How long RDS accepts a token, counted from its signing time.
pub const LIFETIME: Duration = Duration::from_secs(900);

/// RFC 3986: everything but `A-Z a-z 0-9 - . _ ~` is escaped, a space as `%20`.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A signed token and how long it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthToken {
    pub text: Secret,
    pub signed_at: Timestamp,
    /// The earlier of 15 minutes from signing and the end of the credentials: RDS refuses a token
    /// whose credentials have expired.
    pub expires_at: Timestamp,
}

/// Signs a token. Pure: the caller passes `now`.
///
/// ```
/// use aws_credential_types::Credentials;
/// use pipeprobe::{target::{Endpoint, Host}, token};
///
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let host = Host::parse("host", "orders.abc123.eu-west-1.rds.amazonaws.com")?;
/// let endpoint = Endpoint { host, port: 5432 };
/// let now = "2026-01-02T03:04:05Z".parse()?;
/// let token =
///     token::sign(&credentials, &endpoint, &"eu-west-1".parse()?, &"clickpipes_iam_user".parse()?, now)?;
/// let text = token.text.reveal();
/// assert!(text.starts_with(
///     "orders.abc123.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=clickpipes_iam_user&"
/// ));
/// assert!(!format!("{token:?}").contains(text));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The aws-sigv4 error, if the inputs cannot be signed (the host is not a valid URI authority).
pub fn sign(
    credentials: &Credentials,
    endpoint: &Endpoint,
    region: &Region,
    user: &DbUser,
    now: Timestamp,
) -> Result<AuthToken, String> {
    let identity = credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(LIFETIME);
    settings.signature_location = SignatureLocation::QueryParams;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name("rds-db")
        .time(now.try_into().map_err(|e: jiff::Error| e.to_string())?)
        .settings(settings)
        .build()
        .map_err(|e| e.to_string())?
        .into();

    let query = format!("Action=connect&DBUser={}", utf8_percent_encode(user.as_str(), RESERVED));
    // botocore signs the host in lower case and prints it as given; RDS compares names without case.
    let url = format!("https://{}/?{query}", endpoint.to_string().to_ascii_lowercase());
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::empty())
        .map_err(|e| e.to_string())?;
    let (signed, _signature) = presign(request, &params).map_err(|e| e.to_string())?.into_parts();

    let mut text = format!("{endpoint}/?{query}");
    // aws-sigv4 lists the security token after the signature, botocore before: the order signs the same.
    let (signature, others): (Vec<_>, Vec<_>) =
        signed.params().iter().partition(|(name, _)| *name == "X-Amz-Signature");
    for (name, value) in others.into_iter().chain(signature) {
        write!(text, "&{name}={}", utf8_percent_encode(value, RESERVED)).map_err(|e| e.to_string())?;
    }
    let full_life = now + LIFETIME;
    let credentials_end = credentials.expiry().and_then(|at| Timestamp::try_from(at).ok());
    Ok(AuthToken {
        text: Secret::new(text),
        signed_at: now,
        expires_at: credentials_end.map_or(full_life, |end| end.min(full_life)),
    })
}

#[cfg(test)]
mod tests;
