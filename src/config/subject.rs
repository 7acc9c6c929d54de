//! The input of `lint`: the policy documents, and the fields of a target that are given.

use super::{
    Context, Environment,
    field::{host_name, internal, optional},
    non_empty, select,
    target::{region, session_tags},
};
use crate::{
    cli::{
        self, FailOn, Format, Given,
        fields::{Fields, SubjectFields, TargetFields},
    },
    policy::subject::Subject,
    target::{
        ConfigErrors, DbUser, ErrorList, Host, Invalid, RdsName, Region, ResourceId, ResourceKind, RoleArn,
        SourceType, choice, quoted,
    },
};

/// What `lint` does.
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
    /// Everything that cannot be used.
    pub fn read(args: cli::Lint, environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let context = Context::new(environment);
        if args.files.iter().filter(|file| *file == "-").count() > 1 {
            return Err(Invalid::new("FILE", "stdin once", "`-` twice").into());
        }
        let typed = Fields { target: select::typed(args.target, &context), ..Fields::default() };
        let name = non_empty(args.name).map(|given| given.text.clone());
        let reads_stdin = |given: Option<&Given>| given.is_some_and(|given| given.text == "-");
        if args.files.iter().any(|file| file == "-")
            && (reads_stdin(args.sources.plan()) || reads_stdin(args.sources.state()))
        {
            return Err(Invalid::new("FILE", "stdin once", "`-` for FILE and for the plan or state").into());
        }
        let has_file = args.sources.file.path().is_some() || args.sources.has_document() || name.is_some();
        let (fields, declared) = match has_file {
            true => {
                let purpose = ("--target", "one target to lint for");
                let selected = select::one_target(&args.sources, name, typed, purpose)?;
                (selected.fields, selected.declared)
            }
            false => (typed, None),
        };
        let mut compared = args.subject.without_empty();
        compared.service_role = compared.service_role.or(declared.and_then(|pipe| pipe.service_role));
        let mut errors = ErrorList::default();
        let fail_on = optional(&mut errors, non_empty(args.fail_on).as_ref(), |text| choice("fail_on", text));
        let subject = errors.take_all(subject(&fields.target, &compared));
        errors.check()?;
        Ok(Self {
            files: args.files,
            subject: subject.ok_or_else(internal)?,
            fail_on_warning: fail_on == Some(FailOn::Warning),
            output: args.output.format(),
        })
    }
}

fn subject(fields: &TargetFields, compared: &SubjectFields) -> Result<Subject, ConfigErrors> {
    let mut errors = ErrorList::default();
    let e = &mut errors;
    let source_type = optional(e, fields.source_type.as_ref(), str::parse::<SourceType>);
    let sign_host = optional(e, fields.sign_host.as_ref(), |text| host_name("sign_host", text));
    let tls_host = optional(e, fields.tls_host.as_ref(), |text| host_name("tls_host", text));
    // An IP address does not name a database.
    let host = optional(e, fields.host.as_ref(), |text| Host::parse("host", text))
        .filter(|host| host.ip().is_none());
    let host = sign_host.or(tls_host).or(host);
    let region_given = optional(e, fields.region.as_ref(), str::parse::<Region>);
    let region = match &host {
        Some(host) if region_given.is_some() || has_region(host) => {
            e.take(region(fields.region.as_ref(), region_given, host, None))
        }
        _ => region_given,
    };
    let access_role = optional(e, fields.iam_role.as_ref(), |text| RoleArn::parse("iam_role", text));
    let via = fields.via_roles.as_ref().and_then(|roles| roles.last().cloned());
    let (field, service_given) = match (&compared.service_role, via) {
        (Some(given), _) => ("service_role", Some(given.clone())),
        (None, via) => ("via_roles", via),
    };
    let service_role = optional(e, service_given.as_ref(), |text| RoleArn::parse(field, text));
    let partition = region.as_ref().map(Region::partition);
    e.take(same_partition("iam_role", fields.iam_role.as_ref(), access_role.as_ref(), partition));
    let partition = partition.or(access_role.as_ref().map(RoleArn::partition));
    e.take(same_partition("service_role", service_given.as_ref(), service_role.as_ref(), partition));
    let tags = fields.session_tags.is_some().then(|| e.take(session_tags(fields)).map(|tags| tags.tags));
    let user = optional(e, fields.user.as_ref(), str::parse::<DbUser>);
    let resource_id = optional(e, compared.resource_id.as_ref(), str::parse::<ResourceId>);
    errors.check()?;
    let subject = Subject {
        source_type,
        host,
        region,
        user: user.map_or_else(|| DbUser::DEFAULT.parse(), Ok)?,
        access_role,
        service_role,
        tags: tags.flatten(),
        external_id: fields.external_id.is_some(),
        resource_id,
    };
    id_of_its_kind(&subject, compared.resource_id.as_ref())?;
    Ok(subject)
}

fn has_region(host: &Host) -> bool {
    RdsName::parse(host).is_some_and(|name| name.region.is_some())
}

fn same_partition(
    field: &str,
    given: Option<&Given>,
    role: Option<&RoleArn>,
    partition: Option<&str>,
) -> Result<(), Invalid> {
    match (given, role, partition) {
        (Some(given), Some(role), Some(partition)) if role.partition() != partition => {
            let expected = format!("a role of partition {partition}, which the database belongs to");
            Err(Invalid::new(field, expected, quoted(role)).at(&given.origin))
        }
        _ => Ok(()),
    }
}

fn id_of_its_kind(subject: &Subject, given: Option<&Given>) -> Result<(), Invalid> {
    let Some((given, id)) = given.zip(subject.resource_id.as_ref()) else { return Ok(()) };
    let kinds = subject.id_kinds();
    if kinds.contains(&id.kind()) {
        return Ok(());
    }
    let expected: Vec<&str> = kinds.iter().copied().map(ResourceKind::prefix).collect();
    let expected = format!("{}…, the kind of this database", expected.join("… or "));
    Err(Invalid::new("resource_id", expected, quoted(id)).at(&given.origin))
}
