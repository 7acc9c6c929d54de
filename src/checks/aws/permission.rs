//! What the access role's policies, as IAM has them, say to `rds-db:connect`.

use super::{AwsEvidence, all_refused, documents};
use crate::checks::connection::login::token::{
    TOKEN_BOUNDARY_DENIES, TOKEN_NOT_ALLOWED, TOKEN_OTHER_RESOURCE, TOKEN_POLICY_DENIES,
};
use crate::{
    aws::{AwsRecords, Role},
    lint::{self, Row, Severity, Source},
    policy::{
        context::Context,
        database::Database,
        document::{Document, Kind},
        evaluate::{Decision, Request, decide},
        subject::Subject,
    },
};

const SUBJECT: &str = "permission policies";
const CONNECT: &str = "rds-db:connect";
const READING: [&str; 5] = [
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
];

pub(super) fn aws_evidence(subject: &Subject, role: &Role, records: &AwsRecords) -> Vec<AwsEvidence> {
    let (context, database) = (Context::of_connect(subject), Database::of(subject));
    let request = Request { action: CONNECT, caller: None, database: Some(&database), context: &context };
    let mut aws_evidence =
        vec![ConnectRequest { subject, role, records, database: &database }.evidence(request)];
    if let Some(boundary) = &role.boundary {
        let arn = &boundary.arn;
        let read = boundary.text.as_deref().and_then(|text| documents(text, Kind::Permission));
        let said = read.as_ref().map(|read| decide(&read.iter().collect::<Vec<_>>(), request));
        aws_evidence.push(match said {
            None => AwsEvidence::unknown(
                BOUNDARY,
                format!("{arn} could not be read: {}", all_refused(records, &READING)),
            ),
            Some(Decision::Allowed(_)) => {
                AwsEvidence::pass(BOUNDARY, format!("{arn} leaves {CONNECT} to it"))
            }
            Some(Decision::Unknown) => AwsEvidence::unknown(
                BOUNDARY,
                format!("what {arn} says to {CONNECT} cannot be known from here"),
            ),
            Some(Decision::Denied(_) | Decision::NotAllowed) => AwsEvidence::fail(
                BOUNDARY,
                &TOKEN_BOUNDARY_DENIES,
                format!("{arn} does not let the role have {CONNECT}"),
            )
            .remedy(format!("let that boundary allow {CONNECT} on {}", database.arn())),
        });
    }
    aws_evidence
}

const BOUNDARY: &str = "permissions boundary";

struct ConnectRequest<'a> {
    subject: &'a Subject,
    role: &'a Role,
    records: &'a AwsRecords,
    database: &'a Database,
}

