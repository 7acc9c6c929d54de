//! Whether the trust policy in IAM allows the caller of this run, with its tags and external id.

use super::{AwsEvidence, documents, role_of_session};
use crate::checks::identity::access_role::{
    STS_EXPLICIT_DENY, STS_EXTERNAL_ID, STS_NO_SUCH_ROLE, STS_NOT_TRUSTED, STS_TAG_SESSION_DENIED,
};
use crate::{
    aws::Role,
    checks::Observations,
    policy::{
        Truth,
        context::{Context, State},
        document::{Document, Effect, Kind, Statement},
        evaluate::{Decision, Request, decide},
        principal::{Caller, Principal},
        subject::Subject,
    },
    target::{RoleArn, Target},
};

pub(super) const SUBJECT: &str = "trust policy";
const ASSUME: &str = "sts:AssumeRole";
const TAG: &str = "sts:TagSession";

/// The caller that assumes the access role.
enum Asks {
    Role(RoleArn),
    User(String),
}

impl Asks {
    fn caller(&self) -> Caller<'_> {
        match self {
            Self::Role(role) => Caller::Role(role),
            Self::User(arn) => Caller::User(arn),
        }
    }
}

pub(super) fn evidence(target: &Target, seen: &Observations, subject: &Subject, role: &Role) -> AwsEvidence {
    let Some(document) = documents(&role.trust, Kind::Trust).and_then(|mut found| found.pop()) else {
        return AwsEvidence::unknown(SUBJECT, "it cannot be read");
    };
    let Some(asks) = asks(target, seen, &document) else {
        return AwsEvidence::unknown(SUBJECT, "whether it lets the caller in: who that is, AWS did not say");
    };
    let subject = Subject {
        service_role: match &asks {
            Asks::Role(role) => Some(role.clone()),
            Asks::User(_) => None,
        },
        ..subject.clone()
    };
    let context = context(target, &asks, &subject);
    let caller = asks.caller();
    let say = |action, context| {
        decide(&[&document], Request { action, caller: Some(caller), database: None, context })
    };
    let arn = caller.arn();
    let remedy = format!(
        "in the trust policy of {}, allow {arn} both: \"Action\": [\"{ASSUME}\", \"{TAG}\"]",
        role.arn
    );
    match (say(ASSUME, &context), say(TAG, &context)) {
        (Decision::Denied(statement), _) => severity(statement, ASSUME, role),
        (_, Decision::Denied(statement)) => severity(statement, TAG, role),
        (Decision::Allowed(_), Decision::Allowed(_)) => {
            AwsEvidence::pass(SUBJECT, format!("it lets {arn} in with session tags")).rules_out(&[
                &STS_NOT_TRUSTED,
                &STS_EXTERNAL_ID,
                &STS_NO_SUCH_ROLE,
            ])
        }
        (Decision::Allowed(_), Decision::NotAllowed) => {
            let found = format!(
                "it allows {arn} {ASSUME}, and not {TAG}{}",
                in_the_way(&document, TAG, caller, &context)
            );
            AwsEvidence::fail(SUBJECT, &STS_TAG_SESSION_DENIED, found)
                .remedy(remedy)
                .rules_out(&[&STS_NO_SUCH_ROLE])
        }
        (Decision::NotAllowed, _) => {
            let mut other = context.clone();
            other.set("sts:ExternalId", State::Unknown);
            if !matches!(say(ASSUME, &other), Decision::NotAllowed) {
                return external_id(target);
            }
            let trusted = trusted(&document);
            let conditions = in_the_way(&document, ASSUME, caller, &context);
            let found = match conditions.as_str() {
                "" => format!("it lets in {trusted}, and not {arn}"),
                conditions => format!("it names {arn}{conditions}"),
            };
            AwsEvidence::fail(SUBJECT, &STS_NOT_TRUSTED, found).remedy(remedy).rules_out(&[&STS_NO_SUCH_ROLE])
        }
        (Decision::Unknown, _) | (_, Decision::Unknown) => AwsEvidence::unknown(
            SUBJECT,
            format!("whether it lets {arn} in cannot be known from here (pipeprobe lint says why)"),
        )
        .rules_out(&[&STS_NO_SUCH_ROLE]),
    }
}

