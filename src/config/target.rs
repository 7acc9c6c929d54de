//! From fields to a [`Target`]: each field is read by itself first, so that all errors of a target are reported, and then
//! what depends on several fields.

use std::time::Duration;

use clap::ValueEnum;

use super::{
    Context, endpoints,
    field::{boolean, duration, host_name, internal, list, missing, optional, port, require},
    select::Selected,
};
use crate::{
    cli::{
        Given,
        fields::{Fields, TargetFields},
    },
    clickpipes,
    static_ips::{self, StaticIps},
    target::{
        Access, AwsDiagnosticsCredentials, CaCertificate, ConfigErrors, DbUser, Endpoint, Engine, ErrorList,
        ExternalId, Host, Invalid, Origin, Pipe, RdsName, Region, ReplicationMechanism, ReplicationMode,
        RoleArn, SessionName, SessionTag, SessionTags, SourceType, TableColumn, TableEngine, Target,
        no_known_placeholder, quoted,
    },
};

/// The shortest session that STS issues; a check does not need more.
pub(super) const DEFAULT_DURATION: Duration = Duration::from_mins(15);
const HOUR: Duration = Duration::from_hours(1);

/// Whether a command can do without an access role.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    AccessRole,
    NoRole,
}

/// Reads the fields of a target.
///
/// # Errors
/// Every field that cannot be used, with where it was given.
pub(super) fn read(selected: Selected, needs: Needs, context: &Context<'_>) -> Result<Target, ConfigErrors> {
    let mut errors = ErrorList::default();
    let database = errors.take_all(Database::read(&selected, context));
    let identity = errors.take_all(identity(&selected, needs, context));
    let pipe = errors.take_all(pipe(&selected, context));
    let diagnose = &selected.fields.diagnose;
    let role =
        optional(&mut errors, diagnose.diagnose_role.as_ref(), |text| RoleArn::parse("diagnose_role", text));
    errors.check()?;
    let (Some(database), Some(access), Some(pipe)) = (database, identity, pipe) else {
        return Err(internal().into());
    };
    for (field, given, engines) in [
        (
            "replication_mechanism",
            &selected.fields.pipe.replication_mechanism,
            &[Engine::Mysql, Engine::Mariadb][..],
        ),
        ("publication", &selected.fields.pipe.publication, &[Engine::Postgres]),
        ("replication_slot_name", &selected.fields.pipe.replication_slot_name, &[Engine::Postgres]),
        ("enable_failover_slots", &selected.fields.pipe.enable_failover_slots, &[Engine::Postgres]),
        ("server_id", &selected.fields.pipe.server_id, &[Engine::Mysql, Engine::Mariadb]),
    ] {
        errors.take(only_for(field, given.as_ref(), engines, database.source_type));
    }
    let Some((sign, region)) = errors.take_all(database.signed_for(&selected)) else {
        errors.check()?;
        return Err(internal().into());
    };
    let fields = &selected.fields.target;
    let given_roles = fields.via_roles.iter().flatten().map(|given| ("via_roles", given));
    let given_roles = given_roles.chain(fields.iam_role.iter().map(|given| ("iam_role", given)));
    let diagnose_role = diagnose.diagnose_role.iter().map(|given| ("diagnose_role", given));
    for ((field, given), role) in given_roles.zip(&access.roles).chain(diagnose_role.zip(&role)) {
        errors.take(same_partition(field, given, role, &region));
    }
    if let (Some(given), Some(sts)) = (&fields.sts_region, &access.sts_region)
        && sts.partition() != region.partition()
    {
        let expected = format!("a Region of partition {}, which the database belongs to", region.partition());
        errors.push(Invalid::new("sts_region", expected, quoted(sts)).at(&given.origin));
    }
    errors.check()?;
    let profile = diagnose.diagnose_profile.as_ref().map(|given| given.text.clone());
    let engine = database.source_type.engine();
    Ok(Target {
        name: selected.name.unwrap_or_else(|| database.host.to_string()),
        source_type: database.source_type,
        host: database.host,
        dial: database.dial,
        port: database.port,
        tls_host: database.tls_host,
        sign,
        region,
        database: database.name.or_else(|| (engine == Engine::Postgres).then(|| "postgres".to_owned())),
        user: database.user,
        access,
        ca_certificate: database.ca_certificate,
        aws_diagnostics: (profile.is_some() || role.is_some())
            .then_some(AwsDiagnosticsCredentials { profile, role }),
        pipe,
        declaration: None,
    })
}

