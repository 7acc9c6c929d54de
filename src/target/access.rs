//! The identity that logs in, and the credentials of AWS diagnostics.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use super::{ExternalId, Region, RoleArn, SessionName, SessionTags};

/// One or more trusted CA certificates in PEM, checked when the configuration is read.
#[derive(Clone)]
pub struct CaCertificate {
    /// Shared by all targets that name the same file.
    pub pem: Arc<str>,
}

/// Ten thousand targets share one text: it is compared by address first, and its hash does not read it.
impl PartialEq for CaCertificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pem, &other.pem) || self.pem == other.pem
    }
}

impl Eq for CaCertificate {}

impl Hash for CaCertificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pem.len().hash(state);
    }
}

impl fmt::Debug for CaCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaCertificate({} bytes)", self.pem.len())
    }
}

/// How the access role is assumed: the roles in order, and the parameters of AssumeRole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// Roles to assume in order; the last is the access role (`iam_role`). Empty only for
    /// `pipeprobe token` without a role, which signs with the source credentials themselves.
    pub roles: Vec<RoleArn>,
    pub external_id: Option<ExternalId>,
    pub session_name: SessionName,
    pub tags: SessionTags,
    /// `DurationSeconds` of the sessions; 900 s to 12 h, at most 1 h if roles are chained.
    pub duration: Duration,
    /// Named profile of the shared AWS files; `AWS_PROFILE` otherwise.
    pub profile: Option<String>,
    /// The Region whose STS is called; `None` for that of the database. Its sessions are valid in every Region, because
    /// only the global endpoint issues tokens of version 1 (AWS STS API Reference, "Managing AWS STS in an AWS Region").
    pub sts_region: Option<Region>,
    /// Additional trusted CA certificates for AWS endpoints: `AWS_CA_BUNDLE`, for networks that inspect TLS.
    pub ca_bundle: Option<CaCertificate>,
    /// Whether AWS endpoints beyond this host may use plain HTTP: only for test networks.
    pub plaintext_endpoints: bool,
}

/// The credentials of AWS diagnostics, which read RDS and IAM records: those of a profile, or of a role that is assumed
/// from the profile, otherwise from the source credentials. At least one of the two is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsDiagnosticsCredentials {
    /// Named profile of the shared AWS files.
    pub profile: Option<String>,
    pub role: Option<RoleArn>,
}

impl fmt::Display for AwsDiagnosticsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.role, &self.profile) {
            (Some(role), Some(profile)) => write!(f, "role {role} from profile {profile}"),
            (Some(role), None) => write!(f, "role {role}"),
            (None, Some(profile)) => write!(f, "profile {profile}"),
            (None, None) => f.write_str("the source credentials"),
        }
    }
}
