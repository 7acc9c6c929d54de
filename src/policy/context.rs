//! The context of a request: the value of each condition key when ClickPipes sends it.
//!
//! Source: IAM User Guide, "AWS global condition context keys"; Service Authorization Reference, "AWS STS",
//! "Amazon RDS IAM Authentication"; RDS User Guide, limitations of IAM database authentication.

use std::collections::BTreeMap;

use super::subject::Subject;

/// The value of a key, as far as it can be known offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Known(Vec<String>),
    /// The request does not have the key.
    Absent,
    /// The request has it; its value is not known.
    Present,
    /// The value belongs to the network of ClickHouse and is not one that a customer would write.
    Foreign,
    Unknown,
}

/// Keys and their values. Other keys are unknown. Letter case of keys is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    states: BTreeMap<String, State>,
    /// Keys that the service ignores: whether a condition on them is met is not documented.
    pub ignored: &'static [&'static str],
}

/// "IAM database authentication ignores" these (RDS User Guide).
const IGNORED_BY_RDS: &[&str] =
    &["aws:Referer", "aws:SourceIp", "aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent", "aws:VpcSourceIp"];

impl Context {
    /// AssumeRole on the access role by a session of the ClickHouse service role, with session tags.
    ///
    /// The engine of ClickPipes sends a session name: no external id and no source identity. The session tags come from
    /// its own session; their names are not documented.
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

    /// `rds-db:connect` by a session of the access role.
    pub fn of_connect(subject: &Subject) -> Self {
        let mut context = Self { ignored: IGNORED_BY_RDS, ..Self::default() };
        context.a_role_session();
        if let Some(role) = &subject.access_role {
            context.set("aws:PrincipalArn", known(role.as_str()));
            context.set("aws:PrincipalAccount", known(role.account()));
        }
        // Session tags are tags of the principal. The role can have more tags.
        for tag in subject.tags.iter().flatten() {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), known(&tag.value));
        }
        context
    }

    /// Keys of every session of a role that a program assumed.
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

    /// The value of a key. `aws:RequestTag/*` is the entry for all other tags.
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
