//! `JUnit` XML for CI: one suite per target, one test case per check, and one for the verdict. A suite has failures if
//! and only if its target does not meet its requirement: a check that failed but is not needed is skipped.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{CheckResult, Report, Status};
use crate::{
    diagnostic::Outcome,
    target::{ConfigErrors, Skipped},
};

const NAME: &str = "pipeprobe";

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, reports: &[Report], skipped: &[Skipped]) -> io::Result<()> {
    let mut document = Document::new(NAME);
    for report in reports {
        document.add_test_suite(suite(report));
    }
    if !skipped.is_empty() {
        document.add_test_suite(skipped_suite(skipped));
    }
    put(out, &document)
}

/// The pipes that are not checked: one test case for each.
fn skipped_suite(skipped: &[Skipped]) -> TestSuite {
    let mut suite = TestSuite::new("skipped pipes");
    for Skipped { target, reason } in skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason.as_str());
        let mut case = TestCase::new(target.as_str(), status);
        case.set_classname(NAME);
        suite.add_test_case(case);
    }
    suite
}

/// Input that cannot be used: one test case with an error for each, so that CI does not see an empty file.
///
/// # Errors
/// The writer's.
pub fn write_errors(out: &mut impl Write, errors: &ConfigErrors) -> io::Result<()> {
    let mut suite = TestSuite::new(NAME);
    for invalid in errors.all() {
        let source = invalid.origin.as_ref().map(|origin| format!("source: {origin}"));
        let texts = invalid.lines("help").map(|(label, text)| format!("{label}: {text}"));
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(format!("{}: found {}", invalid.field, invalid.found));
        status.set_type("usage");
        status.set_description(source.into_iter().chain(texts).collect::<Vec<_>>().join("\n"));
        let mut case = TestCase::new("configuration", status);
        case.set_classname(NAME);
        suite.add_test_case(case);
    }
    let mut document = Document::new(NAME);
    document.add_test_suite(suite);
    put(out, &document)
}

fn put(out: &mut impl Write, document: &Document) -> io::Result<()> {
    let text = document.to_string().map_err(io::Error::other)?;
    // Jenkins' schema (junit-10.xsd) has this attribute for a suite, but not for the document.
    let text = match text.split_once("<testsuites ").and_then(|(_, rest)| rest.split_once('>')) {
        Some((tag, _)) => {
            let others: Vec<&str> =
                tag.split(' ').filter(|attribute| !attribute.starts_with("skipped=")).collect();
            text.replacen(tag, &others.join(" "), 1)
        }
        None => text,
    };
    // The library removes control characters. These two are invalid in XML too, and a server can send them.
    out.write_all(text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}").as_bytes())
}

fn suite(report: &Report) -> TestSuite {
    let verdict = &report.verdict;
    let mut suite = TestSuite::new(report.target.as_str());
    suite.set_time(report.duration);
    // The library writes the same attribute, but from a chrono type.
    suite.extra.insert("timestamp".into(), report.started_at.to_string().into());
    if let Some(source_type) = report.source_type {
        suite.add_property(("type", source_type.name()));
    }
    if let Some(pipe) = &report.pipe {
        suite.add_property(("pipe", pipe.as_str()));
    }
    for (name, value) in [
        ("basis", verdict.basis.name()),
        ("required", verdict.required.code()),
        ("capability", verdict.capability.code()),
        ("guide", verdict.guide.code()),
        ("server", verdict.server.code()),
    ] {
        suite.add_property((name, value));
    }
    if let Some(waited) = report.waited {
        suite.add_property(("attempts", waited.attempts.to_string().as_str()));
    }
    for row in &report.checks {
        suite.add_test_case(check(report, row));
    }
    suite.add_test_case(verdict_case(report));
    suite
}

fn check(report: &Report, row: &CheckResult) -> TestCase {
    let found = row.found.as_deref().unwrap_or_default();
    let skipped = |why: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(if found.is_empty() { why.to_owned() } else { format!("{why}: {found}") });
        status
    };
    let status = match row.status() {
        Status::Passed | Status::Warning => TestCaseStatus::success(),
        Status::Failed if report.blocks_requirement(row) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(found).set_type(row.cause_or_code()).set_description(evidence(row));
            status
        }
        Status::Failed => {
            let required = report.verdict.required;
            let mut status = skipped(&format!("not needed for {required}"));
            status.set_type(row.cause_or_code()).set_description(evidence(row));
            status
        }
        Status::NotCounted if !row.applies => skipped("not part of this basis"),
        Status::NotCounted if row.outcome == Outcome::NotApplicable => skipped("not applicable"),
        Status::NotCounted => skipped("not reached"),
    };
    let mut case = TestCase::new(format!("{}: {}", row.code, row.title), status);
    case.set_classname(format!("{}.{}", report.target, row.group.name()));
    if row.status() == Status::Warning {
        case.set_system_out(format!("warning {}\n{}", row.cause_or_code(), evidence(row)));
    }
    case
}

