//! Clients that speak the protocol themselves: the greeting that they get, and what the server gets of their response.
//!
//! Capabilities are agreed once, for both sides: the client gets the server's, and the server gets the client's. So bytes can be
//! copied afterwards. Sources: MySQL Internals Manual, "Connection Phase"; MariaDB Knowledge Base, "Connection".

use super::{Can, NO_PLUGIN, Opening};

/// The first byte of a request to authenticate again, as another user or as the same.
pub const COM_CHANGE_USER: u8 = 0x11;

/// Capabilities, maximum packet, character set, and 23 bytes of which MariaDB uses four.
const HEAD: usize = 32;

/// What a client on a local socket does not get: TLS, which begins here; compression, because the headers of packets must be
/// visible; a second factor.
const WITHHELD: Can = Can::CLIENT_SSL
    .union(Can::CLIENT_COMPRESS)
    .union(Can::CLIENT_ZSTD_COMPRESSION_ALGORITHM)
    .union(Can::MULTI_FACTOR_AUTHENTICATION)
    .union(Can::CLIENT_SSL_VERIFY_SERVER_CERT);

/// The server's greeting for a client: the same version, connection id, status and extended capabilities of MariaDB.
pub(super) fn offer(greeting: &[u8]) -> Option<Vec<u8>> {
    let version = greeting.get(1..)?.iter().position(|byte| *byte == 0)?;
    // After the NUL of the version: connection id 4, scramble 8, filler 1, flags 2, collation 1, status 2, flags 2.
    let flags = 1 + version + 1 + 13;
    let mut offer = greeting.to_vec();
    for (at, withheld) in
        [flags, flags + 1, flags + 5, flags + 6].into_iter().zip(WITHHELD.bits().to_le_bytes())
    {
        *offer.get_mut(at)? &= !withheld;
    }
    Some(offer)
}

/// HandshakeResponse41 of a client. What it says to prove its identity stays here.
#[derive(Debug)]
pub struct ClientResponse<'a> {
    flags: u32,
    /// Of [`HEAD`], what follows the capabilities.
    settings: &'a [u8],
    user: &'a [u8],
    proof: &'a [u8],
    database: Option<&'a [u8]>,
    plugin: &'a [u8],
    attributes: &'a [u8],
}

impl<'a> ClientResponse<'a> {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(packet: &'a [u8]) -> Result<Self, &'static str> {
        let low = packet.first_chunk::<2>().ok_or("is too short")?;
        if u32::from(u16::from_le_bytes(*low)) & Can::CLIENT_PROTOCOL_41.bits() == 0 {
            return Err("has the protocol of a version before 4.1");
        }
        let (flags, rest) = packet.split_first_chunk::<4>().ok_or("is too short")?;
        let flags = u32::from_le_bytes(*flags);
        let has = |flag: Can| flags & flag.bits() != 0;
        if has(Can::CLIENT_SSL) {
            return Err("requests TLS, which a local socket does not offer");
        }
        let (settings, mut rest) = rest.split_at_checked(HEAD - 4).ok_or("is too short")?;
        let user = until_nul(&mut rest);
        let proof = if has(Can::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) {
            counted(&mut rest)
        } else if has(Can::CLIENT_SECURE_CONNECTION) {
            counted_by_byte(&mut rest)
        } else {
            Some(until_nul(&mut rest))
        };
        let proof = proof.ok_or("is cut off")?;
        let database = has(Can::CLIENT_CONNECT_WITH_DB).then(|| until_nul(&mut rest));
        let plugin = if has(Can::CLIENT_PLUGIN_AUTH) { until_nul(&mut rest) } else { &[] };
        let attributes = if has(Can::CLIENT_CONNECT_ATTRS) { rest } else { &[] };
        Ok(Self { flags, settings, user, proof, database, plugin, attributes })
    }

    pub fn user(&self) -> &'a [u8] {
        self.user
    }

