//! IAM policy documents: reading with positions, and evaluation of a request.
//!
//! ```text
//! text ─ wrapping ─▶ json (positions) ─▶ document ─┬─▶ evaluate ─▶ Allowed | Denied | NotAllowed | Unknown
//! Subject ─▶ context, database, principal ──────┘
//! ```
//!
//! What cannot be known offline (the caller's session, its network, keys of other services) is [`Truth::Unknown`] and
//! never becomes yes. [`crate::lint`] turns the results into findings with remedies.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language", "Policy evaluation logic".

pub mod condition;
pub mod context;
pub mod database;
pub mod document;
pub mod evaluate;
pub mod json;
pub mod pattern;
pub mod principal;
pub mod subject;
pub mod wrapping;

/// Whether something is true of a request. Ascending order: *and* is `min`, *or* is `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    No,
    Unknown,
    Yes,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;
    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

/// All are true.
pub fn all(truths: impl IntoIterator<Item = Truth>) -> Truth {
    truths.into_iter().min().unwrap_or(Truth::Yes)
}

/// At least one is true.
pub fn any(truths: impl IntoIterator<Item = Truth>) -> Truth {
    truths.into_iter().max().unwrap_or(Truth::No)
}

#[cfg(test)]
mod tests;
