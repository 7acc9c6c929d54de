//! argv in, exit code out. The only `process::exit`; the one reader of the clock.

#![expect(clippy::disallowed_methods, reason = "the one place that has a clock and reads the environment")]

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser, error::ErrorKind};
use jiff::Timestamp;
use pipeprobe::{
    cli::{self, Cli, Command, ConfigCommand, Format, LogFormat, LogLevel},
    config::{self, Config},
    report::json,
    run::{self, Exit},
    target::Invalid,
};
use tokio::signal::unix::{SignalKind, signal};

/// For `token`: STS answers, or it does not.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => start(cli),
        Err(error) => misused(&error),
    };
    let exit = exit.unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Exit::Met, // the reader has seen enough
        _ => {
            eprintln!("error: the result could not be written: {error}");
            Exit::Internal
        }
    });
    ExitCode::from(exit as u8)
}

fn start(cli: Cli) -> io::Result<Exit> {
    let usual = if matches!(cli.command, Command::Serve(_)) { LogLevel::Info } else { LogLevel::Error };
    log_to_stderr(cli.log_level.unwrap_or(usual), cli.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        // It stops by itself, when what is in flight has ended.
        let command = match cli.command {
            Command::Serve(args) => return serve(args).await,
            command => command,
        };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            exit = obey(command) => exit,
            _ = interrupt.recv() => Ok(Exit::Interrupted),
            _ = terminate.recv() => Ok(Exit::Terminated),
        }
    });
    // A resolver thread may still be waiting for a name server; nobody waits for it.
    runtime.shutdown_background();
    exit
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn serve(args: cli::Serve) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    let read = move || config::Serve::read(args.clone(), &environment);
    match read() {
        Ok(config) => run::serve(config, Box::new(read), Timestamp::now, &mut out).await,
        Err(invalid) => run::refuse(&invalid, Format::Text, &mut out),
    }
}

async fn obey(command: Command) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    match command {
        Command::Check(args) => {
            let format = args.output.output;
            match Config::read(*args, &environment) {
                Ok(config) => run::check(config, Timestamp::now, &mut out).await,
                Err(invalid) => run::refuse(&invalid, format, &mut out),
            }
        }
        Command::Token(args) => {
            let format = args.output.output;
            match config::token_target(*args, &environment) {
                Ok(target) => run::token(&target, TOKEN_TIMEOUT, format, Timestamp::now, &mut out).await,
                Err(invalid) => run::refuse(&invalid, format, &mut out),
            }
        }
        Command::Explain(args) => match args.code {
            Some(code) => run::explain(&code, args.output.output, &mut out),
            None => run::list(args.output.output, &mut out),
        },
        Command::Setup(args) => {
            let format = args.output.output;
            match config::Setup::read(*args, &environment) {
                Ok(plan) => run::setup(&plan, &mut out),
                Err(invalid) => run::refuse(&invalid, format, &mut out),
            }
        }
        Command::Lint(args) => {
            let format = args.output.output;
            match config::LintConfig::read(*args, &environment) {
                Ok(config) => run::lint(config, &mut out).await,
                Err(invalid) => run::refuse(&invalid, format, &mut out),
            }
        }
        Command::Config { command: ConfigCommand::Check(args) } => {
            let format = args.output.output;
            match config::Serve::read(args.serve, &environment) {
                Ok(config) => run::config_check(&config, format, &mut out),
                Err(invalid) => run::refuse(&invalid, format, &mut out),
            }
        }
        Command::Serve(args) => serve(args).await,
        Command::Healthy(args) => match config::Serve::read(args.serve, &environment) {
            Ok(config) => run::healthy(&config, &mut out).await,
            Err(invalid) => run::refuse(&invalid, Format::Text, &mut out),
        },
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "pipeprobe", &mut out);
            Ok(Exit::Met)
        }
        Command::Schema => out.write_all(json::SCHEMA.as_bytes()).map(|()| Exit::Met),
    }
}

/// clap's words, and JSON beside them where the arguments ask for it.
fn misused(error: &clap::Error) -> io::Result<Exit> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        error.print()?;
        return Ok(Exit::Met);
    }
    let arguments: Vec<_> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let asks_json = |pair: &[String]| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json";
    if arguments.windows(2).any(asks_json)
        || arguments.iter().any(|a| matches!(a.as_str(), "-ojson" | "-o=json" | "--output=json"))
        || std::env::var("PIPEPROBE_OUTPUT").is_ok_and(|format| format == "json")
    {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return run::refuse(
            &Invalid::new("arguments", "arguments as in --help", first),
            Format::Json,
            &mut io::stdout(),
        );
    }
    error.print()?;
    Ok(Exit::Usage)
}

fn log_to_stderr(level: LogLevel, format: LogFormat) {
    use tracing_subscriber::{
        filter::{LevelFilter, Targets},
        layer::SubscriberExt,
        util::SubscriberInitExt,
    };
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Our own words only: what aws-sigv4 says at trace has the session token in it.
    let ours = Targets::new().with_target("pipeprobe", level);
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    match format {
        LogFormat::Text => tracing_subscriber::registry().with(to_stderr).with(ours).init(),
        LogFormat::Json => {
            let json = to_stderr.json().flatten_event(true);
            tracing_subscriber::registry().with(json).with(ours).init();
        }
    }
}
