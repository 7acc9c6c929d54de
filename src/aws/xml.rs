//! Answers of the Query API: elements that are found by their name. The only file that uses roxmltree.

use std::str::FromStr;

use roxmltree::{Document, Node};

use crate::diagnostic::printable;

/// An element of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a>(Node<'a, 'a>);

/// An answer that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

/// Reads an answer from its root element.
///
/// # Errors
/// If it is not XML, or `of` cannot read it.
pub(super) fn read<T>(
    text: &str,
    of: impl FnOnce(Element<'_>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let document = Document::parse(text).map_err(|error| Malformed(format!("not XML: {error}")))?;
    of(Element(document.root_element()))
}

impl<'a> Element<'a> {
    /// Without its namespace, which is the version of the API.
    pub(super) fn name(self) -> &'a str {
        self.0.tag_name().name()
    }

    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        self.0.children().filter(Node::is_element).map(Self)
    }

    pub(super) fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    /// # Errors
    /// If the element is missing.
    pub(super) fn required(self, name: &str) -> Result<Self, Malformed> {
        self.child(name).ok_or_else(|| Malformed(format!("<{}> without <{name}>", self.name())))
    }

    /// The elements of a list. AWS leaves out an empty one, or sends it without elements.
    pub(super) fn items(self, list: &str) -> impl Iterator<Item = Self> {
        self.child(list).into_iter().flat_map(Self::children)
    }

    pub(super) fn content(self) -> String {
        self.0.children().filter_map(|child| child.text()).collect()
    }

    /// The exact text of a child; `None` if it is missing or empty.
    pub(super) fn raw(self, name: &str) -> Option<String> {
        self.child(name).map(Self::content).filter(|text| !text.is_empty())
    }

    /// The text of a child for people; empty if it is missing.
    pub(super) fn text(self, name: &str) -> String {
        printable(&self.raw(name).unwrap_or_default())
    }

    /// A number, or `true` and `false`; `None` if it is missing.
    ///
    /// # Errors
    /// If the text is something else.
    pub(super) fn value<T: FromStr>(self, name: &str) -> Result<Option<T>, Malformed> {
        let parsed = self.raw(name).map(|text| text.trim().parse().map_err(|_| text));
        parsed.transpose().map_err(|text| Malformed(format!("<{name}> is {}", printable(&text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_refused() {
        let text = r#"<?xml version="1.0"?><A xmlns="urn:x"><On>true</On><Off> false </Off><N>7</N><Text>a&#10;<![CDATA[<b>]]></Text>
            <Empty/><List><member>1</member><member>2</member></List></A>"#;
        read(text, |a| {
            assert_eq!((a.name(), a.value("On"), a.value("Off")), ("A", Ok(Some(true)), Ok(Some(false))));
            assert_eq!((a.value("N"), a.value::<u16>("None")), (Ok(Some(7)), Ok(None)));
            assert_eq!(a.value::<bool>("N"), Err(Malformed("<N> is 7".into())));
            assert_eq!((a.raw("Text"), a.raw("Empty")), (Some("a\n<b>".into()), None));
            assert_eq!(a.items("List").map(Element::content).collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(a.items("Empty").count() + a.items("None").count(), 0);
            assert_eq!(a.required("None").unwrap_err(), Malformed("<A> without <None>".into()));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn hostile_documents_are_refused() {
        let entities = r#"<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>"#;
        for text in ["", "{}", "<a>", "<a/><b/>", entities, "<a>\u{0}</a>"] {
            assert!(read(text, |_| Ok(())).is_err(), "{text}");
        }
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let _ = read(&deep, |_| Ok(())); // without a stack overflow
    }
}
