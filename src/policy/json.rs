//! JSON with the position of every value, so that a finding can name its line and column.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value and its byte offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub at: usize,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In document order; a key can occur twice.
    Object(Vec<Member>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub key: String,
    /// Byte offset of the key.
    pub at: usize,
    pub value: Node,
}

/// The error of the parser, and the byte offset where it stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: usize,
    pub what: String,
}

/// Line and column, from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Converts ascending byte offsets to lines and columns, in one pass.
#[derive(Debug)]
pub struct Cursor<'a> {
    rest: &'a str,
    at: usize,
    place: Position,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, at: 0, place: Position { line: 1, column: 1 } }
    }

    /// The position of a byte offset, which must not be before the previous one.
    pub fn position(&mut self, at: usize) -> Position {
        let (passed, rest) =
            self.rest.split_at_checked(at.saturating_sub(self.at)).unwrap_or((self.rest, ""));
        for c in passed.chars() {
            match c {
                '\n' => self.place = Position { line: self.place.line + 1, column: 1 },
                _ => self.place.column += 1,
            }
        }
        (self.rest, self.at) = (rest, self.at + passed.len());
        self.place
    }
}

impl Node {
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list, or the value itself: IAM accepts both for most elements.
    pub fn one_or_many(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The type of the value, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(items) if items.is_empty() => "an empty list",
            Value::List(_) => "a list",
            Value::Object(members) if members.is_empty() => "an empty object",
            Value::Object(_) => "an object",
        }
    }

    /// The same value with offset `at` everywhere: for JSON inside a string.
    #[must_use]
    pub fn moved_to(self, at: usize) -> Self {
        let value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.moved_to(at)).collect()),
            Value::Object(members) => {
                let moved = |member: Member| Member { at, value: member.value.moved_to(at), ..member };
                Value::Object(members.into_iter().map(moved).collect())
            }
            scalar => scalar,
        };
        Self { at, value }
    }
}

/// # Errors
/// The text is not JSON: the position and the reason.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    // Parse the whole text first: this gives the best error and limits the depth.
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        let words = error.to_string();
        let what = words.split(" at line ").next().unwrap_or_default().to_owned();
        return Err(SyntaxError { at: offset(text, error.line(), error.column()), what });
    }
    serde_json::from_str::<&RawValue>(text)
        .and_then(|raw| node(raw, text))
        .map_err(|error| SyntaxError { at: 0, what: error.to_string() })
}

/// serde_json counts lines from 1, and the bytes that it has read of the line.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `raw` borrows from `text`, so its address gives the offset.
fn node(raw: &RawValue, text: &str) -> serde_json::Result<Node> {
    let written = raw.get();
    let at = (written.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let value = match written.as_bytes().first() {
        Some(b'{') => {
            let Raw(members) = serde_json::from_str(written)?;
            let read = |(key, value): (&RawValue, &RawValue)| {
                let at = (key.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
                Ok(Member { key: serde_json::from_str(key.get())?, at, value: node(value, text)? })
            };
            Value::Object(members.into_iter().map(read).collect::<serde_json::Result<_>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(written)?;
            Value::List(items.into_iter().map(|item| node(item, text)).collect::<serde_json::Result<_>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(written)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number(written.to_owned()),
    };
    Ok(Node { at, value })
}

/// The members of an object in document order, with duplicate keys.
struct Raw<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Raw<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Raw(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_position() {
        let text = "{\n  \"a\": [1, \"é\\u00e9\", {\"b\": null}],\n  \"\\u0061\": true\n}";
        let root = parse(text).unwrap();
        let at = |node: &Node| {
            let Position { line, column } = Cursor::new(text).position(node.at);
            (line, column)
        };
        let keys: Vec<&str> = root.members().iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys, ["a", "a"]);
        assert_eq!(Cursor::new(text).position(root.members()[1].at), Position { line: 3, column: 3 });
        let items = root.get("a").unwrap().one_or_many();
        assert_eq!(items.iter().map(at).collect::<Vec<_>>(), [(2, 9), (2, 12), (2, 23)]);
        assert_eq!(items[1].text(), Some("éé"));
        assert_eq!(at(items[2].get("b").unwrap()), (2, 29));
    }

    #[test]
    fn syntax_errors_have_a_position() {
        for (text, line, column) in [
            ("", 1, 1),
            ("{\n  \"a\": 1,\n}", 3, 1),
            ("{\"a\": “x”}", 1, 7),
            ("{\"é\": }", 1, 7),
            ("{} {}", 1, 4),
            ("{\"a\": \"\\ud800\"}", 1, 14),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                Cursor::new(text).position(error.at),
                Position { line, column },
                "{text}: {}",
                error.what
            );
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
