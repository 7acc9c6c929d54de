//! The Query API of RDS, IAM and EC2: a form that is signed, and an answer in XML.
//!
//! The SDK crates of these services are not used: each contains every operation of its service, and ten are needed.
//!
//! Source: Amazon RDS API Reference and AWS IAM API Reference, "Making query requests" and "Common errors".

use std::time::{Duration, Instant};

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use http::{Request, header::CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::utf8_percent_encode;

use super::xml::{Element, Malformed, read};
use crate::{
    diagnostic::printable,
    identity::{ApiError, CALL_BUDGET, DiagnosticsIdentity, HttpAnswer},
    target::Region,
    token::RESERVED,
};

/// A service with this protocol.
#[derive(Debug)]
pub(super) struct Service {
    /// In IAM actions, signatures and host names.
    name: &'static str,
    version: &'static str,
    /// In `AWS_ENDPOINT_URL_…` and in the `services` section of a profile.
    id: &'static str,
    /// Whether the answer is within `<ActionResult>`.
    has_result: bool,
}

pub(super) const RDS: Service = Service { name: "rds", version: "2014-10-31", id: "RDS", has_result: true };
pub(super) const IAM: Service = Service { name: "iam", version: "2010-05-08", id: "IAM", has_result: true };
pub(super) const EC2: Service = Service { name: "ec2", version: "2016-11-15", id: "EC2", has_result: false };

/// Before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

pub(super) struct QueryApi<'a> {
    pub(super) identity: &'a DiagnosticsIdentity,
    pub(super) region: &'a Region,
    /// When the run began.
    pub(super) now: Timestamp,
    pub(super) start: Instant,
}

/// An attempt that failed.
struct Failed {
    error: ApiError,
    is_transient: bool,
}

impl From<Malformed> for ApiError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::new(format!("an answer that is not complete: {what}"))
    }
}

impl QueryApi<'_> {
    /// Makes a call, and again if AWS asks to slow down or fails. `of` reads the answer.
    ///
    /// # Errors
    /// AWS refused the call or did not respond, or the answer cannot be read.
    pub(super) async fn call<T>(
        &self,
        service: &Service,
        action: &str,
        parameters: &[(&str, &str)],
        of: impl FnOnce(Element<'_>) -> Result<T, Malformed>,
    ) -> Result<T, ApiError> {
        let form = form(service, action, parameters);
        let answer = tokio::time::timeout(CALL_BUDGET, self.attempts(service, &form)).await;
        let answer =
            answer.map_err(|_| ApiError::new(format!("no answer within {} s", CALL_BUDGET.as_secs())))??;
        let answered = format!("{action}Response");
        let read = read(&answer.text, |root| {
            if root.name() != answered {
                return Err(Malformed(format!("<{}>, expected <{answered}>", printable(root.name()))));
            }
            if service.has_result { of(root.required(&format!("{action}Result"))?) } else { of(root) }
        });
        read.map_err(|malformed| match answer.text.contains(&answered) {
            true => malformed.into(),
            false => ApiError::new(answer.description),
        })
    }

    async fn attempts(&self, service: &Service, form: &str) -> Result<HttpAnswer, ApiError> {
        for pause in PAUSES {
            match self.attempt(service, form).await {
                Err(failed) if failed.is_transient => tokio::time::sleep(pause).await,
                result => return result.map_err(|failed| failed.error),
            }
        }
        self.attempt(service, form).await.map_err(|failed| failed.error)
    }

    async fn attempt(&self, service: &Service, form: &str) -> Result<HttpAnswer, Failed> {
        let lasting = |words| Failed { error: ApiError::new(words), is_transient: false };
        let request = self.signed(service, form.to_owned()).map_err(lasting)?;
        let answer = self.identity.http.send(request).await;
        let answer = answer.map_err(|words| Failed { error: ApiError::new(words), is_transient: true })?;
        if answer.status == 200 { Ok(answer) } else { Err(refusal(answer)) }
    }

    fn signed(&self, service: &Service, form: String) -> Result<Request<String>, String> {
        let url = self.endpoint(service)?;
        let identity = self.identity.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(signing_region(service, self.region))
            .name(service.name)
            .time(self.time().try_into().map_err(words::<jiff::Error>)?)
            .settings(SigningSettings::default())
            .build()
            .map_err(words)?
            .into();
        let headers = [(CONTENT_TYPE.as_str(), FORM)].into_iter();
        let signable = SignableRequest::new("POST", &url, headers, SignableBody::Bytes(form.as_bytes()));
        let (instructions, _) = sign(signable.map_err(words)?, &parameters).map_err(words)?.into_parts();
        let mut request = Request::post(&url).header(CONTENT_TYPE, FORM).body(form).map_err(words)?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    /// By the clock of AWS, so that a wrong clock here does not hide the records.
    fn time(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.start.elapsed()).unwrap_or_default();
        let offset = SignedDuration::from_secs(self.identity.clock_offset_seconds.unwrap_or_default());
        self.now.saturating_add(since.saturating_add(offset)).unwrap_or(self.now)
    }

    /// A configured URL, otherwise the endpoint of the Region.
    fn endpoint(&self, service: &Service) -> Result<String, String> {
        match self.identity.endpoint_url(service.id) {
            Some(url) => Ok(format!("{}/", url.trim_end_matches('/'))),
            None => {
                let fips = self.identity.sdk.use_fips() == Some(true);
                let dual_stack = self.identity.sdk.use_dual_stack() == Some(true);
                Ok(format!("https://{}/", host(service, self.region, fips, dual_stack)?))
            }
        }
    }
}

