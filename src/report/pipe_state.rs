//! The state of the pipe in ClickHouse Cloud next to the verdict. Pure.

use super::Verdict;
use crate::{
    checks::{Diagnostic, Group},
    diagnostic::{Basis, Capability, Outcome},
    target::{Declaration, ReplicationMode},
    verdict,
};

/// States of a pipe that does not work (OpenAPI specification of ClickHouse Cloud, `ClickPipe.state`).
const BROKEN: [&str; 3] = ["Degraded", "Failed", "InternalError"];

/// Puts the state in front of the reason of the verdict, with what explains it.
pub(super) fn add(
    verdict: &mut Verdict,
    declaration: Option<&Declaration>,
    mode: Option<ReplicationMode>,
    diagnostics: &[Diagnostic],
) {
    let Some(state) = declaration.and_then(|declaration| declaration.pipe_state.as_ref()) else { return };
    let needed = match mode {
        Some(ReplicationMode::Cdc | ReplicationMode::CdcOnly) => Capability::Cdc,
        Some(ReplicationMode::Snapshot) | None => Capability::InitialLoadOnly,
    };
    // A rule of the guide stops no pipe, so only what the server itself lacks explains a failure.
    let lacks = verdict.server < needed;
    let causes = verdict::blocked_by(diagnostics, Basis::Server);
    let codes = causes.iter().map(|diagnostic| diagnostic.cause.map_or(diagnostic.check.code, |c| c.code));
    let codes = codes.collect::<Vec<_>>().join(", ");
    // ClickPipes has other credentials and another way to the database than pipeprobe, but the same database.
    let is_same_there = |diagnostic: &&Diagnostic| {
        diagnostic.outcome == Outcome::Fail
            && matches!(diagnostic.check.group, Group::Pipe | Group::Capability)
    };
    let is_explained = !causes.is_empty() && causes.iter().all(is_same_there);
    let sentence = match (BROKEN.contains(&state.as_str()), lacks) {
        (true, true) if is_explained => {
            format!("The pipe is {state} in ClickHouse Cloud, because of {codes}.")
        }
        (true, true) => format!(
            "The pipe is {state} in ClickHouse Cloud. From here, the check fails too ({codes}), which can have another cause."
        ),
        (true, false) => format!(
            "The pipe is {state} in ClickHouse Cloud, and no check found the cause: its page in the console shows its error."
        ),
        (false, true) if is_explained => {
            format!("The pipe is {state} in ClickHouse Cloud, although {codes} prevents what it needs.")
        }
        (false, _) => format!("The pipe is {state} in ClickHouse Cloud."),
    };
    verdict.reason = format!("{sentence} {}", verdict.reason);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checks,
        diagnostic::{RequiredBy, Requirement},
        report::reason,
        target::Engine,
    };

    /// The sentence for a pipe in a state, if a check has that outcome and all others pass.
    fn sentence(state: &str, mode: ReplicationMode, code: &str, outcome: Outcome) -> String {
        let mut diagnostics: Vec<_> = checks::of(Engine::Mysql).map(|check| check.pass("")).collect();
        diagnostics.iter_mut().find(|diagnostic| diagnostic.check.code == code).unwrap().outcome = outcome;
        let requirement = Requirement::new(Basis::Server, Capability::InitialLoadOnly, RequiredBy::Default);
        let mut verdict = reason::verdict(&diagnostics, Some(mode), requirement);
        let reason = verdict.reason.clone();
        let declaration = Declaration { pipe_state: Some(state.to_owned()), ..Declaration::default() };
        add(&mut verdict, Some(&declaration), Some(mode), &diagnostics);
        verdict.reason.strip_suffix(&reason).unwrap().trim_end().to_owned()
    }

    #[test]
    fn a_failure_is_explained_by_what_the_database_lacks() {
        use ReplicationMode::{Cdc, Snapshot};
        let of = sentence;
        assert_eq!(
            of("Failed", Cdc, "MYSQL_GTID", Outcome::Fail),
            "The pipe is Failed in ClickHouse Cloud, because of MYSQL_GTID."
        );
        // It is copied once, which needs no binary log.
        let unexplained = "and no check found the cause: its page in the console shows its error.";
        for (mode, outcome) in [(Snapshot, Outcome::Fail), (Cdc, Outcome::Pass)] {
            let expected = format!("The pipe is Degraded in ClickHouse Cloud, {unexplained}");
            assert_eq!(of("Degraded", mode, "MYSQL_GTID", outcome), expected);
        }
        // Only pipeprobe may be without a way to the database, or without credentials.
        for (code, outcome) in [
            ("NET_DIAL", Outcome::Fail),
            ("AWS_CREDENTIALS", Outcome::Fail),
            ("MYSQL_GTID", Outcome::NotReached),
        ] {
            let expected = format!(
                "The pipe is InternalError in ClickHouse Cloud. From here, the check fails too ({code}), which can have another \
                 cause."
            );
            assert_eq!(of("InternalError", Cdc, code, outcome), expected);
            assert_eq!(of("Running", Cdc, code, outcome), "The pipe is Running in ClickHouse Cloud.");
        }
        assert_eq!(
            of("Running", Cdc, "MYSQL_GTID", Outcome::Fail),
            "The pipe is Running in ClickHouse Cloud, although MYSQL_GTID prevents what it needs."
        );
    }
}
