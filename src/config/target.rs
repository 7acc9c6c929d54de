//! From fields to a [`Target`]: each field is read by itself first, so that all errors of a target are reported, and then
//! what depends on several fields.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use super::{Context, select::Selected};
use crate::{
    cli::{
        Given,
        fields::{Fields, TargetFields},
    },
    target::{
        Access, CaCertificate, ConfigErrors, DbUser, Endpoint, Engine, ErrorList, ExternalId, Host, Invalid,
        Operator, Origin, Pipe, RdsName, Region, ReplicationMechanism, ReplicationMode, RoleArn, SessionName,
        SessionTag, SessionTags, SourceType, TablePattern, Target, no_placeholder, quoted,
    },
    trust,
};

/// The shortest session that STS issues; a check does not need more.
pub(super) const DEFAULT_DURATION: Duration = Duration::from_secs(900);
const HOUR: Duration = Duration::from_secs(3600);

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
    let Selected { name, origin, fields } = selected;
    let mut errors = ErrorList::default();
    let e = &mut errors;
    let Fields { target: f, pipe: p, diagnose: d, .. } = &fields;

    let source_type: Option<SourceType> = e.take(require(&f.source_type, "type", "a source type", &origin));
    let host =
        e.take(require_with(&f.host, "host", "the host name of the database endpoint", &origin, |text| {
            Host::parse("host", text)
        }));
    let ports = [("port", &f.port), ("sign_port", &f.sign_port)]
        .map(|(field, given)| optional(e, given, |text| port(field, text)));
    let [tls_host, sign_host] = [("tls_host", &f.tls_host), ("sign_host", &f.sign_host)]
        .map(|(field, given)| optional(e, given, |text| host_name(field, text)));
    let region = optional(e, &f.region, str::parse::<Region>);
    let database = optional(e, &f.database, database);
    let user = optional(e, &f.user, str::parse::<DbUser>);
    let ca_certificate =
        f.ca_certificate.as_ref().and_then(|given| e.take(context.ca("ca_certificate", given)));

    let role = match (&f.iam_role, needs) {
        (None, Needs::NoRole) if f.via_roles.is_none() => None,
        _ => e.take(require_with(&f.iam_role, "iam_role", "the ARN of the access role", &origin, |text| {
            RoleArn::parse("iam_role", text)
        })),
    };
    let via = list(e, &f.via_roles, "via_roles", |text| RoleArn::parse("via_roles", text));
    let external_id = optional(e, &f.external_id, str::parse::<ExternalId>);
    let session_name = optional(e, &f.session_name, str::parse::<SessionName>);
    let tags = e.take(session_tags(f));
    let roles_count = via.len() + usize::from(f.iam_role.is_some());
    let duration = optional(e, &f.duration, |text| session_duration(text, roles_count));
    let ca_bundle = context.variable("AWS_CA_BUNDLE");
    let ca_bundle = ca_bundle.and_then(|given| e.take(context.ca("AWS_CA_BUNDLE", &given)));

    let diagnose_role = optional(e, &d.diagnose_role, |text| RoleArn::parse("diagnose_role", text));
    let mode = optional(e, &p.replication_mode, str::parse::<ReplicationMode>);
    let mechanism = optional(e, &p.replication_mechanism, str::parse::<ReplicationMechanism>);
    let tables = list(e, &p.tables, "tables", str::parse::<TablePattern>);
    let publication =
        optional(e, &p.publication, |text| no_placeholder("publication", text).map(|()| text.to_owned()));
    e.check()?;

    // What depends on several fields.
    let (Some(source_type), Some(host), Some(tags)) = (source_type, host, tags) else {
        return Err(Invalid::new("target", "all required fields", "an internal error").into());
    };
    let engine = source_type.engine();
    for (field, given, engines) in [
        ("replication_mechanism", &p.replication_mechanism, &[Engine::Mysql, Engine::Mariadb][..]),
        ("publication", &p.publication, &[Engine::Postgres]),
    ] {
        e.take(only_for(field, given.as_ref(), engines, source_type));
    }
    let tls_host = match tls_host {
        Some(name) => Some(name),
        None if host.ip().is_some() => {
            let expected = "the host name of the RDS endpoint, because host is an IP address";
            let missing = missing("tls_host", expected, &origin);
            e.take(Err(missing))
        }
        None => Some(host.clone()),
    };
    let [port, sign_port] = ports;
    let port = port.unwrap_or(engine.default_port());
    let dial = match &f.connect_to {
        Some(given) => e.take(given.read(|text| Endpoint::parse("connect_to", text, port))),
        None => Some(Endpoint { host: host.clone(), port }),
    };
    e.check()?;
    let tls_host = tls_host.unwrap_or_else(|| host.clone());
    let sign =
        Endpoint { host: sign_host.unwrap_or_else(|| tls_host.clone()), port: sign_port.unwrap_or(port) };
    let region = e.take(self::region(f.region.as_ref(), region, &sign.host, &origin));
    e.check()?;
    let Some((region, dial)) = region.zip(dial) else {
        return Err(Invalid::new("target", "all required fields", "an internal error").into());
    };
    let given_roles = f.via_roles.iter().flatten().map(|given| ("via_roles", given));
    let given_roles = given_roles.chain(f.iam_role.iter().map(|given| ("iam_role", given)));
    for ((field, given), role) in given_roles.zip(via.iter().chain(&role)) {
        e.take(same_partition(field, given, role, &region));
    }
    if let Some((given, role)) = d.diagnose_role.as_ref().zip(diagnose_role.as_ref()) {
        e.take(same_partition("diagnose_role", given, role, &region));
    }
    e.check()?;

    let profile = d.diagnose_profile.as_ref().map(|given| given.text.clone());
    let operator =
        (profile.is_some() || diagnose_role.is_some()).then_some(Operator { profile, role: diagnose_role });
    Ok(Target {
        name: name.unwrap_or_else(|| host.to_string()),
        source_type,
        dial,
        tls_host,
        sign,
        region,
        database: database.or_else(|| (engine == Engine::Postgres).then(|| "postgres".to_owned())),
        user: user.map_or_else(|| DbUser::DEFAULT.parse(), Ok)?,
        access: Access {
            roles: via.into_iter().chain(role).collect(),
            external_id,
            session_name: session_name.map_or_else(|| SessionName::DEFAULT.parse(), Ok)?,
            tags,
            duration: duration.unwrap_or(DEFAULT_DURATION),
            profile: f.profile.as_ref().map(|given| given.text.clone()),
            ca_bundle,
        },
        ca_certificate,
        operator,
        pipe: Pipe { mode, mechanism: mechanism.unwrap_or_default(), tables, publication },
    })
}

