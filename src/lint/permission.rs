//! Permission policies: can the role connect to the database as the user?

mod resource;

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
        context::Context,
        database::{Database, Match, Part},
        document::{Document, Effect, Span, Statement},
        evaluate::{Decision, Request, decide, fit},
        pattern::matches_ignoring_case,
        subject::Subject,
    },
    target::quoted,
};

const CONNECT: &str = "rds-db:connect";
/// Common mistakes for it.
const CONFUSED: [&str; 6] = [
    "rds:connect",
    "rds:dbconnect",
    "rds:generatedbauthtoken",
    "rds-data:connect",
    "rds-db:*connect",
    "rdsdb:connect",
];

/// Judges the documents together, as IAM does. `invalid`: why IAM rejects one of them.
///
/// Returns the findings of each document, in their order.
pub(super) fn lint(
    documents: &[&Document],
    subject: &Subject,
    invalid: Option<&str>,
) -> (Vec<Vec<Finding>>, Answer) {
    let (context, database) = (Context::of_connect(subject), Database::of(subject));
    let auth_request = AuthRequest { subject, context: &context, database: &database };
    let decision = decide(documents, auth_request.request());
    let mut findings: Vec<Vec<Finding>> =
        documents.iter().map(|d| auth_request.remarks(d, &decision)).collect();
    if !matches!(decision, Decision::Allowed(_)) {
        // The grammar reports a statement without actions.
        let elsewhere = |s: &Statement| !touches(s) && s.actions.is_some();
        let nothing_touches = documents.iter().all(|d| d.statements.iter().all(elsewhere));
        for (document, findings) in documents.iter().zip(&mut findings) {
            findings.extend(auth_request.explain(document, &decision));
            if nothing_touches && findings.iter().all(|f| f.severity != Severity::Error) {
                findings.push(missing(document, &database));
            }
        }
    }
    let findings: Vec<Vec<Finding>> = findings.into_iter().map(deduplicated).collect();
    let answer = auth_request.answer(documents, &decision, &findings.concat(), invalid);
    (findings, answer)
}

/// Whether a statement allows rds-db:connect on any resource.
fn touches(statement: &Statement) -> bool {
    statement.effect == Effect::Allow && statement.covers_action(CONNECT) != Truth::No
}

