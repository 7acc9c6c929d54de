//! The AWS endpoints that environment variables set (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_STS`, …).

use std::net::IpAddr;

use super::Context;
use crate::{
    cli::Given,
    target::{ErrorList, Invalid},
};

/// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
const VARIABLES: [&str; 5] = [
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_RDS",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_EC2",
];
const STS: &str = "https://sts.eu-west-1.amazonaws.com";
/// Read by the matcher in identity/http.rs, the first that is set.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Turns plain HTTP on for test networks, such as that of the lab's containers.
const ALLOW: &str = "PIPEPROBE_ALLOW_PLAINTEXT_AWS";

/// Refuses endpoints that the SDK cannot use, and plain HTTP beyond this host. Returns whether plain HTTP was turned on.
pub(super) fn check(context: &Context<'_>, errors: &mut ErrorList) -> bool {
    let allowed = context.variable(ALLOW).is_some_and(|given| super::is_true(&given.text));
    let ignored = context.variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if !ignored.is_some_and(|given| given.text.eq_ignore_ascii_case("true")) {
        for name in VARIABLES {
            if let Some(given) = context.variable(name) {
                errors.take(usable(name, &given, STS, allowed));
            }
        }
    }
    for name in PROXIES {
        if let Some(given) = context.variable(name) {
            errors.take(proxy(name, &given));
        }
    }
    allowed
}

/// The proxy for AWS. A value that the matcher cannot use would be ignored, and the connection would go past the proxy.
fn proxy(name: &str, given: &Given) -> Result<(), Invalid> {
    given.read(|text| {
        let expected = "a URL such as http://proxy.example.com:3128";
        let wrong = |found: &str| Invalid::new(name, expected, found);
        let uri: http::Uri = text.parse().map_err(|_| wrong("an invalid URL"))?;
        match (uri.scheme_str(), uri.host()) {
            (None | Some("http" | "https"), Some(_)) => Ok(()),
            (Some(_), Some(_)) => Err(wrong("a URL of another scheme")),
            (_, None) => Err(wrong("a URL without a host")),
        }
    })
}

/// The value is not quoted: a URL can contain a password.
///
/// # Errors
/// A URL with a user, of another scheme than HTTPS, or none. `example`: a URL that can be used; `allowed`: plain HTTP to other
/// hosts.
pub(super) fn usable(name: &str, given: &Given, example: &str, allowed: bool) -> Result<(), Invalid> {
    given.read(|text| {
        let wrong = |found: &str| Invalid::new(name, format!("a URL such as {example}"), found);
        let uri: http::Uri = text.parse().map_err(|_| wrong("an invalid URL"))?;
        let host = uri.host().ok_or_else(|| wrong("a URL without a host"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("a URL with a user or a password"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if allowed || is_local(host) => Ok(()),
            Some("http") => {
                Err(wrong("plain HTTP to another host, which would show the credentials to the network"))
            }
            _ => Err(wrong("a URL of another scheme")),
        }
    })
}

/// A loopback or link-local address. Other names are refused, wherever they point to.
fn is_local(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::ConfigErrors;

    fn checked(variables: &[(&str, &str)]) -> Result<bool, ConfigErrors> {
        let variable = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let mut errors = ErrorList::default();
        let allowed = check(&Context::new(&variable), &mut errors);
        errors.check().map(|()| allowed)
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error() {
        for good in ["http://proxy:3128", "https://user:hunter2@proxy", "proxy:3128", "http://[::1]:3128/"] {
            assert_eq!(checked(&[("HTTPS_PROXY", good)]), Ok(false), "{good}");
        }
        for bad in ["socks5://user:hunter2@proxy:1080", "http://", "http://a b", "/proxy"] {
            let errors = checked(&[("https_proxy", bad)]).unwrap_err();
            assert_eq!(errors.first().field, "https_proxy", "{bad}");
            assert!(!errors.to_string().contains("hunter2"), "{errors}");
        }
    }

    #[test]
    fn plain_http_is_for_this_host() {
        for good in [
            "https://sts.eu-west-1.amazonaws.com",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:1",
            "http://169.254.170.2",
        ] {
            assert_eq!(checked(&[("AWS_ENDPOINT_URL_STS", good)]), Ok(false), "{good}");
        }
        for bad in [
            "http://sts.eu-west-1.amazonaws.com",
            "http://aws:8080",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://hunter2:hunter2@127.0.0.1",
            "ftp://127.0.0.1",
            ":::hunter2",
            "/hunter2",
        ] {
            let errors = checked(&[("AWS_ENDPOINT_URL", bad)]).unwrap_err();
            assert_eq!(errors.first().field, "AWS_ENDPOINT_URL", "{bad}");
            assert!(!errors.to_string().contains("hunter2"), "{errors}");
        }
        assert_eq!(checked(&[("AWS_ENDPOINT_URL_STS", "http://aws:8080"), (ALLOW, "true")]), Ok(true));
        for service in ["STS", "RDS", "IAM", "EC2"] {
            let name = format!("AWS_ENDPOINT_URL_{service}");
            assert_eq!(checked(&[(&name, "http://aws:8080")]).unwrap_err().first().field, name);
        }
        let ignored =
            [("AWS_ENDPOINT_URL_STS", "http://aws:8080"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(checked(&ignored), Ok(false));
    }
}
