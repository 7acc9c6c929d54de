//! Inbound rules of security groups, and the addresses that they allow.

use std::net::Ipv4Addr;

use super::Candidate;

/// Without IPv6 ranges and references to security groups, which allow no address of ClickPipes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    pub from: Option<i32>,
    pub to: Option<i32>,
    pub cidrs: Vec<String>,
    /// `pl-…`: their addresses are not read.
    pub prefix_lists: Vec<String>,
}

/// What the rules say about the addresses of one Region.
#[derive(Debug, Default)]
pub struct Allowed {
    pub allowed: usize,
    /// No rule allows them.
    pub blocked: Vec<Ipv4Addr>,
    /// Only a rule whose content was not read can allow them.
    pub unknown: Vec<Ipv4Addr>,
}

impl Allowed {
    pub fn of(serving: &Candidate, rules: &[&Rule], port: u16) -> Self {
        let rules: Vec<&&Rule> = rules.iter().filter(|rule| is_about(rule, port)).collect();
        let has_lists = rules.iter().any(|rule| !rule.prefix_lists.is_empty());
        let mut all = Self::default();
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

    pub fn is_open(&self) -> bool {
        self.blocked.is_empty() && self.unknown.is_empty()
    }

    pub fn words(&self, serving: &Candidate) -> String {
        let all = self;
        let count = serving.addresses.len();
        let list = |ips: &[Ipv4Addr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut parts =
            vec![format!("{} of {count} addresses of {} are allowed", all.allowed, serving.region)];
        if !all.blocked.is_empty() {
            parts.push(format!("blocked: {}", list(&all.blocked)));
        }
        if !all.unknown.is_empty() {
            parts
                .push(format!("unknown, because of a prefix list that was not read: {}", list(&all.unknown)));
        }
        let services = serving.services.as_ref().map(|services| format!(" ({services})")).unwrap_or_default();
        parts.join(", ") + &services
    }
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
