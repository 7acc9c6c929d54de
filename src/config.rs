//! What is meant: targets and options, from flags over environment over file over defaults.
//! Everything is read and checked here, before anything is dialled.

pub mod file;
mod serve;
mod setup;
mod subject;

use std::{collections::BTreeMap, fs, path::Path, str::FromStr, time::Duration};

use file::{Fields, File, Number};
pub use serve::{MonitoredTarget, Schedule, Serve, Thresholds, Web};
pub use setup::Setup;
pub use subject::LintConfig;

use crate::{
    cli::{self, CheckFormat, TargetArgs},
    diagnostic::{Basis, Capability, Requirement},
    target::{
        Access, CaCertificate, DbUser, Endpoint, Engine, Host, Invalid, Operator, Pipe, RdsName, Region,
        ReplicationMode, RoleArn, SessionName, SessionTag, SessionTags, SourceType, Target, no_placeholder,
        quoted,
    },
    trust,
};

/// What `check` is to do.
#[derive(Clone, Debug)]
pub struct Config {
    pub targets: Vec<Target>,
    pub basis: Basis,
    /// What every target must allow; `None` where each target's own `replication_mode` says it.
    pub require: Option<Capability>,
    pub fail_on_warning: bool,
    /// For one check of one target, from the first step to the last.
    pub timeout: Duration,
    /// How long to check again what is not met; `None`: check once.
    pub wait: Option<Duration>,
    /// After a refusal, at most one more STS call and one more login.
    pub retry: bool,
    pub output: CheckFormat,
}

/// Variables of the environment that no flag declares: aws-vault's.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The shortest session STS gives; a check needs no more.
const DEFAULT_DURATION: Duration = Duration::from_secs(900);

impl Config {
    /// # Errors
    /// The first field that cannot be used.
    pub fn read(args: cli::Check, environment: Environment<'_>) -> Result<Self, Invalid> {
        let chosen = Fields {
            explain_with_profile: given(args.operator.explain_with_profile),
            explain_with_role: given(args.operator.explain_with_role),
            ..chosen(args.pipe)
        };
        let targets = targets(args.file.config_file.as_deref(), &args.names, args.target, environment)?
            .into_iter()
            .map(|(name, fields)| {
                read_target(name, chosen.clone().over(fields), Needs::AccessRole, environment)
            })
            .collect::<Result<Vec<_>, _>>()?;
        require_feature(&targets)?;
        let config = Self {
            targets,
            basis: given(args.basis).map_or(Ok(Basis::Guide), |text| text.parse())?,
            require: required_capability(args.require)?,
            fail_on_warning: fail_on_warning(args.fail_on)?,
            timeout: given(args.timeout).map_or(Ok(DEFAULT_TIMEOUT), |text| {
                duration("timeout", &text, Duration::from_secs(1)..=Duration::from_secs(3600))
            })?,
            wait: given(args.wait)
                .map(|text| duration("wait", &text, Duration::from_secs(1)..=Duration::from_secs(86_400)))
                .transpose()?,
            retry: !args.no_second_look,
            output: args.output.output,
        };
        config.targets.iter().try_for_each(|target| can_be_required(config.require, target))?;
        Ok(config)
    }

    /// By what a target's run is judged.
    pub fn requirement(&self, target: &Target) -> Requirement {
        requirement(self.basis, self.require, target)
    }
}

/// What must be met: what is required of every target, else the mode that was asked for, which must be possible.
fn requirement(basis: Basis, require: Option<Capability>, target: &Target) -> Requirement {
    let required = require.unwrap_or(match target.pipe.mode {
        Some(ReplicationMode::Cdc | ReplicationMode::CdcOnly) => Capability::Cdc,
        Some(ReplicationMode::Snapshot) | None => Capability::InitialLoadOnly,
    });
    Requirement { basis, required }
}

fn required_capability(text: Option<String>) -> Result<Option<Capability>, Invalid> {
    match given(text).as_deref() {
        None => Ok(None),
        Some("initial_load_only" | "initial-load") => Ok(Some(Capability::InitialLoadOnly)),
        Some("cdc") => Ok(Some(Capability::Cdc)),
        Some(other) => Err(Invalid::new("require", "initial-load or cdc", quoted(other))),
    }
}

