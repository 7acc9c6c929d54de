//! MySQL and MariaDB servers that lie once the session is up.

use std::{io, time::Duration};

use super::{
    case::{Case, run},
    mysql::{OK, error, hear, packet, token},
    server::{End, Peer},
};

pub(crate) const COM_QUIT: u8 = 1;
const COM_QUERY: u8 = 3;
const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;

fn session(peer: &mut Peer) -> io::Result<()> {
    token(peer)?;
    peer.send(&packet(5, OK))
}

fn text(value: &[u8]) -> Vec<u8> {
    match value.len() {
        n @ 0..251 => [&[n as u8], value].concat(),
        n => [&[0xfc], &(n as u16).to_le_bytes()[..], value].concat(),
    }
}

fn column(name: &str) -> Vec<u8> {
    let mut definition: Vec<u8> =
        ["def", "", "", "", name, ""].iter().flat_map(|t| text(t.as_bytes())).collect();
    definition.extend([0x0c, 45, 0, 255, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
    definition
}

const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];

/// A result, a packet after another.
fn packets(payloads: &[Vec<u8>]) -> Vec<u8> {
    payloads.iter().zip(1_u8..).flat_map(|(payload, sequence)| packet(sequence, payload)).collect()
}

pub(crate) fn result(columns: &[&str], rows: &[&[&str]]) -> Vec<u8> {
    let mut payloads = vec![vec![columns.len() as u8]];
    payloads.extend(columns.iter().map(|name| column(name)));
    payloads.push(EOF.to_vec());
    payloads.extend(rows.iter().map(|row| row.iter().flat_map(|value| text(value.as_bytes())).collect()));
    payloads.push(EOF.to_vec());
    packets(&payloads)
}

/// A server with a binary log, as far as it is asked for one.
pub(crate) fn honestly(sql: &str) -> Vec<u8> {
    if sql.starts_with("SHOW GLOBAL VARIABLES") {
        let rows: [&[&str]; 4] = [
            &["version", "8.0.39"],
            &["log_bin", "ON"],
            &["server_id", "1"],
            &["max_allowed_packet", "67108864"],
        ];
        return result(&["Variable_name", "Value"], &rows);
    }
    match sql {
        "SELECT CURRENT_USER(), CONNECTION_ID()" => result(&["a", "b"], &[&["clickpipes_iam_user@%", "7"]]),
        "SHOW MASTER STATUS" => result(&["File", "Position"], &[&["binlog.000001", "157"]]),
        "SHOW VITESS_TABLETS" => packet(1, &error(1064, b"no such statement")),
        _ if sql.starts_with("SET") => packet(1, OK),
        _ => result(&["a", "b"], &[]),
    }
}

/// Every question gets this.
fn always(name: &str, answer: Vec<u8>) -> Case {
    when(name, |_| true, move |peer| peer.send(&answer).map(|()| None))
}

/// Honest, but for the questions that are meant: these are answered by `lie`, until it ends.
fn when(
    name: &str,
    meant: fn(&str) -> bool,
    lie: impl Fn(&mut Peer) -> io::Result<Option<End>> + Send + Sync + 'static,
) -> Case {
    Case::mysql(name, move |peer| {
        session(peer)?;
        loop {
            let (_, command) = hear(peer)?;
            match command[0] {
                COM_QUIT => return Ok(End::Close),
                COM_QUERY => {
                    let sql = String::from_utf8_lossy(&command[1..]).into_owned();
                    if meant(&sql) {
                        if let Some(end) = lie(peer)? {
                            return Ok(end);
                        }
                    } else {
                        peer.send(&honestly(&sql))?;
                    }
                }
                _ => return Ok(End::Listen),
            }
        }
    })
    .after_the_token()
}

fn unanswered(name: &str, answer: Vec<u8>) -> Case {
    always(name, answer).unknown("DB_VERSION", "MYSQL_UNANSWERED")
}

/// As much of an answer as that it is no version.
fn unreadable(name: &str, answer: Vec<u8>) -> Case {
    always(name, answer).unknown("DB_VERSION", "DB_VERSION_UNREADABLE")
}

/// The first question gets this, then the same without end.
fn floods(name: &str, first: Vec<u8>, payload: Vec<u8>) -> Case {
    Case::mysql(name, move |peer| {
        session(peer)?;
        hear(peer)?;
        peer.send(&first)?;
        // Sequence numbers go round, so whole rounds of them, beginning where the first part ended.
        let from = sequence_after(&first);
        let round: Vec<u8> = (0..=255_u8).flat_map(|i| packet(from.wrapping_add(i), &payload)).collect();
        peer.flood(&round)
    })
    .within(5)
    .after_the_token()
    .has("DB_VERSION", "unknown")
}

fn sequence_after(mut bytes: &[u8]) -> u8 {
    let mut next = 1_u8;
    while let [a, b, c, sequence, rest @ ..] = bytes {
        next = sequence.wrapping_add(1);
        bytes = &rest[u32::from_le_bytes([*a, *b, *c, 0]) as usize..];
    }
    next
}

fn columns_of(count: usize) -> Vec<u8> {
    let mut payloads = vec![vec![count as u8]];
    payloads.extend((0..count).map(|_| column("c")));
    payloads.push(EOF.to_vec());
    packets(&payloads)
}

#[test]
fn answers_that_are_none() {
    let count = |bytes: &[u8]| packet(1, bytes);
    run(vec![
        unreadable("OK for rows", packet(1, OK)),
        unanswered("LOCAL INFILE", packet(1, b"\xfb/etc/passwd")).without_saying("root:"),
        unanswered("LOCAL INFILE of no name", packet(1, b"\xfb")),
        unanswered("EOF for an answer", packet(1, EOF)),
        unanswered("an answer of no bytes", packet(1, &[])),
        unanswered("2^16 columns", count(&[0xfd, 0, 0, 1])),
        unanswered("2^24 columns", count(&[0xfd, 0xff, 0xff, 0xff])),
        unanswered("2^32 columns", count(&[0xfe, 0, 0, 0, 0, 1, 0, 0, 0])),
        unanswered("2^40 columns", count(&[0xfe, 0, 0, 0, 0, 0, 1, 0, 0])),
        unanswered("2^63 columns", count(&[0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80])),
        unanswered("2^64 - 1 columns", count(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255])),
        unanswered(
            "2^40 columns and a tail",
            count(&[&[0xfe, 0, 0, 0, 0, 0, 1, 0, 0][..], &[0; 40]].concat()),
        ),
        unanswered("a broken column", packets(&[vec![1], vec![0xff; 3]])),
        unanswered("a column of broken lengths", packets(&[vec![1], vec![0xfe; 30], EOF.to_vec()])),
        unanswered(
            "a row too short",
            packets(&[vec![2], column("a"), column("b"), EOF.to_vec(), vec![1, b'x'], EOF.to_vec()]),
        ),
        unreadable(
            "a row too long",
            packets(&[vec![1], column("a"), EOF.to_vec(), vec![1, b'x', 1, b'y'], EOF.to_vec()]),
        ),
        unanswered(
            "a value that ends nowhere",
            packets(&[vec![1], column("a"), EOF.to_vec(), vec![0xfd, 255, 255, 255]]),
        ),
        unanswered(
            "a value of 2^63",
            packets(&[vec![1], column("a"), EOF.to_vec(), vec![0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80, 1]]),
        ),
        unreadable(
            "no UTF-8",
            packets(&[vec![1], column("a"), EOF.to_vec(), vec![2, 0xff, 0xfe], EOF.to_vec()]),
        ),
        unreadable(
            "NULLs",
            packets(&[vec![2], column("a"), column("b"), EOF.to_vec(), vec![0xfb, 0xfb], EOF.to_vec()]),
        ),
        unanswered("an error in wild words", packet(1, &error(1142, "\u{1b}]0;owned\u{7}\u{9b}".as_bytes())))
            .saying("owned"),
        unanswered("an error of one byte", packet(1, &[0xff])),
        unanswered("progress, and no more", packet(1, b"\xff\xff\xff\x01\x01\x02\0\0\0\x01x")),
        unanswered("the wrong sequence", packet(9, OK)),
        unanswered("16 MiB announced", vec![0xff, 0xff, 0xff, 1, 1]),
        unanswered("AuthSwitch for an answer", packet(1, b"\xfemysql_clear_password\0")),
        unanswered("AuthMoreData for an answer", packet(1, b"\x01\x04")),
        unreadable(
            "words for numbers",
            result(&["Variable_name", "Value"], &[&["version", "\u{1b}[31mno version"]]),
        ),
        when(
            "more results than one",
            |_| true,
            |peer| {
                let mut answer = result(&["a"], &[&["1"]]);
                let end = answer.len();
                answer[end - 2] = 8; // SERVER_MORE_RESULTS_EXISTS
                peer.send(&answer)?;
                Ok(Some(End::Listen))
            },
        )
        .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
    ]);
}

