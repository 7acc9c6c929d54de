//! The token a database was given: a presigned `rds-db` request without its scheme. Pure.
//!
//! Stricter than needed, on purpose: a client that is right here is right wherever it matters.

use jiff::{SignedDuration, Timestamp};

use crate::caller::{Caller, Key};
use crate::clock;
use crate::policy::{Request, Verdict};
use crate::refusal::Refusal;
use crate::sigv4::{self, ALGORITHM, Credential};
use crate::world::Database;

/// A token's life, from its `X-Amz-Date`.
const LIFE: SignedDuration = SignedDuration::from_mins(15);
/// How far ahead of the database's clock a token may have been signed.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Parameters a query may have; a real one has nine at most.
const MOST: usize = 32;
/// Condition keys that IAM database authentication does not look at (RDS User Guide, limitations).
const IGNORED: &[&str] =
    &["aws:Referer", "aws:SourceIp", "aws:SourceVpc", "aws:SourceVpce", "aws:UserAgent", "aws:VpcSourceIp"];

/// The parts of a token, decoded.
struct Token {
    authority: String,
    pairs: Vec<(String, String)>,
}

impl Token {
    fn parse(token: &str) -> Result<Self, Refusal> {
        let (authority, query) =
            token.split_once("/?").ok_or(Refusal::Malformed("no host, path and query"))?;
        let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(host) {
            return Err(Refusal::Malformed("no host"));
        }
        // `+` would be read as a space by some servers and as a plus by others; no signer that follows AWS writes it.
        if !query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%=&".contains(&byte)) {
            return Err(Refusal::Malformed("an unescaped character in the query"));
        }
        let pairs = sigv4::decode_query(query).ok_or(Refusal::Malformed("not UTF-8"))?;
        if pairs.len() > MOST {
            return Err(Refusal::Malformed("too many parameters"));
        }
        for (index, (key, _)) in pairs.iter().enumerate() {
            if pairs[..index].iter().any(|(earlier, _)| earlier == key) {
                return Err(Refusal::Malformed("a parameter comes twice"));
            }
        }
        Ok(Self { authority: authority.to_owned(), pairs })
    }

    fn get(&self, name: &'static str) -> Result<&str, Refusal> {
        self.find(name).ok_or(Refusal::Malformed(name))
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The Host header that was signed: lower-case, and without HTTPS's own port.
    fn host(&self) -> String {
        let host = self.authority.to_ascii_lowercase();
        host.strip_suffix(":443").map(str::to_owned).unwrap_or(host)
    }

    fn canonical(&self) -> String {
        let unsigned: Vec<_> =
            self.pairs.iter().filter(|(key, _)| key != "X-Amz-Signature").cloned().collect();
        sigv4::canonical_request("GET", "/", &unsigned, &[("host".to_owned(), self.host())], b"")
    }
}

/// Whose token it is, if it is a good one for `user` on `database` at `now`. What the caller may do is not asked here.
pub(crate) fn verify(
    token: &str,
    user: &str,
    database: &Database,
    find: impl Fn(&str) -> Option<Key>,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let token = Token::parse(token)?;
    if token.get("Action")? != "connect" {
        return Err(Refusal::Malformed("Action is not connect"));
    }
    if token.get("X-Amz-Algorithm")? != ALGORITHM {
        return Err(Refusal::Malformed("not AWS4-HMAC-SHA256"));
    }
    if token.get("X-Amz-SignedHeaders")? != "host" {
        return Err(Refusal::Malformed("signed headers other than host"));
    }
    let of =
        Credential::parse(token.get("X-Amz-Credential")?).ok_or(Refusal::Malformed("X-Amz-Credential"))?;
    let (date, signature) = (token.get("X-Amz-Date")?, token.get("X-Amz-Signature")?);
    let signed = clock::parse_basic(date).ok_or(Refusal::Malformed("X-Amz-Date"))?;
    let life: u32 = token.get("X-Amz-Expires")?.parse().map_err(|_| Refusal::Malformed("X-Amz-Expires"))?;
    if of.terminator != "aws4_request" || of.day.len() != 8 || !date.starts_with(of.day) {
        return Err(Refusal::Malformed("X-Amz-Credential"));
    }

    meant_for(&token, of, user, database)?;
    in_time(signed, life, now)?;

    let key = find(of.access_key_id).ok_or(Refusal::UnknownAccessKey)?;
    let session = key.caller.session.as_deref();
    let session_token = session.map(|session| session.credentials.session_token.as_str());
    if token.find("X-Amz-Security-Token") != session_token {
        return Err(Refusal::SessionTokenMismatch);
    }
    if !sigv4::matches(&key.secret, of, date, &token.canonical(), signature) {
        return Err(Refusal::SignatureMismatch);
    }
    if session.is_some_and(|session| session.expires <= now) {
        return Err(Refusal::CredentialsExpired);
    }
    Ok(key.caller)
}

fn meant_for(token: &Token, of: Credential<'_>, user: &str, database: &Database) -> Result<(), Refusal> {
    let expected = format!("{}:{}", database.host, database.port);
    if !token.authority.eq_ignore_ascii_case(&expected) {
        return Err(Refusal::WrongEndpoint { signed_for: token.authority.clone(), expected });
    }
    let signed_for = token.get("DBUser")?.to_owned();
    if signed_for != user {
        return Err(Refusal::WrongUser { signed_for, expected: user.to_owned() });
    }
    if of.region != database.region {
        let expected = database.region.clone();
        return Err(Refusal::WrongRegion { signed_for: of.region.to_owned(), expected });
    }
    if of.service != "rds-db" {
        return Err(Refusal::WrongService { signed_for: of.service.to_owned() });
    }
    Ok(())
}

fn in_time(signed: Timestamp, life: u32, now: Timestamp) -> Result<(), Refusal> {
    if life == 0 {
        return Err(Refusal::Malformed("X-Amz-Expires"));
    }
    if i64::from(life) > LIFE.as_secs() {
        return Err(Refusal::LivesTooLong { seconds: life });
    }
    let age = now.duration_since(signed);
    if age > SignedDuration::from_secs(life.into()) {
        return Err(Refusal::Expired { age: age.as_secs() });
    }
    if age < -AHEAD {
        return Err(Refusal::NotYetValid { ahead: -age.as_secs() });
    }
    Ok(())
}

/// Whether the caller may connect: the policies of its user or role, and of the session.
pub(crate) fn authorize(
    caller: &Caller,
    user: &str,
    database: &Database,
    partition: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let arn = &caller.principal.arn;
    let Database { region, account, resource_id, .. } = database;
    if caller.principal.account != *account {
        return Err(Refusal::OtherAccount { caller: arn.clone(), account: account.clone() });
    }
    let resource = format!("arn:{partition}:rds-db:{region}:{account}:dbuser:{resource_id}/{user}");
    let context = caller.context(now);
    let request = Request {
        action: "rds-db:connect",
        resource: &resource,
        principal: &caller.principal,
        context: &context,
        ignored: IGNORED,
    };
    let both = [caller.identity(request), caller.session_limit(request)];
    if both == [Verdict::Allow; 2] {
        return Ok(());
    }
    let explicit = both.contains(&Verdict::ExplicitDeny);
    Err(Refusal::NotAuthorized { caller: arn.clone(), resource, explicit })
}

#[cfg(test)]
mod tests;
