//! One run: identity and connection in parallel, then token, login and facts.
//! It returns no error; every failure is part of the report.
//!
//! A run is independent ([`verify`]), or one of many in a long-lived process ([`observe`]). In that case
//! [`RunContext`] holds results that are reused.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_credential_types::Credentials;
use jiff::Timestamp;
use rustls::RootCertStore;
use tracing::Instrument;

use crate::{
    aws,
    checks::{self, Observations, Reached, TokenError},
    connection::{
        self, ConnectError, ConnectionEvidence, Opening, PendingAuth, Purpose, RateLimit, Refusal, Sample,
        SampleLimits, Session, Stage, task::Task,
    },
    diagnostic::Requirement,
    facts::{
        self, Fact, Facts, LoadFacts, SystemIdentity,
        load::{self, TableSize, WalWritten},
    },
    identity::{self, Failure, Identity, IdentityError, IdentityEvidence, Sessions, Waiting},
    report::{Report, Timing},
    secret::Redactor,
    target::{Engine, Target},
    token::{self, AuthToken},
    trust,
};

/// Reads the time. Signing takes it as a value; only the caller of [`verify`] has a clock.
pub type Clock = fn() -> Timestamp;

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// From the first step to the last.
    pub timeout: Duration,
    /// After a refusal that leaves more than one cause: at most one more STS call and one more login.
    pub retry: bool,
    /// Measure for an estimate of the initial load, which takes longer than `timeout`: up to [`load::TIME`] more.
    pub estimate: bool,
}

/// Results and resources reused between runs. Empty for an independent run.
#[derive(Debug, Default)]
pub struct RunContext<'a> {
    /// Sessions that are kept, and how old one may be.
    pub sessions: Option<(&'a Sessions, Duration)>,
    /// The trust anchors for the database, which take a millisecond to read.
    pub roots: Option<Arc<RootCertStore>>,
    /// Waited for before every login.
    pub rate_limit: Option<&'a RateLimit>,
    /// What the database said in an earlier run. It then is not asked again where the login works; where
    /// it does not, these are dropped.
    pub facts: Option<CachedFacts>,
}

/// Facts from a database, with their time.
#[derive(Clone, Debug)]
pub struct CachedFacts {
    pub facts: Facts,
    pub as_of: Timestamp,
}

/// Raw results of a run, before they are judged.
#[derive(Debug)]
pub struct RunResult {
    pub seen: Observations,
    pub timing: Timing,
}

/// Verifies one target.
///
/// ```no_run
/// use std::time::Duration;
///
/// use jiff::Timestamp;
/// use pipeprobe::{
///     diagnostic::{Basis, Capability, RequiredBy, Requirement},
///     target::Target,
///     verify::{self, Budget},
/// };
///
/// async fn allows_cdc(target: &Target) -> bool {
///     let requirement = Requirement::new(Basis::Server, Capability::Cdc, RequiredBy::Require);
///     let budget = Budget { timeout: Duration::from_secs(30), retry: true, estimate: false };
///     let report = verify::verify(target, requirement, budget, Timestamp::now).await;
///     for check in report.checks.iter().filter(|check| report.blocks_requirement(check)) {
///         eprintln!("{}: {}", check.code, check.title);
///     }
///     report.verdict.met
/// }
/// ```
pub async fn verify(target: &Target, requirement: Requirement, budget: Budget, clock: Clock) -> Report {
    let start = Instant::now();
    // In parallel with the check: it adds no time, and the evidence is ready when a failure is reported.
    let aws_records = async {
        match &target.aws_diagnostics {
            Some(credentials) => {
                let read =
                    aws::read_records(target, credentials, start + budget.timeout.mul_f32(0.9), clock());
                let span = tracing::debug_span!("aws_diagnostics", target = target.name);
                Some(read.instrument(span).await)
            }
            None => None,
        }
    };
    let (observed, aws_records) =
        tokio::join!(observe(target, budget, RunContext::default(), clock), aws_records);
    let RunResult { mut seen, mut timing } = observed;
    seen.aws_records = aws_records;
    timing.took = start.elapsed();
    Report::new(target, &seen, requirement, timing)
}

