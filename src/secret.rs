//! A secret value: tokens, secret access keys, session tokens.

mod memory;
mod redactor;

use std::fmt;

use zeroize::Zeroizing;

pub use memory::protect_memory;
pub use redactor::{Redactor, without_signed_values};

/// Text that no output, log or panic may carry. `Debug` is silent, there is no `Display`, and the
/// memory is wiped on drop. (The program's allocator wipes everything that is freed; this does so in tests and fuzzers too.) [`Secret::reveal`] is the only way out; its callers are few on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that must send or print it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Length in bytes. Safe to show, and evidence: drivers that cut a token break authentication.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_silent() {
        let secret = Secret::new("wJalrXUtnFEMI");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret Some(Secret)");
        assert_eq!(secret.reveal(), "wJalrXUtnFEMI");
    }
}
