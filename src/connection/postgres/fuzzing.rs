//! The rungs above TLS on any stream, for tests/fuzz.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{PostgresSession, Purpose, ask};
use crate::{
    connection::{Asked, ConnectError},
    secret::Secret,
    target::Target,
};

/// Asks, and logs in where a cleartext password is asked for.
///
/// # Errors
/// How the stream was no server.
pub async fn climb(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    token: &Secret,
) -> Result<PostgresSession, ConnectError> {
    match ask(stream, target, Purpose::Queries).await? {
        (Asked::Cleartext, door) => door.log_in(token).await,
        (asked, _) => Err(ConnectError::NotIam(asked)),
    }
}
