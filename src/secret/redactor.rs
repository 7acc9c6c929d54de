//! Removes secrets from text that comes from outside: a database that echoes the password, an STS error that quotes
//! the request.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    hash::{BuildHasher, RandomState},
    mem,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, alphabet, engine::GeneralPurpose, engine::general_purpose::NO_PAD};
use percent_encoding::percent_decode_str;

use super::Secret;

/// What is shown in place of a secret.
const REDACTED: &str = "[redacted]";

/// Secrets are remembered as blocks of this many letters and digits, at every second half of it: a piece of 11 letters
/// contains at least one. Shorter pieces can be ordinary words.
const BLOCK: usize = 8;

/// The longest text between two pieces that is removed with them: a separator.
const GAP: usize = 8;

/// Blocks after which the oldest are forgotten: about 400 sessions with a token of 1 KiB, in at most 3 MiB. A token and its
/// session are valid for a shorter time.
const GENERATION: usize = 100_000;

/// Finds secrets in a text, whole or in pieces. Clones know the same secrets.
#[derive(Clone, Default)]
pub struct Redactor {
    own: Arc<Known>,
    /// The secrets of the process: a server can repeat those of an earlier run.
    shared: Option<Arc<Known>>,
}

/// Hashes, so that this is not one more copy of the secrets in memory.
#[derive(Default)]
struct Known {
    blocks: RwLock<Generations>,
    hasher: RandomState,
}

#[derive(Default)]
struct Generations {
    new: HashSet<u64>,
    old: HashSet<u64>,
}

impl Redactor {
    /// For one run: it also finds the secrets that this one knows, and what it learns is its own.
    #[must_use]
    pub fn for_run(&self) -> Self {
        Self { own: Arc::default(), shared: Some(Arc::clone(&self.own)) }
    }

    pub fn learn(&self, secret: &str) {
        self.own.learn(secret);
    }

    /// Remembers the secret parts of a token. Host, user and Region are not secret and can be in any message.
    pub fn learn_token(&self, token: &Secret) {
        for parameter in token.reveal().split('&') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "X-Amz-Signature" | "X-Amz-Security-Token" => self.learn(&value),
                "X-Amz-Credential" => self.learn(value.split('/').next().unwrap_or_default()),
                _ => {}
            }
        }
    }

    /// The text without the known secrets.
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found: Vec<Range<usize>> = Vec::new();
        // With what is between the words of an encoded secret: `%2F`, `\/`, `\u002f`.
        for run in runs(text, |byte| is_alphanumeric(byte) || b"+/%-_.~\\".contains(&byte)) {
            if !self.is_part_of(&text[run.clone()]) {
                continue;
            }
            match found.last_mut() {
                Some(last) if run.start <= last.end + GAP => last.end = run.end,
                _ => found.push(run),
            }
        }
        without(text, &found)
    }

    /// Whether a text contains a piece of a secret, as it is or encoded again.
    fn is_part_of(&self, text: &str) -> bool {
        let knows = |text: &str| words(text).any(|word| self.knows_part_of(&text[word]));
        knows(text) || decoded(text).any(|text| knows(&text))
    }

    fn knows_part_of(&self, word: &str) -> bool {
        self.own.knows_part_of(word) || self.shared.as_ref().is_some_and(|known| known.knows_part_of(word))
    }
}

impl Known {
    fn learn(&self, secret: &str) {
        let secret = secret.to_ascii_lowercase();
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        if blocks.new.len() > GENERATION {
            blocks.old = mem::take(&mut blocks.new);
        }
        for word in words(&secret) {
            let all = secret.as_bytes()[word].windows(BLOCK).step_by(BLOCK / 2);
            blocks.new.extend(all.map(|block| self.hasher.hash_one(block)));
        }
    }

    fn knows_part_of(&self, word: &str) -> bool {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        if blocks.new.is_empty() {
            return false;
        }
        let word = word.to_ascii_lowercase();
        word.as_bytes().windows(BLOCK).any(|block| {
            let hash = self.hasher.hash_one(block);
            blocks.new.contains(&hash) || blocks.old.contains(&hash)
        })
    }
}

/// The runs of letters and digits. They are the same in every encoding of a secret, except after `%`.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    runs(text, is_alphanumeric)
}

