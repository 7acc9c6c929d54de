//! Parts of a report that other reports share if they are equal: `serve` keeps many reports, and most differ little.

use std::{
    collections::HashSet,
    fmt,
    hash::Hash,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use serde::{Serialize, Serializer};

/// A value that is copied before it is changed, if another report has it too.
#[derive(Default, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Shared<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }
}

/// Values that reports share.
#[derive(Debug)]
pub(super) struct Known<T> {
    values: HashSet<Arc<T>>,
    /// The number of values after the last removal of those that no report has any more.
    kept: usize,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), kept: 0 }
    }
}

impl<T: Eq + Hash> Known<T> {
    /// Replaces the value by an equal one that is known already.
    pub(super) fn share(&mut self, value: &mut Shared<T>) {
        match self.values.get(&value.0) {
            Some(known) => value.0 = Arc::clone(known),
            None => drop(self.values.insert(Arc::clone(&value.0))),
        }
    }

    /// Forgets values that no report has any more: seldom, so that a report costs little.
    pub(super) fn tidy(&mut self) {
        if self.values.len() > 2 * self.kept + 1000 {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.values.shrink_to_fit();
            self.kept = self.values.len();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
impl<T> Shared<T> {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
