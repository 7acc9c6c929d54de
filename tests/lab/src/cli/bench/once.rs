//! One `pipeprobe check` compared with the manual way: a token from botocore, and psql.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::{Instance, Lab};

use super::load::median;
use crate::cli::process::ended_children;
use crate::cli::setup;

const TOKEN: &str = "
import sys, botocore.session
from botocore.signers import generate_db_auth_token
host, port, region, role, user = sys.argv[1:]
session = botocore.session.get_session()
sts = session.create_client('sts', region_name=region)
got = sts.assume_role(RoleArn=role, RoleSessionName='shell', Tags=[{'Key': 'pipeprobe', 'Value': '1'}])['Credentials']
rds = session.create_client('rds', region_name=region, aws_access_key_id=got['AccessKeyId'],
    aws_secret_access_key=got['SecretAccessKey'], aws_session_token=got['SessionToken'])
print(generate_db_auth_token(rds, host, int(port), user))
";

/// The most important query.
const QUESTIONS: &str = "SELECT version(); SHOW wal_level; SHOW rds.logical_replication; \
     SELECT rolreplication FROM pg_roles WHERE rolname = current_user;";

pub(crate) fn run(lab: &Lab, instance: &Instance, rounds: usize) -> io::Result<()> {
    let Some(python) = lab::python() else {
        println!("\n## One check: SKIPPED, Python's libraries are not there");
        return Ok(());
    };
    let config = lab.dir().join("once.toml");
    std::fs::write(&config, lab.target_toml("db", instance, lab::ACCESS_ROLE))?;
    let ours = || -> io::Result<Command> {
        let mut command = setup::ask_pipeprobe(lab)?;
        command.arg("check").arg("--config-file").arg(&config).arg("db");
        Ok(command)
    };
    let shell = || -> io::Result<Command> {
        let mut command = Command::new("/bin/sh");
        command.env_clear().envs(lab.environment());
        command.args([
            "-c",
            r#"PGPASSWORD=$("$0" -c "$1" "$2" "$3" "$4" "$5" "$6") exec "$7" "$8" -X -q -A -t -c "$9""#,
        ]);
        command.arg(&python).arg(TOKEN).arg(&instance.host).arg(instance.port.to_string()).arg(lab::REGION);
        command.arg(lab::ACCESS_ROLE).arg(lab::USER).arg(instance.installed().program("psql"));
        command.arg(format!(
            "host={} hostaddr=127.0.0.1 port={} user={} dbname={} sslmode=verify-full sslrootcert={}",
            instance.host,
            instance.port,
            lab::USER,
            lab::DATABASE,
            lab.ca_pem().display()
        ));
        command.arg(QUESTIONS);
        Ok(command)
    };
    let mut seen = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (i, command) in [ours()?, shell()?].into_iter().enumerate() {
            let cost = timed(command)?;
            if round > 0 {
                seen[i].push(cost);
            }
        }
    }
    let [(wall, cpu), (shell_wall, shell_cpu)] = seen.map(|all| {
        let middle =
            |of: fn(&(Duration, Duration)) -> Duration| median(all.iter().map(|c| of(c).as_secs_f64() * 1e3));
        // Clock ticks are coarse, so the mean of many runs is more exact than the median.
        (middle(|c| c.0), all.iter().map(|c| c.1.as_secs_f64() * 1e3).sum::<f64>() / all.len() as f64)
    });
    println!("\n## One check, from nothing to its exit code: {rounds} rounds in turn\n");
    println!("| | wall, ms (median) | CPU, ms (mean) |");
    println!("|---|---|---|");
    println!("| pipeprobe check | {wall:.0} | {cpu:.0} |");
    println!("| botocore and psql, four questions | {shell_wall:.0} | {shell_cpu:.0} |");
    println!("| ours divided by theirs | {:.2} | {:.2} |", wall / shell_wall, cpu / shell_cpu);
    Ok(())
}

fn timed(mut command: Command) -> io::Result<(Duration, Duration)> {
    let (before, start) = (ended_children()?, Instant::now());
    let output = command.stdin(Stdio::null()).output()?;
    let (took, after) = (start.elapsed(), ended_children()?);
    match output.status.success() {
        true => Ok((took, after.saturating_sub(before))),
        false => Err(io::Error::other(format!(
            "{}: {}",
            command.get_program().to_string_lossy(),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}
