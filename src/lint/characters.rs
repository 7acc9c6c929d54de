//! What is left of a guide in the text: placeholders, and characters that only look right.

use super::{finding::Finding, rule::Rule};
use crate::{
    policy::json::{Node, SyntaxError, Value},
    target::quoted,
};

/// Why the text is no JSON: a strange character where the parser gave up, else its own words.
pub(super) fn syntax(text: &str, error: &SyntaxError) -> Finding {
    let here = text.get(error.at..).and_then(|rest| rest.chars().next());
    let before = text.get(..error.at).and_then(|start| start.chars().next_back());
    let place = (error.at, "");
    if let Some((c, (name, meant))) =
        [here, before].into_iter().flatten().find_map(|c| Some((c, strange(c)?)))
    {
        return Finding::error(Rule::Characters, &place, format!("{name} `{c}` (U+{:04X})", u32::from(c)))
            .expected("plain JSON")
            .remedy(format!("write {meant}; look for more of them"));
    }
    let remedy = match here {
        _ if text.trim().is_empty() => "give the policy document itself: the file is empty",
        _ if error.what.contains("trailing comma") => "remove the comma before it",
        Some('/' | '#') => "remove the comment: JSON has none",
        Some('\'') => "write \" in place of '",
        Some('<') => "give the policy as JSON, not as XML or HTML",
        _ if error.what.contains("control character") => "close the text with \" before the line ends",
        _ if error.what.contains("EOF") => "complete it: the end is missing",
        _ => "correct it there, or just before",
    };
    Finding::error(Rule::Json, &place, error.what.clone())
        .expected("a policy document in JSON")
        .remedy(remedy)
}

/// In every text of the document: keys and values.
pub(super) fn lint(root: &Node, path: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    walk(root, path, &mut found);
    found
}

fn walk(node: &Node, path: &str, found: &mut Vec<Finding>) {
    match &node.value {
        Value::Text(text) => judge(text, node.at, path, found),
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{i}]"), found);
            }
        }
        Value::Object(members) => {
            // What a function of a template is given is the template's.
            let function = |key: &str| key == "Ref" || key.starts_with("Fn::");
            for member in members.iter().filter(|member| !function(&member.key)) {
                let path =
                    if path.is_empty() { member.key.clone() } else { format!("{path}.{}", member.key) };
                judge(&member.key, member.at, &path, found);
                walk(&member.value, &path, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn judge(text: &str, at: usize, path: &str, found: &mut Vec<Finding>) {
    if let Some(placeholder) = placeholder(text) {
        found.push(
            Finding::error(Rule::Placeholder, &(at, path), quoted(text))
                .expected(format!("a value in place of {placeholder}"))
                .remedy(source_of(placeholder)),
        );
    } else if path.contains(".Condition.") {
        // Values to compare with: any character may be meant.
    } else if let Some((c, (name, meant))) = text.chars().find_map(|c| Some((c, strange(c)?))) {
        found.push(
            Finding::error(
                Rule::Characters,
                &(at, path),
                format!("{name} `{c}` (U+{:04X}) in {}", u32::from(c), quoted(text)),
            )
            .expected("plain characters: IAM compares them one by one")
            .remedy(format!("write {meant}")),
        );
    } else if text.trim() != text {
        found.push(
            Finding::error(Rule::Characters, &(at, path), format!("white space around {}", quoted(text)))
                .expected("no white space: IAM compares it too")
                .remedy(format!("write \"{}\"", text.trim())),
        );
    }
}

/// `{RDS_REGION}`, `<account>`, `${var.role_arn}`, `db-xxxxxxxxxxxxxx`, `YOUR_…`.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    let between = |open: char, close: char| {
        let start = text.find(open)?;
        let end = start + text[start..].find(close)? + close.len_utf8();
        let inside = &text[start + open.len_utf8()..end - close.len_utf8()];
        (!inside.is_empty()).then_some((start, end, inside))
    };
    if let Some((start, end, inside)) = between('{', '}') {
        // `${aws:username}` and `${*}` are IAM's own; `${var.x}` and `${Role.Arn}` are templates'.
        let dollar = text[..start].ends_with('$');
        let variable = dollar
            && (inside.contains(':') && !inside.starts_with("AWS::") || matches!(inside, "*" | "?" | "$"));
        if !variable {
            return Some(&text[start - usize::from(dollar)..end]);
        }
    }
    if let Some((start, end, _)) = between('<', '>') {
        return Some(&text[start..end]);
    }
    let of_x = |word: &&str| word.len() >= 4 && word.bytes().all(|b| matches!(b, b'x' | b'X'));
    let separators = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let words = || text.split(separators);
    words().find(|word| word.starts_with("YOUR_") || word.starts_with("your_")).or_else(|| words().find(of_x))
}

fn source_of(placeholder: &str) -> String {
    let upper = placeholder.to_uppercase();
    let has = |word: &str| upper.contains(word);
    let what = if has("CLICKHOUSE") || has("SERVICE") {
        "the Service role ID (IAM) of ClickHouse Cloud: Settings, Network security information"
    } else if has("RESOURCE_ID") || has("RESOURCE ID") || has("XXXX") {
        "the database's Resource ID: RDS console, Configuration tab"
    } else if has("REGION") {
        "the database's Region, such as eu-west-1"
    } else if has("ACCOUNT") {
        "the 12-digit id of the database's AWS account"
    } else {
        "the value it stands for"
    };
    format!("put in {what}")
}

/// A character that only looks like the right one: what it is, and what is meant.
fn strange(c: char) -> Option<(&'static str, String)> {
    let plain = |c: char| format!("`{c}`");
    Some(match c {
        '“' | '”' | '„' | '‟' | '«' | '»' | '「' | '」' | '『' | '』' | '〝' | '〞' | '＂' => {
            ("the quotation mark", plain('"'))
        }
        '‘' | '’' | '‚' | '‛' | '＇' => ("the quotation mark", plain('"')),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | 'ー' => ("the dash", plain('-')),
        '\u{3000}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => {
            ("the space", "a plain space, or nothing".to_owned())
        }
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => {
            ("the invisible character", "nothing in its place".to_owned())
        }
        '\u{ff01}'..='\u{ff5e}' => {
            let half = char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c);
            ("the full-width character", plain(half))
        }
        '、' => ("the full-width character", plain(',')),
        '。' => ("the full-width character", plain('.')),
        '【' | '〔' => ("the full-width character", plain('[')),
        '】' | '〕' => ("the full-width character", plain(']')),
        _ => return None,
    })
}
