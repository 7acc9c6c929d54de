//! The static IP addresses that ClickPipes connects from, by the Region of the ClickHouse service.
//!
//! Source: the ClickPipes documentation, static IPs (`static_ips/built-in.json` names the version and its date). A service is
//! served from its own Region if ClickPipes runs there and the service was created after that; otherwise from a fallback.
//! Half of the addresses are for failover, so all of them must be allowed. The live list has several lists for each Region:
//! `clickpipes_egress_ips` is this one; `egress_ips` is for table functions and engines of the service.

mod rules;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::LazyLock};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use rules::{Allowed, Rule};

/// The live list. Its format is documented; it changes without notice.
pub const LIVE: &str = "https://api.clickhouse.cloud/static-ips.json";

/// Fallbacks (ClickPipes documentation, static IPs): EU Regions, and all others.
const FALLBACK_EU: &str = "eu-central-1";
const FALLBACK: &str = "us-east-2";

/// The addresses for one service. There are two candidates if the age of the service decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StaticIps {
    /// Region of the ClickHouse service, as it was given.
    pub service_region: String,
    /// Date of the built-in list; `None` if the list is from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// URL of the live list.
    pub live: &'static str,
    pub candidates: Vec<Candidate>,
}

/// The addresses of one Region that serves pipes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Candidate {
    pub region: String,
    /// The services that this Region serves; `None` for all of the service Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<String>,
    pub addresses: Vec<Ipv4Addr>,
}

impl Candidate {
    pub fn services_or_all(&self) -> &str {
        self.services.as_deref().unwrap_or("all services")
    }
}

impl StaticIps {
    /// Where the addresses are from.
    pub fn list(&self) -> String {
        match &self.as_of {
            Some(date) => format!("built-in list of {date}; live list: {LIVE}"),
            None => format!("list of --static-ips; live list: {LIVE}"),
        }
    }
}

#[derive(Deserialize)]
struct BuiltIn {
    as_of: String,
    aws_rules: Vec<ServingRule>,
    aws: BTreeMap<String, Vec<Ipv4Addr>>,
    gcp: BTreeMap<String, Gcp>,
}

/// Services of a Region that are served there: those created since a date, or all.
#[derive(Deserialize)]
struct ServingRule {
    region: String,
    created_since: Option<Date>,
    before: Option<String>,
}

/// Served there if the service had no pipe before a date.
#[derive(Deserialize)]
struct Gcp {
    no_pipe_before: Date,
    addresses: Vec<Ipv4Addr>,
}

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(|| {
    serde_json::from_str(include_str!("static_ips/built-in.json")).expect("a test parses the built-in list")
});

/// A list of addresses in the format of the live list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    addresses: BTreeMap<String, Vec<Ipv4Addr>>,
}

#[derive(Deserialize)]
struct Live {
    #[serde(default)]
    aws: Vec<LiveRegion>,
    #[serde(default)]
    gcp: Vec<LiveRegion>,
}

#[derive(Deserialize)]
struct LiveRegion {
    region: String,
    clickpipes_egress_ips: Option<Vec<String>>,
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// What the text is instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let live: Live = serde_json::from_str(text).map_err(|error| {
            format!("JSON of another form (line {}, column {})", error.line(), error.column())
        })?;
        let mut addresses = BTreeMap::new();
        for entry in live.aws.into_iter().chain(live.gcp) {
            let Some(ips) = entry.clickpipes_egress_ips else { continue };
            let region = entry.region;
            if !is_region(&region) {
                return Err("a `region` that is not the name of a Region".to_owned());
            }
            let parsed: Option<Vec<Ipv4Addr>> = ips.iter().map(|text| address(text)).collect();
            match parsed {
                Some(parsed) if !parsed.is_empty() => drop(addresses.insert(region, parsed)),
                _ => {
                    return Err(format!(
                        "`clickpipes_egress_ips` of {region} with other values than IPv4 addresses, or none"
                    ));
                }
            }
        }
        match addresses.is_empty() {
            true => Err("no `clickpipes_egress_ips` of any Region below `aws`".to_owned()),
            false => Ok(Self { addresses }),
        }
    }
}

fn address(text: &str) -> Option<Ipv4Addr> {
    text.strip_suffix("/32").unwrap_or(text).parse().ok()
}

