//! The greeting of a client, and the proof that it knows the password of the listener, if there is one.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::packet;
use crate::{
    agent::password::{Password, random},
    connection::{ClientResponse, LocalPlugin, MysqlGreeted, Scramble},
};

/// What a client gets first.
pub(super) struct Offer<'a> {
    pub(super) greeting: Vec<u8>,
    challenge: Option<(Scramble, &'a Password)>,
}

impl<'a> Offer<'a> {
    /// `None` if the system has no random numbers.
    pub(super) fn new(greeted: &MysqlGreeted, password: Option<&'a Password>) -> Option<Self> {
        let Some(password) = password else {
            return Some(Self { greeting: greeted.offer.clone(), challenge: None });
        };
        let scramble = scramble()?;
        Some(Self { greeting: greeted.challenge(&scramble)?, challenge: Some((scramble, password)) })
    }

    /// Whether the client expects the second packet of `caching_sha2_password`; `None` if it does not know the password. `sequence` is that
    /// of the next packet.
    ///
    /// # Errors
    /// If the client closes.
    pub(super) async fn check(
        &self,
        client: &mut (impl AsyncRead + AsyncWrite + Unpin),
        response: &ClientResponse<'_>,
        sequence: &mut u8,
    ) -> io::Result<Option<bool>> {
        let Some((challenge, password)) = &self.challenge else {
            return Ok(Some(response.expects_fast_auth()));
        };
        let is_sha2 = |plugin| plugin == LocalPlugin::CachingSha2;
        let (plugin, proof) = response.proof();
        // A client without plugins has this one.
        let plugin = LocalPlugin::named(if plugin.is_empty() { b"mysql_native_password" } else { plugin });
        match plugin {
            Some(plugin) if plugin.accepts(proof, challenge, password.text()) => {
                return Ok(Some(is_sha2(plugin)));
            }
            // The challenge was for this plugin.
            Some(LocalPlugin::Native) if !proof.is_empty() => return Ok(None),
            _ => {}
        }
        let plugin = plugin.unwrap_or(LocalPlugin::Native);
        let Some(challenge) = scramble() else { return Ok(None) };
        packet::write(client, *sequence, &plugin.switch_request(&challenge)).await?;
        let answer = packet::read(client).await?;
        *sequence = answer.sequence.wrapping_add(1);
        Ok(plugin.accepts(&answer.payload, &challenge, password.text()).then_some(is_sha2(plugin)))
    }
}

/// Clients take it for a text that ends with a NUL, and some for ASCII.
fn scramble() -> Option<Scramble> {
    Some(random::<20>().ok()?.map(|byte| byte % 94 + 33))
}