/// The database and how it is reached.
struct Database {
    source_type: SourceType,
    host: Host,
    port: u16,
    dial: Endpoint,
    tls_host: Host,
    name: Option<String>,
    user: DbUser,
    ca_certificate: Option<CaCertificate>,
}

impl Database {
    fn read(selected: &Selected, context: &Context<'_>) -> Result<Self, ConfigErrors> {
        let Selected { origin, fields: Fields { target: f, .. }, .. } = selected;
        let origin = origin.as_ref();
        let mut errors = ErrorList::default();
        let e = &mut errors;
        let source_type: Option<SourceType> =
            e.take(require(f.source_type.as_ref(), "type", &source_types(), origin, str::parse));
        let host = e.take(require(
            f.host.as_ref(),
            "host",
            "the host name of the database endpoint",
            origin,
            |text| Host::parse("host", text),
        ));
        let given_port = optional(e, f.port.as_ref(), |text| port("port", text));
        let tls_host = optional(e, f.tls_host.as_ref(), |text| host_name("tls_host", text));
        let name = optional(e, f.database.as_ref(), database_name);
        let user = optional(e, f.user.as_ref(), str::parse::<DbUser>);
        let ca_certificate =
            f.ca_certificate.as_ref().and_then(|given| e.take(context.ca("ca_certificate", given)));
        let host_is_address = host.as_ref().is_some_and(|host| host.ip().is_some());
        if host_is_address && f.tls_host.is_none() {
            let expected = "the host name of the RDS endpoint, because host is an IP address";
            e.push(missing("tls_host", expected, origin));
        }
        let port = given_port.or(source_type.map(|kind| kind.engine().default_port()));
        let dial = optional(e, f.connect_to.as_ref(), |text| {
            Endpoint::parse("connect_to", text, port.unwrap_or(Engine::Postgres.default_port()))
        });
        e.check()?;
        let (Some(source_type), Some(host), Some(port)) = (source_type, host, port) else {
            return Err(internal().into());
        };
        Ok(Self {
            source_type,
            port,
            dial: dial.unwrap_or_else(|| Endpoint { host: host.clone(), port }),
            tls_host: tls_host.unwrap_or_else(|| host.clone()),
            host,
            name,
            user: user.map_or_else(|| DbUser::DEFAULT.parse(), Ok)?,
            ca_certificate,
        })
    }

    /// The endpoint and the Region that the token is signed for.
    fn signed_for(&self, selected: &Selected) -> Result<(Endpoint, Region), ConfigErrors> {
        let f = &selected.fields.target;
        let mut errors = ErrorList::default();
        let e = &mut errors;
        let sign_host = optional(e, f.sign_host.as_ref(), |text| host_name("sign_host", text));
        let sign_port = optional(e, f.sign_port.as_ref(), |text| port("sign_port", text));
        let given = optional(e, f.region.as_ref(), str::parse::<Region>);
        e.check()?;
        for (field, host) in [("host", &self.host), ("tls_host", &self.tls_host)] {
            not_dsql(field, host, selected.origin.as_ref())?;
        }
        let host = sign_host.unwrap_or_else(|| self.tls_host.clone());
        let region = region(f.region.as_ref(), given, &host, selected.origin.as_ref())?;
        Ok((Endpoint { host, port: sign_port.unwrap_or(self.port) }, region))
    }
}

/// The roles and what is passed to STS.
fn identity(selected: &Selected, needs: Needs, context: &Context<'_>) -> Result<Access, ConfigErrors> {
    let Selected { origin, fields: Fields { target: f, .. }, .. } = selected;
    let mut errors = ErrorList::default();
    let e = &mut errors;
    let role = match (&f.iam_role, needs) {
        (None, Needs::NoRole) if f.via_roles.is_none() => None,
        (given, _) => e.take(require(
            given.as_ref(),
            "iam_role",
            "the ARN of the access role",
            origin.as_ref(),
            |text| RoleArn::parse("iam_role", text),
        )),
    };
    let via = list(e, f.via_roles.as_deref(), "via_roles", |text| RoleArn::parse("via_roles", text));
    let external_id = optional(e, f.external_id.as_ref(), str::parse::<ExternalId>);
    let session_name = optional(e, f.session_name.as_ref(), str::parse::<SessionName>);
    let tags = e.take(session_tags(f));
    let chained = via.len() + usize::from(f.iam_role.is_some()) > 1;
    let duration = optional(e, f.duration.as_ref(), |text| session_duration(text, chained));
    let sts_region = optional(e, f.sts_region.as_ref(), str::parse::<Region>);
    let plaintext_endpoints = endpoints::check(context, e);
    let ca_bundle =
        context.variable("AWS_CA_BUNDLE").and_then(|given| e.take(context.ca("AWS_CA_BUNDLE", &given)));
    e.check()?;
    Ok(Access {
        roles: via.into_iter().chain(role).collect(),
        external_id,
        session_name: session_name.map_or_else(|| SessionName::DEFAULT.parse(), Ok)?,
        tags: tags.ok_or_else(internal)?,
        duration: duration.unwrap_or(DEFAULT_DURATION),
        sts_region,
        profile: f.profile.as_ref().map(|given| given.text.clone()),
        ca_bundle,
        plaintext_endpoints,
    })
}

