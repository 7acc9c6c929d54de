//! The context of a request: what each condition key holds when ClickPipes asks.
//!
//! Source: IAM User Guide, "AWS global condition context keys"; Service Authorization Reference, "AWS STS",
//! "Amazon RDS IAM Authentication"; RDS User Guide, limitations of IAM database authentication.

use std::collections::BTreeMap;

use super::subject::Subject;

/// What a key holds, as far as it can be known from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Known(Vec<String>),
    /// The request does not have the key.
    Absent,
    /// The request has it; its value is not known.
    Present,
    /// Whatever it is, it belongs to ClickHouse's network and is not what a customer would write.
    Foreign,
    Unknown,
}

/// Keys and what they hold; what is not in it is unknown. Keys ignore case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    states: BTreeMap<String, State>,
    /// Keys the service does not look at: whether a condition on them then holds is not documented.
    pub ignored: &'static [&'static str],
}

/// "IAM database authentication ignores" these (RDS User Guide).
const IGNORED_BY_RDS: &[&str] =
    &["aws:Referer", "aws:SourceIp", "aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent", "aws:VpcSourceIp"];

impl Context {
    /// Of AssumeRole on the access role, by a session of the ClickHouse service role, with a session tag.
    ///
    /// ClickPipes' engine sends a session name and nothing else: no external id, no source identity. Its
    /// tags come with its own session, and which they are is not documented.
    pub fn of_assume_role(subject: &Subject) -> Self {
        let mut context = Self::default();
        context.a_role_session();
        for key in ["sts:ExternalId", "sts:SourceIdentity", "aws:SourceIdentity", "aws:FederatedProvider"] {
            context.set(key, State::Absent);
        }
        for key in ["aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp", "aws:SourceVpcArn"] {
            context.set(key, State::Foreign);
        }
        context.set("aws:SecureTransport", known("true"));
        context.set("sts:RoleSessionName", State::Present);
        match &subject.tags {
            Some(tags) => {
                context.set("aws:TagKeys", State::Known(tags.iter().map(|tag| tag.key.clone()).collect()));
                context.set("aws:RequestTag/*", State::Absent);
                for tag in tags {
                    context.set(&format!("aws:RequestTag/{}", tag.key), known(&tag.value));
                }
            }
            None => context.set("aws:TagKeys", State::Present),
        }
        if let Some(role) = &subject.service_role {
            context.set("aws:PrincipalArn", known(role.as_str()));
            context.set("aws:PrincipalAccount", known(role.account()));
        }
        if let Some(role) = &subject.access_role {
            context.set("aws:ResourceAccount", known(role.account()));
        }
        context
    }

    /// Of `rds-db:connect`, by a session of the access role.
    pub fn of_connect(subject: &Subject) -> Self {
        let mut context = Self { ignored: IGNORED_BY_RDS, ..Self::default() };
        context.a_role_session();
        if let Some(role) = &subject.access_role {
            context.set("aws:PrincipalArn", known(role.as_str()));
            context.set("aws:PrincipalAccount", known(role.account()));
        }
        // Tags of the session are tags of the principal; the role may have others of its own.
        for tag in subject.tags.iter().flatten() {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), known(&tag.value));
        }
        context
    }

    /// What holds of every session of a role that a program assumed.
    fn a_role_session(&mut self) {
        self.set("aws:PrincipalType", known("AssumedRole"));
        self.set("aws:MultiFactorAuthPresent", known("false"));
        self.set("aws:MultiFactorAuthAge", State::Absent);
        self.set("aws:PrincipalIsAWSService", known("false"));
        self.set("aws:PrincipalServiceName", State::Absent);
        self.set("aws:ViaAWSService", known("false"));
        self.set("aws:username", State::Absent);
    }

    pub fn set(&mut self, key: &str, state: State) {
        self.states.insert(key.to_lowercase(), state);
    }

    /// What the key holds; `aws:RequestTag/*` stands for the tags not named.
    pub fn state(&self, key: &str) -> State {
        let key = key.to_lowercase();
        let others = || self.states.get(&format!("{}/*", key.split_once('/')?.0));
        self.states.get(&key).or_else(others).cloned().unwrap_or(State::Unknown)
    }

    pub fn ignores(&self, key: &str) -> bool {
        self.ignored.iter().any(|ignored| ignored.eq_ignore_ascii_case(key))
    }
}

fn known(value: &str) -> State {
    State::Known(vec![value.to_owned()])
}