    pub fn database(&self) -> Option<&'a [u8]> {
        self.database
    }

    /// Whether the client has a password and waits for the second packet of `caching_sha2_password`.
    pub fn expects_fast_auth(&self) -> bool {
        // An empty password is 0 bytes, or a NUL.
        self.plugin == b"caching_sha2_password" && self.proof.len() > 1
    }

    /// What the client says to prove that it knows the password of the listener, and the name of its plugin.
    pub fn proof(&self) -> (&'a [u8], &'a [u8]) {
        (self.plugin, self.proof)
    }

    /// For [`ChangeUser::parse`].
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// The same for the server, with the target's user.
    pub(super) fn opening(&self, user: &str) -> Opening {
        let flags = (self.flags & !WITHHELD.bits())
            | (Can::CLIENT_SSL | Can::CLIENT_PLUGIN_AUTH | Can::CLIENT_SECURE_CONNECTION).bits();
        let ssl_request = [&flags.to_le_bytes(), self.settings].concat();
        let mut response = ssl_request.clone();
        push(&mut response, user.as_bytes());
        response.push(0); // no proof
        if let Some(database) = self.database {
            push(&mut response, database);
        }
        push(&mut response, NO_PLUGIN);
        push_attributes(&mut response, flags, self.attributes);
        Opening { agreed: Can::from_bits_truncate(flags), ssl_request, response }
    }
}

/// COM_CHANGE_USER of a client.
#[derive(Debug)]
pub struct ChangeUser<'a> {
    flags: u32,
    user: &'a [u8],
    database: &'a [u8],
    character_set: [u8; 2],
    expects_fast_auth: bool,
    attributes: &'a [u8],
}

impl<'a> ChangeUser<'a> {
    /// `flags` are those of the client's handshake. `None` if the packet is cut off.
    pub fn parse(packet: &'a [u8], flags: u32) -> Option<Self> {
        let has = |flag: Can| flags & flag.bits() != 0;
        let mut rest = packet.strip_prefix(&[COM_CHANGE_USER])?;
        let user = until_nul(&mut rest);
        let proof = match has(Can::CLIENT_SECURE_CONNECTION) {
            true => counted_by_byte(&mut rest)?,
            false => until_nul(&mut rest),
        };
        let database = until_nul(&mut rest);
        let character_set = match rest.split_first_chunk::<2>() {
            Some((character_set, more)) => {
                rest = more;
                *character_set
            }
            None => [super::COLLATION, 0],
        };
        let plugin = if has(Can::CLIENT_PLUGIN_AUTH) { until_nul(&mut rest) } else { &[] };
        let expects_fast_auth = plugin == b"caching_sha2_password" && proof.len() > 1;
        let attributes = if has(Can::CLIENT_CONNECT_ATTRS) { rest } else { &[] };
        Some(Self { flags, user, database, character_set, expects_fast_auth, attributes })
    }

    pub fn user(&self) -> &'a [u8] {
        self.user
    }

    /// As [`ClientResponse::expects_fast_auth`].
    pub fn expects_fast_auth(&self) -> bool {
        self.expects_fast_auth
    }

    /// The same for the server, with the target's user and without proof.
    pub(super) fn request(&self, user: &str) -> Vec<u8> {
        let mut request = vec![COM_CHANGE_USER];
        push(&mut request, user.as_bytes());
        request.push(0);
        push(&mut request, self.database);
        request.extend(self.character_set);
        push(&mut request, NO_PLUGIN);
        push_attributes(&mut request, self.flags, self.attributes);
        request
    }
}

fn push(packet: &mut Vec<u8>, text: &[u8]) {
    packet.extend(text);
    packet.push(0);
}

/// The attributes, which have their length in front. The server requires one, if they are agreed.
fn push_attributes(packet: &mut Vec<u8>, flags: u32, attributes: &[u8]) {
    if flags & Can::CLIENT_CONNECT_ATTRS.bits() != 0 {
        packet.extend(if attributes.is_empty() { &[0] } else { attributes });
    }
}

/// The last text of a packet may have no NUL.
fn until_nul<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let text = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    text
}

fn counted_by_byte<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, more) = rest.split_first()?;
    let (text, more) = more.split_at_checked(usize::from(*length))?;
    *rest = more;
    Some(text)
}