fn verdict_case(report: &Report) -> TestCase {
    let verdict = &report.verdict;
    let status = if verdict.met {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let (blocked_by, next) = (verdict.blocked_by.join(", "), verdict.next_steps.join("; "));
        status.set_message(format!("{}: {}", verdict.capability, verdict.reason));
        status.set_type(verdict.blocked_by.first().copied().unwrap_or("NOT_MET"));
        status.set_description(lines([
            ("expected", Some(verdict.required.name())),
            ("found", Some(verdict.capability.name())),
            ("blocked by", Some(blocked_by.as_str())),
            ("fix", Some(next.as_str())),
        ]));
        status
    };
    let mut case = TestCase::new(format!("allows {}", verdict.required), status);
    case.set_classname(format!("{}.verdict", report.target)).set_time(report.duration);
    case.set_system_out(verdict.reason.as_str());
    case
}

fn evidence(row: &CheckResult) -> String {
    let all = row.is_shortened.then(|| row.listed.join(", "));
    let fields = [("expected", &row.expected), ("found", &row.found), ("all", &all), ("fix", &row.remedy)];
    let mut text = lines(fields.map(|(label, text)| (label, text.as_deref())));
    for candidate in &row.candidates {
        let line =
            format!("\npossible cause {}: {}; {}", candidate.cause, candidate.because, candidate.remedy);
        text.push_str(&line);
    }
    text
}

