//! The Region and the kind of endpoint in an RDS endpoint name.
//!
//! Forms, from the endpoint documentation of RDS, Aurora and RDS Proxy (`facts` in `tests/token`):
//!
//! ```text
//! <id>[.<label>].<region>.rds.amazonaws.com           commercial; label = [proxy-|cluster-[ro-|custom-]]<hash>
//! <id>.<label>.<region>.rds.amazonaws.com.cn          China, older
//! <id>.<label>.rds.<region>.amazonaws.com.cn          China
//! <id>.<label>.rds.<region>.amazonaws.com             GovCloud also has this order; isolated: c2s.ic.gov, …
//! <id>.global-<hash>.global.rds.amazonaws.com         Aurora Global Database writer: no Region in the name
//! ```

use super::{Host, Region};

/// The parts of an RDS endpoint name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdsName {
    /// `None` for the writer endpoint of an Aurora Global Database, which has no Region in its name.
    pub region: Option<Region>,
    pub kind: RdsNameKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdsNameKind {
    Instance,
    ClusterWriter,
    ClusterReader,
    ClusterCustom,
    GlobalWriter,
    Proxy,
    ShardGroup,
}

impl RdsNameKind {
    /// An endpoint of an Aurora cluster or a Multi-AZ DB cluster.
    pub fn is_of_cluster(self) -> bool {
        matches!(self, Self::ClusterWriter | Self::ClusterReader | Self::ClusterCustom)
    }
}

/// DNS suffixes of the partitions (botocore `partitions.json`); longest first, so that `.com.cn` is not read as `.com`.
const SUFFIXES: [&str; 8] = [
    "amazonaws.com.cn",
    "amazonaws.com",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "csp.hci.ic.gov",
    "cloud.adc-e.uk",
    "api.aws",
];

impl RdsName {
    /// `None` if the name is not an RDS endpoint name: a CNAME, an IP address, a PrivateLink name.
    pub fn parse(host: &Host) -> Option<Self> {
        let name = host.as_str().to_ascii_lowercase();
        let labels = labels(&name)?;
        let ([rest @ .., region, "rds"] | [rest @ .., "rds", region]) = &labels[..] else { return None };
        let kind = Self::kind(rest)?;
        if *region == "global" {
            return (kind == RdsNameKind::GlobalWriter).then_some(Self { region: None, kind });
        }
        Some(Self { region: Some(region.parse().ok()?), kind })
    }

    /// Whether the name is below `rds` of an AWS domain, where only AWS has names, even if it is no endpoint name that is
    /// known here.
    pub fn is_below_rds(host: &Host) -> bool {
        let name = host.as_str().to_ascii_lowercase();
        matches!(labels(&name).as_deref(), Some([_, .., "rds"] | [_, .., "rds", _]))
    }

    /// `rest` is `<id>.<label>`; proxies put `endpoint.` names in the id's place, so only the last label counts.
    fn kind(rest: &[&str]) -> Option<RdsNameKind> {
        let [_, .., label] = rest else { return None };
        Some(match label {
            l if l.starts_with("proxy-") => RdsNameKind::Proxy,
            l if l.starts_with("cluster-ro-") => RdsNameKind::ClusterReader,
            l if l.starts_with("cluster-custom-") => RdsNameKind::ClusterCustom,
            l if l.starts_with("cluster-") => RdsNameKind::ClusterWriter,
            l if l.starts_with("global-") => RdsNameKind::GlobalWriter,
            l if l.starts_with("shardgrp-") => RdsNameKind::ShardGroup,
            _ => RdsNameKind::Instance,
        })
    }
}

/// The labels before the suffix of a partition.
fn labels(name: &str) -> Option<Vec<&str>> {
    let front = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('.'))?;
    Some(front.split('.').collect())
}