fn pipe(selected: &Selected, context: &Context<'_>) -> Result<Pipe, ConfigErrors> {
    let p = &selected.fields.pipe;
    let mut errors = ErrorList::default();
    let e = &mut errors;
    let mode = optional(e, p.replication_mode.as_ref(), str::parse::<ReplicationMode>);
    let mechanism = optional(e, p.replication_mechanism.as_ref(), str::parse::<ReplicationMechanism>);
    let tables = super::tables::list(e, p.tables.as_deref());
    let is_in_pipe = |schema: &str, table: &str| {
        tables.is_empty() || tables.iter().any(|pattern| pattern.matches(schema, table))
    };
    let column = |field: &str, text: &str| {
        let column = TableColumn::parse(field, text)?;
        match is_in_pipe(&column.schema, &column.table) {
            true => Ok(column),
            false => Err(Invalid::new(field, "a column of a table in tables", quoted(text))),
        }
    };
    let columns = |e: &mut ErrorList, field: &'static str, given: &Option<Vec<Given>>| {
        list(e, given.as_deref(), field, |text| column(field, text))
    };
    let excluded_columns = columns(e, "excluded_columns", &p.excluded_columns);
    let sorting_keys = columns(e, "sorting_keys", &p.sorting_keys);
    let partition_keys = columns(e, "partition_key", &p.partition_keys);
    let table_engines = list(e, p.table_engines.as_deref(), "table_engine", |text| {
        let given: TableEngine = text.parse()?;
        match is_in_pipe(&given.schema, &given.table) {
            true => Ok(given),
            false => Err(Invalid::new("table_engine", "a table in tables", quoted(text))),
        }
    });
    let number = |e: &mut ErrorList, field: &'static str, given: &Option<Given>, most: u32| {
        optional(e, given.as_ref(), |text| {
            let wrong = || Invalid::new(field, format!("a number from 1 to {most}"), quoted(text));
            text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(wrong)
        })
    };
    let server_id = number(e, "server_id", &p.server_id, u32::MAX);
    let load_parallelism = number(e, "initial_load_parallelism", &p.initial_load_parallelism, 1000);
    let parallel_tables =
        number(e, "snapshot_number_of_parallel_tables", &p.snapshot_number_of_parallel_tables, 1000);
    let failover_slots =
        optional(e, p.enable_failover_slots.as_ref(), |text| boolean("enable_failover_slots", text));
    let publication = optional(e, p.publication.as_ref(), |text| {
        no_known_placeholder("publication", text).map(|()| text.to_owned())
    });
    let slot = optional(e, p.replication_slot_name.as_ref(), slot_name);
    let static_ips = e.take(static_ips(selected, context)).flatten();
    e.check()?;
    let mechanism = mechanism.unwrap_or_default();
    Ok(Pipe {
        mode,
        mechanism,
        tables,
        excluded_columns,
        sorting_keys,
        partition_keys,
        table_engines,
        server_id,
        failover_slots: failover_slots.unwrap_or(false),
        load_parallelism,
        parallel_tables,
        publication,
        slot,
        static_ips,
    })
}

/// As the server accepts it (PostgreSQL, `ReplicationSlotValidateName`).
fn slot_name(text: &str) -> Result<String, Invalid> {
    let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match text.len() < 64 && text.chars().all(is_valid) {
        true => Ok(text.to_owned()),
        false => {
            let expected = "at most 63 lower-case letters, digits and underscores";
            Err(Invalid::new("replication_slot_name", expected, quoted(text)))
        }
    }
}

/// The addresses of ClickPipes, if the Region of the service is given.
pub(super) fn static_ips(selected: &Selected, context: &Context<'_>) -> Result<Option<StaticIps>, Invalid> {
    let (region, file) = (&selected.fields.pipe.service_region, &selected.fields.pipe.static_ips);
    let list = file.as_ref().map(|given| context.static_ips(given)).transpose()?;
    let Some(region) = region else { return Ok(None) };
    let created = selected.declared.as_ref().and_then(|pipe| pipe.service_created);
    let found = static_ips::of_service(&region.text, created, list.as_deref());
    found.map(Some).map_err(|why| match file {
        Some(file) if static_ips::is_known(&region.text) => {
            Invalid::new("static_ips", "a list with the Regions that serve the service", why).at(&file.origin)
        }
        _ => Invalid::new("service_region", static_ips::EXPECTED, format!("{}: {why}", quoted(&region.text)))
            .at(&region.origin),
    })
}

