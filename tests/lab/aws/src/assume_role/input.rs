//! Input of AssumeRole, and the constraints of AWS's model.
//!
//! Source: the STS service model of 2011-06-15. One response lists every broken constraint, as in AWS.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::session::{Tag, same_key};
use crate::world::Arn;

/// Decoded pairs of the form, in order.
pub(crate) type Form = [(String, String)];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) role_arn: String,
    pub(crate) session_name: String,
    /// Seconds.
    pub(crate) duration: Option<u32>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) transitive: Vec<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<String>,
}

const NAME: &str = r"[\w+=,.@-]*";
const EXTERNAL_ID: &str = r"[\w+=,.@:\/-]*";
const TAG: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+";

impl Input {
    /// # Errors
    /// `ValidationError` for broken constraints and a role ARN that is none; `InvalidParameterValue` for tags that
    /// contradict each other; `MalformedInput` for a duration that is not a number.
    pub(crate) fn read(form: &Form) -> Result<Self, ApiError> {
        let one = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let mut broken = Broken::default();

        let role_arn = broken.required("roleArn", one("RoleArn"));
        broken.length("roleArn", &role_arn, 20, 2048);
        let session_name = broken.required("roleSessionName", one("RoleSessionName"));
        broken.length("roleSessionName", &session_name, 2, 64);
        broken.pattern("roleSessionName", &session_name, NAME, |c| is_word(c) || "+=,.@-".contains(c));

        let external_id = one("ExternalId");
        if let Some(id) = &external_id {
            broken.length("externalId", id, 2, 1224);
            broken.pattern("externalId", id, EXTERNAL_ID, |c| is_word(c) || "+=,.@:/-".contains(c));
        }
        let source_identity = one("SourceIdentity");
        if let Some(identity) = &source_identity {
            broken.length("sourceIdentity", identity, 2, 64);
            broken.pattern("sourceIdentity", identity, NAME, |c| is_word(c) || "+=,.@-".contains(c));
        }
        let policy = one("Policy");
        if let Some(policy) = &policy {
            broken.length("policy", policy, 1, 2048);
        }
        let duration = match one("DurationSeconds") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                ApiError::new(400, "MalformedInput", "DurationSeconds is not a number that fits an integer")
            })?),
        };
        if let Some(seconds) = duration {
            broken.range("durationSeconds", seconds, 900, 43_200);
        }

        let tags = broken.tags(form);
        let transitive: Vec<_> = members(form, "TransitiveTagKeys.member.")
            .into_values()
            .filter_map(|mut fields| fields.remove(""))
            .collect();
        broken.count("transitiveTagKeys", transitive.len(), 50);
        let policy_arns: Vec<_> = members(form, "PolicyArns.member.")
            .into_values()
            .filter_map(|mut fields| fields.remove("arn"))
            .collect();
        broken.count("policyArns", policy_arns.len(), 10);
        broken.into_result()?;

        if Arn::iam(&role_arn, "role/").is_none() {
            return Err(ApiError::validation(format!("{role_arn} is invalid")));
        }
        check_tags(&tags, &transitive)?;
        Ok(Self {
            role_arn,
            session_name,
            duration,
            tags,
            transitive,
            external_id,
            source_identity,
            policy,
            policy_arns,
        })
    }
}

/// Constraints on all tags together. The refusal of the prefix is documented; its wording is ours.
fn check_tags(tags: &[Tag], transitive: &[String]) -> Result<(), ApiError> {
    let invalid = |message: &str| Err(ApiError::new(400, "InvalidParameterValue", message));
    for (index, tag) in tags.iter().enumerate() {
        if tags[..index].iter().any(|earlier| same_key(&earlier.key, &tag.key)) {
            return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
        }
        if tag.key.to_lowercase().starts_with("aws:") {
            return invalid("Tag keys that begin with aws: are reserved for AWS.");
        }
    }
    if transitive.iter().any(|key| !tags.iter().any(|tag| same_key(&tag.key, key))) {
        return invalid("The specified transitive tag key must be included in the requested tags.");
    }
    Ok(())
}

/// `Tags.member.1.Key=a&Tags.member.1.Value=b` as `{1: {Key: a, Value: b}}`; a bare member's field is the empty name.
fn members(form: &Form, prefix: &str) -> BTreeMap<u32, BTreeMap<String, String>> {
    let mut members = BTreeMap::<u32, BTreeMap<String, String>>::new();
    for (name, value) in form {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
        if let Ok(number) = number.parse() {
            members.entry(number).or_default().insert(field.to_owned(), value.clone());
        }
    }
    members
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// `\p{L}\p{Z}\p{N}` and a few signs. Rust's alphabetic is a little more than `\p{L}`: it has the vowel signs too.
fn is_tag_char(char: char) -> bool {
    let separator = matches!(
        char,
        ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    );
    separator || char.is_alphabetic() || char.is_numeric() || "_.:/=+-@".contains(char)
}

/// Broken constraints, in AWS's wording.
#[derive(Debug, Default)]
struct Broken(Vec<String>);

impl Broken {
    fn say(&mut self, value: &str, field: &str, constraint: &str) {
        self.0.push(format!(
            "Value '{value}' at '{field}' failed to satisfy constraint: Member must {constraint}"
        ));
    }

    fn required(&mut self, field: &str, value: Option<String>) -> String {
        if value.is_none() {
            self.0.push(format!(
                "Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ));
        }
        value.unwrap_or_default()
    }

    fn length(&mut self, field: &str, value: &str, least: usize, most: usize) {
        let length = value.chars().count();
        if length < least && !self.missing(field) {
            self.say(value, field, &format!("have length greater than or equal to {least}"));
        }
        if length > most {
            self.say(value, field, &format!("have length less than or equal to {most}"));
        }
    }

    fn pattern(&mut self, field: &str, value: &str, pattern: &str, allowed: impl Fn(char) -> bool) {
        if !value.chars().all(allowed) {
            self.say(value, field, &format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    fn range(&mut self, field: &str, value: u32, least: u32, most: u32) {
        if value < least {
            self.say(&value.to_string(), field, &format!("have value greater than or equal to {least}"));
        }
        if value > most {
            self.say(&value.to_string(), field, &format!("have value less than or equal to {most}"));
        }
    }

    fn count(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.say(
                &format!("[{count} members]"),
                field,
                &format!("have length less than or equal to {most}"),
            );
        }
    }

    fn tags(&mut self, form: &Form) -> Vec<Tag> {
        let members = members(form, "Tags.member.");
        self.count("tags", members.len(), 50);
        let mut tags = Vec::new();
        for (number, mut fields) in members {
            let (at_key, at_value) =
                (format!("tags.{number}.member.key"), format!("tags.{number}.member.value"));
            let key = self.required(&at_key, fields.remove("Key"));
            self.length(&at_key, &key, 1, 128);
            self.pattern(&at_key, &key, TAG, is_tag_char);
            let value = self.required(&at_value, fields.remove("Value"));
            self.length(&at_value, &value, 0, 256);
            self.pattern(&at_value, &value, TAG, is_tag_char);
            tags.push(Tag { key, value });
        }
        tags
    }

    /// A field that was not sent has been complained about already.
    fn missing(&self, field: &str) -> bool {
        self.0.iter().any(|said| said.starts_with(&format!("Value null at '{field}'")))
    }

    fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::constraints(&self.0)) }
    }
}
