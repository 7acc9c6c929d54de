//! What the records of RDS and IAM say about a failure. They single out causes and rule others out; no row
//! passes or fails by them, so no verdict changes.

mod database;
mod permission;
mod trust;

use super::Observations;
use crate::{
    finding::{Candidate, CheckId, Finding, Outcome, printable},
    operator::{Found, Look, Role},
    policy::{
        document::{Document, Kind},
        subject::Subject,
        wrapping,
    },
    target::{RoleArn, Target},
};

/// One thing the records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about: `IAM authentication`.
    pub subject: &'static str,
    /// `Pass` where it is in order, `Fail` where it keeps ClickPipes out, `Warn` where it may, else `Unknown`.
    pub outcome: Outcome,
    pub cause: Option<&'static str>,
    pub found: String,
    pub remedy: Option<String>,
    /// Causes that cannot be, since it is in order.
    rules_out: &'static [&'static str],
}

impl Remark {
    fn new(subject: &'static str, outcome: Outcome, found: impl AsRef<str>) -> Self {
        let found = printable(found.as_ref());
        Self { subject, outcome, cause: None, found, remedy: None, rules_out: &[] }
    }

    fn pass(subject: &'static str, found: impl AsRef<str>) -> Self {
        Self::new(subject, Outcome::Pass, found)
    }

    fn unknown(subject: &'static str, found: impl AsRef<str>) -> Self {
        Self::new(subject, Outcome::Unknown, found)
    }

    fn fail(subject: &'static str, cause: &'static str, found: impl AsRef<str>) -> Self {
        Self { cause: Some(cause), ..Self::new(subject, Outcome::Fail, found) }
    }

    fn warn(subject: &'static str, cause: &'static str, found: impl AsRef<str>) -> Self {
        Self { cause: Some(cause), ..Self::new(subject, Outcome::Warn, found) }
    }

    #[must_use]
    fn remedy(self, remedy: impl AsRef<str>) -> Self {
        Self { remedy: Some(printable(remedy.as_ref())), ..self }
    }

    #[must_use]
    fn rules_out(self, causes: &'static [&'static str]) -> Self {
        Self { rules_out: causes, ..self }
    }

    /// What is wrong, and not merely unknown.
    fn is_wrong(&self) -> bool {
        matches!(self.outcome, Outcome::Fail | Outcome::Warn)
    }
}

/// What the look says, the database first. Nothing where nobody looked.
pub fn remarks(target: &Target, seen: &Observations) -> Vec<Remark> {
    let Some(look) = &seen.operator else { return Vec::new() };
    if let Some(asked) = look.asked.iter().find(|asked| asked.call == "credentials") {
        let words = asked.refused.as_deref().unwrap_or_default();
        return vec![
            Remark::unknown("operator", format!("no credentials of {}: {words}", asked.about))
                .remedy("check --explain-with-profile and --explain-with-role, and log in (`aws sso login`)"),
        ];
    }
    let mut remarks = database::remarks(target, look);
    match &look.role {
        Found::Here(role) => remarks.extend(of_role(target, seen, look, role)),
        Found::Nowhere => remarks.push(no_such_role(target)),
        Found::Unknown => {
            remarks.push(Remark::unknown("access role", refused(look, "iam:GetRole")));
        }
    }
    remarks
}

fn of_role(target: &Target, seen: &Observations, look: &Look, role: &Role) -> Vec<Remark> {
    let Some(wanted) = target.access.roles.last() else { return Vec::new() };
    if role.arn != wanted.as_str() {
        let found = format!("IAM has it as {}, and {wanted} was asked for", role.arn);
        let remedy = format!("set `iam_role` to {}", role.arn);
        return vec![Remark::fail("access role", "STS_NO_SUCH_ROLE", found).remedy(remedy)];
    }
    let subject = Subject {
        source_type: Some(target.source_type),
        host: Some(target.sign.host.clone()),
        region: Some(target.region.clone()),
        user: target.user.clone(),
        access_role: Some(wanted.clone()),
        service_role: None,
        tags: Some(target.access.tags.tags.clone()),
        external_id: target.access.external_id.is_some(),
        resource_id: look.database.here().and_then(database::resource_id).and_then(|id| id.parse().ok()),
    };
    let mut remarks = permission::remarks(&subject, role, look);
    remarks.push(trust::remark(target, seen, &subject, role));
    remarks
}

