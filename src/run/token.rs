//! `pipeprobe token`: sign a token, print it, and warn if the inputs cannot work. Or print a command line that does so and logs in.

use std::{
    io::{self, Write},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::Exit;
use crate::{
    checks::{self, Diagnostic},
    cli::Format,
    config::ClientCommand,
    identity::{self, IdentityEvidence, Waiting},
    report::json::SCHEMA_VERSION,
    setup,
    target::{Invalid, RdsName, RdsNameKind, Target},
    token::{self, AuthToken},
    trust,
    verify::Clock,
};

/// What `token -o json` prints. The only document that contains a secret.
#[expect(clippy::struct_field_names, reason = "names of the JSON document")]
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Signed<'a> {
    schema_version: u32,
    token: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
    region: &'a str,
    /// ARN of the session that signed; null if the source credentials signed.
    identity: Option<&'a str>,
    signed_at: String,
    expires_at: String,
    warnings: Vec<String>,
}

/// Signs a token for one target and prints it.
///
/// # Errors
/// `out`'s.
pub async fn token(
    target: &Target,
    timeout: Duration,
    format: Format,
    clock: Clock,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let mut evidence = IdentityEvidence::default();
    let roots = match trust::web_roots(target.access.ca_bundle.as_ref()) {
        Ok(roots) => roots,
        Err(invalid) => return super::refuse(&invalid.into(), format, out),
    };
    let waiting = Waiting::default();
    let assumed = tokio::time::timeout(timeout, async {
        let (access, region) = (&target.access, &target.region);
        match access.roles.is_empty() {
            // A token is signed here, so without a role nothing has to be asked of STS.
            true => identity::source_credentials(access, region, roots.into(), &waiting, &mut evidence).await,
            false => identity::assume(access, region, roots.into(), true, &waiting, &mut evidence).await,
        }
    })
    .await;
    let assumed = assumed.unwrap_or_else(|_| Err(waiting.late(&target.access, timeout)));
    let identity = match assumed {
        Ok(identity) => identity,
        Err(error) => return fail(why(target, evidence, error), format, Exit::NotMet, out),
    };
    let signed = match token::sign(&identity.credentials, &target.sign, &target.region, &target.user, clock())
    {
        Ok(signed) => signed,
        Err(why) => {
            return fail(
                Invalid::new("token", "a token that can be signed", why),
                format,
                Exit::Internal,
                out,
            );
        }
    };
    let warnings = warnings(target, &signed, evidence.clock_offset_seconds, clock());
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    match format {
        Format::Text => writeln!(out, "{}", signed.text.reveal())?,
        Format::Json => {
            let document = Signed {
                schema_version: SCHEMA_VERSION,
                token: signed.text.reveal(),
                host: target.sign.host.as_str(),
                port: target.sign.port,
                user: target.user.as_str(),
                region: target.region.as_str(),
                identity: evidence.hops.last().map(|hop| hop.became.as_str()),
                signed_at: signed.signed_at.to_string(),
                expires_at: signed.expires_at.to_string(),
                warnings,
            };
            serde_json::to_writer_pretty(&mut *out, &document)?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Met)
}

/// Prints a command line for a shell that signs a token with the same arguments and logs in with it. It contains no secret.
///
/// # Errors
/// `out`'s.
pub fn client_command(
    target: &Target,
    command: &ClientCommand,
    arguments: Vec<String>,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let sign = without_for(arguments);
    match setup::login_command(target, command.client, command.ca.as_deref(), &sign) {
        Ok(lines) => writeln!(out, "{}", lines.join("\n")).map(|()| Exit::Met),
        Err(invalid) => super::refuse(&invalid.into(), Format::Text, out),
    }
}

/// The same command, which prints the token.
fn without_for(arguments: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--for" => drop(arguments.next()),
            other if other.starts_with("--for=") => {}
            _ => kept.push(argument),
        }
    }
    kept
}

fn fail(why: Invalid, format: Format, exit: Exit, out: &mut impl Write) -> io::Result<Exit> {
    super::refuse(&why.into(), format, out).map(|_| exit)
}

/// The error in the same words as in `check`.
fn why(target: &Target, evidence: IdentityEvidence, error: identity::IdentityError) -> Invalid {
    let seen = checks::Observations {
        identity: Some(Err(error)),
        identity_evidence: evidence,
        ..checks::Observations::default()
    };
    let diagnostics = checks::judge(target, &seen);
    let failed = diagnostics.iter().find(|f| f.cause.is_some());
    let cause = failed.map_or("", Diagnostic::cause_code);
    let found = failed.map(|f| f.found.as_str()).unwrap_or_default();
    let help = failed.and_then(|f| f.remedy.clone());
    let invalid = Invalid::new("identity", "credentials to sign with", format!("{cause}: {found}"));
    Invalid { help, ..invalid }
}

/// Reasons why the token cannot work, or not for long. Source: "IAM database authentication", limitations.
fn warnings(target: &Target, signed: &AuthToken, clock_offset: Option<i64>, now: Timestamp) -> Vec<String> {
    let host = &target.sign.host;
    let mut warnings = Vec::new();
    match RdsName::parse(host).map(|name| name.kind) {
        None => warnings.push(format!(
            "`{host}` is not an RDS endpoint name: RDS refuses tokens signed for a custom name or an address (set sign_host)"
        )),
        Some(RdsNameKind::ClusterReader) => {
            warnings.push(format!("`{host}` is a reader endpoint: CDC needs the writer"));
        }
        Some(_) => {}
    }
    if let Some(offset) = clock_offset.filter(|offset| offset.abs() > 60) {
        warnings.push(format!(
            "AWS's clock is {offset:+} s from this machine's: the token was signed at the wrong time"
        ));
    }
    let left = signed.expires_at.duration_since(now).as_secs();
    if left <= 0 {
        warnings.push("the credentials have expired, and with them the token".to_owned());
    } else if left < 300 {
        warnings.push(format!("the credentials, and with them the token, end in {left} s"));
    }
    warnings
}
