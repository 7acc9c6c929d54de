use tokio::io::duplex;

use super::*;
use crate::connection::Purpose;

fn startup(parameters: &[u8]) -> Vec<u8> {
    let length = (8 + parameters.len()) as u32;
    [&length.to_be_bytes()[..], &[0, 3, 0, 0], parameters].concat()
}

/// What `first` makes of these bytes, and what it answers.
async fn read(sent: &[u8]) -> (Option<First>, Vec<u8>) {
    let (mut near, mut far) = duplex(64 * 1024);
    near.write_all(sent).await.unwrap();
    near.shutdown().await.unwrap();
    let first = first(&mut far).await.unwrap_or(None);
    drop(far);
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    (first, answer)
}

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

#[tokio::test]
async fn encryption_is_declined_and_the_startup_message_is_kept_unchanged() {
    let message = startup(b"user\0u\0options\0-c geqo=off\0_pq_.x\0y\0\0");
    for before in [&[][..], &SSL, &GSS, &[SSL, GSS].concat()] {
        let (first, answer) = read(&[before, &message].concat()).await;
        let Some(First::Startup(startup)) = first else { panic!("{first:?}") };
        assert_eq!(startup.message(), message);
        assert_eq!(answer, b"N".repeat(before.len() / 8));
        startup.check_user("u").unwrap();
    }
    let (first, answer) = read(&SSL.repeat(9)).await;
    assert_eq!((first, answer), (Some(First::Encryption), b"NNN".to_vec()));
}

#[tokio::test]
async fn a_request_to_cancel_has_a_key_of_8_to_260_bytes() {
    for (length, is_valid) in [(0, false), (7, false), (8, true), (36, true), (260, true), (261, false)] {
        let head = [&(8 + length as u32).to_be_bytes()[..], &[4, 210, 22, 46]].concat();
        let request = [&head[..], &vec![7; length]].concat();
        let (first, _) = read(&request).await;
        match first {
            Some(First::Cancel(found)) if is_valid => {
                assert_eq!(found, request);
                assert_eq!(startup::key(&found), vec![7; length]);
            }
            Some(First::Invalid(refusal)) if !is_valid => assert_eq!(refusal.class, Class::Protocol),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_layout_that_the_server_refuses_is_refused_here() {
    for parameters in
        [&b""[..], b"\0\0", b"user\0u\0", b"user\0u", b"user\0\0", b"user\0u\0\0rest\0", b"user\0u\0\0\0"]
    {
        let (first, _) = read(&startup(parameters)).await;
        assert!(matches!(&first, Some(First::Invalid(_))), "{parameters:?}: {first:?}");
    }
    let (first, _) = read(&startup(&[0])).await;
    let Some(First::Startup(without_user)) = first else { panic!("{first:?}") };
    assert_eq!(without_user.check_user("u").unwrap_err().class, Class::NotAuthorized);
}

#[tokio::test]
async fn only_the_user_of_the_target_may_be_named_and_also_not_beside_it() {
    for (parameters, is_allowed) in [
        (&b"user\0u\0\0"[..], true),
        (b"database\0user\0user\0u\0\0", true),
        (b"user\0other\0\0", false),
        (b"user\0u\0user\0other\0\0", false),
        (b"user\0other\0user\0u\0\0", false),
        (b"user\0\0\0", false),
        (b"database\0d\0\0", false),
    ] {
        let (first, _) = read(&startup(parameters)).await;
        let Some(First::Startup(startup)) = first else { panic!("{first:?}") };
        assert_eq!(startup.check_user("u").is_ok(), is_allowed, "{parameters:?}");
    }
}

#[tokio::test]
async fn a_replication_connection_is_one_with_a_value_that_is_not_false() {
    for (parameters, expected) in [
        (&b"user\0u\0\0"[..], Purpose::Queries),
        (b"user\0u\0replication\0database\0\0", Purpose::Replication),
        (b"user\0u\0replication\0true\0\0", Purpose::Replication),
        (b"user\0u\0replication\x001\0\0", Purpose::Replication),
        (b"user\0u\0replication\0OFF\0\0", Purpose::Queries),
        (b"user\0u\0replication\0f\0\0", Purpose::Queries),
        (b"user\0u\0database\0replication\0\0", Purpose::Queries),
    ] {
        let (first, _) = read(&startup(parameters)).await;
        let Some(First::Startup(startup)) = first else { panic!("{first:?}") };
        assert_eq!(startup.purpose(), expected, "{parameters:?}");
    }
}

#[tokio::test]
async fn what_is_no_startup_message_is_refused_without_reading_it() {
    for (sent, class) in [
        (&[0, 0, 0, 7, 0, 3, 0][..], Class::Protocol),
        (&[0, 0, 0x27, 0x11, 0, 3, 0, 0], Class::Protocol), // 10,001 bytes
        (b"GET / HTTP/1.1\r\n\r\n", Class::Protocol),
        (&[0, 0, 0, 9, 0, 2, 0, 0, 0], Class::NotSupported),
    ] {
        let (first, _) = read(sent).await;
        let Some(First::Invalid(refusal)) = first else { panic!("{sent:?}: {first:?}") };
        assert_eq!(refusal.class, class, "{sent:?}");
    }
    for quiet in [&[][..], &[0x16, 3, 1, 2, 0, 1]] {
        assert_eq!(read(quiet).await, (None, Vec::new()));
    }
}

#[test]
fn an_error_has_the_fields_that_a_client_shows() {
    let refusal = Refusal {
        class: Class::Server("28000".into()),
        message: "no\0".into(),
        detail: Some("d".into()),
        hint: Some("h".into()),
    };
    assert_eq!(error_response(&refusal), b"E\0\0\0\x24SFATAL\0VFATAL\0C28000\0Mno\0Dd\0Hh\0\0");
    let other = Refusal::new(Class::Server("connection".into()), "x");
    assert!(error_response(&other).windows(7).any(|bytes| bytes == b"C08006\0"));
}
