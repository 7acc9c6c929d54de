//! Whether the static IP addresses of ClickPipes can reach the database: its security groups and whether it is public.
//!
//! Sources: Amazon VPC User Guide, security group rules (a rule that names a security group allows the private addresses of
//! its members, so no address of ClickPipes); RDS User Guide, hiding a DB instance in a VPC; ClickPipes documentation, static
//! IPs and AWS PrivateLink.

use super::{AwsEvidence, refused};
use crate::checks::connection::dial::{ROUTE_ADDRESSES_BLOCKED, ROUTE_NOT_PUBLIC};
use crate::{
    aws::{AwsRecords, Lookup, Network},
    static_ips::{Allowed, Candidate, Rule, StaticIps},
    target::{RdsName, Target},
};

pub(super) const SUBJECT: &str = "route of ClickPipes";

pub(super) fn aws_evidence(target: &Target, records: &AwsRecords) -> Vec<AwsEvidence> {
    let (Some(ips), Some(network)) = (&target.pipe.static_ips, &records.network) else { return Vec::new() };
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
    public.into_iter().chain([security_groups(target, records, network, ips)]).collect()
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

fn security_groups(target: &Target, records: &AwsRecords, network: &Network, ips: &StaticIps) -> AwsEvidence {
    let groups = match &network.groups {
        Lookup::Found(groups) if !groups.is_empty() => groups,
        Lookup::Found(_) | Lookup::NotFound => {
            return AwsEvidence::unknown(SUBJECT, "the record of the database names no security group");
        }
        Lookup::Unavailable => {
            return AwsEvidence::unknown(SUBJECT, refused(records, "ec2:DescribeSecurityGroups"))
                .remedy("allow ec2:DescribeSecurityGroups");
        }
    };
    let port = port(target, records);
    let rules: Vec<&Rule> = groups.iter().flat_map(|group| &group.rules).collect();
    let judged: Vec<(&Candidate, Allowed)> =
        ips.candidates.iter().map(|serving| (serving, Allowed::of(serving, &rules, port))).collect();
    let names = groups.iter().map(|group| group.id.as_str()).collect::<Vec<_>>().join(", ");
    let said: Vec<String> = judged.iter().map(|(serving, all)| all.words(serving)).collect();
    let found = format!("{names}, port {port}: {} ({})", said.join("; "), ips.list());
    if judged.iter().all(|(_, all)| all.is_open()) {
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
fn port(target: &Target, records: &AwsRecords) -> u16 {
    let record = records.database.found();
    let instance = record.and_then(|record| record.instance.as_ref()?.port);
    let cluster = record.and_then(|record| record.cluster.as_ref()?.port);
    instance.or(cluster).unwrap_or(target.port)
}
