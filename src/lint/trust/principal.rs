//! Why the service role is not among a statement's principals.

use super::super::{characters::placeholder, finding::Finding, rule::Rule};
use crate::{
    policy::{
        Truth,
        document::{Statement, Who},
        principal::{Caller, Principal, name},
        subject::Subject,
    },
    target::{RoleArn, quoted},
};

const SOURCE: &str = "the Service role ID (IAM) of ClickHouse Cloud: Settings, Network security information";

/// The role's ARN, or what to put in its place.
pub(super) fn service_role(subject: &Subject) -> String {
    subject.service_role.as_ref().map_or_else(|| "<Service role ID (IAM)>".to_owned(), RoleArn::to_string)
}

/// One finding for every principal that was meant to be it; else one for all of them.
pub(super) fn explain(statement: &Statement, subject: &Subject, names: Truth) -> Vec<Finding> {
    let Some(element) = &statement.principals else { return Vec::new() };
    let expected = service_role(subject);
    let remedy = match subject.service_role {
        Some(_) => format!(r#"write "Principal": {{ "AWS": "{expected}" }}"#),
        None => format!("name {SOURCE}"),
    };
    if element.negated {
        let found = "NotPrincipal leaves out the role; whether that spares its sessions is not certain";
        let finding = match names {
            Truth::No => Finding::error(Rule::NotPrincipal, element, found),
            _ => Finding::unknown(Rule::NotPrincipal, element, found),
        };
        return vec![finding.remedy(remedy)];
    }
    // A placeholder has been told already.
    let written: Vec<&Who> =
        element.items.iter().filter(|who| placeholder(&who.word.text).is_none()).collect();
    if written.is_empty() && !element.items.is_empty() {
        return Vec::new();
    }
    let slips: Vec<Finding> = written
        .iter()
        .filter_map(|who| slip(who, subject))
        .map(|finding| Finding { remedy: remedy.clone(), ..finding })
        .collect();
    if !slips.is_empty() {
        return slips;
    }
    let roles: Vec<&Who> = written.iter().copied().filter(|who| unsettled(who)).collect();
    match (names, &subject.service_role) {
        (Truth::Unknown, None) if !roles.is_empty() => {
            let found = roles.iter().map(|who| who.word.text.as_str()).collect::<Vec<_>>().join(", ");
            vec![
                Finding::unknown(Rule::ServiceRole, roles[0], found)
                    .expected(SOURCE)
                    .remedy("compare the two, or give it: --service-role ARN"),
            ]
        }
        (Truth::Unknown, _) => Vec::new(), // a function of a template: the grammar says so
        _ => {
            let found: Vec<String> = written.iter().map(|who| other(who, subject)).collect();
            let finding = match (&written[..], &found[..]) {
                ([who], [found]) => Finding::error(Rule::Principal, *who, found.clone()),
                (_, []) => Finding::error(Rule::Principal, element, "nobody"),
                (_, found) => Finding::error(Rule::Principal, element, found.join(", ")),
            };
            vec![finding.expected(expected).remedy(remedy)]
        }
    }
}

/// Could be the service role, if that was known.
fn unsettled(who: &Who) -> bool {
    matches!(who.principal(), Principal::Role { .. } | Principal::Account { .. })
}

/// A principal that no role can be, or that is the right role in the wrong form.
fn slip(who: &Who, subject: &Subject) -> Option<Finding> {
    let text = &who.word.text;
    let error = |rule, found: String| Some(Finding::error(rule, who, found));
    match who.principal() {
        Principal::Session { arn, .. } => {
            let finding = match who.principal().names(subject.service_role.as_ref().map(Caller::Role)) {
                Truth::No if subject.service_role.is_some() && !arn.contains(['*', '?']) => return None,
                _ => error(Rule::PrincipalSession, quoted(text))?,
            };
            Some(finding.expected(format!(
                "{}: a session is trusted under its one name only, and ClickHouse chooses it",
                service_role(subject)
            )))
        }
        Principal::User { .. } => error(Rule::PrincipalUser, quoted(text))
            .map(|finding| finding.expected(format!("a role: {}", service_role(subject)))),
        Principal::Id => error(Rule::PrincipalId, format!("the unique id {}", quoted(text))).map(|finding| {
            finding.expected("an ARN: IAM shows an id where the role that was named has been deleted since")
        }),
        Principal::OtherKind => {
            let kind = who.kind.as_deref().unwrap_or_default();
            error(Rule::PrincipalKind, format!("{kind} {}", quoted(text)))
                .map(|finding| finding.expected(format!(r#""AWS": "{}""#, service_role(subject))))
        }
        Principal::Malformed if text.contains(['*', '?']) => {
            error(Rule::PrincipalWildcard, quoted(text)).map(|f| f.expected(service_role(subject)))
        }
        Principal::Role { arn } if arn.contains(['*', '?']) => error(Rule::PrincipalWildcard, quoted(text))
            .map(|f| f.expected(format!("{}: IAM takes no pattern here", service_role(subject)))),
        Principal::Malformed => {
            error(Rule::PrincipalForm, quoted(text)).map(|f| f.expected(service_role(subject)))
        }
        Principal::Role { arn } | Principal::Account { partition: Some(arn), .. }
            if partition(arn)
                .is_some_and(|is| subject.partition().is_some_and(|expected| is != expected)) =>
        {
            error(Rule::PrincipalPartition, quoted(text)).map(|finding| {
                let of = subject.partition().unwrap_or_default();
                finding.expected(format!("a role of partition {of}: none can be assumed from another"))
            })
        }
        Principal::Anyone | Principal::Role { .. } | Principal::Account { .. } => None,
    }
}

fn partition(arn: &str) -> Option<&str> {
    if arn.starts_with("arn:") { arn.split(':').nth(1) } else { Some(arn) }
}

/// What is different about a principal that is somebody else.
fn other(who: &Who, subject: &Subject) -> String {
    let text = &who.word.text;
    let Some(role) = &subject.service_role else { return quoted(text) };
    let why = match who.principal() {
        Principal::Role { arn } if arn.eq_ignore_ascii_case(role.as_str()) => "letter case differs",
        Principal::Role { arn } if arn.rsplit(['/', ':']).next() == Some(name(role)) => {
            match arn.split(':').nth(4) == Some(role.account()) {
                true => "the path differs: it belongs to the ARN",
                false => "a role of that name in another account",
            }
        }
        Principal::Role { arn } if arn.split(':').nth(4) == Some(role.account()) => {
            "another role of that account"
        }
        Principal::Account { .. } => "another account",
        _ => return quoted(text),
    };
    format!("{} ({why})", quoted(text))
}
