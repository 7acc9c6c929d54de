//! One `clickhouse_clickpipe`: its attributes as fields of a target, and the problems that they show.

mod tables;

use std::collections::BTreeMap;

use serde_json::Number;

use super::{
    DeclaredPipe, ServiceFacts,
    attributes::{Attributes, Credentials, Source},
    marks::Marks,
};
use crate::{
    cli::{Given, fields::Fields},
    clickpipes,
    target::{DbUser, Declaration, Host, Invalid, Origin, Problem, ProblemKind, Region, SourceType, quoted},
};

/// What a resource is for pipeprobe.
pub(super) enum Read {
    Pipe(Box<DeclaredPipe>),
    /// It does not log in with IAM; with the reason.
    Skipped(String),
}

const IAM_ROLE: &str = "IAM_ROLE";

pub(super) struct PipeReader<'a> {
    origin: Origin,
    unknown: &'a Marks,
    sensitive: &'a Marks,
    /// `plan` or `state`.
    document: &'static str,
    declaration: Declaration,
}

impl<'a> PipeReader<'a> {
    pub(super) fn new(
        origin: Origin,
        unknown: &'a Marks,
        sensitive: &'a Marks,
        document: &'static str,
    ) -> Self {
        Self { origin, unknown, sensitive, document, declaration: Declaration::default() }
    }

    pub(super) fn read(mut self, attributes: Attributes, services: &BTreeMap<String, ServiceFacts>) -> Read {
        self.declaration.pipe_name = attributes.name.filter(|_| !self.sensitive.is(&["name"]));
        let service = attributes.service_id.and_then(|id| services.get(&id).cloned()).unwrap_or_default();
        let sources = attributes.source.unwrap_or_default();
        let source = sources.into_iter().find_map(|(name, value)| Some((name, value?)));
        let (engine, source) = match source {
            Some((name, value)) if name == "postgres" || name == "mysql" => {
                match serde_json::from_str::<Source>(value.get()) {
                    Ok(source) => (name, source),
                    Err(_) => {
                        let path = ["source", &*name];
                        self.invalid(None, &path, "the attributes of ClickHouse's provider", "another form");
                        return self.pipe(Fields::default(), service);
                    }
                }
            }
            Some((name, _)) => return Read::Skipped(format!("source {}", quoted(name))),
            None => {
                let known = ["postgres", "mysql"].into_iter().find(|name| self.unknown.is(&["source", name]));
                let Some(name) = known else {
                    return Read::Skipped("no source".to_owned());
                };
                let whole = if self.unknown.is(&["source"]) { &["source"][..] } else { &["source", name] };
                self.known_after_apply(None, whole);
                return self.pipe(Fields::default(), service);
            }
        };
        if let Some(reason) = self.authentication(&engine, &source) {
            return Read::Skipped(reason);
        }
        let fields = self.fields(&engine, source);
        self.pipe(fields, service)
    }

    fn pipe(self, mut fields: Fields, service: ServiceFacts) -> Read {
        fields.pipe.service_region = service.region;
        let name = match self.origin {
            Origin::Resource { address, .. } => address,
            _ => String::new(),
        };
        let fields =
            Fields { target: fields.target.without_empty(), pipe: fields.pipe.without_empty(), ..fields };
        Read::Pipe(Box::new(DeclaredPipe {
            name,
            fields,
            declaration: self.declaration,
            service_role: service.role,
            service_created: service.created,
            security_groups: None,
        }))
    }

