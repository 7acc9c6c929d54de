//! A target as a database URL: `postgres://USER@HOST:PORT/DATABASE`.

use percent_encoding::percent_decode_str;

use crate::{
    cli::{Given, fields::TargetFields},
    target::{Host, Invalid, Origin, SourceType},
};

const FIELD: &str = "TARGET";

/// Reads a URL. The type is an Aurora type for a cluster endpoint, otherwise an RDS type; `--type` overrides it.
///
/// # Errors
/// A scheme that is not supported, a password, or parameters. The URL is not quoted: it can contain a password.
pub(super) fn fields(url: &str) -> Result<TargetFields, Invalid> {
    let wrong = |expected: &str, found: &str| Invalid::new(FIELD, expected, found);
    let example = "a URL such as postgres://USER@HOST:5432/DATABASE";
    let uri: http::Uri = url.parse().map_err(|_| wrong(example, "an invalid URL"))?;
    let authority = uri.authority().ok_or_else(|| wrong(example, "a URL without a host"))?;
    let (user, _) = authority.as_str().rsplit_once('@').unwrap_or(("", ""));
    if user.contains(':') {
        return Err(wrong(
            "a URL without a password: pipeprobe logs in with an IAM token",
            "a URL with a password",
        )
        .remedy(
            "remove the password from the URL; if it is in use, change it, because shells keep a history",
        ));
    }
    if uri.query().is_some() || url.contains('#') {
        return Err(wrong("a URL without parameters: use flags instead", "a URL with parameters"));
    }
    let given = |text: &str| {
        let text =
            percent_decode_str(text).decode_utf8().map_err(|_| wrong(example, "a URL that is not UTF-8"))?;
        let given = Given::new(text.into_owned(), Origin::Flag(FIELD.to_owned()));
        Ok(Some(given).filter(|given| !given.text.is_empty()))
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let engine = match uri.scheme_str().unwrap_or_default() {
        "postgresql" => "postgres",
        scheme => scheme,
    };
    let source_type =
        SourceType::of_engine(engine, Host::parse(FIELD, host).ok().as_ref()).ok_or_else(|| {
            wrong("a URL that starts with postgres://, mysql:// or mariadb://", "another scheme")
        })?;
    Ok(TargetFields {
        source_type: given(source_type.name())?,
        host: given(host)?,
        port: authority.port_u16().map_or(Ok(None), |port| given(&port.to_string()))?,
        user: given(user)?,
        database: given(uri.path().trim_start_matches('/'))?,
        ..TargetFields::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_fields_of_a_target() {
        let text = |given: &Option<Given>| given.as_ref().map(|given| given.text.clone()).unwrap_or_default();
        for (url, expected) in [
            ("postgres://me@db.abc.eu-west-1.rds.amazonaws.com:5433/shop", "rdspostgres me 5433 shop"),
            ("postgresql://db.cluster-abc.eu-west-1.rds.amazonaws.com", "aurorapostgres   "),
            ("mysql://a%40b@db.cluster-abc.eu-west-1.rds.amazonaws.com/", "auroramysql a@b  "),
            ("mariadb://db.abc.eu-west-1.rds.amazonaws.com/x%20y", "rdsmariadb   x y"),
        ] {
            let fields = fields(url).unwrap();
            let found =
                [&fields.source_type, &fields.user, &fields.port, &fields.database].map(text).join(" ");
            assert_eq!(found, expected, "{url}");
            assert!(text(&fields.host).ends_with(".eu-west-1.rds.amazonaws.com"), "{url}");
        }
    }

    #[test]
    fn an_error_does_not_quote_the_url() {
        for url in [
            "postgres://me:hunter2@db.example.com/x",
            "postgres://db.example.com/x?password=hunter2",
            "http://hunter2@db.example.com",
            "postgres://hunter2@",
            "postgres://:hunter2@db",
            "postgres://a b:hunter2@db",
        ] {
            let error = fields(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
