//! The socket of a database's login plugin: `POST /verify`, with the token as the body.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use hyper::header::{CONNECTION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use tokio::task::JoinHandle;

use crate::clock;
use crate::refusal::Refusal;
use crate::state::{Ledger, State};
use crate::token;
use crate::world::Database;

/// One login that was verified. It does not contain the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// By AWS's clock.
    pub time: SystemTime,
    /// The database user.
    pub user: String,
    /// `postgres`, `mysql` or `mariadb`.
    pub engine: String,
    /// Where the client is, as the server says it.
    pub rhost: String,
    /// `none`, `database` or `physical`; empty if the engine does not tell.
    pub replication: String,
    /// `yes`, `no` or `unknown`; empty if the engine does not tell.
    pub tls: String,
    /// Bytes received.
    pub token_len: usize,
    /// ARN of the signer, once the signature was found good.
    pub caller: Option<String>,
    /// `None`: accepted.
    pub refusal: Option<Refusal>,
}

impl Decision {
    pub fn accepted(&self) -> bool {
        self.refusal.is_none()
    }
}

/// A running verifier of one database. Drop stops it and removes its socket.
#[derive(Debug)]
pub struct Verifier {
    desk: Arc<Desk>,
    socket: PathBuf,
    serving: JoinHandle<()>,
}

impl Verifier {
    pub(crate) fn new(desk: Arc<Desk>, socket: &Path, serving: JoinHandle<()>) -> Self {
        Self { desk, socket: socket.to_owned(), serving }
    }

    /// What was asked and decided, oldest first.
    pub fn decisions(&self) -> Vec<Decision> {
        self.desk.decisions.all()
    }

    /// From now on, tokens must be for `database`.
    pub fn set_database(&self, database: Database) {
        *self.desk.database.write().unwrap_or_else(PoisonError::into_inner) = database;
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.serving.abort();
        // Gone already if someone tidied up the directory.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Where one database's questions are answered.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Arc<State>,
    database: RwLock<Database>,
    decisions: Ledger<Decision>,
}

impl Desk {
    pub(crate) fn new(state: Arc<State>, database: Database) -> Self {
        Self { state, database: RwLock::new(database), decisions: Ledger::default() }
    }

    pub(crate) fn answer(&self, request: &Request<Vec<u8>>) -> Response<String> {
        if request.method() != Method::POST || request.uri().path() != "/verify" {
            return reply(StatusCode::NOT_FOUND, "POST /verify\n".to_owned());
        }
        let decision = self.decide(request);
        let answer = match &decision.refusal {
            None => reply(StatusCode::OK, "accepted\n".to_owned()),
            Some(refusal) => reply(StatusCode::FORBIDDEN, format!("{}: {refusal}\n", refusal.code())),
        };
        self.decisions.add(decision);
        answer
    }

    fn decide(&self, request: &Request<Vec<u8>>) -> Decision {
        let now = self.state.clock.now();
        let header = |name: &str| {
            let value = request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            value.unwrap_or_default().into_owned()
        };
        let mut decision = Decision {
            time: clock::system(now),
            user: header("x-user"),
            engine: header("x-engine"),
            rhost: header("x-rhost"),
            replication: header("x-replication"),
            tls: header("x-tls"),
            token_len: request.body().len(),
            caller: None,
            refusal: None,
        };
        decision.refusal = self.judge(request.body(), &mut decision, now).err();
        decision
    }

    fn judge(&self, token: &[u8], decision: &mut Decision, now: jiff::Timestamp) -> Result<(), Refusal> {
        if decision.tls.eq_ignore_ascii_case("no") {
            return Err(Refusal::NoTls);
        }
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner).clone();
        if self.state.world().iam_is_off(&database.resource_id) {
            return Err(Refusal::IamOff);
        }
        let token = std::str::from_utf8(token).map_err(|_| Refusal::Malformed("not UTF-8"))?;
        let caller = token::verify(token, &decision.user, &database, |key| self.state.key(key), now)?;
        decision.caller = Some(caller.principal.arn.clone());
        token::authorize(&caller, &decision.user, &database, &self.state.world().partition, now)
    }
}

fn reply(status: StatusCode, body: String) -> Response<String> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(CONNECTION, "close")
        .body(body)
        .unwrap_or_default()
}