fn is_region(text: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (4..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(is_legal)
}

/// `eu-west-3`, `ap-southeast-4`: letters in at least two labels, and a number.
fn is_aws_region(text: &str) -> bool {
    let Some((front, number)) = text.rsplit_once('-') else { return false };
    let is_word = |label: &str| label.len() > 1 && label.chars().all(|c| c.is_ascii_lowercase());
    is_region(text)
        && (1..=2).contains(&number.len())
        && number.chars().all(|c| c.is_ascii_digit())
        && front.contains('-')
        && front.split('-').all(is_word)
}

/// Whether the rules decide which Region serves a service of this Region.
pub fn is_known(service_region: &str) -> bool {
    BUILT_IN.gcp.contains_key(service_region) || is_aws_region(service_region)
}

/// What a service Region must be.
pub const EXPECTED: &str = "the Region of the ClickHouse service on AWS, such as eu-west-1, or a Region of Google Cloud where \
                            ClickPipes runs; for any other service: eu-central-1 if it is in the EU, otherwise us-east-2";

/// The addresses for a service of a Region. `created`: the day on which it was created (UTC), if that is known. `list` replaces
/// the built-in addresses, not the rules.
///
/// # Errors
/// The Region that the list does not have, or that no rule knows.
pub fn of_service(
    service_region: &str,
    created: Option<Date>,
    list: Option<&List>,
) -> Result<StaticIps, String> {
    if !is_known(service_region) && !list.is_some_and(|list| list.addresses.contains_key(service_region)) {
        return Err("a Region that no rule of ClickPipes names".to_owned());
    }
    let addresses = |region: &str| match list {
        Some(list) => list.addresses.get(region).cloned(),
        None => {
            let gcp = || BUILT_IN.gcp.get(region).map(|gcp| gcp.addresses.clone());
            BUILT_IN.aws.get(region).cloned().or_else(gcp)
        }
    };
    let candidates = serving(service_region, created, list)
        .into_iter()
        .map(|Serving { region, services }| match addresses(&region) {
            Some(addresses) => Ok(Candidate { region, services, addresses }),
            None => Err(format!("no `clickpipes_egress_ips` of Region {region}")),
        })
        .collect::<Result<_, _>>()?;
    let as_of = list.is_none().then(|| BUILT_IN.as_of.clone());
    Ok(StaticIps { service_region: service_region.to_owned(), as_of, live: LIVE, candidates })
}

/// A Region that serves services of this or of another Region.
struct Serving {
    region: String,
    /// Which of the services; `None` for all.
    services: Option<String>,
}

impl Serving {
    fn of(region: impl Into<String>, services: impl Into<String>) -> Self {
        Self { region: region.into(), services: Some(services.into()) }
    }

    fn all(region: impl Into<String>) -> Self {
        Self { region: region.into(), services: None }
    }
}

/// The Regions that can serve a service of this Region.
fn serving(service_region: &str, created: Option<Date>, list: Option<&List>) -> Vec<Serving> {
    let is_eu = service_region.starts_with("eu-") || service_region.starts_with("europe-");
    let fallback = if is_eu { FALLBACK_EU } else { FALLBACK };
    let rule = BUILT_IN.aws_rules.iter().find(|rule| rule.region == service_region);
    if let Some(ServingRule { created_since: Some(date), before, .. }) = rule {
        let newer = Serving::of(service_region, format!("services created on or after {date}"));
        let before = before.as_deref().unwrap_or(fallback);
        let older = Serving::of(before, format!("services created before {date}"));
        return match created.map(|created| created >= *date) {
            Some(true) => vec![newer],
            Some(false) => vec![older],
            None => vec![newer, older],
        };
    }
    if rule.is_some() {
        return vec![Serving::all(service_region)];
    }
    if let Some(Gcp { no_pipe_before: date, .. }) = BUILT_IN.gcp.get(service_region) {
        let without = Serving::of(service_region, format!("services without a pipe before {date}"));
        let with = Serving::of(fallback, format!("services with a pipe before {date}"));
        // An older service can have had its first pipe later.
        return match created.is_some_and(|created| created >= *date) {
            true => vec![without],
            false => vec![without, with],
        };
    }
    // A Region that is newer than the built-in rules.
    if list.is_some_and(|list| list.addresses.contains_key(service_region)) {
        let newer = format!("services created after ClickPipes came to {service_region}");
        return vec![Serving::of(service_region, newer), Serving::of(fallback, "older services")];
    }
    vec![Serving::all(fallback)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(service: &str) -> Vec<(String, Option<String>, usize)> {
        let found = of_service(service, None, None).unwrap();
        assert_eq!(found.as_of.as_deref(), Some("2026-08-04"));
        found.candidates.into_iter().map(|c| (c.region, c.services, c.addresses.len())).collect()
    }

    #[test]
    fn the_age_of_a_service_decides_where_it_is_served() {
        let one = |region: &str, count| vec![(region.to_owned(), None, count)];
        let two = |a: (&str, &str, usize), b: (&str, &str, usize)| {
            vec![(a.0.to_owned(), Some(a.1.to_owned()), a.2), (b.0.to_owned(), Some(b.1.to_owned()), b.2)]
        };
        assert_eq!(regions("us-east-2"), one("us-east-2", 6));
        assert_eq!(regions("us-east-1"), one("us-east-1", 9));
        assert_eq!(regions("eu-west-3"), one("eu-central-1", 6));
        assert_eq!(regions("us-west-1"), one("us-east-2", 6));
        let date = ("services created on or after 2026-01-20", "services created before 2026-01-20");
        assert_eq!(regions("eu-west-1"), two(("eu-west-1", date.0, 6), ("eu-central-1", date.1, 6)));
        let pipe = ("services without a pipe before 2026-06-15", "services with a pipe before 2026-06-15");
        assert_eq!(regions("us-east1"), two(("us-east1", pipe.0, 5), ("us-east-2", pipe.1, 6)));
        assert_eq!(regions("europe-west4"), two(("europe-west4", pipe.0, 5), ("eu-central-1", pipe.1, 6)));
        for unknown in
            ["eastus2", "germanywestcentral", "europe-west9", "EU-WEST-1", "eu-west-1 ", "", "eu-west"]
        {
            assert!(of_service(unknown, None, None).is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_service_of_a_known_age_has_one_candidate_if_the_rule_is_about_its_age() {
        let serving = |region: &str, created: Date| {
            let found = of_service(region, Some(created), None).unwrap();
            found.candidates.into_iter().map(|c| c.region).collect::<Vec<_>>()
        };
        let day = jiff::civil::date;
        // The rule of eu-west-1 begins on 2026-01-20.
        assert_eq!(serving("eu-west-1", day(2026, 1, 19)), ["eu-central-1"]);
        assert_eq!(serving("eu-west-1", day(2026, 1, 20)), ["eu-west-1"]);
        assert_eq!(serving("us-west-2", day(2020, 1, 1)), ["us-east-2"]);
        // Without a rule about the age, it does not matter.
        assert_eq!(serving("us-east-1", day(2020, 1, 1)), ["us-east-1"]);
        assert_eq!(serving("eu-west-3", day(2026, 11, 1)), ["eu-central-1"]);
        // On Google Cloud the first pipe decides: a service without a pipe cannot be told from one with.
        assert_eq!(serving("us-east1", day(2026, 6, 15)), ["us-east1"]);
        assert_eq!(serving("us-east1", day(2026, 6, 14)), ["us-east1", "us-east-2"]);
    }

    #[test]
    fn every_rule_has_its_addresses() {
        for rule in &BUILT_IN.aws_rules {
            assert_eq!(rule.created_since.is_some(), rule.before.is_some(), "{}", rule.region);
            assert!(!regions(&rule.region).is_empty());
        }
        assert_eq!(BUILT_IN.aws_rules.len(), BUILT_IN.aws.len());
        for (region, addresses) in &BUILT_IN.aws {
            let mut unique = addresses.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), addresses.len(), "{region}");
            assert!(addresses.len() >= 6 && addresses.iter().all(|ip| !ip.is_private()), "{region}");
        }
    }

    #[test]
    fn a_list_of_the_user_replaces_the_addresses_and_not_the_rules() {
        let list = List::parse(
            r#"{"aws": [
                {"region": "eu-west-1", "egress_ips": ["198.51.100.9"], "clickpipes_egress_ips": ["192.0.2.1", "192.0.2.2/32"]},
                {"region": "eu-central-1", "clickpipes_egress_ips": ["192.0.2.3"]},
                {"region": "xx-new-1", "clickpipes_egress_ips": ["192.0.2.4"]},
                {"region": "us-east-2", "egress_ips": ["198.51.100.8"]}], "azure": []}"#,
        )
        .unwrap();
        let found = of_service("eu-west-1", None, Some(&list)).unwrap();
        assert_eq!(found.as_of, None);
        let all: Vec<String> =
            found.candidates.iter().flat_map(|c| &c.addresses).map(ToString::to_string).collect();
        assert_eq!(all, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        // egress_ips is another list.
        assert_eq!(
            of_service("us-east-2", None, Some(&list)).unwrap_err(),
            "no `clickpipes_egress_ips` of Region us-east-2"
        );
        assert!(
            of_service("xx-new-1", None, Some(&list)).is_err(),
            "its fallback us-east-2 is not in the list"
        );
    }

    #[test]
    fn other_documents_are_no_list() {
        for (text, why) in [
            ("", "JSON of another form"),
            ("[]", "no `clickpipes_egress_ips`"),
            ("{}", "no `clickpipes_egress_ips`"),
            (
                r#"{"aws": [{"region": "eu-west-1", "egress_ips": ["192.0.2.1"]}]}"#,
                "no `clickpipes_egress_ips`",
            ),
            (r#"{"aws": [{"region": "eu-west-1", "clickpipes_egress_ips": []}]}"#, "or none"),
            (
                r#"{"aws": [{"region": "eu-west-1", "clickpipes_egress_ips": ["192.0.2.0/24"]}]}"#,
                "other values",
            ),
            (
                r#"{"aws": [{"region": "\u001b[31m", "clickpipes_egress_ips": ["192.0.2.1"]}]}"#,
                "not the name",
            ),
        ] {
            let said = List::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
