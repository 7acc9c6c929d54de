//! Which provider the source credentials come from: profile, kind, file. The SDK's errors name none of them, so the
//! environment and the profile files are read here too, in the order of the SDK's chain.
//!
//! Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers" and "Shared config and credentials files".

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::{
    error::EnvConfigFileLoadError,
    file::{EnvConfigFileKind, EnvConfigFiles},
    section::EnvConfigSections,
    source,
};
use aws_types::os_shim_internal::{Env, Fs};

use super::{IdentityError, http, in_words};
use crate::{
    diagnostic::printable,
    target::{Access, nearest},
};

/// Source credentials that were not found, or a provider that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFailure {
    pub kind: FailureKind,
    /// Profile, kind and file; empty if no provider was found.
    pub provider: String,
    /// The profile that has the failed setting. `None` outside of profiles.
    pub profile: Option<String>,
    pub what: String,
}

/// What has to be done about a [`ProviderFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    NoProvider,
    NoHome,
    UnknownProfile,
    /// IAM Identity Center.
    SsoSession,
    /// `aws login`.
    LoginSession,
    Process,
    Mfa,
    TokenFile,
    /// It has neither failed nor returned credentials in the time of the run.
    Slow,
    Other,
}

impl ProviderFailure {
    fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self { kind, provider: String::new(), profile: None, what: what.into() }
    }

    /// A failure that is not one of a provider.
    pub(super) fn other(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Other, what)
    }
}

impl std::fmt::Display for ProviderFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.provider.as_str() {
            "" => f.write_str(&self.what),
            provider => write!(f, "{provider}: {}", self.what),
        }
    }
}

/// The first provider of the chain that is configured.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    kind: Kind,
    description: String,
    profile: Option<String>,
    /// A role of the profile requires an MFA code, for which the SDK does not ask.
    mfa: bool,
    hint: Option<ProviderFailure>,
    /// To look at a token file after a failure.
    fs: Fs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Environment,
    Keys,
    Sso,
    Login,
    Process,
    WebIdentity,
    Container {
        token_file: Option<String>,
    },
    /// Another setting of a profile.
    Setting,
    /// Nothing is configured; instance metadata is what remains.
    Metadata,
}

/// The files of a profile, by name of their variable, their default, and kind.
const FILES: [(&str, &str, EnvConfigFileKind); 2] = [
    ("AWS_CONFIG_FILE", "~/.aws/config", EnvConfigFileKind::Config),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", EnvConfigFileKind::Credentials),
];

impl Provider {
    /// As [`Self::find`], in the environment of this process.
    pub(super) async fn here(profile: Option<&String>) -> Result<Self, ProviderFailure> {
        Self::find(profile.map(String::as_str), &Env::real(), &Fs::real()).await
    }

