//! A table of pipeprobe's configuration file.

use std::fmt::Write;

use crate::fixture::REGION;
use crate::guide;
use crate::server_version::Engine;

/// One database in pipeprobe's configuration.
pub(crate) struct Target<'a> {
    pub(crate) name: &'a str,
    pub(crate) engine: Engine,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// `HOST:PORT`.
    pub(crate) connect_to: &'a str,
    pub(crate) iam_role: &'a str,
    /// A path relative to the configuration file.
    pub(crate) ca_certificate: &'a str,
}

impl Target<'_> {
    pub(crate) fn table(&self) -> String {
        let kind = match self.engine {
            Engine::Postgres => "rdspostgres",
            Engine::Mysql => "rdsmysql",
            Engine::MariaDb => "rdsmariadb",
        };
        let mut table = format!("[targets.{}]\n", self.name);
        for (key, value) in [
            ("type", kind),
            ("host", self.host),
            ("database", guide::DATABASE),
            ("iam_role", self.iam_role),
            ("region", REGION),
            ("ca_certificate", self.ca_certificate),
            ("connect_to", self.connect_to),
        ] {
            let _ = writeln!(table, "{key} = \"{value}\"");
        }
        let _ = writeln!(table, "port = {}\n", self.port);
        table
    }
}
