//! What IAM would not save: elements that do not exist, are missing, or hold the wrong thing.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language".

use super::{finding::Finding, near::nearest, rule::Rule};
use crate::{
    policy::{
        condition,
        document::Kind,
        json::{Node, Value},
    },
    target::quoted,
};

const OF_A_POLICY: &[&str] = &["Version", "Id", "Statement"];
const OF_A_STATEMENT: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];
const KINDS_OF_PRINCIPAL: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

pub(super) fn lint(root: &Node, path: &str, kind: Kind) -> Vec<Finding> {
    let mut found = Vec::new();
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let Value::Object(_) = &root.value else {
        return vec![not_a_policy(root, path, root.kind())];
    };
    duplicates(root, path, &mut found);
    elements(root, path, OF_A_POLICY, &mut found);
    version(root, path, &mut found);
    let Some(statements) = root.get("Statement") else {
        return [vec![not_a_policy(root, path, "no Statement")], found].concat();
    };
    let is_list = matches!(statements.value, Value::List(_));
    if statements.one_or_many().is_empty() {
        found.push(not_a_policy(statements, &inside("Statement"), "an empty list"));
    }
    let mut sids: Vec<&str> = Vec::new();
    for (i, node) in statements.one_or_many().iter().enumerate() {
        let path = inside(&if is_list { format!("Statement[{i}]") } else { "Statement".to_owned() });
        statement(node, &path, kind, &mut found);
        sid(node, &path, &mut sids, &mut found);
    }
    found
}

fn not_a_policy(node: &Node, path: &str, found: &str) -> Finding {
    Finding::error(Rule::NotAPolicy, &(node.at, path), found)
        .wanted(r#"{ "Version": "2012-10-17", "Statement": [ … ] }"#)
        .remedy("give the policy document itself, as the JSON tab of the IAM console shows it")
}

/// In every object there is.
fn duplicates(node: &Node, path: &str, found: &mut Vec<Finding>) {
    let members = node.members();
    for (i, member) in members.iter().enumerate() {
        let path = if path.is_empty() { member.key.clone() } else { format!("{path}.{}", member.key) };
        if members[..i].iter().any(|other| other.key == member.key) {
            found.push(
                Finding::error(
                    Rule::DuplicateKey,
                    &(member.at, &*path),
                    format!("{} twice", quoted(&member.key)),
                )
                .remedy("put both values into one list, or remove one of the two"),
            );
        }
        duplicates(&member.value, &path, found);
    }
    if let Value::List(items) = &node.value {
        for (i, item) in items.iter().enumerate() {
            duplicates(item, &format!("{path}[{i}]"), found);
        }
    }
}

fn elements(node: &Node, path: &str, known: &[&str], found: &mut Vec<Finding>) {
    for member in node.members().iter().filter(|member| !known.contains(&member.key.as_str())) {
        let place = if path.is_empty() { member.key.clone() } else { format!("{path}.{}", member.key) };
        let remedy = match nearest(&member.key, known) {
            Some(meant) => format!("write \"{meant}\" (letter case counts)"),
            None => "remove it".to_owned(),
        };
        found.push(
            Finding::error(Rule::Element, &(member.at, &*place), quoted(&member.key))
                .wanted(format!("one of {}", known.join(", ")))
                .remedy(remedy),
        );
    }
}

fn version(root: &Node, path: &str, found: &mut Vec<Finding>) {
    let remedy = r#"write "Version": "2012-10-17""#;
    let place = (root.get("Version").map_or(root.at, |node| node.at), path);
    match root.get("Version").map(|node| (node.text(), node.kind())) {
        Some((Some("2012-10-17"), _)) => {}
        Some((Some("2008-10-17"), _)) | None => found.push(
            Finding::warning(Rule::Version, &place, "the language of 2008, in which ${…} is plain text")
                .remedy(remedy),
        ),
        Some((text, kind)) => found.push(
            Finding::error(Rule::Version, &place, text.map_or_else(|| kind.to_owned(), quoted))
                .wanted("\"2012-10-17\": it names the language, and is not the date of the policy")
                .remedy(remedy),
        ),
    }
}

fn sid<'a>(node: &'a Node, path: &str, sids: &mut Vec<&'a str>, found: &mut Vec<Finding>) {
    let Some(sid) = node.get("Sid") else { return };
    let place = (sid.at, &*format!("{path}.Sid"));
    match sid.text() {
        Some(text) if !text.chars().all(|c| c.is_ascii_alphanumeric()) => found
            .push(Finding::error(Rule::Sid, &place, quoted(text)).wanted("letters A-Z, a-z and digits only")),
        Some(text) if !text.is_empty() && sids.contains(&text) => found.push(
            Finding::error(Rule::Sid, &place, format!("{} twice", quoted(text))).wanted("each Sid once"),
        ),
        Some(text) => sids.push(text),
        None => found.push(Finding::error(Rule::Sid, &place, sid.kind()).wanted("a text")),
    }
}

