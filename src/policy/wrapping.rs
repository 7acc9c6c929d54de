//! Finds policies: alone in a file, in the output of `aws iam get-role`, in a CloudFormation or Terraform template (JSON), or
//! URL-encoded as in responses of the IAM API.

use super::json::{self, Node, SyntaxError, Value};

/// A document and its path in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// `Role.AssumeRolePolicyDocument`; empty if the document is the whole file.
    pub path: String,
    pub root: Node,
}

/// The value of these keys can be a document in a string.
const HOLDERS: [&str; 6] =
    ["AssumeRolePolicyDocument", "PolicyDocument", "Document", "assume_role_policy", "policy", "Policy"];

/// Depth of strings in strings. No tool writes more.
const MOST_NESTED: usize = 4;

/// Every document in a file; the file itself if no document is recognized.
///
/// # Errors
/// The text is neither JSON nor URL-encoded JSON.
pub fn documents(text: &str) -> Result<Vec<Wrapped>, SyntaxError> {
    let root = match decoded(text) {
        Some(decoded) => json::parse(&decoded)
            .map(|root| root.moved_to(0))
            .map_err(|error| SyntaxError { at: 0, what: format!("{} (URL-decoded)", error.what) })?,
        None => json::parse(text)?,
    };
    let mut found = Vec::new();
    search(&root, "", 0, &mut found);
    if found.is_empty() {
        found.push(Wrapped { path: String::new(), root });
    }
    Ok(found)
}

fn search(node: &Node, path: &str, nested: usize, found: &mut Vec<Wrapped>) {
    if node.get("Statement").is_some() {
        found.push(Wrapped { path: path.to_owned(), root: node.clone() });
        return;
    }
    match &node.value {
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                search(item, &format!("{path}[{i}]"), nested, found);
            }
        }
        Value::Object(members) => {
            for member in members {
                let path = match path {
                    "" => member.key.clone(),
                    path => format!("{path}.{}", member.key),
                };
                match member.value.text() {
                    Some(text) if HOLDERS.contains(&member.key.as_str()) && nested < MOST_NESTED => {
                        if let Some(inner) = written_inside(text) {
                            search(&inner.moved_to(member.value.at), &path, nested + 1, found);
                        }
                    }
                    _ => search(&member.value, &path, nested, found),
                }
            }
        }
        _ => {}
    }
}

fn written_inside(text: &str) -> Option<Node> {
    let decoded = decoded(text);
    json::parse(decoded.as_deref().unwrap_or(text)).ok()
}

/// Decodes URL-encoded JSON, which begins with an encoded brace.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim();
    let encoded = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%7B"));
    encoded.then(|| percent_encoding::percent_decode_str(text).decode_utf8().ok().map(Into::into)).flatten()
}
