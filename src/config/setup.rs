//! What `setup` is to make: the target as ClickPipes will be told it, and what only a setup needs to know.

use std::path::PathBuf;

use super::{Environment, Needs, chosen, given, many, one_target, read_target};
use crate::{
    cli::{self, Artefact, Format},
    target::{
        Endpoint, Engine, Invalid, Pipe, PrincipalArn, RdsName, RdsNameKind, ReplicationMode, ResourceId,
        ResourceKind, RoleArn, Target, quoted,
    },
};

#[derive(Clone, Debug)]
pub struct Setup {
    /// Its `dial` is what ClickPipes dials: `host:port`. Its pipe has a mode.
    pub target: Target,
    /// Where pipeprobe dials instead.
    pub connect_to: Option<Endpoint>,
    /// The ClickHouse service role; `None` where it was not said.
    pub service_role: Option<RoleArn>,
    /// Who else may assume the access role.
    pub callers: Vec<PrincipalArn>,
    pub resource_id: Option<ResourceId>,
    pub only: Option<Artefact>,
    pub write: Option<PathBuf>,
    pub force: bool,
    pub output: Format,
}

impl Setup {
    /// # Errors
    /// The first field that cannot be used, or no single target named.
    pub fn read(args: cli::Setup, environment: Environment<'_>) -> Result<Self, Invalid> {
        let expected = ("NAME", "one target to set up");
        let (name, fields) = one_target(&args.file, args.name, args.target, environment, expected)?;
        let mut fields = chosen(args.pipe).over(fields);
        let connect_to = fields.connect_to.take();
        let mut target = read_target(name, fields, Needs::AccessRole, environment)?;
        let connect_to =
            connect_to.map(|text| Endpoint::parse("connect_to", &text, target.dial.port)).transpose()?;
        let mode = target.pipe.mode.unwrap_or(ReplicationMode::Cdc);
        target.pipe = Pipe { mode: Some(mode), ..target.pipe };
        changes_are_to_be_had(&target)?;
        user_fits(&target)?;
        Ok(Self {
            service_role: service_role(given(args.service_role), &target)?,
            callers: callers(many(args.callers).unwrap_or_default(), &target)?,
            resource_id: given(args.resource_id).map(|text| resource_id(&text, &target)).transpose()?,
            target,
            connect_to,
            only: args.only,
            write: args.write,
            force: args.force,
            output: args.output.output,
        })
    }
}

/// There is no way to set CDC up where no change can be streamed.
fn changes_are_to_be_had(target: &Target) -> Result<(), Invalid> {
    let host = &target.sign.host;
    let what = match RdsName::parse(host).map(|name| name.kind) {
        Some(RdsNameKind::Proxy) => "an RDS Proxy's, which streams no changes",
        Some(RdsNameKind::ClusterReader) => "a reader endpoint, which streams no changes",
        _ => return Ok(()),
    };
    let mode = target.pipe.mode.map(ReplicationMode::name).unwrap_or_default();
    match target.pipe.follows_changes() {
        true => Err(Invalid::new(
            "replication_mode",
            format!("snapshot, or another endpoint: `{host}` is {what}"),
            quoted(mode),
        )),
        false => Ok(()),
    }
}

/// PostgreSQL cuts longer names off, and then the policy names another user; MySQL and MariaDB refuse them.
fn user_fits(target: &Target) -> Result<(), Invalid> {
    let user = target.user.as_str();
    let (length, most, unit) = match target.engine() {
        Engine::Postgres => (user.len(), 63, "bytes"),
        Engine::Mysql => (user.chars().count(), 32, "characters"),
        Engine::Mariadb => (user.chars().count(), 80, "characters"),
    };
    match length > most {
        true => Err(Invalid::new(
            "user",
            format!("a name of at most {most} {unit}, the most {} has", target.engine().name()),
            quoted(user),
        )),
        false => Ok(()),
    }
}

fn service_role(given: Option<String>, target: &Target) -> Result<Option<RoleArn>, Invalid> {
    let Some(text) = given else {
        let via = target.access.roles.split_last().map(|(_, via)| via).unwrap_or_default();
        return Ok(via.last().cloned());
    };
    let role = RoleArn::parse("service_role", &text)?;
    of_the_partition("service_role", role.partition(), role.as_str(), target)?;
    if target.access.roles.last() == Some(&role) {
        return Err(Invalid::new(
            "service_role",
            "the role of the ClickHouse service, which is another than the access role (iam_role)",
            quoted(role),
        ));
    }
    Ok(Some(role))
}

