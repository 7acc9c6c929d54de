//! Which backend a request to cancel a query is for.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The keys of the open sessions of one target: process ID and secret key, 8 to 260 bytes, as the server sent them.
#[derive(Default)]
pub(super) struct CancelKeys(Mutex<HashMap<Vec<u8>, SocketAddr>>);

impl CancelKeys {
    /// Remembers the address of the backend with this key until the result is dropped.
    pub(super) fn remember(&self, key: Vec<u8>, address: SocketAddr) -> Remembered<'_> {
        self.keys().insert(key.clone(), address);
        Remembered { keys: self, key }
    }

    /// The address of the backend with exactly this key.
    pub(super) fn address(&self, key: &[u8]) -> Option<SocketAddr> {
        self.keys().get(key).copied()
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<Vec<u8>, SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key of an open session.
pub(super) struct Remembered<'a> {
    keys: &'a CancelKeys,
    key: Vec<u8>,
}

impl Drop for Remembered<'_> {
    fn drop(&mut self) {
        self.keys.keys().remove(&self.key);
    }
}

impl fmt::Debug for CancelKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelKeys({})", self.keys().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_while_its_session_is_open_and_only_whole() {
        let keys = CancelKeys::default();
        let [a, b] = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| address.parse().unwrap());
        let (short, long) = (vec![1; 8], vec![1; 36]);
        let first = keys.remember(short.clone(), a);
        let second = keys.remember(long.clone(), b);
        assert_eq!((keys.address(&short), keys.address(&long)), (Some(a), Some(b)));
        assert_eq!((keys.address(&short[..7]), keys.address(&[1; 9])), (None, None));
        drop(first);
        assert_eq!((keys.address(&short), keys.address(&long)), (None, Some(b)));
        drop(second);
        assert_eq!(format!("{keys:?}"), "CancelKeys(0)");
    }
}
