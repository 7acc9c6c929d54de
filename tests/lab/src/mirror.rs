//! The package mirror of this machine, from its apt configuration.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A package archive and its keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    uri: String,
    /// Path of a keyring. Keys that are embedded in a source file are not supported.
    signed_by: String,
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

impl Mirror {
    /// The first archive in `/etc/apt` that has this machine's release.
    pub(crate) fn of_this_machine() -> Result<Self, String> {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let field = |name: &str| {
            let value = release.lines().find_map(|l| l.strip_prefix(name))?;
            Some(value.trim_matches('"').to_owned())
        };
        if field("ID=").as_deref() != Some("debian") {
            return Err("fetched lanes need a Debian machine".to_owned());
        }
        let codename = field("VERSION_CODENAME=").unwrap_or_default();

        let mut files = vec![Path::new("/etc/apt/sources.list").to_owned()];
        let parts = fs::read_dir("/etc/apt/sources.list.d");
        files.extend(parts.into_iter().flatten().flatten().map(|e| e.path()));
        files
            .iter()
            .find_map(|file| {
                let text = fs::read_to_string(file).ok()?;
                match file.extension()?.to_str()? {
                    "list" => in_list(&text, &codename),
                    "sources" => in_sources(&text, &codename),
                    _ => None,
                }
            })
            .ok_or_else(|| format!("no archive for {codename} in /etc/apt"))
    }

    /// The `sources.list` line for another release of this archive.
    pub(crate) fn line(&self, release: &str) -> String {
        // The index of an unreleased version may be an old copy.
        let stale = match release {
            "sid" => " check-valid-until=no",
            _ => "",
        };
        format!("deb [signed-by={}{stale}] {} {release} main\n", self.signed_by, self.uri)
    }

    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    pub(crate) fn keyring(&self) -> &str {
        &self.signed_by
    }

    /// The proxies of apt's configuration, as environment variables for other programs.
    pub(crate) fn proxies(&self) -> Vec<(String, String)> {
        proxies(&self.how_to_reach())
    }

    /// This machine's settings for archives (proxies, certificates), as apt configuration.
    pub(crate) fn how_to_reach(&self) -> String {
        let dump = Command::new("apt-config").arg("dump").output();
        let dump = dump.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        dump.unwrap_or_default()
            .lines()
            .filter(|l| l.starts_with("Acquire::http") || l.starts_with("Acquire::ForceIPv"))
            .map(|l| format!("{l}\n"))
            .collect()
    }
}

fn proxies(apt: &str) -> Vec<(String, String)> {
    let proxy = |line: &str| {
        let (scheme, value) = line.strip_prefix("Acquire::")?.split_once("::Proxy ")?;
        let value = value.trim_end_matches(';').trim_matches('"');
        // DIRECT is apt's word for none.
        (!value.is_empty() && value != "DIRECT").then(|| (format!("{scheme}_proxy"), value.to_owned()))
    };
    apt.lines().filter_map(proxy).collect()
}

/// The old format: `deb [options] URI suite component…`.
fn in_list(text: &str, codename: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let mut rest = line.trim().strip_prefix("deb ")?.trim_start();
        let mut signed_by = KEYRING;
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (options, after) = bracketed.split_once(']')?;
            let mut options = options.split_whitespace();
            signed_by = options.find_map(|o| o.strip_prefix("signed-by=")).unwrap_or(KEYRING);
            rest = after;
        }
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        (suite == codename && words.any(|component| component == "main"))
            .then(|| Mirror { uri: uri.to_owned(), signed_by: signed_by.to_owned() })
    })
}

/// The new format: paragraphs of `Field: value`.
fn in_sources(text: &str, codename: &str) -> Option<Mirror> {
    text.split("\n\n").find_map(|paragraph| {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                (field.eq_ignore_ascii_case(name)).then(|| value.trim())
            })
        };
        let has = |name, word: &str| field(name)?.split_whitespace().find(|w| *w == word);
        if field("Enabled") == Some("no") {
            return None;
        }
        has("Types", "deb")?;
        has("Suites", codename)?;
        has("Components", "main")?;
        Some(Mirror {
            uri: field("URIs")?.split_whitespace().next()?.to_owned(),
            signed_by: field("Signed-By").filter(|path| path.starts_with('/')).unwrap_or(KEYRING).to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_formats() {
        let list = "# comment\ndeb-src http://mirror.test/debian bookworm main\n\
                    deb http://mirror.test/security bookworm-security main\n\
                    deb [arch=amd64 signed-by=/keys/a.gpg] http://mirror.test/debian bookworm main contrib\n";
        let sources = "Types: deb\nURIs: http://mirror.test/security\nSuites: bookworm-security\nComponents: main\n\n\
                       Types: deb deb-src\n# a comment: with a colon\nURIs: http://mirror.test/debian\n\
                       Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/a.gpg\n";
        let wanted =
            Some(Mirror { uri: "http://mirror.test/debian".to_owned(), signed_by: "/keys/a.gpg".to_owned() });
        assert_eq!(in_list(list, "bookworm"), wanted);
        assert_eq!(in_sources(sources, "bookworm"), wanted);
        assert_eq!(in_sources(sources, "trixie"), None);
    }

    #[test]
    fn proxies_of_apt_are_those_of_others() {
        let apt = "Acquire::http \"\";\nAcquire::http::Proxy \"http://proxy.test:3128\";\n\
                   Acquire::https::Proxy \"DIRECT\";\nAcquire::http::Timeout \"20\";\n";
        assert_eq!(proxies(apt), [("http_proxy".to_owned(), "http://proxy.test:3128".to_owned())]);
    }

    #[test]
    fn an_archive_that_is_switched_off_is_not_used() {
        let sources = "Enabled: no\nTypes: deb\nURIs: http://a.test\nSuites: sid\nComponents: main\n";
        assert_eq!(in_sources(sources, "sid"), None);
    }
}
