//! Values of the elements of a statement: strings, principals, actions, conditions.

use super::super::{finding::Finding, rule::Rule};
use crate::{
    policy::{
        condition,
        document::Kind,
        json::{Node, Value},
    },
    target::quoted,
};

const KINDS_OF_PRINCIPAL: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

/// A string or a list of strings, not empty.
pub(super) fn texts(value: &Node, path: &str, found: &mut Vec<Finding>) {
    if value.one_or_many().is_empty() {
        found.push(
            Finding::error(Rule::ElementValue, &(value.at, path), "an empty list")
                .expected("at least one string"),
        );
    }
    for (item, path) in items(value, path).filter(|(item, _)| item.text().is_none()) {
        found.push(no_text(item, &path));
    }
}

/// The items of a list, or the value itself, and their paths.
fn items<'a>(value: &'a Node, path: &'a str) -> impl Iterator<Item = (&'a Node, String)> {
    let is_list = matches!(value.value, Value::List(_));
    let path = move |i: usize| if is_list { format!("{path}[{i}]") } else { path.to_owned() };
    value.one_or_many().iter().enumerate().map(move |(i, item)| (item, path(i)))
}

fn no_text(item: &Node, path: &str) -> Finding {
    let function = item.members().first().filter(|m| m.key == "Ref" || m.key.starts_with("Fn::"));
    match function {
        Some(function) => Finding::unknown(
            Rule::Template,
            &(item.at, path),
            format!("the function {}", quoted(&function.key)),
        )
        .expected("a string")
        .remedy("check the policy that the stack created: aws iam get-role, aws iam get-role-policy"),
        None => Finding::error(Rule::ElementValue, &(item.at, path), item.kind())
            .expected("a string or a list of strings"),
    }
}

pub(super) fn principal(value: &Node, path: &str, found: &mut Vec<Finding>) {
    match &value.value {
        Value::Text(text) if text == "*" => {}
        Value::Object(members) if !members.is_empty() => {
            if members.iter().any(|m| m.key == "Ref" || m.key.starts_with("Fn::")) {
                found.push(no_text(value, path));
                return;
            }
            super::elements(value, path, KINDS_OF_PRINCIPAL, found);
            for member in members {
                texts(&member.value, &format!("{path}.{}", member.key), found);
            }
        }
        other => {
            let words = value.text().map_or_else(|| value.kind().to_owned(), quoted);
            let remedy = match other {
                Value::Text(text) => format!(r#"write {{ "AWS": "{text}" }}"#),
                _ => r#"write { "AWS": "<ClickHouse service role ARN>" }"#.to_owned(),
            };
            found.push(
                Finding::error(Rule::ElementValue, &(value.at, path), words)
                    .expected(r#"{ "AWS": "<ARN>" }"#)
                    .remedy(remedy),
            );
        }
    }
}

pub(super) fn actions(value: &Node, path: &str, kind: Kind, found: &mut Vec<Finding>) {
    for (item, path) in items(value, path) {
        let Some(action) = item.text().filter(|text| *text != "*") else { continue };
        match action.split_once(':') {
            Some((service, name)) if !service.is_empty() && !name.is_empty() => {
                if kind == Kind::Trust && !service.eq_ignore_ascii_case("sts") {
                    found.push(
                        Finding::error(Rule::ActionNotSts, &(item.at, &*path), quoted(action))
                            .expected(
                                "actions of sts: a trust policy says who can assume the role, not what the role can do",
                            )
                            .remedy("move it to a permission policy of the role"),
                    );
                }
            }
            _ => found.push(
                Finding::error(Rule::ActionForm, &(item.at, &*path), quoted(action))
                    .expected("an action with its service, such as sts:AssumeRole or rds-db:connect"),
            ),
        }
    }
}

pub(super) fn conditions(value: &Node, path: &str, found: &mut Vec<Finding>) {
    if !matches!(value.value, Value::Object(_)) {
        found.push(
            Finding::error(Rule::ElementValue, &(value.at, path), value.kind())
                .expected(r#"{ "<operator>": { "<key>": "<value>" } }"#),
        );
    }
    for operator in value.members() {
        let path = format!("{path}.{}", operator.key);
        if !condition::is_operator(&operator.key) {
            found.push(
                Finding::error(Rule::Operator, &(operator.at, &*path), quoted(&operator.key)).expected(
                    "an operator that IAM knows, such as StringEquals, StringLike, ArnLike, Bool or Null",
                ),
            );
        }
        if !matches!(operator.value.value, Value::Object(_)) {
            found.push(
                Finding::error(Rule::ElementValue, &(operator.value.at, &*path), operator.value.kind())
                    .expected(r#"{ "<key>": "<value>" }"#),
            );
        }
        for key in operator.value.members() {
            let path = format!("{path}.{}", key.key);
            for item in key.value.one_or_many() {
                match item.value {
                    Value::Text(_) | Value::Bool(_) | Value::Number(_) => {}
                    Value::Null | Value::List(_) | Value::Object(_) => found.push(no_text(item, &path)),
                }
            }
        }
    }
}
