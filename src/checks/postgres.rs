//! What a PostgreSQL server allows.

use crate::{
    connection::{Asked, ConnectError},
    facts::{Fact, PostgresFacts},
    finding::{CheckId, Finding},
    target::Target,
};

/// The oldest version ClickPipes reads (ClickPipes documentation, "Supported Postgres versions").
const OLDEST: u32 = 12;

pub(super) fn judge(target: &Target, facts: &PostgresFacts) -> Vec<Finding> {
    vec![
        engine(target, facts),
        version(facts),
        documented_rule(),
        replication(target, facts),
        wal_level(target, facts),
        standby(facts),
    ]
}

fn engine(target: &Target, facts: &PostgresFacts) -> Finding {
    let check = CheckId::Engine;
    let Some(version) = facts.version.read() else {
        return unanswered(check, &facts.version);
    };
    if version.contains("YugabyteDB") || version.contains("-YB-") {
        return Finding::fail(check, "DB_STAND_IN", version)
            .remedy("ClickPipes reads PostgreSQL itself, not YugabyteDB");
    }
    let short = version.split(',').next().unwrap_or(version);
    match (facts.is_aurora.read(), target.source_type.is_aurora()) {
        (Some(false), true) => {
            Finding::warn(check, "DB_NOT_AURORA", format!("{short}, without aurora_version()"))
                .remedy("if this is RDS and not Aurora, set type = \"rdspostgres\"")
        }
        (Some(true), false) => {
            Finding::warn(check, "DB_IS_AURORA", format!("{short}, with aurora_version()")).remedy(
                "set type = \"aurorapostgres\": Aurora's settings live in the cluster parameter group",
            )
        }
        _ => Finding::pass(check, short),
    }
}

fn version(facts: &PostgresFacts) -> Finding {
    let check = CheckId::Version;
    match facts.version_number.read() {
        None => unanswered(check, &facts.version_number),
        Some(number) if number / 10_000 < OLDEST => {
            Finding::fail(check, "DB_VERSION_TOO_OLD", format!("PostgreSQL {}", dotted(*number)))
                .wanted(format!("PostgreSQL {OLDEST} or newer"))
                .remedy("upgrade the engine version")
        }
        Some(number) => Finding::pass(check, dotted(*number)),
    }
}

/// 150018 → 15.18; before version 10, 90624 → 9.6.24.
fn dotted(number: u32) -> String {
    if number >= 100_000 {
        format!("{}.{}", number / 10_000, number % 10_000)
    } else {
        format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
    }
}

/// The rule of the ClickPipes guide (`secure-rds`): with IAM, Postgres is Initial Load Only.
fn documented_rule() -> Finding {
    Finding::fail(
        CheckId::PostgresDocumentedRule,
        "PG_DOCUMENTED_RULE",
        "by the ClickPipes guide, Postgres with IAM is Initial Load Only",
    )
    .remedy(
        "newer RDS and ClickPipes allow more than the guide: let the evidence decide with --policy observed, \
         or use a password for CDC",
    )
}

fn parameter_group(target: &Target) -> &'static str {
    if target.source_type.is_aurora() { "DB cluster parameter group" } else { "DB parameter group" }
}

fn replication(target: &Target, facts: &PostgresFacts) -> Finding {
    let check = CheckId::PostgresIamReplication;
    let parameter = match &facts.iam_auth_for_replication {
        Fact::Read(value) => format!("rds.iam_auth_for_replication is {value}"),
        Fact::Absent => "the server knows no rds.iam_auth_for_replication".to_owned(),
        Fact::Refused(_) => "rds.iam_auth_for_replication could not be read".to_owned(),
    };
    let is_on =
        facts.iam_auth_for_replication.read().is_some_and(|v| matches!(v.as_str(), "1" | "on" | "true"));
    let turn_on = format!(
        "set rds.iam_auth_for_replication = 1 and rds.logical_replication = 1 in the {} (the first takes effect at \
         once, the second after a reboot)",
        parameter_group(target)
    );
    let fail = |cause, words: String| Finding::fail(check, cause, format!("{words}; {parameter}"));
    let unknown =
        |words: String| Finding::unknown(check, "PG_REPLICATION_UNKNOWN", format!("{words}; {parameter}"));
    match &facts.replication {
        Ok(system) => Finding::pass(
            check,
            format!("IDENTIFY_SYSTEM: timeline {}, WAL at {}", system.timeline, system.position),
        ),
        Err(ConnectError::Refused { refusal, .. }) => match refusal.code.as_str() {
            "42501" => fail("PG_NO_REPLICATION_RIGHT", refusal.to_string())
                .remedy(format!("GRANT rds_replication TO {};", super::identifier(target.user.as_str()))),
            "53300" => fail("PG_NO_WAL_SENDER", refusal.to_string())
                .remedy("raise max_wal_senders, or end a replication connection"),
            // While the parameter is off the token is judged as a password, or PAM refuses it.
            "28000" | "28P01" if !is_on => {
                fail("PG_REPLICATION_NOT_IAM", refusal.to_string()).remedy(turn_on)
            }
            _ => unknown(refusal.to_string())
                .remedy("try again: the server refused the replication connection for a reason of its own"),
        },
        Err(ConnectError::NotIam(asked @ (Asked::Sasl(_) | Asked::Md5))) => {
            fail("PG_REPLICATION_NOT_IAM", format!("the server asks for {asked}")).remedy(turn_on)
        }
        Err(other) => {
            unknown(other.to_string()).remedy("try again: the replication connection could not be tried")
        }
    }
}

fn wal_level(target: &Target, facts: &PostgresFacts) -> Finding {
    let check = CheckId::PostgresWalLevel;
    match facts.wal_level.read().map(String::as_str) {
        Some("logical") => Finding::pass(check, "wal_level is logical"),
        Some(level) => Finding::fail(check, "PG_WAL_LEVEL", format!("wal_level is {level}"))
            .wanted("wal_level = logical")
            .remedy(format!("set rds.logical_replication = 1 in the {} and reboot", parameter_group(target))),
        None => unanswered(check, &facts.wal_level),
    }
}

/// Logical slots on a standby exist since PostgreSQL 16.
fn standby(facts: &PostgresFacts) -> Finding {
    let check = CheckId::PostgresStandby;
    match (facts.in_recovery.read(), facts.version_number.read()) {
        (Some(false), _) => Finding::pass(check, "it is the writer"),
        (Some(true), Some(number)) if *number >= 160_000 => {
            Finding::pass(check, "a standby of version 16 or newer")
        }
        (Some(true), Some(number)) => {
            Finding::fail(check, "PG_STANDBY", format!("a standby of version {}", dotted(*number)))
                .wanted("the writer, or a standby of PostgreSQL 16 or newer")
                .remedy("give the endpoint of the primary (writer)")
        }
        (Some(true), None) => unanswered(check, &facts.version_number),
        (None, _) => unanswered(check, &facts.in_recovery),
    }
}

fn unanswered<T>(check: CheckId, fact: &Fact<T>) -> Finding {
    super::unanswered(check, "PG_UNANSWERED", fact)
}
