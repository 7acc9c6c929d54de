//! Requests that another web page makes through a browser. A page can send requests to any address that its reader can
//! reach, and with DNS rebinding, where the page's own name resolves to that address, it can also read the responses.
//!
//! The browser names the address of the page in `Host`: with DNS rebinding this is always a name. Over TLS the
//! browser has verified the name against the certificate, so only plain HTTP is checked. It names the page that sends a
//! request in `Sec-Fetch-Site`, `Origin` or `Referer`. Other clients send none of them.

use std::collections::BTreeSet;

use http::{HeaderMap, header, uri::Authority};

use crate::target::quoted;

/// Whether the `Host` of a request over plain HTTP can be trusted: an IP address, `localhost` or a configured name.
///
/// # Errors
/// The text of the response.
pub(crate) fn check_host(headers: &HeaderMap, names: &BTreeSet<String>) -> Result<(), String> {
    let mut given = headers.get_all(header::HOST).iter();
    let found = match (given.next(), given.next()) {
        (Some(host), None) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
        (None, _) => return Err(format!("{HOST}nothing\n")),
        (Some(_), Some(_)) => return Err(format!("{HOST}more than one\n")),
    };
    let name = found.parse::<Authority>().ok().filter(|_| !found.contains('@'));
    let Some(name) = name.map(|authority| authority.host().to_ascii_lowercase()) else {
        return Err(format!("{HOST}{}\n", quoted(found)));
    };
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let name = name.trim_end_matches('.');
    if ip.is_ok() || name == "localhost" || names.contains(name) {
        return Ok(());
    }
    Err(format!(
        "{HOST}{}\nto use this name, add to the configuration file and reload:\n[serve]\nhost_names = [\"{}\"]\n",
        quoted(&found),
        name.escape_debug()
    ))
}

const HOST: &str = "403: Host: expected an IP address, localhost, or a name in host_names; found ";

/// Whether the request was not sent by another web page.
///
/// # Errors
/// The text of the response.
pub(crate) fn check_site(headers: &HeaderMap) -> Result<(), String> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let refused = |name: &str, found: &str| {
        Err(format!(
            "403: {name}: expected a request of this site, found {}\n\
             other web pages cannot start checks and reloads: type the address in the browser, or use curl\n",
            quoted(found)
        ))
    };
    // Every current browser sends it to trustworthy addresses: loopback, and TLS.
    if let Some(site) = text("sec-fetch-site") {
        return match site.as_str() {
            "same-origin" | "none" => Ok(()),
            _ => refused("Sec-Fetch-Site", &site),
        };
    }
    let host = text("host").unwrap_or_default();
    for name in ["origin", "referer"] {
        if let Some(page) = text(name) {
            let authority = page.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
            let is_same = authority.is_some_and(|authority| authority.eq_ignore_ascii_case(&host));
            return if is_same { Ok(()) } else { refused(name, &page) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn host(host: &str) -> Result<(), String> {
        check_host(&headers(&[("host", host)]), &["pipeprobe.example.com".to_owned()].into())
    }

    #[test]
    fn addresses_localhost_and_configured_names_are_hosts() {
        for good in [
            "127.0.0.1",
            "127.0.0.1:9719",
            "10.1.2.3:80",
            "[::1]:9719",
            "[fd00::1]",
            "localhost",
            "LocalHost:9719",
            "localhost.",
            "pipeprobe.example.com",
            "PIPEPROBE.example.com:9719",
        ] {
            assert_eq!(host(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn other_names_are_refused_with_what_to_type() {
        let refused = host("evil.example:9719").unwrap_err();
        assert_eq!(
            refused,
            "403: Host: expected an IP address, localhost, or a name in host_names; found `evil.example:9719`\n\
             to use this name, add to the configuration file and reload:\n[serve]\nhost_names = [\"evil.example\"]\n"
        );
        for bad in [
            "",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "sub.pipeprobe.example.com",
            "a b",
            "localhost@evil",
            "127.0.0.1@evil",
            "0x7f.1",
            "127.1",
            "2130706433",
            "[::1",
            ":9719",
            "example.com/localhost",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert!(check_host(&headers(&[]), &BTreeSet::new()).unwrap_err().contains("found nothing"));
        let mut twice = headers(&[("host", "localhost")]);
        twice.append("host", HeaderValue::from_static("localhost"));
        assert!(check_host(&twice, &BTreeSet::new()).unwrap_err().contains("more than one"));
    }

    #[test]
    fn requests_of_other_pages_are_refused() {
        let host = ("host", "localhost:9719");
        for good in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://localhost:9719")],
            &[host, ("origin", "https://LOCALHOST:9719")],
            &[host, ("referer", "http://localhost:9719/targets/orders")],
        ] {
            assert_eq!(check_site(&headers(good)), Ok(()), "{good:?}");
        }
        for bad in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            // Another port of the same host is another server.
            &[host, ("sec-fetch-site", "same-site"), ("origin", "http://localhost:9719")],
            &[host, ("origin", "http://localhost:3000")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://localhost:9719.evil.example")],
            &[host, ("referer", "https://evil.example/http://localhost:9719/")],
            &[host, ("origin", "http://evil.example"), ("referer", "http://localhost:9719/")],
            &[("origin", "http://localhost:9719")],
        ] {
            let refused = check_site(&headers(bad)).unwrap_err();
            assert!(refused.starts_with("403: ") && refused.contains("use curl"), "{refused}");
        }
    }
}
