//! Who signed a request: the `Authorization` header, checked. Pure.

use hyper::header::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::caller::{Caller, Key};
use crate::clock;
use crate::error::ApiError;
use crate::sigv4::{self, ALGORITHM, Credential};

/// How far a request's clock may be off, either way.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// The parts of an HTTP request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The caller, and the region of the credential scope.
///
/// # Errors
/// AWS's: `MissingAuthenticationToken`, `IncompleteSignature`, `InvalidClientTokenId`, `ExpiredToken`,
/// `SignatureDoesNotMatch`.
pub(crate) fn authenticate(
    request: Signed<'_>,
    service: &str,
    find: impl Fn(&str) -> Option<Key>,
    now: Timestamp,
) -> Result<(Caller, String), ApiError> {
    let header = request.header("authorization").ok_or_else(|| {
        ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    })?;
    let authorization = Authorization::parse(&header)?;
    let of = Credential::parse(&authorization.credential).ok_or_else(|| {
        ApiError::incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            authorization.credential
        ))
    })?;
    let date = request.header("x-amz-date").ok_or_else(|| {
        ApiError::incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    let time = clock::parse_basic(&date).ok_or_else(|| {
        ApiError::incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })?;
    scope_fits(of, service, &date)?;

    let invalid = || {
        ApiError::new(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    };
    let key = find(of.access_key_id).ok_or_else(invalid)?;
    let token = request.header("x-amz-security-token");
    let session = key.caller.session.as_deref();
    if token.as_deref() != session.map(|session| session.credentials.session_token.as_str()) {
        return Err(invalid());
    }
    if session.is_some_and(|session| session.expires <= now) {
        return Err(ApiError::new(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ));
    }

    in_time(time, &date, now)?;
    let headers = request.signed_headers(&authorization.signed_headers)?;
    let query = sigv4::decode_query(request.query).unwrap_or_default();
    let canonical = sigv4::canonical_request(request.method, request.path, &query, &headers, request.body);
    if !sigv4::matches(&key.secret, of, &date, &canonical, &authorization.signature) {
        return Err(ApiError::signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    Ok((key.caller, of.region.to_owned()))
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
struct Authorization {
    credential: String,
    signed_headers: String,
    signature: String,
}

impl Authorization {
    fn parse(header: &str) -> Result<Self, ApiError> {
        let Some(fields) = header.strip_prefix(ALGORITHM) else {
            return Err(ApiError::incomplete(format!("Unsupported AWS 'algorithm': expected {ALGORITHM}")));
        };
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split([',', ' ']).filter(|field| !field.is_empty()) {
            let Some((name, value)) = field.split_once('=') else {
                return Err(ApiError::incomplete(format!(
                    "'{field}' not a valid key=value pair (missing equal-sign) in Authorization header."
                )));
            };
            match name {
                "Credential" => credential = Some(value.to_owned()),
                "SignedHeaders" => signed_headers = Some(value.to_owned()),
                "Signature" => signature = Some(value.to_owned()),
                _ => {}
            }
        }
        let needs =
            |name: &str| ApiError::incomplete(format!("Authorization header requires '{name}' parameter."));
        Ok(Self {
            credential: credential.ok_or_else(|| needs("Credential"))?,
            signed_headers: signed_headers.ok_or_else(|| needs("SignedHeaders"))?,
            signature: signature.ok_or_else(|| needs("Signature"))?,
        })
    }
}

impl Signed<'_> {
    /// The header's value; several of one name are joined by commas, as the signature has them.
    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn signed_headers(&self, names: &str) -> Result<Vec<(String, String)>, ApiError> {
        let names: Vec<&str> = names.split(';').collect();
        for (name, needed) in [("host", true), ("x-amz-date", true), ("x-amz-security-token", false)] {
            if (needed || self.headers.contains_key(name)) && !names.contains(&name) {
                let shown = if name == "host" { "Host' or ':authority" } else { name };
                let message = format!("'{shown}' must be a 'SignedHeader' in the AWS Authorization.");
                return Err(ApiError::signature(message));
            }
        }
        Ok(names.into_iter().map(|name| (name.to_owned(), self.header(name).unwrap_or_default())).collect())
    }
}

fn scope_fits(of: Credential<'_>, service: &str, date: &str) -> Result<(), ApiError> {
    let wrong = |what: &str, expected: &str| {
        Err(ApiError::signature(format!("Credential should be scoped to {what}: '{expected}'.")))
    };
    if of.service != service {
        return wrong("correct service", service);
    }
    if of.terminator != "aws4_request" {
        return wrong("a valid termination string", "aws4_request");
    }
    if of.region.is_empty() {
        return Err(ApiError::signature("Credential should be scoped to a valid region."));
    }
    if !date.starts_with(of.day) || of.day.len() != 8 {
        return Err(ApiError::signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
             from '{date}'.",
            of.day,
            date.get(..8).unwrap_or(date),
        )));
    }
    Ok(())
}

fn in_time(time: Timestamp, date: &str, now: Timestamp) -> Result<(), ApiError> {
    let (here, earliest, latest) = (clock::basic(now), now - WINDOW, now + WINDOW);
    if time < earliest {
        let earliest = clock::basic(earliest);
        return Err(ApiError::signature(format!(
            "Signature expired: {date} is now earlier than {earliest} ({here} - 15 min.)"
        )));
    }
    if time > latest {
        let latest = clock::basic(latest);
        return Err(ApiError::signature(format!(
            "Signature not yet current: {date} is still later than {latest} ({here} + 15 min.)"
        )));
    }
    Ok(())
}
