//! `after_unknown` and `sensitive_values`: trees of the form of the attributes, with `true` at the marked ones.

use serde_json::{Value, value::RawValue};

#[derive(Default)]
pub(super) struct Marks(Value);

impl Marks {
    /// What cannot be read marks everything.
    pub(super) fn parse(text: Option<&RawValue>) -> Self {
        Self(text.map_or(Value::Null, |text| serde_json::from_str(text.get()).unwrap_or(Value::Bool(true))))
    }

    /// Whether the attribute, or one that contains it, is marked.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        let mut at = &self.0;
        for name in path {
            let next = match at {
                Value::Bool(marked) => return *marked,
                Value::Array(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
                other => other.get(name),
            };
            match next {
                Some(next) => at = next,
                None => return false,
            }
        }
        at == &Value::Bool(true)
    }

    /// Whether an attribute or a part of it is marked.
    pub(super) fn is_partly(&self, attribute: &str) -> bool {
        fn any(marks: &Value) -> bool {
            match marks {
                Value::Bool(marked) => *marked,
                Value::Array(items) => items.iter().any(any),
                Value::Object(fields) => fields.values().any(any),
                _ => false,
            }
        }
        match &self.0 {
            Value::Bool(marked) => *marked,
            other => other.get(attribute).is_some_and(any),
        }
    }

    /// Whether a list or one of its elements is marked.
    pub(super) fn any(&self, path: &[&str]) -> bool {
        let is_marked = |i: usize| self.is(&[path, &[&i.to_string()]].concat());
        self.is(path) || (0..self.len(path)).any(is_marked)
    }

    /// Number of elements of a list.
    pub(super) fn len(&self, path: &[&str]) -> usize {
        let list = path.iter().try_fold(&self.0, |at, name| at.get(name));
        list.and_then(Value::as_array).map_or(0, Vec::len)
    }
}
