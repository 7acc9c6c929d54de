//! Security groups, as EC2 has them: one call of its Query API, signed here and sent with the HTTP client of the SDK.
//! aws-sdk-ec2 is not used: it contains every operation of EC2, and this needs one.
//!
//! Source: Amazon EC2 API Reference, `DescribeSecurityGroups`, version 2016-11-15.

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use http::{Request, header::CONTENT_TYPE};
use jiff::Timestamp;

use super::{Lookup, Rule, SecurityGroup, notes::Notes};
use crate::{
    diagnostic::printable,
    identity::{HttpSender, OperatorSdk, Said, SdkFailure},
    target::Region,
};

const CALL: &str = "ec2:DescribeSecurityGroups";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

pub(super) struct Ec2<'a> {
    pub(super) sdk: &'a OperatorSdk,
    pub(super) http: HttpSender,
    pub(super) region: &'a Region,
    pub(super) now: Timestamp,
}

#[derive(Debug)]
struct Failure(Said);

impl Failure {
    fn new(words: impl std::fmt::Display) -> Self {
        Self(Said { code: None, words: printable(&words.to_string()) })
    }
}

impl SdkFailure for Failure {
    fn said(&self) -> Said {
        self.0.clone()
    }
}

impl Ec2<'_> {
    /// All rules of these groups.
    pub(super) async fn security_groups(&self, ids: &[String], notes: &Notes) -> Lookup<Vec<SecurityGroup>> {
        match notes.ask(CALL, &ids.join(", "), self.ask(ids)).await {
            Ok(groups) => Lookup::Found(groups),
            Err(_) => Lookup::Unavailable,
        }
    }

    async fn ask(&self, ids: &[String]) -> Result<Vec<SecurityGroup>, Failure> {
        let mut form = "Action=DescribeSecurityGroups&Version=2016-11-15".to_owned();
        for (i, id) in ids.iter().enumerate() {
            // The id is from RDS, and becomes a part of the form.
            if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                return Err(Failure::new(format!("not called: RDS has a security group {id}")));
            }
            form += &format!("&GroupId.{}={id}", i + 1);
        }
        let request = self.signed(form).await?;
        let (status, text) = self.http.send(request).await.map_err(Failure::new)?;
        if status != 200 {
            return Err(refusal(status, &text));
        }
        let groups = groups(&text).map_err(Failure::new)?;
        match ids.iter().find(|id| !groups.iter().any(|group| group.id == **id)) {
            Some(id) => Err(Failure::new(format!("the answer does not contain {id}"))),
            None => Ok(groups),
        }
    }

    async fn signed(&self, form: String) -> Result<Request<String>, Failure> {
        let provider = self.sdk.credentials_provider().ok_or_else(|| Failure::new("no credentials"))?;
        let identity = provider.provide_credentials().await.map_err(Failure::new)?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_str())
            .name("ec2")
            .time(self.now.try_into().map_err(Failure::new)?)
            .settings(SigningSettings::default())
            .build()
            .map_err(Failure::new)?
            .into();
        let url = self.endpoint();
        let signable = SignableRequest::new(
            "POST",
            url.as_str(),
            [(CONTENT_TYPE.as_str(), FORM)].into_iter(),
            SignableBody::Bytes(form.as_bytes()),
        );
        let (instructions, _) =
            sign(signable.map_err(Failure::new)?, &parameters).map_err(Failure::new)?.into_parts();
        let mut request = Request::post(&url).header(CONTENT_TYPE, FORM).body(form).map_err(Failure::new)?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    /// `AWS_ENDPOINT_URL` and the key of a profile, otherwise that of the Region.
    fn endpoint(&self) -> String {
        match self.sdk.endpoint_url() {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => {
                let suffix =
                    if self.region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
                format!("https://ec2.{}.{suffix}/", self.region)
            }
        }
    }
}

/// The error that AWS names.
fn refusal(status: u16, text: &str) -> Failure {
    let named = |text: &str| -> Result<Option<(String, String)>, XmlDecodeError> {
        let mut document = Document::new(text);
        let mut root = document.root_element()?;
        while let Some(mut errors) = root.next_tag() {
            while let Some(mut error) = errors.next_tag() {
                let (mut code, mut message) = (String::new(), String::new());
                while let Some(mut tag) = error.next_tag() {
                    match tag.start_el().local() {
                        "Code" => code = try_data(&mut tag)?.into_owned(),
                        "Message" => message = try_data(&mut tag)?.into_owned(),
                        _ => {}
                    }
                }
                if !code.is_empty() {
                    return Ok(Some((code, message)));
                }
            }
        }
        Ok(None)
    };
    match named(text) {
        Ok(Some((code, message))) => {
            let words = printable(&format!("{code}: {message}"));
            Failure(Said { code: Some(code), words })
        }
        _ => Failure::new(format!("HTTP status {status} without an error of AWS")),
    }
}

