//! A client for this crate's tests: signs, sends, reads. It shares no code with the product or a library.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock;
use crate::session::Credentials;
use crate::sigv4::{self, Credential};

#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl From<Credentials> for Keys {
    fn from(keys: Credentials) -> Self {
        Self { id: keys.access_key_id, secret: keys.secret_access_key, token: Some(keys.session_token) }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The text of the first element of that name.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    }

    pub(crate) fn code(&self) -> String {
        self.field("Code").unwrap_or_default()
    }

    pub(crate) fn message(&self) -> String {
        self.field("Message").unwrap_or_default()
    }

    /// Temporary keys of a good AssumeRole.
    pub(crate) fn keys(&self) -> Keys {
        assert_eq!(self.status, 200, "{self:?}");
        let field = |name| self.field(name).expect(name);
        Keys {
            id: field("AccessKeyId"),
            secret: field("SecretAccessKey"),
            token: Some(field("SessionToken")),
        }
    }

    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}

/// A request to STS, or another service, in one region's scope.
pub(crate) struct Sts<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// Of the credential scope, if not the time's.
    pub(crate) day: Option<&'a str>,
    pub(crate) time: Timestamp,
}

impl<'a> Sts<'a> {
    pub(crate) fn at(endpoint: &'a str) -> Self {
        Self { endpoint, region: "us-east-1", service: "sts", day: None, time: Timestamp::now() }
    }

    pub(crate) fn call(&self, keys: &Keys, form: &[(&str, &str)]) -> Answer {
        Answer::read(&send(self.endpoint, &self.request(keys, form)))
    }

    pub(crate) fn request(&self, keys: &Keys, form: &[(&str, &str)]) -> String {
        let version = match self.service {
            "rds" => "2014-10-31",
            "iam" => "2010-05-08",
            _ => "2011-06-15",
        };
        let form = [&[("Version", version)], form].concat();
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let date = clock::basic(self.time);
        let host = self.endpoint.strip_prefix("http://").expect("http");
        let mut headers = vec![
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ("host".to_owned(), host.to_owned()),
            ("x-amz-date".to_owned(), date.clone()),
        ];
        headers.extend(keys.token.clone().map(|token| ("x-amz-security-token".to_owned(), token)));
        let (day, service) = (self.day.unwrap_or(&date[..8]), self.service);
        let of = Credential {
            access_key_id: &keys.id,
            day,
            region: self.region,
            service,
            terminator: "aws4_request",
        };
        let canonical = sigv4::canonical_request("POST", "/", &[], &headers, body.as_bytes());
        let signature = sigv4::sign(&keys.secret, of, &date, &canonical);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!(
            "POST / HTTP/1.1\r\n{lines}Authorization: AWS4-HMAC-SHA256 Credential={}/{day}/{}/{service}/aws4_request, \
             SignedHeaders={}, Signature={signature}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            keys.id,
            self.region,
            names.join(";"),
            body.len()
        )
    }
}

/// Sends raw bytes and returns the response. Empty if the server closed the connection without one.
pub(crate) fn send(endpoint: &str, request: &str) -> String {
    let address = endpoint.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("the endpoint listens");
    exchange(&mut stream, request.as_bytes())
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> String {
    // Both may fail if the server refuses early. Its response is still returned.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

/// What a login plugin does.
pub(crate) fn ask(socket: &Path, user: &str, more: &str, token: &str) -> Answer {
    let mut stream = UnixStream::connect(socket).expect("the socket listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let request = format!(
        "POST /verify HTTP/1.1\r\nHost: x\r\nX-User: {user}\r\nX-Rhost: 127.0.0.1\r\n{more}Content-Length: \
         {}\r\nConnection: close\r\n\r\n{token}",
        token.len()
    );
    Answer::read(&exchange(&mut stream, request.as_bytes()))
}

/// An RDS auth token, made by hand.
pub(crate) struct Presign<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) user: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) expires: u32,
    pub(crate) time: Timestamp,
}

impl Presign<'_> {
    pub(crate) fn token(&self, keys: &Keys) -> String {
        let date = clock::basic(self.time);
        let scope = format!("{}/{}/{}/{}/aws4_request", keys.id, &date[..8], self.region, self.service);
        let mut query: Vec<(String, String)> = [
            ("Action", "connect"),
            ("DBUser", self.user),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &scope),
            ("X-Amz-Date", &date),
            ("X-Amz-Expires", &self.expires.to_string()),
            ("X-Amz-SignedHeaders", "host"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        query.extend(keys.token.clone().map(|token| ("X-Amz-Security-Token".to_owned(), token)));
        let authority = format!("{}:{}", self.host, self.port);
        let canonical =
            sigv4::canonical_request("GET", "/", &query, &[("host".into(), authority.to_lowercase())], b"");
        let of = Credential::parse(&scope).expect("five parts");
        let signature = sigv4::sign(&keys.secret, of, &date, &canonical);
        query.push(("X-Amz-Signature".to_owned(), signature));
        let pairs: Vec<_> = query
            .iter()
            .map(|(key, value)| format!("{}={}", sigv4::encode(key), sigv4::encode(value)))
            .collect();
        format!("{authority}/?{}", pairs.join("&"))
    }
}
