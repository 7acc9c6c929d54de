//! The ClickHouse Cloud API: asks for a service and its pipes. Only GET is used, and a service that is idle is not woken: its
//! pipes can then not be listed. The list of static IP addresses needs no key.
//!
//! Source: OpenAPI specification of ClickHouse Cloud (`organizationGetList`, `instanceGet`, `clickPipeGetList`).

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    Request,
    header::{ACCEPT, AUTHORIZATION},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    cli::Given,
    config::ServiceQuery,
    diagnostic::printable,
    identity::{HttpAnswer, HttpLimits, HttpSender},
    secret::{Redactor, Secret},
    static_ips::{self, List},
    target::{Invalid, quoted},
    trust,
};

/// A service with 500 pipes has about 4 MiB.
const LIMITS: HttpLimits = HttpLimits { response: Duration::from_secs(20), bytes: 32 << 20 };
/// For all requests.
const TIMEOUT: Duration = Duration::from_secs(30);
const MANAGE: &str =
    "the key needs the permission manage-clickpipes for this service: no smaller permission lists pipes";

/// Asks for the service and its pipes. The result is a text for [`crate::sources::clickhouse::read`].
///
/// # Errors
/// Why there is no answer. Neither the key nor anything that contains it is quoted.
pub async fn ask(query: &ServiceQuery) -> Result<Given, Invalid> {
    let redactor = Redactor::default();
    let result = match Api::new(query, redactor.clone()) {
        Ok(api) => tokio::time::timeout(TIMEOUT, api.service_and_pipes())
            .await
            .unwrap_or_else(|_| Err(api.failed(&no_answer(), RETRY))),
        Err(invalid) => Err(invalid),
    };
    let clean = |text: &str| redactor.clean(text).into_owned();
    match result {
        Ok(text) => Ok(Given::new(text, query.origin.clone())),
        Err(invalid) => Err(Invalid { found: clean(&invalid.found), ..invalid }.at(&query.origin)),
    }
}

/// Reads the list of static IP addresses from its URL. Redirects are not followed.
///
/// # Errors
/// Why there is no list.
pub async fn static_ips(url: Given) -> Result<Given, Invalid> {
    let expected = format!("the list of {}", static_ips::LIVE);
    let failed = |why: String| {
        // A query can contain a secret.
        let found = format!("{}: {why}", quoted(url.text.split(['?', '#']).next().unwrap_or_default()));
        let help =
            format!("write it with: curl -fsS {} -o FILE, and give --static-ips FILE", static_ips::LIVE);
        Invalid::new("static_ips", &expected, found).at(&url.origin).remedy(help)
    };
    let http = client().map_err(failed)?;
    let request = Request::get(&url.text).header(ACCEPT, "application/json").body(String::new());
    let request = request.map_err(|_| failed("a URL that cannot be used".to_owned()))?;
    let answer = tokio::time::timeout(TIMEOUT, http.send(request)).await;
    let answer = answer.map_err(|_| failed(no_answer()))?.map_err(|why| failed(printable(&why)))?;
    if answer.status != 200 {
        return Err(failed(answer.description));
    }
    List::parse(&answer.text).map_err(failed)?;
    Ok(url.with_text(answer.text.trim_start().to_owned()))
}

fn client() -> Result<HttpSender, String> {
    let roots = trust::web_roots(None).map_err(|invalid| invalid.to_string())?;
    HttpSender::with_limits(Arc::new(roots), LIMITS)
}

fn no_answer() -> String {
    format!("no complete answer within {} s", TIMEOUT.as_secs())
}

const FIELD: &str = "clickhouse_service";
const RETRY: &str = "try again; HTTPS_PROXY is used if it is set";

struct Api<'a> {
    query: &'a ServiceQuery,
    http: HttpSender,
    authorization: Secret,
    redactor: Redactor,
}

/// The answer of every operation.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
}

impl<'a> Api<'a> {
    fn new(query: &'a ServiceQuery, redactor: Redactor) -> Result<Self, Invalid> {
        let key = &query.key;
        let pair = Secret::new(format!("{}:{}", key.id.reveal(), key.secret.reveal()));
        let encoded = Secret::new(BASE64_STANDARD.encode(pair.reveal()));
        for secret in [&key.id, &key.secret, &encoded] {
            redactor.learn(secret.reveal());
        }
        let authorization = Secret::new(format!("Basic {}", encoded.reveal()));
        let http = client().map_err(|why| Invalid::new(FIELD, "an HTTPS client", why))?;
        Ok(Self { query, http, authorization, redactor })
    }

