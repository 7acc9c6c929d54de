//! One condition of a statement: an operator, a key, the values it may have.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "multivalued context keys".

use std::net::IpAddr;

use jiff::Timestamp;

use crate::pattern::Pattern;
use crate::policy::Context;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    set: Set,
    if_exists: bool,
    operator: Operator,
    pub(crate) key: String,
    values: Vec<String>,
}

/// How several values in the request are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Plain,
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Null,
    Test { test: Test, negated: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Arn,
    Bool,
    Date(Order),
    IpAddress,
    Numeric(Order),
    String,
    StringIgnoringCase,
    StringLike,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Reads `ForAnyValue:StringLikeIfExists` and its kin.
    ///
    /// # Errors
    /// Names the operator if it is not one of IAM's, or is one this crate does not have.
    pub(crate) fn new(name: &str, key: &str, values: Vec<String>) -> Result<Self, String> {
        let (set, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Set::ForAllValues, rest),
            Some(("ForAnyValue", rest)) => (Set::ForAnyValue, rest),
            _ => (Set::Plain, name),
        };
        let (rest, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |rest| (rest, true));
        let operator = Operator::new(rest).ok_or_else(|| format!("unknown condition operator {name}"))?;
        Ok(Self { set, if_exists, operator, key: key.to_owned(), values })
    }

    /// `variables`: whether `${…}` in the policy's values is filled in.
    pub(crate) fn holds(&self, context: &Context, variables: bool) -> bool {
        let found = context.get(&self.key);
        let Operator::Test { test, negated } = self.operator else {
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == found.is_empty());
        };
        if found.is_empty() {
            return match self.set {
                Set::ForAllValues => true,
                Set::ForAnyValue => self.if_exists,
                Set::Plain => self.if_exists || negated,
            };
        }
        let variables = variables.then_some(context);
        let fits = |value: &String| {
            let one_of = self.values.iter().any(|wanted| test.holds(wanted, value, variables));
            one_of != negated
        };
        match self.set {
            Set::ForAllValues => found.iter().all(fits),
            Set::ForAnyValue | Set::Plain => found.iter().any(fits),
        }
    }
}

impl Operator {
    fn new(name: &str) -> Option<Self> {
        let plain = |test| Self::Test { test, negated: false };
        let not = |test| Self::Test { test, negated: true };
        Some(match name {
            "Null" => Self::Null,
            "Bool" => plain(Test::Bool),
            "ArnEquals" | "ArnLike" => plain(Test::Arn),
            "ArnNotEquals" | "ArnNotLike" => not(Test::Arn),
            "IpAddress" => plain(Test::IpAddress),
            "NotIpAddress" => not(Test::IpAddress),
            "StringEquals" => plain(Test::String),
            "StringNotEquals" => not(Test::String),
            "StringEqualsIgnoreCase" => plain(Test::StringIgnoringCase),
            "StringNotEqualsIgnoreCase" => not(Test::StringIgnoringCase),
            "StringLike" => plain(Test::StringLike),
            "StringNotLike" => not(Test::StringLike),
            "DateNotEquals" => not(Test::Date(Order::Equals)),
            "NumericNotEquals" => not(Test::Numeric(Order::Equals)),
            _ => {
                let (make, order): (fn(Order) -> Test, _) = match name.strip_prefix("Numeric") {
                    Some(order) => (Test::Numeric, order),
                    None => (Test::Date, name.strip_prefix("Date")?),
                };
                plain(make(match order {
                    "Equals" => Order::Equals,
                    "LessThan" => Order::Less,
                    "LessThanEquals" => Order::LessOrEqual,
                    "GreaterThan" => Order::Greater,
                    "GreaterThanEquals" => Order::GreaterOrEqual,
                    _ => return None,
                }))
            }
        })
    }
}

impl Test {
    fn holds(self, wanted: &str, found: &str, variables: Option<&Context>) -> bool {
        let pattern = || Pattern::new(wanted, variables);
        match self {
            Self::Arn => pattern().is_some_and(|pattern| pattern.matches_arn(found)),
            Self::Bool => wanted.eq_ignore_ascii_case(found),
            Self::Date(order) => ordered(order, date(found), date(wanted)),
            Self::IpAddress => in_range(wanted, found).unwrap_or(false),
            Self::Numeric(order) => ordered(order, found.parse::<f64>().ok(), wanted.parse().ok()),
            Self::String => pattern().is_some_and(|pattern| pattern.literal().matches(found)),
            Self::StringIgnoringCase => {
                pattern().is_some_and(|pattern| pattern.literal().matches_ignoring_case(found))
            }
            Self::StringLike => pattern().is_some_and(|pattern| pattern.matches(found)),
        }
    }
}

