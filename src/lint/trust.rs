//! Trust policies: can ClickPipes assume the role with session tags?

mod principal;

use super::{
    answer::{self, Answer, AnswerKind, Question},
    condition,
    finding::{Finding, Severity, deduplicated},
    near::nearest,
    rule::Rule,
};
use crate::{
    policy::{
        Truth,
        condition::Condition,
        context::Context,
        document::{Document, Effect, PrincipalEntry, Span, Statement},
        evaluate::{Decision, Request, decide},
        pattern::matches_ignoring_case,
        principal::{Caller, Principal},
        subject::Subject,
    },
    target::quoted,
};

const NEEDED: [&str; 2] = ["sts:AssumeRole", "sts:TagSession"];
/// Actions of trust policies.
const KNOWN: &[&str] = &[
    "sts:AssumeRole",
    "sts:TagSession",
    "sts:SetSourceIdentity",
    "sts:SetContext",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
];

/// `invalid`: why IAM rejects the document, if it does.
pub(super) fn lint(document: &Document, subject: &Subject, invalid: Option<&str>) -> (Vec<Finding>, Answer) {
    let context = Context::of_assume_role(subject);
    let decisions = NEEDED.map(|action| {
        let caller = subject.service_role.as_ref().map(Caller::Role);
        (action, decide(&[document], Request { action, caller, database: None, context: &context }))
    });
    let mut findings = Vec::new();
    for (action, decision) in &decisions {
        findings.extend(explain(action, decision, document, subject, &context));
    }
    let rejected = principal::rejected(document, subject);
    let invalid = invalid.map(str::to_owned).or_else(|| answer::rejected(&rejected));
    findings.extend(rejected);
    findings.extend(remarks(document, subject));
    findings.extend(principal::deleted(document));
    let findings = deduplicated(findings);
    let answer = answer(&decisions.map(|(_, decision)| decision), &findings, invalid.as_deref());
    (findings, answer)
}