    /// The reason to skip the pipe, if it does not log in with IAM.
    fn authentication(&mut self, engine: &str, source: &Source) -> Option<String> {
        let path = ["source", engine, "authentication"];
        let has_role = source.iam_role.as_ref().is_some_and(|role| !role.is_empty());
        match source.authentication.as_deref() {
            None if self.unknown.is(&path) => self.known_after_apply(None, &path),
            Some(IAM_ROLE) => {
                let credentials = source.credentials.as_ref();
                let has_password =
                    credentials.is_some_and(|c| c.password.is_some() || c.password_wo.is_some());
                if has_password {
                    self.problem(
                        ProblemKind::PasswordWithRole,
                        None,
                        &["source", engine, "credentials"],
                        ("no password with authentication = \"IAM_ROLE\"", "a password (not shown)"),
                        "remove the password: the provider refuses it at apply",
                    );
                }
                let role = ["source", engine, "iam_role"];
                if !has_role && !self.unknown.is(&role) {
                    self.problem(
                        ProblemKind::RoleMissing,
                        Some("iam_role"),
                        &role,
                        ("the ARN of the access role, with authentication = \"IAM_ROLE\"", "nothing"),
                        "set iam_role: the provider refuses the pipe at apply without it",
                    );
                }
            }
            Some(_) | None if has_role => self.problem(
                ProblemKind::BasicWithRole,
                None,
                &path,
                ("\"IAM_ROLE\", because iam_role is set", "basic authentication"),
                "set authentication = \"IAM_ROLE\" and remove the password, or remove iam_role: the provider refuses both \
                 at apply",
            ),
            Some(other) if !self.sensitive.is(&path) => {
                return Some(format!("authentication is {}", quoted(other)));
            }
            Some(_) => return Some("authentication is not \"IAM_ROLE\"".to_owned()),
            None => return Some("authentication is `basic`".to_owned()),
        }
        None
    }

    fn fields(&mut self, engine: &str, source: Source) -> Fields {
        let mut fields = Fields::default();
        let port = source.port.as_ref().map(ToString::to_string);
        let t = &mut fields.target;
        t.host = self.given(engine, "host", "host", source.host);
        t.port = self.given(engine, "port", "port", port);
        t.database = self.given(engine, "database", "database", source.database);
        t.tls_host = self.given(engine, "tls_host", "tls_host", source.tls_host);
        t.iam_role = self.given(engine, "iam_role", "iam_role", source.iam_role);
        t.ca_certificate = self.ca_certificate(engine, source.ca_certificate);
        t.source_type = self.given(engine, "type", "type", source.kind.or(Some(engine.to_owned())));
        if let Some(kind) = &mut t.source_type {
            let host = t.tls_host.as_ref().or(t.host.as_ref());
            let host = host.and_then(|host| Host::parse("host", &host.text).ok());
            // The types postgres, mysql and mariadb are for every database of the engine.
            if let Some(source_type) = SourceType::of_engine(&kind.text, host.as_ref()) {
                *kind = kind.clone().with_text(source_type.name().to_owned());
            }
        }
        t.user = self.user(engine, source.credentials.unwrap_or_default());
        self.region(engine, t.tls_host.as_ref(), t.host.as_ref());
        for (name, is_set, kind) in [
            ("disable_tls", source.disable_tls, ProblemKind::TlsDisabled),
            ("skip_cert_verification", source.skip_cert_verification, ProblemKind::TlsUnverified),
        ] {
            let path = ["source", engine, name];
            if is_set.is_none() && self.unknown.is(&path) {
                self.known_after_apply(None, &path);
            }
            if is_set == Some(true) {
                let expected = "false: the IAM token is a password, and is sent over this connection";
                self.problem(kind, None, &path, (expected, "true"), &format!("remove {name}"));
            }
        }
        let settings = source.settings.unwrap_or_default();
        let mut setting = |key, name, value| self.given_at(&["source", engine, "settings", name], key, value);
        let p = &mut fields.pipe;
        p.replication_mode = setting("replication_mode", "replication_mode", settings.replication_mode);
        p.replication_mechanism =
            setting("replication_mechanism", "replication_mechanism", settings.replication_mechanism);
        p.replication_slot_name =
            setting("replication_slot_name", "replication_slot_name", settings.replication_slot_name);
        p.publication = setting("publication", "publication_name", settings.publication_name);
        let failover = settings.enable_failover_slots.as_ref().map(ToString::to_string);
        p.enable_failover_slots = setting("enable_failover_slots", "enable_failover_slots", failover);
        // Terraform does not know these before apply if they are not set; ClickPipes then uses its defaults.
        let number = |given: Option<Number>| given.map(|number| self.value(number.to_string()));
        p.server_id = number(source.server_id);
        p.initial_load_parallelism = number(settings.initial_load_parallelism);
        p.snapshot_number_of_parallel_tables = number(settings.snapshot_number_of_parallel_tables);
        if let Some(tables) = self.tables(engine, source.table_mappings) {
            p.tables = Some(tables.names);
            p.excluded_columns = Some(tables.excluded);
            p.sorting_keys = Some(tables.sorting);
            p.partition_keys = Some(tables.partition);
            p.table_engines = Some(tables.engines);
        }
        fields
    }

