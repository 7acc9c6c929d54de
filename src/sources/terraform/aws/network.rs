//! The security groups of the database, and whether it is public. A pipe to another name, as with PrivateLink, does not need
//! the static IP addresses.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{Found, Judged, Reader, Value, database::Database};
use crate::{
    static_ips::{Allowed, Rule, StaticIps},
    target::{Declaration, Host, Planned, PlannedPart, ProblemKind, RdsName},
};

const PART: PlannedPart = PlannedPart::Route;

/// The inbound rules of the security groups of a database, as the document contains them. They are judged when the static IP
/// addresses are known, because flags and files can name another Region or list than the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroups {
    /// The attribute that names the groups.
    field: String,
    /// `None` if it is known only after apply.
    port: Option<u16>,
    port_field: String,
    /// The addresses of the groups.
    groups: Vec<String>,
    rules: Vec<Rule>,
    /// What is not in the document, or not known yet.
    unknown: BTreeSet<String>,
}

/// Whether the database is public, and its security groups. `None` if it has none, or if the pipe does not need the static IP
/// addresses.
pub(super) fn judge(
    reader: &Reader<'_>,
    database: &Database<'_>,
    judged: &mut Judged,
) -> Option<SecurityGroups> {
    let connects_to = Reader::text(reader.pipe.fields.target.host.as_ref());
    let is_endpoint =
        |host: &str| Host::parse("host", host).is_ok_and(|host| RdsName::parse(&host).is_some());
    if connects_to.is_some_and(|host| !is_endpoint(host)) || is_private(database, judged) {
        return None;
    }
    let mut groups = Groups::default();
    groups.read(reader, database.resource);
    let Groups { read, rules, unknown } = groups;
    (!read.is_empty() || !unknown.is_empty()).then(|| SecurityGroups {
        field: database.resource.at("vpc_security_group_ids"),
        port: port(reader, database),
        port_field: database.resource.at("port"),
        groups: read.iter().map(|group| group.address.to_owned()).collect(),
        rules,
        unknown,
    })
}

impl SecurityGroups {
    /// Adds to the declaration of the pipe what they say about the addresses of ClickPipes.
    pub fn judge(&self, ips: &StaticIps, declaration: &mut Declaration) {
        let mut judged = Judged::default();
        match self.port {
            Some(port) => self.judge_port(port, ips, &mut judged),
            None => judged.unknown(PART, &self.port_field, "known only after apply"),
        }
        judged.add_to(declaration);
    }

    fn judge_port(&self, port: u16, ips: &StaticIps, judged: &mut Judged) {
        let of = |group: &String| Planned { part: PART, resource: group.clone() };
        judged.planned.extend(self.groups.iter().map(of));
        let rules: Vec<&Rule> = self.rules.iter().collect();
        let all: Vec<_> =
            ips.candidates.iter().map(|serving| (serving, Allowed::of(serving, &rules, port))).collect();
        if all.iter().all(|(_, allowed)| allowed.is_open()) {
            return;
        }
        if !self.unknown.is_empty() || all.iter().any(|(_, allowed)| allowed.blocked.is_empty()) {
            let unknown: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
            let found = match unknown.is_empty() {
                true => {
                    "whether all addresses are allowed depends on the age of the service, or on a prefix list"
                        .to_owned()
                }
                false => unknown.join(", "),
            };
            return judged.unknown(PART, &self.field, &found);
        }
        let found: Vec<String> = all.iter().map(|(serving, allowed)| allowed.words(serving)).collect();
        let found = format!("port {port}: {} ({})", found.join("; "), ips.list());
        let expected = (
            "rules that allow every static IP address of ClickPipes, unless it connects by PrivateLink",
            &*found,
        );
        let help = "add ingress rules: pipeprobe setup --only terraform prints them";
        judged.problem(ProblemKind::AddressesBlocked, &self.field, expected, help);
    }
}

/// A database that is not public is reached only by PrivateLink, through another name.
fn is_private(database: &Database<'_>, judged: &mut Judged) -> bool {
    const ATTRIBUTE: &str = "publicly_accessible";
    let instances: Vec<&Found<'_>> = match database.members.is_empty() {
        true if database.resource.kind == "aws_db_instance" => vec![database.resource],
        _ => database.members.clone(),
    };
    let is_public = |found: &&&Found<'_>| matches!(found.get(ATTRIBUTE), Value::Known(Json::Bool(true)));
    let Some(first) = instances.first() else { return false };
    judged.seen(PART, first);
    if let Some(open) = instances.iter().find(|found| matches!(found.get(ATTRIBUTE), Value::Unknown)) {
        judged.known_after_apply(PART, open, ATTRIBUTE);
        return false;
    }
    if instances.iter().any(|found| is_public(&found)) {
        return false;
    }
    let expected = ("true, or a pipe that connects by PrivateLink", "false");
    let help = "create an AWS PrivateLink endpoint, set host of the pipe to its DNS name and tls_host to the name of the \
                RDS endpoint; or set publicly_accessible = true";
    judged.problem(ProblemKind::NotPublic, &first.at(ATTRIBUTE), expected, help);
    true
}

