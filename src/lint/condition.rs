//! Conditions that ClickPipes does not meet, or may not meet.

use super::{finding::Finding, rule::Rule};
use crate::policy::{
    Truth,
    condition::{Condition, is_operator},
    context::{Context, State},
    document::{Document, Statement},
};

/// The conditions of a statement with Allow that are not certainly met.
pub(super) fn unmet(
    statement: &Statement,
    document: &Document,
    context: &Context,
    external_id_given: bool,
) -> Vec<Finding> {
    let judge = |condition: &Condition| {
        // The grammar reports operators that IAM does not have.
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

/// A statement with Deny that may apply.
pub(super) fn may_deny(statement: &Statement, action: &str) -> Finding {
    let conditions: Vec<String> = statement.conditions.iter().map(written).collect();
    let found = match conditions.is_empty() {
        true => format!("Deny of {action}; whether it covers ClickPipes cannot be known offline"),
        false => format!("Deny of {action} if {}", conditions.join(" and ")),
    };
    Finding::unknown(Rule::DenyUnknown, statement, found)
        .expected(format!("no Deny of {action} that can cover ClickPipes"))
        .remedy("exclude the role from the statement, or remove the statement")
}

pub(super) fn denies(statement: &Statement, action: &str) -> Finding {
    Finding::error(Rule::Deny, statement, format!("Deny of {action} (a Deny wins over every Allow)"))
        .expected(format!("no Deny that covers {action}"))
        .remedy("remove the statement, or restrict it so that it does not cover ClickPipes")
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
            .expected("no condition on this key: IAM database authentication ignores it")
            .remedy("remove the condition; restrict networks with the security group of the database");
    }
    match key.as_str() {
        "sts:externalid" => {
            let given = if external_id_given { "; external_id works only for pipeprobe" } else { "" };
            make(Rule::ExternalId)
                .expected(format!("no condition on this key: ClickPipes sends no external id{given}"))
                .remedy("remove the condition; the exact service role as Principal keeps other callers out")
        }
        "aws:tagkeys" | "sts:transitivetagkeys" => tags(make(Rule::TagCondition), context),
        key if key.starts_with("aws:requesttag/") => tags(make(Rule::TagCondition), context),
        "aws:sourceip" | "aws:sourcevpc" | "aws:sourcevpce" | "aws:vpcsourceip" | "aws:sourcevpcarn" => {
            make(Rule::ConditionNetwork)
                .expected(
                    "no condition on this key: ClickPipes calls STS from the network of ClickHouse, not from yours",
                )
                .remedy("remove the condition")
        }
        "aws:multifactorauthpresent" | "aws:multifactorauthage" => make(Rule::ConditionMfa)
            .expected("no condition on this key: a service role has no MFA device")
            .remedy("remove the condition"),
        "aws:principalorgid" | "aws:principalorgpaths" => make(Rule::Organisation)
            .expected(
                "no condition on this key: the service role belongs to the organization of ClickHouse, not to yours",
            )
            .remedy("remove the condition, or name the organization of ClickHouse"),
        _ => match holds {
            Truth::No => make(Rule::ConditionUnmet)
                .expected(format!("a condition that ClickPipes meets: {}", held(&condition.key, context)))
                .remedy("remove or correct the condition"),
            Truth::Unknown | Truth::Yes => make(Rule::ConditionUnknown)
                .expected("a condition with a result that can be known offline")
                .remedy("remove the condition, or make sure that ClickPipes meets it"),
        },
    }
}

fn tags(finding: Finding, context: &Context) -> Finding {
    match context.state("aws:TagKeys") {
        State::Known(keys) if !keys.is_empty() => finding
            .expected(format!("a condition that the session tags meet ({})", keys.join(", ")))
            .remedy("remove the condition, or let it accept these tags"),
        _ => finding
            .expected("no condition on tags: the tags of ClickPipes are not documented")
            .remedy("remove the condition, or give the tags for the comparison: --session-tag KEY=VALUE"),
    }
}

fn held(key: &str, context: &Context) -> String {
    match context.state(key) {
        State::Known(values) => format!("{key} is {}", values.join(", ")),
        State::Absent => format!("the request has no {key}"),
        State::Present => format!("the request has {key}, but its value is not known"),
        State::Foreign | State::Unknown => format!("{key} is not known offline"),
    }
}
