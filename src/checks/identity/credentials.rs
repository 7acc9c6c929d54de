//! Without AWS credentials there is no caller who could assume the access role.

use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
        connection::dial::local_failure,
    },
    diagnostic::Outcome,
    identity::{FailureKind, IdentityError, ProviderFailure},
    target::Target,
};

pub(crate) static CHECK: Check =
    Check::identity("AWS_CREDENTIALS", "AWS credentials are available", Judge::Run(judge))
        .expected("credentials from any standard AWS source")
        .source("AWS SDKs and Tools reference, Standardized credential providers")
        .causes(&[
            &AWS_NO_CREDENTIALS,
            &AWS_PROFILE_UNKNOWN,
            &AWS_HOME_MISSING,
            &AWS_SSO_SESSION,
            &AWS_LOGIN_SESSION,
            &AWS_CREDENTIAL_PROCESS,
            &AWS_MFA_REQUIRED,
            &AWS_TOKEN_FILE,
            &AWS_CREDENTIALS_SLOW,
            &AWS_PROVIDER_FAILED,
        ]);

pub(in crate::checks) static AWS_NO_CREDENTIALS: Cause = Cause::new(
    "AWS_NO_CREDENTIALS",
    "no AWS credentials were found",
    "no provider of the AWS credential chain is configured, or the profile has none",
)
.fix("set AWS_PROFILE, run `aws sso login`, or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");

pub(in crate::checks) static AWS_PROFILE_UNKNOWN: Cause = Cause::new(
    "AWS_PROFILE_UNKNOWN",
    "the profile that is named does not exist",
    "the names of all profiles in both files",
)
.fix("give an existing profile, or create it with `aws configure --profile NAME`");

pub(in crate::checks) static AWS_HOME_MISSING: Cause =
    Cause::new("AWS_HOME_MISSING", "HOME is not set, so the profile files are not read", "the environment")
        .fix("set HOME, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE");

pub(in crate::checks) static AWS_SSO_SESSION: Cause = Cause::new(
    "AWS_SSO_SESSION",
    "the session of IAM Identity Center (SSO) has expired, or there is none",
    "the profile has sso_session or sso_start_url, and its cached token is missing, expired or refused",
)
.fix("run `aws sso login --profile NAME`");

pub(in crate::checks) static AWS_LOGIN_SESSION: Cause = Cause::new(
    "AWS_LOGIN_SESSION",
    "the session of `aws login` has expired, or there is none",
    "the profile has login_session, and its cached token is missing, expired or refused",
)
.fix("run `aws login --profile NAME`");

pub(in crate::checks) static AWS_CREDENTIAL_PROCESS: Cause = Cause::new(
    "AWS_CREDENTIAL_PROCESS",
    "the program of credential_process failed",
    "its exit status, or its output that is not the JSON of AWS",
)
.fix("run the program, for example with `aws sts get-caller-identity --profile NAME`");

pub(in crate::checks) static AWS_MFA_REQUIRED: Cause = Cause::new(
    "AWS_MFA_REQUIRED",
    "a role of the profile requires an MFA code (mfa_serial)",
    "the profile has mfa_serial, and STS denies its role without a code",
)
.fix(
    "run `eval \"$(aws configure export-credentials --profile NAME --format env)\"`, which asks for the code",
);

pub(in crate::checks) static AWS_TOKEN_FILE: Cause = Cause::new(
    "AWS_TOKEN_FILE",
    "the token file of the container or of EKS Pod Identity contains a line break",
    "the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names",
)
.fix("write the token without a line break");

pub(in crate::checks) static AWS_CREDENTIALS_SLOW: Cause = Cause::new(
    "AWS_CREDENTIALS_SLOW",
    "a provider of credentials did not answer in the time of the run",
    "it was still waited for when the run ended; the report names profile and file",
)
.fix("find what it waits for, or raise `timeout`");

pub(in crate::checks) static AWS_PROVIDER_FAILED: Cause = Cause::new(
    "AWS_PROVIDER_FAILED",
    "a provider of credentials failed",
    "the report names the provider, the profile and the file, with its message",
)
.fix("correct what the message names");

fn judge(_: &Target, seen: &Observations) -> Option<Diagnostic> {
    let evidence = &seen.identity_evidence;
    let key = evidence.source_key.as_deref().unwrap_or_default();
    Some(match (seen.identity()?, &evidence.caller) {
        (Err(IdentityError::NoCredentials(why)), _) => no_credentials(why),
        (Err(IdentityError::Local { role: None, failure }), _) => {
            local_failure(&CHECK, Outcome::Fail, failure.to_string(), failure)
        }
        (_, Some(arn)) => CHECK.pass(format!("{arn} ({key})")),
        (_, None) => CHECK.pass(format!("access key {key}; AWS did not return its owner")),
    })
}

/// Source: AWS CLI User Guide, "Configuration and credential file settings"; `aws configure export-credentials`.
fn no_credentials(why: &ProviderFailure) -> Diagnostic {
    let option = match why.profile.as_deref() {
        None | Some("default") => String::new(),
        Some(name) => format!(" --profile {}", shell_word(name)),
    };
    let (cause, remedy) = match why.kind {
        FailureKind::NoProvider => (
            &AWS_NO_CREDENTIALS,
            "give credentials in any of AWS's standard ways, for example AWS_PROFILE=<name>, `aws sso login`, \
             or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY"
                .to_owned(),
        ),
        FailureKind::NoHome => (
            &AWS_HOME_MISSING,
            "set HOME, or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE to the paths of the files".to_owned(),
        ),
        FailureKind::UnknownProfile => (
            &AWS_PROFILE_UNKNOWN,
            format!("give an existing profile with --profile or AWS_PROFILE, or create this one: aws configure{option}"),
        ),
        FailureKind::SsoSession => (&AWS_SSO_SESSION, format!("log in again: aws sso login{option}")),
        FailureKind::LoginSession => (&AWS_LOGIN_SESSION, format!("log in again: aws login{option}")),
        FailureKind::Process => (
            &AWS_CREDENTIAL_PROCESS,
            format!("run the same program with the AWS CLI, and correct what it reports: aws sts get-caller-identity{option}"),
        ),
        FailureKind::Mfa => (
            &AWS_MFA_REQUIRED,
            format!(
                "let the AWS CLI ask for the code: eval \"$(aws configure export-credentials{option} --format env)\"; then \
                 check again without --profile and AWS_PROFILE"
            ),
        ),
        FailureKind::TokenFile => (
            &AWS_TOKEN_FILE,
            "write the token to the file without a line break, for example with printf %s; EKS does so".to_owned(),
        ),
        FailureKind::Slow => (
            &AWS_CREDENTIALS_SLOW,
            format!(
                "find what it waits for: aws sts get-caller-identity{option}; if it only needs more time, raise --timeout \
                 (`timeout` in a file)"
            ),
        ),
        FailureKind::Other => (
            &AWS_PROVIDER_FAILED,
            format!("correct what the message names; the AWS CLI uses the same provider: aws sts get-caller-identity{option}"),
        ),
    };
    CHECK.fail(cause, why.to_string()).remedy(remedy)
}

/// A name as one word of a shell command.
fn shell_word(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@+".contains(c)) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}
