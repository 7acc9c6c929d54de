//! What is asked of ClickHouse Cloud: the pipes of a service (`--clickhouse-service`) and with which key, and the list of static IP
//! addresses (`--static-ips URL`).

use super::{Context, Environment, endpoints, input};
use crate::{
    cli::{ClickHouse, Given, fields::PipeFields},
    secret::Secret,
    static_ips,
    target::{ConfigErrors, ErrorList, Invalid, Origin, quoted},
};

/// Source: OpenAPI specification of ClickHouse Cloud, `servers`.
const API: &str = "https://api.clickhouse.cloud";
/// As ClickHouse's own command line names them (clickhousectl).
const KEY: &str = "CLICKHOUSE_CLOUD_API_KEY";
const SECRET: &str = "CLICKHOUSE_CLOUD_API_SECRET";
const URL: &str = "CLICKHOUSE_CLOUD_API_URL";
const KEY_FILE_LIMIT: u64 = 4 << 10;

/// What to ask ClickHouse Cloud for.
#[derive(Clone, Debug)]
pub struct ServiceQuery {
    pub service: String,
    /// `None`: the organization of the key.
    pub organization: Option<String>,
    pub key: ApiKey,
    /// Without a slash at the end.
    pub url: String,
    /// Where the service was given.
    pub origin: Origin,
}

/// A key of the ClickHouse Cloud API.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: Secret,
    pub secret: Secret,
}

impl ServiceQuery {
    /// The query, if a service was given.
    ///
    /// # Errors
    /// Everything that cannot be used. Keys are never quoted.
    pub fn read(args: &ClickHouse, environment: Environment<'_>) -> Result<Option<Self>, ConfigErrors> {
        let context = Context::new(environment);
        let non_empty = |given: &Option<Given>| given.clone().filter(|given| !given.text.is_empty());
        let Some(service) = non_empty(&args.clickhouse_service) else { return Ok(None) };
        let mut errors = ErrorList::default();
        let e = &mut errors;
        let id = e.take(service.read(|text| uuid("clickhouse_service", text)));
        let organization = non_empty(&args.clickhouse_organization)
            .and_then(|given| e.take(given.read(|text| uuid("clickhouse_organization", text))));
        let key = e.take(match non_empty(&args.clickhouse_key_file) {
            Some(given) => key_of_file(&given),
            None => key_of_variables(&context),
        });
        let url = match context.variable(URL) {
            Some(given) => e.take(endpoints::usable(URL, &given, API, false).map(|()| given.text.clone())),
            None => Some(API.to_owned()),
        };
        errors.check()?;
        let (Some(id), Some(key), Some(url)) = (id, key, url) else {
            return Err(super::field::internal().into());
        };
        let url = url.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        Ok(Some(Self { service: id, organization, key, url, origin: service.origin.clone() }))
    }
}

/// The URL in `--static-ips`, if it is one and not a file.
///
/// # Errors
/// A URL that cannot be used.
pub fn list_url(fields: &PipeFields) -> Result<Option<Given>, Invalid> {
    let is_url = |given: &&Given| given.text.starts_with("https://") || given.text.starts_with("http://");
    let Some(given) = fields.static_ips.as_ref().filter(is_url) else { return Ok(None) };
    endpoints::usable("static_ips", given, static_ips::LIVE, false)?;
    Ok(Some(given.clone()))
}

/// IDs are part of a URL.
fn uuid(field: &str, text: &str) -> Result<String, Invalid> {
    let lengths = text.split('-').map(str::len);
    let is_uuid = lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    match is_uuid {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            let expected = "an ID such as 11111111-2222-3333-4444-555555555555";
            let help = "the console of ClickHouse Cloud shows it in the URL of the service";
            Err(Invalid::new(field, expected, quoted(text)).remedy(help))
        }
    }
}

