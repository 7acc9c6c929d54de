//! The password of a local listener: what clients of MySQL and MariaDB send to prove that they know it.
//!
//! Sources: MySQL Internals Manual, "Authentication Method" (Secure Password Authentication, and the fast path of caching SHA-2 pluggable
//! authentication). Neither contains the password.

use mysql_common::scramble::{scramble_native, scramble_sha256};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// The challenge of a greeting or of an AuthSwitchRequest.
pub type Scramble = [u8; 20];

/// How a client proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalPlugin {
    /// Every client has it except those of MySQL 9.
    Native,
    /// The default of MySQL 8 and newer.
    CachingSha2,
}

impl LocalPlugin {
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Native, Self::CachingSha2].into_iter().find(|plugin| plugin.name().as_bytes() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// In constant time.
    pub fn accepts(self, proof: &[u8], scramble: &Scramble, password: &Secret) -> bool {
        let password = password.reveal().as_bytes();
        let expected = match self {
            Self::Native => scramble_native(scramble, password).map(|bytes| bytes.to_vec()),
            Self::CachingSha2 => scramble_sha256(scramble, password).map(|bytes| bytes.to_vec()),
        };
        // An empty password has no proof; no client is let in with it.
        expected.is_some_and(|expected| bool::from(expected.ct_eq(proof)))
    }

    /// The payload of an AuthSwitchRequest.
    pub fn switch_request(self, scramble: &Scramble) -> Vec<u8> {
        [b"\xfe", self.name().as_bytes(), b"\0", scramble, b"\0"].concat()
    }
}

/// The greeting for a client that must know the password: the offer of a socket with this challenge, for [`LocalPlugin::Native`].
pub(in crate::connection) fn with_scramble(offer: &[u8], scramble: &Scramble) -> Option<Vec<u8>> {
    let version = offer.get(1..)?.iter().position(|byte| *byte == 0)?;
    // After the NUL of the version: connection id 4, scramble 8, filler 1, flags 2, collation 1, status 2, flags 2, length of the scramble 1,
    // ten bytes, of which MariaDB uses four.
    let first = 1 + version + 1 + 4;
    let (first_part, second_part) = scramble.split_at(8);
    let mut greeting = offer.get(..first + 8 + 1 + 7 + 1 + 10)?.to_vec();
    greeting[first..first + 8].copy_from_slice(first_part);
    greeting[first + 16] = scramble.len() as u8 + 1;
    greeting.extend(second_part);
    greeting.push(0);
    greeting.extend(LocalPlugin::Native.name().as_bytes());
    greeting.push(0);
    Some(greeting)
}

#[cfg(test)]
mod tests {
    use mysql_common::{io::ParseBuf, packets::HandshakePacket};

    use super::*;

    #[test]
    fn a_proof_is_accepted_for_its_password_scramble_and_plugin_only() {
        let (scramble, other) = ([7; 20], [8; 20]);
        let (password, wrong) = (Secret::new("right"), Secret::new("wrong"));
        let native = scramble_native(&scramble, b"right").unwrap();
        let sha2 = scramble_sha256(&scramble, b"right").unwrap();
        for (plugin, proof, other_proof) in
            [(LocalPlugin::Native, &native[..], &sha2[..]), (LocalPlugin::CachingSha2, &sha2, &native)]
        {
            assert!(plugin.accepts(proof, &scramble, &password));
            assert!(!plugin.accepts(proof, &other, &password));
            assert!(!plugin.accepts(proof, &scramble, &wrong));
            assert!(!plugin.accepts(other_proof, &scramble, &password));
            assert!(!plugin.accepts(b"", &scramble, &password));
            assert!(!plugin.accepts(b"\0", &scramble, &password));
            assert!(!plugin.accepts(b"", &scramble, &Secret::new("")));
            for at in 0..proof.len() {
                let mut bent = proof.to_vec();
                bent[at] ^= 1;
                assert!(!plugin.accepts(&bent, &scramble, &password), "{at}");
                assert!(!plugin.accepts(&proof[..at], &scramble, &password), "{at}");
            }
        }
    }

    #[test]
    fn the_greeting_has_the_challenge_and_keeps_the_rest() {
        let mut offer = b"\x0a8.0.39\0\x01\x02\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\xdf\x15".to_vec();
        offer.extend([0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0]);
        offer.extend(b"ijklmnopqrst\0caching_sha2_password\0");
        let scramble: Scramble = std::array::from_fn(|at| at as u8 + 1);
        let greeting = with_scramble(&offer, &scramble).unwrap();
        let read = |bytes: &[u8]| ParseBuf(bytes).parse::<HandshakePacket<'_>>(()).unwrap().into_owned();
        let (before, after) = (read(&offer), read(&greeting));
        assert_eq!(after.connection_id(), before.connection_id());
        assert_eq!(after.capabilities(), before.capabilities());
        assert_eq!(after.nonce()[..20], scramble);
        assert_eq!(after.auth_plugin_name_ref(), Some(&b"mysql_native_password"[..]));
        assert_eq!(greeting[offer.len() - 35 - 10..][..10], offer[offer.len() - 35 - 10..][..10]);
        for cut in 0..32 {
            assert!(with_scramble(&offer[..cut], &scramble).is_none(), "{cut}");
        }
    }
}
