//! Are these policies right for ClickPipes with RDS IAM authentication? Nothing is asked of AWS.
//!
//! A trust policy and the permission policies of the access role in; findings and one answer a question out.
//! Which document is which is seen from its content. What IAM would not save answers no; what cannot be
//! known from here answers unknown, and a yes never rests on it.

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

pub use answer::{Answer, Question, Says};
pub use finding::Severity;
pub use rule::Rule;

use crate::policy::{
    document::{Document, Kind},
    json::{Cursor, Place},
    subject::Subject,
    wrapping::{self, Wrapped},
};
use finding::Finding;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    pub file: String,
    pub text: String,
}

/// What was found out about the documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lint {
    pub answers: Vec<Answer>,
    pub documents: Vec<Examined>,
}

/// One document and what is wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Examined {
    pub file: String,
    /// Where in the file it stands, if something is around it: `Role.AssumeRolePolicyDocument`.
    pub path: Option<String>,
    /// `trust policy` or `permission policy`; null for what is no JSON.
    pub kind: Option<&'static str>,
    pub statements: usize,
    pub findings: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    pub code: &'static str,
    /// Finishes "this policy …".
    pub description: &'static str,
    pub severity: Severity,
    pub line: usize,
    pub column: usize,
    /// `Statement[0].Principal.AWS`
    pub path: String,
    pub expected: Option<String>,
    pub found: Option<String>,
    pub remedy: Option<String>,
}

impl Lint {
    /// ClickPipes would not be let in, or it cannot be told since a document cannot be read.
    pub fn fails(&self) -> bool {
        self.answers.iter().any(|answer| answer.answer == Says::No)
            || self.rows().any(|row| row.severity == Severity::Error)
    }

    /// There is something to look at all the same: warnings, or an answer that is unknown.
    pub fn warns(&self) -> bool {
        self.answers.iter().any(|answer| answer.answer == Says::Unknown)
            || self.rows().any(|row| row.severity != Severity::Error)
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.documents.iter().flat_map(|document| &document.findings)
    }
}

/// A document on its way.
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
pub fn lint(sources: &[Source], subject: &Subject) -> Lint {
    let mut drafts: Vec<Draft<'_>> = sources.iter().flat_map(read).collect();
    let mut answers = Vec::new();
    let several = drafts.iter().filter(|draft| draft.is(Kind::Trust)).count() > 1;
    for draft in drafts.iter_mut().filter(|draft| draft.is(Kind::Trust)) {
        let invalid = draft.invalid();
        let Some(document) = &draft.document else { continue };
        let (findings, mut answer) = trust::lint(document, subject, invalid.as_deref());
        if several {
            // A role has one: each is asked.
            answer.sentence = format!("by {}, {}", draft.source.file, answer.sentence);
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
            answers.push(not_asked(question, drafts.iter().find(|draft| draft.document.is_none())));
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
    Draft { source, path, document: has_statements.then_some(document), findings: finding::once(findings) }
}

/// Where the question itself left nothing to tell, the grammar has told it: a function of a template.
fn with_a_why(answer: Answer, findings: &[Finding]) -> Answer {
    match answer.why.is_empty() {
        true => Answer { why: answer::open(findings), ..answer },
        false => answer,
    }
}

/// No document of its kind was given, or none that could be read.
fn not_asked(question: Question, unread: Option<&Draft<'_>>) -> Answer {
    let (sentence, kind) = match question {
        Question::AssumeRole => ("ClickPipes may assume the role with a session tag", Kind::Trust),
        Question::Connect => ("the role may connect", Kind::Permission),
    };
    let (says, why) = match unread {
        Some(draft) => (Says::Unknown, format!("{} is no policy that can be read", draft.source.file)),
        None => (Says::NotAsked, format!("no {} was given", kind.name())),
    };
    Answer::new(question, sentence.to_owned(), says, why)
}

fn finish(draft: Draft<'_>) -> Examined {
    let mut found = finding::once(draft.findings);
    found.sort_by_key(|finding| finding.at);
    let mut cursor = Cursor::new(&draft.source.text);
    let row = |finding: Finding| {
        let given = |text: String| (!text.is_empty()).then_some(text);
        let Place { line, column } = cursor.place(finding.at);
        Row {
            code: finding.rule.code(),
            description: finding.rule.phrase(),
            severity: finding.severity,
            line,
            column,
            path: finding.path,
            expected: given(finding.expected),
            found: given(finding.found),
            remedy: given(finding.remedy),
        }
    };
    Examined {
        file: draft.source.file.clone(),
        path: (!draft.path.is_empty()).then_some(draft.path),
        kind: draft.document.as_ref().map(|document| document.kind.name()),
        statements: draft.document.as_ref().map_or(0, |document| document.statements.len()),
        findings: found.into_iter().map(row).collect(),
    }
}
