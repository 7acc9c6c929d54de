use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20150830T123600Z";

fn credential(service: &str) -> Credential<'_> {
    Credential {
        access_key_id: "AKIDEXAMPLE",
        day: "20150830",
        region: "us-east-1",
        service,
        terminator: "aws4_request",
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// From AWS's published `SigV4` test suite, and the worked example of its documentation.
#[test]
fn published_examples() {
    let host = ("host", "example.amazonaws.com");
    let date = ("x-amz-date", TIME);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let utf8_form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, &str, Pairs<'_>, Pairs<'_>, &str, &str, &str); 4] = [
        (
            "get-vanilla",
            "GET",
            &[],
            &[host, date],
            "",
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            &[("Param2", "value2"), ("Param1", "value1")],
            &[host, date],
            "",
            "service",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            &[],
            &[form, host, date],
            "Param1=value1",
            "service",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "documentation: ListUsers",
            "GET",
            &[("Action", "ListUsers"), ("Version", "2010-05-08")],
            &[utf8_form, ("host", "iam.amazonaws.com"), date],
            "",
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ];
    for (name, method, query, headers, body, service, expected) in cases {
        let canonical = canonical_request(method, "/", &pairs(query), &pairs(headers), body.as_bytes());
        assert_eq!(sign(SECRET, credential(service), TIME, &canonical), expected, "{name}");
        assert!(matches(SECRET, credential(service), TIME, &canonical, expected), "{name}");
    }
}

#[test]
fn a_signature_is_for_one_request_and_one_secret() {
    let canonical = canonical_request("GET", "/", &[], &pairs(&[("host", "a")]), b"");
    let good = sign(SECRET, credential("sts"), TIME, &canonical);
    assert!(matches(SECRET, credential("sts"), TIME, &canonical, &good));
    assert!(!matches("other", credential("sts"), TIME, &canonical, &good));
    assert!(!matches(SECRET, credential("iam"), TIME, &canonical, &good));
    assert!(!matches(SECRET, credential("sts"), "20150830T123601Z", &canonical, &good));
    assert!(!matches(SECRET, credential("sts"), TIME, "", &good));
    for wrong in ["", "0", "zz", &good[..62], &format!("{good}00"), "é"] {
        assert!(!matches(SECRET, credential("sts"), TIME, &canonical, wrong), "{wrong}");
    }
}

#[test]
fn headers_are_squeezed() {
    let canonical = canonical_request("GET", "/", &[], &pairs(&[("a", "  x   y ")]), b"");
    assert!(canonical.contains("\na:x y\n"), "{canonical}");
}

#[test]
fn queries() {
    assert_eq!(
        decode_query("a=%2B&b&c=d=e&&f=+"),
        Some(pairs(&[("a", "+"), ("b", ""), ("c", "d=e"), ("f", "+")]))
    );
    assert_eq!(decode_query("a=%ff"), None);
    assert_eq!(encode("user with space+~*/é@x"), "user%20with%20space%2B~%2A%2F%C3%A9%40x");
}

#[test]
fn a_scope_has_five_parts() {
    assert_eq!(Credential::parse("AKIDEXAMPLE/20150830/us-east-1/sts/aws4_request"), Some(credential("sts")));
    assert_eq!(Credential::parse("AKIDEXAMPLE/20150830/us-east-1/sts"), None);
    assert_eq!(Credential::parse("AK/ID/20150830/us-east-1/sts/aws4_request"), None);
}