fn can_be_required(require: Option<Capability>, target: &Target) -> Result<(), Invalid> {
    match require {
        Some(Capability::Cdc) if !target.pipe.follows_changes() => Err(Invalid::new(
            "require",
            format!("initial-load, since the replication_mode of {} is snapshot", target.name),
            quoted("cdc"),
        )),
        _ => Ok(()),
    }
}

/// The operator's look costs two large SDK crates, so not every pipeprobe has it.
fn require_feature(targets: &[Target]) -> Result<(), Invalid> {
    let operator = targets.iter().find_map(|target| target.operator.as_ref());
    match operator {
        Some(operator) if !cfg!(feature = "aws-diagnostics") => {
            let field = if operator.profile.is_some() { "explain_with_profile" } else { "explain_with_role" };
            Err(Invalid::new(
                field,
                "a pipeprobe that was built for it: cargo install --path . --features operator",
                "one that was built without the feature operator",
            ))
        }
        _ => Ok(()),
    }
}

/// The one target `token` signs for. It may have no role: then the source credentials sign.
///
/// # Errors
/// The first field that cannot be used, or no single target named.
pub fn token_target(args: cli::Token, environment: Environment<'_>) -> Result<Target, Invalid> {
    let expected = ("NAME", "one target to sign for");
    let (name, fields) = one_target(&args.file, args.name, args.target, environment, expected)?;
    read_target(name, fields, Needs::NoRole, environment)
}

/// For commands that are about one target. `expected`: the field that names it, and what it is for.
fn one_target(
    file: &cli::ConfigFile,
    name: Option<String>,
    args: TargetArgs,
    environment: Environment<'_>,
    (field, expected): (&str, &str),
) -> Result<(Option<String>, Fields), Invalid> {
    let names: Vec<String> = name.into_iter().collect();
    let mut found = targets(file.config_file.as_deref(), &names, args, environment)?;
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (_, more) => Err(Invalid::new(field, expected, format!("{} in the file", more + 1))),
    }
}

/// The fields of every target asked for, and the name it has in the file.
fn targets(
    path: Option<&Path>,
    names: &[String],
    args: TargetArgs,
    environment: Environment<'_>,
) -> Result<Vec<(Option<String>, Fields)>, Invalid> {
    let typed = typed(args, environment)?;
    let Some(path) = path else {
        return match names.first() {
            None => Ok(vec![(None, typed)]),
            Some(name) => Err(Invalid::new(
                "config_file",
                format!("a file that defines the target `{name}`"),
                "no --config-file",
            )),
        };
    };
    targets_of(path, read_file(path)?, names, &typed)
}

fn read_file(path: &Path) -> Result<File, Invalid> {
    let text = fs::read_to_string(path).map_err(|e| unreadable("config_file", path, &e))?;
    file::parse(path, &text)
}

/// The targets of a file that are named, or all of it, with what was typed above what is written.
fn targets_of(
    path: &Path,
    file: File,
    names: &[String],
    typed: &Fields,
) -> Result<Vec<(Option<String>, Fields)>, Invalid> {
    let known = || file.targets.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    if file.targets.is_empty() {
        return Err(Invalid::new(
            "config_file",
            "at least one table [targets.NAME]",
            format!("none in {}", path.display()),
        ));
    }
    if let Some(stray) = names.iter().find(|name| !file.targets.contains_key(*name)) {
        return Err(Invalid::new(
            "NAME",
            format!("a target of {}: {}", path.display(), known()),
            quoted(stray),
        ));
    }
    let chosen: Vec<_> =
        file.targets.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect();
    if chosen.len() > 1
        && let Some(field) = belongs_to_one(typed)
    {
        return Err(Invalid::new(
            field,
            "one target when it is given by flag or environment",
            format!("{} targets", chosen.len()),
        ));
    }
    let defaults = file.defaults;
    Ok(chosen
        .into_iter()
        .map(|(name, fields)| (Some(name), typed.clone().over(fields.over(defaults.clone()))))
        .collect())
}

/// A field that cannot be meant for several databases at once.
fn belongs_to_one(typed: &Fields) -> Option<&'static str> {
    [
        ("host", typed.host.is_some()),
        ("connect_to", typed.connect_to.is_some()),
        ("tls_host", typed.tls_host.is_some()),
        ("sign_host", typed.sign_host.is_some()),
    ]
    .into_iter()
    .find_map(|(field, given)| given.then_some(field))
}

