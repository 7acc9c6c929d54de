//! One line for Nagios and Icinga, with performance data, then lines with details (Monitoring Plugins Development
//! Guidelines, "Plugin Output for Nagios").

use std::io::{self, Write};

use super::{CheckResult, Report};
use crate::{diagnostic::Capability, target::ConfigErrors};

/// The state of a service; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl State {
    /// The state of a target. Warnings count with `--fail-on warning`. A failure of this machine says nothing about the
    /// target.
    pub fn of(report: &Report, warnings_count: bool) -> Self {
        let mut blocking = report.checks.iter().filter(|check| report.blocks_requirement(check)).peekable();
        match report.verdict.met {
            false if blocking.peek().is_some() && blocking.all(CheckResult::is_local) => Self::Unknown,
            false => Self::Critical,
            true if warnings_count && report.has_warnings() => Self::Warning,
            true => Self::Ok,
        }
    }

    /// The worst state of several targets. A target that is known to be broken counts more than one that could not be
    /// checked.
    pub fn worst(reports: &[Report], warnings_count: bool) -> Self {
        let states = reports.iter().map(|report| Self::of(report, warnings_count));
        states
            .max_by_key(|state| if *state == Self::Critical { 4 } else { *state as u8 })
            .unwrap_or(Self::Unknown)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Writes all targets and returns the worst state: [`State::worst`].
///
/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, reports: &[Report], warnings_count: bool) -> io::Result<State> {
    let state_of = |report: &Report| State::of(report, warnings_count);
    let worst = State::worst(reports, warnings_count);
    let summary = match reports {
        [one] => summary(one),
        many => {
            let met = many.iter().filter(|report| report.verdict.met).count();
            let first = many.iter().find(|report| state_of(report) == worst).map(summary).unwrap_or_default();
            format!("{met} of {} targets met, {first}", many.len())
        }
    };
    let data: Vec<String> = reports.iter().map(|report| data(report, reports.len() > 1)).collect();
    writeln!(out, "PIPEPROBE {} - {summary} | {}", worst.name(), data.join(" "))?;
    for report in reports {
        writeln!(
            out,
            "{} {}: {}",
            state_of(report).name(),
            plain(&report.target),
            plain(&report.verdict.reason)
        )?;
        for row in report.checks.iter().filter(|row| report.blocks_requirement(row)) {
            writeln!(out, "{}", line(row))?;
        }
        for row in report.warnings() {
            writeln!(out, "warning {}", line(row))?;
        }
    }
    Ok(worst)
}

/// Nothing could be checked, or pipeprobe itself failed.
///
/// # Errors
/// The writer's.
pub fn write_unknown(out: &mut impl Write, why: &str) -> io::Result<State> {
    writeln!(out, "PIPEPROBE {} - {}", State::Unknown.name(), plain(why))?;
    Ok(State::Unknown)
}

/// Input that cannot be used, in one line: the first error and the number of others.
pub fn refusal(errors: &ConfigErrors) -> String {
    match errors.all().len() - 1 {
        0 => errors.first().to_string(),
        more => format!("{} (and {more} more)", errors.first()),
    }
}

/// `orders: CDC`, and the cause if the requirement is not met.
fn summary(report: &Report) -> String {
    let verdict = &report.verdict;
    let mut text = format!("{}: {}", plain(&report.target), verdict.capability);
    if !verdict.met {
        let held = report.blocked_by().map(|held| format!(", {held}")).unwrap_or_default();
        text += &format!(", not {}{held}", verdict.required);
    }
    match report.warnings().count() {
        0 => text,
        1 => text + ", 1 warning",
        n => text + &format!(", {n} warnings"),
    }
}

fn line(row: &CheckResult) -> String {
    let mut text = row.cause_or_code().to_owned();
    for (label, field) in [("", &row.found), ("; fix: ", &row.remedy)] {
        if let Some(field) = field {
            text += if label.is_empty() { ": " } else { label };
            text += field;
        }
    }
    plain(&text)
}

/// `duration=0.062s;;;0 capability=2;;;0;2 certificate=86400s`: seconds until the certificate expires.
fn data(report: &Report, one_of_many: bool) -> String {
    let label = |name: &str| match one_of_many {
        true => format!("'{} {name}'", plain(&report.target).replace(['=', '\''], "_")),
        false => name.to_owned(),
    };
    let capability = match report.verdict.capability {
        Capability::Blocked => 0,
        Capability::InitialLoadOnly => 1,
        Capability::Cdc => 2,
    };
    let seconds = report.duration.as_secs_f64();
    let mut data =
        format!("{}={seconds:.3}s;;;0 {}={capability};;;0;2", label("duration"), label("capability"));
    if let Some(left) = certificate_left(report) {
        data += &format!(" {}={left}s", label("certificate"));
    }
    data
}

