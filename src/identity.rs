//! Who we are to AWS: source credentials, then AssumeRole with the session tags, hop by hop.
//! The only file that names aws_sdk_sts; SDK errors become plain data here.
//!
//! Source: AWS STS API Reference, `AssumeRole` and `GetCallerIdentity`.

mod http;
#[cfg(feature = "aws-diagnostics")]
mod diagnostics;
mod provider;
mod sessions;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_config::{
    BehaviorVersion, Region as SdkRegion, SdkConfig,
    environment::EnvironmentVariableRegionProvider,
    meta::region::RegionProviderChain,
    profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider},
    provider_config::ProviderConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sdk_sts::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    types::{self, Tag},
};
use jiff::Timestamp;
use provider::Provider;
use rustls::RootCertStore;
use serde::Serialize;
use tracing::Instrument;

pub use provider::{FailureKind, ProviderFailure, Waiting};
pub use sessions::{Failure, Sessions};

use crate::{
    diagnostic::{milliseconds, printable},
    local_failure::LocalFailure,
    secret::Redactor,
    target::{Access, Region, RoleArn, SessionTag},
};

#[cfg(feature = "aws-diagnostics")]
pub(crate) use diagnostics::{ApiError, DiagnosticsIdentity, diagnostics_identity};
pub(crate) use http::{HttpAnswer, HttpLimits, HttpSender};

/// The most one call of AWS may take, its retries included.
pub(crate) const CALL_BUDGET: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The credentials that sign the token, and how they came about.
#[derive(Clone, Debug)]
pub struct Identity {
    pub credentials: Credentials,
    pub expires_at: Option<Timestamp>,
}

/// What was seen on the way to an identity; kept whether or not it was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IdentityEvidence {
    /// Access key id of the source credentials, shortened; it tells long-term (`AKIA…`) from temporary (`ASIA…`).
    #[serde(rename = "access_key")]
    pub source_key: Option<String>,
    #[serde(rename = "credentials_expire_at")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub source_expires_at: Option<Timestamp>,
    /// ARN of the source credentials (GetCallerIdentity needs no permission); `None` where the call failed.
    pub caller: Option<String>,
    /// The roles that were assumed, in order; the last one is the access role.
    #[serde(rename = "roles")]
    pub hops: Vec<Hop>,
    /// What came of asking once more without tags, after a refusal: accepted, or STS's words. Separates a
    /// missing sts:TagSession from a trust policy that rejects every caller.
    #[serde(skip)]
    pub untagged: Option<Result<(), String>>,
    /// Result of AssumeRole without the external id, if one was passed: ClickPipes passes none.
    #[serde(skip)]
    pub without_external_id: Option<Result<(), IdentityError>>,
    /// Environment or profile asks for FIPS endpoints.
    #[serde(skip)]
    pub fips: bool,
    /// AWS's clock minus ours, from the `Date` header of its last answer; whole seconds.
    pub clock_offset_seconds: Option<i64>,
    /// The session is from an earlier run and still valid: STS was not called now.
    #[serde(skip)]
    pub kept: bool,
    #[serde(skip)]
    pub took: Duration,
}

/// One AssumeRole that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hop {
    pub role: String,
    /// ARN of the session: `arn:…:assumed-role/<role>/<session>`.
    #[serde(rename = "session_arn")]
    pub became: String,
    /// `KEY=VALUE`, as passed.
    #[serde(rename = "session_tags")]
    pub tags: Vec<String>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub expires_at: Option<Timestamp>,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub took: Duration,
}

/// Why there is no identity. Plain data, without SDK types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// No source credentials.
    NoCredentials(ProviderFailure),
    /// STS rejected the call.
    Refused { role: String, code: String, message: String, request_id: Option<String> },
    /// This machine could not do its part. Without `role`: while it looked for credentials.
    Local { role: Option<String>, failure: LocalFailure },
    /// STS did not respond.
    Unreachable { role: String, what: String },
    /// The proxy of HTTPS_PROXY did not open a connection to STS.
    Proxy { role: String, what: String },
    /// An HTTP answer that is not one of STS, or is not complete: of a proxy, a login page, another service.
    NotSts { role: String, what: String },
}

