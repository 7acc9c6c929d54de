//! Response bodies that clients share, so that many clients that read slowly cost little memory. Large bodies have a
//! common budget: if it is exceeded, the clients that still read the oldest body are disconnected.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::sync::Mutex as AsyncMutex;

use crate::service::http::Outdated;

/// Bytes of all large bodies that are kept or being sent.
const BUDGET: usize = 32 * 1024 * 1024;
/// Smaller bodies do not count: the connections are limited.
const SMALL: usize = 16 * 1024;
/// A larger body is shared only while a client reads it: it is not kept for the next one.
const LARGE: usize = 4 * 1024 * 1024;
/// A page contains the time, and metrics the refused requests, which do not change the generation.
const LIFETIME: Duration = Duration::from_secs(1);

/// A rendered body.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Vec<u8>,
    outdated: Outdated,
}

/// The owner of the bytes while they are sent.
struct Owner(Arc<Body>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Body {
    pub(super) fn bytes(self: &Arc<Self>) -> bytes::Bytes {
        bytes::Bytes::from_owner(Owner(Arc::clone(self)))
    }

    pub(super) fn outdated(&self) -> Outdated {
        self.outdated.clone()
    }
}

/// All large bodies that are kept or being sent, oldest first.
#[derive(Debug)]
pub(super) struct Bodies {
    budget: usize,
    live: Mutex<Vec<Weak<Body>>>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { budget: BUDGET, live: Mutex::default() }
    }
}

impl Bodies {
    pub(super) fn add(&self, bytes: Vec<u8>) -> Arc<Body> {
        let body = Arc::new(Body { bytes, outdated: Outdated::default() });
        if body.bytes.len() < SMALL {
            return body;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|old| old.strong_count() > 0);
        let mut free = self.budget.saturating_sub(body.bytes.len());
        // The newest ones may stay.
        for old in live.iter().rev().filter_map(Weak::upgrade) {
            match free.checked_sub(old.bytes.len()) {
                Some(rest) => free = rest,
                None => {
                    free = 0;
                    old.outdated.0.cancel();
                }
            }
        }
        live.push(Arc::downgrade(&body));
        body
    }
}

/// The last body of one address, for the clients that request it at about the same time.
#[derive(Debug, Default)]
pub(super) struct Shared(AsyncMutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    generation: u64,
    rendered_at: Instant,
    body: Weak<Body>,
    /// Keeps a body that is not large.
    _owned: Option<Arc<Body>>,
}

impl Kept {
    /// A body that was rendered while the client waited is current even if reports arrive all the time.
    fn is_current(&self, generation: u64, arrived_at: Instant) -> bool {
        self.rendered_at >= arrived_at
            || self.generation == generation && self.rendered_at.elapsed() < LIFETIME
    }
}

/// Rendering panicked.
#[derive(Debug)]
pub(super) struct Failed;