/// Seconds from the check until the first certificate of the chain expires.
fn certificate_left(report: &Report) -> Option<i64> {
    Some(report.certificate_expires_at()?.as_second() - report.started_at.as_second())
}

/// Without `|`, which starts the performance data, and without line breaks.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::{Basis, Outcome},
        report::tests::{report, requiring_cdc, unreached},
    };

    fn written(reports: &[Report], warnings_count: bool) -> (State, Vec<String>) {
        let mut out = Vec::new();
        let state = write(&mut out, reports, warnings_count).unwrap();
        (state, String::from_utf8(out).unwrap().lines().map(str::to_owned).collect())
    }

    fn with_a_warning() -> Report {
        let mut report = report(true, Basis::Server);
        let row = report.checks.iter_mut().find(|row| row.code == "TOKEN_LIFE").unwrap();
        (row.outcome, row.cause, row.found) =
            (Outcome::Warn, Some("TOKEN_SHORT"), Some("1 | 2\nminutes".into()));
        report
    }

    #[test]
    fn one_target_is_one_line_with_performance_data() {
        let (state, lines) = written(&[report(true, Basis::Server)], true);
        assert_eq!(state, State::Ok);
        assert_eq!(
            lines[0],
            "PIPEPROBE OK - orders: CDC | duration=0.171s;;;0 capability=2;;;0;2 certificate=31438555s"
        );
        assert!(lines[1].starts_with("OK orders: ClickPipes can copy the tables and replicate"), "{lines:?}");
    }

    #[test]
    fn warnings_are_a_state_only_with_fail_on_warning() {
        let (state, lines) = written(&[with_a_warning()], false);
        assert_eq!(state, State::Ok);
        assert!(lines[0].starts_with("PIPEPROBE OK - orders: CDC, 1 warning | "), "{lines:?}");
        let (state, lines) = written(&[with_a_warning()], true);
        assert_eq!(state, State::Warning);
        assert!(lines[0].starts_with("PIPEPROBE WARNING - orders: CDC, 1 warning | "), "{lines:?}");
        assert!(lines[2].starts_with("warning TOKEN_SHORT: 1 / 2 minutes"), "{lines:?}");
    }

    #[test]
    fn the_worst_of_several_targets_decides_and_is_named() {
        let reports = [with_a_warning(), requiring_cdc(Basis::Guide), unreached("it's = |odd")];
        let (state, lines) = written(&reports, true);
        assert_eq!(state, State::Critical);
        assert!(
            lines[0].starts_with(
                "PIPEPROBE CRITICAL - 1 of 3 targets met, orders: Initial Load Only, not CDC, PG_DOCUMENTED_RULE | "
            ),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(" 'it_s _ /odd duration'=0.000s;;;0 'it_s _ /odd capability'=0;;;0;2"));
        assert!(lines.iter().skip(1).all(|line| !line.contains('|')), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("PG_DOCUMENTED_RULE: ")), "{lines:?}");
    }

    /// As if this machine had no descriptor to connect with.
    fn with_a_local_failure() -> Report {
        let mut report = unreached("local");
        for row in report.checks.iter_mut() {
            if row.code == "NET_DIAL" {
                (row.outcome, row.cause) = (Outcome::Fail, Some("LOCAL_FAILURE"));
            }
        }
        report.verdict.blocked_by = vec!["NET_DIAL"];
        report
    }

    #[test]
    fn a_failure_of_this_machine_is_unknown() {
        let (state, lines) = written(&[with_a_local_failure()], false);
        assert_eq!(state, State::Unknown, "{lines:?}");
        assert!(lines[0].starts_with("PIPEPROBE UNKNOWN - local: "), "{lines:?}");
        assert_eq!(written(&[report(true, Basis::Server), with_a_local_failure()], false).0, State::Unknown);
        assert_eq!(written(&[with_a_warning(), with_a_local_failure()], true).0, State::Unknown);
        // One target is known not to work.
        let reports = [with_a_local_failure(), requiring_cdc(Basis::Guide)];
        let (state, lines) = written(&reports, false);
        assert_eq!(state, State::Critical);
        assert!(lines[0].contains("orders: Initial Load Only, not CDC"), "{lines:?}");
        // So is a target with another failure beside it.
        let mut both = with_a_local_failure();
        let row = both.checks.iter_mut().find(|row| row.code == "STS_ACCESS_ROLE").unwrap();
        (row.outcome, row.cause) = (Outcome::Fail, Some("STS_ASSUME_ROLE_DENIED"));
        assert_eq!(written(&[both], false).0, State::Critical);
    }

    #[test]
    fn invalid_input_is_unknown() {
        let mut out = Vec::new();
        let invalid = crate::target::Invalid::new("host", "a name", "`a|b`").into();
        assert_eq!(write_unknown(&mut out, &refusal(&invalid)).unwrap(), State::Unknown);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "PIPEPROBE UNKNOWN - host: expected a name, found `a/b`\n"
        );
    }
}