fn given(value: Option<String>) -> Option<String> {
    value.filter(|v| !v.is_empty())
}

fn many(values: Option<Vec<String>>) -> Option<Vec<String>> {
    let values = values.map(|values| values.into_iter().filter(|v| !v.is_empty()).collect::<Vec<_>>());
    values.filter(|values| !values.is_empty())
}

/// What was typed, with what aws-vault put into the environment below it. An empty variable, as
/// container tools leave them, is one that is not set.
fn typed(args: TargetArgs, environment: Environment<'_>) -> Result<Fields, Invalid> {
    let vault = |name: &str| {
        let value = given(environment(name));
        value.map(|value| value.split(',').map(|s| s.trim().to_owned()).collect::<Vec<_>>())
    };
    // Transitive keys belong to the tags they came with.
    let (tags, transitive) = match many(args.session_tags) {
        Some(tags) => (Some(tags), many(args.transitive_tags)),
        None => {
            (vault("AWS_SESSION_TAGS"), many(args.transitive_tags).or_else(|| vault("AWS_TRANSITIVE_TAGS")))
        }
    };
    Ok(Fields {
        source_type: given(args.source_type),
        host: given(args.host),
        port: given(args.port).map(Number::Text),
        database: given(args.database),
        user: given(args.user),
        region: given(args.region),
        tls_host: given(args.tls_host),
        ca_certificate: given(args.ca_certificate),
        connect_to: given(args.connect_to),
        sign_host: given(args.sign_host),
        sign_port: given(args.sign_port).map(Number::Text),
        iam_role: given(args.iam_role),
        via_roles: many(args.via_roles),
        external_id: given(args.external_id),
        session_name: given(args.session_name),
        session_tags: tags.map(|tags| pairs(&tags)).transpose()?,
        transitive_tags: transitive,
        duration: given(args.duration),
        profile: given(args.profile),
        ..Fields::default()
    })
}

fn fail_on_warning(value: Option<String>) -> Result<bool, Invalid> {
    match given(value).as_deref() {
        None | Some("error") => Ok(false),
        Some("warning") => Ok(true),
        Some(other) => Err(Invalid::new("fail_on", "error or warning", quoted(other))),
    }
}

/// The choices typed about the pipe.
fn chosen(args: cli::PipeArgs) -> Fields {
    Fields {
        replication_mode: given(args.replication_mode),
        replication_mechanism: given(args.replication_mechanism),
        tables: many(args.tables),
        publication: given(args.publication),
        ..Fields::default()
    }
}

fn pairs(tags: &[String]) -> Result<BTreeMap<String, String>, Invalid> {
    let mut map = BTreeMap::new();
    for text in tags {
        let tag: SessionTag = text.parse()?;
        if map.insert(tag.key.clone(), tag.value).is_some() {
            return Err(Invalid::new("session_tags", "each key once", format!("`{}` twice", tag.key)));
        }
    }
    Ok(map)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    AccessRole,
    NoRole,
}

/// Gives fields their meaning. Errors name the target where it has a name in the file.
fn read_target(
    name: Option<String>,
    fields: Fields,
    needs: Needs,
    environment: Environment<'_>,
) -> Result<Target, Invalid> {
    let in_file = name.clone();
    target(name, fields, needs, environment).map_err(|e| match in_file {
        Some(name) => Invalid { field: format!("targets.{name}.{}", e.field), ..e },
        None => e,
    })
}

