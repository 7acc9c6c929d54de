//! SCRAM-SHA-256 (RFC 5802, RFC 7677) for a client that proves to the agent that it knows the password of the listener. It has no channel
//! binding, because the connection has no TLS.
//!
//! Source of the messages around it: PostgreSQL documentation, "SASL Authentication".

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

/// What PostgreSQL uses. A generated password cannot be guessed, whatever the number is.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// What is derived from a password, once.
pub(in crate::agent) struct Verifier {
    salt: [u8; 16],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn sha256(data: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    bytes
}

impl Verifier {
    pub(in crate::agent) fn new(password: &[u8], salt: [u8; 16]) -> Self {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password, &mut salted);
        let (stored_key, server_key) = (sha256(&hmac(&salted, b"Client Key")), hmac(&salted, b"Server Key"));
        salted.fill(0);
        Self { salt, stored_key, server_key }
    }

    /// Answers the client's first message. `None` if it is malformed or wants something else.
    pub(super) fn challenge(&self, first: &[u8], nonce: &str) -> Option<Challenge<'_>> {
        let first = std::str::from_utf8(first).ok()?;
        // `y`: the client could bind the channel, and the server does not offer it. No other identity is named.
        let header = ["n,,", "y,,"].into_iter().find(|header| first.starts_with(header))?;
        let bare = &first[header.len()..];
        let mut attributes = bare.split(',');
        attributes.next()?.strip_prefix("n=")?; // the user is that of the startup message
        let client_nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        let nonce = format!("{client_nonce}{nonce}");
        let message = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(self.salt));
        Some(Challenge {
            verifier: self,
            without_proof: format!("c={},r={nonce}", STANDARD.encode(header)),
            authenticated: format!("{bare},{message}"),
            message,
        })
    }
}

/// The server's first message, and what the client must prove.
pub(super) struct Challenge<'a> {
    verifier: &'a Verifier,
    pub(super) message: String,
    without_proof: String,
    authenticated: String,
}

impl Challenge<'_> {
    /// The server's last message, if the client's last message proves that it knows the password.
    pub(super) fn verify(&self, last: &[u8]) -> Option<String> {
        let last = std::str::from_utf8(last).ok()?;
        let (without_proof, proof) = last.rsplit_once(",p=")?;
        let proof: [u8; 32] = STANDARD.decode(proof).ok()?.try_into().ok()?;
        // Extensions after the nonce are optional, and not known here.
        if without_proof != self.without_proof {
            return None;
        }
        let message = format!("{},{without_proof}", self.authenticated);
        let Verifier { stored_key, server_key, .. } = self.verifier;
        let mut client_key = hmac(stored_key, message.as_bytes());
        client_key.iter_mut().zip(proof).for_each(|(byte, proof)| *byte ^= proof);
        let is_right = bool::from(sha256(&client_key).ct_eq(stored_key));
        is_right.then(|| format!("v={}", STANDARD.encode(hmac(server_key, message.as_bytes()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    fn example() -> Verifier {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        Verifier::new(b"pencil", salt.try_into().unwrap())
    }

    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    #[test]
    fn the_example_of_the_specification_is_accepted() {
        let verifier = example();
        let challenge = verifier.challenge(FIRST.as_bytes(), NONCE).unwrap();
        let expected =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(challenge.message, expected);
        let last = challenge.verify(LAST.as_bytes()).unwrap();
        assert_eq!(last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn every_other_last_message_is_refused() {
        let verifier = example();
        let challenge = verifier.challenge(FIRST.as_bytes(), NONCE).unwrap();
        for at in 0..LAST.len() {
            let mut bent = LAST.as_bytes().to_vec();
            bent[at] ^= 1;
            assert_eq!(challenge.verify(&bent), None, "{at}");
            assert_eq!(challenge.verify(&LAST.as_bytes()[..at]), None, "{at}");
        }
        let other = Verifier::new(b"pencil2", [1; 16]);
        let other = other.challenge(FIRST.as_bytes(), NONCE).unwrap();
        assert_eq!(other.verify(LAST.as_bytes()), None);
        // The same proof for another nonce.
        assert_eq!(verifier.challenge(FIRST.as_bytes(), "x").unwrap().verify(LAST.as_bytes()), None);
    }

    #[test]
    fn a_first_message_that_binds_the_channel_or_is_malformed_is_refused() {
        let verifier = example();
        assert!(verifier.challenge(b"y,,n=,r=abc", NONCE).is_some());
        for first in [
            &b""[..],
            b"n,,",
            b"n,,n=user",
            b"n,,n=user,r=",
            b"n,,r=abc,n=user",
            b"n,,m=x,n=user,r=abc",
            b"n,a=other,n=user,r=abc",
            b"p=tls-server-end-point,,n=user,r=abc",
            b"n,,n=\xff,r=abc",
        ] {
            assert!(verifier.challenge(first, NONCE).is_none(), "{first:?}");
        }
    }
}
