//! The nouns of a target, each from any text: what is accepted reads the same when it is written out.

#![no_main]

use pipeprobe::target::{
    DbUser, Endpoint, ExternalId, Host, RdsName, Region, ReplicationMechanism, ReplicationMode, RoleArn,
    SessionName, SessionTag, SessionTags, SourceType, TablePattern, like,
};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(host) = Host::parse("host", text) {
        let _ = RdsName::parse(&host);
        assert_eq!(Host::parse("host", host.as_str()).as_ref(), Ok(&host));
    }
    if let Ok(endpoint) = Endpoint::parse("connect_to", text, 5432) {
        // An IPv6 address may be spelled in many ways, and is written out in one.
        let again = Endpoint::parse("connect_to", &endpoint.to_string(), 1).unwrap();
        assert_eq!(again.to_string(), endpoint.to_string());
    }
    if let Ok(arn) = RoleArn::parse("iam_role", text) {
        assert_eq!(arn.as_str().parse().as_ref(), Ok(&arn));
        assert_eq!(arn.account().len(), 12);
    }
    if let Ok(tag) = text.parse::<SessionTag>() {
        let _ = SessionTags::new(vec![tag.clone(), tag], vec![text.to_owned()]);
    }
    if let Ok(pattern) = text.parse::<TablePattern>() {
        assert!(!pattern.is_exact() || pattern.matches(&pattern.schema, &pattern.table));
        let _ = pattern.matches(text, text);
    }
    let _ = like(text);
    let _ = text.parse::<Region>();
    let _ = text.parse::<DbUser>();
    let _ = text.parse::<SourceType>();
    let _ = text.parse::<SessionName>();
    let _ = text.parse::<ExternalId>();
    let _ = text.parse::<ReplicationMode>();
    let _ = text.parse::<ReplicationMechanism>();
});
