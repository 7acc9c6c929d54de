//! `pipeprobe token`: sign a token, print it, and warn if the inputs cannot work. Or print a command line that does so and logs in.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::Exit;
use crate::{
    cli::Format,
    config::ClientCommand,
    identity::{self, IdentityEvidence, Waiting},
    report::signed_token::{SignedToken, not_signed},
    setup,
    target::{Invalid, Target},
    token, trust,
    verify::Clock,
};

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
        Err(error) => return fail(not_signed(target, evidence, error), format, Exit::NotMet, out),
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
    let document = SignedToken::of(target, &signed, &evidence, clock());
    for warning in &document.warnings {
        eprintln!("warning: {warning}");
    }
    match format {
        Format::Text => writeln!(out, "{}", document.token)?,
        Format::Json => {
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
