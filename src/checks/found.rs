//! What a check found, as a text with short lists, and everything that the lists contain.

/// Names that fit in a line or two.
pub(super) const SHOWN: usize = 3;

/// Bytes of all names of one check in a report, so that a server with endless names cannot make it endless. Five hundred tables
/// with the longest names of PostgreSQL fit.
const LISTED_AT_MOST: usize = 1 << 16;

/// What a check found. Lists in the text are shortened; `listed` has all their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub text: String,
    pub listed: Vec<String>,
    /// Whether the text says "and N more".
    pub is_shortened: bool,
}

impl Found {
    #[must_use]
    pub(super) fn text(mut self, more: impl AsRef<str>) -> Self {
        self.text += more.as_ref();
        self
    }

    /// `a, b, c and 4 more`.
    #[must_use]
    pub(super) fn list<S: AsRef<str>>(mut self, names: &[S]) -> Self {
        self.text += &names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = names.len().checked_sub(SHOWN) {
            self.text += &format!(" and {more} more");
            self.is_shortened = true;
        }
        self.add(names.iter().map(|name| name.as_ref().to_owned()));
        self
    }

    /// All of these in one text.
    pub(super) fn join(parts: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let join = |all: Self, part: Self| {
            let mut all = all.text(between).text(part.text);
            all.is_shortened |= part.is_shortened;
            all.add(part.listed);
            all
        };
        parts.into_iter().reduce(join).unwrap_or_default()
    }

    /// Each name once. The last entry says how many there was no room for.
    fn add(&mut self, names: impl IntoIterator<Item = String>) {
        let mut room = LISTED_AT_MOST.saturating_sub(self.listed.iter().map(String::len).sum());
        let mut left_out = 0;
        for name in names {
            if self.listed.contains(&name) {
                continue;
            }
            match room.checked_sub(name.len()) {
                Some(rest) if left_out == 0 => {
                    room = rest;
                    self.listed.push(name);
                }
                _ => left_out += 1,
            }
        }
        if left_out > 0 {
            self.listed.push(format!("and {left_out} more"));
        }
    }
}

impl From<String> for Found {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&String> for Found {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<&str> for Found {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_short_and_the_list_is_complete() {
        let of = |names: &[&str]| Found::from("in ").list(names).text("!");
        let three = of(&["a", "b", "c"]);
        assert_eq!((three.text.as_str(), three.is_shortened), ("in a, b, c!", false));
        let five = of(&["a", "b", "c", "d", "e"]);
        assert_eq!((five.text.as_str(), five.is_shortened), ("in a, b, c and 2 more!", true));
        assert_eq!(five.listed, ["a", "b", "c", "d", "e"]);
        let both = Found::join([five, Found::from("of ").list(&["e", "f"])], "; ");
        assert_eq!(both.text, "in a, b, c and 2 more!; of e, f");
        assert_eq!(both.listed, ["a", "b", "c", "d", "e", "f"]);
        assert!(both.is_shortened);
    }

    #[test]
    fn a_list_has_an_end() {
        let names: Vec<String> = (0..2000).map(|number| format!("{number:0100}")).collect();
        let found = Found::from("").list(&names);
        assert_eq!(found.listed.len(), LISTED_AT_MOST / 100 + 1);
        assert_eq!(found.listed.last().unwrap(), &format!("and {} more", 2000 - LISTED_AT_MOST / 100));
    }
}
