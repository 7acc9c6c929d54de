//! Versions of MySQL and MariaDB.

/// Major, minor and patch version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads the variable `version`: `8.0.39-log`, `10.11.6-MariaDB-log`, `5.5.5-10.6.12-MariaDB` (MariaDB with a
    /// prefix for old clients), `8.0.mysql_aurora.3.05.2`. Without a patch level, the newest patch is assumed.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("5.5.5-").unwrap_or(text).split(['.', '-', '_']);
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self(major, minor, parts.next().and_then(|patch| patch.parse().ok()).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_of_real_servers_are_read() {
        for (text, version) in [
            ("8.0.39", Version(8, 0, 39)),
            ("5.7.44-log", Version(5, 7, 44)),
            ("10.11.6-MariaDB-1:10.11.6+maria~ubu2204-log", Version(10, 11, 6)),
            ("5.5.5-10.6.12-MariaDB", Version(10, 6, 12)),
            ("5.5.62", Version(5, 5, 62)),
            ("9.7.0", Version(9, 7, 0)),
            ("8.0.mysql_aurora.3.05.2", Version(8, 0, u32::MAX)),
        ] {
            assert_eq!(Version::parse(text), Some(version), "{text}");
        }
        assert_eq!(Version::parse("MariaDB"), None);
    }
}