#[test]
fn rows_without_end() {
    run(vec![
        floods("columns", packet(1, &[0xfc, 0xff, 0xff]), column("")),
        floods("rows", columns_of(1), vec![1, b'x']),
        floods("rows of NULLs", columns_of(200), vec![0xfb; 200]),
        floods("rows of one NULL", columns_of(1), vec![0xfb]),
        floods("results", Vec::new(), OK.to_vec()).saying("``"),
        floods("progress", Vec::new(), b"\xff\xff\xff\x01\x01\x02\0\0\0\x01x".to_vec()),
        floods("errors", Vec::new(), error(1142, b"again")),
        floods("packets of no bytes", Vec::new(), Vec::new()),
        Case::mysql("results that announce another", |peer| {
            session(peer)?;
            hear(peer)?;
            peer.flood(&packet(1, &[0, 0, 0, 0x0a, 0, 0, 0]))
        })
        .after_the_token()
        .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
        when(
            "more tables than there are",
            |sql| sql.contains("information_schema.TABLES"),
            |peer| {
                let mut payloads = vec![vec![2], column("a"), column("b"), EOF.to_vec()];
                payloads.extend((0..20_000).map(|_| [text(b"s"), text(b"t")].concat()));
                payloads.push(EOF.to_vec());
                let bytes: Vec<u8> = payloads
                    .iter()
                    .enumerate()
                    .flat_map(|(i, payload)| packet((i + 1) as u8, payload))
                    .collect();
                peer.send(&bytes)?;
                Ok(None)
            },
        )
        .within(8)
        .has("DB_VERSION", "pass"),
    ]);
}