fn words<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn form(service: &Service, action: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = format!("Action={action}&Version={}", service.version);
    for (name, value) in parameters {
        form += &format!("&{name}={}", utf8_percent_encode(value, RESERVED));
    }
    form
}

/// The error that AWS names: in `<ErrorResponse>`, or in `<Errors>` of EC2.
fn refusal(answer: HttpAnswer) -> Failed {
    const THROTTLED: [&str; 5] = [
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
    ];
    let named = read(&answer.text, |root| {
        let error = root.child("Error").or_else(|| root.child("Errors").and_then(|list| list.child("Error")));
        Ok(error.map(|error| (error.text("Code"), error.text("Message"))))
    });
    let is_transient = answer.status >= 500 || answer.status == 429;
    match named {
        Ok(Some((code, message))) if !code.is_empty() => Failed {
            is_transient: is_transient || THROTTLED.contains(&code.as_str()),
            error: ApiError { message: format!("{code}: {message}"), code: Some(code) },
        },
        _ => Failed { error: ApiError::new(answer.description), is_transient },
    }
}

/// IAM has one endpoint in each partition, in the Region that signs for it.
fn signing_region<'a>(service: &Service, region: &'a Region) -> &'a str {
    match region.partition() {
        _ if service.name != IAM.name => region.as_str(),
        "aws" => "us-east-1",
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => region.as_str(),
    }
}

