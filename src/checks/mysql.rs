//! What a MySQL or MariaDB server allows.

use crate::{
    facts::{Fact, MysqlFacts},
    finding::{CheckId, Finding},
    target::{Engine, SourceType, Target},
};

pub(super) fn judge(target: &Target, facts: &MysqlFacts) -> Vec<Finding> {
    vec![engine(target, facts), version(target, facts), binary_log(target, facts)]
}

fn is_mariadb(version: &str) -> bool {
    version.to_ascii_lowercase().contains("mariadb")
}

fn engine(target: &Target, facts: &MysqlFacts) -> Finding {
    let check = CheckId::Engine;
    let Some(version) = facts.version.read() else {
        return unanswered(check, &facts.version);
    };
    let comment = facts.version_comment.read().map(|c| format!(" ({c})")).unwrap_or_default();
    let found = format!("{version}{comment}");
    let runs = if is_mariadb(version) { Engine::Mariadb } else { Engine::Mysql };
    if runs != target.engine() {
        let right = if runs == Engine::Mariadb { "rdsmariadb" } else { "rdsmysql or auroramysql" };
        return Finding::fail(check, "DB_WRONG_ENGINE", found)
            .wanted(target.engine().name())
            .remedy(format!("set type = {right}: ClickPipes refuses a pipe of the other flavour"));
    }
    if comment.to_ascii_lowercase().contains("vitess") || version.to_ascii_lowercase().contains("vitess") {
        return Finding::fail(check, "DB_STAND_IN", found)
            .remedy("ClickPipes reads MySQL itself, not Vitess");
    }
    match (&facts.aurora_version, target.source_type) {
        (Fact::Absent, SourceType::AuroraMysql) => {
            Finding::warn(check, "DB_NOT_AURORA", format!("{found}, without aurora_version"))
                .remedy("if this is RDS and not Aurora, set type = \"rdsmysql\"")
        }
        (Fact::Read(aurora), SourceType::RdsMysql) => {
            Finding::warn(check, "DB_IS_AURORA", format!("{found}, Aurora {aurora}")).remedy(
                "set type = \"auroramysql\": Aurora's settings live in the DB cluster parameter group",
            )
        }
        _ => Finding::pass(check, found),
    }
}

/// IAM logins exist on RDS for MySQL 5.7 and MariaDB 10.6 onwards (RDS User Guide, "IAM database
/// authentication"); a server that took the token and is older is odd, not blocked.
fn version(target: &Target, facts: &MysqlFacts) -> Finding {
    let check = CheckId::Version;
    let Some(text) = facts.version.read() else {
        return unanswered(check, &facts.version);
    };
    let Some(number) = parsed(text) else {
        return Finding::unknown(check, "DB_VERSION_UNREADABLE", format!("`{text}`"));
    };
    let oldest = if target.engine() == Engine::Mariadb { (10, 6) } else { (5, 7) };
    if number < oldest {
        return Finding::warn(check, "DB_VERSION_OLD", text)
            .wanted(format!("{} {}.{} or newer", target.engine().name(), oldest.0, oldest.1))
            .remedy("RDS offers IAM authentication from that version on; upgrade before relying on it");
    }
    Finding::pass(check, text)
}

fn parsed(version: &str) -> Option<(u32, u32)> {
    // MariaDB may hide behind MySQL's number: 5.5.5-10.11.6-MariaDB.
    let mut parts = version.strip_prefix("5.5.5-").unwrap_or(version).split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn binary_log(target: &Target, facts: &MysqlFacts) -> Finding {
    let check = CheckId::MysqlBinaryLog;
    match &facts.log_bin {
        Fact::Read(true) => Finding::pass(check, "log_bin is ON"),
        Fact::Read(false) => Finding::fail(check, "MYSQL_BINARY_LOG_OFF", "log_bin is OFF")
            .wanted("log_bin = ON")
            .remedy(if target.source_type.is_aurora() {
                "set binlog_format = ROW in the DB cluster parameter group, then reboot the writer"
            } else {
                "turn automated backups on (backup retention of at least 1 day): RDS then writes a binary log"
            }),
        other => unanswered(check, other),
    }
}

fn unanswered<T>(check: CheckId, fact: &Fact<T>) -> Finding {
    super::unanswered(check, "MYSQL_UNANSWERED", fact)
}
