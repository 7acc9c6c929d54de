//! The little XML that the Query protocol takes.

/// `<name>text</name>`, with the text escaped.
pub(crate) fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// `<name>…</name>` around what is XML already.
pub(crate) fn node(name: &str, inner: &[String]) -> String {
    format!("<{name}>{}</{name}>", inner.concat())
}

/// The root element, in the service's namespace.
pub(crate) fn root(name: &str, namespace: &str, inner: &[String]) -> String {
    format!("<{name} xmlns=\"{namespace}\">{}</{name}>\n", inner.concat())
}

/// Characters XML 1.0 has no way to write become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(char))),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(leaf("M", "a<b>&\"c\"\n\0é"), "<M>a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}é</M>");
    }
}
