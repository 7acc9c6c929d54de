//! The input of `setup`: the target as ClickPipes is configured for it, and what only a setup needs.

use std::path::PathBuf;

use super::{
    Context, Environment, declared,
    field::{list, optional},
    select,
    target::Needs,
};
use crate::{
    cli::{
        self, Format, SetupPart,
        fields::{FieldValue, Fields},
    },
    clickpipes,
    target::{
        ConfigErrors, Endpoint, Engine, ErrorList, Invalid, Pipe, PrincipalArn, RdsName, ReplicationMode,
        ResourceId, ResourceKind, RoleArn, Target, quoted,
    },
};

#[derive(Clone, Debug)]
pub struct Setup {
    /// Its `dial` is the address that ClickPipes connects to: `host:port`. Its pipe has a mode.
    pub target: Target,
    /// The address that pipeprobe connects to instead.
    pub connect_to: Option<Endpoint>,
    /// The ClickHouse service role; `None` if it was not given.
    pub service_role: Option<RoleArn>,
    /// Additional principals that may assume the access role.
    pub callers: Vec<PrincipalArn>,
    pub resource_id: Option<ResourceId>,
    pub only: Option<SetupPart>,
    pub write: Option<PathBuf>,
    pub force: bool,
    pub output: Format,
}

impl Setup {
    /// # Errors
    /// Everything that cannot be used, or if not exactly one target is named.
    pub fn read(args: cli::Setup, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        let typed = Fields {
            target: select::typed(args.target, &context),
            pipe: args.pipe.without_empty(),
            ..Fields::default()
        };
        let mut selected =
            select::one_target(&args.sources, args.name, typed, ("TARGET", "one target to set up"))?;
        let declared_role = selected.declared.as_ref().and_then(|pipe| pipe.service_role.clone());
        let connect_to = selected.fields.target.connect_to.take();
        let mut target = declared::read_complete(selected, Needs::AccessRole, &context)?;
        let mode = target.pipe.mode.unwrap_or(ReplicationMode::Cdc);
        target.pipe = Pipe { mode: Some(mode), ..target.pipe };
        let mut subject = args.subject.without_empty();
        subject.service_role = subject.service_role.or(declared_role);
        let callers = args.callers.and_then(FieldValue::non_empty);
        let mut errors = ErrorList::default();
        let e = &mut errors;
        e.take(cdc_is_possible(&target));
        e.take(user_fits(&target));
        e.take(user_is_printable(&target));
        let connect_to =
            optional(e, connect_to.as_ref(), |text| Endpoint::parse("connect_to", text, target.dial.port));
        let given_role = optional(e, subject.service_role.as_ref(), |text| service_role(text, &target));
        let callers = list(e, callers.as_deref(), "callers", |text| caller(text, &target));
        let resource_id = optional(e, subject.resource_id.as_ref(), |text| resource_id(text, &target));
        errors.check()?;
        let via = target.access.roles.split_last().map(|(_, via)| via).unwrap_or_default();
        Ok(Self {
            service_role: given_role.or_else(|| via.last().cloned()),
            callers,
            resource_id,
            target,
            connect_to,
            only: args.only,
            write: args.write,
            force: args.force,
            output: args.output.format(),
        })
    }
}

/// CDC cannot be set up on an endpoint that cannot stream changes.
fn cdc_is_possible(target: &Target) -> Result<(), Invalid> {
    let mode = target.pipe.mode.map(ReplicationMode::name).unwrap_or_default();
    match clickpipes::changes(&target.sign.host) {
        Some(limit) if target.pipe.follows_changes() => Err(Invalid::new(
            "replication_mode",
            format!("snapshot, or another endpoint: {}", limit.found),
            quoted(mode),
        )),
        _ => Ok(()),
    }
}

/// PostgreSQL truncates longer names, so that the policy would name another user; MySQL and MariaDB refuse them.
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
            format!("a name of at most {most} {unit}, the limit of {}", target.engine().name()),
            quoted(user),
        )),
        false => Ok(()),
    }
}

/// The SQL of a setup contains the user, so a sensitive one must be given again.
fn user_is_printable(target: &Target) -> Result<(), Invalid> {
    let sensitive = target.declaration.as_ref().map(|declaration| &declaration.sensitive);
    match sensitive.is_some_and(|sensitive| sensitive.contains(target.user.as_str())) {
        true => {
            Err(Invalid::new("user", "a user that may be printed", "a sensitive value of the plan or state")
                .remedy("give --user"))
        }
        false => Ok(()),
    }
}

fn service_role(text: &str, target: &Target) -> Result<RoleArn, Invalid> {
    let role = RoleArn::parse("service_role", text)?;
    same_partition("service_role", role.partition(), role.as_str(), target)?;
    if target.access.roles.last() == Some(&role) {
        return Err(Invalid::new(
            "service_role",
            "the role of the ClickHouse service, not the access role (iam_role)",
            quoted(role),
        ));
    }
    Ok(role)
}

fn caller(text: &str, target: &Target) -> Result<PrincipalArn, Invalid> {
    let caller = PrincipalArn::parse("callers", text)?;
    same_partition("callers", caller.partition(), caller.as_str(), target)?;
    Ok(caller)
}

fn same_partition(field: &str, partition: &str, arn: &str, target: &Target) -> Result<(), Invalid> {
    let region = &target.region;
    match partition == region.partition() {
        true => Ok(()),
        false => Err(Invalid::new(
            field,
            format!("an ARN of partition {}, which Region {region} belongs to", region.partition()),
            quoted(arn),
        )),
    }
}

/// A resource ID of the right kind for the database; if the host name does not tell the kind, any that its type allows.
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
        ResourceKind::Instance => "the resource ID of the instance (db-…)",
        ResourceKind::Cluster => "the resource ID of the cluster (cluster-…), not of an instance",
        ResourceKind::Proxy => "the resource ID of the proxy (prx-…), not of the database behind it",
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

    fn read(kind: &str, host: &str, more: &[&str]) -> Result<Setup, ConfigErrors> {
        let base = ["pipeprobe", "setup", "--type", kind, "--host", host, "--iam-role", ROLE];
        let Command::Setup(setup) = Cli::parse_from(base.iter().chain(more)).command else {
            unreachable!("the command is setup")
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
            assert_eq!(read(kind, host, more).unwrap_err().first().field, field, "{kind} {host} {more:?}");
        }
        read("rdsmysql", "p.proxy-abc.eu-west-1.rds.amazonaws.com", &["--replication-mode", "snapshot"])
            .unwrap();
        read("rdspostgres", cluster, &["--resource-id", "cluster-ABC"]).unwrap();
        read("aurorapostgres", "pl.internal", &["--tls-host", instance, "--resource-id", "cluster-ABC"])
            .unwrap();
    }
}