/// Source: the endpoint rules of RDS, IAM and EC2 in botocore (`endpoint-rule-set-1.json`) and its `partitions.json`.
fn host(service: &Service, region: &Region, fips: bool, dual_stack: bool) -> Result<String, String> {
    let partition = region.partition();
    let (suffix, dual) = match partition {
        "aws" => ("amazonaws.com", Some("api.aws")),
        "aws-cn" => ("amazonaws.com.cn", Some("api.amazonwebservices.com.cn")),
        "aws-us-gov" => ("amazonaws.com", Some("api.aws")),
        "aws-iso" => ("c2s.ic.gov", None),
        "aws-iso-b" => ("sc2s.sgov.gov", None),
        "aws-iso-e" => ("cloud.adc-e.uk", None),
        "aws-iso-f" => ("csp.hci.ic.gov", None),
        "aws-eusc" => ("amazonaws.eu", None),
        _ => return Err(format!("the endpoint of {} in {region} is not known", service.name)),
    };
    let suffix = match dual_stack {
        true => dual.ok_or_else(|| format!("partition {partition} has no known dual-stack endpoints"))?,
        false => suffix,
    };
    // The endpoints of GovCloud are FIPS endpoints, except those of dual stack.
    let is_fips = partition == "aws-us-gov" && (service.name == IAM.name || !dual_stack);
    let fips = if fips && !is_fips { "-fips" } else { "" };
    let region = match (service.name == IAM.name, partition) {
        (false, _) => region.as_str(),
        (true, "aws") if !dual_stack => return Ok(format!("iam{fips}.{suffix}")),
        (true, "aws") => "global",
        (true, "aws-us-gov") => "us-gov",
        (true, "aws-cn") if !fips.is_empty() => return Ok(format!("iam{fips}.{suffix}")),
        (true, "aws-cn") if dual_stack => "global",
        (true, _) => signing_region(service, region),
    };
    Ok(format!("{}{fips}.{region}.{suffix}", service.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> HttpAnswer {
        HttpAnswer { status, retry_after: None, text: text.to_owned(), description: "a proxy".to_owned() }
    }

    #[test]
    fn a_refusal_is_named_by_aws() {
        let ec2 = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>No</Message></Error></Errors></Response>";
        let rds = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
        let iam =
            "<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>x</Message></Error></ErrorResponse>";
        for (status, text, code, words, is_transient) in [
            (403, ec2, Some("UnauthorizedOperation"), "UnauthorizedOperation: No", false),
            (400, rds, Some("Throttling"), "Throttling: Rate exceeded", true),
            (404, iam, Some("NoSuchEntity"), "NoSuchEntity: x", false),
            (500, iam, Some("NoSuchEntity"), "NoSuchEntity: x", true),
            (502, "bad gateway", None, "a proxy", true),
            (403, "<html/>", None, "a proxy", false),
        ] {
            let failed = refusal(answer(status, text));
            assert_eq!(failed.error, ApiError { code: code.map(str::to_owned), message: words.to_owned() });
            assert_eq!(failed.is_transient, is_transient, "{text}");
        }
    }

    #[test]
    fn values_of_a_form_are_escaped() {
        assert_eq!(
            form(&IAM, "GetRolePolicy", &[("RoleName", "a"), ("PolicyName", "p&Action=Delete +=,.@-_é")]),
            "Action=GetRolePolicy&Version=2010-05-08&RoleName=a&PolicyName=p%26Action%3DDelete%20%2B%3D%2C.%40-_%C3%A9"
        );
    }

    #[test]
    fn endpoints_are_those_of_the_partition() {
        for (service, region, fips, dual_stack, expected, signs) in [
            (&RDS, "eu-west-1", false, false, "rds.eu-west-1.amazonaws.com", "eu-west-1"),
            (&RDS, "us-east-1", true, false, "rds-fips.us-east-1.amazonaws.com", "us-east-1"),
            (&RDS, "us-east-1", true, true, "rds-fips.us-east-1.api.aws", "us-east-1"),
            (&RDS, "us-gov-west-1", true, false, "rds.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            (&RDS, "us-gov-east-1", true, true, "rds-fips.us-gov-east-1.api.aws", "us-gov-east-1"),
            (&RDS, "cn-north-1", false, true, "rds.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1"),
            (&EC2, "cn-northwest-1", false, false, "ec2.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
            (&EC2, "eusc-de-east-1", false, false, "ec2.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
            (&IAM, "eu-west-1", false, false, "iam.amazonaws.com", "us-east-1"),
            (&IAM, "eu-west-1", true, false, "iam-fips.amazonaws.com", "us-east-1"),
            (&IAM, "eu-west-1", false, true, "iam.global.api.aws", "us-east-1"),
            (&IAM, "eu-west-1", true, true, "iam-fips.global.api.aws", "us-east-1"),
            (&IAM, "us-gov-east-1", true, false, "iam.us-gov.amazonaws.com", "us-gov-west-1"),
            (&IAM, "us-gov-east-1", false, true, "iam.us-gov.api.aws", "us-gov-west-1"),
            (&IAM, "cn-northwest-1", false, false, "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (&IAM, "cn-north-1", true, false, "iam-fips.amazonaws.com.cn", "cn-north-1"),
            (&IAM, "cn-north-1", false, true, "iam.global.api.amazonwebservices.com.cn", "cn-north-1"),
            (&IAM, "us-iso-west-1", false, false, "iam.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            (&IAM, "us-isob-east-1", false, false, "iam.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
            (&IAM, "eu-isoe-west-1", false, false, "iam.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1"),
            (&IAM, "us-isof-east-1", false, false, "iam.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1"),
            (&IAM, "eusc-de-east-1", false, false, "iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ] {
            let region: Region = region.parse().unwrap();
            assert_eq!(host(service, &region, fips, dual_stack).unwrap(), expected);
            assert_eq!(signing_region(service, &region), signs, "{expected}");
        }
        assert!(host(&RDS, &"us-iso-east-1".parse().unwrap(), false, true).is_err());
    }
}