/// A field that may be missing; if it cannot be used, that is noted.
pub(super) fn optional<T>(
    errors: &mut ErrorList,
    given: &Option<Given>,
    read: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Option<T> {
    given.as_ref().and_then(|given| errors.take(given.read(read)))
}

/// The items of a list; those that cannot be used are noted.
pub(super) fn list<T>(
    errors: &mut ErrorList,
    given: &Option<Vec<Given>>,
    field: &str,
    read: impl Fn(&str) -> Result<T, Invalid>,
) -> Vec<T> {
    let item = |given: &Given| match given.key {
        Some(_) => Err(Invalid::new(field, "a list, such as [\"…\"]", "a table").at(&given.origin)),
        None => given.read(&read),
    };
    given.iter().flatten().filter_map(|given| errors.take(item(given))).collect()
}

fn require<T: std::str::FromStr<Err = Invalid>>(
    given: &Option<Given>,
    field: &str,
    expected: &str,
    target: &Option<Origin>,
) -> Result<T, Invalid> {
    require_with(given, field, expected, target, str::parse)
}

fn require_with<T>(
    given: &Option<Given>,
    field: &str,
    expected: &str,
    target: &Option<Origin>,
    read: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Result<T, Invalid> {
    match given.as_ref().filter(|given| !given.text.is_empty()) {
        Some(given) => given.read(read),
        None => Err(missing(field, expected, target)),
    }
}

/// A field that is not given; `target` is its table in the file.
fn missing(field: &str, expected: &str, target: &Option<Origin>) -> Invalid {
    let (flag, variable) = (field.replace('_', "-"), field.to_uppercase());
    let invalid = Invalid::new(field, expected, "nothing");
    match target {
        Some(origin) => {
            invalid.at(origin).help(format!("add `{field} = \"…\"` to this table or to [defaults]"))
        }
        None => invalid.help(format!("give --{flag}, or set PIPEPROBE_{variable}, or `{field}` in a file")),
    }
}

/// A host that is a name: certificates are verified against names.
pub(super) fn host_name(field: &str, text: &str) -> Result<Host, Invalid> {
    let host = Host::parse(field, text)?;
    match host.ip() {
        Some(_) => Err(Invalid::new(
            field,
            "a host name, such as the RDS endpoint",
            format!("the IP address `{host}`"),
        )),
        None => Ok(host),
    }
}

fn port(field: &str, text: &str) -> Result<u16, Invalid> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| Invalid::new(field, "a port from 1 to 65535", quoted(text)))
}