impl IdentityEvidence {
    fn redact(&mut self, redactor: &Redactor) {
        let clean = |text: &mut String| *text = redactor.clean(&printable(text)).into_owned();
        self.caller.iter_mut().for_each(clean);
        self.hops.iter_mut().for_each(|hop| clean(&mut hop.became));
        if let Some(Err(words)) = &mut self.untagged {
            clean(words);
        }
        let without = self.without_external_id.take();
        self.without_external_id = without.map(|result| result.map_err(|error| error.redacted(redactor)));
    }
}

impl IdentityError {
    /// Whether STS has decided about the role with these parameters: a session that it issued before would not be issued
    /// again. All other errors are about this caller, or about the way to STS.
    fn is_decision(&self) -> bool {
        const CODES: [&str; 4] =
            ["MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException", "ValidationError"];
        matches!(self, Self::Refused { code, .. } if code.starts_with("AccessDenied") || CODES.contains(&code.as_str()))
    }

    /// For the log.
    fn code(&self) -> &str {
        match self {
            Self::NoCredentials(_) => "no credentials",
            Self::Refused { code, .. } => code,
            Self::Local { .. } => "a failure of this machine",
            Self::Unreachable { .. } => "no answer of STS",
            Self::Proxy { .. } => "no connection through the proxy",
            Self::NotSts { .. } => "an answer that is not from STS",
        }
    }

    fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.clean(&text).into_owned();
        match self {
            Self::NoCredentials(why) => {
                Self::NoCredentials(ProviderFailure { what: clean(why.what.clone()), ..why })
            }
            Self::Refused { role, code, message, request_id } => Self::Refused {
                role,
                code: clean(code),
                message: clean(message),
                request_id: request_id.map(|id| clean(printable(&id))),
            },
            Self::Local { .. } => self,
            Self::Unreachable { role, what } => Self::Unreachable { role, what: clean(what) },
            Self::Proxy { role, what } => Self::Proxy { role, what: clean(what) },
            Self::NotSts { role, what } => Self::NotSts { role, what: clean(what) },
        }
    }
}

/// Assumes `access.roles` in order and returns the last session's credentials; the source
/// credentials themselves where there is no role. `retry`: a role that refuses is asked once more,
/// without tags, which only adds to the evidence. `waiting` names the provider while its answer is waited for.
///
/// Tags: transitive ones are passed at the first hop and inherited from there (passing them again
/// is an error), the others at the last hop, to the access role.
///
/// # Errors
/// The first step that failed; `evidence` keeps what was seen before it.
pub async fn assume(
    access: &Access,
    region: &Region,
    roots: Arc<RootCertStore>,
    retry: bool,
    waiting: &Waiting,
    evidence: &mut IdentityEvidence,
) -> Result<Identity, IdentityError> {
    let start = Instant::now();
    let region = access.sts_region.as_ref().unwrap_or(region);
    let (clock, redactor) = (Arc::default(), Redactor::default());
    let http = http::client(roots, Arc::clone(&clock), access.plaintext_endpoints).map_err(no_client)?;
    let span = tracing::debug_span!("identity");
    let assume = assume_in_turn(access, region, http, retry, &redactor, waiting, evidence);
    let result = assume.instrument(span.clone()).await;
    evidence.clock_offset_seconds = http::offset(&clock);
    evidence.took = start.elapsed();
    // An endpoint that is not STS can return what it received.
    evidence.redact(&redactor);
    result.map_err(|error| error.redacted(&redactor)).inspect_err(|error| {
        span.in_scope(|| tracing::debug!(cause = error.code(), took = ?evidence.took, "no identity"));
    })
}

/// The secrets of credentials, for the texts of servers that have received them.
pub fn learn(redactor: &Redactor, credentials: &Credentials) {
    for secret in [credentials.access_key_id(), credentials.secret_access_key()] {
        redactor.learn(secret);
    }
    redactor.learn(credentials.session_token().unwrap_or_default());
}

