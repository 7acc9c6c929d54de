//! Remains of a guide in the document: placeholders, and characters that look like the correct ones.

use super::{finding::Finding, rule::Rule};
use crate::{
    policy::json::{Node, SyntaxError, Value},
    target::quoted,
};

/// Why the text is not JSON: a wrong character where the parser stopped, else the message of the parser.
pub(super) fn syntax(text: &str, error: &SyntaxError) -> Finding {
    let here = text.get(error.at..).and_then(|rest| rest.chars().next());
    let before = text.get(..error.at).and_then(|start| start.chars().next_back());
    let place = (error.at, "");
    if let Some((c, (name, meant))) =
        [here, before].into_iter().flatten().find_map(|c| Some((c, strange(c)?)))
    {
        return Finding::error(Rule::Characters, &place, format!("{name} `{c}` (U+{:04X})", u32::from(c)))
            .expected("plain JSON")
            .remedy(format!("write {meant}; the document may contain more of them"));
    }
    let remedy = match here {
        _ if text.trim().is_empty() => "give a policy document: the file is empty",
        _ if error.what.contains("trailing comma") => "remove the comma before this position",
        Some('/' | '#') => "remove the comment: JSON has no comments",
        Some('\'') => "write \" instead of '",
        Some('<') => "give the policy as JSON, not as XML or HTML",
        _ if error.what.contains("control character") => {
            "close the string with \" before the end of the line"
        }
        _ if error.what.contains("EOF") => "complete the document: its end is missing",
        _ => "correct the document at or before this position",
    };
    Finding::error(Rule::Json, &place, error.what.clone())
        .expected("a policy document in JSON")
        .remedy(remedy)
}

/// Checks every string of the document: keys and values.
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
            // The arguments of a template function belong to the template.
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
                .expected(format!("a value instead of {placeholder}"))
                .remedy(source_of(placeholder)),
        );
    } else if path.contains(".Condition.") {
        // Values of conditions can contain any character.
    } else if let Some((c, (name, meant))) = text.chars().find_map(|c| Some((c, strange(c)?))) {
        found.push(
            Finding::error(
                Rule::Characters,
                &(at, path),
                format!("{name} `{c}` (U+{:04X}) in {}", u32::from(c), quoted(text)),
            )
            .expected("plain characters: IAM compares every character")
            .remedy(format!("write {meant}")),
        );
    } else if text.trim() != text {
        found.push(
            Finding::error(
                Rule::Characters,
                &(at, path),
                format!("white space before or after {}", quoted(text)),
            )
            .expected("no white space: IAM compares every character")
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
        // `${aws:username}` and `${*}` belong to IAM, `${var.x}` and `${Role.Arn}` to templates.
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
        "the Resource ID of the database: RDS console, Configuration tab"
    } else if has("REGION") {
        "the Region of the database, such as eu-west-1"
    } else if has("ACCOUNT") {
        "the 12-digit id of the AWS account of the database"
    } else {
        "the real value"
    };
    format!("replace it with {what}")
}

/// A character that looks like another one: its name, and the correct one.
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
            ("the invisible character", "nothing instead of it".to_owned())
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
