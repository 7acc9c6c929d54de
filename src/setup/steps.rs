//! The steps in order, as a script of `aws` commands. What AWS does not do stands in it as comments.

mod database;

use super::{
    parameters,
    place::Place,
    policies,
    quote::{comment, shell},
};
use crate::{config::Setup, target::ResourceKind};

pub(super) fn script(plan: &Setup) -> String {
    let place = Place::of(&plan.target);
    let parameters = parameters::of(plan);
    let mut steps = Vec::new();
    match place.kind {
        ResourceKind::Proxy => steps.push(database::proxy()),
        ResourceKind::Instance | ResourceKind::Cluster => {
            if !parameters.is_empty() {
                steps.push(database::settings(&place, &parameters));
            }
            steps.push(database::modify(plan, &place));
            if !parameters.is_empty() {
                steps.push(database::reboot(plan, &place));
            }
        }
    }
    steps.push(role(plan));
    steps.push(by_hand(
        "The user and its grants",
        "run setup.sql (pipeprobe setup --only sql) as the master user.",
    ));
    steps.push(network(plan));
    steps.push(Step {
        title: "See that it works",
        why: "From where the database can be reached, with credentials that may assume the access role."
            .to_owned(),
        commands: super::check::command(plan).lines().map(|line| format!("# {line}\n")).collect(),
    });
    steps.push(by_hand(
        "Create the pipe",
        "in the ClickHouse Cloud console, or with Terraform (clickpipe.tf).",
    ));
    let mut script = head(plan, &place);
    for (i, step) in steps.iter().enumerate() {
        script += &format!("\n# {}. {}\n", i + 1, step.title);
        for line in step.why.lines() {
            script += &format!("#    {line}\n");
        }
        script += &step.commands;
    }
    script
}

struct Step {
    title: &'static str,
    why: String,
    /// Whole lines, or nothing.
    commands: String,
}

fn by_hand(title: &'static str, why: &str) -> Step {
    Step { title, why: format!("By hand: {why}"), commands: String::new() }
}

/// Values first, so that what is missing is asked for before anything is changed.
fn head(plan: &Setup, place: &Place) -> String {
    let target = &plan.target;
    let (account, region) = (target.access.roles.last().map_or("", |role| role.account()), &target.region);
    let mode = target.pipe.mode.map_or("", |mode| mode.name());
    let mut head = format!(
        "#!/usr/bin/env bash\n\
         # What AWS needs so that ClickPipes can use this database with IAM ({mode}):\n\
         # {}\n\
         # Read it before you run it, as somebody who may change RDS and IAM. --apply-immediately brings what\n\
         # waits for the maintenance window too. Nothing is restarted unless REBOOT=yes is set.\n\
         set -euo pipefail\n\
         export AWS_REGION={region} AWS_DEFAULT_REGION={region} AWS_PAGER=''\n",
        comment(target.sign.host.as_str()),
    );
    let variable = place.variable();
    match (&place.id, place.cluster_of_member()) {
        (Some(id), _) => head += &format!("db={}\n", shell(id)),
        (None, Some(cluster)) => head += &format!("db=$({})\n", folded(&cluster)),
        (None, None) => {
            head += &format!("db=${{{variable}:?set it to the identifier of the {}}}\n", place.noun());
        }
    }
    if plan.service_role.is_none() {
        head += "service_role=${SERVICE_ROLE:?set it to the ARN of the ClickHouse service role}\n";
    }
    if plan.callers.is_empty() && target.access.external_id.is_some() {
        head += "caller=${CALLER:?set it to the ARN of whoever runs pipeprobe check}\n";
    }
    match &plan.resource_id {
        Some(id) => head += &format!("resource_id={id}\n"),
        None => {
            head += &format!("resource_id=$({})\n", folded(&place.resource_id_of("\"$db\"")));
        }
    }
    head += &format!(
        "if [ \"$(aws sts get-caller-identity --query Account --output text)\" != {account} ]; then\n    \
         echo 'these credentials are not of account {account}' >&2\n    exit 1\nfi\n"
    );
    head
}

/// A long command, on two lines.
fn folded(command: &str) -> String {
    command.replace(" --query", " \\\n    --query")
}

fn role(plan: &Setup) -> Step {
    let target = &plan.target;
    let Some(role) = target.access.roles.last() else { return by_hand("The access role", "create it.") };
    let (name, path) = (shell(role.name()), shell(role.path()));
    let mut commands = document("trust_policy", &policies::trust(plan));
    if plan.service_role.is_none() {
        commands += &filled("trust_policy", policies::SERVICE_ROLE, "service_role");
    }
    if plan.callers.is_empty() && target.access.external_id.is_some() {
        commands += &filled("trust_policy", policies::CALLER, "caller");
    }
    commands += &document("connect_policy", &policies::connect(plan));
    if plan.resource_id.is_none() {
        commands += &filled("connect_policy", target.resource_kind().placeholder(), "resource_id");
    }
    commands += &format!(
        "if aws iam get-role --role-name {name} >/dev/null 2>&1; then\n    \
         echo 'The role {name} is there: compare its trust policy with the one above' >&2\nelse\n    \
         aws iam create-role --role-name {name} --path {path} \\\n        \
         --assume-role-policy-document \"$trust_policy\"\nfi\n\
         aws iam put-role-policy --role-name {name} \\\n    \
         --policy-name \"clickpipes-rds-connect-$resource_id\" --policy-document \"$connect_policy\"\n"
    );
    Step { title: "The access role", why: "Who may assume it, and what it may do then.".to_owned(), commands }
}

/// A JSON document in a variable. `read` ends with 1 at the end of its input.
fn document(variable: &str, document: &serde_json::Value) -> String {
    format!("{variable}=$(cat <<'JSON'\n{document:#}\nJSON\n)\n")
}

fn filled(document: &str, placeholder: &str, variable: &str) -> String {
    format!("{document}=${{{document}//{}/${variable}}}\n", shell(placeholder))
}

fn network(plan: &Setup) -> Step {
    let port = plan.target.sign.port; // the database's own, whatever stands before it
    Step {
        title: "The network",
        why: "Set ADDRESSES to the static IP addresses ClickPipes has in your service's Region (ClickPipes\n\
              documentation, Static IPs), or use AWS PrivateLink: the pipe's TLS host is then the RDS\n\
              endpoint's name."
            .to_owned(),
        commands: format!(
            "for address in ${{ADDRESSES:-}}; do\n    \
             aws ec2 authorize-security-group-ingress --protocol tcp --port {port} --cidr \"$address/32\" \\\n        \
             --group-id \"${{SECURITY_GROUP:?set it to a security group of the database}}\"\ndone\n"
        ),
    }
}
