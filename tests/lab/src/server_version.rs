//! The servers that the lab can run.

use std::fmt;

/// Protocol and behavior of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    Postgres,
    Mysql,
    MariaDb,
}

/// One server of one major version.
///
/// The first of each engine comes from this machine's distribution and is always available. The others are downloaded from newer
/// releases, and may not be available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerVersion {
    Postgres15,
    MariaDb10_11,
    Mysql9_7,
    Postgres17,
    Postgres18,
    MariaDb11_8,
}

/// The source of a server's programs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Installed packages of the machine.
    System,
    /// Packages of another release, unpacked into a separate folder.
    Fetched { release: &'static str, packages: &'static [&'static str] },
}

impl ServerVersion {
    /// Every server version. Those that are always available come first.
    pub const fn all() -> [Self; 6] {
        [
            Self::Postgres15,
            Self::MariaDb10_11,
            Self::Mysql9_7,
            Self::Postgres17,
            Self::Postgres18,
            Self::MariaDb11_8,
        ]
    }

    /// The name in reports, target tables and folders, such as `mariadb10_11`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres15 => "postgres15",
            Self::Postgres17 => "postgres17",
            Self::Postgres18 => "postgres18",
            Self::MariaDb10_11 => "mariadb10_11",
            Self::MariaDb11_8 => "mariadb11_8",
            Self::Mysql9_7 => "mysql9_7",
        }
    }

    /// The server version of that [`ServerVersion::name`].
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|server_version| server_version.name() == name)
    }

    pub const fn engine(self) -> Engine {
        match self {
            Self::Postgres15 | Self::Postgres17 | Self::Postgres18 => Engine::Postgres,
            Self::MariaDb10_11 | Self::MariaDb11_8 => Engine::MariaDb,
            Self::Mysql9_7 => Engine::Mysql,
        }
    }

    /// Whether it comes with this machine's distribution. It is then never skipped.
    pub const fn is_always_there(self) -> bool {
        matches!(self.source(), Source::System)
    }

    pub(crate) const fn source(self) -> Source {
        match self {
            Self::Postgres15 | Self::MariaDb10_11 => Source::System,
            Self::Postgres17 => {
                Source::Fetched { release: "trixie", packages: &["postgresql-17", "postgresql-client-17"] }
            }
            Self::Postgres18 => {
                Source::Fetched { release: "sid", packages: &["postgresql-18", "postgresql-client-18"] }
            }
            Self::MariaDb11_8 => Source::Fetched {
                release: "trixie",
                packages: &["mariadb-server-core", "mariadb-client-core"],
            },
            Self::Mysql9_7 => {
                Source::Fetched { release: "sid", packages: &["mysql-server-core", "mysql-client-core"] }
            }
        }
    }

    /// A part of the server's `--version` output. A release may update its package; the name must not say 9.7 if 9.8 runs.
    pub(crate) const fn version_mark(self) -> &'static str {
        match self {
            Self::Postgres15 => "PostgreSQL) 15.",
            Self::Postgres17 => "PostgreSQL) 17.",
            Self::Postgres18 => "PostgreSQL) 18.",
            Self::MariaDb10_11 => "10.11.",
            Self::MariaDb11_8 => "11.8.",
            Self::Mysql9_7 => "9.7.",
        }
    }

    /// The folder of the server's programs below the root of its packages.
    pub(crate) const fn program_folders(self) -> [&'static str; 2] {
        match self {
            Self::Postgres15 => ["usr/lib/postgresql/15/bin", "usr/bin"],
            Self::Postgres17 => ["usr/lib/postgresql/17/bin", "usr/bin"],
            Self::Postgres18 => ["usr/lib/postgresql/18/bin", "usr/bin"],
            Self::MariaDb10_11 | Self::MariaDb11_8 | Self::Mysql9_7 => ["usr/sbin", "usr/bin"],
        }
    }
}

impl Engine {
    /// The server's own program.
    pub(crate) const fn server(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysqld",
            Self::MariaDb => "mariadbd",
        }
    }

    /// The command-line client that comes with it.
    pub const fn client(self) -> &'static str {
        match self {
            Self::Postgres => "psql",
            Self::Mysql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }

    /// Every program that a server of this engine needs.
    pub(crate) const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres", "initdb", "psql"],
            Self::Mysql => &["mysqld", "mysql"],
            Self::MariaDb => &["mariadbd", "mariadb"],
        }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
