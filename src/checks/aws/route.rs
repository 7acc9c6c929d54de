//! Whether the static IP addresses of ClickPipes can reach the database: its security groups and whether it is public.
//!
//! Sources: Amazon VPC User Guide, security group rules (a rule that names a security group allows the private addresses of
//! its members, so no address of ClickPipes); RDS User Guide, hiding a DB instance in a VPC; ClickPipes documentation, static
//! IPs and AWS PrivateLink.

use std::net::Ipv4Addr;

use super::{AwsEvidence, refused};
use crate::checks::connection::dial::{ROUTE_ADDRESSES_BLOCKED, ROUTE_NOT_PUBLIC};
use crate::{
    aws::{AwsRecords, Lookup, Network, Rule, SecurityGroup},
    static_ips::{Candidate, StaticIps},
    target::{RdsName, Target},
};

pub(super) const SUBJECT: &str = "route of ClickPipes";

pub(super) fn aws_evidence(target: &Target, look: &AwsRecords) -> Vec<AwsEvidence> {
    let (Some(ips), Some(network)) = (&target.pipe.static_ips, &look.network) else { return Vec::new() };
    if RdsName::parse(&target.host).is_none() {
        let found = format!(
            "the pipe connects to {}, which is not the endpoint of the database: with PrivateLink, the security groups of the \
             database need no static IP addresses; otherwise what is at this address must allow them",
            target.host
        );
        return vec![AwsEvidence::unknown(SUBJECT, found)];
    }
    let public = match network.public {
        Some(true) => None,
        Some(false) => Some(private(target)),
        None => Some(AwsEvidence::unknown(
            SUBJECT,
            "the record does not say whether the database is publicly accessible",
        )),
    };
    // A database that is not public is reached through PrivateLink, where these addresses do not count.
    if network.public == Some(false) {
        return public.into_iter().collect();
    }
    public.into_iter().chain([security_groups(target, look, network, ips)]).collect()
}

fn private(target: &Target) -> AwsEvidence {
    AwsEvidence::warn(
        SUBJECT,
        &ROUTE_NOT_PUBLIC,
        "the database is not publicly accessible: ClickPipes cannot connect to its endpoint from the internet",
    )
    .remedy(format!(
        "create an AWS PrivateLink endpoint for it (ClickPipes documentation, AWS PrivateLink), set `host` of the pipe to the DNS \
         name of that endpoint and `tls_host` to {}; or make the database publicly accessible and allow the static IP addresses",
        target.tls_host
    ))
}

/// What the rules say about the addresses of one Region.
struct Allowed {
    allowed: usize,
    /// No rule allows them.
    blocked: Vec<Ipv4Addr>,
    /// Only a rule whose content was not read can allow them.
    unknown: Vec<Ipv4Addr>,
}

fn security_groups(target: &Target, look: &AwsRecords, network: &Network, ips: &StaticIps) -> AwsEvidence {
    let groups = match &network.groups {
        Lookup::Found(groups) if !groups.is_empty() => groups,
        Lookup::Found(_) | Lookup::NotFound => {
            return AwsEvidence::unknown(SUBJECT, "the record of the database names no security group");
        }
        Lookup::Unavailable => {
            return AwsEvidence::unknown(SUBJECT, refused(look, "ec2:DescribeSecurityGroups"))
                .remedy("allow ec2:DescribeSecurityGroups");
        }
    };
    let port = port(target, look);
    let judged: Vec<(&Candidate, Allowed)> =
        ips.candidates.iter().map(|serving| (serving, allowed(serving, groups, port))).collect();
    let is_open = |all: &Allowed| all.blocked.is_empty() && all.unknown.is_empty();
    let names = groups.iter().map(|group| group.id.as_str()).collect::<Vec<_>>().join(", ");
    let said: Vec<String> = judged.iter().map(|(serving, all)| words(serving, all)).collect();
    let found = format!("{names}, port {port}: {} ({})", said.join("; "), ips.list());
    if judged.iter().all(|(_, all)| is_open(all)) {
        return AwsEvidence::pass(SUBJECT, found);
    }
    if judged.iter().all(|(_, all)| !all.blocked.is_empty()) {
        let group = groups.first().map(|group| group.id.as_str()).unwrap_or_default();
        let missing = judged.first().map(|(_, all)| &*all.blocked).unwrap_or_default();
        let ranges = missing.iter().map(|ip| format!("{{CidrIp={ip}/32}}")).collect::<Vec<_>>().join(",");
        let remedy = format!(
            "aws ec2 authorize-security-group-ingress --group-id {group} --ip-permissions \
             'IpProtocol=tcp,FromPort={port},ToPort={port},IpRanges=[{ranges}]' --region {}",
            target.region
        );
        return AwsEvidence::fail(SUBJECT, &ROUTE_ADDRESSES_BLOCKED, found).remedy(remedy);
    }
    AwsEvidence::unknown(SUBJECT, found)
        .remedy("compare the rules with the addresses for the age of your service, and read the prefix lists of the rules")
}