/// With a length-encoded integer. More than 65535 bytes do not fit into a packet of a client.
fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if let [0xfc, a, b, more @ ..] = *rest {
        let (text, more) = more.split_at_checked(usize::from(u16::from_le_bytes([*a, *b])))?;
        *rest = more;
        return Some(text);
    }
    if *rest.first()? > 0xfa { None } else { counted_by_byte(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response with these capabilities, of a client with a password of 20 bytes.
    fn response(flags: Can) -> Vec<u8> {
        let mut packet = flags.bits().to_le_bytes().to_vec();
        packet.extend([0, 0, 0, 1, 45]);
        packet.extend([0; 19]);
        packet.extend([0x1d, 0, 0, 0]); // MariaDB's
        push(&mut packet, b"me");
        packet.push(20);
        packet.extend([7; 20]);
        if flags.contains(Can::CLIENT_CONNECT_WITH_DB) {
            push(&mut packet, b"app");
        }
        if flags.contains(Can::CLIENT_PLUGIN_AUTH) {
            push(&mut packet, b"caching_sha2_password");
        }
        if flags.contains(Can::CLIENT_CONNECT_ATTRS) {
            packet.extend(b"\x04\x01a\x01b");
        }
        packet
    }

    fn modern() -> Can {
        Can::CLIENT_PROTOCOL_41
            | Can::CLIENT_SECURE_CONNECTION
            | Can::CLIENT_PLUGIN_AUTH
            | Can::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
            | Can::CLIENT_CONNECT_WITH_DB
            | Can::CLIENT_CONNECT_ATTRS
            | Can::CLIENT_DEPRECATE_EOF
    }

    #[test]
    fn the_server_gets_the_settings_of_the_client_and_not_its_proof() {
        let packet = response(modern() | Can::CLIENT_COMPRESS);
        let client = ClientResponse::parse(&packet).unwrap();
        assert_eq!((client.user(), client.database()), (&b"me"[..], Some(&b"app"[..])));
        assert!(client.expects_fast_auth());
        let opening = client.opening("target");
        assert_eq!(opening.agreed, modern() | Can::CLIENT_SSL);
        assert_eq!(opening.ssl_request[4..], packet[4..HEAD]);
        assert_eq!(opening.response[..HEAD], opening.ssl_request);
        let expected = "target\0\0app\0pipeprobe\0\x04\x01a\x01b";
        assert_eq!(String::from_utf8_lossy(&opening.response[HEAD..]), expected);
    }

    #[test]
    fn an_old_client_is_understood_and_a_request_for_tls_is_not() {
        let packet = response(Can::CLIENT_PROTOCOL_41 | Can::CLIENT_SECURE_CONNECTION);
        let client = ClientResponse::parse(&packet).unwrap();
        assert_eq!((client.user(), client.database()), (&b"me"[..], None));
        assert!(!client.expects_fast_auth());
        assert!(client.opening("target").agreed.contains(Can::CLIENT_PLUGIN_AUTH));
        let tls = response(modern() | Can::CLIENT_SSL);
        assert!(ClientResponse::parse(&tls[..HEAD]).unwrap_err().contains("TLS"));
        assert!(ClientResponse::parse(&[0x05, 0x24, 0, 0, 0]).unwrap_err().contains("4.1"));
    }

    #[test]
    fn packets_that_are_cut_off_or_changed_cause_no_panic() {
        let packet = response(modern());
        for cut in 0..packet.len() {
            let _ = ClientResponse::parse(&packet[..cut]);
            let _ = ChangeUser::parse(&packet[cut..], modern().bits());
            let _ = offer(&packet[..cut]);
            for byte in [0, 0xfb, 0xfc, 0xff] {
                let mut bent = packet.clone();
                bent[cut] = byte;
                let _ = ClientResponse::parse(&bent);
            }
        }
    }

    #[test]
    fn change_user_keeps_database_character_set_and_attributes() {
        let packet = b"\x11me\0\x03abcdb\0\x2d\x00mysql_native_password\0\x04\x01a\x01b";
        let change = ChangeUser::parse(packet, modern().bits()).unwrap();
        assert_eq!(change.user(), b"me");
        let expected = "\x11target\0\0db\0\x2d\0pipeprobe\0\x04\x01a\x01b";
        assert_eq!(String::from_utf8_lossy(&change.request("target")), expected);
        assert!(ChangeUser::parse(b"\x11me\0\x30abc", modern().bits()).is_none());
    }

    #[test]
    fn the_offer_withholds_capabilities_and_keeps_the_rest() {
        let mut greeting = b"\x0a8.0\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xff\x15".to_vec();
        greeting.extend([0; 6]);
        greeting.extend(b"\x1d\0\0\0ijklmnopqrst\0mysql_native_password\0");
        let offer = offer(&greeting).unwrap();
        let changed: Vec<_> = (0..greeting.len()).filter(|at| greeting[*at] != offer[*at]).collect();
        assert_eq!(changed, [18, 19, 24]);
        let flags = u32::from_le_bytes([offer[18], offer[19], offer[23], offer[24]]);
        assert_eq!(flags, !WITHHELD.bits());
    }
}
