//! Signature Version 4, recomputed. Pure: no clock, no network, no AWS crate.
//!
//! Source: "Create a signed AWS API request" (IAM User Guide); the published test suite is in the tests.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Everything but RFC 3986's unreserved characters is escaped; a space is `%20`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `AKID/20260102/us-east-1/sts/aws4_request`: whose key, and what the signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) day: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) terminator: &'a str,
}

impl<'a> Credential<'a> {
    /// `None` unless there are exactly five parts.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let &[access_key_id, day, region, service, terminator] = parts.as_slice() else { return None };
        Some(Self { access_key_id, day, region, service, terminator })
    }
}

/// The request as both sides must see it, byte for byte.
///
/// `query`: decoded pairs without the signature. `headers`: the signed ones, lower-case, in signing order.
pub(crate) fn canonical_request(
    method: &str,
    path: &str,
    query: &[(String, String)],
    headers: &[(String, String)],
    payload: &[u8],
) -> String {
    let mut pairs: Vec<_> = query.iter().map(|(key, value)| (encode(key), encode(value))).collect();
    pairs.sort();
    let query: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", squeeze(value))).collect();
    let payload = hex(&Sha256::digest(payload));
    format!("{method}\n{path}\n{}\n{lines}\n{}\n{payload}", query.join("&"), names.join(";"))
}

/// Whether `signature` (64 hex digits) is the one `secret` gives; compared in constant time.
///
/// `time`: as in the request, `20260102T030405Z`.
pub(crate) fn matches(
    secret: &str,
    of: Credential<'_>,
    time: &str,
    canonical: &str,
    signature: &str,
) -> bool {
    unhex(signature)
        .is_some_and(|signature| mac(secret, of, time, canonical).verify_slice(&signature).is_ok())
}

/// The signature as the other side would make it: 64 lower-case hex digits.
#[cfg(test)]
pub(crate) fn sign(secret: &str, of: Credential<'_>, time: &str, canonical: &str) -> String {
    hex(&mac(secret, of, time, canonical).finalize().into_bytes())
}

fn mac(secret: &str, of: Credential<'_>, time: &str, canonical: &str) -> Hmac<Sha256> {
    let Credential { day, region, service, terminator, .. } = of;
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, region, service, terminator] {
        key = keyed(&key, part).finalize().into_bytes().to_vec();
    }
    let hash = hex(&Sha256::digest(canonical));
    keyed(&key, &format!("{ALGORITHM}\n{time}\n{day}/{region}/{service}/{terminator}\n{hash}"))
}

fn keyed(key: &[u8], message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac
}

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// The pairs of a query string, in order. A `+` stays a plus: AWS asks for `%20`, and the caller decides about strays.
///
/// `None` if a value is not UTF-8 once decoded.
pub(crate) fn decode_query(query: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

/// Header values are trimmed, and runs of spaces inside count as one.
fn squeeze(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests;
