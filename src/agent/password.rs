//! The password of a TCP listener. A client proves to the agent that it knows it; the database never sees it.

use std::{fmt::Write, io, time::Duration};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::postgres::Verifier;
use crate::{
    secret::Secret,
    target::{Invalid, quoted},
};

/// Of a password in a file: 22 characters of Base64 are 128 bits.
const SHORTEST: usize = 22;
const LONGEST: usize = 128;

/// Clients of one listener that may be between connecting and proving that they know the password. With
/// [`AFTER_A_WRONG_ONE`] it bounds how many passwords can be tried, and how many connections to a MySQL server clients without the password
/// can cause.
const UNPROVEN: usize = 32;

/// How long a client with a wrong password waits for its refusal.
const AFTER_A_WRONG_ONE: Duration = Duration::from_secs(1);

/// A password, and what the protocols need to verify it.
#[derive(Debug)]
pub struct Password {
    text: Secret,
    verifier: Verifier,
    unproven: Semaphore,
}

impl Password {
    /// A new one of 128 bits. It has 32 characters, because a replica of MySQL cannot store more.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn generate() -> io::Result<Self> {
        let mut text = String::with_capacity(32);
        for byte in random::<16>()? {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        }
        Self::of(Secret::new(text))
    }

    /// One that a user chose. Its characters are the same in every encoding, and in SASLprep (RFC 4013).
    ///
    /// # Errors
    /// If it can be guessed, or not be sent by every client.
    pub fn chosen(text: Secret) -> Result<Self, Invalid> {
        let expected =
            format!("{SHORTEST} to {LONGEST} characters of printable ASCII, such as `openssl rand -hex 16`");
        let invalid = |found: String| Invalid::new("agent_password_file", expected, found);
        let is_printable = text.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        match text.len() {
            SHORTEST..=LONGEST if is_printable => Self::of(text).map_err(|error| invalid(quoted(error))),
            length if is_printable => Err(invalid(format!("{length} characters"))),
            _ => Err(invalid("other characters".to_owned())),
        }
    }

    fn of(text: Secret) -> io::Result<Self> {
        let verifier = Verifier::new(text.reveal().as_bytes(), random()?);
        Ok(Self { text, verifier, unproven: Semaphore::new(UNPROVEN) })
    }

    /// For the environment of the program that is to log in with it.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Waits until a further client may try. Keep the result until it has proved that it knows the password.
    pub(super) async fn begin(&self) -> Option<SemaphorePermit<'_>> {
        self.unproven.acquire().await.ok()
    }

    /// Keeps the place of a client that does not know the password.
    pub(super) async fn delay() {
        tokio::time::sleep(AFTER_A_WRONG_ONE).await;
    }
}

/// # Errors
/// If the system has no random numbers.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_differ_and_need_no_quotes() {
        let [a, b] = [Password::generate().unwrap(), Password::generate().unwrap()];
        assert_ne!(a.text, b.text);
        assert!(a.text.len() == 32 && a.text.reveal().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(!format!("{a:?}").contains(a.text.reveal()));
    }

    #[test]
    fn a_password_that_can_be_guessed_is_refused() {
        for (text, is_good) in [
            ("x".repeat(21), false),
            ("x".repeat(22), true),
            ("x".repeat(128), true),
            ("x".repeat(129), false),
            (format!("{} ", "x".repeat(30)), false),
            ("é".repeat(30), false),
        ] {
            assert_eq!(Password::chosen(Secret::new(&*text)).is_ok(), is_good, "{text}");
        }
    }
}
