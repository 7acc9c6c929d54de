//! An STS that lies. It is asked over TLS that was verified, but a proxy or a container's endpoint may
//! stand in its place.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
};

use super::{
    case::{Case, run},
    server::End,
};

/// Answers every request with these bytes, and with the second part again and again.
fn answers(head: &'static [u8], then: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                    line.clear();
                }
                let stream = stream.get_mut();
                if stream.write_all(head).is_err() || then.is_empty() {
                    return;
                }
                let many = then.repeat((64 << 10) / then.len() + 1);
                while stream.write_all(&many).is_ok() {}
            });
        }
    });
    address
}

#[test]
fn answers_of_sts() {
    let case = |cause, name: &str, head: &'static [u8], then: &'static [u8]| {
        let address = answers(head, then);
        Case::postgres(name, |_| Ok(End::Close))
            .env("AWS_ENDPOINT_URL_STS", &format!("http://{address}"))
            .within(6)
            .fails("STS_ACCESS_ROLE", cause)
    };
    let sts = |name: &str, head, then| case("STS_UNREACHABLE", name, head, then);
    let answer = |name: &str, head, then| case("STS_OTHER_ANSWER", name, head, then);
    let small_chunks = answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\n<aaa>\r\n");
    run(vec![
        answer("a body without end", b"HTTP/1.1 200 OK\r\n\r\n", b"<AssumeRoleResponse>"),
        answer("an error without end", b"HTTP/1.1 403 Forbidden\r\n\r\n", b"<ErrorResponse>"),
        sts("headers without end", b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        sts("a header without end", b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        answer("a length of 2^60", b"HTTP/1.1 200 OK\r\nContent-Length: 1152921504606846976\r\n\r\n", b"<a>"),
        answer(
            "chunks without end",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            format!("4000\r\n{}\r\n", "<aaa>123".repeat(2048)).leak().as_bytes(),
        ),
        // Reading 1 MiB of these can take longer than the time limit.
        Case::postgres("small chunks without end", |_| Ok(End::Close))
            .env("AWS_ENDPOINT_URL_STS", &format!("http://{small_chunks}"))
            .within(6)
            .has("STS_ACCESS_ROLE", "fail"),
        answer(
            "a chunk of 2^60",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
            b"x",
        ),
        sts("no HTTP at all", b"\x1b]0;owned\x07\r\n\r\n", b""),
        answer("an empty answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        answer(
            "redirects",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            b"",
        ),
    ]);
}
