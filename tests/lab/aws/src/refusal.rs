//! Reasons why a database refused a login: exact for the test, and in the wording of RDS.

use std::fmt;

/// The reason of a refusal. Contains presented and expected values, and never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The connection is not encrypted.
    NoTls,
    /// IAM authentication is off. RDS checks the token as a password then.
    IamOff,
    /// Not a presigned request: cut, altered, or a password. The text says what is missing.
    Malformed(&'static str),
    WrongEndpoint {
        signed_for: String,
        expected: String,
    },
    WrongUser {
        signed_for: String,
        expected: String,
    },
    WrongRegion {
        signed_for: String,
        expected: String,
    },
    WrongService {
        signed_for: String,
    },
    /// `X-Amz-Expires` above 900.
    LivesTooLong {
        seconds: u32,
    },
    /// Seconds since it was signed.
    Expired {
        age: i64,
    },
    /// Signed more than five minutes ahead of the database's clock.
    NotYetValid {
        ahead: i64,
    },
    UnknownAccessKey,
    SessionTokenMismatch,
    /// The temporary credentials ended before the token was used.
    CredentialsExpired,
    SignatureMismatch,
    /// IAM database authentication does not cross accounts.
    OtherAccount {
        caller: String,
        account: String,
    },
    /// No policy allows `rds-db:connect` on the resource, or one denies it (`explicit`).
    NotAuthorized {
        caller: String,
        resource: String,
        explicit: bool,
    },
}

impl Refusal {
    /// RDS's error code for it, as in the `iam-db-auth-error` log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "ExpiredToken",
            Self::OtherAccount { .. } | Self::NotAuthorized { .. } => "NotAuthorized",
            _ => "InvalidToken",
        }
    }

    /// The text of RDS in the `iam-db-auth-error` log.
    pub fn log_line(&self, user: &str) -> String {
        match self {
            Self::OtherAccount { caller, .. } | Self::NotAuthorized { caller, .. } => format!(
                "[ERROR] Failed to authorize the connection request for user {user} because the IAM policy assumed by \
                 the caller '{caller}' is not authorized to perform rds-db:connect on the DB instance. (Status Code: \
                 403, Error Code: NotAuthorized)"
            ),
            Self::Expired { .. } => format!(
                "[ERROR] Failed to authenticate the connection request for user {user} because the token age is longer \
                 than 15 minutes. (Status Code: 400, Error Code: ExpiredToken)"
            ),
            _ => format!(
                "[ERROR] Failed to authenticate the connection request for user {user} because the provided token is \
                 malformed or otherwise invalid. (Status Code: 400, Error Code: InvalidToken)"
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IamOff => write!(f, "IAM authentication is off"),
            Self::NoTls => write!(f, "the connection is not encrypted"),
            Self::Malformed(what) => write!(f, "not a token: {what}"),
            Self::WrongEndpoint { signed_for, expected } | Self::WrongRegion { signed_for, expected } => {
                write!(f, "signed for {signed_for}, this is {expected}")
            }
            Self::WrongUser { signed_for, expected } => {
                write!(f, "signed for user {signed_for}, not {expected}")
            }
            Self::WrongService { signed_for } => write!(f, "signed for service {signed_for}, not rds-db"),
            Self::LivesTooLong { seconds } => write!(f, "X-Amz-Expires is {seconds}, more than 900"),
            Self::Expired { age } => write!(f, "signed {age} s ago"),
            Self::NotYetValid { ahead } => write!(f, "signed {ahead} s in the future"),
            Self::UnknownAccessKey => write!(f, "no such access key"),
            Self::SessionTokenMismatch => write!(f, "the session token is not the access key's"),
            Self::CredentialsExpired => write!(f, "the credentials have expired"),
            Self::SignatureMismatch => write!(f, "the signature does not match"),
            Self::OtherAccount { caller, account } => write!(f, "{caller} is not of account {account}"),
            Self::NotAuthorized { caller, resource, explicit } => {
                let how = if *explicit { "is denied" } else { "is not allowed" };
                write!(f, "{caller} {how} rds-db:connect on {resource}")
            }
        }
    }
}