/// What a text can mean in hexadecimal, in Base64 and with percent-encoded letters. A piece can begin anywhere.
fn decoded(text: &str) -> impl Iterator<Item = String> {
    const LENIENT: GeneralPurpose =
        GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));
    let pieces = |belongs: fn(u8) -> bool| runs(text, belongs).map(|run| &text[run]);
    let hexadecimal = pieces(|byte| byte.is_ascii_hexdigit()).flat_map(|piece| {
        let digits: Vec<u8> = piece.chars().filter_map(|digit| Some(digit.to_digit(16)? as u8)).collect();
        (0..2).map(move |from| digits[from..].chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
    });
    let base64 = pieces(|byte| is_alphanumeric(byte) || b"+/-_".contains(&byte)).flat_map(|piece| {
        let standard = piece.replace('-', "+").replace('_', "/");
        (0..4).filter_map(move |from| {
            // A last letter alone has no complete byte.
            let piece = &standard.as_bytes()[from..];
            let length = piece.len() - usize::from(piece.len() % 4 == 1);
            LENIENT.decode(&piece[..length]).ok()
        })
    });
    let percent = text.contains('%').then(|| {
        let once: Vec<u8> = percent_decode_str(text).collect();
        percent_encoding::percent_decode(&once).collect()
    });
    let bytes = hexadecimal.chain(base64).chain(percent);
    bytes.map(|bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned())
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The longest runs of such bytes, which are ASCII, if they have at least one block.
fn runs(text: &str, belongs: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let start = at;
            at += bytes[start..].iter().take_while(|byte| belongs(**byte)).count();
            if at - start >= BLOCK {
                return Some(start..at);
            }
            at += usize::from(at == start);
        }
        None
    })
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// Names whose values are secret, in lower case, in requests to AWS and in responses from it.
const NAMES: [&str; 9] = [
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-credential",
    "secretaccesskey",
    "sessiontoken",
    "aws_secret_access_key",
    "aws_session_token",
    "signature",
    "credential",
];

/// What is between a name and its value in a URL, a header, XML, JSON and a file.
const SEPARATORS: [&str; 8] = ["=", ":", ">", "\"", "'", " ", "%3d", "%3a"];

/// The shortest value that is removed. Words such as `Signature: missing` stay.
const VALUE: usize = 8;

/// The text without the values of signed requests (`X-Amz-Signature=…`) and of credentials, known or not.
pub fn without_signed_values(text: &str) -> Cow<'_, str> {
    let folded = text.to_ascii_lowercase();
    let mut found: Vec<Range<usize>> = Vec::new();
    for name in NAMES {
        for (at, _) in folded.match_indices(name) {
            found.extend(value_after(&folded, at + name.len()));
        }
    }
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, last| next.start < last.end);
    without(text, &found)
}

/// The value that follows a name and a separator.
fn value_after(folded: &str, after_name: usize) -> Option<Range<usize>> {
    let mut start = after_name;
    while let Some(separator) = SEPARATORS.iter().find(|separator| folded[start..].starts_with(**separator)) {
        start += separator.len();
    }
    // A quote or a space alone separates words of a sentence.
    let separator = folded[after_name..start].trim_matches([' ', '"', '\'']);
    let length =
        folded[start..].bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+/=%._~-".contains(b)).count();
    (!separator.is_empty() && length >= VALUE).then_some(start..start + length)
}