fn statement(node: &Node, path: &str, kind: Kind, found: &mut Vec<Finding>) {
    let Value::Object(_) = &node.value else {
        found.push(
            Finding::error(Rule::ElementValue, &(node.at, path), node.kind()).wanted("a statement: { … }"),
        );
        return;
    };
    elements(node, path, OF_A_STATEMENT, found);
    effect(node, path, found);
    let (needed, misplaced) = match kind {
        Kind::Trust => ("Principal", "Resource"),
        Kind::Permission => ("Resource", "Principal"),
    };
    for name in ["Action", needed] {
        let not = format!("Not{name}");
        match (node.get(name), node.get(&not)) {
            (None, None) => found.push(missing(node, path, name, kind)),
            (Some(_), Some(other)) => found.push(
                Finding::error(
                    Rule::ElementConflict,
                    &(other.at, &*format!("{path}.{not}")),
                    format!("{name} and {not}"),
                )
                .wanted("one of the two".to_string())
                .remedy(format!("keep {name} and remove {not}")),
            ),
            _ => {}
        }
    }
    for name in [misplaced.to_owned(), format!("Not{misplaced}")] {
        let Some(value) = node.get(&name) else { continue };
        let (rule, why) = match kind {
            Kind::Trust => {
                (Rule::ResourceMisplaced, "a trust policy has no resource: it is about its own role")
            }
            Kind::Permission => (
                Rule::PrincipalMisplaced,
                "a permission policy has no principal: it is about the role it is attached to",
            ),
        };
        found.push(
            Finding::error(
                rule,
                &(value.at, &*format!("{path}.{name}")),
                format!("{name} in a {}", kind.name()),
            )
            .wanted(why)
            .remedy(format!("remove {name}")),
        );
    }
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        if let Some(value) = node.get(name) {
            texts(value, &format!("{path}.{name}"), found);
        }
    }
    for name in ["Principal", "NotPrincipal"] {
        if let Some(value) = node.get(name) {
            principal(value, &format!("{path}.{name}"), found);
        }
    }
    for name in ["Action", "NotAction"] {
        if let Some(value) = node.get(name) {
            actions(value, &format!("{path}.{name}"), kind, found);
        }
    }
    if let Some(value) = node.get("Condition") {
        conditions(value, &format!("{path}.Condition"), found);
    }
}

fn missing(node: &Node, path: &str, name: &str, kind: Kind) -> Finding {
    let example = match name {
        "Effect" => r#""Effect": "Allow""#,
        "Principal" => r#""Principal": { "AWS": "<ClickHouse service role ARN>" }"#,
        "Action" if kind == Kind::Trust => r#""Action": ["sts:AssumeRole", "sts:TagSession"]"#,
        "Action" => r#""Action": ["rds-db:connect"]"#,
        _ => r#""Resource": ["arn:aws:rds-db:<region>:<account>:dbuser:<resource id>/<user>"]"#,
    };
    Finding::error(Rule::ElementMissing, &(node.at, path), format!("no {name}"))
        .wanted(example)
        .remedy(format!("add {example}"))
}

