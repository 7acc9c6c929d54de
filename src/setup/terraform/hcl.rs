//! HCL expressions in the format of `terraform fmt`.

use serde_json::Value;

use crate::setup::quote;

/// `name = value` lines. Neighboring values of one line are aligned.
fn arguments(depth: usize, arguments: &[(&str, String)]) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    let mut rest = arguments;
    while !rest.is_empty() {
        let run = rest.iter().take_while(|(_, value)| !value.contains('\n')).count();
        let (now, later) = rest.split_at(run.max(1));
        let width = match run {
            0 => 0,
            _ => now.iter().map(|(name, _)| name.len()).max().unwrap_or(0),
        };
        for (name, value) in now {
            text += &format!("{indent}{name:<width$} = {value}\n");
        }
        rest = later;
    }
    text
}

/// An object value. Its closing brace is on a separate line.
fn object(depth: usize, body: &str) -> String {
    format!("{{\n{body}{}}}", "  ".repeat(depth))
}

/// JSON as an HCL expression, for `jsonencode`.
pub(super) fn expression(depth: usize, value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<(String, String)> = fields
                .iter()
                .map(|(name, value)| {
                    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                    let name = if plain { name.clone() } else { quote::hcl(name) };
                    (name, expression(depth + 1, value))
                })
                .collect();
            let fields: Vec<(&str, String)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            object(depth, &arguments(depth + 1, &fields))
        }
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<String> = items.iter().map(|item| expression(depth, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Array(items) => {
            let indent = "  ".repeat(depth + 1);
            let items: Vec<String> =
                items.iter().map(|item| format!("{indent}{},\n", expression(depth + 1, item))).collect();
            format!("[\n{}{}]", items.concat(), "  ".repeat(depth))
        }
        Value::String(text) => quote::hcl(text),
        other => other.to_string(),
    }
}