fn missing(document: &Document, database: &Database) -> Finding {
    let allowing = document.statements.iter().find(|s| s.effect == Effect::Allow);
    let actions = allowing.and_then(|s| s.actions.as_ref());
    let found = actions.map_or_else(
        || "no statement with Allow".to_owned(),
        |actions| {
            let words: Vec<&str> = actions.items.iter().map(|word| word.text.as_str()).collect();
            format!("only {}", words.join(", "))
        },
    );
    let finding = match actions {
        Some(actions) => Finding::error(Rule::Connect, actions, found),
        None => Finding::error(Rule::Connect, &(0, "Statement"), found),
    };
    let expected = format!("a statement that allows {CONNECT} on {}", database.arn());
    finding.expected(expected).remedy(format!(r#"write "Action": ["{CONNECT}"]"#))
}

/// The request that the documents are evaluated for.
#[derive(Clone, Copy)]
struct AuthRequest<'a> {
    subject: &'a Subject,
    context: &'a Context,
    database: &'a Database,
}

impl<'a> AuthRequest<'a> {
    fn request(self) -> Request<'a> {
        Request { action: CONNECT, caller: None, database: Some(self.database), context: self.context }
    }

    fn variables(self, document: &Document) -> Option<&'a Context> {
        document.variables.then_some(self.context)
    }

    /// Why a document does not certainly allow the request.
    fn explain(self, document: &Document, decision: &Decision<'_>) -> Vec<Finding> {
        if let Decision::Denied(statement) = decision {
            let own = document.statements.iter().any(|other| std::ptr::eq(other, *statement));
            return own.then(|| condition::denies(statement, CONNECT)).into_iter().collect();
        }
        let mut findings = Vec::new();
        for statement in &document.statements {
            match statement.effect {
                Effect::Deny if statement.applies(document, self.request()) == Truth::Unknown => {
                    findings.push(condition::may_deny(statement, CONNECT));
                }
                Effect::Allow => {
                    let slips = slips(statement);
                    if touches(statement) || !slips.is_empty() {
                        findings.extend(slips);
                        let variables = self.variables(document);
                        findings.extend(resource::faults(statement, self.database, variables));
                        findings.extend(condition::unmet(statement, document, self.context, false));
                    }
                }
                Effect::Deny => {}
            }
        }
        findings
    }

    /// Warnings about statements that allow rds-db:connect.
    fn remarks(self, document: &Document, decision: &Decision<'_>) -> Vec<Finding> {
        let allowed = matches!(decision, Decision::Allowed(_));
        let mut findings = Vec::new();
        for statement in document.statements.iter().filter(|s| touches(s)) {
            if let Some(actions) = &statement.actions {
                let remedy = format!(r#"write "Action": ["{CONNECT}"]"#);
                let wide = actions.items.iter().find(|word| word.text.contains(['*', '?']));
                match (actions.negated, wide) {
                    (true, _) => findings.push(
                        Finding::warning(
                            Rule::NotAction,
                            actions,
                            "NotAction: every action except those that are named",
                        )
                        .remedy(remedy),
                    ),
                    (false, Some(word)) => findings.push(
                        Finding::warning(Rule::ActionWide, word, quoted(&word.text))
                            .expected(CONNECT)
                            .remedy(remedy),
                    ),
                    (false, None) => {}
                }
            }
            findings.extend(resource::remarks(statement, self.database, self.variables(document), allowed));
        }
        findings
    }

    fn answer(
        self,
        documents: &[&Document],
        decision: &Decision<'_>,
        findings: &[Finding],
        invalid: Option<&str>,
    ) -> Answer {
        let database =
            self.subject.host.as_ref().map_or_else(|| "the database".to_owned(), ToString::to_string);
        let sentence = format!("The role can connect to {database} as {}", self.subject.user);
        let say = |says, why: String| Answer::new(Question::Connect, sentence, says, why);
        match (invalid, decision) {
            (Some(why), _) => say(AnswerKind::No, why.to_owned()),
            (None, Decision::Denied(_) | Decision::NotAllowed) => {
                say(AnswerKind::No, answer::codes(findings, Severity::Error))
            }
            (None, Decision::Unknown) => say(AnswerKind::Unknown, answer::open(findings)),
            (None, Decision::Allowed(by)) => {
                let names: Vec<String> = by.iter().map(|statement| statement.name()).collect();
                let provided = self.provided(documents, by);
                Answer {
                    provided,
                    ..say(AnswerKind::Yes, format!("allowed by {}", answer::listed(&names, "and")))
                }
            }
        }
    }

    /// Parts of the resources that could not be compared. Empty if one resource matches without them.
    fn provided(self, documents: &[&Document], by: &[&Statement]) -> Vec<String> {
        let variables = documents.iter().any(|d| d.variables).then_some(self.context);
        let mut ids: Vec<String> = Vec::new();
        let mut others: Vec<String> = Vec::new();
        for word in by.iter().filter_map(|s| s.resources.as_ref()).flat_map(|element| &element.items) {
            match fit(word, self.database, variables) {
                Ok(Match::Yes) => return Vec::new(),
                Ok(Match::If(parts)) => {
                    for part in parts {
                        match part {
                            Part::Id => ids.push(resource::id(word).to_owned()),
                            Part::Region => {
                                others.push(format!(
                                    "the Region of the database is {}",
                                    resource::field(word, 3)
                                ));
                            }
                            Part::Account => {
                                others.push(format!(
                                    "the database belongs to account {}",
                                    resource::field(word, 4)
                                ));
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        others.dedup();
        ids.dedup();
        let id = (!ids.is_empty()).then(|| {
            format!(
                "the Resource ID of the database is {} (compare with --resource-id)",
                answer::listed(&ids, "or")
            )
        });
        id.into_iter().chain(others).collect()
    }
}

/// Actions that were probably meant to be rds-db:connect.
fn slips(statement: &Statement) -> Vec<Finding> {
    if statement.covers_action(CONNECT) != Truth::No {
        return Vec::new();
    }
    let judge = |word: &Span| {
        let (lower, remedy) = (word.text.to_lowercase(), format!("write \"{CONNECT}\""));
        if CONFUSED.iter().any(|other| matches_ignoring_case(other, &lower)) {
            return Some(
                Finding::error(Rule::ConnectService, word, quoted(&word.text))
                    .expected(CONNECT)
                    .remedy(remedy),
            );
        }
        nearest(&lower, &[CONNECT])?;
        Some(Finding::error(Rule::ActionMisspelt, word, quoted(&word.text)).expected(CONNECT).remedy(remedy))
    };
    statement
        .actions
        .iter()
        .filter(|element| !element.negated)
        .flat_map(|e| &e.items)
        .filter_map(judge)
        .collect()
}
