//! One condition of a statement: an operator, a key and the accepted values.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators", "multivalued context keys".

use std::net::IpAddr;

use super::{
    Truth, all, any,
    context::{Context, State},
    document::Span,
    pattern::{self, Expanded},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As written: `ForAnyValue:StringLikeIfExists`.
    pub operator: String,
    pub key: String,
    /// Byte offset of the key.
    pub at: usize,
    pub path: String,
    pub values: Vec<Span>,
}

/// The parts of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    set: Set,
    if_exists: bool,
    negated: bool,
    test: Test,
}

/// How several values of the request are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    One,
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Arn,
    Bool,
    IpAddress,
    Null,
    /// Numbers, dates and binary values. No key that is known offline has such a value.
    Ordered,
    Text,
    TextIgnoringCase,
    TextLike,
}

impl Operator {
    fn parse(name: &str) -> Option<Self> {
        let (set, rest) = match name.split_once(':') {
            None => (Set::One, name),
            Some(("ForAllValues", rest)) => (Set::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Set::ForAnyValue, rest),
            Some(_) => return None,
        };
        let (word, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |word| (word, true));
        let (test, negated) = match word {
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            "BinaryEquals" => (Test::Ordered, false),
            "Bool" => (Test::Bool, false),
            "IpAddress" => (Test::IpAddress, false),
            "NotIpAddress" => (Test::IpAddress, true),
            "Null" if !if_exists => (Test::Null, false),
            "StringEquals" => (Test::Text, false),
            "StringEqualsIgnoreCase" => (Test::TextIgnoringCase, false),
            "StringLike" => (Test::TextLike, false),
            "StringNotEquals" => (Test::Text, true),
            "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase, true),
            "StringNotLike" => (Test::TextLike, true),
            _ => {
                let order = word.strip_prefix("Numeric").or_else(|| word.strip_prefix("Date"))?;
                let orders =
                    ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];
                orders.contains(&order).then_some((Test::Ordered, order == "NotEquals"))?
            }
        };
        Some(Self { set, if_exists, negated, test })
    }
}

/// Whether IAM knows the operator.
pub fn is_operator(name: &str) -> bool {
    Operator::parse(name).is_some()
}

impl Condition {
    /// Whether a request meets it. `variables`: whether `${…}` in the values is replaced.
    pub fn holds(&self, context: &Context, variables: bool) -> Truth {
        let Some(operator) = Operator::parse(&self.operator) else { return Truth::Unknown };
        if context.ignores(&self.key) {
            return Truth::Unknown;
        }
        let state = context.state(&self.key);
        if operator.test == Test::Null {
            return self.null(&state);
        }
        let absent = match operator.set {
            Set::ForAllValues => Truth::Yes,
            Set::ForAnyValue => operator.if_exists.into(),
            Set::One => (operator.if_exists || operator.negated).into(),
        };
        let variables = variables.then_some(context);
        match state {
            State::Known(found) if !found.is_empty() => {
                let fits = |value: &String| {
                    let one_of =
                        any(self.values.iter().map(|w| operator.test.fits(&w.text, value, variables)));
                    if operator.negated { !one_of } else { one_of }
                };
                match operator.set {
                    Set::ForAllValues => all(found.iter().map(fits)),
                    Set::ForAnyValue | Set::One => any(found.iter().map(fits)),
                }
            }
            State::Known(_) | State::Absent => absent,
            State::Present => self.of_some_value(operator),
            // If the key exists, its value is not one that a customer would write.
            State::Foreign if self.takes_anything(operator.test) => Truth::Unknown,
            State::Foreign => {
                let there = Truth::from(operator.negated);
                if there == absent { there } else { Truth::Unknown }
            }
            State::Unknown if self.only_private_addresses(operator) => {
                // AWS sees a public address, or (through a VPC endpoint) no aws:SourceIp at all.
                let there = Truth::from(operator.negated);
                if there == absent { there } else { Truth::Unknown }
            }
            State::Unknown => Truth::Unknown,
        }
    }

    /// `"true"`: the key must not exist; `"false"`: it must exist.
    fn null(&self, state: &State) -> Truth {
        let there = match state {
            State::Known(values) => Truth::from(!values.is_empty()),
            State::Absent => Truth::No,
            State::Present => Truth::Yes,
            State::Foreign | State::Unknown => Truth::Unknown,
        };
        any(self.values.iter().map(|value| match value.text.to_ascii_lowercase().as_str() {
            "true" => !there,
            "false" => there,
            _ => Truth::Unknown,
        }))
    }

    /// The key has a value that is not known.
    fn of_some_value(&self, operator: Operator) -> Truth {
        match self.takes_anything(operator.test) {
            true => Truth::from(!operator.negated),
            false => Truth::Unknown,
        }
    }

    fn takes_anything(&self, test: Test) -> bool {
        let stars = |word: &Span| !word.text.is_empty() && word.text.chars().all(|c| c == '*');
        test == Test::TextLike && self.values.iter().any(stars)
    }

    fn only_private_addresses(&self, operator: Operator) -> bool {
        operator.test == Test::IpAddress
            && self.key.eq_ignore_ascii_case("aws:SourceIp")
            && !self.values.is_empty()
            && self.values.iter().all(|value| is_private(&value.text))
    }
}

/// A private address or range (RFC 1918, RFC 4193). AWS never sees it as the source address of a public caller.
fn is_private(range: &str) -> bool {
    let (address, length) = range.split_once('/').unwrap_or((range, "128"));
    let Ok(length) = length.parse::<u8>() else { return false };
    match address.parse() {
        Ok(IpAddr::V4(v4)) => {
            let shortest = match v4.octets() {
                [10, ..] => 8,
                [172, ..] => 12,
                _ => 16,
            };
            v4.is_private() && length >= shortest
        }
        Ok(IpAddr::V6(v6)) => v6.is_unique_local() && length >= 7,
        Err(_) => false,
    }
}

impl Test {
    /// Whether a value of the request matches a value of the policy.
    fn fits(self, expected: &str, found: &str, variables: Option<&Context>) -> Truth {
        let expected = match pattern::expand(expected, variables) {
            Expanded::Pattern(expected) => expected,
            Expanded::Nothing => return Truth::No,
            Expanded::Unknown => return Truth::Unknown,
        };
        match self {
            Self::Arn => pattern::matches_arn(&expected, found).into(),
            Self::Bool => expected.eq_ignore_ascii_case(found).into(),
            Self::Text => (expected == found).into(),
            Self::TextIgnoringCase => (expected.to_lowercase() == found.to_lowercase()).into(),
            Self::TextLike => pattern::matches(&expected, found).into(),
            Self::IpAddress | Self::Null | Self::Ordered => Truth::Unknown,
        }
    }
}
