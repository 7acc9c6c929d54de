//! The access role: its trust policy, and the policies that allow `rds-db:connect`.

use super::{Found, Judged, Reader, Value, database::Database};
use crate::{
    lint::{self, AnswerKind, Question, Source},
    policy::subject::Subject,
    target::{DbUser, PlannedPart, ProblemKind, RdsName, RoleArn},
};

const PART: PlannedPart = PlannedPart::AccessRole;

pub(super) fn judge(reader: &Reader<'_>, database: Option<&Database<'_>>, judged: &mut Judged) {
    let roles = find(reader);
    let role = match roles[..] {
        [] => return,
        [role] => role,
        [first, ..] => {
            let found = format!("one of {} roles, known only after apply", roles.len());
            judged.unknown(PART, first.address, &found);
            return;
        }
    };
    judged.seen(PART, role);
    let subject = subject(reader, database);
    trust(role, &subject, judged);
    connect(reader, role, &subject, judged);
}

fn find<'r>(reader: &'r Reader<'_>) -> Vec<&'r Found<'r>> {
    let given = Reader::text(reader.pipe.fields.target.iam_role.as_ref());
    let Some(arn) = given else { return reader.referenced(&["aws_iam_role"]) };
    let Ok(expected) = RoleArn::parse("iam_role", arn) else { return Vec::new() };
    let is_it = |role: &&Found<'_>| match role.text("arn") {
        Some(known) => known == arn,
        None => {
            let path = role.text("path").unwrap_or("/");
            role.text("name") == Some(expected.name()) && path == expected.path()
        }
    };
    reader.graph.of_kind("aws_iam_role").filter(is_it).collect()
}

fn subject(reader: &Reader<'_>, database: Option<&Database<'_>>) -> Subject {
    let target = &reader.pipe.fields.target;
    let host = reader.host();
    let user = Reader::text(target.user.as_ref()).unwrap_or(DbUser::DEFAULT);
    let default = || DbUser::DEFAULT.parse().expect("the default is a user name");
    let role = |given: Option<&str>| given.and_then(|arn| RoleArn::parse("iam_role", arn).ok());
    Subject {
        source_type: reader.source_type(),
        region: host.as_ref().and_then(RdsName::parse).and_then(|name| name.region),
        host,
        user: user.parse().unwrap_or_else(|_| default()),
        access_role: role(Reader::text(target.iam_role.as_ref())),
        service_role: role(Reader::text(reader.pipe.service_role.as_ref())),
        tags: None,
        external_id: false,
        resource_id: database.and_then(Database::resource_id).and_then(|id| id.parse().ok()),
    }
}

/// A document of the role.
fn source(resource: &Found<'_>, attribute: &str, text: &str) -> Source {
    Source { file: resource.at(attribute), text: text.to_owned() }
}

fn trust(role: &Found<'_>, subject: &Subject, judged: &mut Judged) {
    const POLICY: &str = "assume_role_policy";
    let text = match role.get(POLICY) {
        Value::Known(text) => text.as_str().unwrap_or_default(),
        Value::Unknown => return judged.known_after_apply(PART, role, POLICY),
        Value::Null => return judged.unknown(PART, &role.at(POLICY), "nothing in the document"),
    };
    let lint = lint::lint(&[source(role, POLICY, text)], subject);
    let answer = answer(&lint, Question::AssumeRole);
    let why = answer.map_or("", |answer| &answer.why);
    let expected = "a trust policy that lets ClickPipes assume the role with session tags";
    let found = found(&lint, why, role.is_sensitive(POLICY));
    match answer.map_or(AnswerKind::NotChecked, |answer| answer.answer) {
        AnswerKind::Yes => {}
        AnswerKind::No => judged.problem(
            ProblemKind::RoleNotTrusted,
            &role.at(POLICY),
            (expected, &found),
            "allow sts:AssumeRole and sts:TagSession for the service role of ClickHouse: \
             pipeprobe setup --only trust-policy",
        ),
        AnswerKind::Unknown | AnswerKind::NotChecked => judged.unknown(PART, &role.at(POLICY), &found),
    }
}

fn answer(lint: &lint::Lint, question: Question) -> Option<&lint::Answer> {
    lint.answers.iter().find(|answer| answer.question == question)
}

/// The findings with their position. A sensitive document is not quoted.
fn found(lint: &lint::Lint, why: &str, is_sensitive: bool) -> String {
    let rows = lint.rows().filter(|row| row.severity != lint::Severity::Warning).take(3);
    let rows: Vec<String> = rows
        .map(|row| match row.found.is_empty() || is_sensitive {
            true => format!("{} {}", row.path, row.code),
            false => format!("{} {} ({})", row.path, row.code, row.found),
        })
        .collect();
    if rows.is_empty() { why.to_owned() } else { rows.join(", ") }
}

