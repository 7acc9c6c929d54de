//! Documents that IAM rejects: elements that do not exist, are missing, or have a wrong value.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language".

mod values;

use std::collections::BTreeSet;

use super::{finding::Finding, near::nearest, rule::Rule};
use crate::{
    policy::{
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
    let mut sids = BTreeSet::new();
    for (i, node) in statements.one_or_many().iter().enumerate() {
        let path = inside(&if is_list { format!("Statement[{i}]") } else { "Statement".to_owned() });
        statement(node, &path, kind, &mut found);
        sid(node, &path, &mut sids, &mut found);
    }
    found
}

fn not_a_policy(node: &Node, path: &str, found: &str) -> Finding {
    Finding::error(Rule::NotAPolicy, &(node.at, path), found)
        .expected(r#"{ "Version": "2012-10-17", "Statement": [ … ] }"#)
        .remedy("give the policy document itself, as the JSON tab of the IAM console shows it")
}

/// Duplicate keys of every object.
fn duplicates(node: &Node, path: &str, found: &mut Vec<Finding>) {
    let mut keys = BTreeSet::new();
    for member in node.members() {
        let path = if path.is_empty() { member.key.clone() } else { format!("{path}.{}", member.key) };
        if !keys.insert(&member.key) {
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
                .expected(format!("one of {}", known.join(", ")))
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
            Finding::warning(
                Rule::Version,
                &place,
                "policy language 2008-10-17, in which ${…} is plain text",
            )
            .remedy(remedy),
        ),
        Some((text, kind)) => found.push(
            Finding::error(Rule::Version, &place, text.map_or_else(|| kind.to_owned(), quoted))
                .expected("\"2012-10-17\": the version of the policy language, not the date of the policy")
                .remedy(remedy),
        ),
    }
}

fn sid<'a>(node: &'a Node, path: &str, sids: &mut BTreeSet<&'a str>, found: &mut Vec<Finding>) {
    let Some(sid) = node.get("Sid") else { return };
    let place = (sid.at, &*format!("{path}.Sid"));
    match sid.text() {
        Some(text) if !text.chars().all(|c| c.is_ascii_alphanumeric()) => found.push(
            Finding::error(Rule::Sid, &place, quoted(text)).expected("letters A-Z, a-z and digits only"),
        ),
        Some(text) if !sids.insert(text) && !text.is_empty() => found.push(
            Finding::error(Rule::Sid, &place, format!("{} twice", quoted(text))).expected("each Sid once"),
        ),
        Some(_) => {}
        None => found.push(Finding::error(Rule::Sid, &place, sid.kind()).expected("a string")),
    }
}

fn statement(node: &Node, path: &str, kind: Kind, found: &mut Vec<Finding>) {
    let Value::Object(_) = &node.value else {
        found.push(
            Finding::error(Rule::ElementValue, &(node.at, path), node.kind()).expected("a statement: { … }"),
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
                .expected("one of the two".to_string())
                .remedy(format!("keep {name} and remove {not}")),
            ),
            _ => {}
        }
    }
    for name in [misplaced.to_owned(), format!("Not{misplaced}")] {
        let Some(value) = node.get(&name) else { continue };
        let (rule, why) = match kind {
            Kind::Trust => (Rule::ResourceMisplaced, "no Resource: a trust policy applies to its own role"),
            Kind::Permission => (
                Rule::PrincipalMisplaced,
                "no Principal: a permission policy applies to the role that it is attached to",
            ),
        };
        found.push(
            Finding::error(
                rule,
                &(value.at, &*format!("{path}.{name}")),
                format!("{name} in a {}", kind.name()),
            )
            .expected(why)
            .remedy(format!("remove {name}")),
        );
    }
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        if let Some(value) = node.get(name) {
            values::texts(value, &format!("{path}.{name}"), found);
        }
    }
    for name in ["Principal", "NotPrincipal"] {
        if let Some(value) = node.get(name) {
            values::principal(value, &format!("{path}.{name}"), found);
        }
    }
    for name in ["Action", "NotAction"] {
        if let Some(value) = node.get(name) {
            values::actions(value, &format!("{path}.{name}"), kind, found);
        }
    }
    if let Some(value) = node.get("Condition") {
        values::conditions(value, &format!("{path}.Condition"), found);
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
        .expected(example)
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
                    .expected("\"Allow\" or \"Deny\" (letter case counts)")
                    .remedy(format!("write \"{}\"", meant.unwrap_or("Allow"))),
            );
        }
    }
}
