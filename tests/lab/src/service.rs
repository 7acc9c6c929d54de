//! The parts of the lab in separate containers (docker-compose.yml): one for AWS, one for each database.
//!
//! They share a folder, which is a volume. `aws` creates its content once: keys live as long as the volume.
//!
//! ```text
//! root.pem              the trust root of every server
//! credentials           the caller's key, readable for the caller's group only
//! pipeprobe.toml        a table for each database, and one that is refused
//! NAME/server.pem, .key a server's certificate and key
//! NAME/verify.sock      socket of that server's token verifier
//! ```

mod aws;
mod database;

use std::path::{Path, PathBuf};

pub use aws::{Running as RunningAws, is_answering, start as start_aws};
pub use database::{Running as RunningDatabase, start as start_database};

use crate::certificates::ServerFiles;
use crate::server_version::Engine;

/// A database of such a lab: its name, which is also its host name, and its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub engine: Engine,
}

impl Member {
    /// The default port of its engine.
    pub(crate) fn port(&self) -> u16 {
        match self.engine {
            Engine::Postgres => 5432,
            Engine::Mysql | Engine::MariaDb => 3306,
        }
    }

    fn files(&self, shared: &Path) -> ServerFiles {
        ServerFiles::within(&shared.join(&self.name))
    }

    fn verifier(&self, shared: &Path) -> PathBuf {
        shared.join(&self.name).join("verify.sock")
    }
}

impl std::str::FromStr for Member {
    type Err = String;

    /// `NAME=ENGINE`, or only an engine, which is then also the name.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, engine) = text.split_once('=').unwrap_or((text, text));
        let engine = match engine {
            "postgres" => Engine::Postgres,
            "mysql" => Engine::Mysql,
            "mariadb" => Engine::MariaDb,
            _ => return Err("the engines are postgres, mysql and mariadb; write NAME=ENGINE".to_owned()),
        };
        // The name is used as a folder, a host name and a TOML key.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match !name.is_empty() && name.chars().all(fits) {
            true => Ok(Self { name: name.to_owned(), engine }),
            false => Err("a name has lower-case letters, digits and dashes".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_named_or_named_for_their_engine() {
        let member =
            |text: &str| text.parse::<Member>().map(|member| (member.name, member.engine, text.len()));
        assert_eq!(member("mysql"), Ok(("mysql".to_owned(), Engine::Mysql, 5)));
        assert_eq!(member("a-1=mariadb"), Ok(("a-1".to_owned(), Engine::MariaDb, 11)));
        for wrong in ["", "oracle", "=mysql", "../x=mysql", "A=postgres", "a=b=mysql", "x]\n[y=mysql"] {
            assert!(member(wrong).is_err(), "{wrong}");
        }
    }
}
