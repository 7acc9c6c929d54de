//! The connection of a client: a Unix socket, or TCP on the loopback interface.

use tokio::{
    io::{Interest, Ready},
    net::{TcpStream, UnixStream, tcp, unix},
};
use tokio_util::either::Either;

pub(super) type Client = Either<UnixStream, TcpStream>;
pub(super) type Reading<'a> = Either<unix::ReadHalf<'a>, tcp::ReadHalf<'a>>;
pub(super) type Writing<'a> = Either<unix::WriteHalf<'a>, tcp::WriteHalf<'a>>;

pub(super) fn split(client: &mut Client) -> (Reading<'_>, Writing<'_>) {
    match client {
        Either::Left(client) => {
            let (reading, writing) = client.split();
            (Either::Left(reading), Either::Left(writing))
        }
        Either::Right(client) => {
            let (reading, writing) = client.split();
            (Either::Right(reading), Either::Right(writing))
        }
    }
}

/// Whether a client that sends no more has closed its socket, and not only its sending half. TCP does not say so: the client
/// counts as one that still reads.
pub(super) async fn is_gone(client: &Reading<'_>) -> bool {
    let ready = match client {
        Either::Left(client) => client.as_ref().ready(Interest::WRITABLE).await,
        Either::Right(client) => client.as_ref().ready(Interest::WRITABLE).await,
    };
    ready.is_ok_and(Ready::is_write_closed)
}

/// Waits for an error of the connection. Returns whether the client has closed it.
pub(super) async fn is_closed(client: &Client) -> bool {
    let ready = match client {
        Either::Left(client) => client.ready(Interest::ERROR).await,
        Either::Right(client) => client.ready(Interest::ERROR).await,
    };
    !ready.is_ok_and(|ready| !ready.is_write_closed())
}