/// The source credentials themselves, without a call of STS. A provider of credentials can need the network.
///
/// # Errors
/// If there are none.
pub async fn source_credentials(
    access: &Access,
    region: &Region,
    roots: Arc<RootCertStore>,
    waiting: &Waiting,
    evidence: &mut IdentityEvidence,
) -> Result<Identity, IdentityError> {
    let start = Instant::now();
    let region = access.sts_region.as_ref().unwrap_or(region);
    let redactor = Redactor::default();
    let http =
        http::client(roots, http::SharedClock::default(), access.plaintext_endpoints).map_err(no_client)?;
    let sdk = load(access.profile.as_ref(), region, http).await;
    let credentials = source(&sdk, access.profile.as_ref(), waiting).await;
    evidence.took = start.elapsed();
    let credentials = credentials.map_err(|error| error.redacted(&redactor))?;
    evidence.source_key = Some(shortened(credentials.access_key_id()));
    evidence.source_expires_at = expiry(&credentials);
    Ok(Identity { expires_at: expiry(&credentials), credentials })
}

async fn assume_in_turn(
    access: &Access,
    region: &Region,
    http: http::Client,
    retry: bool,
    redactor: &Redactor,
    waiting: &Waiting,
    evidence: &mut IdentityEvidence,
) -> Result<Identity, IdentityError> {
    let sdk = load(access.profile.as_ref(), region, http).await;
    evidence.fips = sdk.use_fips() == Some(true);
    let start = Instant::now();
    let source = source(&sdk, access.profile.as_ref(), waiting).await?;
    tracing::debug!(took = ?start.elapsed(), "credentials found");
    learn(redactor, &source);
    evidence.source_key = Some(shortened(source.access_key_id()));
    evidence.source_expires_at = expiry(&source);

    // Who asks is evidence, not a condition, so it is asked beside the first hop.
    let first = sts(&sdk, region, source.clone());
    let chain = Chain { access, sdk: &sdk, region, redactor };
    let (caller, credentials) = tokio::join!(
        caller(&first),
        chain.walk(source, &mut evidence.hops, &mut evidence.without_external_id)
    );
    evidence.caller = caller;
    let credentials = match credentials {
        Ok(credentials) => credentials,
        Err((at, error)) => {
            if retry {
                evidence.untagged = chain.untagged(at, &error).await;
            }
            return Err(error);
        }
    };
    Ok(Identity { expires_at: expiry(&credentials), credentials })
}

/// Where credentials come from, with our HTTP.
async fn load(profile: Option<&String>, region: &Region, http: http::Client) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .operation_timeout(CALL_BUDGET)
        .build();
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone()).timeout_config(timeouts);
    // Sources that call AWS (web identity, SSO, roles of a profile) need a Region: the environment's or the
    // profile's, else the database's. Instance metadata is not asked for one: most machines have none.
    let mut in_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
        in_profile = in_profile.profile_name(profile);
    }
    let regions = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(in_profile.build())
        .or_else(SdkRegion::new(region.to_string()));
    // A profile that is named is meant: the chain would take keys of the environment before it.
    if let Some(profile) = profile {
        let config = ProviderConfig::default().with_region(regions.region().await).with_http_client(http);
        let only = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile);
        loader = loader.credentials_provider(only.build());
    }
    loader.region(regions).load().await
}

async fn source(
    sdk: &SdkConfig,
    profile: Option<&String>,
    waiting: &Waiting,
) -> Result<Credentials, IdentityError> {
    let provider = Provider::here(profile).await.map_err(IdentityError::NoCredentials)?;
    let credentials = sdk
        .credentials_provider()
        .ok_or_else(|| no_client("no credential source is configured".to_owned()))?;
    match waiting.during(&provider, credentials.provide_credentials()).await {
        Ok(credentials) => Ok(credentials),
        Err(error) => Err(match LocalFailure::of(&error) {
            Some(failure) => IdentityError::Local { role: None, failure },
            None => IdentityError::NoCredentials(provider.failure(&error).await),
        }),
    }
}

fn no_client(why: String) -> IdentityError {
    IdentityError::NoCredentials(ProviderFailure::other(why))
}

/// The roles in turn, and what each is asked with.
struct Chain<'a> {
    access: &'a Access,
    sdk: &'a SdkConfig,
    region: &'a Region,
    redactor: &'a Redactor,
}

