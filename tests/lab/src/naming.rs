//! Names of a database of the lab in reports, in DNS and in policies.

use lab_aws::Database;

use crate::fixture::{CUSTOMER_ACCOUNT, REGION};

/// The three names of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Naming {
    /// In reports and configuration files, such as `postgres15`.
    pub(crate) name: String,
    /// The RDS-style endpoint.
    pub(crate) host: String,
    /// The guide's `{RDS_RESOURCE_ID}`.
    pub(crate) resource_id: String,
}

impl Naming {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            host: format!("{}.c9lab0example.{REGION}.rds.amazonaws.com", name.replace('_', "-")),
            resource_id: resource_id(name),
        }
    }

    /// The properties that its verifier compares tokens with.
    pub(crate) fn database(&self, port: u16) -> Database {
        Database {
            host: self.host.clone(),
            port,
            region: REGION.to_owned(),
            account: CUSTOMER_ACCOUNT.to_owned(),
            resource_id: self.resource_id.clone(),
        }
    }
}

/// `db-` and 26 capital letters and digits, as in RDS, with a readable name in it.
fn resource_id(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("db-{:0<26}", format!("LAB{}", name.to_ascii_uppercase()))
}