/// The port that the database listens on.
fn port(reader: &Reader<'_>, database: &Database<'_>) -> Option<u16> {
    match database.resource.get("port") {
        Value::Known(port) => port.as_u64().and_then(|port| port.try_into().ok()),
        Value::Unknown | Value::Null => {
            let given = Reader::text(reader.pipe.fields.target.port.as_ref());
            let default = || reader.source_type().map(|source_type| source_type.engine().default_port());
            given.map_or_else(default, |port| port.parse().ok())
        }
    }
}

#[derive(Default)]
struct Groups<'r> {
    read: Vec<&'r Found<'r>>,
    rules: Vec<Rule>,
    /// What is not in the document, or not known yet.
    unknown: BTreeSet<String>,
}

impl<'r> Groups<'r> {
    fn read(&mut self, reader: &'r Reader<'_>, database: &'r Found<'r>) {
        const ATTRIBUTE: &str = "vpc_security_group_ids";
        // A list can contain known IDs beside those of groups that do not exist yet.
        let ids = database.json()[ATTRIBUTE].as_array();
        for id in ids.into_iter().flatten().filter_map(Json::as_str) {
            match reader.graph.named("aws_security_group", &["id"], id).first() {
                Some(group) => self.read.push(group),
                None => {
                    self.unknown.insert(format!("{id} is not in the document"));
                }
            }
        }
        if matches!(database.get(ATTRIBUTE), Value::Unknown) {
            let referenced = reader.graph.refers(database.address, ATTRIBUTE, &["aws_security_group"]);
            let others = reader.graph.names_others(database, ATTRIBUTE, "aws_security_group");
            if referenced.is_empty() || others {
                self.known_after_apply(database, ATTRIBUTE);
            }
            for group in referenced {
                if !self.read.iter().any(|found| found.address == group.address) {
                    self.read.push(group);
                }
            }
        }
        for group in self.read.clone() {
            self.rules_of(reader, group);
        }
    }

    fn known_after_apply(&mut self, found: &Found<'_>, attribute: &str) {
        self.unknown.insert(format!("{} is known only after apply", found.at(attribute)));
    }

    fn rules_of(&mut self, reader: &'r Reader<'_>, group: &'r Found<'r>) {
        match group.get("ingress") {
            Value::Known(list) => {
                for rule in list.as_array().into_iter().flatten() {
                    self.rules.push(rule_of(rule, "protocol", &["cidr_blocks"], "prefix_list_ids"));
                }
            }
            // Without ingress in the configuration, the provider only reads it.
            Value::Unknown if reader.graph.sets(group, "ingress") == Some(false) => {}
            Value::Unknown => self.known_after_apply(group, "ingress"),
            Value::Null => {}
        }
        for (kind, protocol, cidrs, lists) in [
            ("aws_security_group_rule", "protocol", "cidr_blocks", "prefix_list_ids"),
            ("aws_vpc_security_group_ingress_rule", "ip_protocol", "cidr_ipv4", "prefix_list_id"),
        ] {
            for rule in reader.graph.of_kind(kind) {
                let is_its = reader.names(rule, "security_group_id", group, &["id"]);
                if !is_its || rule.text("type").is_some_and(|direction| direction != "ingress") {
                    continue;
                }
                if matches!(rule.get(cidrs), Value::Unknown) {
                    self.known_after_apply(rule, cidrs);
                }
                self.rules.push(rule_of(rule.json(), protocol, &[cidrs], lists));
            }
        }
    }
}

/// A rule, as an attribute of a group or as a resource.
fn rule_of(json: &Json, protocol: &str, cidrs: &[&str], lists: &str) -> Rule {
    let texts = |name: &str| -> Vec<String> {
        let value = &json[name];
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        items.iter().filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let port = |name: &str| json[name].as_i64().and_then(|port| port.try_into().ok());
    let protocol = match json[protocol].as_str() {
        Some("all") => "-1".to_owned(),
        other => other.unwrap_or_default().to_ascii_lowercase(),
    };
    Rule {
        protocol,
        from: port("from_port"),
        to: port("to_port"),
        cidrs: cidrs.iter().flat_map(|name| texts(name)).collect(),
        prefix_lists: texts(lists),
    }
}