fn key_of_variables(context: &Context<'_>) -> Result<ApiKey, Invalid> {
    let expected = "the key of the ClickHouse Cloud API";
    let variable = |name: &str| {
        let help = format!("set {KEY} and {SECRET}, or give --clickhouse-key-file");
        context.variable(name).ok_or_else(|| Invalid::new(name, expected, "nothing").remedy(help))
    };
    let (id, secret) = (variable(KEY)?, variable(SECRET)?);
    let part = |name: &str, given: &Given| {
        let is_usable = is_part_of_key(&given.text);
        let wrong = || Invalid::new(name, expected, "a text with other characters (not shown)");
        is_usable.then(|| Secret::new(given.text.as_str())).ok_or_else(|| wrong().at(&given.origin))
    };
    Ok(ApiKey { id: part(KEY, &id)?, secret: part(SECRET, &secret)? })
}

fn key_of_file(given: &Given) -> Result<ApiKey, Invalid> {
    const FIELD: &str = "clickhouse_key_file";
    let expected = "a file with KEY_ID:KEY_SECRET";
    let path = input::path_of(given);
    let text = input::read_limited(&path, KEY_FILE_LIMIT).map_err(|why| {
        Invalid::new(FIELD, expected, format!("{}: {why}", quoted(&given.text))).at(&given.origin)
    })?;
    match text.trim().split_once(':') {
        Some((id, secret)) if is_part_of_key(id) && is_part_of_key(secret) => {
            Ok(ApiKey { id: Secret::new(id), secret: Secret::new(secret) })
        }
        _ => Err(Invalid::new(FIELD, expected, "a file with another content (not shown)").at(&given.origin)),
    }
}

/// Whether it can be a user or a password of HTTP Basic authentication (RFC 7617).
fn is_part_of_key(text: &str) -> bool {
    (1..=500).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() && c != ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "11111111-2222-3333-4444-55555555555A";

    fn read(
        service: &str,
        key_file: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<Option<ServiceQuery>, ConfigErrors> {
        let given = |text: &str| Given::new(text.to_owned(), Origin::Flag("--clickhouse-service".to_owned()));
        let args = ClickHouse {
            clickhouse_service: Some(given(service)),
            clickhouse_organization: None,
            clickhouse_key_file: key_file.map(given),
        };
        let variable = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        ServiceQuery::read(&args, &variable)
    }

    #[test]
    fn a_service_is_asked_with_the_key_of_the_environment_or_of_a_file() {
        let key = [(KEY, "id"), (SECRET, "hunter2")];
        let query = read(SERVICE, None, &key).unwrap().unwrap();
        assert_eq!((query.service.as_str(), query.url.as_str()), (&*SERVICE.to_lowercase(), API));
        assert_eq!((query.key.id.reveal(), query.key.secret.reveal()), ("id", "hunter2"));
        assert!(!format!("{query:?}").contains("hunter2"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "id2:hunter3\n").unwrap();
        let url = [(URL, "http://127.0.0.1:1/v1/")];
        let query = read(SERVICE, file.to_str(), &url).unwrap().unwrap();
        assert_eq!((query.key.id.reveal(), query.key.secret.reveal()), ("id2", "hunter3"));
        assert_eq!(query.url, "http://127.0.0.1:1");
        assert!(read("", None, &[]).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_shows_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "hunter2").unwrap();
        let key = |id: &'static str, secret: &'static str| vec![(KEY, id), (SECRET, secret)];
        let with = |url: &'static str| [key("id", "hunter2"), vec![(URL, url)]].concat();
        for (service, file, variables, field) in [
            ("1111", None, key("id", "hunter2"), "clickhouse_service"),
            ("11111111-2222-3333-4444-55555555555/", None, key("id", "hunter2"), "clickhouse_service"),
            (SERVICE, None, vec![], KEY),
            (SERVICE, None, vec![(KEY, "hunter2")], SECRET),
            (SERVICE, None, key("id", "hunter2\r\nX: y"), SECRET),
            (SERVICE, None, key("hunter2:x", "hunter2"), KEY),
            (SERVICE, file.to_str(), vec![], "clickhouse_key_file"),
            (SERVICE, Some("/none"), vec![], "clickhouse_key_file"),
            (SERVICE, None, with("http://api.clickhouse.cloud"), URL),
            (SERVICE, None, with("https://hunter2@api.clickhouse.cloud"), URL),
        ] {
            let errors = read(service, file, &variables).unwrap_err();
            assert_eq!(errors.first().field, field, "{service} {variables:?}");
            assert!(!errors.to_string().contains("hunter2"), "{errors}");
        }
    }
}