/// Checks one target.
pub async fn observe(target: &Target, budget: Budget, given: RunContext<'_>, clock: Clock) -> RunResult {
    let started_at = clock();
    let start = Instant::now();
    // The last tenth is reserved for closing sessions, so that a slow query fails alone.
    let until = |part| start + budget.timeout.mul_f32(part);
    let Budget { retry, estimate, .. } = budget;
    let RunContext { sessions, roots, rate_limit, facts } = given;
    // The configuration has read both once already. Without anchors nothing would verify.
    let roots = roots.unwrap_or_else(|| {
        Arc::new(trust::database_roots(target).unwrap_or_else(|_| RootCertStore::empty()))
    });
    let (deadline, close_by) = (until(0.9), until(0.95));
    let redactor = sessions.map(|(sessions, _)| sessions.redactor().for_run()).unwrap_or_default();
    let run =
        Run { target, deadline, close_by, retry, estimate, clock, sessions, roots, rate_limit, redactor };
    let mut timing = Timing { started_at, took: Duration::ZERO, facts_took: None, facts_as_of: None };
    let is_full = facts.is_none();
    let span = tracing::debug_span!("check", target = target.name);
    let mut seen = Box::pin(run.observe(facts, &mut timing)).instrument(span).await;
    if is_full {
        run.confirm_role(&mut seen).await;
    }
    timing.took = start.elapsed();
    RunResult { seen, timing }
}

/// The report of a run without any results.
pub fn unreached(target: &Target, requirement: Requirement, now: Timestamp) -> Report {
    let timing = Timing { started_at: now, took: Duration::ZERO, facts_took: None, facts_as_of: None };
    Report::new(target, &Observations::default(), requirement, timing)
}

struct Run<'a> {
    target: &'a Target,
    deadline: Instant,
    /// When sessions that have not closed are dropped.
    close_by: Instant,
    retry: bool,
    estimate: bool,
    clock: Clock,
    sessions: Option<(&'a Sessions, Duration)>,
    roots: Arc<RootCertStore>,
    rate_limit: Option<&'a RateLimit>,
    /// Knows the secrets of this run as soon as they exist.
    redactor: Redactor,
}

/// Between a refused token and the next: a token of the same second would be the same one, and a server
/// that was short of memory or throttled needs a moment.
const BETWEEN_TOKENS: Duration = Duration::from_secs(1);

/// The most a full check waits at its end for the renewal of the session that it used.
const CONFIRMATION: Duration = Duration::from_secs(2);