fn groups(text: &str) -> Result<Vec<SecurityGroup>, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    let mut groups = Vec::new();
    while let Some(mut tag) = root.next_tag() {
        if tag.start_el().local() == "securityGroupInfo" {
            while let Some(item) = tag.next_tag() {
                groups.push(group(item)?);
            }
        }
    }
    Ok(groups)
}

fn group(mut item: ScopedDecoder<'_, '_>) -> Result<SecurityGroup, XmlDecodeError> {
    let mut group = SecurityGroup::default();
    while let Some(mut tag) = item.next_tag() {
        match tag.start_el().local() {
            "groupId" => group.id = printable(&try_data(&mut tag)?),
            // Inbound; ipPermissionsEgress is the other direction.
            "ipPermissions" => {
                while let Some(permission) = tag.next_tag() {
                    group.rules.push(rule(permission)?);
                }
            }
            _ => {}
        }
    }
    Ok(group)
}

fn rule(mut permission: ScopedDecoder<'_, '_>) -> Result<Rule, XmlDecodeError> {
    let mut rule = Rule::default();
    let port = |text: &str| {
        text.trim().parse().map(Some).map_err(|_| XmlDecodeError::custom("a port that is not a number"))
    };
    while let Some(mut tag) = permission.next_tag() {
        match tag.start_el().local() {
            "ipProtocol" => rule.protocol = printable(&try_data(&mut tag)?),
            "fromPort" => rule.from = port(&try_data(&mut tag)?)?,
            "toPort" => rule.to = port(&try_data(&mut tag)?)?,
            "ipRanges" => rule.cidrs = texts(tag, "cidrIp")?,
            "prefixListIds" => rule.prefix_lists = texts(tag, "prefixListId")?,
            _ => {}
        }
    }
    Ok(rule)
}

/// The text of an element of each item.
fn texts(mut list: ScopedDecoder<'_, '_>, name: &str) -> Result<Vec<String>, XmlDecodeError> {
    let mut texts = Vec::new();
    while let Some(mut item) = list.next_tag() {
        while let Some(mut tag) = item.next_tag() {
            if tag.start_el().local() == name {
                texts.push(printable(&try_data(&mut tag)?));
            }
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbound_rules_are_read_and_nothing_else() {
        let text = r#"<?xml version="1.0"?><DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
          <requestId>r</requestId><securityGroupInfo><item><ownerId>1</ownerId><groupId>sg-1</groupId><ipPermissions>
            <item><ipProtocol>tcp</ipProtocol><fromPort>5432</fromPort><toPort>5433</toPort>
              <groups><item><groupId>sg-2</groupId></item></groups>
              <ipRanges><item><cidrIp>192.0.2.0/24</cidrIp><description>a &amp; b</description></item><item><cidrIp>198.51.100.1/32</cidrIp></item></ipRanges>
              <prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds></item>
            <item><ipProtocol>-1</ipProtocol><groups/><ipRanges/><ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6></item></ipv6Ranges><prefixListIds/></item>
          </ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>
          </item></securityGroupInfo></DescribeSecurityGroupsResponse>"#;
        let tcp = Rule {
            protocol: "tcp".into(),
            from: Some(5432),
            to: Some(5433),
            cidrs: vec!["192.0.2.0/24".into(), "198.51.100.1/32".into()],
            prefix_lists: vec!["pl-1".into()],
        };
        let all = Rule { protocol: "-1".into(), ..Rule::default() };
        assert_eq!(groups(text).unwrap(), [SecurityGroup { id: "sg-1".into(), rules: vec![tcp, all] }]);
        assert!(groups("").is_err() && groups("{}").is_err());
        assert!(groups(&text.replace("5432", "any")).is_err());
    }

    #[test]
    fn a_refusal_is_named_by_aws() {
        let text = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized</Message></Error></Errors></Response>";
        assert_eq!(refusal(403, text).0.words, "UnauthorizedOperation: You are not authorized");
        assert_eq!(refusal(502, "bad gateway").0.words, "HTTP status 502 without an error of AWS");
    }
}
