//! Reads single fields, and notes what cannot be used.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    cli::Given,
    target::{ErrorList, Host, Invalid, Origin, quoted},
};

/// A field is missing although no error was noted.
pub(super) fn internal() -> Invalid {
    Invalid::new("target", "all required fields", "an internal error; please report it")
}

/// A field that may be missing; if it cannot be used, that is noted.
pub(super) fn optional<T>(
    errors: &mut ErrorList,
    given: Option<&Given>,
    read: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Option<T> {
    given.and_then(|given| errors.take(given.read(read)))
}

/// The items of a list; those that cannot be used are noted.
pub(super) fn list<T>(
    errors: &mut ErrorList,
    given: Option<&[Given]>,
    field: &str,
    read: impl Fn(&str) -> Result<T, Invalid>,
) -> Vec<T> {
    let item = |given: &Given| match given.key {
        Some(_) => Err(Invalid::new(field, "a list, such as [\"…\"]", "a table").at(&given.origin)),
        None => given.read(&read),
    };
    given.iter().copied().flatten().filter_map(|given| errors.take(item(given))).collect()
}

/// A field that must be given; `target` is the table of the target in the file.
pub(super) fn require<T>(
    given: Option<&Given>,
    field: &str,
    expected: &str,
    target: Option<&Origin>,
    read: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<T, Invalid> {
    match given.filter(|given| !given.text.is_empty()) {
        Some(given) => given.read(read),
        None => Err(missing(field, expected, target)),
    }
}

/// A field that is not given; `target` is its table in the file.
pub(super) fn missing(field: &str, expected: &str, target: Option<&Origin>) -> Invalid {
    let (flag, variable) = (field.replace('_', "-"), field.to_uppercase());
    let invalid = Invalid::new(field, expected, "nothing");
    match target {
        Some(origin @ Origin::Resource { .. }) => {
            invalid.at(origin).remedy(format!("set {field} of the pipe, or give --{flag}"))
        }
        Some(origin) => {
            invalid.at(origin).remedy(format!("add `{field} = \"…\"` to this table or to [defaults]"))
        }
        None => invalid.remedy(format!("give --{flag}, or set PIPEPROBE_{variable}, or `{field}` in a file")),
    }
}

/// A host that is a name: certificates are verified against names.
pub(super) fn host_name(field: &str, text: &str) -> Result<Host, Invalid> {
    let host = Host::parse(field, text)?;
    match host.ip() {
        Some(_) => Err(Invalid::new(
            field,
            "a host name, such as the RDS endpoint",
            format!("the IP address `{host}`"),
        )),
        None => Ok(host),
    }
}

pub(super) fn port(field: &str, text: &str) -> Result<u16, Invalid> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| Invalid::new(field, "a port from 1 to 65535", quoted(text)))
}

/// # Errors
/// A text that is not one of the two words.
pub(super) fn boolean(field: &str, text: &str) -> Result<bool, Invalid> {
    text.parse().map_err(|_| Invalid::new(field, "true or false", quoted(text)))
}

/// # Errors
/// A text that is not a duration, or one outside of `range`.
pub(super) fn duration(
    field: &str,
    text: &str,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Invalid> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
    parsed.filter(|d| range.contains(d)).ok_or_else(|| {
        let shown = |d: &Duration| match d.as_secs() {
            s if s % 3600 == 0 => format!("{}h", s / 3600),
            s if s % 60 == 0 => format!("{}m", s / 60),
            s => format!("{s}s"),
        };
        let (least, most) = (shown(range.start()), shown(range.end()));
        Invalid::new(
            field,
            format!("a duration from {least} to {most}, such as 30s, 15m or 1h"),
            quoted(text),
        )
    })
}
