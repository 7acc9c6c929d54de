//! The password of a TCP listener. A client proves to the agent that it knows it; the database never sees it.

use std::{fmt::Write, io, sync::Arc, time::Duration};

use ring::rand::{SecureRandom, SystemRandom};

use super::{
    postgres::Verifier,
    unproven::{Place, TooMany, Unproven},
};
use crate::secret::Secret;

/// How long a client with a wrong password waits for its refusal.
const AFTER_A_WRONG_ONE: Duration = Duration::from_secs(1);

/// A password, and what the protocols need to verify it.
#[derive(Debug)]
pub struct Password {
    text: Secret,
    verifier: Verifier,
    unproven: Arc<Unproven>,
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

    /// One that a user chose, as the configuration has checked.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn chosen(text: Secret) -> io::Result<Self> {
        Self::of(text)
    }

    fn of(text: Secret) -> io::Result<Self> {
        let verifier = Verifier::new(text.reveal().as_bytes(), random()?);
        Ok(Self { text, verifier, unproven: Arc::default() })
    }

    /// For the environment of the program that is to log in with it.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Waits until a further client of a listener with this password may try. Keep the result until it has proved that it knows the
    /// password.
    ///
    /// # Errors
    /// If too many others wait.
    pub(super) async fn begin(password: Option<&Self>) -> Result<Option<Place>, TooMany> {
        match password {
            Some(password) => password.unproven.place().await.map(Some),
            None => Ok(None),
        }
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
}
