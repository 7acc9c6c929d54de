use super::*;
use crate::target::Host;

const NOW: &str = "2026-01-02T03:04:05Z";

fn token(host: &str, port: u16, user: &str, region: &str, session: Option<&str>) -> String {
    let credentials = Credentials::new(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session.map(str::to_owned),
        None,
        "test",
    );
    let endpoint = Endpoint { host: Host::parse("host", host).unwrap(), port };
    let token =
        sign(&credentials, &endpoint, &region.parse().unwrap(), &user.parse().unwrap(), NOW.parse().unwrap());
    token.unwrap().text.reveal().to_owned()
}

#[test]
fn equals_the_golden_tokens_byte_for_byte() {
    let name = "mydb.123456789012.us-east-1.rds.amazonaws.com";
    let ours = [
        token(name, 5432, "clickpipes_iam_user", "us-east-1", None),
        token(name, 3306, "clickpipes_iam_user", "us-east-1", Some("FwoGZXIvYXdzEA+/abc+def==")),
        token(name, 3306, "user with space+~*/é@x", "us-east-1", Some("a/b+c==")),
        token("MyDB.Cluster-ABC.us-east-1.rds.amazonaws.com", 443, "U", "us-east-1", None),
        token("db.cn-north-1.rds.amazonaws.com.cn", 5432, "u", "cn-north-1", None),
    ];
    let golden: Vec<&str> =
        include_str!("../../tests/token/golden-tokens.txt").lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(golden.len(), ours.len());
    for (ours, golden) in ours.iter().zip(golden) {
        assert_eq!(ours, golden);
    }
}

#[test]
fn equals_the_vector_of_the_aws_sdk_for_rust() {
    let credentials = Credentials::new("akid", "secret", None, None, "test");
    let endpoint = Endpoint {
        host: Host::parse("host", "prod-instance.us-east-1.rds.amazonaws.com").unwrap(),
        port: 3306,
    };
    let now = "2024-08-26T22:00:00Z".parse().unwrap();
    let token =
        sign(&credentials, &endpoint, &"us-east-1".parse().unwrap(), &"peccy".parse().unwrap(), now).unwrap();
    let signature = token.text.reveal().rsplit_once("X-Amz-Signature=").unwrap().1.to_owned();
    assert_eq!(signature, "dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89");
}

#[test]
fn lives_no_longer_than_its_credentials() {
    let now: Timestamp = NOW.parse().unwrap();
    let life = |credentials_live: Option<u64>| {
        let end =
            credentials_live.map(|s| std::time::SystemTime::try_from(now + Duration::from_secs(s)).unwrap());
        let credentials = Credentials::new("AKIDEXAMPLE", "s", None, end, "test");
        let endpoint = Endpoint { host: Host::parse("host", "h").unwrap(), port: 1 };
        let token =
            sign(&credentials, &endpoint, &"us-east-1".parse().unwrap(), &"u".parse().unwrap(), now).unwrap();
        token.expires_at.duration_since(token.signed_at).as_secs()
    };
    assert_eq!(life(None), 900);
    assert_eq!(life(Some(3600)), 900);
    assert_eq!(life(Some(61)), 61);
}