/// The port that the database listens on: security groups are in front of it.
fn port(target: &Target, look: &AwsRecords) -> u16 {
    let record = look.database.found();
    let instance = record.and_then(|record| record.instance.as_ref()?.port);
    let cluster = record.and_then(|record| record.cluster.as_ref()?.port);
    instance.or(cluster).unwrap_or(target.port)
}

fn words(serving: &Candidate, all: &Allowed) -> String {
    let count = serving.addresses.len();
    let list = |ips: &[Ipv4Addr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut parts = vec![format!("{} of {count} addresses of {} are allowed", all.allowed, serving.region)];
    if !all.blocked.is_empty() {
        parts.push(format!("blocked: {}", list(&all.blocked)));
    }
    if !all.unknown.is_empty() {
        parts.push(format!("unknown, because of a prefix list that was not read: {}", list(&all.unknown)));
    }
    let services = serving.services.as_ref().map(|services| format!(" ({services})")).unwrap_or_default();
    parts.join(", ") + &services
}

fn allowed(serving: &Candidate, groups: &[SecurityGroup], port: u16) -> Allowed {
    let rules: Vec<&Rule> =
        groups.iter().flat_map(|group| &group.rules).filter(|rule| is_about(rule, port)).collect();
    let has_lists = rules.iter().any(|rule| !rule.prefix_lists.is_empty());
    let mut all = Allowed { allowed: 0, blocked: Vec::new(), unknown: Vec::new() };
    for address in &serving.addresses {
        let is_allowed = rules.iter().flat_map(|rule| &rule.cidrs).any(|cidr| contains(cidr, *address));
        match (is_allowed, has_lists) {
            (true, _) => all.allowed += 1,
            (false, true) => all.unknown.push(*address),
            (false, false) => all.blocked.push(*address),
        }
    }
    all
}

/// Whether the rule is about TCP to this port. Protocol -1 is all, and has no ports.
fn is_about(rule: &Rule, port: u16) -> bool {
    match rule.protocol.as_str() {
        "-1" => true,
        "tcp" | "6" => match (rule.from, rule.to) {
            (Some(from), Some(to)) => (from..=to).contains(&i32::from(port)),
            _ => false,
        },
        _ => false,
    }
}

fn contains(cidr: &str, address: Ipv4Addr) -> bool {
    let Some((network, length)) = cidr.split_once('/') else { return false };
    match (network.parse::<Ipv4Addr>(), length.parse::<u32>()) {
        (Ok(network), Ok(length @ 0..=32)) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_its_addresses_only() {
        let address = Ipv4Addr::new(54, 228, 1, 92);
        for (cidr, expected) in [
            ("54.228.1.92/32", true),
            ("54.228.1.93/32", false),
            ("54.228.0.0/16", true),
            ("54.228.1.64/26", true),
            ("54.228.1.0/26", false),
            ("0.0.0.0/0", true),
            ("54.228.1.92", false),
            ("54.228.1.92/33", false),
            ("54.228.1.92/-1", false),
            ("::/0", false),
            ("", false),
        ] {
            assert_eq!(contains(cidr, address), expected, "{cidr}");
        }
    }
}