fn answer(decisions: &[Decision<'_>], findings: &[Finding], invalid: Option<&str>) -> Answer {
    let say =
        |says, why: String| Answer::new(Question::AssumeRole, answer::ASSUME_ROLE.to_owned(), says, why);
    if let Some(why) = invalid {
        return say(AnswerKind::No, why.to_owned());
    }
    if decisions.iter().any(|d| matches!(d, Decision::Denied(_) | Decision::NotAllowed)) {
        return say(AnswerKind::No, answer::codes(findings, Severity::Error));
    }
    let mut by: Vec<String> = Vec::new();
    for decision in decisions {
        let Decision::Allowed(statements) = decision else {
            return say(AnswerKind::Unknown, answer::open(findings));
        };
        by.extend(statements.first().map(|statement| statement.name()));
    }
    by.dedup();
    say(AnswerKind::Yes, format!("allowed by {}", answer::listed(&by, "with")))
}

/// Why one action is not certainly allowed.
fn explain(
    action: &str,
    decision: &Decision<'_>,
    document: &Document,
    subject: &Subject,
    context: &Context,
) -> Vec<Finding> {
    let caller = subject.service_role.as_ref().map(Caller::Role);
    match decision {
        Decision::Allowed(_) => return Vec::new(),
        Decision::Denied(statement) => return vec![condition::denies(statement, action)],
        Decision::NotAllowed | Decision::Unknown => {}
    }
    let request = Request { action, caller, database: None, context };
    let of = |effect: Effect| {
        let covering = move |s: &&Statement| s.effect == effect && s.covers_action(action) != Truth::No;
        document.statements.iter().filter(covering)
    };
    let mut findings = Vec::new();
    let allowing: Vec<&Statement> = of(Effect::Allow).collect();
    // The grammar reports a statement without actions.
    if allowing.is_empty() && document.statements.iter().all(|s| s.actions.is_some()) {
        findings.push(missing(action, document, subject));
    }
    // If one statement is for ClickPipes, statements for other principals do not matter.
    let for_clickpipes = allowing.iter().any(|s| s.names(document, caller) != Truth::No);
    for statement in allowing {
        let names = statement.names(document, caller);
        if names != Truth::Yes && (names == Truth::Unknown || !for_clickpipes) {
            findings.extend(principal::explain(statement, subject, names));
        }
        if names != Truth::No || !for_clickpipes {
            let external_id = subject.external_id;
            findings.extend(condition::unmet(statement, document, context, external_id));
        }
    }
    let may_deny = of(Effect::Deny).filter(|s| s.applies(document, request) == Truth::Unknown);
    findings.extend(may_deny.map(|statement| condition::may_deny(statement, action)));
    findings
}

/// No statement allows the action.
fn missing(action: &str, document: &Document, subject: &Subject) -> Finding {
    let caller = subject.service_role.as_ref().map(Caller::Role);
    let allows = |s: &&Statement| s.effect == Effect::Allow;
    let other = NEEDED.iter().find(|needed| **needed != action).copied().unwrap_or_default();
    let statements = || document.statements.iter().filter(allows);
    let beside = statements()
        .filter(|s| s.names(document, caller) != Truth::No)
        .find(|s| s.covers_action(other) != Truth::No)
        .or_else(|| statements().next());
    let rule = if action == "sts:TagSession" { Rule::TagSession } else { Rule::AssumeRole };
    let expected = r#""Action": ["sts:AssumeRole", "sts:TagSession"]"#;
    let why = match rule {
        Rule::TagSession => "ClickPipes sends session tags, and AWS refuses the call without this permission",
        _ => "ClickPipes calls this action",
    };
    let web = statements().any(|s| s.covers_action("sts:AssumeRoleWithWebIdentity") == Truth::Yes);
    let found = match beside.and_then(|s| s.actions.as_ref()) {
        Some(_) if web && rule == Rule::AssumeRole => {
            "sts:AssumeRoleWithWebIdentity, which is for tokens of an identity provider".to_owned()
        }
        Some(actions) => {
            let words: Vec<&str> = actions.items.iter().map(|word| word.text.as_str()).collect();
            format!("{} {}", if actions.negated { "NotAction" } else { "only" }, words.join(", "))
        }
        None => "no statement with Allow".to_owned(),
    };
    let finding = match beside.and_then(|s| s.actions.as_ref()) {
        Some(actions) => Finding::error(rule, actions, found),
        None => Finding::error(rule, &(0, "Statement"), found),
    };
    finding.expected(format!("{action}: {why}")).remedy(format!("write {expected}"))
}

/// Warnings about statements that allow ClickPipes or other principals.
fn remarks(document: &Document, subject: &Subject) -> Vec<Finding> {
    let caller = subject.service_role.as_ref().map(Caller::Role);
    let mut findings = Vec::new();
    for statement in document.statements.iter().filter(|s| s.effect == Effect::Allow) {
        for word in statement.actions.iter().flat_map(|element| &element.items) {
            findings.extend(misspelt(word));
        }
        if statement.names(document, caller) == Truth::No {
            continue;
        }
        let useful = NEEDED.iter().any(|action| statement.covers_action(action) == Truth::Yes);
        if !useful {
            continue;
        }
        if let Some(actions) = &statement.actions {
            let wide = actions.items.iter().find(|word| word.text.contains('*'));
            match (actions.negated, wide) {
                (true, _) => findings.push(
                    Finding::warning(
                        Rule::NotAction,
                        actions,
                        "NotAction: every action except those that are named",
                    )
                    .remedy(r#"write "Action": ["sts:AssumeRole", "sts:TagSession"]"#),
                ),
                (false, Some(word)) => findings.push(
                    Finding::warning(Rule::ActionWide, word, quoted(&word.text))
                        .expected("sts:AssumeRole and sts:TagSession")
                        .remedy(r#"write "Action": ["sts:AssumeRole", "sts:TagSession"]"#),
                ),
                (false, None) => {}
            }
        }
        findings.extend(wide_principals(statement, subject));
    }
    findings
}

fn misspelt(word: &Span) -> Option<Finding> {
    let known = |action: &&&str| matches_ignoring_case(&word.text, action);
    let meant = nearest(&word.text, KNOWN)?;
    (!KNOWN.iter().any(|action| known(&action))).then(|| {
        Finding::error(Rule::ActionMisspelt, word, quoted(&word.text))
            .expected("an action of STS")
            .remedy(format!("write \"{meant}\""))
    })
}

/// Principals that a statement trusts besides the service role.
fn wide_principals(statement: &Statement, subject: &Subject) -> Vec<Finding> {
    let Some(element) = &statement.principals else { return Vec::new() };
    let role = principal::service_role(subject);
    let remedy = format!(r#"write "Principal": {{ "AWS": "{role}" }}"#);
    if element.negated {
        let words = "NotPrincipal: every principal of every account, except those that are named";
        return vec![Finding::warning(Rule::NotPrincipal, element, words).remedy(remedy)];
    }
    let roles_only = statement.conditions.iter().any(names_roles);
    let wide = |who: &PrincipalEntry| {
        let found = match who.principal() {
            _ if principal::of_other_partition(who, subject) => return None,
            Principal::Anyone if statement.conditions.is_empty() => {
                "\"*\": every principal of every AWS account"
            }
            Principal::Anyone => "\"*\": every principal that meets the conditions",
            Principal::Account { .. } if !roles_only => {
                "a whole account: every role that the account's own policies allow"
            }
            _ => return None,
        };
        Some(Finding::warning(Rule::PrincipalWide, who, found).expected(role.clone()).remedy(remedy.clone()))
    };
    element.items.iter().filter_map(wide).collect()
}

/// Whether a condition restricts an account to roles that it names: `ArnEquals aws:PrincipalArn arn:…:role/x`.
///
/// People write this because the ARN in a `Principal` stops working if the role is deleted and created again.
fn names_roles(condition: &Condition) -> bool {
    let operator = condition.operator.strip_suffix("IfExists").unwrap_or(&condition.operator);
    let named = |value: &Span| {
        let resource = value.text.splitn(6, ':').nth(5).and_then(|resource| resource.strip_prefix("role/"));
        resource.is_some_and(|name| name.contains(|c| !matches!(c, '*' | '?' | '/')))
    };
    ["ArnEquals", "ArnLike", "StringEquals", "StringLike"].contains(&operator)
        && condition.key.eq_ignore_ascii_case("aws:PrincipalArn")
        && !condition.values.is_empty()
        && condition.values.iter().all(named)
}