#[test]
fn silence_and_goodbye() {
    run(vec![
        when("no answer to any question", |_| true, |_| Ok(Some(End::Listen)))
            .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
        when("closes on the first question", |_| true, |_| Ok(Some(End::Close)))
            .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
        when(
            "closes in the middle of a row",
            |_| true,
            |peer| {
                peer.send(&result(&["a"], &[&["12345678"]])[..60])?;
                Ok(Some(End::Close))
            },
        )
        .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
        when("drips answers", |_| true, |peer| peer.drip(&result(&["a"], &[&["1"]])).map(Some))
            .within(3)
            .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
        when(
            "no answer to the last question",
            |sql| sql.starts_with("SHOW REPLICAS"),
            |_| Ok(Some(End::Listen)),
        )
        .has("DB_VERSION", "pass"),
        Case::mysql("an error as soon as the session is up", |peer| {
            session(peer)?;
            peer.send(&packet(0, &error(1053, b"Server shutdown in progress")))?;
            Ok(End::Close)
        })
        .after_the_token()
        .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
        Case::mariadb("a MariaDB that answers nothing", |peer| {
            session(peer)?;
            Ok(End::Listen)
        })
        .after_the_token()
        .unknown("DB_VERSION", "MYSQL_UNANSWERED"),
    ]);
}

/// A binary log event: its header (of version 4) and its body, in a packet of a dump.
fn event(kind: u8, announced: Option<u32>, body: &[u8]) -> Vec<u8> {
    let size = announced.unwrap_or(19 + body.len() as u32);
    let mut payload = vec![0];
    payload.extend([0; 4]);
    payload.push(kind);
    payload.extend(1_u32.to_le_bytes());
    payload.extend(size.to_le_bytes());
    payload.extend([0; 6]);
    payload.extend(body);
    payload
}

/// Says how the log is written. What MySQL 8 says, without a checksum.
fn format_description() -> Vec<u8> {
    let mut body = vec![4, 0];
    body.extend([&b"8.0.39"[..], &[0; 44]].concat());
    body.extend([0; 4]);
    body.push(19);
    body.extend([0; 40]);
    body.extend([0, 0, 0, 0, 0]); // no checksum, and the place of one
    event(15, None, &body)
}

/// A transaction that says it is compressed, and how large it is.
fn compressed(size: u64, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![2, 1, 0]; // algorithm: ZSTD
    body.extend([&[3, 9, 0xfe][..], &size.to_le_bytes()].concat());
    body.extend([1, 3, 0xfd]);
    body.extend(&(payload.len() as u32).to_le_bytes()[..3]);
    body.push(0);
    body.extend(payload);
    event(40, None, &body)
}

/// Honest up to COM_BINLOG_DUMP.
fn dumping(name: &str, lie: impl Fn(&mut Peer) -> io::Result<End> + Send + Sync + 'static) -> Case {
    Case::mysql(name, move |peer| {
        session(peer)?;
        loop {
            let (_, command) = hear(peer)?;
            match command[0] {
                COM_QUIT => return Ok(End::Close),
                COM_QUERY => peer.send(&honestly(&String::from_utf8_lossy(&command[1..])))?,
                COM_REGISTER_SLAVE => peer.send(&packet(1, OK))?,
                COM_BINLOG_DUMP => return lie(peer),
                other => panic!("command {other}"),
            }
        }
    })
    .after_the_token()
    .has("DB_VERSION", "pass")
}