fn target(
    name: Option<String>,
    fields: Fields,
    needs: Needs,
    environment: Environment<'_>,
) -> Result<Target, Invalid> {
    let source_type: SourceType = required("type", fields.source_type, &SourceType::names())?.parse()?;
    let host = Host::parse("host", &required("host", fields.host, "the endpoint's name")?)?;
    let port = port("port", fields.port)?.unwrap_or(source_type.engine().default_port());
    let tls_host = match fields.tls_host {
        Some(text) => named("tls_host", &text)?,
        None if host.ip().is_some() => {
            return Err(Invalid::new(
                "tls_host",
                "the RDS endpoint's name, since host is an IP address",
                "nothing",
            ));
        }
        None => host.clone(),
    };
    let sign_host = fields.sign_host.map(|text| named("sign_host", &text)).transpose()?;
    let sign = Endpoint {
        host: sign_host.unwrap_or_else(|| tls_host.clone()),
        port: self::port("sign_port", fields.sign_port)?.unwrap_or(port),
    };
    let region = region(fields.region.as_deref(), &sign.host)?;
    let access = Access {
        roles: roles(fields.via_roles.unwrap_or_default(), fields.iam_role, &region, needs)?,
        external_id: optional(fields.external_id)?,
        session_name: fields.session_name.as_deref().unwrap_or(SessionName::DEFAULT).parse()?,
        tags: tags(fields.session_tags, fields.transitive_tags)?,
        duration: Duration::ZERO,
        profile: fields.profile,
        ca_bundle: given(environment("AWS_CA_BUNDLE")).map(|path| pem("AWS_CA_BUNDLE", &path)).transpose()?,
    };
    let operator = operator(fields.explain_with_profile, fields.explain_with_role, &region)?;
    Ok(Target {
        name: name.unwrap_or_else(|| host.to_string()),
        source_type,
        dial: match fields.connect_to {
            Some(text) => Endpoint::parse("connect_to", &text, port)?,
            None => Endpoint { host, port },
        },
        tls_host,
        sign,
        region,
        database: match (fields.database, source_type.engine()) {
            (Some(name), _) => Some(database(name)?),
            (None, Engine::Postgres) => Some("postgres".to_owned()),
            (None, Engine::Mysql | Engine::Mariadb) => None,
        },
        user: fields.user.as_deref().unwrap_or(DbUser::DEFAULT).parse()?,
        access: Access { duration: session_duration(fields.duration, access.roles.len())?, ..access },
        ca_certificate: fields.ca_certificate.map(|text| pem("ca_certificate", &text)).transpose()?,
        operator,
        pipe: Pipe {
            mode: optional(fields.replication_mode)?,
            mechanism: optional(only_of(
                "replication_mechanism",
                fields.replication_mechanism,
                &[Engine::Mysql, Engine::Mariadb],
                source_type,
            )?)?
            .unwrap_or_default(),
            tables: fields.tables.unwrap_or_default().iter().map(|t| t.parse()).collect::<Result<_, _>>()?,
            publication: only_of("publication", fields.publication, &[Engine::Postgres], source_type)?,
        },
    })
}

/// A choice that other engines do not have.
fn only_of(
    field: &str,
    value: Option<String>,
    engines: &[Engine],
    kind: SourceType,
) -> Result<Option<String>, Invalid> {
    if let Some(value) = &value {
        no_placeholder(field, value)?;
        if !engines.contains(&kind.engine()) {
            let names = engines.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(" or ");
            return Err(Invalid::new(
                field,
                format!("a {names} target, which alone has it"),
                format!("type = {}", kind.name()),
            ));
        }
    }
    Ok(value)
}

fn required(field: &str, value: Option<String>, expected: &str) -> Result<String, Invalid> {
    value.filter(|v| !v.is_empty()).ok_or_else(|| {
        let (flag, variable) = (field.replace('_', "-"), field.to_uppercase());
        Invalid::new(
            field,
            expected,
            format!("nothing (give --{flag}, PIPEPROBE_{variable}, or `{field}` in the file)"),
        )
    })
}

fn optional<T: FromStr<Err = Invalid>>(value: Option<String>) -> Result<Option<T>, Invalid> {
    value.map(|text| text.parse()).transpose()
}

/// A host that is a name: certificates are verified against names.
fn named(field: &str, text: &str) -> Result<Host, Invalid> {
    let host = Host::parse(field, text)?;
    match host.ip() {
        Some(_) => Err(Invalid::new(field, "the RDS endpoint's name", format!("the IP address `{host}`"))),
        None => Ok(host),
    }
}

fn port(field: &str, value: Option<Number>) -> Result<Option<u16>, Invalid> {
    value
        .map(|number| {
            let port = number.to_string().parse().ok().filter(|port| *port != 0);
            port.ok_or_else(|| Invalid::new(field, "a port from 1 to 65535", quoted(number)))
        })
        .transpose()
}

fn database(name: String) -> Result<String, Invalid> {
    no_placeholder("database", &name)?;
    if name.chars().any(char::is_control) {
        return Err(Invalid::new("database", "the name of a database", quoted(&name)));
    }
    Ok(name)
}