    /// `profile`: of the target. It comes before everything, as in the SDK.
    ///
    /// # Errors
    /// If a profile is named that does not exist, or a file cannot be read: the chain would go on to another provider,
    /// and use credentials that are not meant.
    async fn find(profile: Option<&str>, env: &Env, fs: &Fs) -> Result<Self, ProviderFailure> {
        let variable = |name: &str| env.get(name).ok().filter(|value| !value.trim().is_empty());
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| variable(name).is_some());
        if profile.is_none() && keys == [true, true] {
            return Ok(Self::of(Kind::Environment, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        }
        let named = profile.map(str::to_owned).or_else(|| env.get("AWS_PROFILE").ok());
        let is_homeless = env.get("HOME").is_err();
        let reads_home = FILES.iter().any(|(variable, _, _)| env.get(variable).is_err());
        let no_home = (is_homeless && reads_home).then(|| {
            ProviderFailure::new(
                FailureKind::NoHome,
                "HOME is not set, so ~/.aws/config and ~/.aws/credentials are not read",
            )
        });
        let name = named.clone().unwrap_or_else(|| "default".to_owned());
        let all = load(&EnvConfigFiles::default(), env, fs)
            .await
            .map_err(|error| ProviderFailure::other(in_words(&error)))?;
        if named.is_some() && all.get_profile(&name).is_none() {
            return Err(no_home.unwrap_or_else(|| unknown(&name, &all, env, profile.is_some())));
        }
        if let Some(mut found) = in_profile(&name, &all) {
            let at = found.profile.as_deref().unwrap_or(&name);
            found.description =
                format!("profile {at} in {} ({})", file_of(at, env, fs).await, found.description);
            found.fs = fs.clone();
            return Ok(found);
        }
        let mut rest = Self { fs: fs.clone(), ..outside(&variable) };
        rest.hint = match (&named, keys) {
            (_, [true, false]) => Some("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not".to_owned()),
            (_, [false, true]) => Some("AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not".to_owned()),
            (Some(_), _) => Some(format!(
                "profile {name} in {} has no credentials: no keys, SSO session, credential_process or role_arn",
                file_of(&name, env, fs).await
            )),
            _ => None,
        }
        .map(|what| ProviderFailure { profile: named, ..ProviderFailure::new(FailureKind::NoProvider, what) })
        .or(no_home);
        Ok(rest)
    }

    fn of(kind: Kind, description: impl Into<String>) -> Self {
        Self { kind, description: description.into(), profile: None, mfa: false, hint: None, fs: Fs::real() }
    }

    fn failed(&self, kind: FailureKind, what: impl Into<String>) -> ProviderFailure {
        ProviderFailure {
            kind,
            provider: self.description.clone(),
            profile: self.profile.clone(),
            what: what.into(),
        }
    }

    /// Why there are no credentials.
    pub(super) async fn failure(&self, error: &CredentialsError) -> ProviderFailure {
        if let CredentialsError::CredentialsNotLoaded(_) = error {
            return self.hint.clone().unwrap_or_else(|| {
                let what = "no source has any (environment, shared config and credentials files, SSO, \
                            credential_process, web identity, container, instance metadata)";
                ProviderFailure::new(FailureKind::NoProvider, what)
            });
        }
        if let Kind::Container { token_file: Some(file) } = &self.kind
            && self.fs.read_to_end(file).await.is_ok_and(|token| token.iter().any(u8::is_ascii_control))
        {
            let what =
                format!("the token in {file} ends with a line break or contains one, so it cannot be sent");
            return self.failed(FailureKind::TokenFile, what);
        }
        let words = in_words(error);
        // Without any other provider, every machine that is not an EC2 instance ends here.
        if self.kind == Kind::Metadata {
            let failure =
                || self.failed(FailureKind::NoProvider, format!("no other source is configured; {words}"));
            return self.hint.clone().unwrap_or_else(failure);
        }
        let kind = match &self.kind {
            _ if http::is_connection_error(error) => FailureKind::Other,
            _ if self.mfa && words.contains("AccessDenied") => FailureKind::Mfa,
            Kind::Sso => FailureKind::SsoSession,
            Kind::Login => FailureKind::LoginSession,
            Kind::Process => FailureKind::Process,
            _ => FailureKind::Other,
        };
        self.failed(kind, words)
    }
}

/// The provider that has not answered yet, if it is the one that is waited for.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<Mutex<Option<Provider>>>);

impl Waiting {
    /// Waits for the answer of a provider.
    pub(super) async fn during<T>(&self, provider: &Provider, answer: impl Future<Output = T>) -> T {
        let set = |to| *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
        set(Some(provider.clone()));
        let answer = answer.await;
        set(None);
        answer
    }

    /// The error of a run that has ended without an answer.
    pub fn late(&self, access: &Access, limit: Duration) -> IdentityError {
        let seconds = limit.as_secs();
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(provider) => IdentityError::NoCredentials(
                provider.failed(FailureKind::Slow, format!("no credentials within {seconds} s")),
            ),
            None => IdentityError::Unreachable {
                role: access.roles.last().map(ToString::to_string).unwrap_or_default(),
                what: format!("no answer within {seconds} s"),
            },
        }
    }
}