    async fn service_and_pipes(&self) -> Result<String, Invalid> {
        let organization = match &self.query.organization {
            Some(id) => id.clone(),
            None => self.organization().await?,
        };
        let service = format!("/v1/organizations/{organization}/services/{}", self.query.service);
        let facts = self.result(&service).await?;
        let pipes = self.result(&format!("{service}/clickpipes")).await?;
        Ok(format!(r#"{{"service":{facts},"pipes":{pipes}}}"#))
    }

    async fn organization(&self) -> Result<String, Invalid> {
        const HELP: &str = "give the ID of its organization with --clickhouse-organization";
        let all = self.result("/v1/organizations").await?;
        let all: Vec<Organization> =
            serde_json::from_str(&all).map_err(|_| self.failed("organizations of another form", HELP))?;
        let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
        match &all[..] {
            [only] if only.id.len() == 36 && only.id.chars().all(is_id) => Ok(only.id.clone()),
            [] => Err(self.failed("a key without an organization", HELP)),
            [_] => Err(self.failed("an organization whose ID is not a UUID", HELP)),
            several => Err(self.failed(&format!("a key of {} organizations", several.len()), HELP)),
        }
    }

    /// `result` of an answer, as JSON.
    async fn result(&self, path: &str) -> Result<String, Invalid> {
        let request = Request::get(format!("{}{path}", self.query.url))
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, self.authorization.reveal())
            .body(String::new())
            .map_err(|_| self.failed("a URL that cannot be used", "correct CLICKHOUSE_CLOUD_API_URL"))?;
        let answer = self.http.send(request).await.map_err(|why| self.failed(&printable(&why), RETRY))?;
        let envelope: Option<Envelope<'_>> = serde_json::from_str(&answer.text).ok();
        match (answer.status, envelope) {
            (200, Some(Envelope { result: Some(result), .. })) => Ok(result.get().to_owned()),
            (200, _) => {
                Err(self.failed(&answer.description, "check CLICKHOUSE_CLOUD_API_URL and HTTPS_PROXY"))
            }
            (_, envelope) => Err(self.refused(&answer, envelope.and_then(|envelope| envelope.error))),
        }
    }

    /// An answer with an error. Redirects are not followed: they could lead the key elsewhere.
    fn refused(&self, answer: &HttpAnswer, said: Option<String>) -> Invalid {
        let status = answer.status;
        // Cleaned before it is cut, because a piece of a key can be too short to be found.
        let said = said.map(|said| self.redactor.clean(&said).into_owned());
        let said = said.map(|said| quoted(said.chars().take(300).collect::<String>()));
        let found = match &said {
            Some(said) => format!("HTTP status {status}: {said}"),
            None => answer.description.clone(),
        };
        let wait = answer.retry_after.map_or("a minute".to_owned(), |seconds| format!("{seconds} s"));
        let help = match status {
            401 => "check CLICKHOUSE_CLOUD_API_KEY (the ID of the key) and CLICKHOUSE_CLOUD_API_SECRET: \
                    the key is wrong, disabled or expired"
                .to_owned(),
            403 => MANAGE.to_owned(),
            404 => "check the ID of the service and --clickhouse-organization".to_owned(),
            424 => "the pipes of a service can be listed only while it runs, and pipeprobe does not wake or start it: \
                    wake it, for example with a query, and check again, or use --terraform-state"
                .to_owned(),
            429 => format!("too many requests with this key: try again in {wait}"),
            500.. => "ClickHouse Cloud has a failure: try again later".to_owned(),
            _ => "check CLICKHOUSE_CLOUD_API_URL, HTTPS_PROXY and the IDs".to_owned(),
        };
        self.failed(&found, &help)
    }

    fn failed(&self, found: &str, help: &str) -> Invalid {
        Invalid::new(FIELD, "the pipes of the service from the ClickHouse Cloud API", found).remedy(help)
    }
}