/// `region`, or what the RDS name says. Never a silent default: a token of the wrong Region is refused
/// by the server without a reason.
fn region(given: Option<&str>, sign_host: &Host) -> Result<Region, Invalid> {
    let in_name = RdsName::parse(sign_host).and_then(|name| name.region);
    match (given, in_name) {
        (None, Some(region)) => Ok(region),
        (None, None) => Err(Invalid::new(
            "region",
            format!("the database's Region, since `{sign_host}` does not name it"),
            "nothing (give --region, PIPEPROBE_REGION, or `region` in the file)",
        )),
        (Some(text), in_name) => {
            let region: Region = text.parse()?;
            match in_name {
                Some(named) if named != region => {
                    Err(Invalid::new("region", format!("{named}, as `{sign_host}` says"), quoted(region)))
                }
                _ => Ok(region),
            }
        }
    }
}

fn roles(
    via: Vec<String>,
    access: Option<String>,
    region: &Region,
    needs: Needs,
) -> Result<Vec<RoleArn>, Invalid> {
    let mut roles = Vec::new();
    for text in via {
        roles.push(("via_roles", RoleArn::parse("via_roles", &text)?));
    }
    match access {
        Some(text) => roles.push(("iam_role", RoleArn::parse("iam_role", &text)?)),
        None if needs == Needs::NoRole && roles.is_empty() => {}
        None => {
            required("iam_role", None, "the ARN of the access role")?;
        }
    }
    for (field, role) in &roles {
        if role.partition() != region.partition() {
            let expected = format!("a role of partition {}, as Region {region} is", region.partition());
            return Err(Invalid::new(field, expected, quoted(role)));
        }
    }
    Ok(roles.into_iter().map(|(_, role)| role).collect())
}

fn operator(
    profile: Option<String>,
    role: Option<String>,
    region: &Region,
) -> Result<Option<Operator>, Invalid> {
    let field = "explain_with_role";
    let role = role.map(|text| RoleArn::parse(field, &text)).transpose()?;
    match &role {
        Some(role) if role.partition() != region.partition() => {
            let expected = format!("a role of partition {}, as Region {region} is", region.partition());
            Err(Invalid::new(field, expected, quoted(role)))
        }
        None if profile.is_none() => Ok(None),
        _ => Ok(Some(Operator { profile, role })),
    }
}

fn tags(
    tags: Option<BTreeMap<String, String>>,
    transitive: Option<Vec<String>>,
) -> Result<SessionTags, Invalid> {
    let tags = match tags {
        Some(map) => map.iter().map(|(key, value)| SessionTag::new(key, value)).collect::<Result<_, _>>()?,
        None => SessionTags::default().tags,
    };
    SessionTags::new(tags, transitive.unwrap_or_default())
}

fn session_duration(text: Option<String>, roles: usize) -> Result<Duration, Invalid> {
    let longest = if roles > 1 { 3600 } else { 43_200 }; // a chain of roles is limited to an hour
    let range = Duration::from_secs(900)..=Duration::from_secs(longest);
    text.map_or(Ok(DEFAULT_DURATION), |text| duration("duration", &text, range))
}

fn duration(field: &str, text: &str, range: std::ops::RangeInclusive<Duration>) -> Result<Duration, Invalid> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
    parsed.filter(|d| range.contains(d)).ok_or_else(|| {
        let shown = |d: &Duration| match d.as_secs() {
            s if s % 3600 == 0 => format!("{}h", s / 3600),
            s if s % 60 == 0 => format!("{}m", s / 60),
            s => format!("{s}s"),
        };
        let expected = format!(
            "a duration from {} to {}, such as 30s, 15m or 1h",
            shown(range.start()),
            shown(range.end())
        );
        Invalid::new(field, expected, quoted(text))
    })
}

/// Certificates: a file's, or the PEM text itself.
fn pem(field: &str, text: &str) -> Result<CaCertificate, Invalid> {
    let pem = if text.contains("-----BEGIN") {
        text.to_owned()
    } else {
        fs::read_to_string(text).map_err(|e| unreadable(field, Path::new(text), &e))?
    };
    let ca = CaCertificate { pem };
    trust::web_roots(Some(&ca)).map_err(|e| Invalid { field: field.to_owned(), ..e })?;
    Ok(ca)
}

fn unreadable(field: &str, path: &Path, error: &std::io::Error) -> Invalid {
    Invalid::new(field, "a file that can be read", format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
pub(crate) mod tests;
