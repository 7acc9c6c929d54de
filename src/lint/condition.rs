//! Conditions that do not hold for ClickPipes, or may not.

use super::{finding::Finding, rule::Rule};
use crate::policy::{
    Truth,
    condition::{Condition, is_operator},
    context::{Context, State},
    document::{Document, Statement},
};

/// Of a statement that would allow: every condition that does not surely hold.
pub(super) fn in_the_way(
    statement: &Statement,
    document: &Document,
    context: &Context,
    external_id_given: bool,
) -> Vec<Finding> {
    let judge = |condition: &Condition| {
        // The grammar has its say about operators IAM does not have.
        if !is_operator(&condition.operator) {
            return None;
        }
        match condition.holds(context, document.variables) {
            Truth::Yes => None,
            holds => Some(explain(condition, holds, context, external_id_given)),
        }
    };
    statement.conditions.iter().filter_map(judge).collect()
}

/// Of a statement that denies, if what cannot be known is so.
pub(super) fn may_deny(statement: &Statement, action: &str) -> Finding {
    let conditions: Vec<String> = statement.conditions.iter().map(written).collect();
    let found = match conditions.is_empty() {
        true => format!("Deny of {action}, whose reach cannot be known from here"),
        false => format!("Deny of {action} where {}", conditions.join(" and ")),
    };
    Finding::unknown(Rule::DenyUnknown, statement, found)
        .expected(format!("no Deny that can cover {action} by ClickPipes"))
        .remedy("exempt the role, or remove the statement")
}

pub(super) fn denies(statement: &Statement, action: &str) -> Finding {
    Finding::error(Rule::Deny, statement, format!("Deny of {action} (a Deny wins over every Allow)"))
        .expected(format!("no Deny that covers {action}"))
        .remedy("remove the statement, or narrow it")
}

/// `StringEquals sts:ExternalId "abc"`
fn written(condition: &Condition) -> String {
    let values: Vec<String> = condition.values.iter().map(|value| format!("\"{}\"", value.text)).collect();
    format!("{} {} {}", condition.operator, condition.key, values.join(", "))
}

fn explain(condition: &Condition, holds: Truth, context: &Context, external_id_given: bool) -> Finding {
    let key = condition.key.to_lowercase();
    let words = written(condition);
    let make = |rule: Rule| match holds {
        Truth::No => Finding::error(rule, condition, words.clone()),
        Truth::Unknown | Truth::Yes => Finding::unknown(rule, condition, words.clone()),
    };
    if context.ignores(&condition.key) {
        return make(Rule::ConditionIgnored)
            .expected("no condition on it: IAM database authentication does not look at this key")
            .remedy("remove the condition; keep networks out with the database's security group");
    }
    match key.as_str() {
        "sts:externalid" => {
            let given = if external_id_given { "; the external_id given lets pipeprobe in only" } else { "" };
            make(Rule::ExternalId)
                .expected(format!("no condition on it: ClickPipes sends no external id{given}"))
                .remedy("remove the condition; naming the exact service role as Principal is what keeps others out")
        }
        "aws:tagkeys" | "sts:transitivetagkeys" => tags(make(Rule::TagCondition), context),
        key if key.starts_with("aws:requesttag/") => tags(make(Rule::TagCondition), context),
        "aws:sourceip" | "aws:sourcevpc" | "aws:sourcevpce" | "aws:vpcsourceip" | "aws:sourcevpcarn" => {
            make(Rule::ConditionNetwork)
                .expected(
                    "no condition on it: ClickPipes calls STS from ClickHouse's network, not from yours",
                )
                .remedy("remove the condition")
        }
        "aws:multifactorauthpresent" | "aws:multifactorauthage" => make(Rule::ConditionMfa)
            .expected("no condition on it: a service role has no MFA device")
            .remedy("remove the condition"),
        "aws:principalorgid" | "aws:principalorgpaths" => make(Rule::Organisation)
            .expected(
                "no condition on it: the service role belongs to ClickHouse's organisation, not to yours",
            )
            .remedy("remove the condition, or name ClickHouse's organisation"),
        _ => match holds {
            Truth::No => make(Rule::ConditionUnmet)
                .expected(format!("a condition that can hold: {}", held(&condition.key, context)))
                .remedy("remove or correct the condition"),
            Truth::Unknown | Truth::Yes => make(Rule::ConditionUnknown)
                .expected("a condition that can be known to hold before ClickPipes asks")
                .remedy("remove the condition, or make sure that it holds for ClickPipes"),
        },
    }
}

fn tags(finding: Finding, context: &Context) -> Finding {
    match context.state("aws:TagKeys") {
        State::Known(keys) if !keys.is_empty() => finding
            .expected(format!("a condition that the tags given meet ({})", keys.join(", ")))
            .remedy("remove the condition, or let it take these tags"),
        _ => finding
            .expected("no condition on tags: which ones ClickPipes' sessions have is not documented")
            .remedy("remove the condition, or give the tags to compare with: --session-tag KEY=VALUE"),
    }
}

fn held(key: &str, context: &Context) -> String {
    match context.state(key) {
        State::Known(values) => format!("{key} is {}", values.join(", ")),
        State::Absent => format!("the request has no {key}"),
        State::Present => format!("the request has some {key}"),
        State::Foreign | State::Unknown => format!("{key} is not known from here"),
    }
}
