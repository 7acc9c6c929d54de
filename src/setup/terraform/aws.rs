//! `aws.tf`: the access role with its policies, and the parameter group.

use super::hcl::{arguments, block, expression, variable};
use crate::{
    config::Setup,
    setup::{parameters, place::Place, policies, quote},
    target::ResourceKind,
};

pub(in crate::setup) fn aws(plan: &Setup) -> String {
    let place = Place::of(&plan.target);
    let mut text = format!(
        "# What AWS needs so that ClickPipes can use the database with IAM. Never applied where it was made:\n\
         # see what `terraform plan` says. The provider's Region has to be {}.\n\n",
        plan.target.region
    );
    text += &[inputs(plan, &place), role(plan, &place), group(plan, &place)].concat();
    text + &by_hand(plan, &place)
}

/// What is not known, as variables, or read from AWS.
fn inputs(plan: &Setup, place: &Place) -> String {
    let mut text = String::new();
    let mut add = |block: String| text += &(block + "\n");
    if plan.service_role.is_none() {
        add(variable("service_role", "string", "ARN of the ClickHouse service role"));
    }
    if plan.callers.is_empty() && plan.target.access.external_id.is_some() {
        add(variable("caller", "string", "ARN of whoever runs pipeprobe check"));
    }
    if plan.resource_id.is_none() {
        match (place.kind, &place.id) {
            (ResourceKind::Instance, Some(id)) => {
                let body = arguments(1, &[("db_instance_identifier", quote::hcl(id))]);
                add(block(0, "data \"aws_db_instance\" \"source\"", &body));
            }
            (ResourceKind::Cluster, Some(id)) => {
                let body = arguments(1, &[("cluster_identifier", quote::hcl(id))]);
                add(block(0, "data \"aws_rds_cluster\" \"source\"", &body));
            }
            _ => match &place.member {
                Some(member) => {
                    let body = arguments(1, &[("db_instance_identifier", quote::hcl(member))]);
                    add(block(0, "data \"aws_db_instance\" \"member\"", &body));
                    let cluster = "data.aws_db_instance.member.db_cluster_identifier".to_owned();
                    let body = arguments(1, &[("cluster_identifier", cluster)]);
                    add(block(0, "data \"aws_rds_cluster\" \"source\"", &body));
                }
                None => {
                    add(variable("resource_id", "string", &format!("Resource id of the {}", place.noun())));
                }
            },
        }
    }
    if !parameters::of(plan).is_empty() {
        let what = format!("Family of the {}, such as {}", place.kind.parameter_group(), family(plan));
        add(variable("parameter_group_family", "string", &what));
    }
    text
}

fn family(plan: &Setup) -> &'static str {
    match plan.target.source_type.name() {
        "rdspostgres" => "postgres16",
        "aurorapostgres" => "aurora-postgresql16",
        "rdsmysql" => "mysql8.0",
        "auroramysql" => "aurora-mysql8.0",
        _ => "mariadb10.11",
    }
}

fn role(plan: &Setup, place: &Place) -> String {
    let Some(role) = plan.target.access.roles.last() else { return String::new() };
    let resource_id = match (place.kind, place.id.as_ref().or(place.member.as_ref())) {
        (ResourceKind::Instance, Some(_)) => "data.aws_db_instance.source.resource_id",
        (ResourceKind::Cluster, Some(_)) => "data.aws_rds_cluster.source.cluster_resource_id",
        _ => "var.resource_id",
    };
    let encoded = |document| {
        format!("jsonencode({})", expression(1, &document))
            .replace(policies::SERVICE_ROLE, "${var.service_role}")
            .replace(policies::CALLER, "${var.caller}")
            .replace(plan.target.resource_kind().placeholder(), &format!("${{{resource_id}}}"))
            // A string that is one reference and nothing else is written without quotes.
            .replace("\"${var.service_role}\"", "var.service_role")
            .replace("\"${var.caller}\"", "var.caller")
    };
    let body = arguments(
        1,
        &[
            ("name", quote::hcl(role.name())),
            ("path", quote::hcl(role.path())),
            ("assume_role_policy", encoded(policies::trust(plan))),
        ],
    );
    let mut text = block(0, "resource \"aws_iam_role\" \"clickpipes\"", &body) + "\n";
    let body = arguments(
        1,
        &[
            ("name", quote::hcl("clickpipes-rds-connect")),
            ("role", "aws_iam_role.clickpipes.id".to_owned()),
            ("policy", encoded(policies::connect(plan))),
        ],
    );
    text += &block(0, "resource \"aws_iam_role_policy\" \"clickpipes\"", &body);
    text
}

fn group(plan: &Setup, place: &Place) -> String {
    let parameters = parameters::of(plan);
    if parameters.is_empty() {
        return String::new();
    }
    let kind = group_type(place);
    let name = place.id.as_ref().map_or("clickpipes".to_owned(), |id| format!("clickpipes-{id}"));
    let mut body =
        arguments(1, &[("name", quote::hcl(&name)), ("family", "var.parameter_group_family".to_owned())]);
    for parameter in &parameters {
        let fields = arguments(
            2,
            &[
                ("name", quote::hcl(parameter.name)),
                ("value", quote::hcl(parameter.value)),
                ("apply_method", quote::hcl(parameter.apply_method)),
            ],
        );
        body += &format!("\n  # {}\n{}", parameter.why, block(1, "parameter", &fields));
    }
    "\n".to_owned() + &block(0, &format!("resource \"{kind}\" \"clickpipes\""), &body)
}

fn group_type(place: &Place) -> &'static str {
    match place.kind {
        ResourceKind::Cluster => "aws_rds_cluster_parameter_group",
        ResourceKind::Instance | ResourceKind::Proxy => "aws_db_parameter_group",
    }
}

/// What belongs into resources that are somewhere else.
fn by_hand(plan: &Setup, place: &Place) -> String {
    if place.kind == ResourceKind::Proxy {
        return "\n# In the aws_db_proxy that there is, each auth block: iam_auth = \"REQUIRED\"\n"
            .to_owned();
    }
    let mut lines = vec![("iam_database_authentication_enabled", "true".to_owned())];
    if !parameters::of(plan).is_empty() {
        let argument = match place.kind {
            ResourceKind::Cluster => "db_cluster_parameter_group_name",
            ResourceKind::Instance | ResourceKind::Proxy => "parameter_group_name",
        };
        lines.push((argument, format!("{}.clickpipes.name", group_type(place))));
        if place.kind == ResourceKind::Instance && plan.target.engine() != crate::target::Engine::Postgres {
            lines.push((
                "backup_retention_period",
                "1 # or more: without backups there is no binary log".to_owned(),
            ));
        }
    }
    let resource = match place.kind {
        ResourceKind::Cluster => "aws_rds_cluster",
        ResourceKind::Instance | ResourceKind::Proxy => "aws_db_instance",
    };
    let mut text = format!("\n# In the {resource} that there is:\n");
    for line in arguments(1, &lines).lines() {
        text += &format!("# {line}\n");
    }
    text
}
