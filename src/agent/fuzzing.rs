//! What the agent makes of the first bytes of a client, for tests/fuzz.

use std::sync::LazyLock;

use super::{mysql, postgres, relay::Pass};
use crate::connection::{ChangeUser, ClientResponse, LocalPlugin};

/// Derived once: it takes longer than everything else.
static VERIFIER: LazyLock<postgres::Verifier> =
    LazyLock::new(|| postgres::Verifier::new(b"password", [7; 16]));

/// PostgreSQL: a startup message or a request, and the messages of SCRAM.
///
/// # Panics
/// If another user than `u` is let through.
pub async fn postgres_client(bytes: &[u8]) {
    postgres::fuzzing::read(bytes).await;
    let (first, last) = bytes.split_at(bytes.len() / 2);
    assert!(!postgres::fuzzing::is_proof(&VERIFIER, first, last), "a proof without the password");
}

/// MySQL and MariaDB: a handshake response, COM_CHANGE_USER, and requests.
///
/// # Panics
/// If bytes are lost or sent twice, or a proof is accepted without the password.
pub fn mysql_client(bytes: &[u8]) {
    if let Ok(response) = ClientResponse::parse(bytes) {
        let (plugin, proof) = response.proof();
        if let Some(plugin) = LocalPlugin::named(plugin) {
            let password = crate::secret::Secret::new("a password that the fuzzer does not know");
            assert!(!plugin.accepts(proof, &[7; 20], &password), "a proof without the password");
        }
        let _ = ChangeUser::parse(bytes, response.flags()).map(|change| change.user().len());
    }
    let all = mysql::Headers::default().scan(bytes);
    let (mut headers, mut pending, mut passed, mut stopped) =
        (mysql::Headers::default(), Vec::new(), 0, false);
    for piece in bytes.chunks(3) {
        pending.extend_from_slice(piece);
        let Pass { length, stops } = headers.scan(&pending);
        pending.drain(..length);
        passed += length;
        if stops {
            stopped = true;
            break;
        }
    }
    assert_eq!((all.length, all.stops), (passed, stopped), "in pieces as in one");
}