#[test]
fn binary_logs() {
    let sends = |name: &str, payloads: Vec<Vec<u8>>| {
        dumping(name, move |peer| {
            peer.send(&packets(&payloads))?;
            Ok(End::Close)
        })
    };
    let unknown =
        |name: &str, payloads| sends(name, payloads).unknown("MYSQL_BINLOG_STREAM", "MYSQL_UNANSWERED");
    run(vec![
        sends("an honest one", vec![format_description(), EOF.to_vec()]).has("MYSQL_BINLOG_STREAM", "pass"),
        dumping("events without end", |peer| {
            let round: Vec<u8> =
                (0..=255_u8).flat_map(|i| packet(i.wrapping_add(2), &event(27, None, b"x"))).collect();
            peer.send(&packet(1, &format_description()))?;
            peer.flood(&round)
        })
        .unknown("MYSQL_BINLOG_STREAM", "MYSQL_UNANSWERED"),
        dumping("a log that never ends", |peer| {
            peer.send(&packet(1, &format_description()))?;
            Ok(End::Listen)
        })
        .unknown("MYSQL_BINLOG_STREAM", "MYSQL_UNANSWERED"),
        dumping("an event now and then", |peer| {
            peer.send(&packet(1, &format_description()))?;
            for sequence in 2.. {
                std::thread::sleep(Duration::from_millis(100));
                peer.send(&packet(sequence, &event(27, None, b"x")))?;
            }
            Ok(End::Close)
        })
        .within(3)
        .unknown("MYSQL_BINLOG_STREAM", "MYSQL_UNANSWERED"),
        dumping("drips events", |peer| peer.drip(&packet(1, &format_description())))
            .within(3)
            .unknown("MYSQL_BINLOG_STREAM", "MYSQL_UNANSWERED"),
        unknown("an end and no event", vec![EOF.to_vec()]).saying("before its first event"),
        unknown("half a header", vec![event(15, None, b"")[..10].to_vec()]),
        unknown("an event smaller than its header", vec![event(27, Some(3), b"")]),
        unknown("an event larger than its packet", vec![event(27, Some(1000), b"")]),
        unknown("an event of 4 GiB", vec![event(27, Some(u32::MAX), b"")]),
        unknown("a format of no bytes", vec![event(15, None, b"")]),
        unknown("a format of broken bytes", vec![event(15, None, &[0xff; 60])]),
        unknown("a table of broken bytes", vec![format_description(), event(19, None, &[0xff; 60])]),
        unknown(
            "a table of 2^63 columns",
            vec![
                format_description(),
                event(
                    19,
                    None,
                    &[&[0; 8][..], &[1, b's', 0, 1, b't', 0], &[0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80]].concat(),
                ),
            ],
        ),
        unknown("a rotation of no bytes", vec![format_description(), event(4, None, b"")]),
        unknown("no event at all", vec![b"\x01nothing".to_vec()]),
        unknown("rows of tables instead", vec![column("x")]),
        unknown("closes without the end", vec![format_description()]),
        sends("refused", vec![error(1236, b"Could not find first log file name")])
            .fails("MYSQL_BINLOG_STREAM", "MYSQL_BINLOG_STREAM_REFUSED"),
        // A transaction that would take a terabyte, and one that takes a gibibyte of zeros.
        sends(
            "a terabyte in a transaction",
            vec![format_description(), compressed(1 << 40, b"x"), EOF.to_vec()],
        )
        .has("MYSQL_BINLOG_STREAM", "pass"),
        sends(
            "a transaction of 2^64 - 1",
            vec![format_description(), compressed(u64::MAX, b"x"), EOF.to_vec()],
        )
        .has("MYSQL_BINLOG_STREAM", "pass"),
        sends("a transaction before the format", vec![compressed(1 << 40, b"x")])
            .unknown("MYSQL_BINLOG_STREAM", "MYSQL_UNANSWERED"),
        sends(
            "many events in a transaction",
            vec![format_description(), compressed(ZEROS as u64, &zeros()), EOF.to_vec()],
        )
        .has("MYSQL_BINLOG_STREAM", "pass"),
    ]);
}

/// What [`zeros`] becomes.
const ZEROS: usize = 512 << 20;

/// Half a gibibyte of zeros, as zstd has it: a frame of 4096 RLE blocks of 128 KiB, each of four bytes.
fn zeros() -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    // Magic; a frame header with a window of 128 KiB and no content size.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for i in 1..=ZEROS / BLOCK {
        let last = u32::from(i == ZEROS / BLOCK);
        let header = ((BLOCK as u32) << 3) | (1 << 1) | last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}