fn effect(node: &Node, path: &str, found: &mut Vec<Finding>) {
    match node.get("Effect") {
        None => found.push(missing(node, path, "Effect", Kind::Trust)),
        Some(effect) if matches!(effect.text(), Some("Allow" | "Deny")) => {}
        Some(effect) => {
            let meant = effect.text().and_then(|text| nearest(text, &["Allow", "Deny"]));
            let words = effect.text().map_or_else(|| effect.kind().to_owned(), quoted);
            found.push(
                Finding::error(Rule::Effect, &(effect.at, &*format!("{path}.Effect")), words)
                    .wanted("\"Allow\" or \"Deny\" (letter case counts)")
                    .remedy(format!("write \"{}\"", meant.unwrap_or("Allow"))),
            );
        }
    }
}

/// A text or a list of texts, and at least one.
fn texts(value: &Node, path: &str, found: &mut Vec<Finding>) {
    if value.one_or_many().is_empty() {
        found.push(
            Finding::error(Rule::ElementValue, &(value.at, path), "an empty list")
                .wanted("at least one text"),
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
        .wanted("the text it gives")
        .remedy("give the policy as the stack made it: aws iam get-role, aws iam get-role-policy"),
        None => Finding::error(Rule::ElementValue, &(item.at, path), item.kind())
            .wanted("a text, or a list of texts"),
    }
}

fn principal(value: &Node, path: &str, found: &mut Vec<Finding>) {
    match &value.value {
        Value::Text(text) if text == "*" => {}
        Value::Object(members) if !members.is_empty() => {
            if members.iter().any(|m| m.key == "Ref" || m.key.starts_with("Fn::")) {
                found.push(no_text(value, path));
                return;
            }
            elements(value, path, KINDS_OF_PRINCIPAL, found);
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
                    .wanted(r#"{ "AWS": "<ARN>" }"#)
                    .remedy(remedy),
            );
        }
    }
}

fn actions(value: &Node, path: &str, kind: Kind, found: &mut Vec<Finding>) {
    for (item, path) in items(value, path) {
        let Some(action) = item.text().filter(|text| *text != "*") else { continue };
        match action.split_once(':') {
            Some((service, name)) if !service.is_empty() && !name.is_empty() => {
                if kind == Kind::Trust && !service.eq_ignore_ascii_case("sts") {
                    found.push(
                        Finding::error(Rule::ActionNotSts, &(item.at, &*path), quoted(action))
                            .wanted(
                                "actions of sts: a trust policy says who may assume the role, not what for",
                            )
                            .remedy("put it into a permission policy of the role"),
                    );
                }
            }
            _ => found.push(
                Finding::error(Rule::ActionForm, &(item.at, &*path), quoted(action))
                    .wanted("an action with its service, such as sts:AssumeRole or rds-db:connect"),
            ),
        }
    }
}

fn conditions(value: &Node, path: &str, found: &mut Vec<Finding>) {
    if !matches!(value.value, Value::Object(_)) {
        found.push(
            Finding::error(Rule::ElementValue, &(value.at, path), value.kind())
                .wanted(r#"{ "<operator>": { "<key>": "<value>" } }"#),
        );
    }
    for operator in value.members() {
        let path = format!("{path}.{}", operator.key);
        if !condition::is_operator(&operator.key) {
            found.push(
                Finding::error(Rule::Operator, &(operator.at, &*path), quoted(&operator.key))
                    .wanted("an operator of IAM, such as StringEquals, StringLike, ArnLike, Bool or Null"),
            );
        }
        if !matches!(operator.value.value, Value::Object(_)) {
            found.push(
                Finding::error(Rule::ElementValue, &(operator.value.at, &*path), operator.value.kind())
                    .wanted(r#"{ "<key>": "<value>" }"#),
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
