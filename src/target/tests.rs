use super::*;

fn region_of(name: &str) -> Option<String> {
    let name = RdsName::parse(&Host::parse("host", name).unwrap())?;
    Some(name.region.map_or_else(|| "none".into(), |r| r.to_string()))
}

#[test]
fn every_form_of_an_rds_name_gives_its_region() {
    for (name, region) in [
        ("mydb.abc123.us-east-1.rds.amazonaws.com", "us-east-1"),
        ("MyDb.ABC123.US-East-1.rds.amazonaws.com", "us-east-1"),
        ("c.cluster-abc.eu-west-3.rds.amazonaws.com", "eu-west-3"),
        ("c.cluster-ro-abc.ap-southeast-5.rds.amazonaws.com", "ap-southeast-5"),
        ("c.cluster-custom-abc.mx-central-1.rds.amazonaws.com", "mx-central-1"),
        ("p.proxy-abc.us-east-2.rds.amazonaws.com", "us-east-2"),
        ("ro.endpoint.proxy-abc.us-east-2.rds.amazonaws.com", "us-east-2"),
        ("s.shardgrp-abc.us-east-2.rds.amazonaws.com", "us-east-2"),
        ("db.abc.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("db.abc.rds.us-gov-east-1.amazonaws.com", "us-gov-east-1"),
        ("db.abc.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"),
        ("db.abc.rds.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
        ("db.abc.rds.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
        ("db.abc.rds.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
        ("db.abc.eusc-de-east-1.rds.amazonaws.eu", "eusc-de-east-1"),
        ("g.global-abc.global.rds.amazonaws.com", "none"),
    ] {
        assert_eq!(region_of(name).as_deref(), Some(region), "{name}");
    }
}

#[test]
fn names_that_are_not_rds_give_nothing() {
    for name in [
        "db.example.com",
        "10.0.0.1",
        "rds.amazonaws.com",
        "mydb.us-east-1.rds.amazonaws.com.evil.example",
        "vpce-0123.vpce-svc-9.us-east-1.vpce.amazonaws.com",
        "db.abc.notaregion.rds.amazonaws.com",
        "db.abc.global.rds.amazonaws.com",
    ] {
        assert_eq!(region_of(name), None, "{name}");
    }
}

#[test]
fn kinds_are_told_apart() {
    let kind = |name: &str| RdsName::parse(&Host::parse("host", name).unwrap()).unwrap().kind;
    assert_eq!(kind("a.b.us-east-1.rds.amazonaws.com"), RdsNameKind::Instance);
    assert_eq!(kind("a.cluster-b.us-east-1.rds.amazonaws.com"), RdsNameKind::ClusterWriter);
    assert_eq!(kind("a.cluster-ro-b.us-east-1.rds.amazonaws.com"), RdsNameKind::ClusterReader);
    assert_eq!(kind("a.cluster-custom-b.us-east-1.rds.amazonaws.com"), RdsNameKind::ClusterCustom);
    assert_eq!(kind("a.proxy-b.us-east-1.rds.amazonaws.com"), RdsNameKind::Proxy);
}

#[test]
fn partitions_follow_regions() {
    let partition = |r: &str| r.parse::<Region>().unwrap().partition();
    assert_eq!(partition("eu-central-1"), "aws");
    assert_eq!(partition("cn-north-1"), "aws-cn");
    assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
    assert_eq!(partition("us-isob-east-1"), "aws-iso-b");
    assert_eq!(partition("eusc-de-east-1"), "aws-eusc");
}

#[test]
fn bad_hosts_name_the_field_and_the_reason() {
    for (text, expected) in [
        ("https://db.example.com", "without a scheme"),
        ("db.example.com:5432", "without a port"),
        ("db.example.com.", "trailing dot"),
        ("", "a host name"),
        ("db example", "letters, digits"),
        ("-db.example", "letters, digits"),
        ("{RDS_HOST}", "in place of {RDS_HOST}"),
    ] {
        let error = Host::parse("tls_host", text).unwrap_err();
        assert_eq!(error.field, "tls_host");
        assert!(error.expected.contains(expected), "{text}: {error}");
    }
}

#[test]
fn endpoints_take_names_addresses_and_ports() {
    let read = |text: &str| Endpoint::parse("connect_to", text, 5432).map(|e| e.to_string());
    assert_eq!(read("127.0.0.1:6000").unwrap(), "127.0.0.1:6000");
    assert_eq!(read("[::1]:6000").unwrap(), "[::1]:6000");
    assert_eq!(read("::1").unwrap(), "[::1]:5432");
    assert_eq!(read("tunnel.internal").unwrap(), "tunnel.internal:5432");
    for wrong in [
        "127.0.0.1:0",
        "[::1]:0",
        "tunnel:0",
        "tunnel:99999",
        "tunnel:",
        "https://tunnel",
        ":5432",
        "a:b:5432",
    ] {
        assert_eq!(read(wrong).unwrap_err().field, "connect_to", "{wrong}");
    }
}

#[test]
fn role_arns_are_taken_apart_or_refused() {
    let arn: RoleArn = "arn:aws-cn:iam::123456789012:role/path/to/name+=,.@-_".parse().unwrap();
    assert_eq!((arn.partition(), arn.account()), ("aws-cn", "123456789012"));
    for (text, expected) in [
        ("clickpipes", "a role ARN"),
        ("arn:azure:iam::123456789012:role/x", "arn:aws"),
        ("arn:aws:sts::123456789012:assumed-role/x/y", "an IAM ARN"),
        ("arn:aws:iam::12345678901:role/x", "12-digit"),
        ("arn:aws:iam::123456789012:user/x", "not of a user"),
        ("arn:aws:iam::123456789012:role/", "role name"),
        ("arn:aws:iam::123456789012:role/a b", "role name"),
        ("{RDS_ACCESS_IAM_ROLE_ARN}", "in place of {RDS_ACCESS_IAM_ROLE_ARN}"),
    ] {
        let error = text.parse::<RoleArn>().unwrap_err();
        assert!(error.expected.contains(expected), "{text}: {error}");
    }
}

#[test]
fn tags_keep_to_the_limits_of_sts() {
    let tag = |key: &str, value: &str| SessionTag::new(key, value);
    assert!(tag("Täg key", "värde_.:/=+-@ 1").is_ok());
    assert!(tag(&"k".repeat(128), &"v".repeat(256)).is_ok());
    for (key, value, expected) in [
        ("", "v", "1 to 128"),
        (&*"k".repeat(129), "v", "1 to 128"),
        ("k", &*"v".repeat(257), "256"),
        ("k!", "v", "letters"),
        ("AWS:k", "v", "reserved"),
        ("k", "a\nb", "letters"),
    ] {
        assert!(tag(key, value).unwrap_err().expected.contains(expected), "{key}={value}");
    }
    let many = (0..51).map(|i| tag(&format!("k{i}"), "").unwrap()).collect();
    assert!(SessionTags::new(many, vec![]).unwrap_err().expected.contains("50"));
    let twice = vec![tag("Team", "a").unwrap(), tag("team", "b").unwrap()];
    assert!(SessionTags::new(twice, vec![]).unwrap_err().expected.contains("once"));
    let stray = SessionTags::new(vec![tag("a", "").unwrap()], vec!["b".into()]).unwrap_err();
    assert_eq!(stray.field, "transitive_tags");
}

#[test]
fn session_names_and_external_ids_keep_to_their_patterns() {
    assert!("probe+=,.@-_1".parse::<SessionName>().is_ok());
    for wrong in ["a", "has space", "slash/y", &*"x".repeat(65)] {
        assert_eq!(wrong.parse::<SessionName>().unwrap_err().field, "session_name");
    }
    assert!("org:team/9".parse::<ExternalId>().is_ok());
    assert_eq!("x".parse::<ExternalId>().unwrap_err().field, "external_id");
}
