//! Principals of a trust policy: why they do not include the service role, and which of them IAM rejects.

use super::super::{characters::placeholder, finding::Finding, rule::Rule};
use crate::{
    policy::{
        Truth,
        document::{Document, PrincipalEntry, Statement},
        principal::{Caller, Principal, name},
        subject::Subject,
    },
    target::{RoleArn, quoted},
};

const SOURCE: &str = "the Service role ID (IAM) of ClickHouse Cloud: Settings, Network security information";

/// The ARN of the service role, or a placeholder for it.
pub(super) fn service_role(subject: &Subject) -> String {
    subject.service_role.as_ref().map_or_else(|| "<Service role ID (IAM)>".to_owned(), RoleArn::to_string)
}

/// One finding for each principal that was probably meant to be the service role; else one for all principals.
pub(super) fn explain(statement: &Statement, subject: &Subject, names: Truth) -> Vec<Finding> {
    let Some(element) = &statement.principals else { return Vec::new() };
    let expected = service_role(subject);
    let remedy = match subject.service_role {
        Some(_) => format!(r#"write "Principal": {{ "AWS": "{expected}" }}"#),
        None => format!("write {SOURCE}"),
    };
    if element.negated {
        let found = "NotPrincipal names the role; whether that also excludes its sessions is not documented";
        let finding = match names {
            Truth::No => Finding::error(Rule::NotPrincipal, element, found),
            _ => Finding::unknown(Rule::NotPrincipal, element, found),
        };
        return vec![finding.remedy(remedy)];
    }
    // Placeholders are reported elsewhere.
    let written: Vec<&PrincipalEntry> =
        element.items.iter().filter(|who| placeholder(&who.word.text).is_none()).collect();
    if written.is_empty() && !element.items.is_empty() {
        return Vec::new();
    }
    let slips: Vec<Finding> = written
        .iter()
        .filter_map(|who| slip(who, subject))
        .map(|finding| finding.remedy(remedy.clone()))
        .collect();
    if !slips.is_empty() {
        return slips;
    }
    let roles: Vec<&PrincipalEntry> =
        written.iter().copied().filter(|who| may_be_service_role(who)).collect();
    match (names, &subject.service_role) {
        (Truth::Unknown, None) if !roles.is_empty() => {
            let found = roles.iter().map(|who| who.word.text.as_str()).collect::<Vec<_>>().join(", ");
            vec![
                Finding::unknown(Rule::ServiceRole, roles[0], found)
                    .expected(SOURCE)
                    .remedy("compare it with ClickHouse Cloud, or use --service-role ARN"),
            ]
        }
        (Truth::Unknown, _) => Vec::new(), // the grammar reports functions of templates
        _ => {
            let found: Vec<String> = written.iter().map(|who| other(who, subject)).collect();
            let finding = match (&written[..], &found[..]) {
                ([who], [found]) => Finding::error(Rule::Principal, *who, found.clone()),
                (_, []) => Finding::error(Rule::Principal, element, "no principal"),
                (_, found) => Finding::error(Rule::Principal, element, found.join(", ")),
            };
            vec![finding.expected(expected).remedy(remedy)]
        }
    }
}

/// It may be the service role, which is not known.
fn may_be_service_role(who: &PrincipalEntry) -> bool {
    matches!(who.principal(), Principal::Role { .. } | Principal::Account { .. })
}

/// Entries because of which IAM rejects the whole document, in any statement.
pub(super) fn rejected(document: &Document, subject: &Subject) -> Vec<Finding> {
    let judge = |who: &PrincipalEntry| {
        let bad = who.principal() == Principal::Malformed || of_other_partition(who, subject);
        let finding = slip(who, subject).filter(|_| bad && placeholder(&who.word.text).is_none())?;
        Some(finding.remedy("remove it: IAM rejects the whole document because of it"))
    };
    entries(document).filter_map(judge).collect()
}

/// Roles and users that were deleted. They do not keep ClickPipes out if another entry names the service role.
pub(super) fn deleted(document: &Document) -> Vec<Finding> {
    let ids = entries(document).filter(|who| who.principal() == Principal::Id);
    ids.map(|who| {
        Finding::warning(Rule::PrincipalId, who, format!("the unique id {}", quoted(&who.word.text)))
            .expected("an ARN: IAM shows an id after the role or user was deleted")
            .remedy("remove it: IAM refuses to save the document again while it is there")
    })
    .collect()
}

fn entries(document: &Document) -> impl Iterator<Item = &PrincipalEntry> {
    document.statements.iter().filter_map(|s| s.principals.as_ref()).flat_map(|element| &element.items)
}

pub(super) fn of_other_partition(who: &PrincipalEntry, subject: &Subject) -> bool {
    let partitions = who.principal().partition().zip(subject.partition());
    partitions.is_some_and(|(found, expected)| found != expected)
}

/// A principal that cannot be a role, or the right role in the wrong form.
fn slip(who: &PrincipalEntry, subject: &Subject) -> Option<Finding> {
    let text = &who.word.text;
    let error = |rule, found: String| Finding::error(rule, who, found);
    let role = service_role(subject);
    let finding = match who.principal() {
        _ if of_other_partition(who, subject) => {
            error(Rule::PrincipalPartition, quoted(text)).expected(format!(
                "a principal of partition {}: IAM accepts no other",
                subject.partition().unwrap_or_default()
            ))
        }
        Principal::Session { .. } => {
            let names = who.principal().names(subject.service_role.as_ref().map(Caller::Role));
            if names == Truth::No && subject.service_role.is_some() {
                return None;
            }
            error(Rule::PrincipalSession, quoted(text)).expected(format!(
                "{role}: this entry trusts one session name only, and ClickHouse chooses the name"
            ))
        }
        Principal::User { .. } => {
            error(Rule::PrincipalUser, quoted(text)).expected(format!("a role: {role}"))
        }
        Principal::Id => error(Rule::PrincipalId, format!("the unique id {}", quoted(text)))
            .expected("an ARN: IAM shows an id after the role or user was deleted"),
        Principal::OtherKind => {
            let kind = who.kind.as_deref().unwrap_or_default();
            error(Rule::PrincipalKind, format!("{kind} {}", quoted(text)))
                .expected(format!(r#""AWS": "{role}""#))
        }
        Principal::Malformed if who.kind.as_deref() == Some("Service") => {
            error(Rule::PrincipalForm, format!("Service {}", quoted(text)))
                .expected("the name of a service, such as rds.amazonaws.com")
        }
        Principal::Malformed if text.contains(['*', '?']) => error(Rule::PrincipalWildcard, quoted(text))
            .expected(format!("{role}: IAM accepts no wildcard in an ARN here")),
        Principal::Malformed => error(Rule::PrincipalForm, quoted(text)).expected(role),
        Principal::Anyone | Principal::Role { .. } | Principal::Account { .. } => return None,
    };
    Some(finding)
}

/// The difference between a principal and the service role.
fn other(who: &PrincipalEntry, subject: &Subject) -> String {
    let text = &who.word.text;
    let Some(role) = &subject.service_role else { return quoted(text) };
    let why = match who.principal() {
        Principal::Role { arn } if arn.eq_ignore_ascii_case(role.as_str()) => "letter case differs",
        Principal::Role { arn } if arn.rsplit(['/', ':']).next() == Some(name(role)) => {
            match arn.split(':').nth(4) == Some(role.account()) {
                true => "the path differs, and it is part of the ARN",
                false => "a role with this name in another account",
            }
        }
        Principal::Role { arn } if arn.split(':').nth(4) == Some(role.account()) => {
            "another role of the same account"
        }
        Principal::Account { .. } => "another account",
        _ => return quoted(text),
    };
    format!("{} ({why})", quoted(text))
}