fn ordered<T: PartialOrd>(order: Order, found: Option<T>, wanted: Option<T>) -> bool {
    let Some((found, wanted)) = found.zip(wanted) else { return false };
    match order {
        Order::Equals => found == wanted,
        Order::Less => found < wanted,
        Order::LessOrEqual => found <= wanted,
        Order::Greater => found > wanted,
        Order::GreaterOrEqual => found >= wanted,
    }
}

/// ISO 8601, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

/// Whether the address `found` lies in `range`, an address or CIDR block.
fn in_range(range: &str, found: &str) -> Option<bool> {
    let (network, length) = match range.split_once('/') {
        Some((network, length)) => (network, Some(length.parse::<u32>().ok()?)),
        None => (range, None),
    };
    let bits = |address: IpAddr| -> (u128, u32) {
        match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        }
    };
    let ((network, width), (found, found_width)) = (bits(network.parse().ok()?), bits(found.parse().ok()?));
    let host = width.checked_sub(length.unwrap_or(width))?;
    let cut = |address: u128| address.checked_shr(host).unwrap_or(0);
    Some(width == found_width && cut(network) == cut(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, values: &[&str], found: &[&str]) -> bool {
        let mut context = Context::default();
        for value in found {
            context.add("k", value);
        }
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Condition::new(operator, "K", values).expect("a known operator").holds(&context, true)
    }

    #[test]
    fn operators() {
        for (operator, wanted, found, expected) in [
            ("StringEquals", &["a", "b"][..], &["b"][..], true),
            ("StringEquals", &["a*"], &["ab"], false),
            ("StringEquals", &["A"], &["a"], false),
            ("StringEquals", &["a"], &[], false),
            ("StringEqualsIfExists", &["a"], &[], true),
            ("StringEqualsIfExists", &["a"], &["b"], false),
            ("StringEqualsIgnoreCase", &["A"], &["a"], true),
            ("StringNotEquals", &["a", "b"], &["b"], false),
            ("StringNotEquals", &["a", "b"], &["c"], true),
            ("StringNotEquals", &["a"], &[], true),
            ("StringLike", &["a*"], &["ab"], true),
            ("StringNotLike", &["a*"], &["ab"], false),
            ("ArnLike", &["arn:aws:iam::*:role/*"], &["arn:aws:iam::111111111111:role/x"], true),
            ("ArnNotLike", &["arn:aws:iam::*:role/*"], &["arn:aws:iam::111111111111:role/x"], false),
            ("Bool", &["true"], &["True"], true),
            ("Bool", &["true"], &[], false),
            ("Null", &["true"], &[], true),
            ("Null", &["true"], &["x"], false),
            ("Null", &["false"], &["x"], true),
            ("Null", &["false"], &[], false),
            ("NumericLessThanEquals", &["3600"], &["3600"], true),
            ("NumericGreaterThan", &["3600"], &["900"], false),
            ("DateLessThan", &["2026-06-01T00:00:00Z"], &["2026-01-02T03:04:05Z"], true),
            ("DateGreaterThan", &["1767323045"], &["2026-01-02T03:04:05Z"], false),
            ("IpAddress", &["10.0.0.0/8", "127.0.0.0/8"], &["127.0.0.1"], true),
            ("IpAddress", &["10.0.0.0/8"], &["127.0.0.1"], false),
            ("IpAddress", &["0.0.0.0/0"], &["127.0.0.1"], true),
            ("IpAddress", &["::/0"], &["127.0.0.1"], false),
            ("IpAddress", &["127.0.0.1/99"], &["127.0.0.1"], false),
            ("NotIpAddress", &["127.0.0.1"], &["127.0.0.1"], false),
            ("ForAllValues:StringEquals", &["a", "b"], &["a", "b"], true),
            ("ForAllValues:StringEquals", &["a"], &["a", "b"], false),
            ("ForAllValues:StringEquals", &["a"], &[], true),
            ("ForAnyValue:StringEquals", &["a"], &["a", "b"], true),
            ("ForAnyValue:StringEquals", &["a"], &["c"], false),
            ("ForAnyValue:StringEquals", &["a"], &[], false),
            ("ForAllValues:StringNotEquals", &["a"], &["b", "c"], true),
            ("ForAllValues:StringNotLike", &["a*"], &["b", "ab"], false),
        ] {
            assert_eq!(holds(operator, wanted, found), expected, "{operator} {wanted:?} {found:?}");
        }
    }

    #[test]
    fn an_unknown_operator_is_an_error() {
        for operator in ["StringMatches", "Date", "NumericEqualsOrSo", "ForSome:StringEquals", ""] {
            Condition::new(operator, "k", vec![]).expect_err(operator);
        }
    }
}
