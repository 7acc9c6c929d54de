//! MySQL and MariaDB: not supported yet. A client gets an error instead of a greeting.

use std::path::Path;

use tokio::{io::AsyncWriteExt, net::UnixStream};

use super::{Endpoint, caller::Caller};
use crate::target::{Invalid, Target};

pub(super) const SOCKET: &str = "mysql.sock";

const WHY: &str = "pipeprobe does not support MySQL and MariaDB clients yet; use `pipeprobe token`";

pub(super) fn environment(
    target: &Target,
    _directory: &Path,
) -> Result<Vec<(&'static str, Option<String>)>, Invalid> {
    let found = format!("{} is {}: not supported yet", target.name, target.engine().name());
    Err(Invalid::new("TARGET", "a PostgreSQL target", found).help("use `pipeprobe token`"))
}

/// An error packet in place of the greeting: ER_UNKNOWN_ERROR. Before the handshake it has no SQLSTATE.
pub(super) async fn serve(mut client: UnixStream, _endpoint: &Endpoint, _caller: Caller) {
    let payload = [&[0xff, 0x51, 0x04], WHY.as_bytes()].concat();
    let packet = [&[payload.len() as u8, 0, 0, 0], &payload[..]].concat();
    let _ = client.write_all(&packet).await;
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_error_fits_one_byte_of_length() {
        assert!(super::WHY.len() + 3 < 256);
    }
}
