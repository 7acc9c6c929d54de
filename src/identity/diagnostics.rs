//! The credentials of AWS diagnostics, for calls of other services than STS.

use std::{error::Error, fmt::Display, sync::Arc};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_types::service_config::ServiceConfigKey;
use rustls::RootCertStore;

use super::{IdentityError, Waiting, as_credentials, caller, http, in_words, load, source, sts};
use crate::{
    diagnostic::printable,
    target::{Access, AwsDiagnosticsCredentials, Region},
};

/// The identity that reads the AWS records.
#[derive(Debug)]
pub(crate) struct DiagnosticsIdentity {
    /// Endpoints, as environment and profile configure them.
    pub(crate) sdk: SdkConfig,
    pub(crate) credentials: Credentials,
    pub(crate) http: http::HttpSender,
    /// The clock of AWS minus ours, from the answers of STS.
    pub(crate) clock_offset_seconds: Option<i64>,
    /// `None` if STS did not return it.
    pub(crate) arn: Option<String>,
}

impl DiagnosticsIdentity {
    pub(crate) fn account(&self) -> Option<&str> {
        self.arn.as_ref().and_then(|arn| arn.split(':').nth(4))
    }

    /// `AWS_ENDPOINT_URL_<service>`, `AWS_ENDPOINT_URL`, and the same of the profile (AWS SDKs Reference Guide,
    /// "Service-specific endpoints").
    pub(crate) fn endpoint_url(&self, service: &str) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let of_service =
            self.sdk.service_config().zip(key.build().ok()).and_then(|(c, key)| c.load_config(key));
        of_service.or_else(|| self.sdk.endpoint_url().map(str::to_owned))
    }
}

/// Finds the credentials: the profile's, and of the role assumed from them; without a profile the
/// role is assumed from the source credentials.
///
/// # Errors
/// In AWS's words, or those of the source of credentials that failed.
pub(crate) async fn diagnostics_identity(
    given: &AwsDiagnosticsCredentials,
    access: &Access,
    region: &Region,
    roots: RootCertStore,
) -> Result<DiagnosticsIdentity, String> {
    let region = access.sts_region.as_ref().unwrap_or(region);
    let (roots, clock) = (Arc::new(roots), http::SharedClock::default());
    let http = http::client(roots.clone(), clock.clone(), access.plaintext_endpoints)?;
    let profile = given.profile.as_ref().or(access.profile.as_ref());
    let sdk = load(profile, region, http).await;
    let mut credentials = source(&sdk, profile, &Waiting::default()).await.map_err(|error| match error {
        IdentityError::NoCredentials(why) => why.to_string(),
        IdentityError::Refused { code, message, .. } => format!("{code}: {message}"),
        IdentityError::Unreachable { what, .. }
        | IdentityError::Proxy { what, .. }
        | IdentityError::NotSts { what, .. } => what,
        IdentityError::Local { failure, .. } => failure.to_string(),
    })?;
    if let Some(role) = &given.role {
        let client = sts(&sdk, region, credentials);
        let asking = client
            .assume_role()
            .role_arn(role.as_str())
            .role_session_name(access.session_name.as_str())
            .duration_seconds(900)
            .send();
        let answer = asking.await.map_err(|error| error.api_error().message)?;
        let issued = answer.credentials().ok_or("the answer has no credentials")?;
        credentials = as_credentials(issued);
    }
    let arn = caller(&sts(&sdk, region, credentials.clone())).await.map(|arn| printable(&arn));
    let clock_offset_seconds = http::offset(&clock);
    let http = http::HttpSender::new(roots, clock, access.plaintext_endpoints)?;
    Ok(DiagnosticsIdentity { sdk, credentials, http, clock_offset_seconds, arn })
}

/// An error from AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Of the service's own error: `AccessDenied`.
    pub(crate) code: Option<String>,
    pub(crate) message: String,
}

impl ApiError {
    /// Without an error code of AWS.
    pub(crate) fn new(message: impl Display) -> Self {
        Self { code: None, message: printable(&message.to_string()) }
    }
}

/// An error of any of the operations of STS.
trait SdkFailure {
    fn api_error(&self) -> ApiError;
}

impl<E: ProvideErrorMetadata + Error + 'static> SdkFailure for SdkError<E> {
    fn api_error(&self) -> ApiError {
        match self {
            Self::ServiceError(service) => match service.err().code() {
                Some(code) => {
                    let message = service.err().message().unwrap_or_default();
                    let message = printable(&format!("{code}: {message}"));
                    ApiError { code: Some(code.to_owned()), message }
                }
                None => ApiError::new(http::description(service.raw())),
            },
            Self::TimeoutError(_) => {
                ApiError::new(format!("no answer within {} s", super::CALL_BUDGET.as_secs()))
            }
            Self::ResponseError(response) => ApiError::new(http::description(response.raw())),
            other => ApiError::new(in_words(other)),
        }
    }
}