    fn given(
        &mut self,
        engine: &str,
        attribute: &str,
        key: &'static str,
        value: Option<String>,
    ) -> Option<Given> {
        self.given_at(&["source", engine, attribute], key, value)
    }

    /// The value of an attribute. A value that is not known yet is a problem, and has no default.
    fn given_at(&mut self, path: &[&str], key: &'static str, value: Option<String>) -> Option<Given> {
        if self.unknown.is(path) {
            self.known_after_apply(Some(key), path);
            return None;
        }
        let value = value?;
        // The user name of the ClickPipes guide is public.
        if self.sensitive.is(path) && value != DbUser::DEFAULT {
            self.declaration.sensitive.push(&value);
        }
        Some(self.value(value))
    }

    fn value(&self, text: String) -> Given {
        Given::new(text, self.origin.clone())
    }

    /// PEM text. A path would be one of the machine that runs pipeprobe.
    fn ca_certificate(&mut self, engine: &str, value: Option<String>) -> Option<Given> {
        let path = ["source", engine, "ca_certificate"];
        let given = self.given_at(&path, "ca_certificate", value).filter(|given| !given.text.is_empty())?;
        if given.text.contains("-----BEGIN") {
            return Some(given);
        }
        let found = format!("a text of {} characters (not shown)", given.text.chars().count());
        self.invalid(Some("ca_certificate"), &path, "PEM text (-----BEGIN …)", &found);
        None
    }

    fn user(&mut self, engine: &str, credentials: Credentials) -> Option<Given> {
        let path = ["source", engine, "credentials", "username"];
        let is_missing = credentials.username.as_ref().is_none_or(String::is_empty);
        if is_missing && !self.unknown.is(&path) {
            let expected = "the database user";
            let found = format!("nothing in the {}: {} is checked", self.document, DbUser::DEFAULT);
            self.problem(
                ProblemKind::UserMissing,
                Some("user"),
                &path,
                (expected, &found),
                "if the pipe has another user, give it with --user",
            );
        }
        self.given_at(&path, "user", credentials.username)
    }

    /// ClickPipes reads the Region from the name that it verifies.
    fn region(&mut self, engine: &str, tls_host: Option<&Given>, host: Option<&Given>) {
        let is_open = ["tls_host", "host"].iter().any(|name| self.unknown.is(&["source", engine, name]));
        let non_empty =
            |given: Option<&'_ Given>| given.map(|g| g.text.clone()).filter(|text| !text.is_empty());
        let Some(name) = non_empty(tls_host).or(non_empty(host)).filter(|_| !is_open) else { return };
        let is_read = clickpipes::region_in(&name).is_some_and(|region| region.parse::<Region>().is_ok());
        if !is_read {
            let found = quoted(&name);
            self.problem(
                ProblemKind::RegionUnreadable,
                Some("region"),
                &["source", engine, "tls_host"],
                ("the name of the RDS endpoint, which contains the Region", &found),
                "set tls_host to the name of the RDS endpoint (NAME.ID.REGION.rds.amazonaws.com); for PrivateLink too",
            );
        }
    }

    fn known_after_apply(&mut self, key: Option<&'static str>, path: &[&str]) {
        self.problem(
            ProblemKind::KnownAfterApply,
            key,
            path,
            ("a value that is known before apply", "known only after apply"),
            "use --terraform-state after apply",
        );
    }

    fn invalid(&mut self, key: Option<&'static str>, path: &[&str], expected: &str, found: &str) {
        let help = format!("correct {}", path.join("."));
        self.problem(ProblemKind::Invalid, key, path, (expected, found), &help);
    }

    fn problem(
        &mut self,
        kind: ProblemKind,
        key: Option<&'static str>,
        path: &[&str],
        (expected, found): (&str, &str),
        help: &str,
    ) {
        let found = self.declaration.sensitive.hide(found);
        let invalid = Invalid::new(&path.join("."), expected, found).remedy(help);
        self.declaration.problems.push(Problem { kind, key, invalid });
    }
}
