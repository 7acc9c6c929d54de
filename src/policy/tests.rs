use super::{
    condition::Condition,
    context::{Context, State},
    document::Span,
    *,
};

fn word(text: &str) -> Span {
    Span { text: text.to_owned(), at: 0, path: String::new() }
}

fn holds(operator: &str, values: &[&str], state: State) -> Truth {
    let mut context = Context::default();
    context.set("k", state);
    let values = values.iter().map(|v| word(v)).collect();
    Condition { operator: operator.into(), key: "K".into(), at: 0, path: String::new(), values }
        .holds(&context, true)
}

#[test]
fn wildcards_match_any_characters_or_one() {
    for (pattern, fitting, others) in [
        ("*", &["", "a", "a:b/c"][..], &[][..]),
        ("", &[""], &["a"]),
        ("a*c", &["ac", "abc", "abcbc"], &["a", "acb", "bac"]),
        ("a?c", &["abc", "aéc"], &["ac", "abbc"]),
        ("*a*b*", &["ab", "xaxbx"], &["ba", ""]),
        ("**", &["", "x"], &[]),
    ] {
        for text in fitting {
            assert!(pattern::matches(pattern, text), "{pattern} {text}");
        }
        for text in others {
            assert!(!pattern::matches(pattern, text), "{pattern} {text}");
        }
    }
    assert!(pattern::matches_ignoring_case("STS:assume*", "sts:AssumeRole"));
    assert!(pattern::matches_arn("arn:aws:iam::*:role/*", "arn:aws:iam::111111111111:role/x"));
    assert!(!pattern::matches_arn("arn:*:role/x", "arn:aws:iam::111111111111:role/x"));
    assert!(!pattern::matches(&"*a".repeat(200), &"a".repeat(199)));
}

#[test]
fn variables_are_replaced_match_nothing_or_are_unknown() {
    use pattern::{Expanded, expand};
    let mut context = Context::default();
    context.set("aws:PrincipalTag/Team", State::Known(vec!["a".into()]));
    context.set("aws:username", State::Absent);
    let filled = |text: &str| expand(text, Some(&context));
    assert_eq!(filled("x/${aws:principaltag/team}/*"), Expanded::Pattern("x/a/*".into()));
    assert_eq!(filled("${aws:username}"), Expanded::Nothing);
    assert_eq!(filled("${aws:username, 'guest'}"), Expanded::Pattern("guest".into()));
    assert_eq!(filled("${aws:userid}"), Expanded::Unknown);
    assert_eq!(filled("${unclosed"), Expanded::Pattern("${unclosed".into()));
    assert_eq!(expand("${aws:username}", None), Expanded::Pattern("${aws:username}".into()));
}

#[test]
fn conditions_on_known_values() {
    use Truth::{No, Unknown, Yes};
    for (operator, accepted, found, expected) in [
        ("StringEquals", &["a", "b"][..], &["b"][..], Yes),
        ("StringEquals", &["a*"], &["ab"], No),
        ("StringEquals", &["A"], &["a"], No),
        ("StringEquals", &["a"], &[], No),
        ("StringEqualsIfExists", &["a"], &[], Yes),
        ("StringEqualsIfExists", &["a"], &["b"], No),
        ("StringEqualsIgnoreCase", &["A"], &["a"], Yes),
        ("StringNotEquals", &["a", "b"], &["b"], No),
        ("StringNotEquals", &["a"], &[], Yes),
        ("StringLike", &["a*"], &["ab"], Yes),
        ("StringNotLike", &["a*"], &["ab"], No),
        ("ArnLike", &["arn:aws:iam::*:role/*"], &["arn:aws:iam::111111111111:role/x"], Yes),
        ("ArnNotEquals", &["arn:aws:iam::*:role/*"], &["arn:aws:iam::111111111111:role/x"], No),
        ("Bool", &["true"], &["True"], Yes),
        ("Bool", &["true"], &[], No),
        ("BoolIfExists", &["true"], &["false"], No),
        ("Null", &["true"], &[], Yes),
        ("Null", &["true"], &["x"], No),
        ("Null", &["false"], &["x"], Yes),
        ("ForAllValues:StringEquals", &["a", "b"], &["a", "b"], Yes),
        ("ForAllValues:StringEquals", &["a"], &["a", "b"], No),
        ("ForAllValues:StringEquals", &["a"], &[], Yes),
        ("ForAnyValue:StringEquals", &["a"], &["a", "b"], Yes),
        ("ForAnyValue:StringEquals", &["a"], &[], No),
        ("ForAnyValue:StringLikeIfExists", &["a"], &[], Yes),
        ("NumericLessThan", &["5"], &["4"], Unknown),
        ("NumericLessThan", &["5"], &[], No),
        ("StringMatches", &["a"], &["a"], Unknown),
        ("ForSome:StringEquals", &["a"], &["a"], Unknown),
    ] {
        let state = State::Known(found.iter().map(|&v| v.to_owned()).collect());
        assert_eq!(holds(operator, accepted, state), expected, "{operator} {accepted:?} {found:?}");
    }
}

