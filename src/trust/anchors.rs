//! Which certificate authorities are trusted for which database.
//!
//! Only AWS can issue a certificate for an RDS endpoint name, so the public web roots are not trusted for it. The
//! certificate of an RDS instance or cluster chains to a root of its Region; that of an RDS Proxy, from AWS Certificate
//! Manager, chains to an Amazon root.

use rustls::{RootCertStore, pki_types::TrustAnchor};

use super::add;
use crate::target::{Host, Invalid, RdsName, Region, Target};

/// AWS's bundle of the commercial Regions, byte for byte.
const COMMERCIAL: &[u8] = include_bytes!("aws-global-bundle.pem");
const COMMERCIAL_URL: &str = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";

/// AWS's bundle of AWS GovCloud (US), byte for byte.
const GOVCLOUD: &[u8] = include_bytes!("aws-us-gov-bundle.pem");
const GOVCLOUD_URL: &str = "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem";

/// The roots of the China Regions are not built in: only one public source for their content was found.
const CHINA_URL: &str = "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem";

/// The last day on which the built-in bundles are known to be what AWS publishes.
pub const BUNDLE_DATE: &str = "2026-08-21";

/// The ends of the names of the roots of Amazon Trust Services. The name is the last part of the subject.
const AMAZON: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// The built-in trust anchors for one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Anchors {
    bundle: Bundle,
    public: Public,
}

/// The RDS roots of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Bundle {
    Commercial,
    GovCloud,
    NotBuiltIn,
}

/// The public web roots that are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Public {
    /// For an RDS endpoint name.
    OnlyAmazon,
    /// For any other name, such as a CNAME of the user.
    All,
}

impl Anchors {
    pub fn of(target: &Target) -> Self {
        Self::for_name(&target.tls_host, &target.region)
    }

    /// `region` is the database's, for a name that contains none.
    fn for_name(name: &Host, region: &Region) -> Self {
        let bundle = match region_of(name, region).partition() {
            "aws" => Bundle::Commercial,
            "aws-us-gov" => Bundle::GovCloud,
            _ => Bundle::NotBuiltIn,
        };
        let public = if RdsName::is_below_rds(name) { Public::OnlyAmazon } else { Public::All };
        Self { bundle, public }
    }

    /// The built-in anchors.
    ///
    /// # Errors
    /// Never, because the tests read both bundles.
    pub(super) fn store(self) -> Result<RootCertStore, Invalid> {
        let mut roots = RootCertStore { roots: self.public.anchors().cloned().collect() };
        match self.bundle.pem() {
            Some(pem) => add(&mut roots, pem).map(|()| roots),
            None => Ok(roots),
        }
    }
}

impl Public {
    fn anchors(self) -> impl Iterator<Item = &'static TrustAnchor<'static>> {
        let all = webpki_roots::TLS_SERVER_ROOTS.iter();
        all.filter(move |root| {
            self == Self::All || AMAZON.iter().any(|name| root.subject.ends_with(name.as_bytes()))
        })
    }
}

impl Bundle {
    fn pem(self) -> Option<&'static [u8]> {
        match self {
            Self::Commercial => Some(COMMERCIAL),
            Self::GovCloud => Some(GOVCLOUD),
            Self::NotBuiltIn => None,
        }
    }
}

fn region_of(name: &Host, region: &Region) -> Region {
    RdsName::parse(name).and_then(|name| name.region).unwrap_or_else(|| region.clone())
}

/// Whether the RDS roots of a database's Region are built in, and where AWS publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionalRoots {
    pub region: Region,
    pub built_in: bool,
    /// `None` for partitions whose address is not known here.
    pub url: Option<&'static str>,
}

