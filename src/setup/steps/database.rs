//! What is changed at the instance or the cluster: its parameter group, IAM authentication, backups, a reboot.

use super::{Step, by_hand};
use crate::{
    config::Setup,
    setup::{parameters::Parameter, place::Place},
    target::{Engine, ResourceKind},
};

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

pub(super) fn settings(place: &Place, parameters: &[Parameter]) -> Step {
    let Words { thing, group, group_of, family_of } = words(place);
    let one = |p: &Parameter| {
        format!("    ParameterName={},ParameterValue={},ApplyMethod={}", p.name, p.value, p.apply_method)
    };
    let parameters: Vec<String> = parameters.iter().map(one).collect();
    Step {
        title: "Parameter group",
        why: "A default group cannot be changed: then one is made. A group of your own is changed where it\n\
              stands, for every database that has it."
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

pub(super) fn modify(plan: &Setup, place: &Place) -> Step {
    let Words { thing, .. } = words(place);
    let target = &plan.target;
    let changes = target.pipe.follows_changes();
    // Aurora writes its binary log without backups; a Multi-AZ DB cluster always has them.
    let backups = changes && target.engine() != Engine::Postgres && place.kind == ResourceKind::Instance;
    let mut commands = String::new();
    if backups {
        commands += "if [ \"$(aws rds describe-db-instances --db-instance-identifier \"$db\" \\\n    \
                     --query 'DBInstances[0].BackupRetentionPeriod' --output text)\" = 0 ]; then\n    \
                     if [ \"${REBOOT:-no}\" = yes ]; then\n        \
                     changes+=(--backup-retention-period 1)\n    else\n        \
                     echo \"Turn automated backups of $db on: that restarts it (REBOOT=yes does it here)\" >&2\n    \
                     fi\nfi\n";
    }
    let with = if changes { "${changes[@]+\"${changes[@]}\"} " } else { "" };
    commands += &format!(
        "aws rds modify-{thing} --{thing}-identifier \"$db\" --enable-iam-database-authentication \\\n    \
         {with}--apply-immediately\n\
         aws rds wait {thing}-available --{thing}-identifier \"$db\"\n"
    );
    let mut why = "Password and IAM database authentication; passwords go on working.".to_owned();
    if backups {
        why += "\nRDS writes a binary log only with automated backups (a retention of at least a day).";
    }
    Step { title: "IAM database authentication", why, commands }
}

pub(super) fn reboot(plan: &Setup, place: &Place) -> Step {
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

pub(super) fn proxy() -> Step {
    by_hand(
        "The proxy",
        "let it require IAM authentication (RDS console, the proxy, Authentication: IAM required).\n\
         With end-to-end IAM it logs in to the database as the caller does, and the database needs IAM database\n\
         authentication too; else it logs in with the password of this user in Secrets Manager.",
    )
}
