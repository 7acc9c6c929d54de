//! HTTP as a scraper speaks it: one request, one answer, over a socket of our own.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.body))
    }

    /// The value of a series, named with its labels.
    pub(crate) fn series(&self, series: &str) -> Option<f64> {
        let line =
            self.body.lines().find(|line| line.strip_prefix(series).is_some_and(|l| l.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

#[track_caller]
pub(crate) fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(TcpStream::connect(address).unwrap(), "GET", path, headers)
}

#[track_caller]
pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(TcpStream::connect(address).unwrap(), "POST", path, headers)
}

#[track_caller]
pub(crate) fn request(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let has_host = headers.iter().any(|(name, _)| *name == "Host");
    let host = if has_host { "" } else { "Host: localhost\r\n" };
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}");
    stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).unwrap();
    let mut text = Vec::new();
    // A peer that closes without TLS' goodbye has said what it had to say.
    if let Err(error) = stream.read_to_end(&mut text) {
        assert!(!text.is_empty(), "{error}");
    }
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        complete(body)
    } else {
        body.to_owned()
    };
    Answer { status, head: head.to_owned(), body }
}

/// Chunks put together (RFC 9112, section 7.1).
fn complete(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body += &rest[..size];
        chunks = &rest[size + 2..];
    }
    body
}

/// Longer than any answer here.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}
