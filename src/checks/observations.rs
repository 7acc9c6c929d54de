//! What a run saw, uninterpreted: how far it got, with the data of that stage.

use crate::{
    aws::AwsRecords,
    connection::{ConnectError, ConnectionEvidence},
    facts::{Facts, LoadFacts, Position},
    identity::{IdentityError, IdentityEvidence},
    local_failure::LocalFailure,
    token::AuthToken,
};

/// Everything that a run saw.
#[derive(Debug, Default)]
pub struct Observations {
    pub reached: Reached,
    pub identity_evidence: IdentityEvidence,
    pub connection: ConnectionEvidence,
    /// Of an earlier full check, in a long-lived process.
    pub earlier: Option<Position>,
    /// What RDS and IAM have on record, if AWS diagnostics are on. It ranks the causes of a failure, and no check depends on it.
    pub aws_records: Option<AwsRecords>,
}

/// How far a run got.
#[derive(Debug)]
pub enum Reached {
    /// No login was tried. The token and the connection up to the authentication request are prepared in parallel, so both
    /// can have failed. The token is `None` if it was not waited for.
    Preparation { token: Option<Result<AuthToken, TokenError>>, connect_error: Option<ConnectError> },
    /// The error of the last login. `first_refusal`: of the login before it, with another token.
    LoginFailed { token: AuthToken, first_refusal: Option<ConnectError>, error: ConnectError },
    LoggedIn {
        token: AuthToken,
        first_refusal: Option<ConnectError>,
        facts: Facts,
        /// With `--estimate`: what an initial load has to read, and how fast rows arrive. No check depends on it.
        load: Option<Result<LoadFacts, ConnectError>>,
    },
}

impl Default for Reached {
    fn default() -> Self {
        Self::Preparation { token: None, connect_error: None }
    }
}

impl Reached {
    pub fn no_token(error: TokenError) -> Self {
        Self::Preparation { token: Some(Err(error)), connect_error: None }
    }

    pub fn no_connection(error: ConnectError) -> Self {
        Self::Preparation { token: None, connect_error: Some(error) }
    }
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub enum TokenError {
    NoIdentity(IdentityError),
    /// With the error of the signing library.
    NotSigned(String),
}

impl Observations {
    /// Whether there are credentials to sign with. `None` if it is not known.
    pub fn identity(&self) -> Option<Result<(), &IdentityError>> {
        match &self.reached {
            Reached::Preparation { token: None, .. } => None,
            Reached::Preparation { token: Some(Err(TokenError::NoIdentity(error))), .. } => Some(Err(error)),
            _ => Some(Ok(())),
        }
    }

    /// `None` if there was nothing to sign with.
    pub fn token(&self) -> Option<Result<&AuthToken, &str>> {
        match &self.reached {
            Reached::Preparation { token: None | Some(Err(TokenError::NoIdentity(_))), .. } => None,
            Reached::Preparation { token: Some(Err(TokenError::NotSigned(why))), .. } => Some(Err(why)),
            Reached::Preparation { token: Some(Ok(token)), .. }
            | Reached::LoginFailed { token, .. }
            | Reached::LoggedIn { token, .. } => Some(Ok(token)),
        }
    }

    /// Why the server did not request authentication.
    pub fn connect_error(&self) -> Option<&ConnectError> {
        match &self.reached {
            Reached::Preparation { connect_error, .. } => connect_error.as_ref(),
            _ => None,
        }
    }

    /// The result of the last login that was tried.
    pub fn login(&self) -> Option<Result<(), &ConnectError>> {
        match &self.reached {
            Reached::Preparation { .. } => None,
            Reached::LoginFailed { error, .. } => Some(Err(error)),
            Reached::LoggedIn { .. } => Some(Ok(())),
        }
    }

    /// The refusal after which a second login was tried, with another token.
    pub fn first_refusal(&self) -> Option<&ConnectError> {
        match &self.reached {
            Reached::Preparation { .. } => None,
            Reached::LoginFailed { first_refusal, .. } | Reached::LoggedIn { first_refusal, .. } => {
                first_refusal.as_ref()
            }
        }
    }

    /// The error of the connection or of the login.
    pub fn connection_error(&self) -> Option<&ConnectError> {
        self.connect_error().or_else(|| self.login()?.err())
    }

    pub fn facts(&self) -> Option<&Facts> {
        match &self.reached {
            Reached::LoggedIn { facts, .. } => Some(facts),
            _ => None,
        }
    }

    pub fn into_facts(self) -> Option<Facts> {
        match self.reached {
            Reached::LoggedIn { facts, .. } => Some(facts),
            _ => None,
        }
    }

    /// There is no identity. If STS refuses the role after a run with an earlier session of it, nothing that came of that
    /// session counts.
    pub fn fail_identity(&mut self, error: IdentityError, evidence: IdentityEvidence) {
        let connect_error = self.connect_error().cloned();
        self.reached =
            Reached::Preparation { token: Some(Err(TokenError::NoIdentity(error))), connect_error };
        self.identity_evidence = evidence;
    }

    /// What this machine could not do. Such a run says nothing about the target.
    pub fn local_failure(&self) -> Option<&LocalFailure> {
        let without_external_id = self.identity_evidence.without_external_id.as_ref();
        let identities =
            [self.identity().and_then(Result::err), without_external_id.and_then(|r| r.as_ref().err())];
        let identity = identities.into_iter().flatten().find_map(|error| match error {
            IdentityError::Local { failure, .. } => Some(failure),
            _ => None,
        });
        let replication = match self.facts() {
            Some(Facts::Postgres(facts)) => facts.replication.read().and_then(|result| result.as_ref().err()),
            Some(Facts::Mysql(_)) | None => None,
        };
        identity.or_else(|| {
            self.connection_error().into_iter().chain(replication).find_map(|error| match error {
                ConnectError::Local { failure, .. } => Some(failure),
                _ => None,
            })
        })
    }
}