impl ConnectRequest<'_> {
    fn evidence(&self, request: Request<'_>) -> AwsEvidence {
        let policies = &self.role.policies;
        let read: Vec<(&str, Vec<Document>)> = policies
            .iter()
            .filter_map(|p| Some((p.name.as_str(), documents(&p.text, Kind::Permission)?)))
            .collect();
        let complete = self.role.complete && read.len() == policies.len();
        let all: Vec<&Document> = read.iter().flat_map(|(_, documents)| documents).collect();
        let policy_of = |statement: &crate::policy::document::Statement| {
            let has = |d: &Document| d.statements.iter().any(|other| std::ptr::eq(other, statement));
            read.iter().find(|(_, d)| d.iter().any(has)).map_or("", |(name, _)| name)
        };
        let arn = self.database.arn();
        match decide(&all, request) {
            // A Deny wins over whatever could not be read.
            Decision::Denied(statement) => {
                let policy = policy_of(statement);
                let found = format!("{} of {policy} denies {CONNECT} on {arn}", statement.name());
                AwsEvidence::fail(SUBJECT, &TOKEN_POLICY_DENIES, found)
                    .remedy(format!("remove that statement from {policy}, or narrow it"))
            }
            Decision::Allowed(by) => {
                let who = by.first().map(|s| format!("{} of {}", s.name(), policy_of(s))).unwrap_or_default();
                match (&self.subject.resource_id, complete) {
                    (Some(_), true) => AwsEvidence::pass(SUBJECT, format!("{who} allows {CONNECT} on {arn}"))
                        .rules_out(&[&TOKEN_NOT_ALLOWED, &TOKEN_OTHER_RESOURCE, &TOKEN_POLICY_DENIES]),
                    (None, _) => AwsEvidence::unknown(
                        SUBJECT,
                        format!(
                            "{who} allows {CONNECT}; on which resource it must is not known: the resource id was not read"
                        ),
                    ),
                    (Some(_), false) => AwsEvidence::unknown(
                        SUBJECT,
                        format!(
                            "{who} allows {CONNECT}, unless a policy that was not read denies it ({})",
                            self.why_not_whole()
                        ),
                    ),
                }
            }
            Decision::NotAllowed if complete => self.not_allowed(),
            Decision::NotAllowed => {
                let found = format!(
                    "what was read does not allow {CONNECT}, and it is not all ({})",
                    self.why_not_whole()
                );
                AwsEvidence::unknown(SUBJECT, found)
            }
            Decision::Unknown => {
                let rows = self.rows();
                let why: Vec<String> = rows.iter().map(|row| row.1.code.to_owned()).collect();
                AwsEvidence::unknown(
                    SUBJECT,
                    format!("whether they allow {CONNECT} cannot be known from here: {}", why.join(", ")),
                )
            }
        }
    }

    fn why_not_whole(&self) -> String {
        match all_refused(self.records, &READING) {
            none if none.is_empty() => "a document cannot be read".to_owned(),
            refused => refused,
        }
    }

    /// What is wrong about the resource, the action or a condition: IAM has saved the documents, so their
    /// grammar is not in question.
    fn rows(&self) -> Vec<(String, Row)> {
        let source = |p: &crate::aws::Policy| Source { file: p.name.clone(), text: p.text.clone() };
        let sources: Vec<Source> = self.role.policies.iter().map(source).collect();
        let examined = lint::lint(&sources, self.subject).documents;
        let of = |document: lint::JudgedDocument| {
            let file = document.file.clone();
            document.findings.into_iter().map(move |row| (file.clone(), row))
        };
        let says = |row: &Row| {
            row.severity != Severity::Warning
                && [
                    "POLICY_CONNECT",
                    "POLICY_RESOURCE",
                    "POLICY_CONDITION",
                    "POLICY_VARIABLE",
                    "POLICY_NOT_RESOURCE",
                    "POLICY_ACTION_MISSPELT",
                ]
                .iter()
                .any(|code| row.code.starts_with(code))
        };
        examined.into_iter().flat_map(of).filter(|(_, row)| says(row)).collect()
    }

    fn not_allowed(&self) -> AwsEvidence {
        let arn = self.database.arn();
        let rows = self.rows();
        let Some((policy, row)) = rows.first() else {
            let found = match self.role.policies.len() {
                0 => "the role has no policy".to_owned(),
                n => format!("none of its {n} policies allows {CONNECT}"),
            };
            return AwsEvidence::fail(SUBJECT, &TOKEN_NOT_ALLOWED, found).remedy(format!(
                "let one allow {CONNECT} on {arn} (pipeprobe setup --only connect-policy prints it)"
            ));
        };
        let remedy = match &row.remedy {
            Some(remedy) => format!("in {policy}, {}: {remedy}", row.path),
            None => format!("let {policy} allow {CONNECT} on {arn}"),
        };
        let others =
            rows.iter().all(|(_, row)| matches!(row.code, "POLICY_RESOURCE_ID" | "POLICY_RESOURCE_ID_KIND"));
        if let (true, Some(id)) = (others, &self.subject.resource_id) {
            let mut ids: Vec<&str> = rows.iter().map(|(_, row)| &*row.found).collect();
            ids.dedup();
            let found = format!("{policy} allows {CONNECT} on {}, and this database is {id}", ids.join(", "));
            return AwsEvidence::fail(SUBJECT, &TOKEN_OTHER_RESOURCE, found).remedy(remedy);
        }
        let says = |(policy, row): &(String, Row)| {
            let expected = match row.expected.is_empty() {
                true => String::new(),
                false => format!(", expected {}", row.expected),
            };
            format!("{policy} {} ({}): found {}{expected}", row.path, row.code, row.found)
        };
        let found: Vec<String> = rows.iter().take(3).map(says).collect();
        let found = format!("none allows {CONNECT} on {arn}: {}", found.join("; "));
        AwsEvidence::fail(SUBJECT, &TOKEN_NOT_ALLOWED, found).remedy(remedy)
    }
}
