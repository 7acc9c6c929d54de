//! IAM policy documents: read with their places, and asked what they say to a request.
//!
//! ```text
//! text ─ wrapping ─▶ json (places) ─▶ document ─┬─▶ evaluate ─▶ Allowed | Denied | NotAllowed | Unknown
//! Subject ─▶ context, database, principal ──────┘
//! ```
//!
//! What cannot be known from here (whose session it is, where it calls from, what a key of another
//! service says) is [`Truth::Unknown`], and never becomes a yes. Nothing here says what to do about it:
//! that is [`crate::lint`]'s.
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

/// A statement about a request. In rising order, so that *and* is `min` and *or* is `max`.
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

/// All of them hold.
pub fn all(truths: impl IntoIterator<Item = Truth>) -> Truth {
    truths.into_iter().min().unwrap_or(Truth::Yes)
}

/// One of them holds.
pub fn any(truths: impl IntoIterator<Item = Truth>) -> Truth {
    truths.into_iter().max().unwrap_or(Truth::No)
}

#[cfg(test)]
mod tests;
