//! `serve`, until a signal stops it; `config check`.

use std::io::{self, Write};

use serde_json::json;

use super::{Exit, refuse};
use crate::{
    cli::Format,
    config::{AgentTarget, Serve},
    serve::{self, Reread, ServeError},
    target::Target,
    verify::Clock,
};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// `out` or the system fails.
pub async fn serve(config: Serve, reread: Reread, clock: Clock, out: &mut impl Write) -> io::Result<Exit> {
    match serve::serve(config, reread, clock).await {
        Ok(()) => Ok(Exit::Met),
        Err(ServeError::Invalid(invalid)) => refuse(&invalid, Format::Text, out),
        Err(ServeError::Io(error)) => Err(error),
    }
}

/// Prints the content of a valid configuration.
///
/// # Errors
/// `out` fails.
pub fn config_check(config: &Serve, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    if let Err(invalid) = serve::check_tls(config) {
        return refuse(&invalid.into(), format, out);
    }
    let offers = |target: &Target| {
        let agent = config.agent.iter().flat_map(|agent| &agent.targets);
        agent.into_iter().find(|offered| offered.target.name == target.name)
    };
    let of = |monitored: &crate::config::MonitoredTarget| {
        let crate::config::MonitoredTarget { target, requirement, schedule } = monitored;
        json!({
            "name": target.name,
            "type": target.source_type.name(),
            "dial": target.dial.to_string(),
            "sign": target.sign.to_string(),
            "region": target.region.as_str(),
            "required": requirement.required,
            "required_by": requirement.required_by,
            "interval_seconds": schedule.interval.as_secs_f64(),
            "full_interval_seconds": schedule.full_interval.as_secs_f64(),
            "agent": offers(target).map(|AgentTarget { tcp, group, token_file, token_socket, .. }| json!({
                "listen": tcp.as_ref().map(|tcp| tcp.listen),
                "socket_group": group,
                "token_file": token_file.as_ref().map(|file| &file.path),
                "token_socket": token_socket,
            })),
        })
    };
    match format {
        Format::Json => {
            let targets: Vec<_> = config.targets.iter().map(of).collect();
            let document = json!({ "schema_version": 1, "listen": config.web.listen, "targets": targets });
            serde_json::to_writer_pretty(&mut *out, &document)?;
            writeln!(out)?;
        }
        Format::Text => {
            let part = config.shard.map(|shard| format!(" of shard {}/{}", shard.index, shard.count));
            let part = part.unwrap_or_default();
            writeln!(out, "√ {} targets{part}, answered on {}", config.targets.len(), config.web.listen)?;
            for monitored in &config.targets {
                let target = &monitored.target;
                writeln!(
                    out,
                    "  {}: {} at {}, wants {}{}, every {} s and in full every {} s",
                    target.name,
                    target.source_type.name(),
                    target.dial,
                    monitored.requirement.required,
                    match monitored.requirement.required_by.is_undeclared() {
                        true => " and from then on the best it has had",
                        false => "",
                    },
                    monitored.schedule.interval.as_secs(),
                    monitored.schedule.full_interval.as_secs(),
                )?;
                if let Some(offered) = offers(target) {
                    writeln!(out, "    agent: {}", offered_by(offered).join(", "))?;
                }
            }
            let undeclared =
                config.targets.iter().filter(|monitored| monitored.requirement.required_by.is_undeclared());
            match undeclared.count() {
                0 => {}
                count => writeln!(
                    out,
                    "‼ {count} without replication_mode or require: loss of CDC is noticed only after a check has found \
                     CDC, and a restart forgets it. Set replication_mode for each target."
                )?,
            }
        }
    }
    Ok(Exit::Met)
}

/// What the agent offers for a target beside its socket.
fn offered_by(offered: &AgentTarget) -> Vec<String> {
    let AgentTarget { target: _, tcp, group, token_file, token_socket } = offered;
    let parts = [
        tcp.as_ref().map(|tcp| format!("TCP on {}", tcp.listen)),
        group.map(|group| format!("socket for group {group}")),
        token_file.as_ref().map(|file| format!("token file {}", file.path.display())),
        token_socket.then(|| "token socket".to_owned()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { vec!["only its socket".to_owned()] } else { parts }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn config_check_refuses_a_key_of_another_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let [own, other] =
            ["a", "b"].map(|name| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap());
        write("server.pem", &own.cert.pem());
        write(
            "pipeprobe.toml",
            "[targets.a]\ntype = 'rdspostgres'\nhost = 'db.abc.eu-west-1.rds.amazonaws.com'\n\
             iam_role = 'arn:aws:iam::123456789012:role/r'\n\
             [serve]\ntls_certificate = 'server.pem'\ntls_key = 'server.key'\n",
        );
        let path = folder.path().join("pipeprobe.toml");
        let checked = |key: &rcgen::KeyPair| {
            write("server.key", &key.serialize_pem());
            let arguments = ["pipeprobe", "serve", "-c", path.to_str().unwrap()];
            let Command::Serve(args) = Cli::parse_from(arguments).command else { unreachable!() };
            config_check(&Serve::read(args, &|_| None).unwrap(), Format::Json, &mut Vec::new()).unwrap()
        };
        assert_eq!(checked(&own.signing_key), Exit::Met);
        assert_eq!(checked(&other.signing_key), Exit::Usage);
    }
}
