//! Programs for tests and benchmarks of the agent: relays of connections to a database, and clients that no server package contains. They
//! are unpacked into the cache; installed packages would start as services.

use std::io;
use std::path::{Path, PathBuf};

use crate::setup::step;
use crate::{cache, fetch};

const NAME: &str = "relays-3";
const PROGRAMS: [&str; 3] = ["haproxy", "pgbouncer", "socat"];

/// The folder of the program of that name. The package has the same name.
///
/// # Errors
/// If it cannot be downloaded, with apt's message.
pub fn relay(name: &str) -> io::Result<PathBuf> {
    let folder = cache::publish(NAME, |aside| {
        step("fetching haproxy, pgbouncer and socat", || {
            fetch::unpack_programs(NAME, "trixie", &PROGRAMS, &PROGRAMS, aside)
        })
    })?;
    find(&folder, name)
}

/// Clients of MySQL and MariaDB: the release and packages that they are in, and their names.
const CLIENTS: [(&str, &[&str], &[&str]); 3] = [
    ("trixie", &["mariadb-client"], &["mariadb-dump", "mariadb-binlog"]),
    ("sid", &["mysql-client", "mysql-client-core"], &["mysqldump"]),
    ("sid", &["mysql-server-core"], &["mysqlbinlog"]),
];

/// The path of a client that dumps a database or reads its binary log.
///
/// # Errors
/// If it cannot be downloaded, with apt's message.
pub fn client(name: &str) -> io::Result<PathBuf> {
    let package = CLIENTS.iter().find(|(_, _, programs)| programs.contains(&name));
    let (release, packages, programs) =
        package.ok_or_else(|| io::Error::other(format!("{name} is in no package of the lab")))?;
    let cached = format!("clients-1-{}", packages[0]);
    let folder = cache::publish(&cached, |aside| {
        step(&format!("fetching {}", packages[0]), || {
            fetch::unpack_programs(&cached, release, packages, programs, aside)
        })
    })?;
    find(&folder, name)
}

fn find(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let paths = ["usr/sbin", "usr/bin"].map(|part| folder.join(part).join(name));
    let found = paths.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| io::Error::other(format!("no {name} in its package")))
}
