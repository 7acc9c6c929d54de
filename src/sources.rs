//! Where pipes are declared outside of a configuration file. Pure: the text of a document in, declared pipes out.

mod attributes;
mod marks;
mod pipe;
pub mod clickhouse;
pub mod terraform;

use jiff::civil::Date;

use crate::{
    cli::{Given, fields::Fields},
    target::{Declaration, Skipped},
};
pub use terraform::SecurityGroups;

/// What a document declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub pipes: Vec<DeclaredPipe>,
    pub skipped: Vec<Skipped>,
}

/// A pipe with a PostgreSQL or MySQL source that logs in with IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredPipe {
    /// The name of the target: in Terraform, the address of the resource; in a service, the name of the pipe.
    pub name: String,
    /// The fields that the document contains. A field with a problem is missing.
    pub fields: Fields,
    pub declaration: Declaration,
    /// The role of the ClickHouse service, if the document contains the service.
    pub service_role: Option<Given>,
    /// The day on which the service was created, if the document says so.
    pub service_created: Option<Date>,
    /// The security groups of the database, if the document contains them and the static IP addresses matter.
    pub security_groups: Option<SecurityGroups>,
}

/// What a document says about a ClickHouse service.
#[derive(Clone, Default)]
struct ServiceFacts {
    role: Option<Given>,
    /// Its Region, if the rules of the static IP addresses know it.
    region: Option<Given>,
    created: Option<Date>,
}