fn lines<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let filled =
        fields.into_iter().filter_map(|(label, text)| Some((label, text.filter(|t| !t.is_empty())?)));
    filled.map(|(label, text)| format!("{label}: {text}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::{
        diagnostic::Basis,
        report::tests::{report, requiring_cdc, unreached},
    };

    fn written(reports: &[Report]) -> String {
        let mut out = Vec::new();
        write(&mut out, reports, &[]).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn case<'a>(xml: &'a Document<'_>, name: &str) -> Node<'a, 'a> {
        let is_it = |n: &Node<'_, '_>| n.attribute("name").is_some_and(|found| found.starts_with(name));
        xml.descendants().find(|n| n.has_tag_name("testcase") && is_it(n)).unwrap()
    }

    fn child<'a>(node: Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
        node.children().find(|n| n.has_tag_name(name)).unwrap_or_else(|| panic!("no {name}: {node:?}"))
    }

    /// The attributes of junit-10.xsd of Jenkins' xUnit plugin; only elements with text are in both.
    #[test]
    fn only_attributes_of_the_schema_of_jenkins_are_written() {
        let text = written(&[report(true, Basis::Server), unreached("second"), requiring_cdc(Basis::Guide)]);
        for node in Document::parse(&text).unwrap().descendants().filter(Node::is_element) {
            let allowed: &[&str] = match node.tag_name().name() {
                "testsuites" => &["name", "time", "tests", "failures", "errors"],
                "testsuite" => &["name", "tests", "failures", "errors", "time", "skipped", "timestamp"],
                "testcase" => &["name", "time", "classname"],
                "property" => &["name", "value"],
                "failure" | "error" | "skipped" => &["type", "message"],
                "properties" | "system-out" => &[],
                other => panic!("{other}"),
            };
            for attribute in node.attributes() {
                assert!(allowed.contains(&attribute.name()), "{node:?}");
            }
        }
    }

    #[test]
    fn a_suite_has_failures_if_and_only_if_its_target_is_not_met() {
        for (reports, failing) in [
            (vec![report(false, Basis::Guide)], 0),
            (vec![report(true, Basis::Server), unreached("second")], 1),
            (vec![requiring_cdc(Basis::Guide)], 2),
            (vec![requiring_cdc(Basis::Server)], 0),
        ] {
            let text = written(&reports);
            let xml = Document::parse(&text).unwrap();
            let suites: Vec<_> = xml.descendants().filter(|n| n.has_tag_name("testsuite")).collect();
            assert_eq!(suites.len(), reports.len());
            for (suite, report) in suites.iter().zip(&reports) {
                let number = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
                let cases = || suite.children().filter(|n| n.has_tag_name("testcase"));
                let with =
                    |tag: &str| cases().filter(|n| n.children().any(|child| child.has_tag_name(tag))).count();
                assert_eq!(cases().count(), report.checks.len() + 1);
                assert_eq!(number("tests"), cases().count());
                assert_eq!(number("failures"), with("failure"));
                assert_eq!(number("skipped"), with("skipped"));
                assert_eq!(number("failures") == 0, report.verdict.met, "{text}");
                assert_eq!(suite.attribute("name"), Some(report.target.as_str()));
                assert_eq!(suite.attribute("timestamp"), Some("2026-01-02T03:04:05Z"));
                let mut names: Vec<_> = cases().map(|n| n.attribute("name").unwrap()).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), cases().count(), "names of test cases are unique");
            }
            assert_eq!(
                xml.root_element().attribute("failures"),
                Some(failing.to_string().as_str()),
                "{text}"
            );
        }
    }

    #[test]
    fn each_status_has_its_element_with_the_evidence() {
        let text = written(&[requiring_cdc(Basis::Guide)]);
        let xml = Document::parse(&text).unwrap();
        let failure = child(case(&xml, "PG_DOCUMENTED_RULE"), "failure");
        assert_eq!(failure.attribute("type"), Some("PG_DOCUMENTED_RULE"));
        assert!(failure.attribute("message").unwrap().contains("Initial Load Only"), "{text}");
        for label in ["expected: ", "found: ", "fix: "] {
            assert!(failure.text().unwrap().contains(label), "{failure:?}");
        }
        let verdict = case(&xml, "allows CDC");
        assert!(child(verdict, "failure").text().unwrap().contains("blocked by: PG_DOCUMENTED_RULE"));

        let text = written(&[report(false, Basis::Guide)]);
        let xml = Document::parse(&text).unwrap();
        let skipped = child(case(&xml, "PG_IAM_REPLICATION"), "skipped");
        assert!(skipped.attribute("message").unwrap().starts_with("not needed for Initial Load Only: "));
        assert!(skipped.text().unwrap().contains("rds.iam_auth_for_replication"));

        let text = written(&[unreached("empty")]);
        let xml = Document::parse(&text).unwrap();
        assert_eq!(child(case(&xml, "DB_VERSION"), "skipped").attribute("message"), Some("not reached"));
    }

    #[test]
    fn a_warning_passes_with_its_evidence_on_system_out() {
        let mut report = report(true, Basis::Server);
        let row = report.checks.iter_mut().find(|row| row.code == "TOKEN_LIFE").unwrap();
        (row.outcome, row.cause) = (Outcome::Warn, Some("TOKEN_SHORT"));
        let text = written(&[report]);
        let xml = Document::parse(&text).unwrap();
        let case = case(&xml, "TOKEN_LIFE");
        assert!(child(case, "system-out").text().unwrap().starts_with("warning TOKEN_SHORT"));
        assert!(!case.children().any(|n| n.has_tag_name("failure") || n.has_tag_name("skipped")));
    }

    #[test]
    fn text_of_a_server_is_escaped() {
        let mut report = unreached("a<b>&\"'");
        report.checks[0].found = Some("]]><failure/> \u{1b}[31m \u{0} \u{ffff}".into());
        let text = written(&[report]);
        let xml = Document::parse(&text).unwrap();
        let suite = xml.descendants().find(|n| n.has_tag_name("testsuite")).unwrap();
        assert_eq!(suite.attribute("name"), Some("a<b>&\"'"));
        assert_eq!(
            xml.descendants().filter(|n| n.has_tag_name("failure")).count(),
            1,
            "the verdict's: {text}"
        );
    }

    #[test]
    fn a_refused_run_is_one_case_with_an_error() {
        let mut out = Vec::new();
        write_errors(&mut out, &crate::target::Invalid::new("host", "a name", "nothing").into()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let xml = Document::parse(&text).unwrap();
        assert_eq!(xml.root_element().attribute("errors"), Some("1"));
        let error = child(case(&xml, "configuration"), "error");
        assert_eq!(error.attribute("message"), Some("host: found nothing"));
        assert_eq!(error.text(), Some("expected: a name\nfound: nothing"));
    }
}
