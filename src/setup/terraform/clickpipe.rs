//! `clickpipe.tf`: the pipe.

use super::hcl::{arguments, block, object, variable};
use crate::{
    config::Setup,
    setup::{publication, quote},
    target::{Engine, ReplicationMechanism, ReplicationMode, RoleArn, TablePattern},
};

pub(in crate::setup) fn clickpipe(plan: &Setup) -> String {
    let target = &plan.target;
    let mut text = String::from(
        "# The pipe. Written from the provider's documentation, never applied where it was made: see what\n\
         # `terraform plan` says. The provider takes its keys from the environment (CLICKHOUSE_ORG_ID,\n\
         # CLICKHOUSE_TOKEN_KEY, CLICKHOUSE_TOKEN_SECRET) or from a provider block.\n\n",
    );
    let provider = arguments(
        3,
        &[("source", quote::hcl("ClickHouse/clickhouse")), ("version", quote::hcl(">= 3.14.0"))],
    );
    let required = arguments(2, &[("clickhouse", object(2, &provider))]);
    text += &block(0, "terraform", &block(1, "required_providers", &required));
    text += "\n";
    text += &variable("clickhouse_service_id", "string", "Id of the ClickHouse service");
    if !all_named(&target.pipe.tables) {
        let patterns: Vec<String> = target.pipe.tables.iter().map(ToString::to_string).collect();
        let which = match patterns.is_empty() {
            true => "Tables to replicate, each with the schema it is in".to_owned(),
            false => format!("Tables to replicate, each with the schema it is in: {}", patterns.join(", ")),
        };
        text += "\n";
        text += &variable("tables", "set(object({ schema = string, table = string }))", &which);
    }
    let engine = match target.engine() {
        Engine::Postgres => "postgres",
        Engine::Mysql | Engine::Mariadb => "mysql",
    };
    let source = arguments(2, &[(engine, object(2, &source(plan)))]);
    let body = [
        arguments(
            1,
            &[("name", quote::hcl(&target.name)), ("service_id", "var.clickhouse_service_id".to_owned())],
        ),
        arguments(1, &[("source", object(1, &source))]),
        arguments(1, &[("destination", object(1, &arguments(2, &[("database", quote::hcl("default"))])))]),
    ]
    .join("\n");
    text + "\n" + &block(0, "resource \"clickhouse_clickpipe\" \"this\"", &body)
}

fn all_named(tables: &[TablePattern]) -> bool {
    !tables.is_empty() && tables.iter().all(TablePattern::is_exact)
}

fn source(plan: &Setup) -> String {
    let target = &plan.target;
    let role = target.access.roles.last().map(RoleArn::as_str).unwrap_or_default();
    let mut connection = vec![
        ("type", quote::hcl(target.source_type.name())),
        ("host", quote::hcl(target.dial.host.as_str())),
        ("port", target.dial.port.to_string()),
    ];
    if target.engine() == Engine::Postgres {
        connection.push(("database", quote::hcl(target.database.as_deref().unwrap_or_default())));
    }
    if target.tls_host != target.dial.host {
        connection.push(("tls_host", quote::hcl(target.tls_host.as_str())));
    }
    if let Some(ca) = &target.ca_certificate {
        connection.push(("ca_certificate", quote::hcl(&ca.pem)));
    }
    connection.push(("authentication", quote::hcl("IAM_ROLE")));
    connection.push(("iam_role", quote::hcl(role)));
    let credentials = arguments(4, &[("username", quote::hcl(target.user.as_str()))]);
    [
        arguments(3, &connection),
        arguments(3, &[("credentials", object(3, &credentials))]),
        arguments(3, &[("settings", object(3, &settings(plan)))]),
        arguments(3, &[("table_mappings", mappings(&target.pipe.tables))]),
    ]
    .join("\n")
}

fn settings(plan: &Setup) -> String {
    let target = &plan.target;
    let pipe = &target.pipe;
    let mode = pipe.mode.map(ReplicationMode::name).unwrap_or_default();
    let mut settings = vec![("replication_mode", quote::hcl(mode))];
    if !pipe.follows_changes() {
        return arguments(4, &settings);
    }
    let mut remark = "";
    match (target.engine(), pipe.mechanism) {
        (Engine::Postgres, _) => settings.push(("publication_name", quote::hcl(publication(target)))),
        (_, ReplicationMechanism::Auto) => {}
        (_, ReplicationMechanism::Gtid) => settings.push(("replication_mechanism", quote::hcl("GTID"))),
        (_, ReplicationMechanism::FilePos) => {
            remark = "        # ClickHouse support has to enable FILE_POS for the organization.\n";
            settings.push(("replication_mechanism", quote::hcl("FILE_POS")));
        }
    }
    remark.to_owned() + &arguments(4, &settings)
}

fn mappings(tables: &[TablePattern]) -> String {
    let mapping = |depth, schema: String, table: String, target: String| {
        let fields = [("source_schema_name", schema), ("source_table", table), ("target_table", target)];
        object(depth, &arguments(depth + 1, &fields))
    };
    if !all_named(tables) {
        let of = |field: &str| format!("t.{field}");
        let one = mapping(3, of("schema"), of("table"), "\"${t.schema}_${t.table}\"".to_owned());
        return format!("[for t in var.tables : {one}]");
    }
    let named = |t: &TablePattern| {
        let target = format!("{}_{}", t.schema, t.table);
        let one = mapping(4, quote::hcl(&t.schema), quote::hcl(&t.table), quote::hcl(&target));
        format!("        {one},\n")
    };
    format!("[\n{}      ]", tables.iter().map(named).collect::<String>())
}
