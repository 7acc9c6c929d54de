//! Offline check of the access role's policies for ClickPipes with RDS IAM authentication. Does not call AWS.
//!
//! Input: a trust policy and the permission policies of the role, recognized by their content. Output: findings, and one
//! answer for each question. If IAM rejects a document, the answer is no. If something cannot be known offline, the answer
//! is unknown, never yes.

mod answer;
mod characters;
mod condition;
mod finding;
mod grammar;
mod near;
mod permission;
mod rule;
mod trust;

use serde::Serialize;

pub use answer::{Answer, AnswerKind, Question};
pub use finding::Severity;
pub use rule::Rule;

use crate::evidence::Diagnostic;
use crate::policy::{
    document::{Document, Kind},
    json::{Cursor, Position},
    subject::Subject,
    wrapping::{self, Wrapped},
};
use finding::{BrokenRule, Finding};

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    pub file: String,
    pub text: String,
}

/// The result for all documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lint {
    pub answers: Vec<Answer>,
    pub documents: Vec<JudgedDocument>,
}

/// One document and its findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JudgedDocument {
    pub file: String,
    /// Position in the file if the document is part of another one: `Role.AssumeRolePolicyDocument`.
    pub path: Option<String>,
    /// `trust policy` or `permission policy`; null if it is not JSON.
    pub kind: Option<&'static str>,
    pub statements: usize,
    pub findings: Vec<Row>,
}

/// A finding.
pub type Row = Diagnostic<RulePlace>;

/// A rule that a document breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RulePlace {
    pub code: &'static str,
    /// Title of the rule.
    pub description: &'static str,
    pub severity: Severity,
    pub line: usize,
    pub column: usize,
    /// `Statement[0].Principal.AWS`
    pub path: String,
}

impl Lint {
    /// ClickPipes is not allowed to connect, or a document cannot be read.
    pub fn fails(&self) -> bool {
        self.answers.iter().any(|answer| answer.answer == AnswerKind::No)
            || self.rows().any(|row| row.severity == Severity::Error)
    }

    /// Warnings, or an answer that is unknown.
    pub fn warns(&self) -> bool {
        self.answers.iter().any(|answer| answer.answer == AnswerKind::Unknown)
            || self.rows().any(|row| row.severity != Severity::Error)
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.documents.iter().flat_map(|document| &document.findings)
    }
}

/// A document that is being judged.
struct Draft<'a> {
    source: &'a Source,
    path: String,
    document: Option<Document>,
    findings: Vec<Finding>,
}

impl Draft<'_> {
    fn is(&self, kind: Kind) -> bool {
        self.document.as_ref().is_some_and(|document| document.kind == kind)
    }

    /// Why IAM rejects it, if it does.
    fn invalid(&self) -> Option<String> {
        answer::rejected(&self.findings)
    }
}