/// Where in the chain, and with whose credentials.
type At = (usize, Credentials);

impl Chain<'_> {
    fn tags(&self, i: usize) -> Vec<&SessionTag> {
        let (first, last) = (i == 0, i + 1 == self.access.roles.len());
        let passed = |tag: &&SessionTag| if self.access.tags.is_transitive(tag) { first } else { last };
        self.access.tags.tags.iter().filter(passed).collect()
    }

    async fn walk(
        &self,
        source: Credentials,
        evidence: &mut Vec<Hop>,
        without_external_id: &mut Option<Result<(), IdentityError>>,
    ) -> Result<Credentials, (At, IdentityError)> {
        let mut credentials = source;
        for i in 0..self.access.roles.len() {
            // The external id is the access role's condition; hops before it are ClickHouse's own.
            let last = i + 1 == self.access.roles.len();
            let external_id = self.access.external_id.as_ref().filter(|_| last);
            let tags = self.tags(i);
            let without = async {
                match external_id {
                    Some(_) => Some(self.hop(i, credentials.clone(), &tags, None).await.map(|_| ())),
                    None => None,
                }
            };
            let with = self.hop(i, credentials.clone(), &tags, external_id);
            let (auth_request, without) = tokio::join!(with, without);
            *without_external_id = without;
            let (next, hop) = auth_request.map_err(|error| ((i, credentials), error))?;
            learn(self.redactor, &next);
            tracing::debug!(role = hop.role, took = ?hop.took, "assumed");
            evidence.push(hop);
            credentials = next;
        }
        Ok(credentials)
    }

    async fn hop(
        &self,
        i: usize,
        credentials: Credentials,
        tags: &[&SessionTag],
        external_id: Option<&crate::target::ExternalId>,
    ) -> Result<(Credentials, Hop), IdentityError> {
        let client = sts(self.sdk, self.region, credentials);
        let first = i == 0 && !tags.is_empty();
        hop(&client, self.access, &self.access.roles[i], tags, first, external_id).await
    }

    /// Worth asking only where access was denied, and tags were passed that could be the reason.
    async fn untagged(&self, (i, credentials): At, error: &IdentityError) -> Option<Result<(), String>> {
        let IdentityError::Refused { code, .. } = error else { return None };
        if !code.starts_with("AccessDenied") || self.tags(i).is_empty() {
            return None;
        }
        let last = i + 1 == self.access.roles.len();
        let external_id = self.access.external_id.as_ref().filter(|_| last);
        Some(match self.hop(i, credentials, &[], external_id).await {
            Ok(_) => Ok(()),
            Err(IdentityError::Refused { code, message, .. }) => Err(format!("{code}: {message}")),
            Err(
                IdentityError::Unreachable { what, .. }
                | IdentityError::Proxy { what, .. }
                | IdentityError::NotSts { what, .. },
            ) => Err(what),
            Err(IdentityError::NoCredentials(why)) => Err(why.to_string()),
            Err(IdentityError::Local { failure, .. }) => Err(failure.to_string()),
        })
    }
}

async fn hop(
    client: &Client,
    access: &Access,
    role: &RoleArn,
    tags: &[&SessionTag],
    first: bool,
    external_id: Option<&crate::target::ExternalId>,
) -> Result<(Credentials, Hop), IdentityError> {
    let start = Instant::now();
    let sdk_tags: Result<Vec<Tag>, _> =
        tags.iter().map(|t| Tag::builder().key(&t.key).value(&t.value).build()).collect();
    let unreachable = |what: String| IdentityError::Unreachable { role: role.to_string(), what };
    let transitive = if first { access.tags.transitive.clone() } else { Vec::new() };
    let answer = client
        .assume_role()
        .role_arn(role.as_str())
        .role_session_name(access.session_name.as_str())
        .duration_seconds(i32::try_from(access.duration.as_secs()).unwrap_or(i32::MAX))
        .set_tags(Some(sdk_tags.map_err(|e| unreachable(e.to_string()))?).filter(|t| !t.is_empty()))
        .set_transitive_tag_keys(Some(transitive).filter(|t| !t.is_empty()))
        .set_external_id(external_id.map(|id| id.as_str().to_owned()))
        .send()
        .await
        .map_err(|e| refusal(role, &e))?;
    // The SDK replaces missing response fields with empty values; an incomplete response is rejected.
    let issued = answer
        .credentials()
        .filter(|c| {
            !c.access_key_id().is_empty()
                && !c.secret_access_key().is_empty()
                && !c.session_token().is_empty()
        })
        .ok_or_else(|| IdentityError::NotSts {
            role: role.to_string(),
            what: "the answer contains no complete credentials".into(),
        })?;
    let credentials = as_credentials(issued);
    let hop = Hop {
        role: role.to_string(),
        became: answer.assumed_role_user().map(|u| u.arn().to_owned()).unwrap_or_default(),
        tags: tags.iter().map(ToString::to_string).collect(),
        expires_at: expiry(&credentials),
        took: start.elapsed(),
    };
    Ok((credentials, hop))
}

