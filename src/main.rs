//! argv in, exit code out. The only `process::exit`; the one reader of the clock.

#![expect(clippy::disallowed_methods, reason = "the one place that has a clock and reads the environment")]

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use jiff::Timestamp;
use pipeprobe::{
    cli::{self, CheckFormat, Cli, Command, ConfigCommand, Format, LogFormat, LogLevel},
    config::{self, Config},
    report::nagios,
    run::{self, Exit},
    target::Invalid,
};
use tokio::signal::unix::{SignalKind, signal};

/// For `token`: STS answers, or it does not.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => start(cli),
        Err(error) => usage_error(&error),
    };
    let exit = exit.unwrap_or_else(|error| match error.kind() {
        // A plugin that could not speak is UNKNOWN, which no other reading of its exit code may hide.
        _ if asked_of_check() == Some(CheckFormat::Nagios) => Exit::Plugin(nagios::State::Unknown),
        io::ErrorKind::BrokenPipe => Exit::Met, // the reader has seen enough
        _ => {
            eprintln!("error: the result could not be written: {error}");
            Exit::Internal
        }
    });
    ExitCode::from(exit.code())
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
            exit = dispatch(command) => exit,
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

async fn dispatch(command: Command) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    match command {
        Command::Check(args) => {
            let format = args.output.output;
            match Config::read(*args, &environment) {
                Ok(config) => run::check(config, Timestamp::now, &mut out).await,
                Err(invalid) => run::refuse_check(&invalid, format, &mut out),
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
        Command::Config { command: ConfigCommand::Example(args) } => run::example(args.name, &mut out),
        Command::Serve(args) => serve(args).await,
        Command::Health(args) => match config::Serve::read(args.serve, &environment) {
            Ok(config) => run::health(&config, &mut out).await,
            Err(invalid) => run::refuse(&invalid, Format::Text, &mut out),
        },
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "pipeprobe", &mut out);
            Ok(Exit::Met)
        }
        Command::Schema { of } => out.write_all(run::schema(of).as_bytes()).map(|()| Exit::Met),
    }
}

/// clap's words, or the format that the arguments ask for where a program reads it.
fn usage_error(error: &clap::Error) -> io::Result<Exit> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        error.print()?;
        return Ok(Exit::Met);
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let invalid = Invalid::new("arguments", "arguments as in --help", first);
    let mut out = io::stdout();
    match asked_of_check() {
        Some(format @ (CheckFormat::Json | CheckFormat::Junit | CheckFormat::Nagios)) => {
            run::refuse_check(&invalid, format, &mut out)
        }
        None if asked_format().as_deref() == Some("json") => run::refuse(&invalid, Format::Json, &mut out),
        _ => {
            error.print()?;
            Ok(Exit::Usage)
        }
    }
}

/// The format that `check` was asked for, as far as arguments that clap refused can be read.
fn asked_of_check() -> Option<CheckFormat> {
    let commands = Cli::command();
    let command = std::env::args_os().skip(1).find(|word| commands.find_subcommand(word).is_some());
    let format = asked_format().filter(|_| command.is_some_and(|word| word == "check"))?;
    CheckFormat::from_str(&format, false).ok()
}

/// What stands behind the last -o or --output, else in the environment.
fn asked_format() -> Option<String> {
    let arguments: Vec<_> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let mut typed = arguments.iter().enumerate().filter_map(|(i, argument)| match argument.as_str() {
        "-o" | "--output" => arguments.get(i + 1).map(String::as_str),
        other => {
            let value = other.strip_prefix("--output=").or(other.strip_prefix("-o"))?;
            Some(value.trim_start_matches('='))
        }
    });
    typed.next_back().map(str::to_owned).or_else(|| std::env::var("PIPEPROBE_OUTPUT").ok())
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