/// Judges every document of every file.
///
/// ```
/// use pipeprobe::{lint::{self, AnswerKind, Question, Source}, policy::subject::Subject};
///
/// let trust = r#"{
///     "Version": "2012-10-17",
///     "Statement": {
///         "Effect": "Allow",
///         "Principal": { "AWS": "arn:aws:iam::999988887777:role/CH-S3-service" },
///         "Action": "sts:AssumeRole"
///     }
/// }"#;
/// let subject = Subject {
///     source_type: None,
///     host: None,
///     region: None,
///     user: "clickpipes_iam_user".parse()?,
///     access_role: None,
///     service_role: None,
///     tags: None,
///     external_id: false,
///     resource_id: None,
/// };
/// let lint = lint::lint(&[Source { file: "trust.json".into(), text: trust.into() }], &subject);
/// let answer = lint.answers.iter().find(|answer| answer.question == Question::AssumeRole).unwrap();
/// assert_eq!(answer.answer, AnswerKind::No);
/// assert!(lint.rows().any(|row| row.code == "POLICY_TAG_SESSION"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lint(sources: &[Source], subject: &Subject) -> Lint {
    let mut drafts: Vec<Draft<'_>> = sources.iter().flat_map(read).collect();
    let mut answers = Vec::new();
    let several = drafts.iter().filter(|draft| draft.is(Kind::Trust)).count() > 1;
    for draft in drafts.iter_mut().filter(|draft| draft.is(Kind::Trust)) {
        let invalid = draft.invalid();
        let Some(document) = &draft.document else { continue };
        let (findings, mut answer) = trust::lint(document, subject, invalid.as_deref());
        if several {
            // A role has one trust policy, so each is judged alone.
            answer.sentence = format!("{}: {}", draft.source.file, answer.sentence);
        }
        draft.findings.extend(findings);
        answers.push(with_a_why(answer, &draft.findings));
    }
    let invalid = drafts.iter().filter(|draft| draft.is(Kind::Permission)).find_map(Draft::invalid);
    let documents: Vec<Document> =
        drafts.iter().filter(|d| d.is(Kind::Permission)).filter_map(|d| d.document.clone()).collect();
    if !documents.is_empty() {
        let (findings, answer) =
            permission::lint(&documents.iter().collect::<Vec<_>>(), subject, invalid.as_deref());
        let mut all = Vec::new();
        for (draft, findings) in drafts.iter_mut().filter(|d| d.is(Kind::Permission)).zip(findings) {
            draft.findings.extend(findings);
            all.extend(draft.findings.clone());
        }
        answers.push(with_a_why(answer, &all));
    }
    for question in [Question::AssumeRole, Question::Connect] {
        if !answers.iter().any(|answer| answer.question == question) {
            answers.push(not_checked(question, drafts.iter().find(|draft| draft.document.is_none())));
        }
    }
    answers.sort_by_key(|answer| answer.question as u8);
    Lint { answers, documents: drafts.into_iter().map(finish).collect() }
}

fn read(source: &Source) -> Vec<Draft<'_>> {
    match wrapping::documents(&source.text) {
        Ok(found) => found.into_iter().map(|wrapped| draft(source, wrapped)).collect(),
        Err(error) => {
            let findings = vec![characters::syntax(&source.text, &error)];
            vec![Draft { source, path: String::new(), document: None, findings }]
        }
    }
}

fn draft(source: &Source, Wrapped { path, root }: Wrapped) -> Draft<'_> {
    let document = Document::read(&root, &path);
    let mut findings = characters::lint(&root, &path);
    findings.extend(grammar::lint(&root, &path, document.kind));
    let has_statements = !document.statements.is_empty();
    Draft {
        source,
        path,
        document: has_statements.then_some(document),
        findings: finding::deduplicated(findings),
    }
}

/// If no rule for the question explains the answer, a grammar finding does: a function of a template.
fn with_a_why(answer: Answer, findings: &[Finding]) -> Answer {
    match answer.why.is_empty() {
        true => Answer { why: answer::open(findings), ..answer },
        false => answer,
    }
}

/// No document of the kind was given, or it could not be read.
fn not_checked(question: Question, unread: Option<&Draft<'_>>) -> Answer {
    let (sentence, kind) = match question {
        Question::AssumeRole => (answer::ASSUME_ROLE, Kind::Trust),
        Question::Connect => ("The role can connect to the database", Kind::Permission),
    };
    let (says, why) = match unread {
        Some(draft) => (AnswerKind::Unknown, format!("{} cannot be read as a policy", draft.source.file)),
        None => (AnswerKind::NotChecked, format!("no {} was given", kind.name())),
    };
    Answer::new(question, sentence.to_owned(), says, why)
}

fn finish(draft: Draft<'_>) -> JudgedDocument {
    let mut found = finding::deduplicated(draft.findings);
    found.sort_by_key(|finding| finding.at);
    let mut cursor = Cursor::new(&draft.source.text);
    let row = |finding: Finding| {
        let Position { line, column } = cursor.position(finding.at);
        finding.about(|BrokenRule { rule, severity, path, .. }| RulePlace {
            code: rule.code(),
            description: rule.title(),
            severity,
            line,
            column,
            path,
        })
    };
    JudgedDocument {
        file: draft.source.file.clone(),
        path: (!draft.path.is_empty()).then_some(draft.path),
        kind: draft.document.as_ref().map(|document| document.kind.name()),
        statements: draft.document.as_ref().map_or(0, |document| document.statements.len()),
        findings: found.into_iter().map(row).collect(),
    }
}
