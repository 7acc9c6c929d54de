//! Packets of a client: 3 bytes length, 1 byte sequence number, payload.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::agent::refusal::{Class, Refusal};

/// Longest packet that is read whole, in bytes. Connection attributes have at most 64 KiB.
pub(super) const LONGEST: usize = 128 * 1024;

/// libmysqlclient has a buffer of 512 bytes, with the final NUL (MYSQL_ERRMSG_SIZE).
const LONGEST_ERROR: usize = 511;

pub(super) struct Packet {
    pub(super) sequence: u8,
    pub(super) payload: Vec<u8>,
}

pub(super) async fn read(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Packet> {
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let [a, b, c, sequence] = head;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a packet of {length} bytes")));
    }
    let mut payload = vec![0; length];
    client.read_exact(&mut payload).await?;
    Ok(Packet { sequence, payload })
}

pub(super) async fn write(
    client: &mut (impl AsyncWrite + Unpin),
    sequence: u8,
    payload: &[u8],
) -> io::Result<()> {
    let [a, b, c, _] = (payload.len() as u32).to_le_bytes(); // short packets only
    client.write_all(&[&[a, b, c, sequence], payload].concat()).await?;
    client.flush().await
}

/// The payload of an error packet. An error in place of the greeting has no SQLSTATE: the protocol is not agreed yet.
pub(super) fn error(refusal: &Refusal, is_greeted: bool) -> Vec<u8> {
    let (number, state) = number(&refusal.class);
    let mut packet = vec![0xff];
    packet.extend(number.to_le_bytes());
    if is_greeted {
        packet.push(b'#');
        packet.extend(state.as_bytes());
    }
    packet.extend(text(refusal).as_bytes());
    packet
}

/// MySQL Error Reference, "Server Error Message Reference". The numbers are the same in MariaDB.
fn number(class: &Class) -> (u16, &'static str) {
    match class {
        Class::Server(code) => {
            let number = code.parse().unwrap_or(1105);
            let state = match number {
                1045 | 1698 => "28000",
                1044 | 1049 => "42000",
                1040 => "08004",
                1043 => "08S01",
                _ => "HY000",
            };
            (number, state)
        }
        Class::NotAuthorized | Class::WrongPassword => (1045, "28000"), // ER_ACCESS_DENIED_ERROR
        Class::NotConnected => (1429, "HY000"),                         // ER_CONNECT_TO_FOREIGN_DATA_SOURCE
        Class::Resources => (1041, "HY000"),                            // ER_OUT_OF_RESOURCES
        Class::Protocol => (1043, "08S01"),                             // ER_HANDSHAKE_ERROR
        Class::NotSupported => (1235, "42000"),                         // ER_NOT_SUPPORTED_YET
    }
}

/// The message, the cause and the fix. If they are too long, the cause is shortened first: it starts with its code.
fn text(refusal: &Refusal) -> String {
    let part = |name: &str, text: &Option<String>| match text {
        Some(text) => format!(". {name}: {text}"),
        None => String::new(),
    };
    let (message, hint) = (start(&refusal.message, 200), part("Fix", &refusal.hint));
    let hint = start(&hint, 220);
    let detail = part("Cause", &refusal.detail);
    let detail = start(&detail, LONGEST_ERROR - message.len() - hint.len());
    [message, detail, hint].concat().replace(['\0', '\n'], " ")
}

/// At most this many bytes.
fn start(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_number_state_cause_and_fix_in_512_bytes() {
        let short = Refusal {
            class: Class::Server("1045".into()),
            message: "Access denied".into(),
            detail: Some("connect-denied: no".into()),
            hint: Some("add the permission".into()),
        };
        let expected = b"\xff\x15\x04#28000Access denied. Cause: connect-denied: no. Fix: add the permission";
        assert_eq!(error(&short, true), expected);
        assert_eq!(error(&short, false)[..4], *b"\xff\x15\x04A");

        let long = Refusal {
            class: Class::NotConnected,
            message: "m".repeat(600),
            detail: Some("é".repeat(600)),
            hint: Some("h\n".repeat(600)),
        };
        let text = text(&long);
        assert!((505..=LONGEST_ERROR).contains(&text.len()), "{}", text.len());
        assert!(text.contains(". Cause: é") && text.contains(". Fix: h h"), "{text}");
    }

    #[tokio::test]
    async fn a_packet_that_announces_too_much_is_refused() {
        let mut sent = &b"\x00\x00\x03\x01"[..];
        assert!(read(&mut sent).await.is_err());
        let mut sent = &b"\x02\x00\x00\x01ab"[..];
        let packet = read(&mut sent).await.unwrap();
        assert_eq!((packet.sequence, packet.payload.as_slice()), (1, &b"ab"[..]));
    }
}