/// The policies of the role in the document, together, as IAM evaluates them.
fn connect(reader: &Reader<'_>, role: &Found<'_>, subject: &Subject, judged: &mut Judged) {
    let mut sources = Vec::new();
    let mut unknown: Vec<String> = Vec::new();
    let mut is_sensitive = false;
    let mut take = |resource: &Found<'_>, attribute: &str, value: Value<'_>| match value {
        Value::Known(text) => {
            is_sensitive |= resource.is_sensitive(attribute);
            sources.push(source(resource, attribute, text.as_str().unwrap_or_default()));
        }
        Value::Unknown | Value::Null => unknown.push(resource.at(attribute)),
    };
    for policy in reader.graph.of_kind("aws_iam_role_policy") {
        if belongs(reader, policy, "role", role) {
            take(policy, "policy", policy.get("policy"));
        }
    }
    match role.get("inline_policy") {
        Value::Known(list) => {
            for policy in list.as_array().into_iter().flatten() {
                if let Some(text) = policy.get("policy").filter(|text| text.is_string()) {
                    take(role, "inline_policy", Value::Known(text));
                }
            }
        }
        // Without inline_policy in the configuration, the provider only reads it.
        Value::Unknown if reader.graph.sets(role, "inline_policy") == Some(true) => {
            take(role, "inline_policy", Value::Unknown);
        }
        Value::Unknown | Value::Null => {}
    }
    let mut elsewhere: Vec<String> = Vec::new();
    let mut attached = |from: &Found<'_>, attribute: &str| {
        let policies = reader.named(from, attribute, "aws_iam_policy", &["arn"]);
        if policies.is_empty() {
            elsewhere.push(from.at(attribute));
        }
        policies.into_iter().map(|policy| policy.address.to_owned()).collect::<Vec<_>>()
    };
    let mut managed: Vec<String> = Vec::new();
    for (kind, by) in [("aws_iam_role_policy_attachment", "role"), ("aws_iam_policy_attachment", "roles")] {
        for attachment in reader.graph.of_kind(kind).filter(|found| belongs(reader, found, by, role)) {
            managed.extend(attached(attachment, "policy_arn"));
        }
    }
    managed.sort();
    managed.dedup();
    for policy in reader.graph.of_kind("aws_iam_policy").filter(|p| managed.iter().any(|m| m == p.address)) {
        take(policy, "policy", policy.get("policy"));
    }
    let lint = lint::lint(&sources, subject);
    let answer = answer(&lint, Question::Connect);
    let why = answer.map_or("", |answer| &answer.why);
    let provided = answer.map(|answer| answer.provided.join(", ")).unwrap_or_default();
    let found = found(&lint, why, is_sensitive);
    let field = sources.first().map_or_else(|| role.at("policy"), |source| source.file.clone());
    let expected = format!("policies that allow rds-db:connect for {}", subject.user);
    let help = "allow rds-db:connect on the database user: pipeprobe setup --only connect-policy";
    let is_denied = lint.rows().any(|row| row.severity == lint::Severity::Error && row.code == "POLICY_DENY")
        || why.starts_with("IAM rejects");
    match answer.map_or(AnswerKind::NotChecked, |answer| answer.answer) {
        AnswerKind::No if is_denied => {
            judged.problem(ProblemKind::RoleConnectDenied, &field, (&expected, &found), help);
        }
        // A policy that is not known yet can allow it, and also deny it.
        _ if !unknown.is_empty() => {
            judged.unknown(PART, &unknown.join(", "), "known only after apply");
        }
        AnswerKind::Yes if provided.is_empty() => {}
        AnswerKind::Yes => judged.unknown(PART, &field, &format!("it allows rds-db:connect if {provided}")),
        AnswerKind::Unknown => judged.unknown(PART, &field, &found),
        AnswerKind::No | AnswerKind::NotChecked if !elsewhere.is_empty() => {
            judged.unknown(PART, &elsewhere.join(", "), "a policy that is not in the document");
        }
        AnswerKind::No | AnswerKind::NotChecked => {
            let found = if sources.is_empty() { "no policy of the role" } else { &found };
            judged.problem(ProblemKind::RoleConnectMissing, &field, (&expected, found), help);
        }
    }
}

/// Whether an attribute names the role: one name, or a list of names.
fn belongs(reader: &Reader<'_>, from: &Found<'_>, attribute: &str, role: &Found<'_>) -> bool {
    let name = role.text("name");
    let is_listed = match from.get(attribute) {
        Value::Known(value) => {
            name.is_some() && value.as_array().into_iter().flatten().any(|item| item.as_str() == name)
        }
        Value::Unknown | Value::Null => false,
    };
    is_listed || reader.names(from, attribute, role, &["name"])
}
