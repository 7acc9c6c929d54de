//! RDS tokens signed by a third implementation, independent of the product and the verifier.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use lab_aws::Credentials;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A token for `user` at that endpoint, valid for 15 minutes from now.
pub(crate) fn token(keys: &Credentials, host: &str, port: u16, user: &str) -> String {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{}/{}/rds-db/aws4_request", &time[..8], lab::REGION);
    let credential = format!("{}/{scope}", keys.access_key_id);
    // In the order of their names, as the canonical request wants them.
    let query = [
        ("Action", "connect"),
        ("DBUser", user),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", "900"),
        ("X-Amz-Security-Token", &keys.session_token),
        ("X-Amz-SignedHeaders", "host"),
    ]
    .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)))
    .join("&");

    let empty = hex(&Sha256::digest(b""));
    let request = format!("GET\n/\n{query}\nhost:{host}:{port}\n\nhost\n{empty}");
    let request = hex(&Sha256::digest(request));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
    let mut key = format!("AWS4{}", keys.secret_access_key).into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part);
    }
    format!("{host}:{port}/?{query}&X-Amz-Signature={}", hex(&mac(&key, &text)))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