fn source_types() -> String {
    let names: Vec<&str> = SourceType::value_variants().iter().map(|kind| kind.name()).collect();
    format!("one of {}", names.join(", "))
}

fn database_name(name: &str) -> Result<String, Invalid> {
    no_known_placeholder("database", name)?;
    if name.is_empty() || name.contains("://") || name.chars().any(char::is_control) {
        return Err(Invalid::new("database", "the name of a database", quoted(name)));
    }
    Ok(name.to_owned())
}

fn not_dsql(field: &str, host: &Host, target: Option<&Origin>) -> Result<(), Invalid> {
    let expected = "an RDS or Aurora endpoint: ClickPipes cannot read from Aurora DSQL";
    let invalid = || Invalid::new(field, expected, quoted(host));
    match clickpipes::is_dsql(host) {
        true => Err(target.iter().fold(invalid(), |invalid, origin| invalid.at(origin))),
        false => Ok(()),
    }
}

/// A choice that other engines do not have.
fn only_for(
    field: &str,
    given: Option<&Given>,
    engines: &[Engine],
    source_type: SourceType,
) -> Result<(), Invalid> {
    match given {
        Some(given) if !engines.contains(&source_type.engine()) => {
            let names = engines.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(" or ");
            let found = format!("type = {}", source_type.name());
            Err(Invalid::new(field, format!("a {names} target"), found).at(&given.origin))
        }
        _ => Ok(()),
    }
}

/// `region`, or the Region in the RDS host name. There is no default: the server refuses a token that is signed for
/// another Region, without saying why.
pub(super) fn region(
    given: Option<&Given>,
    region: Option<Region>,
    sign_host: &Host,
    target: Option<&Origin>,
) -> Result<Region, Invalid> {
    let in_name = RdsName::parse(sign_host).and_then(|name| name.region);
    match (region, in_name) {
        (None, Some(named)) => Ok(named),
        (None, None) => {
            let expected = format!("the Region of the database, because `{sign_host}` does not contain it");
            Err(missing("region", &expected, target))
        }
        (Some(region), Some(named)) if named != region => {
            let expected = format!("{named}, as in the host name `{sign_host}`");
            let invalid = Invalid::new("region", expected, quoted(region));
            Err(given.iter().fold(invalid, |invalid, given| invalid.at(&given.origin)))
        }
        (Some(region), _) => Ok(region),
    }
}

fn same_partition(field: &str, given: &Given, role: &RoleArn, region: &Region) -> Result<(), Invalid> {
    if role.partition() == region.partition() {
        return Ok(());
    }
    let expected = format!("a role of partition {}, which Region {region} belongs to", region.partition());
    Err(Invalid::new(field, expected, quoted(role)).at(&given.origin))
}

/// `session_tags` and `transitive_tags`; one small tag if there are none.
pub(super) fn session_tags(fields: &TargetFields) -> Result<SessionTags, Invalid> {
    let origin = |given: &Option<Vec<Given>>| given.iter().flatten().next().map(|given| given.origin.clone());
    let tag = |given: &Given| match &given.key {
        Some(key) => given.read(|value| SessionTag::new(key, value)),
        None => given.read(str::parse),
    };
    let tags = match &fields.session_tags {
        // In the order of their keys, however they were given: targets with equal tags share sessions.
        Some(given) => {
            let mut tags = given.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
            tags.sort_by(|a, b| a.key.cmp(&b.key));
            tags
        }
        None => SessionTags::default().tags,
    };
    let transitive = fields.transitive_tags.iter().flatten().map(|given| given.text.clone()).collect();
    SessionTags::new(tags, transitive).map_err(|invalid| {
        let origin = match invalid.field.as_str() {
            "transitive_tags" => origin(&fields.transitive_tags),
            _ => origin(&fields.session_tags),
        };
        origin.iter().fold(invalid, Invalid::at)
    })
}

fn session_duration(text: &str, chained: bool) -> Result<Duration, Invalid> {
    // STS limits sessions of chained roles to an hour.
    let longest = if chained { HOUR } else { 12 * HOUR };
    duration("duration", text, DEFAULT_DURATION..=longest)
}
