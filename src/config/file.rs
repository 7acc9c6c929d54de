//! What can be written: the configuration file. Every field is optional here; unknown ones are refused.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::target::Invalid;

/// A configuration file: what targets share, and a table for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub defaults: Fields,
    #[serde(default)]
    pub targets: BTreeMap<String, Fields>,
    #[serde(default)]
    pub serve: Serve,
}

/// How `serve` goes about it, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    pub listen: Option<String>,
    #[serde(alias = "policy")]
    pub basis: Option<String>,
    pub require: Option<String>,
    pub timeout: Option<String>,
    pub healthy_threshold: Option<Number>,
    pub unhealthy_threshold: Option<Number>,
    pub history: Option<Number>,
    pub logins_per_second: Option<Number>,
    pub tls_certificate: Option<String>,
    pub tls_key: Option<String>,
    /// Name → bcrypt hash.
    #[serde(default)]
    pub users: BTreeMap<String, String>,
    pub plaintext_beyond_loopback: Option<bool>,
}

/// The fields of one target as written or typed, before they mean anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    #[serde(rename = "type")]
    pub source_type: Option<String>,
    pub host: Option<String>,
    pub port: Option<Number>,
    pub database: Option<String>,
    pub user: Option<String>,
    pub region: Option<String>,
    pub tls_host: Option<String>,
    pub ca_certificate: Option<String>,
    pub connect_to: Option<String>,
    pub sign_host: Option<String>,
    pub sign_port: Option<Number>,
    pub iam_role: Option<String>,
    pub via_roles: Option<Vec<String>>,
    pub external_id: Option<String>,
    pub session_name: Option<String>,
    pub session_tags: Option<BTreeMap<String, String>>,
    pub transitive_tags: Option<Vec<String>>,
    pub duration: Option<String>,
    pub profile: Option<String>,
    pub explain_with_profile: Option<String>,
    pub explain_with_role: Option<String>,
    pub replication_mode: Option<String>,
    pub replication_mechanism: Option<String>,
    pub tables: Option<Vec<String>>,
    pub publication: Option<String>,
    pub interval: Option<String>,
    pub full_interval: Option<String>,
}

/// A number in the file, text on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Number {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Fields {
    /// These fields where given, else those below.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            source_type: self.source_type.or(below.source_type),
            host: self.host.or(below.host),
            port: self.port.or(below.port),
            database: self.database.or(below.database),
            user: self.user.or(below.user),
            region: self.region.or(below.region),
            tls_host: self.tls_host.or(below.tls_host),
            ca_certificate: self.ca_certificate.or(below.ca_certificate),
            connect_to: self.connect_to.or(below.connect_to),
            sign_host: self.sign_host.or(below.sign_host),
            sign_port: self.sign_port.or(below.sign_port),
            iam_role: self.iam_role.or(below.iam_role),
            via_roles: self.via_roles.or(below.via_roles),
            external_id: self.external_id.or(below.external_id),
            session_name: self.session_name.or(below.session_name),
            session_tags: self.session_tags.or(below.session_tags),
            transitive_tags: self.transitive_tags.or(below.transitive_tags),
            duration: self.duration.or(below.duration),
            profile: self.profile.or(below.profile),
            explain_with_profile: self.explain_with_profile.or(below.explain_with_profile),
            explain_with_role: self.explain_with_role.or(below.explain_with_role),
            replication_mode: self.replication_mode.or(below.replication_mode),
            replication_mechanism: self.replication_mechanism.or(below.replication_mechanism),
            tables: self.tables.or(below.tables),
            publication: self.publication.or(below.publication),
            interval: self.interval.or(below.interval),
            full_interval: self.full_interval.or(below.full_interval),
        }
    }
}

/// Reads the text of a file at `path`; the path is for messages, and what relative paths in it begin at.
///
/// # Errors
/// Names the line, and the field that is unknown or of the wrong kind.
pub fn parse(path: &Path, text: &str) -> Result<File, Invalid> {
    let mut file: File = toml::from_str(text).map_err(|e| {
        let line = e.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        Invalid::new(&format!("{}{place}", path.display()), "a pipeprobe configuration (TOML)", e.message())
    })?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let anchors = file.targets.values_mut().chain([&mut file.defaults]).map(|f| &mut f.ca_certificate);
    for pem in anchors.chain([&mut file.serve.tls_certificate, &mut file.serve.tls_key]).flatten() {
        if !pem.contains("-----BEGIN") {
            *pem = folder.join(&*pem).to_string_lossy().into_owned();
        }
    }
    Ok(file)
}
