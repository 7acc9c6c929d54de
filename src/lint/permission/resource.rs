//! Resources of `rds-db:connect`: which part of the ARN does not match the database.

use super::super::{characters::placeholder, finding::Finding, rule::Rule};
use crate::{
    policy::{
        Truth, any,
        context::Context,
        database::{Database, Match, Part},
        document::{Span, Statement},
        evaluate::fit,
        pattern::{has_wildcard, variables},
    },
    target::{ResourceKind, quoted},
};

/// The part of an ARN between two colons.
pub(super) fn field(word: &Span, n: usize) -> &str {
    word.text.splitn(6, ':').nth(n).unwrap_or_default()
}

/// The text between `dbuser:` and the slash.
pub(super) fn id(word: &Span) -> &str {
    let rest = field(word, 5);
    rest.strip_prefix("dbuser:").unwrap_or(rest).split('/').next().unwrap_or_default()
}

fn user(word: &Span) -> &str {
    field(word, 5).split_once('/').map_or("", |(_, user)| user)
}

/// Why a statement does not cover the database. Empty if it does.
pub(super) fn faults(statement: &Statement, database: &Database, context: Option<&Context>) -> Vec<Finding> {
    let Some(element) = &statement.resources else { return Vec::new() };
    if element.negated {
        return match statement_covers(statement, database, context) {
            Truth::Yes => Vec::new(),
            _ => vec![
                Finding::error(Rule::NotResource, element, "NotResource excludes this database")
                    .expected(format!(r#""Resource": "{}""#, database.arn())),
            ],
        };
    }
    let mut findings = Vec::new();
    for word in &element.items {
        // Placeholders are reported elsewhere.
        if placeholder(&word.text).is_some() {
            continue;
        }
        match fit(word, database, context) {
            Ok(Match::Yes | Match::If(_)) => return Vec::new(),
            Ok(Match::Unsure) => {
                findings.push(
                    Finding::unknown(Rule::ResourceUnsure, word, quoted(&word.text))
                        .expected(format!("{}: write one * for each part of the ARN", database.arn())),
                );
            }
            Ok(Match::No(parts)) => {
                findings.extend(parts.into_iter().map(|part| wrong(word, part, database)));
            }
            Err(truth) => findings.push(variable(word, truth, database)),
        }
    }
    findings
}

fn statement_covers(statement: &Statement, database: &Database, context: Option<&Context>) -> Truth {
    let items = statement.resources.iter().flat_map(|element| &element.items);
    let one =
        items.map(|word| fit(word, database, context).map_or_else(|truth| truth, |fit| fit.truth(false)));
    !any(one)
}

fn variable(word: &Span, truth: Truth, database: &Database) -> Finding {
    let names = variables(&word.text).join(", ");
    let finding = match truth {
        Truth::No => Finding::error(Rule::Variable, word, format!("{names} in {}", quoted(&word.text))),
        _ => Finding::unknown(Rule::Variable, word, format!("{names} in {}", quoted(&word.text))),
    };
    finding
        .expected(match truth {
            Truth::No => "variables that the session of a role has",
            _ => "no variables: their values are not known offline",
        })
        .remedy(format!("write \"{}\"", database.arn()))
}

fn wrong(word: &Span, part: Part, database: &Database) -> Finding {
    let arn = database.arn();
    let of_arn = |n: usize| arn.splitn(6, ':').nth(n).unwrap_or_default().to_owned();
    let kinds = database.kinds();
    let prefixes: Vec<String> = kinds.iter().map(|kind| format!("{}…", kind.prefix())).collect();
    let prefixes = prefixes.join(" or ");
    let (rule, expected, found) = match part {
        Part::Form => (Rule::ResourceForm, arn.clone(), quoted(&word.text)),
        Part::Partition => (Rule::ResourcePartition, of_arn(1), quoted(field(word, 1))),
        Part::Service if field(word, 2) == "rds" => (
            Rule::ResourceService,
            format!("arn:{}:rds-db:…", of_arn(1)),
            format!("arn:{}:rds:…", field(word, 1)),
        ),
        Part::Service => (Rule::ResourceService, "rds-db".to_owned(), quoted(field(word, 2))),
        Part::Region => (Rule::ResourceRegion, of_arn(3), region(field(word, 3))),
        Part::Account => (Rule::ResourceAccount, of_arn(4), quoted(field(word, 4))),
        Part::Type => {
            let found = quoted(field(word, 5));
            (Rule::ResourceType, "dbuser:<resource id>/<user>".to_owned(), found)
        }
        Part::Id => match ResourceKind::of(id(word)) {
            Some(_) => (Rule::ResourceId, id_of(&arn).to_owned(), quoted(id(word))),
            None => {
                let expected = format!("the Resource ID in the Configuration tab, {prefixes}");
                (
                    Rule::ResourceId,
                    expected,
                    format!("{}, which is a name, not a Resource ID", quoted(id(word))),
                )
            }
        },
        Part::IdKind => (Rule::ResourceIdKind, kind_expected(kinds, &prefixes), kind_found(id(word))),
        Part::User => {
            let expected = arn.rsplit('/').next().unwrap_or_default().to_owned();
            let case = user(word).eq_ignore_ascii_case(&expected) && !user(word).is_empty();
            let note = if case { " (letter case counts)" } else { "" };
            (Rule::ResourceUser, expected, format!("{}{note}", quoted(user(word))))
        }
    };
    Finding::error(rule, word, found).expected(expected).remedy(format!("write \"{arn}\""))
}

fn region(found: &str) -> String {
    if found.is_empty() { "no Region".to_owned() } else { quoted(found) }
}

fn id_of(arn: &str) -> &str {
    let rest = arn.splitn(6, ':').nth(5).unwrap_or_default();
    rest.strip_prefix("dbuser:").unwrap_or(rest).split('/').next().unwrap_or_default()
}

fn kind_expected(kinds: &[ResourceKind], prefixes: &str) -> String {
    let of = match kinds {
        [ResourceKind::Cluster] => {
            "the Resource ID of the cluster (for Aurora, IAM does not use that of an instance)"
        }
        [ResourceKind::Instance] => "the Resource ID of the instance",
        [ResourceKind::Proxy] => "the id of the proxy, because the endpoint belongs to a proxy",
        _ => "the Resource ID of the database",
    };
    format!("{prefixes}: {of}")
}

fn kind_found(id: &str) -> String {
    let of = match ResourceKind::of(id) {
        Some(ResourceKind::Instance) => "the id of an instance",
        Some(ResourceKind::Cluster) => "the id of a cluster",
        Some(ResourceKind::Proxy) => "the id of a proxy",
        None => "not a Resource ID",
    };
    format!("{}, {of}", quoted(id))
}

/// Resources that match, but are wider than needed or look wrong.
pub(super) fn remarks(
    statement: &Statement,
    database: &Database,
    context: Option<&Context>,
    allowed: bool,
) -> Vec<Finding> {
    let Some(element) = &statement.resources else { return Vec::new() };
    let arn = database.arn();
    let remedy = format!("write \"{arn}\"");
    if element.negated {
        return match statement_covers(statement, database, context) {
            Truth::Yes => {
                let found = "NotResource: every database user except those that are named";
                vec![Finding::warning(Rule::NotResource, element, found).remedy(remedy)]
            }
            _ => Vec::new(),
        };
    }
    let mut findings = Vec::new();
    for word in element.items.iter().filter(|word| placeholder(&word.text).is_none()) {
        let fits = matches!(fit(word, database, context), Ok(Match::Yes | Match::If(_)));
        if fits && (has_wildcard(&word.text) || field(word, 5).is_empty()) {
            findings.push(
                Finding::warning(
                    Rule::ResourceWide,
                    word,
                    format!("{}: {}", quoted(&word.text), reach(word)),
                )
                .expected(arn.clone())
                .remedy(remedy.clone()),
            );
        } else if fits && ResourceKind::of(id(word)).is_some_and(|kind| is_name(id(word), kind)) {
            findings.push(
                Finding::warning(
                    Rule::ResourceId,
                    word,
                    format!("{}, which looks like the name of a database", quoted(id(word))),
                )
                .expected("the Resource ID in the Configuration tab: uppercase letters and digits")
                .remedy("compare it with the Configuration tab of the RDS console"),
            );
        } else if allowed && !fits && word.text.starts_with("arn:") && field(word, 2) == "rds" {
            findings.push(
                Finding::warning(Rule::ResourceService, word, quoted(&word.text))
                    .expected("arn:aws:rds-db:…: rds-db:connect does not apply to resources of rds")
                    .remedy("remove it"),
            );
        }
    }
    let mut users: Vec<&str> = element.items.iter().map(user).filter(|user| !user.is_empty()).collect();
    users.sort_unstable();
    users.dedup();
    if allowed && users.len() > 1 {
        findings.push(
            Finding::warning(Rule::ResourceUsers, element, users.join(", "))
                .expected(format!("only {}", arn.rsplit('/').next().unwrap_or_default()))
                .remedy("create another role for each other user"),
        );
    }
    findings
}

/// `db-orders`: Resource IDs of instances and clusters have no lowercase letters.
fn is_name(id: &str, kind: ResourceKind) -> bool {
    kind != ResourceKind::Proxy
        && id[kind.prefix().len()..].contains(|c: char| c.is_ascii_lowercase() || c == '-')
}

fn reach(word: &Span) -> &'static str {
    match (has_wildcard(id(word)), has_wildcard(user(word))) {
        _ if word.text == "*" || field(word, 5).is_empty() || field(word, 5) == "*" => {
            "every user of every database"
        }
        (true, true) => "every user of several databases",
        (true, false) => "this user of several databases",
        (false, true) => "several users of the database",
        (false, false) => "several Regions or accounts",
    }
}
