//! PostgreSQL's questions, one a fact. They go out together: one round trip, and a refusal of one
//! loses none of the others.

use std::time::Instant;

use super::{PostgresFacts, SystemIdentity, boolean, fact, text};
use crate::connection::{ConnectError, PostgresSession, Stage};

/// Asks everything; `replication` needs a connection of its own, and is awaited beside.
pub async fn ask(
    session: &PostgresSession,
    deadline: Instant,
    replication: impl Future<Output = Result<SystemIdentity, ConnectError>>,
) -> PostgresFacts {
    let setting = |name: &str| format!("SELECT current_setting('{name}', true)");
    let (number, wal_level, iam) =
        (setting("server_version_num"), setting("wal_level"), setting("rds.iam_auth_for_replication"));
    let (version, version_number, current_user, is_aurora, in_recovery, wal_level, iam, replication) = tokio::join!(
        session.first_row("SELECT version()", deadline),
        session.first_row(&number, deadline),
        session.first_row("SELECT current_user", deadline),
        session.first_row("SELECT to_regproc('pg_catalog.aurora_version') IS NOT NULL", deadline),
        session.first_row("SELECT pg_is_in_recovery()", deadline),
        session.first_row(&wal_level, deadline),
        session.first_row(&iam, deadline),
        replication,
    );
    PostgresFacts {
        version: fact(version, text),
        version_number: fact(version_number, |number| number.parse().ok()),
        current_user: fact(current_user, text),
        is_aurora: fact(is_aurora, boolean),
        in_recovery: fact(in_recovery, boolean),
        wal_level: fact(wal_level, text),
        iam_auth_for_replication: fact(iam, |value| (!value.is_empty()).then(|| value.to_owned())),
        replication,
    }
}

/// `IDENTIFY_SYSTEM` on a replication connection: proof that IAM is accepted there. Creates nothing.
///
/// # Errors
/// The server's refusal of the command.
pub async fn identify_system(
    session: &PostgresSession,
    deadline: Instant,
) -> Result<SystemIdentity, ConnectError> {
    let (stage, start) = (Stage::LogIn, Instant::now());
    let row = session.first_row("IDENTIFY_SYSTEM", deadline).await.map_err(|refusal| {
        match refusal.is_silence() {
            true => ConnectError::Timeout { stage, after: start.elapsed() },
            false => ConnectError::Refused { stage, refusal },
        }
    })?;
    // Columns: systemid, timeline, xlogpos, dbname.
    match <[Option<String>; 4]>::try_from(row) {
        Ok([_, Some(timeline), Some(position), _]) => Ok(SystemIdentity { timeline, position }),
        _ => Err(ConnectError::Protocol {
            stage,
            what: "answered IDENTIFY_SYSTEM without timeline and position".into(),
        }),
    }
}
