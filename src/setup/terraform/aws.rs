//! The access role with its policies, and the parameter group: `templates/aws.tf`.

use askama::Template;
use serde_json::Value;

use super::hcl::expression;
use crate::{
    config::Setup,
    setup::{filters, parameters, place::Place, policies, rendered},
    target::{Engine, Parameter, ResourceKind, RoleArn, SourceType, Target},
};

#[derive(Template)]
#[template(path = "aws.tf", config = "src/setup/templates/askama.toml")]
struct File<'a> {
    plan: &'a Setup,
    target: &'a Target,
    role: &'a RoleArn,
    asks_caller: bool,
    is_cluster: bool,
    parameters: Vec<Parameter>,
    family_text: String,
    group_type: &'static str,
    group_name: String,
    trust_policy: String,
    connect_policy: String,
    place: Place,
}

pub(in crate::setup) fn aws(plan: &Setup) -> String {
    let target = &plan.target;
    let Some(role) = target.access.roles.last() else { return String::new() };
    let place = Place::of(target);
    let group = place.kind.parameter_group();
    let is_cluster = place.kind == ResourceKind::Cluster;
    rendered(&File {
        plan,
        target,
        role,
        asks_caller: policies::asks_caller(plan),
        is_cluster,
        parameters: parameters::of(plan),
        family_text: format!("Family of the {group}, such as {}", family(target.source_type)),
        group_type: if is_cluster { "aws_rds_cluster_parameter_group" } else { "aws_db_parameter_group" },
        group_name: place.id.as_ref().map_or("clickpipes".to_owned(), |id| format!("clickpipes-{id}")),
        trust_policy: encoded(policies::trust(plan), &place),
        connect_policy: encoded(policies::connect(plan), &place),
        place,
    })
}

fn family(source_type: SourceType) -> &'static str {
    match source_type.name() {
        "rdspostgres" => "postgres16",
        "aurorapostgres" => "aurora-postgresql16",
        "rdsmysql" => "mysql8.0",
        "auroramysql" => "aurora-mysql8.0",
        _ => "mariadb10.11",
    }
}

/// A policy as an expression. References replace the placeholders.
fn encoded(policy: Value, place: &Place) -> String {
    let resource_id = match (place.kind, place.id.as_ref().or(place.member.as_ref())) {
        (ResourceKind::Instance, Some(_)) => "data.aws_db_instance.source.resource_id",
        (ResourceKind::Cluster, Some(_)) => "data.aws_rds_cluster.source.cluster_resource_id",
        _ => "var.resource_id",
    };
    expression(1, &policy)
        // A string that is only a reference is written without quotes.
        .replace(&format!("\"{}\"", policies::SERVICE_ROLE), "var.service_role")
        .replace(&format!("\"{}\"", policies::CALLER), "var.caller")
        .replace(place.kind.placeholder(), &format!("${{{resource_id}}}"))
}