fn no_such_role(target: &Target) -> Remark {
    let role = target.access.roles.last();
    let (account, name) = role.map_or(("", ""), |role| (role.account(), role.name()));
    Remark::fail("access role", "STS_NO_SUCH_ROLE", format!("account {account} has no role {name}"))
        .remedy("correct `iam_role`: aws iam list-roles --query 'Roles[].Arn'")
}

/// AWS's words for a call that gave no answer.
fn refused(look: &Look, call: &str) -> String {
    let asked = look.asked.iter().find(|asked| asked.call == call && asked.refused.is_some());
    match asked.and_then(|asked| asked.refused.as_deref()) {
        Some(words) => format!("{call}: {words}"),
        None => format!("{call} told nothing"),
    }
}

/// Every call of a service that gave no answer, in AWS's words.
fn all_refused(look: &Look, calls: &[&str]) -> String {
    let refused = look.asked.iter().filter(|asked| calls.contains(&asked.call.as_str()));
    let words = refused.filter_map(|asked| Some(format!("{}: {}", asked.call, asked.refused.as_deref()?)));
    words.collect::<Vec<_>>().join("; ")
}

/// The documents in a text of IAM's; `None` where it is none that can be read.
fn documents(text: &str, kind: Kind) -> Option<Vec<Document>> {
    let read =
        |wrapped: &wrapping::Wrapped| Document { kind, ..Document::read(&wrapped.root, &wrapped.path) };
    let documents: Vec<Document> = wrapping::documents(text).ok()?.iter().map(read).collect();
    documents.iter().all(|document| !document.statements.is_empty()).then_some(documents)
}

/// Weighs what a failure could be by the records: what they single out comes first, what they rule out last.
pub(super) fn weigh(finding: Finding, target: &Target, seen: &Observations, remarks: &[Remark]) -> Finding {
    if finding.outcome != Outcome::Fail || remarks.is_empty() {
        return finding;
    }
    let singled: Vec<Candidate> = remarks
        .iter()
        .filter(|remark| remark.is_wrong())
        .filter_map(|remark| {
            let cause = remark.cause.filter(|cause| speaks_to(cause, &finding))?;
            let remedy = remark.remedy.clone().unwrap_or_default();
            Some(Candidate::new(cause, format!("the operator's look: {}", remark.found), remedy))
        })
        .chain(left_over(&finding, remarks))
        .collect();
    let mut candidates = singled;
    let (mut possible, mut ruled_out) = (Vec::new(), Vec::new());
    let id = seen.operator.as_ref().and_then(|look| look.database.here()).and_then(database::resource_id);
    for candidate in finding.candidates.clone() {
        let against = remarks.iter().find(|remark| remark.rules_out.contains(&candidate.cause));
        let remedy = match id {
            Some(id) => candidate.remedy.replace(target.resource_kind().placeholder(), id),
            None => candidate.remedy.clone(),
        };
        let candidate = Candidate { remedy, ..candidate };
        match against {
            _ if candidates.iter().any(|singled| says_more(singled.cause, candidate.cause)) => {}
            Some(remark) => {
                let because = format!("ruled out by the operator's look: {}", remark.found);
                ruled_out.push(Candidate { because, ..candidate });
            }
            None => possible.push(candidate),
        }
    }
    if let (false, true, Some(cause), Some(remedy)) =
        (candidates.is_empty(), finding.candidates.is_empty(), finding.cause, &finding.remedy)
        && !candidates.iter().any(|singled| singled.cause == cause)
    {
        possible.push(Candidate::new(cause, "what the row says by itself", remedy.clone()));
    }
    candidates.append(&mut possible);
    candidates.append(&mut ruled_out);
    match candidates.is_empty() {
        true => finding,
        false => finding.could_be(candidates),
    }
}

/// Whether what was singled out is the candidate, or the same said more exactly.
fn says_more(singled: &str, candidate: &str) -> bool {
    singled == candidate
        || match candidate {
            "TOKEN_NOT_ALLOWED" => matches!(singled, "TOKEN_OTHER_RESOURCE" | "TOKEN_POLICY_DENIES"),
            "AUTH_IAM_OFF" => singled == "AUTH_IAM_PENDING",
            "TOKEN_DENIED_ABOVE" => matches!(singled, "TOKEN_BOUNDARY_DENIES" | "TOKEN_POLICY_DENIES"),
            _ => false,
        }
}