fn database(name: &str) -> Result<String, Invalid> {
    no_placeholder("database", name)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Invalid::new("database", "the name of a database", quoted(name)));
    }
    Ok(name.to_owned())
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
    target: &Option<Origin>,
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
    match role.partition() == region.partition() {
        true => Ok(()),
        false => {
            let expected =
                format!("a role of partition {}, which Region {region} belongs to", region.partition());
            Err(Invalid::new(field, expected, quoted(role)).at(&given.origin))
        }
    }
}

/// `session_tags` and `transitive_tags`; one small tag if there are none.
pub(super) fn session_tags(fields: &TargetFields) -> Result<SessionTags, Invalid> {
    let origin = |given: &Option<Vec<Given>>| given.iter().flatten().map(|given| given.origin.clone()).next();
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

fn session_duration(text: &str, roles: usize) -> Result<Duration, Invalid> {
    // STS limits sessions of chained roles to an hour.
    let longest = if roles > 1 { HOUR } else { 12 * HOUR };
    duration("duration", text, DEFAULT_DURATION..=longest)
}

/// # Errors
/// A text that is not a duration, or one outside of `range`.
pub(super) fn duration(
    field: &str,
    text: &str,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Invalid> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
    parsed.filter(|d| range.contains(d)).ok_or_else(|| {
        let shown = |d: &Duration| match d.as_secs() {
            s if s % 3600 == 0 => format!("{}h", s / 3600),
            s if s % 60 == 0 => format!("{}m", s / 60),
            s => format!("{s}s"),
        };
        let (least, most) = (shown(range.start()), shown(range.end()));
        Invalid::new(
            field,
            format!("a duration from {least} to {most}, such as 30s, 15m or 1h"),
            quoted(text),
        )
    })
}

impl Context<'_> {
    /// Certificates: those of a file, or the PEM text itself.
    pub(super) fn ca(&self, field: &str, given: &Given) -> Result<CaCertificate, Invalid> {
        let ca = CaCertificate { pem: self.pem(field, given)? };
        given.read(|_| {
            trust::web_roots(Some(&ca)).map_err(|invalid| Invalid { field: field.to_owned(), ..invalid })
        })?;
        Ok(ca)
    }

    /// The content of a PEM file, or the PEM text itself. A path in a file is relative to the folder of that file.
    ///
    /// # Errors
    /// A file that cannot be read. The text is quoted only if it can be a path, and never if the field is for a key: it
    /// can be a key without its armor.
    pub(super) fn pem(&self, field: &str, given: &Given) -> Result<std::sync::Arc<str>, Invalid> {
        if given.text.contains("-----BEGIN") {
            return Ok(given.text.as_str().into());
        }
        let path = match &given.origin {
            Origin::File { path, .. } => Path::new(path).parent().unwrap_or(Path::new("")).join(&given.text),
            _ => Path::new(&given.text).to_owned(),
        };
        self.files.pem(&path).map_err(|why| {
            let path_like = given.text.len() <= 255 && !given.text.contains(char::is_whitespace);
            let found = match field != "tls_key" && path_like {
                true => format!("{}: {why}", quoted(&given.text)),
                false => format!("a text of {} characters (not shown): {why}", given.text.chars().count()),
            };
            let expected = "the path of a PEM file that can be read, or PEM text (-----BEGIN …)";
            Invalid::new(field, expected, found).at(&given.origin)
        })
    }
}
