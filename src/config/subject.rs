//! What `lint` is to judge, and for whom: the fields of a target as far as they are given.

use super::{Environment, fail_on_warning, file::Fields, given, named, one_target, optional, region, tags};
use crate::{
    cli::{self, Format},
    policy::subject::Subject,
    target::{
        DbUser, Host, Invalid, RdsName, Region, ResourceId, ResourceKind, RoleArn, SessionTag, SourceType,
        quoted,
    },
};

/// What `lint` is to do.
#[derive(Clone, Debug)]
pub struct LintConfig {
    /// `-` is stdin.
    pub files: Vec<String>,
    pub subject: Subject,
    pub fail_on_warning: bool,
    pub output: Format,
}

impl LintConfig {
    /// # Errors
    /// The first field that cannot be used.
    pub fn read(args: cli::Lint, environment: Environment<'_>) -> Result<Self, Invalid> {
        if args.files.iter().filter(|file| *file == "-").count() > 1 {
            return Err(Invalid::new("FILE", "stdin once", "`-` twice"));
        }
        let expected = ("target", "one target to lint for (--target NAME)");
        let (_, fields) = one_target(&args.file, given(args.name), args.target, environment, expected)?;
        Ok(Self {
            files: args.files,
            subject: subject(fields, given(args.service_role), given(args.resource_id))?,
            fail_on_warning: fail_on_warning(args.fail_on)?,
            output: args.output.output,
        })
    }
}

fn subject(
    fields: Fields,
    service_role: Option<String>,
    resource_id: Option<String>,
) -> Result<Subject, Invalid> {
    let source_type: Option<SourceType> = optional(fields.source_type)?;
    let host = match (fields.sign_host, fields.tls_host, fields.host) {
        (Some(name), ..) => Some(named("sign_host", &name)?),
        (_, Some(name), _) => Some(named("tls_host", &name)?),
        // An address names no database.
        (_, _, Some(name)) => Some(Host::parse("host", &name)?).filter(|host| host.ip().is_none()),
        (None, None, None) => None,
    };
    let says_region = host.as_ref().is_some_and(|h| RdsName::parse(h).is_some_and(|n| n.region.is_some()));
    let region = match &host {
        Some(host) if says_region || fields.region.is_some() => Some(region(fields.region.as_deref(), host)?),
        _ => optional(fields.region)?,
    };
    let access_role = fields.iam_role.map(|text| RoleArn::parse("iam_role", &text)).transpose()?;
    let via = fields.via_roles.unwrap_or_default().pop();
    let service_role = match (service_role, via) {
        (Some(text), _) => Some(RoleArn::parse("service_role", &text)?),
        (None, Some(text)) => Some(RoleArn::parse("via_roles", &text)?),
        (None, None) => None,
    };
    let partition = region.as_ref().map(Region::partition);
    same_partition("iam_role", access_role.as_ref(), partition)?;
    let partition = partition.or(access_role.as_ref().map(RoleArn::partition));
    same_partition("service_role", service_role.as_ref(), partition)?;
    let given_tags = fields.session_tags.is_some();
    let tags: Vec<SessionTag> = tags(fields.session_tags, None)?.tags;
    let subject = Subject {
        source_type,
        host,
        region,
        user: fields.user.as_deref().unwrap_or(DbUser::DEFAULT).parse()?,
        access_role,
        service_role,
        tags: given_tags.then_some(tags),
        external_id: fields.external_id.is_some(),
        resource_id: optional(resource_id)?,
    };
    id_of_its_kind(&subject)?;
    Ok(subject)
}

fn same_partition(field: &str, role: Option<&RoleArn>, partition: Option<&str>) -> Result<(), Invalid> {
    match (role, partition) {
        (Some(role), Some(partition)) if role.partition() != partition => {
            let expected = format!("a role of partition {partition}, as the database is");
            Err(Invalid::new(field, expected, quoted(role)))
        }
        _ => Ok(()),
    }
}

fn id_of_its_kind(subject: &Subject) -> Result<(), Invalid> {
    let Some(id): Option<&ResourceId> = subject.resource_id.as_ref() else { return Ok(()) };
    let kinds = subject.id_kinds();
    if kinds.contains(&id.kind()) {
        return Ok(());
    }
    let expected: Vec<&str> = kinds.iter().copied().map(ResourceKind::prefix).collect();
    Err(Invalid::new("resource_id", format!("{}…, as this database's", expected.join("… or ")), quoted(id)))
}
