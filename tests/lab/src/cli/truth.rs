//! `cargo lab truth`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use lab::truth::{Mutants, Tally, Worlds, judge};
use lab::{Lab, ServerVersion};

use super::{server_version, setup};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Random worlds on each server
    #[arg(long, default_value_t = 350)]
    rounds: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first world, to run one again
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Server to run on; repeatable; every server by default
    #[arg(long = "server", value_parser = server_version)]
    servers: Vec<ServerVersion>,
    /// Make each disagreement smaller and write it as a case file
    #[arg(long)]
    shrink: bool,
    /// Folder of the case files [default: tests/truth/cases]
    #[arg(long)]
    cases: Option<PathBuf>,
    /// Print how often each choice was made
    #[arg(long)]
    choices: bool,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let outcomes = setup::while_tests_are_built(|| lab::setup::run(false))?;
    setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    let servers = match arguments.servers.is_empty() {
        true => ServerVersion::all().into_iter().filter(|server| lab::obtain(*server).is_ok()).collect(),
        false => arguments.servers.clone(),
    };
    let worlds = Worlds {
        seed: arguments.seed,
        first: arguments.first,
        rounds: arguments.rounds,
        cases: arguments.cases.clone().unwrap_or_else(cases),
        shrink: arguments.shrink,
        pipeprobe: setup::pipeprobe()?,
    };
    let start = Instant::now();
    let tallies = run_on_each(&servers, &worlds)?;
    print(&tallies, arguments)?;
    let mutants = Mutants::of(tallies.values());
    print_mutants(&mutants, tallies.keys())?;
    // Fewer worlds or servers do not contain every choice.
    let is_complete = arguments.servers.is_empty() && arguments.rounds >= ENOUGH_ROUNDS;
    let unnoticed = if is_complete { mutants.failures.as_slice() } else { &[] };
    for failure in unnoticed {
        println!("  {failure}");
    }
    let count: u64 = tallies.values().map(|tally| tally.worlds).sum();
    println!("{count} worlds in {:.0} s, seed {}", start.elapsed().as_secs_f64(), arguments.seed);
    Ok(match tallies.values().all(Tally::passed) && unnoticed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// With that many worlds on each server, every capability check must be noticed if it always passes.
const ENOUGH_ROUNDS: u64 = 350;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../truth/cases")
}

/// Servers run in parallel. The worlds of one server run one after another, because they change its settings and users.
fn run_on_each(servers: &[ServerVersion], worlds: &Worlds) -> io::Result<BTreeMap<ServerVersion, Tally>> {
    let lab = Lab::start(servers)?;
    lab.write_config()?;
    thread::scope(|threads| {
        let running: Vec<_> = lab
            .instances()
            .iter()
            .map(|instance| {
                let judged = threads.spawn(|| judge(&lab, instance, worlds, &|_| ()));
                (instance.server_version, judged)
            })
            .collect();
        let joined = running.into_iter().map(|(server, judged)| {
            let tally =
                judged.join().map_err(|_| io::Error::other(format!("{server}: the judge panicked")))?;
            Ok((server, tally?))
        });
        joined.collect()
    })
}

fn print(tallies: &BTreeMap<ServerVersion, Tally>, arguments: &Arguments) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (server, tally) in tallies {
        writeln!(out, "\n{server}: {} worlds", tally.worlds)?;
        writeln!(out, "  {:<18} {:<24} worlds", "verdict", "truth")?;
        for ((verdict, truth), count) in &tally.confusion {
            writeln!(out, "  {verdict:<18} {truth:<24} {count}")?;
        }
        for (title, lines) in [
            ("known faults", &tally.known),
            ("disagreements", &tally.disagreements),
            ("not judged", &tally.unjudged),
            ("failures", &tally.failures),
        ] {
            if !lines.is_empty() {
                writeln!(out, "  {title}: {}", lines.len())?;
            }
            for line in lines {
                writeln!(out, "    {line}")?;
            }
        }
        if arguments.choices {
            writeln!(out, "  choices")?;
            for (choice, count) in &tally.choices {
                writeln!(out, "    {count:>6} {choice}")?;
            }
        }
    }
    out.flush()
}

fn print_mutants<'a>(mutants: &Mutants, servers: impl Iterator<Item = &'a ServerVersion>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let names: Vec<&str> = servers.map(|server| server.name()).collect();
    writeln!(out, "\nworlds in which the report would be wrong if a check always passed")?;
    writeln!(out, "  {:<31}{}", "", names.iter().map(|name| format!("{name:>14}")).collect::<String>())?;
    for (check, counts) in &mutants.worlds {
        let counts: String = counts.iter().map(|count| format!("{count:>14}")).collect();
        let exception = Mutants::exception(check).map(|why| format!("  ({why})")).unwrap_or_default();
        writeln!(out, "  {check:<31}{counts}{exception}")?;
    }
    out.flush()
}
