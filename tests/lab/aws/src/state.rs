//! What the running parts share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::caller::Key;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::service::Service;
use crate::session::Sessions;
use crate::world::World;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) sessions: Sessions,
    pub(crate) faults: Mutex<HashMap<Service, Fault>>,
    world: RwLock<Arc<World>>,
}

impl State {
    pub(crate) fn new(world: World) -> Self {
        Self { world: RwLock::new(Arc::new(world)), ..Self::default() }
    }

    /// The world as it is now; one request sees one world.
    pub(crate) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a changed copy in the world's place.
    ///
    /// # Panics
    /// If the changed world contradicts itself; the old one then stays.
    pub(crate) fn change(&self, f: impl FnOnce(&mut World)) {
        let mut place = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let mut world = World::clone(&place);
        f(&mut world);
        if let Err(why) = world.check() {
            panic!("the changed world is not one AWS would have saved: {why}");
        }
        *place = Arc::new(world);
    }

    pub(crate) fn key(&self, access_key_id: &str) -> Option<Key> {
        Key::find(access_key_id, &self.world(), &self.sessions)
    }

    pub(crate) fn take_fault(&self, service: Service) -> Fault {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.get_mut(&service).map_or(Fault::None, Fault::take)
    }
}

/// What was asked and answered, oldest first; the last [`Ledger::KEPT`] entries.
#[derive(Debug)]
pub(crate) struct Ledger<T>(Mutex<VecDeque<T>>);

impl<T: Clone> Ledger<T> {
    const KEPT: usize = 20_000;

    pub(crate) fn add(&self, entry: T) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == Self::KEPT {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
