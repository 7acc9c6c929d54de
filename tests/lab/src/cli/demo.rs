//! `cargo lab demo`: the checks that a user would run. Their exit codes are asserted.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use lab::{Engine, Lab, ServerVersion, WRONG_RESOURCE, WRONG_ROLE};

use super::setup;

/// pipeprobe's exit code when a database refuses.
const REFUSED: i32 = 3;

pub(crate) fn run() -> io::Result<ExitCode> {
    let outcomes = setup::prepare(false)?;
    let server_versions = setup::one_of_each();
    let lab = Lab::start(&server_versions)?;
    lab.aws().change(|world| world.roles.push(lab::access_role(WRONG_ROLE, &[WRONG_RESOURCE])));

    let config = lab.dir().join("pipeprobe.toml");
    let refusing = lab.target_toml("wrong_resource", lab.instance(ServerVersion::Postgres15), WRONG_ROLE);
    fs::write(&config, lab.config_toml() + &refusing)?;

    let mut as_expected = true;
    for instance in lab.instances() {
        // By the guide, Postgres with IAM is Initial Load Only; the others must allow CDC.
        let require: &[&str] = match instance.server_version.engine() {
            Engine::Postgres => &[],
            Engine::Mysql | Engine::MariaDb => &["--require", "cdc"],
        };
        as_expected &= check(&lab, &instance.name, require, 0)?;
    }
    println!("# The access role's policy names {WRONG_RESOURCE}, which is another database's resource id.");
    println!(
        "# The role can be assumed and a token signed; it is the database that refuses. Expect exit code {REFUSED}."
    );
    as_expected &= check(&lab, "wrong_resource", &[], REFUSED)?;

    setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    drop(lab);
    match as_expected {
        true => Ok(ExitCode::SUCCESS),
        false => Err(io::Error::other("the demo did not go as expected; see above")),
    }
}

/// Runs `pipeprobe check` and reports an unexpected exit code.
fn check(lab: &Lab, target: &str, more: &[&str], expected: i32) -> io::Result<bool> {
    let config = lab.dir().join("pipeprobe.toml");
    let typed = [&[target], more].concat().join(" ");
    println!("$ pipeprobe check --config-file {} {typed}", config.display());
    io::stdout().flush()?;

    let mut pipeprobe = setup::ask_pipeprobe(lab)?;
    let status = pipeprobe
        .arg("check")
        .arg("--config-file")
        .arg(config)
        .arg(target)
        .args(more)
        .status()
        .map_err(|e| io::Error::other(format!("{}: {e}", pipeprobe.get_program().display())))?;
    println!();
    let found = status.code();
    if found != Some(expected) {
        println!("lab: {target}: expected exit code {expected}, found {status}");
    }
    Ok(found == Some(expected))
}
