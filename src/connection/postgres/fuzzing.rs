//! The stages after TLS on any stream, for tests/fuzz.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{super::Purpose, PostgresSession, request_auth, startup};
use crate::{
    connection::{AuthRequest, ConnectError},
    secret::Secret,
    target::Target,
};

/// Asks, and logs in where a cleartext password is asked for.
///
/// # Errors
/// How the stream was no server.
pub async fn connect_until_auth(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    token: &Secret,
) -> Result<PostgresSession, ConnectError> {
    match request_auth(stream, &startup(target, Purpose::Queries)?, false).await? {
        (AuthRequest::Cleartext, pending) => {
            pending
                .authenticate(token)
                .await?
                .into_session(Purpose::Queries, crate::secret::Redactor::default())
                .await
        }
        (auth_request, _) => Err(ConnectError::NotIam(auth_request)),
    }
}