#[test]
fn conditions_on_unknown_values() {
    use Truth::{No, Unknown, Yes};
    for (operator, accepted, state, expected) in [
        ("StringEquals", "a", State::Unknown, Unknown),
        ("Null", "true", State::Unknown, Unknown),
        ("Null", "true", State::Present, No),
        ("StringLike", "*", State::Present, Yes),
        ("StringNotLike", "*", State::Present, No),
        ("StringEquals", "a", State::Present, Unknown),
        ("StringEquals", "vpc-1", State::Foreign, No),
        ("StringNotEquals", "vpc-1", State::Foreign, Yes),
        ("StringEqualsIfExists", "vpc-1", State::Foreign, Unknown),
        ("StringLike", "*", State::Foreign, Unknown),
    ] {
        assert_eq!(holds(operator, &[accepted], state.clone()), expected, "{operator} {accepted} {state:?}");
    }
}

#[test]
fn truths_are_combined() {
    use Truth::{No, Unknown, Yes};
    assert_eq!((all([]), any([])), (Yes, No));
    assert_eq!((all([Yes, Unknown]), all([No, Unknown])), (Unknown, No));
    assert_eq!((any([Yes, Unknown]), any([No, Unknown])), (Yes, Unknown));
    assert_eq!((!Yes, !Unknown), (No, Unknown));
}

#[test]
fn a_user_is_named_by_its_arn_or_its_account() {
    use Truth::{No, Yes};
    use principal::{Caller, Principal};
    let user = Caller::User("arn:aws:iam::999988887777:user/probe");
    for (kind, text, expected) in [
        (Some("AWS"), "arn:aws:iam::999988887777:user/probe", Yes),
        (Some("AWS"), "arn:aws:iam::999988887777:user/other", No),
        (Some("AWS"), "arn:aws:iam::999988887777:role/probe", No),
        (Some("AWS"), "arn:aws:sts::999988887777:assumed-role/probe/probe", No),
        (Some("AWS"), "arn:aws:iam::999988887777:root", Yes),
        (Some("AWS"), "arn:aws-cn:iam::999988887777:root", No),
        (Some("AWS"), "999988887777", Yes),
        (Some("AWS"), "123456789012", No),
        (Some("AWS"), "*", Yes),
        (None, "*", Yes),
        (Some("Service"), "rds.amazonaws.com", No),
    ] {
        assert_eq!(Principal::read(kind, text).names(Some(user)), expected, "{text}");
    }
    let role = "arn:aws:iam::999988887777:role/probe".parse().unwrap();
    let named = Principal::read(Some("AWS"), "arn:aws:iam::999988887777:user/probe");
    assert_eq!(named.names(Some(Caller::Role(&role))), No);
}