impl Shared {
    /// The body for the current generation of the content. It is rendered by one client at a time, on a blocking
    /// thread, so that checks continue.
    pub(super) async fn get<R>(
        &self,
        bodies: &Bodies,
        generation: impl Fn() -> u64,
        content: impl FnOnce() -> R,
    ) -> Result<Arc<Body>, Failed>
    where
        R: FnOnce() -> Vec<u8> + Send + 'static,
    {
        let arrived_at = Instant::now();
        let mut kept = self.0.lock().await;
        // Read before the content, so that a change in between renders it again.
        let generation = generation();
        if let Some(kept) = &*kept
            && kept.is_current(generation, arrived_at)
            && let Some(body) = kept.body.upgrade()
            && !body.outdated.0.is_cancelled()
        {
            return Ok(body);
        }
        let rendered_at = Instant::now();
        let bytes = tokio::task::spawn_blocking(content()).await.map_err(|_| Failed)?;
        let body = bodies.add(bytes);
        let owned = (body.bytes.len() < LARGE).then(|| Arc::clone(&body));
        *kept = Some(Kept { generation, rendered_at, body: Arc::downgrade(&body), _owned: owned });
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn is_outdated(body: &Arc<Body>) -> bool {
        body.outdated.0.is_cancelled()
    }

    #[test]
    fn the_oldest_bodies_give_way_when_the_budget_is_exceeded() {
        let bodies = Bodies { budget: 3 * SMALL, live: Mutex::default() };
        let [first, second, third] = [0; 3].map(|_| bodies.add(vec![0; SMALL]));
        assert!(![&first, &second, &third].into_iter().any(is_outdated));
        let fourth = bodies.add(vec![0; SMALL]);
        assert!(is_outdated(&first) && !is_outdated(&second));
        // What is no longer read does not count.
        drop((first, second));
        let fifth = bodies.add(vec![0; SMALL]);
        assert!(![&third, &fourth, &fifth].into_iter().any(is_outdated));
        let huge = bodies.add(vec![0; 9 * SMALL]);
        assert!([&third, &fourth, &fifth].into_iter().all(is_outdated) && !is_outdated(&huge));
        // Small ones do not count.
        let small: Vec<_> = (0..9).map(|_| bodies.add(vec![0; SMALL - 1])).collect();
        assert!(!small.iter().any(is_outdated) && !is_outdated(&huge));
    }

    #[tokio::test]
    async fn one_generation_is_rendered_once_and_shared() {
        let (bodies, shared, rendered) = (Bodies::default(), Shared::default(), Arc::new(AtomicU64::new(0)));
        let get = async |generation| {
            let rendered = Arc::clone(&rendered);
            let render = || move || rendered.fetch_add(1, Ordering::Relaxed).to_string().into_bytes();
            shared.get(&bodies, || generation, render).await.unwrap()
        };
        let (a, b) = tokio::join!(get(1), get(1));
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!((&*a.bytes(), &*get(2).await.bytes()), (&b"0"[..], &b"1"[..]));
        // The clients that wait share one body, even if the content changes with each request.
        let locked = shared.0.lock().await;
        let (a, b, c, ()) = tokio::join!(get(3), get(4), get(5), async { drop(locked) });
        assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&b, &c));
    }

    #[tokio::test]
    async fn a_body_is_rendered_again_after_a_second() {
        let (bodies, shared) = (Bodies::default(), Shared::default());
        let get = async || shared.get(&bodies, || 1, || || b"x".to_vec()).await.unwrap();
        let first = get().await;
        shared.0.lock().await.as_mut().unwrap().rendered_at -= LIFETIME;
        assert!(!Arc::ptr_eq(&first, &get().await));
    }

    #[tokio::test]
    async fn a_large_body_is_shared_while_it_is_read_and_not_kept() {
        let (bodies, shared) = (Bodies::default(), Shared::default());
        let get = async |length| shared.get(&bodies, || 1, || move || vec![0; length]).await.unwrap();
        let (a, b) = (get(LARGE).await, get(LARGE).await);
        assert!(Arc::ptr_eq(&a, &b));
        let first = Arc::downgrade(&a);
        drop((a, b));
        assert!(first.upgrade().is_none());
        get(LARGE - 1).await;
        assert!(bodies.live.lock().unwrap().last().unwrap().upgrade().is_some());
    }

    #[tokio::test]
    async fn an_outdated_body_is_not_given_to_a_new_client() {
        let (bodies, shared) = (Bodies { budget: SMALL, live: Mutex::default() }, Shared::default());
        let get = async || shared.get(&bodies, || 1, || || vec![0; SMALL]).await.unwrap();
        let first = get().await;
        let _other = bodies.add(vec![0; SMALL]);
        assert!(is_outdated(&first) && !is_outdated(&get().await));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_client_gets_a_body() {
        let (bodies, shared) = (Bodies::default(), Shared::default());
        assert!(shared.get(&bodies, || 1, || || panic!("rendering")).await.is_err());
        assert!(shared.get(&bodies, || 1, || || b"x".to_vec()).await.is_ok());
    }
}