fn as_credentials(issued: &types::Credentials) -> Credentials {
    let expires_at = Timestamp::from_second(issued.expiration().secs()).ok();
    Credentials::new(
        issued.access_key_id(),
        issued.secret_access_key(),
        Some(issued.session_token().to_owned()),
        expires_at.and_then(|at| at.try_into().ok()),
        "AssumeRole",
    )
}

async fn caller(client: &Client) -> Option<String> {
    client.get_caller_identity().send().await.ok()?.arn().map(str::to_owned)
}

/// The regional endpoint of a Region: of `sts_region`, otherwise of the database's (or `AWS_ENDPOINT_URL_STS`). The SDK
/// chooses the FIPS and dual-stack endpoints (`AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, and those of the profile).
fn sts(sdk: &SdkConfig, region: &Region, credentials: Credentials) -> Client {
    let config = aws_sdk_sts::config::Builder::from(sdk)
        .region(SdkRegion::new(region.to_string()))
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

fn refusal<E>(role: &RoleArn, error: &SdkError<E>) -> IdentityError
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
{
    let role = role.to_string();
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) if http::is_error_of_query_api(service.raw()) => IdentityError::Refused {
                role,
                code: printable(code),
                message: printable(service.err().message().unwrap_or_default()),
                request_id: service.err().request_id().map(str::to_owned),
            },
            _ => IdentityError::NotSts { role, what: http::description(service.raw()) },
        },
        SdkError::ResponseError(response) => {
            IdentityError::NotSts { role, what: http::description(response.raw()) }
        }
        SdkError::TimeoutError(_) => {
            IdentityError::Unreachable { role, what: format!("no answer within {} s", CALL_BUDGET.as_secs()) }
        }
        other => match LocalFailure::of(other) {
            Some(failure) => IdentityError::Local { role: Some(role), failure },
            None => match http::ProxyFailure::of(other) {
                Some(what) => IdentityError::Proxy { role, what },
                None => IdentityError::Unreachable { role, what: in_words(other) },
            },
        },
    }
}

/// The messages of an error and its sources. Never their Debug output: it contains the whole response, with keys.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = vec![message(error)];
    let mut source = error.source();
    while let Some(error) = source {
        let more = message(error);
        if !words.iter().any(|said| said.contains(&more)) {
            words.push(more);
        }
        source = error.source();
    }
    words.join(": ")
}

/// The message, without the endpoint and the request that the SDK's message about an unusable endpoint contains.
fn message(error: &dyn std::error::Error) -> String {
    const ENDPOINT: &str = "failed to apply endpoint";
    let text = error.to_string();
    let end = text.find(ENDPOINT).map_or(text.len(), |at| at + ENDPOINT.len());
    printable(&text[..end])
}

fn expiry(credentials: &Credentials) -> Option<Timestamp> {
    credentials.expiry().and_then(|at| Timestamp::try_from(at).ok())
}

/// `AKIA…MPLE`: enough to recognize a key.
fn shortened(key: &str) -> String {
    match (key.get(..4), key.get(key.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if key.len() >= 12 => format!("{head}…{tail}"),
        _ => "…".to_owned(),
    }
}