fn callers(given: Vec<String>, target: &Target) -> Result<Vec<PrincipalArn>, Invalid> {
    let mut callers = Vec::new();
    for text in given {
        let caller = PrincipalArn::parse("callers", &text)?;
        of_the_partition("callers", caller.partition(), caller.as_str(), target)?;
        callers.push(caller);
    }
    Ok(callers)
}

fn of_the_partition(field: &str, partition: &str, arn: &str, target: &Target) -> Result<(), Invalid> {
    let region = &target.region;
    match partition == region.partition() {
        true => Ok(()),
        false => Err(Invalid::new(
            field,
            format!("an ARN of partition {}, as Region {region} is", region.partition()),
            quoted(arn),
        )),
    }
}

/// A resource id of the kind the database is of; where its name does not say that, of any its type can have.
fn resource_id(text: &str, target: &Target) -> Result<ResourceId, Invalid> {
    let id: ResourceId = text.parse()?;
    let kind = target.resource_kind();
    let named = RdsName::parse(&target.sign.host).is_some();
    let fits = match (named, target.source_type.is_aurora()) {
        (true, _) => id.kind() == kind,
        (false, true) => id.kind() != ResourceKind::Instance,
        (false, false) => true,
    };
    let why = match kind {
        ResourceKind::Instance => "the instance's (db-…)",
        ResourceKind::Cluster => "the cluster's (cluster-…), not an instance's",
        ResourceKind::Proxy => "the proxy's (prx-…), not that of the database behind it",
    };
    match fits {
        true => Ok(id),
        false => Err(Invalid::new("resource_id", why, quoted(id))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    const ROLE: &str = "arn:aws:iam::123456789012:role/r";

    fn read(kind: &str, host: &str, more: &[&str]) -> Result<Setup, Invalid> {
        let base = ["pipeprobe", "setup", "--type", kind, "--host", host, "--iam-role", ROLE];
        let Command::Setup(setup) = Cli::parse_from(base.iter().chain(more)).command else {
            unreachable!("setup was typed")
        };
        Setup::read(*setup, &|_| None)
    }

    #[test]
    fn the_pipe_dials_the_host_wherever_pipeprobe_dials() {
        let host = "db.abc.eu-west-1.rds.amazonaws.com";
        let setup = read("rdspostgres", host, &["--connect-to", "127.0.0.1:6000"]).unwrap();
        assert_eq!(setup.target.dial.to_string(), format!("{host}:5432"));
        assert_eq!(setup.connect_to.unwrap().to_string(), "127.0.0.1:6000");
        assert_eq!(setup.target.pipe.mode, Some(ReplicationMode::Cdc));
        assert_eq!(setup.service_role, None);
    }

    #[test]
    fn the_last_of_the_roles_before_the_access_role_is_the_service_role() {
        let via = "arn:aws:iam::999988887777:role/a,arn:aws:iam::999988887777:role/b";
        let setup = read("rdsmysql", "db.abc.eu-west-1.rds.amazonaws.com", &["--via-role", via]).unwrap();
        assert_eq!(setup.service_role.unwrap().name(), "b");
    }

    #[test]
    fn what_cannot_work_is_refused_by_field() {
        let cluster = "db.cluster-abc.eu-west-1.rds.amazonaws.com";
        let instance = "db.abc.eu-west-1.rds.amazonaws.com";
        for (kind, host, more, field) in [
            ("rdsmysql", "p.proxy-abc.eu-west-1.rds.amazonaws.com", &[][..], "replication_mode"),
            ("auroramysql", "db.cluster-ro-abc.eu-west-1.rds.amazonaws.com", &[], "replication_mode"),
            ("auroramysql", cluster, &["--resource-id", "db-ABC"], "resource_id"),
            ("rdspostgres", cluster, &["--resource-id", "db-ABC"], "resource_id"),
            ("rdspostgres", instance, &["--resource-id", "cluster-ABC"], "resource_id"),
            ("rdspostgres", instance, &["--service-role", ROLE], "service_role"),
            (
                "rdspostgres",
                instance,
                &["--service-role", "arn:aws-cn:iam::999988887777:role/x"],
                "service_role",
            ),
            ("rdspostgres", instance, &["--caller", "somebody"], "callers"),
            ("rdsmysql", instance, &["--user", "abcdefghijklmnopqrstuvwxyz0123456789"], "user"),
        ] {
            assert_eq!(read(kind, host, more).unwrap_err().field, field, "{kind} {host} {more:?}");
        }
        read("rdsmysql", "p.proxy-abc.eu-west-1.rds.amazonaws.com", &["--replication-mode", "snapshot"])
            .unwrap();
        read("rdspostgres", cluster, &["--resource-id", "cluster-ABC"]).unwrap();
        read("aurorapostgres", "pl.internal", &["--tls-host", instance, "--resource-id", "cluster-ABC"])
            .unwrap();
    }
}
