//! Asks a client for the password of the listener.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::scram::MECHANISM;
use crate::agent::password::{Password, random};

/// Longest message of the client. Nonces have a few dozen bytes.
const LONGEST: usize = 2048;

const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

/// Whether the client proves that it knows the password.
///
/// # Errors
/// If it closes, or its messages have another layout.
pub(super) async fn is_known(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    password: &Password,
) -> io::Result<bool> {
    request(client, SASL, &[MECHANISM.as_bytes(), b"\0\0"].concat()).await?;
    let message = response(client).await?;
    // The name of the mechanism, the length of its data, the data.
    let name = message.iter().position(|byte| *byte == 0).map(|end| message.split_at(end + 1));
    let Some((name, [_, _, _, _, first @ ..])) = name else { return Ok(false) };
    let nonce = STANDARD_NO_PAD.encode(random::<18>()?);
    let challenge = password.verifier().challenge(first, &nonce);
    let Some(challenge) = challenge.filter(|_| name == [MECHANISM.as_bytes(), b"\0"].concat()) else {
        return Ok(false);
    };
    request(client, SASL_CONTINUE, challenge.message.as_bytes()).await?;
    let Some(last) = challenge.verify(&response(client).await?) else { return Ok(false) };
    request(client, SASL_FINAL, last.as_bytes()).await?;
    Ok(true)
}

/// Sends an authentication request.
async fn request(client: &mut (impl AsyncWrite + Unpin), kind: u32, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u32 + 8).to_be_bytes();
    client.write_all(&[b"R", &length[..], &kind.to_be_bytes(), data].concat()).await?;
    client.flush().await
}

/// Reads SASLInitialResponse or SASLResponse.
async fn response(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = [0; 5];
    client.read_exact(&mut head).await?;
    let [kind, a, b, c, d] = head;
    let length = (u32::from_be_bytes([a, b, c, d]) as usize).checked_sub(4);
    let Some(length) = length.filter(|length| kind == b'p' && *length <= LONGEST) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a response to a request of a password"));
    };
    let mut message = vec![0; length];
    client.read_exact(&mut message).await?;
    Ok(message)
}
