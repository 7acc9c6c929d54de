//! Servers that repeat what they received, after verified TLS or in place of STS: no output contains a piece of a secret.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::{Arc, Mutex},
};

use lab::ACCESS_ROLE;

use super::{
    case::LAB,
    mysql, mysql_session, postgres, postgres_session,
    server::{AUTHORITY, End, HOST, Peer, Script, Server},
};
use crate::serve::{ServeProcess, wait};

/// Everything that the servers of a test received as a password.
type Received = Arc<Mutex<Vec<String>>>;

/// The longest piece that may appear: an output can contain any ordinary word.
const PIECE: usize = 12;

/// Pieces of the secret parts of the tokens (as sent, and decoded) that are in the output, spaces and lines aside.
fn leaked(output: &str, tokens: &[String]) -> Vec<String> {
    let output: String = output.split_whitespace().collect();
    let mut secrets = Vec::new();
    for token in tokens {
        for name in ["X-Amz-Signature=", "X-Amz-Security-Token="] {
            let value = token.split_once(name).expect("a token").1.split('&').next().unwrap();
            secrets.push(value.to_owned());
            secrets.push(value.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="));
        }
    }
    pieces(&output, &secrets)
}

fn pieces(output: &str, secrets: &[String]) -> Vec<String> {
    let found = |piece: &&[u8]| output.contains(std::str::from_utf8(piece).unwrap());
    let all = secrets.iter().flat_map(|secret| secret.as_bytes().windows(PIECE));
    all.filter(found).take(3).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

fn third(token: &str, part: usize) -> &str {
    let size = token.len().div_ceil(3);
    &token[part * size..token.len().min((part + 1) * size)]
}

/// PostgreSQL refuses the token with it in three fields. The cause is ambiguous, so there is a second token.
fn postgres_refuses(received: Received) -> Script {
    Box::new(move |peer| {
        let token = postgres_token(peer, &received)?;
        let message = format!("PAM authentication failed {}", third(&token, 0));
        let fields: [(u8, &[u8]); 5] = [
            (b'S', b"FATAL"),
            (b'C', b"28000"),
            (b'M', message.as_bytes()),
            (b'D', third(&token, 1).as_bytes()),
            (b'H', third(&token, 2).as_bytes()),
        ];
        peer.send(&postgres::fields(b'E', &fields))?;
        Ok(End::Close)
    })
}

/// Each connection after the first names earlier tokens as SASL mechanisms.
fn postgres_names_mechanisms(received: Received) -> Script {
    Box::new(move |peer| {
        let earlier = received.lock().unwrap().last().cloned();
        let Some(earlier) = earlier else {
            let token = postgres_token(peer, &received)?;
            peer.send(&postgres::error("28000", &format!("PAM authentication failed {token}")))?;
            return Ok(End::Close);
        };
        postgres::startup(peer)?;
        let names = format!("{}\0{}\0\0", third(&earlier, 1), third(&earlier, 2));
        peer.send(&postgres::authentication(10, names.as_bytes()))?;
        Ok(End::Listen)
    })
}

fn postgres_token(peer: &mut Peer, received: &Received) -> io::Result<String> {
    postgres::startup(peer)?;
    peer.send(&postgres::cleartext())?;
    let (_, body) = postgres::hear(peer)?;
    Ok(note(&body, received))
}

fn note(body: &[u8], received: &Received) -> String {
    let token = String::from_utf8_lossy(body).trim_end_matches('\0').to_owned();
    received.lock().unwrap().push(token.clone());
    token
}

/// A PostgreSQL session whose parameters, errors and rows contain the token.
fn postgres_answers(received: Received) -> Script {
    Box::new(move |peer| {
        let token = postgres_token(peer, &received)?;
        peer.send(&postgres::authentication(0, &[]))?;
        let version = postgres::parameter("server_version", third(&token, 1));
        peer.send(&[version, postgres::message(b'K', &[0; 8]), postgres::ready()].concat())?;
        loop {
            let (tag, sql) = postgres::hear(peer)?;
            let sql = String::from_utf8_lossy(&sql).trim_end_matches('\0').to_owned();
            let answer = match sql.as_str() {
                _ if tag == b'X' => return Ok(End::Close),
                "SELECT version()" | "SELECT current_setting('server_version_num')" => {
                    postgres_session::honestly(&sql)
                }
                // Tables, settings, grants: every column of some rows.
                _ if sql.len().is_multiple_of(2) => {
                    let columns = ["a"; 9];
                    let row: Vec<&[u8]> = (0..9).map(|i| third(&token, i % 3).as_bytes()).collect();
                    let rows = [postgres_session::columns(&columns), postgres_session::row(&row)].concat();
                    [rows, postgres_session::complete(), postgres::ready()].concat()
                }
                _ => [postgres::error("XX000", &token), postgres::ready()].concat(),
            };
            peer.send(&answer)?;
        }
    })
}

fn mysql_token(peer: &mut Peer, received: &Received) -> io::Result<String> {
    mysql::response(peer)?;
    peer.send(&mysql::packet(3, b"\xfemysql_clear_password\0"))?;
    let (_, body) = mysql::hear(peer)?;
    Ok(note(&body, received))
}

fn mysql_refuses(received: Received) -> Script {
    Box::new(move |peer| {
        let token = mysql_token(peer, &received)?;
        let words = format!("Access denied for user 'clickpipes_iam_user' (using password: {token})");
        peer.send(&mysql::packet(5, &mysql::error(1045, words.as_bytes())))?;
        Ok(End::Close)
    })
}

fn mysql_answers(received: Received) -> Script {
    Box::new(move |peer| {
        let token = mysql_token(peer, &received)?;
        peer.send(&mysql::packet(5, mysql::OK))?;
        loop {
            let (_, command) = mysql::hear(peer)?;
            let sql = String::from_utf8_lossy(&command[1..]).into_owned();
            let answer = match command[0] {
                mysql_session::COM_QUIT => return Ok(End::Close),
                _ if sql.starts_with("SHOW GLOBAL VARIABLES") || sql.starts_with("SET") => {
                    mysql_session::honestly(&sql)
                }
                _ if sql.len().is_multiple_of(2) => {
                    let row: Vec<&str> = (0..3).map(|i| third(&token, i)).collect();
                    mysql_session::result(&["a", "b", "c"], &[&row])
                }
                _ => mysql::packet(1, &mysql::error(1105, token.as_bytes())),
            };
            peer.send(&answer)?;
        }
    })
}

/// A run about a server of ours.
fn pipeprobe(command: &str, kind: &str, address: SocketAddr, arguments: &[&str]) -> Command {
    let ca = LAB.dir().join("hostile-echo.pem");
    fs::write(&ca, &AUTHORITY.pem).unwrap();
    let mut pipeprobe = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    pipeprobe
        .args([command, "--type", kind, "--host", HOST, "--database", "app", "--iam-role", ACCESS_ROLE])
        .args(["--connect-to", &address.to_string(), "--log-level", "trace", "--ca-certificate"])
        .arg(ca)
        .args(arguments)
        .env_clear()
        .envs(LAB.environment());
    pipeprobe
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.code().is_some(), "{output:?}");
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

struct Echo {
    name: &'static str,
    kind: &'static str,
    script: fn(Received) -> Script,
}

const fn echo(name: &'static str, kind: &'static str, script: fn(Received) -> Script) -> Echo {
    Echo { name, kind, script }
}

const SERVERS: [Echo; 5] = [
    echo("PostgreSQL refuses", "rdspostgres", postgres_refuses),
    echo("PostgreSQL names mechanisms", "rdspostgres", postgres_names_mechanisms),
    echo("PostgreSQL answers", "rdspostgres", postgres_answers),
    echo("MariaDB refuses", "rdsmariadb", mysql_refuses),
    echo("MySQL answers", "rdsmysql", mysql_answers),
];

#[test]
fn no_output_of_check_repeats_a_token() {
    for Echo { name, kind, script } in SERVERS {
        let formats = match name {
            "PostgreSQL refuses" | "MySQL answers" => &["text", "json", "junit", "nagios", "prometheus"][..],
            _ => &["json"],
        };
        for format in formats {
            let received = Received::default();
            let server = Server::start(script(Arc::clone(&received)));
            let said =
                said(&mut pipeprobe("check", kind, server.address, &["-o", format, "-v", "--timeout", "8s"]));
            server.heard();
            let tokens = received.lock().unwrap().clone();
            assert!(!tokens.is_empty(), "{name}, {format}: no token was sent: {said}");
            assert_eq!(leaked(&said, &tokens), [""; 0], "{name}, {format}: {said}");
            // Other names of mechanisms than those of the first connection are not shown.
            if ["text", "json", "junit"].contains(format) && !name.contains("mechanisms") {
                assert!(
                    said.contains("[redacted]"),
                    "{name}, {format}: the text of the server is shown: {said}"
                );
            }
        }
    }
}

#[test]
fn nothing_that_serve_shows_or_logs_repeats_a_token() {
    let ca = LAB.dir().join("hostile-echo-serve.pem");
    fs::write(&ca, &AUTHORITY.pem).unwrap();
    let servers = SERVERS.map(|Echo { kind, script, .. }| {
        let received = Received::default();
        (kind, Server::start(script(Arc::clone(&received))), received)
    });
    let tables: String = (0..)
        .zip(&servers)
        .map(|(i, (kind, server, _))| {
            format!(
                "[targets.echo{i}]\ntype = \"{kind}\"\nhost = \"{HOST}\"\niam_role = \"{ACCESS_ROLE}\"\n\
             database = \"app\"\nca_certificate = \"{}\"\nconnect_to = \"{}\"\n",
                ca.display(),
                server.address
            )
        })
        .collect();
    let serve = ServeProcess::start(&LAB, "[defaults]\ninterval = \"1s\"\n", &tables);
    let mut shown = String::new();
    for i in 0..servers.len() {
        // Which answers have rows depends on the length of a query, so one of the servers may be healthy.
        shown += &wait("a verdict", || match serve.target(&format!("echo{i}")) {
            target if target["health"] != "unknown" => Ok::<String, _>(target.to_string()),
            target => Err(target.to_string()),
        });
        for path in [format!("/targets/echo{i}"), format!("/probe?target=echo{i}")] {
            shown += &serve.get(&path).body;
        }
    }
    for path in ["/", "/metrics", "/api/v1/targets"] {
        shown += &serve.get(path).body;
    }
    shown += &wait("it logs", || match serve.lines().join("\n") {
        lines if lines.contains("unhealthy") => Ok(lines),
        lines => Err(lines),
    });
    drop(serve);
    for (kind, server, received) in servers {
        server.heard();
        let tokens = received.lock().unwrap().clone();
        assert!(!tokens.is_empty(), "{kind}");
        assert_eq!(leaked(&shown, &tokens), [""; 0], "{kind}");
    }
    assert!(shown.contains("[redacted]"), "{shown}");
}

/// An STS that quotes the request in its error, as its head (headers) and as a list of words.
fn sts() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
            while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head += &line;
                line.clear();
            }
            let _ = stream.read_exact(&mut vec![0; length]);
            let token = head.lines().find_map(|line| line.strip_prefix("x-amz-security-token: "));
            let token = token.unwrap_or_default().to_owned();
            let code = format!("AccessDenied {}", &token[token.len().min(30)..token.len().min(60)]);
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{token}\n{head}</Message></Error>\
                 <RequestId>{token}</RequestId></ErrorResponse>"
            );
            let answer = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn no_output_repeats_what_sts_quotes() {
    const SESSION_TOKEN: &str = "FwoGZXIvYXdzEA+/abcdefgh+ijklmnop==0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+abcdefghijklmnopqrstuvwxyz/\
        9876543210ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba==";
    let endpoint = format!("http://{}", sts());
    let secrets = [SESSION_TOKEN.to_owned(), SESSION_TOKEN.replace('+', "%2B").replace('/', "%2F")];
    let run = |command: &str, arguments: &[&str]| {
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let mut pipeprobe = pipeprobe(command, "rdspostgres", nowhere, arguments);
        let environment = [
            ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN),
            ("AWS_MAX_ATTEMPTS", "1"),
        ];
        said(pipeprobe.envs(environment))
    };
    for (command, arguments) in [
        ("check", &["-o", "text", "-v"][..]),
        ("check", &["-o", "json"]),
        ("check", &["-o", "junit"]),
        ("check", &["-o", "nagios"]),
        ("check", &["-o", "prometheus"]),
        ("token", &[]),
        ("token", &["-o", "json"]),
    ] {
        let said = run(command, arguments);
        let flat: String = said.split_whitespace().collect();
        assert_eq!(pieces(&flat, &secrets), [""; 0], "{command} {arguments:?}: {said}");
        assert!(!flat.contains(LAB.secret_access_key()), "{command} {arguments:?}");
        assert!(
            arguments.contains(&"prometheus") || said.contains("[redacted]"),
            "{command} {arguments:?}: {said}"
        );
    }
}
