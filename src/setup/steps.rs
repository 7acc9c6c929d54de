//! The steps in order, as a script of `aws` commands. What AWS does not do stands in it as comments.

use super::{
    parameters::{self, Parameter},
    place::Place,
    policies,
    quote::{comment, shell},
};
use crate::{
    config::Setup,
    target::{Engine, ResourceKind},
};

pub(super) fn script(plan: &Setup) -> String {
    let place = Place::of(&plan.target);
    let parameters = parameters::of(plan);
    let mut steps = Vec::new();
    match place.kind {
        ResourceKind::Proxy => steps.push(proxy()),
        ResourceKind::Instance | ResourceKind::Cluster => {
            if !parameters.is_empty() {
                steps.push(settings(&place, &parameters));
            }
            steps.push(modify(plan, &place));
            if !parameters.is_empty() {
                steps.push(reboot(plan, &place));
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
         # What AWS needs so that ClickPipes can use {} with IAM ({mode}).\n\
         # Read it before you run it, as somebody who may change RDS and IAM. With --apply-immediately, changes\n\
         # that wait for the maintenance window come too. Nothing is restarted unless REBOOT=yes is set.\n\
         set -euo pipefail\n\
         export AWS_REGION={region} AWS_DEFAULT_REGION={region} AWS_PAGER=''\n",
        comment(target.sign.host.as_str()),
    );
    let variable = place.variable();
    match (&place.id, place.cluster_of_member()) {
        (Some(id), _) => head += &format!("db={}\n", shell(id)),
        (None, Some(cluster)) => head += &format!("db=$({cluster})\n"),
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
            let command = place.resource_id_of("\"$db\"").replace(" --query", " \\\n    --query");
            head += &format!("resource_id=$({command})\n");
        }
    }
    head += &format!(
        "if [ \"$(aws sts get-caller-identity --query Account --output text)\" != {account} ]; then\n    \
         echo 'these credentials are not of account {account}' >&2\n    exit 1\nfi\n"
    );
    head
}

/// The words of the `aws` commands for an instance, or for a cluster.
struct Words {
    thing: &'static str,
    group: &'static str,
    group_of: &'static str,
    family_of: &'static str,
}

fn words(place: &Place) -> Words {
    match place.kind {
        ResourceKind::Cluster => Words {
            thing: "db-cluster",
            group: "db-cluster-parameter-group",
            group_of: "DBClusters[0].DBClusterParameterGroup",
            family_of: "DBClusterParameterGroups[0].DBParameterGroupFamily",
        },
        ResourceKind::Instance | ResourceKind::Proxy => Words {
            thing: "db-instance",
            group: "db-parameter-group",
            group_of: "DBInstances[0].DBParameterGroups[0].DBParameterGroupName",
            family_of: "DBParameterGroups[0].DBParameterGroupFamily",
        },
    }
}

fn settings(place: &Place, parameters: &[Parameter]) -> Step {
    let Words { thing, group, group_of, family_of } = words(place);
    let one = |p: &Parameter| {
        format!("    ParameterName={},ParameterValue={},ApplyMethod={}", p.name, p.value, p.apply_method)
    };
    let parameters: Vec<String> = parameters.iter().map(one).collect();
    Step {
        title: "Parameter group",
        why: "A default group cannot be changed: then one is made. A group of your own is changed where it stands,\n\
              for every database that has it."
            .to_owned(),
        commands: format!(
            "changes=()\n\
             group=$(aws rds describe-{thing}s --{thing}-identifier \"$db\" \\\n    \
             --query '{group_of}' --output text)\n\
             case $group in\ndefault.*)\n    \
             family=$(aws rds describe-{group}s --{group}-name \"$group\" \\\n        \
             --query '{family_of}' --output text)\n    \
             group=clickpipes-$db\n    \
             aws rds describe-{group}s --{group}-name \"$group\" >/dev/null 2>&1 ||\n        \
             aws rds create-{group} --{group}-name \"$group\" \\\n            \
             --db-parameter-group-family \"$family\" --description 'Change data capture by ClickPipes'\n    \
             changes+=(--{group}-name \"$group\")\n    ;;\nesac\n\
             aws rds modify-{group} --{group}-name \"$group\" --parameters \\\n{}\n",
            parameters.join(" \\\n")
        ),
    }
}

fn modify(plan: &Setup, place: &Place) -> Step {
    let Words { thing, .. } = words(place);
    let target = &plan.target;
    let changes = target.pipe.follows_changes();
    // Aurora writes its binary log without backups; a Multi-AZ DB cluster always has them.
    let backups = changes && target.engine() != Engine::Postgres && place.kind == ResourceKind::Instance;
    let mut commands = String::new();
    if !changes {
        commands += "changes=()\n";
    }
    if backups {
        commands += "if [ \"$(aws rds describe-db-instances --db-instance-identifier \"$db\" \\\n    \
                     --query 'DBInstances[0].BackupRetentionPeriod' --output text)\" = 0 ]; then\n    \
                     if [ \"${REBOOT:-no}\" = yes ]; then\n        \
                     changes+=(--backup-retention-period 1)\n    else\n        \
                     echo \"Turn automated backups of $db on: that restarts it (REBOOT=yes does it here)\" >&2\n    \
                     fi\nfi\n";
    }
    commands += &format!(
        "aws rds modify-{thing} --{thing}-identifier \"$db\" --enable-iam-database-authentication \\\n    \
         ${{changes[@]+\"${{changes[@]}}\"}} --apply-immediately\n\
         aws rds wait {thing}-available --{thing}-identifier \"$db\"\n"
    );
    let mut why = "Password and IAM database authentication; passwords go on working.".to_owned();
    if backups {
        why += "\nRDS writes a binary log only with automated backups (a retention of at least a day).";
    }
    Step { title: "IAM database authentication", why, commands }
}

fn reboot(plan: &Setup, place: &Place) -> Step {
    let aurora = plan.target.source_type.is_aurora();
    let (what, find, command) = match (place.kind, aurora) {
        (ResourceKind::Cluster, true) => (
            "the writer of $db",
            "writer=$(aws rds describe-db-clusters --db-cluster-identifier \"$db\" \\\n    \
             --query 'DBClusters[0].DBClusterMembers[?IsClusterWriter].DBInstanceIdentifier' --output text)\n",
            "aws rds reboot-db-instance --db-instance-identifier \"$writer\"\n    \
             aws rds wait db-instance-available --db-instance-identifier \"$writer\"",
        ),
        (ResourceKind::Cluster, false) => (
            "$db",
            "",
            "aws rds reboot-db-cluster --db-cluster-identifier \"$db\"\n    \
             aws rds wait db-cluster-available --db-cluster-identifier \"$db\"",
        ),
        _ => (
            "$db",
            "",
            "aws rds reboot-db-instance --db-instance-identifier \"$db\"\n    \
             aws rds wait db-instance-available --db-instance-identifier \"$db\"",
        ),
    };
    Step {
        title: "Reboot",
        why: "Static parameters, and a parameter group that was not there before, wait for it.".to_owned(),
        commands: format!(
            "{find}if [ \"${{REBOOT:-no}}\" = yes ]; then\n    {command}\nelse\n    \
             echo \"Reboot {what} when it suits (REBOOT=yes does it here)\" >&2\nfi\n"
        ),
    }
}

fn proxy() -> Step {
    by_hand(
        "The proxy",
        "let it require IAM authentication (RDS console, the proxy, Authentication: IAM required).\n\
         With end-to-end IAM it logs in to the database as the caller does, and the database needs IAM database\n\
         authentication too; else it logs in with the password of this user in Secrets Manager.",
    )
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
         echo 'The role {name} is there: see that its trust policy says what trust-policy.json says' >&2\nelse\n    \
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
    let port = plan.target.dial.port;
    Step {
        title: "The network",
        why: "Set ADDRESSES to the static IP addresses ClickPipes has in your service's Region (ClickPipes\n\
              documentation, Static IPs), or use AWS PrivateLink; then the pipe's TLS host is the RDS endpoint's name."
            .to_owned(),
        commands: format!(
            "for address in ${{ADDRESSES:-}}; do\n    \
             aws ec2 authorize-security-group-ingress --protocol tcp --port {port} --cidr \"$address/32\" \\\n        \
             --group-id \"${{SECURITY_GROUP:?set it to a security group of the database}}\"\ndone\n"
        ),
    }
}