impl Run<'_> {
    async fn observe(&self, known: Option<CachedFacts>, timing: &mut Timing) -> Observations {
        let mut seen = Observations::default();
        let identity = self.identity(&mut seen.identity_evidence);
        let connect = self.connect_until_auth(Purpose::Queries, &mut seen.connection);
        let (identity, pending) = tokio::join!(identity, connect);
        seen.reached = self.log_in_and_query(identity, pending, &mut seen.connection, known, timing).await;
        seen
    }

    async fn log_in_and_query(
        &self,
        identity: Result<Identity, IdentityError>,
        pending: Result<PendingAuth, ConnectError>,
        evidence: &mut ConnectionEvidence,
        known: Option<CachedFacts>,
        timing: &mut Timing,
    ) -> Reached {
        let credentials = identity.map(|identity| identity.credentials);
        let token = match &credentials {
            Ok(credentials) => {
                identity::learn(&self.redactor, credentials);
                self.sign(credentials).map_err(TokenError::NotSigned)
            }
            Err(error) => Err(TokenError::NoIdentity(error.clone())),
        };
        let (credentials, token, pending) = match (credentials, token, pending) {
            (Ok(credentials), Ok(token), Ok(pending)) => (credentials, token, pending),
            (_, token, pending) => {
                return Reached::Preparation { token: Some(token), connect_error: pending.err() };
            }
        };
        let mut session = self.log_in(pending, &token, evidence).await;
        let mut first_refusal = None;
        if let Err(refused) = &session
            && self.retry
            && may_retry(self.target.engine(), refused)
            && self.deadline.saturating_duration_since(Instant::now()) > 2 * BETWEEN_TOKENS
        {
            first_refusal = Some(refused.clone());
            session = self.log_in_again(&credentials).await;
        }
        let (session, start) = match session {
            Ok(session) => (session, Instant::now()),
            Err(error) => return Reached::LoginFailed { token, first_refusal, error },
        };
        let facts = match known {
            Some(CachedFacts { facts, as_of }) => {
                session.close(self.close_by).await;
                timing.facts_as_of = Some(as_of);
                facts
            }
            None => {
                timing.facts_as_of = Some((self.clock)());
                let facts = self.ask(session, &credentials).await;
                timing.facts_took = Some(start.elapsed());
                facts
            }
        };
        let load = match self.estimate {
            true => Some(self.measure_load(&facts, start, &credentials).await),
            false => None,
        };
        Reached::LoggedIn { token, first_refusal, facts, load }
    }

    /// Reads the sizes of the tables and a part of the largest ones, after the check and beyond its time limit.
    /// `asked_at`: when the facts were read.
    async fn measure_load(
        &self,
        facts: &Facts,
        asked_at: Instant,
        credentials: &Credentials,
    ) -> Result<LoadFacts, ConnectError> {
        let end = Instant::now() + load::TIME;
        let later = Run {
            deadline: end,
            close_by: end,
            roots: Arc::clone(&self.roots),
            redactor: self.redactor.clone(),
            ..*self
        };
        let tables = load::readable(facts);
        let refused = |refusal| ConnectError::Refused { stage: Stage::Login, refusal };
        let mut session = later.another_session(Purpose::Queries, credentials).await?;
        let tables = match &mut session {
            Session::Postgres(session) => load::sizes_of_postgres(session, &tables, end).await,
            Session::Mysql(session) => load::sizes_of_mysql(session, &tables, end).await,
        };
        let mut measured = LoadFacts { tables: tables.map_err(refused)?, ..LoadFacts::default() };
        let count = measured.tables.len().min(load::SAMPLES);
        for (i, table) in measured.tables.iter().take(count).enumerate() {
            let left = end.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(count - i).unwrap_or(1);
            let limits = SampleLimits { bytes: load::BYTES, until: Instant::now() + share };
            measured.samples.push(later.sample(facts, table, limits, credentials).await?);
        }
        if let (Session::Postgres(session), Facts::Postgres(facts)) = (&session, facts) {
            let until = Instant::now() + BETWEEN_TOKENS;
            measured.wal = WalWritten::since(facts, session, asked_at.elapsed(), until).await;
        }
        session.close(Instant::now() + BETWEEN_TOKENS).await;
        Ok(measured)
    }

    /// In a session for this table: it is not used again, because the server may still send rows.
    async fn sample(
        &self,
        facts: &Facts,
        table: &TableSize,
        limits: SampleLimits,
        credentials: &Credentials,
    ) -> Result<Result<Sample, Refusal>, ConnectError> {
        Ok(match (self.another_session(Purpose::Sample, credentials).await?, facts) {
            (Session::Mysql(session), Facts::Mysql(facts)) => {
                let (facts, table) = (facts.clone(), table.clone());
                // Apart, because mysql_async may panic on what a server sends.
                let sample =
                    Task::spawn(async move { load::sample_mysql(session, &facts, &table, limits).await });
                sample.await.unwrap_or_else(|_| Err(unreadable()))
            }
            (Session::Postgres(session), _) => load::sample_postgres(&session, table, limits).await,
            (Session::Mysql(_), Facts::Postgres(_)) => Err(unreadable()),
        })
    }

    /// After a full check with a session from an earlier run: the result of its renewal, which began with this run. If STS
    /// refused the role, nothing that came of the old session counts.
    async fn confirm_role(&self, seen: &mut Observations) {
        let (Some((sessions, _)), true) = (self.sessions, seen.identity_evidence.kept) else { return };
        let until = self.close_by.min(Instant::now() + CONFIRMATION);
        let (access, region) = (&self.target.access, &self.target.region);
        if let Some(Failure { error, evidence, .. }) = sessions.refusal(access, region, until.into()).await {
            seen.fail_identity(error, evidence);
        }
    }

    async fn identity(&self, evidence: &mut IdentityEvidence) -> Result<Identity, IdentityError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let (access, region) = (&self.target.access, &self.target.region);
        let roots = || {
            Arc::new(trust::web_roots(access.ca_bundle.as_ref()).unwrap_or_else(|_| RootCertStore::empty()))
        };
        let waiting = Waiting::default();
        let assume = async {
            match self.sessions {
                Some((sessions, oldest)) => {
                    sessions.assume(access, region, roots, oldest, (self.clock)(), evidence).await
                }
                None => identity::assume(access, region, roots(), self.retry, &waiting, evidence).await,
            }
        };
        tokio::time::timeout(left, assume).await.unwrap_or_else(|_| {
            Err(match self.sessions {
                Some((sessions, _)) => sessions.late(access, region, left),
                None => waiting.late(access, left),
            })
        })
    }

    fn sign(&self, credentials: &Credentials) -> Result<AuthToken, String> {
        token::sign(credentials, &self.target.sign, &self.target.region, &self.target.user, (self.clock)())
    }

    /// Retries from the start, with a new token.
    async fn log_in_again(&self, credentials: &Credentials) -> Result<Session, ConnectError> {
        tokio::time::sleep(BETWEEN_TOKENS).await;
        self.another_session(Purpose::Queries, credentials).await
    }

    /// Connects until the authentication request, after waiting for the rate limit.
    async fn connect_until_auth(
        &self,
        purpose: Purpose,
        evidence: &mut ConnectionEvidence,
    ) -> Result<PendingAuth, ConnectError> {
        if let Some(rate_limit) = self.rate_limit {
            // After a long wait no time is left to connect; the connection stage reports that timeout.
            let _ = tokio::time::timeout_at(self.deadline.into(), rate_limit.acquire()).await;
        }
        let (target, roots, redactor) = (self.target, &self.roots, &self.redactor);
        let opening = Opening::Check(purpose);
        connection::connect_until_auth(target, opening, roots, redactor, self.deadline, evidence).await
    }

    /// Another connection, with a new token. Only the first connection reports its connection evidence.
    async fn another_session(
        &self,
        purpose: Purpose,
        credentials: &Credentials,
    ) -> Result<Session, ConnectError> {
        let connect = async {
            let mut evidence = ConnectionEvidence::default();
            let pending = self.connect_until_auth(purpose, &mut evidence).await?;
            let token = self.sign(credentials).map_err(|_| ConnectError::NoToken)?;
            self.log_in(pending, &token, &mut evidence).await
        };
        Box::pin(connect).instrument(tracing::debug_span!("connection", ?purpose)).await
    }

    async fn log_in(
        &self,
        pending: PendingAuth,
        token: &AuthToken,
        evidence: &mut ConnectionEvidence,
    ) -> Result<Session, ConnectError> {
        pending.log_in(&token.text, self.deadline, evidence).await
    }

    async fn ask(&self, session: Session, credentials: &Credentials) -> Facts {
        let (deadline, close_by, pipe) = (self.deadline, self.close_by, &self.target.pipe);
        match session {
            Session::Postgres(session) => {
                let replication = async {
                    match pipe.follows_changes() {
                        true => Fact::Read(self.replicate(credentials).await),
                        false => Fact::Absent,
                    }
                };
                let facts = facts::ask_postgres(&session, deadline, pipe, replication).await;
                session.close(close_by).await;
                Facts::Postgres(Arc::new(facts))
            }
            Session::Mysql(session) => {
                // Apart, because mysql_async may panic on what a server sends.
                let pipe = pipe.clone();
                let asking =
                    Task::spawn(async move { facts::ask_mysql(session, deadline, close_by, &pipe).await });
                let facts = asking.await;
                Facts::Mysql(Arc::new(facts.unwrap_or_else(|_| facts::unanswered_mysql(unreadable()))))
            }
        }
    }

    /// A second connection, for replication, with a new token: the first step of CDC.
    async fn replicate(&self, credentials: &Credentials) -> Result<SystemIdentity, ConnectError> {
        match self.another_session(Purpose::Replication, credentials).await? {
            Session::Postgres(session) => {
                let identified = facts::identify_system(&session, self.deadline).await;
                session.close(self.close_by).await;
                identified
            }
            Session::Mysql(_) => {
                Err(ConnectError::Protocol { stage: Stage::Login, what: "is no PostgreSQL".into() })
            }
        }
    }
}

/// A refusal of the token that is the same whether IAM said no or could not be asked: RDS answers
/// neither differently (PostgreSQL 28000, MySQL 1045; Amazon RDS User Guide, "Limitations for IAM database
/// authentication": memory, 200 logins a second).
///
/// MySQL counts refused logins per account (`FAILED_LOGIN_ATTEMPTS`): a second one could lock the account for days, so
/// there is none. MariaDB has no such limit per account.
fn may_retry(engine: Engine, error: &ConnectError) -> bool {
    match error {
        ConnectError::Refused { stage: Stage::Login, refusal } => match engine {
            Engine::Postgres => checks::is_refused_token(refusal),
            Engine::Mariadb => refusal.code == "1045",
            Engine::Mysql => false,
        },
        _ => false,
    }
}

/// The driver of MySQL has panicked.
fn unreadable() -> Refusal {
    Refusal::of_driver("the server sent what its driver cannot read")
}
