//! Unpredictable numbers and secrets: the standard library seeds its hashers from the kernel.

use std::hash::{BuildHasher, RandomState};

/// A random number.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// That many hexadecimal digits.
pub(crate) fn secret(length: usize) -> String {
    let digits = (0..length.div_ceil(16)).map(|_| format!("{:016x}", number()));
    digits.collect::<String>().chars().take(length).collect()
}