impl RegionalRoots {
    pub fn of(target: &Target) -> Self {
        let region = region_of(&target.tls_host, &target.region);
        let url = match region.partition() {
            "aws" => Some(COMMERCIAL_URL),
            "aws-us-gov" => Some(GOVCLOUD_URL),
            "aws-cn" => Some(CHINA_URL),
            _ => None,
        };
        let name = format!("Amazon RDS {region} Root CA ");
        let roots = Anchors::for_name(&target.tls_host, &region).store();
        let is_of_region =
            |root: &TrustAnchor<'_>| root.subject.windows(name.len()).any(|part| part == name.as_bytes());
        let built_in = roots.is_ok_and(|roots| roots.roots.iter().any(is_of_region));
        Self { region, built_in, url }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use rustls::{SupportedCipherSuite, crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256};

    use super::*;

    fn sha256(bytes: &[u8]) -> String {
        let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else { unreachable!() };
        let hash = suite.common.hash_provider.hash(bytes);
        hash.as_ref().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    fn anchors(name: &str, region: &str) -> Anchors {
        Anchors::for_name(&Host::parse("host", name).unwrap(), &region.parse().unwrap())
    }

    #[test]
    fn the_bundles_are_those_of_aws() {
        let sums = [COMMERCIAL, GOVCLOUD].map(sha256);
        assert_eq!(sums[0], "e5bb2084ccf45087bda1c9bffdea0eb15ee67f0b91646106e466714f9de3c7e3");
        assert_eq!(sums[1], "694a8e0f4376f3133dbd76732b7644264c8a8f4c17b66d306cbec18aae58e46a");
    }

    /// The anchors of a name: how many RDS roots (CN `Amazon RDS …`), Amazon roots and other public roots.
    fn counts(anchors: Anchors) -> [usize; 3] {
        let store = anchors.store().unwrap();
        let of_rds = |root: &&TrustAnchor<'_>| root.subject.windows(11).any(|part| part == b"Amazon RDS ");
        let rds = store.roots.iter().filter(of_rds).count();
        let amazon =
            store.roots.iter().filter(|root| AMAZON.iter().any(|n| root.subject.ends_with(n.as_bytes())));
        let amazon = amazon.count();
        [rds, amazon, store.len() - rds - amazon]
    }

    #[test]
    fn an_rds_name_has_only_rds_and_amazon_roots() {
        for (name, rds) in [
            ("a.b.us-east-1.rds.amazonaws.com", 108),
            ("A.B.US-EAST-1.RDS.AMAZONAWS.COM", 108),
            ("a.cluster-b.ap-southeast-6.rds.amazonaws.com", 108),
            ("p.proxy-b.eu-west-1.rds.amazonaws.com", 108),
            ("g.global-b.global.rds.amazonaws.com", 108),
            ("db.abc.notaregion.rds.amazonaws.com", 108), // no endpoint name that is known, but below rds
            ("db.us-east-1.rds.amazonaws.com", 108),
            ("a.b.us-gov-west-1.rds.amazonaws.com", 6),
            ("a.b.rds.us-gov-east-1.amazonaws.com", 6),
            ("a.b.cn-north-1.rds.amazonaws.com.cn", 0),
            ("a.b.rds.cn-northwest-1.amazonaws.com.cn", 0),
            ("a.b.rds.us-iso-east-1.c2s.ic.gov", 0),
            ("a.b.eusc-de-east-1.rds.amazonaws.eu", 0),
        ] {
            assert_eq!(counts(anchors(name, "eu-central-1")), [rds, 5, 0], "{name}");
        }
        let global = "g.global-b.global.rds.amazonaws.com";
        assert_eq!(counts(anchors(global, "us-gov-west-1")), [6, 5, 0], "the Region is not in the name");
    }

    #[test]
    fn any_other_name_has_the_public_roots_too() {
        let public = webpki_roots::TLS_SERVER_ROOTS.len();
        for name in ["db.example.com", "10.0.0.1", "a.b.us-east-1.rds.amazonaws.com.evil.example"] {
            assert_eq!(counts(anchors(name, "eu-central-1")), [108, 5, public - 5], "{name}");
            assert_eq!(counts(anchors(name, "us-gov-west-1")), [6, 5, public - 5], "{name}");
        }
    }

    /// Every Region of the bundle has its three roots, so a Region that is reported as built in is complete.
    #[test]
    fn every_region_has_three_roots() {
        let mut regions = std::collections::BTreeMap::<String, usize>::new();
        for pem in [COMMERCIAL, GOVCLOUD] {
            let mut roots = RootCertStore::empty();
            add(&mut roots, pem).unwrap();
            for root in roots.roots {
                let subject = String::from_utf8_lossy(&root.subject).into_owned();
                let rest = subject.split_once("Amazon RDS ").unwrap().1;
                let name = rest.split_once("Amazon RDS ").map_or(rest, |(_, name)| name);
                *regions.entry(name.split(" Root CA ").next().unwrap().to_owned()).or_default() += 1;
            }
        }
        assert!(regions.values().all(|count| *count == 3), "{regions:?}");
        assert_eq!(regions.len(), 38, "34 commercial Regions, beta, preview and 2 of GovCloud: {regions:?}");
        for region in ["il-central-1", "ca-west-1", "mx-central-1", "ap-east-2", "ap-southeast-7"] {
            assert!(regions.contains_key(region), "{region}");
        }
    }
}
