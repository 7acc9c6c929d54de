//! What must exist before ClickPipes can use a database with IAM, from the inputs alone: policies, SQL, parameters, the
//! steps in AWS, Terraform. It connects to nothing and changes nothing. The texts are in `setup/templates/`.

mod check;
mod client;
#[allow(unreachable_pub)] // `askama::filter_fn` makes a public type of each filter
mod filters;
mod parameters;
mod place;
mod policies;
mod quote;
mod remarks;
mod sql;
mod steps;
mod terraform;
pub mod text;

use askama::Template;
use serde::Serialize;
use serde_json::Value;

pub use crate::target::Parameter;
pub use client::login_command;
pub use remarks::Missing;
use sql::publication;

use crate::{
    cli::SetupPart,
    config::Setup,
    report::json::SCHEMA_VERSION,
    static_ips::StaticIps,
    target::{ReplicationMode, Target},
};

/// A template with the newline at its end, which askama drops.
///
/// # Panics
/// Never: text is written to memory, and no filter fails.
fn rendered(template: &impl Template) -> String {
    template.render().expect("no filter fails") + "\n"
}

/// All parts for one target.
#[derive(Clone, Debug)]
pub struct SetupParts<'a> {
    pub plan: &'a Setup,
    pub target: &'a Target,
    /// Unknown values, which appear as placeholders.
    pub missing: Vec<Missing>,
    /// Notes of one or two sentences.
    pub remarks: Vec<String>,
    pub trust_policy: Value,
    pub connect_policy: Value,
    pub sql: String,
    /// The kind of parameter group.
    pub parameter_group: &'static str,
    pub parameters: Vec<Parameter>,
    /// A script for bash.
    pub steps: String,
    pub aws_tf: String,
    pub clickpipe_tf: String,
    /// The `pipeprobe check` command.
    pub check: String,
}

impl<'a> SetupParts<'a> {
    /// ```
    /// use pipeprobe::{cli::{Cli, Command}, config::Setup, setup::SetupParts};
    ///
    /// let arguments = [
    ///     "pipeprobe", "setup", "--type", "rdspostgres",
    ///     "--host", "orders.abc123.eu-west-1.rds.amazonaws.com",
    ///     "--iam-role", "arn:aws:iam::123456789012:role/clickpipes-rds-access",
    /// ];
    /// let Command::Setup(setup) = Cli::read(arguments.map(Into::into))?.command else { unreachable!() };
    /// let plan = Setup::read(*setup, &|_| None)?;
    /// let setup = SetupParts::new(&plan);
    /// assert!(setup.sql.contains(r#"GRANT rds_iam TO "clickpipes_iam_user";"#));
    /// // Without --service-role, there is a placeholder.
    /// let principal = &setup.trust_policy["Statement"][0]["Principal"]["AWS"];
    /// assert_eq!(principal, setup.missing[0].placeholder);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(plan: &'a Setup) -> Self {
        Self {
            plan,
            target: &plan.target,
            missing: remarks::missing(plan),
            remarks: remarks::remarks(plan),
            trust_policy: policies::trust(plan),
            connect_policy: policies::connect(plan),
            sql: sql::of(plan),
            parameter_group: plan.target.resource_kind().parameter_group(),
            parameters: parameters::of(plan),
            steps: steps::script(plan),
            aws_tf: terraform::aws(plan),
            clickpipe_tf: terraform::clickpipe(plan),
            check: check::command(plan),
        }
    }

    /// The text of one part.
    pub fn text_of(&self, part: SetupPart) -> String {
        match part {
            SetupPart::TrustPolicy => format!("{:#}\n", self.trust_policy),
            SetupPart::ConnectPolicy => format!("{:#}\n", self.connect_policy),
            SetupPart::Sql => self.sql.clone(),
            SetupPart::Parameters => format!("{:#}\n", parameters::for_aws(&self.parameters)),
            SetupPart::Steps => self.steps.clone(),
            SetupPart::Terraform => format!("{}\n{}", self.aws_tf, self.clickpipe_tf),
        }
    }

    /// One file for each part. Parameters and certificates only if there are any.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let mut files = vec![
            ("README.txt", text::readme(self)),
            ("trust-policy.json", self.text_of(SetupPart::TrustPolicy)),
            ("rds-connect-policy.json", self.text_of(SetupPart::ConnectPolicy)),
            ("setup.sql", self.sql.clone()),
            ("aws.sh", self.steps.clone()),
            ("aws.tf", self.aws_tf.clone()),
            ("clickpipe.tf", self.clickpipe_tf.clone()),
        ];
        if !self.parameters.is_empty() {
            files.push(("parameters.json", self.text_of(SetupPart::Parameters)));
        }
        if let Some(ca) = &self.target.ca_certificate {
            files.push((check::CA_FILE, ca.pem.to_string()));
        }
        files
    }

    fn title(&self) -> String {
        let target = self.target;
        format!("Setup of {} at {} for ClickPipes with IAM", target.source_type.name(), target.sign)
    }

    pub fn mode(&self) -> &'static str {
        self.target.pipe.mode.map(ReplicationMode::name).unwrap_or_default()
    }

    /// What `setup -o json` prints: all parts, or one.
    pub fn document(&'a self, only: Option<SetupPart>, written: Vec<String>) -> Document<'a> {
        let wants = |part| only.is_none_or(|only| only == part);
        Document {
            schema_version: SCHEMA_VERSION,
            pipeprobe: env!("CARGO_PKG_VERSION"),
            target: &self.target.name,
            source_type: self.target.source_type.name(),
            replication_mode: self.mode(),
            missing: &self.missing,
            remarks: &self.remarks,
            trust_policy: wants(SetupPart::TrustPolicy).then_some(&self.trust_policy),
            connect_policy: wants(SetupPart::ConnectPolicy).then_some(&self.connect_policy),
            sql: wants(SetupPart::Sql).then_some(&*self.sql),
            parameters: wants(SetupPart::Parameters)
                .then_some(Parameters { group: self.parameter_group, settings: &self.parameters }),
            steps: wants(SetupPart::Steps).then_some(&*self.steps),
            terraform: wants(SetupPart::Terraform)
                .then_some(Terraform { aws: &self.aws_tf, clickpipe: &self.clickpipe_tf }),
            check: &self.check,
            static_ips: self.target.pipe.static_ips.as_ref().filter(|_| only.is_none()),
            written,
        }
    }
}

/// One JSON document. With `--only`, it has only the field of that part.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    schema_version: u32,
    pipeprobe: &'a str,
    target: &'a str,
    #[serde(rename = "type")]
    source_type: &'a str,
    replication_mode: &'a str,
    missing: &'a [Missing],
    remarks: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_policy: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_policy: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terraform: Option<Terraform<'a>>,
    check: &'a str,
    /// Where ClickPipes connects from, if the Region of the service is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    static_ips: Option<&'a StaticIps>,
    /// Paths of the files that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    written: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Parameters<'a> {
    group: &'a str,
    settings: &'a [Parameter],
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Terraform<'a> {
    aws: &'a str,
    clickpipe: &'a str,
}