/// Replaces the ranges, which are in order and apart.
fn without<'a>(text: &'a str, ranges: &[Range<usize>]) -> Cow<'a, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for range in ranges {
        clean += &text[end..range.start];
        clean += REDACTED;
        end = range.end;
    }
    Cow::Owned(clean + &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "FwoGZXIvYXdzEA+/abc+def==0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const SIGNATURE: &str = "b6af6c971b4669287906c347f9e5c18d029997d1c8f845db6f8b99040d935b2f";

    fn encoded(text: &str) -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    fn redactor() -> Redactor {
        let token = format!(
            "db.abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=clickpipes_iam_user&X-Amz-Algorithm=\
             AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLEEXAMPLE00%2F20260102%2Feu-west-1%2Frds-db%2Faws4_request&\
             X-Amz-Security-Token={}&X-Amz-Signature={SIGNATURE}",
            encoded(SESSION)
        );
        let redactor = Redactor::default();
        redactor.learn_token(&Secret::new(token));
        redactor
    }

    #[test]
    fn a_secret_is_found_whole_and_in_pieces() {
        let redactor = redactor();
        let encoded_twice = encoded(&encoded(SESSION));
        for (text, clean) in [
            (format!("password {SESSION}"), "password [redacted]"),
            (format!("password {}!", encoded(SESSION)), "password [redacted]!"),
            (format!("password {encoded_twice}!"), "password [redacted]!"),
            (format!("half of it: {}", &SESSION[28..40]), "half of it: [redacted]"),
            (
                format!("X-Amz-Security-Token={}&c", encoded(&SESSION[..20])),
                "X-Amz-Security-Token=[redacted]&c",
            ),
            (format!("{}…", SIGNATURE.to_uppercase()), "[redacted]…"),
            (format!("{} \n{}", &SIGNATURE[..32], &SIGNATURE[32..]), "[redacted]"),
            (format!("é{}é", &SIGNATURE[50..62]), "é[redacted]é"),
            ("key ASIAEXAMPLEEXAMPLE00".to_owned(), "key [redacted]"),
        ] {
            assert_eq!(redactor.clean(&text), clean);
            assert_eq!(redactor.for_run().clean(&text), clean, "of an earlier run");
        }
        for start in 0..SIGNATURE.len() - 11 {
            assert_eq!(redactor.clean(&SIGNATURE[start..start + 11]), "[redacted]", "from {start}");
        }
        assert_eq!(format!("{redactor:?}"), "Redactor");
    }

    #[test]
    fn a_secret_that_is_encoded_again_is_found() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let redactor = redactor();
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let every = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let json = SESSION.replace('/', "\\/");
        let json_of_html = SESSION.replace('/', "\\u002f").replace('+', "\\u002B").replace('=', "\\u003d");
        let lower = encoded(SESSION).to_lowercase();
        for encoded in [
            hex(SESSION),
            hex(SESSION).to_uppercase(),
            format!("\\x{}", hex(SIGNATURE)),
            STANDARD.encode(SESSION),
            URL_SAFE_NO_PAD.encode(SESSION),
            STANDARD.encode(format!("clickpipes_iam_user:{}", encoded(SESSION))),
            every(SESSION),
            every(SESSION).to_lowercase(),
            encoded(&every(SESSION)),
            lower,
            json,
            json_of_html,
            SESSION.to_lowercase(),
        ] {
            // Padding is no secret.
            let encoded = encoded.trim_end_matches('=');
            assert_eq!(redactor.clean(encoded), "[redacted]", "{encoded}");
            assert_eq!(redactor.clean(&format!("got {encoded} for it")), "got [redacted] for it");
        }
        // Lines of 76 letters, as in mail.
        let lines = STANDARD.encode(SESSION.repeat(3));
        let lines = lines.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap());
        let lines = lines.collect::<Vec<_>>().join("\r\n");
        assert_eq!(redactor.clean(lines.trim_end_matches('=')), "[redacted]");
        // Pieces, wherever they begin: 11 letters of the secret.
        let (base64, hex) = (STANDARD.encode(SIGNATURE), hex(SIGNATURE));
        for start in 0..40 {
            assert_eq!(redactor.clean(&base64[start..start + 19]), "[redacted]", "from {start}");
            assert_eq!(redactor.clean(&hex[start..start + 24]), "[redacted]", "from {start}");
        }
    }

    #[test]
    fn what_is_not_secret_stays() {
        for text in [
            "Access denied for user 'clickpipes_iam_user'@'10.0.0.1' (using password: YES)",
            "no pg_hba.conf entry for host db.abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect",
            "AWS4-HMAC-SHA256 20260102 eu-west-1 rds-db aws4_request",
            "short: FwoGZXI",
            "",
        ] {
            assert_eq!(redactor().clean(text), text);
            assert_eq!(Redactor::default().clean(text), text);
        }
    }

    #[test]
    fn what_a_run_learns_is_forgotten_with_it_and_memory_is_limited() {
        let process = Redactor::default();
        process.for_run().learn(SIGNATURE);
        assert_eq!(process.for_run().clean(SIGNATURE), SIGNATURE);
        process.learn(SIGNATURE);
        for i in 0..3 * GENERATION {
            process.learn(&format!("{i:08}"));
        }
        let blocks = process.own.blocks.read().unwrap();
        assert!(blocks.new.len() + blocks.old.len() <= 2 * GENERATION + 20);
    }

    #[test]
    fn values_of_signed_requests_are_removed() {
        for (text, clean) in [
            ("GET /?a=b&X-Amz-Signature=0123456789abcdef&c=d", "GET /?a=b&X-Amz-Signature=[redacted]&c=d"),
            (
                "host:sts.amazonaws.com x-amz-security-token:FwoGZXIv/+= host;x-amz-security-token",
                "host:sts.amazonaws.com x-amz-security-token:[redacted] host;x-amz-security-token",
            ),
            (
                "Credential=AKIDEXAMPLE/20260102/x/sts/aws4_request, SignedHeaders=host, Signature=0123456789abcdef",
                "Credential=[redacted], SignedHeaders=host, Signature=[redacted]",
            ),
            ("x-amz-credential%3DAKIDEXAMPLE%2F2026&", "x-amz-credential%3D[redacted]&"),
            ("<SessionToken>0123456789</SessionToken>", "<SessionToken>[redacted]</SessionToken>"),
            ("{\"SecretAccessKey\": \"wJalrXUtnFEMI\"}", "{\"SecretAccessKey\": \"[redacted]\"}"),
            ("aws_session_token = 0123456789", "aws_session_token = [redacted]"),
        ] {
            assert_eq!(without_signed_values(text), clean);
        }
        for text in [
            "The request signature we calculated does not match",
            "'X-Amz-Security-Token' is required, x-amz-signature: missing",
            "Credential should be scoped to a valid region",
        ] {
            assert_eq!(without_signed_values(text), text);
        }
    }
}
