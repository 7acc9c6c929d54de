//! `serve` until it is told to stop; `config check`.

use std::io::{self, Write};

use serde_json::json;

use super::{Exit, refuse};
use crate::{
    cli::Format,
    config::Serve,
    serve::{self, Reread, ServeError},
    verify::Clock,
};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// `out`'s, and the system's.
pub async fn serve(config: Serve, reread: Reread, clock: Clock, out: &mut impl Write) -> io::Result<Exit> {
    match serve::serve(config, reread, clock).await {
        Ok(()) => Ok(Exit::Met),
        Err(ServeError::Invalid(invalid)) => refuse(&invalid, Format::Text, out),
        Err(ServeError::Io(error)) => Err(error),
    }
}

/// Says what is in a configuration that can be used.
///
/// # Errors
/// `out`'s.
pub fn config_check(config: &Serve, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    if let Err(invalid) = serve::check_tls(config) {
        return refuse(&invalid.into(), format, out);
    }
    let of = |watched: &crate::config::MonitoredTarget| {
        let crate::config::MonitoredTarget { target, requirement, schedule } = watched;
        json!({
            "name": target.name,
            "type": target.source_type.name(),
            "dial": target.dial.to_string(),
            "sign": target.sign.to_string(),
            "region": target.region.as_str(),
            "required": requirement.required,
            "interval_seconds": schedule.interval.as_secs_f64(),
            "full_interval_seconds": schedule.full_interval.as_secs_f64(),
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
            writeln!(out, "√ {} targets, answered on {}", config.targets.len(), config.web.listen)?;
            for watched in &config.targets {
                let target = &watched.target;
                writeln!(
                    out,
                    "  {}: {} at {}, wants {}, every {} s and in full every {} s",
                    target.name,
                    target.source_type.name(),
                    target.dial,
                    watched.requirement.required,
                    watched.schedule.interval.as_secs(),
                    watched.schedule.full_interval.as_secs(),
                )?;
            }
        }
    }
    Ok(Exit::Met)
}