/// What a profile says, following `source_profile`. `None` if it has no credentials.
fn in_profile(name: &str, all: &EnvConfigSections) -> Option<Provider> {
    let (mut at, mut mfa, mut seen) = (name, false, Vec::new());
    loop {
        let profile = all.get_profile(at)?;
        let is_set = |key: &str| profile.get(key).is_some();
        let role = is_set("role_arn") && !is_set("web_identity_token_file");
        mfa |= role && is_set("mfa_serial");
        let here = |kind, description: String| {
            Some(Provider {
                kind,
                description,
                profile: Some(at.to_owned()),
                mfa,
                hint: None,
                fs: Fs::real(),
            })
        };
        let has_keys = is_set("aws_access_key_id");
        let first = seen.is_empty();
        if role && (first || !has_keys) {
            match profile.get("source_profile") {
                Some(next) if next != at && !seen.contains(&at) => {
                    seen.push(at);
                    at = next;
                    if all.get_profile(at).is_none() {
                        let from = seen.last().copied().unwrap_or(name).to_owned();
                        let description = format!("source_profile {at}");
                        return Some(Provider { profile: Some(from), ..here(Kind::Setting, description)? });
                    }
                    continue;
                }
                Some(next) if next == at => {}
                _ => {
                    let source = profile.get("credential_source").unwrap_or("role_arn");
                    return here(Kind::Setting, format!("credential_source {source}"));
                }
            }
        }
        let value = |key: &str| printable(profile.get(key).unwrap_or_default());
        return if is_set("web_identity_token_file") {
            here(Kind::WebIdentity, format!("web_identity_token_file {}", value("web_identity_token_file")))
        } else if is_set("sso_session") {
            here(Kind::Sso, format!("SSO session {}", value("sso_session")))
        } else if is_set("sso_start_url") || is_set("sso_account_id") {
            here(Kind::Sso, format!("SSO at {}", value("sso_start_url")))
        } else if is_set("login_session") {
            here(Kind::Login, format!("login_session {}", value("login_session")))
        } else if is_set("credential_process") {
            // Its arguments can contain secrets.
            here(Kind::Process, "credential_process".to_owned())
        } else if has_keys {
            here(Kind::Keys, "aws_access_key_id".to_owned())
        } else {
            None
        };
    }
}

/// The providers after the profile.
fn outside(variable: &dyn Fn(&str) -> Option<String>) -> Provider {
    let container =
        ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"].into_iter();
    if let Some(file) = variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        Provider::of(Kind::WebIdentity, format!("web identity (AWS_WEB_IDENTITY_TOKEN_FILE {file})"))
    } else if let Some(name) = container.into_iter().find(|name| variable(name).is_some()) {
        let token_file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let token = token_file.as_ref().map(|file| format!(", token file {file}")).unwrap_or_default();
        Provider::of(Kind::Container { token_file }, format!("container or EKS Pod Identity ({name}{token})"))
    } else {
        Provider::of(Kind::Metadata, "instance metadata")
    }
}

async fn load(
    files: &EnvConfigFiles,
    env: &Env,
    fs: &Fs,
) -> Result<EnvConfigSections, EnvConfigFileLoadError> {
    Ok(EnvConfigSections::parse(source::load(env, fs, files).await?)?)
}

fn unknown(name: &str, all: &EnvConfigSections, env: &Env, is_option: bool) -> ProviderFailure {
    let files = FILES.map(|(variable, default, _)| env.get(variable).unwrap_or_else(|_| default.to_owned()));
    let source = if is_option { "" } else { ", which AWS_PROFILE names," };
    let mut names: Vec<&str> = all.profiles().collect();
    names.sort_unstable();
    let mut what = match name {
        "" => {
            format!("AWS_PROFILE is empty, and {} and {} have no profile without a name", files[0], files[1])
        }
        name => format!("profile {name}{source} is neither in {} nor in {}", files[0], files[1]),
    };
    if let Some(near) = nearest(name, names.iter().copied()) {
        what += &format!("; did you mean {near}?");
    }
    if !names.is_empty() {
        what += &format!(" (profiles: {})", names.join(", "));
    }
    let what = printable(&what);
    ProviderFailure {
        profile: Some(name.to_owned()),
        ..ProviderFailure::new(FailureKind::UnknownProfile, what)
    }
}

/// The file that has a profile.
async fn file_of(name: &str, env: &Env, fs: &Fs) -> String {
    let mut found = Vec::new();
    for (variable, default, kind) in FILES {
        let path = env.get(variable).unwrap_or_else(|_| default.to_owned());
        let full = match (path.strip_prefix("~/"), env.get("HOME")) {
            (Some(rest), Ok(home)) => format!("{home}/{rest}"),
            _ => path.clone(),
        };
        let file = EnvConfigFiles::builder().with_file(kind, full).build();
        let alone = load(&file, env, fs).await;
        if alone.is_ok_and(|alone| alone.get_profile(name).is_some()) {
            found.push(path);
        }
    }
    found.join(" and ")
}

#[cfg(test)]
mod tests;