/// The role before it in the chain, else the source credentials' own.
fn asks(target: &Target, seen: &Observations, document: &Document) -> Option<Asks> {
    if let [.., before, _] = target.access.roles.as_slice() {
        return Some(Asks::Role(before.clone()));
    }
    let caller = seen.identity_evidence.caller.as_ref()?;
    match role_of_session(caller, &roles(document)) {
        Some(role) => Some(Asks::Role(role)),
        None => Some(Asks::User(caller.clone())),
    }
}

fn roles(document: &Document) -> Vec<RoleArn> {
    let principals = document.statements.iter().filter_map(|s| s.principals.as_ref());
    let texts = principals.flat_map(|element| &element.items).map(|who| &who.word.text);
    texts.filter_map(|text| RoleArn::parse("Principal", text).ok()).collect()
}

/// Of this run, and not of ClickPipes': its own external id, tags and network.
fn context(target: &Target, asks: &Asks, subject: &Subject) -> Context {
    let mut context = Context::of_assume_role(subject);
    let known = |value: &str| State::Known(vec![value.to_owned()]);
    if let Some(id) = &target.access.external_id {
        context.set("sts:ExternalId", known(id.as_str()));
    }
    context.set("sts:RoleSessionName", known(target.access.session_name.as_str()));
    for key in ["aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp", "aws:SourceVpcArn"] {
        context.set(key, State::Unknown);
    }
    if let Asks::User(arn) = asks {
        context.set("aws:PrincipalArn", known(arn));
        context.set("aws:PrincipalAccount", known(arn.split(':').nth(4).unwrap_or_default()));
        context.set("aws:PrincipalType", known("User"));
        context.set("aws:username", known(arn.rsplit('/').next().unwrap_or_default()));
        context.set("aws:MultiFactorAuthPresent", State::Unknown);
        context.set("aws:MultiFactorAuthAge", State::Unknown);
    }
    context
}

fn severity(statement: &Statement, action: &str, role: &Role) -> AwsEvidence {
    AwsEvidence::fail(SUBJECT, &STS_EXPLICIT_DENY, format!("{} denies {action}", statement.name()))
        .remedy(format!("remove that statement from the trust policy of {}, or narrow it", role.arn))
        .rules_out(&[&STS_NO_SUCH_ROLE])
}

/// The report does not contain the id: it belongs to the two parties.
fn external_id(target: &Target) -> AwsEvidence {
    let found = match &target.access.external_id {
        Some(_) => "its condition on sts:ExternalId wants another one than was passed",
        None => "its condition on sts:ExternalId wants one, and none was passed",
    };
    AwsEvidence::fail(SUBJECT, &STS_EXTERNAL_ID, found)
        .remedy(
            "set `external_id` to the one it wants; ClickPipes passes none, so for it the condition must go",
        )
        .rules_out(&[&STS_NO_SUCH_ROLE, &STS_NOT_TRUSTED])
}

/// The conditions of statements that name the caller and would allow the action, where they do not hold.
fn in_the_way(document: &Document, action: &str, caller: Caller<'_>, context: &Context) -> String {
    let would = |s: &&Statement| {
        s.effect == Effect::Allow
            && s.covers_action(action) != Truth::No
            && s.names(document, Some(caller)) != Truth::No
    };
    let unmet = document.statements.iter().filter(would).flat_map(|s| &s.conditions);
    let unmet = unmet.filter(|condition| condition.holds(context, document.variables) != Truth::Yes);
    let keys: Vec<String> = unmet.map(|c| format!("{} {}", c.operator, c.key)).collect();
    match keys.is_empty() {
        true => String::new(),
        false => format!(", on a condition that does not hold ({})", keys.join(", ")),
    }
}

/// The principals that its statements allow.
fn trusted(document: &Document) -> String {
    let allowing = document.statements.iter().filter(|s| s.effect == Effect::Allow);
    let principals = allowing.filter_map(|s| s.principals.as_ref()).flat_map(|element| &element.items);
    let mut names: Vec<String> = principals
        .map(|who| match who.principal() {
            Principal::Id => format!("{} (an id: the principal was deleted)", who.word.text),
            _ => who.word.text.clone(),
        })
        .collect();
    names.dedup();
    match names.len() {
        0 => "no principal".to_owned(),
        1..=4 => names.join(", "),
        more => format!("{} and {} more", names[..3].join(", "), more - 3),
    }
}