/// Whether what is wrong on record can have made this row fail.
fn speaks_to(cause: &str, finding: &Finding) -> bool {
    const TOKEN_REFUSED: [&str; 2] = ["PG_TOKEN_REFUSED", "MYSQL_TOKEN_REFUSED"];
    const NOT_LET_IN: [&str; 4] =
        ["AUTH_NOT_IAM", "PG_PASSWORD_REFUSED", "MYSQL_USER_REFUSED", "MYSQL_PLUGIN_NOT_LOADED"];
    let failed = finding.cause.unwrap_or_default();
    match cause {
        "AUTH_IAM_OFF" | "AUTH_IAM_PENDING" => {
            TOKEN_REFUSED.contains(&failed) || NOT_LET_IN.contains(&failed)
        }
        "DB_NOT_AVAILABLE" => {
            matches!(finding.check, CheckId::Dial)
                || matches!(failed, "PG_NOT_READY" | "DB_TIMED_OUT" | "DB_CLOSED")
        }
        "PG_PENDING_REBOOT" => matches!(
            finding.check,
            CheckId::PostgresWalLevel
                | CheckId::PostgresLogicalReplication
                | CheckId::PostgresWalSenders
                | CheckId::PostgresReplicationSlots
        ),
        "MYSQL_PENDING_REBOOT" => {
            matches!(finding.check, CheckId::MysqlBinaryLog | CheckId::MysqlBinlogFormat | CheckId::MysqlGtid)
        }
        "MYSQL_BACKUPS_OFF" => finding.check == CheckId::MysqlBinaryLog,
        cause if cause.starts_with("TOKEN_") => TOKEN_REFUSED.contains(&failed),
        cause if cause.starts_with("STS_") => DENIED.contains(&failed),
        _ => false,
    }
}

const DENIED: [&str; 4] =
    ["STS_ASSUME_ROLE_DENIED", "STS_TAG_SESSION_DENIED", "STS_EXPLICIT_DENY", "STS_CALLER_NOT_ALLOWED"];

/// The role lets the caller in, and it was refused: then it is not the role.
fn left_over(finding: &Finding, remarks: &[Remark]) -> Option<Candidate> {
    let lets_in = remarks.iter().find(|r| r.subject == trust::SUBJECT && r.outcome == Outcome::Pass)?;
    if !matches!(finding.cause, Some("STS_ASSUME_ROLE_DENIED" | "STS_TAG_SESSION_DENIED")) {
        return None;
    }
    Some(Candidate::new(
        "STS_CALLER_NOT_ALLOWED",
        format!(
            "the operator's look: {}, so it is the caller's own policies, or one above both",
            lets_in.found
        ),
        "allow the caller \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on the role, in its own identity policy",
    ))
}

/// What came of the look, in a sentence.
pub fn conclusion(findings: &[Finding], remarks: &[Remark]) -> String {
    let mut singled: Vec<&str> = Vec::new();
    for cause in remarks.iter().filter(|remark| remark.is_wrong()).filter_map(|remark| remark.cause) {
        let speaks = findings.iter().any(|f| f.outcome == Outcome::Fail && speaks_to(cause, f));
        if speaks && !singled.contains(&cause) {
            singled.push(cause);
        }
    }
    let is_unknown = |remark: &Remark| remark.outcome == Outcome::Unknown;
    if remarks.iter().all(is_unknown) {
        return "what could be read tells nothing".to_owned();
    }
    let unknown = remarks.iter().any(is_unknown);
    let wrong = remarks.iter().any(Remark::is_wrong);
    match (singled.is_empty(), wrong, unknown) {
        (false, ..) => format!("it singles out {}", singled.join(", ")),
        (true, true, _) => "it found what should be looked at, and nothing that failed for it".to_owned(),
        (true, false, true) => "what could be read is in order; the rest is unknown".to_owned(),
        (true, false, false) => "everything that was read is in order".to_owned(),
    }
}

/// The ARN a role has, where only its session's is known: the session's does not have the path.
fn role_of_session(session: &str, named: &[RoleArn]) -> Option<RoleArn> {
    let parts: Vec<&str> = session.splitn(6, ':').collect();
    let ["arn", partition, "sts", _, account, resource] = parts[..] else { return None };
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    let same = |role: &&RoleArn| role.account() == account && role.name() == name;
    let pathless = || RoleArn::parse("caller", &format!("arn:{partition}:iam::{account}:role/{name}")).ok();
    named.iter().find(same).cloned().or_else(pathless)
}
