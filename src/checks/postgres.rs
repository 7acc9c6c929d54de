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
    vec![engine(target, facts), version(facts), documented_rule(), replication(target, facts)]
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

fn replication(target: &Target, facts: &PostgresFacts) -> Finding {
    let check = CheckId::PostgresIamReplication;
    let group =
        if target.source_type.is_aurora() { "DB cluster parameter group" } else { "DB parameter group" };
    let parameter = match &facts.iam_auth_for_replication {
        Fact::Read(value) => format!("rds.iam_auth_for_replication is {value}"),
        Fact::Absent => "the server knows no rds.iam_auth_for_replication".to_owned(),
        Fact::Refused(_) => "rds.iam_auth_for_replication could not be read".to_owned(),
    };
    let turn_on = format!(
        "set rds.iam_auth_for_replication = 1 and rds.logical_replication = 1 in the {group} (the first takes effect at \
         once, the second after a reboot)"
    );
    let fail = |cause, words: String| Finding::fail(check, cause, format!("{words}; {parameter}"));
    match &facts.replication {
        Ok(system) => Finding::pass(
            check,
            format!("IDENTIFY_SYSTEM: timeline {}, WAL at {}", system.timeline, system.position),
        ),
        Err(ConnectError::Refused { refusal, .. }) if refusal.code == "42501" => {
            fail("PG_NO_REPLICATION_RIGHT", refusal.to_string())
                .remedy(format!("GRANT rds_replication TO {};", target.user))
        }
        Err(ConnectError::Refused { refusal, .. }) if refusal.code == "53300" => {
            fail("PG_NO_WAL_SENDER", refusal.to_string())
                .remedy("raise max_wal_senders, or end a replication connection")
        }
        Err(ConnectError::Refused { refusal, .. }) => {
            fail("PG_REPLICATION_NOT_IAM", refusal.to_string()).remedy(turn_on)
        }
        Err(ConnectError::NotIam(asked @ (Asked::Sasl(_) | Asked::Md5))) => {
            fail("PG_REPLICATION_NOT_IAM", format!("the server asks for {asked}")).remedy(turn_on)
        }
        Err(other) => Finding::unknown(check, "PG_REPLICATION_UNKNOWN", format!("{other}; {parameter}")),
    }
}

fn unanswered<T>(check: CheckId, fact: &Fact<T>) -> Finding {
    super::unanswered(check, "PG_UNANSWERED", fact)
}
