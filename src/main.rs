//! Arguments in, exit code out. The only place that reads the clock and the environment.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "the only place that reads the clock and the environment")]

mod log;

use std::{
    alloc::System,
    future,
    io::{self, Write},
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{CommandFactory, ValueEnum, error::ErrorKind};
use jiff::Timestamp;
use pipeprobe::{
    cli::{self, CheckFormat, Cli, Command, ConfigCommand, Format, LogLevel},
    clickhouse_cloud,
    config::{self, Config},
    report::nagios,
    run::{self, Exit},
    secret,
    target::{ConfigErrors, Invalid},
};
use tokio::signal::unix::{SignalKind, signal};
use zeroizing_alloc::ZeroAlloc;

/// Wipes memory when it is freed. Tokens and sessions also pass through buffers of libraries.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Time limit of `token`.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run::answer_completion(std::env::args_os().collect(), environment) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => error.exit(),
    }
    let exit = match Cli::read(std::env::args_os()) {
        Ok(cli) => start(cli),
        Err(error) => usage_error(&error),
    };
    let exit = exit.unwrap_or_else(|error| match error.kind() {
        // A Nagios plugin that cannot print its result is UNKNOWN.
        _ if check_format() == Some(CheckFormat::Nagios) => Exit::Plugin(nagios::State::Unknown),
        io::ErrorKind::BrokenPipe => Exit::Met, // the reader has closed the pipe, as `head` does
        _ => {
            eprintln!("error: the result could not be written: {error}");
            Exit::Internal
        }
    });
    ExitCode::from(exit.code())
}

fn start(cli: Cli) -> io::Result<Exit> {
    let default = if matches!(cli.command, Command::Serve(_) | Command::Agent(_)) {
        LogLevel::Info
    } else {
        LogLevel::Error
    };
    let _flush = log::to_stderr(cli.log_level.unwrap_or(default), cli.log_format);
    if matches!(
        cli.command,
        Command::Serve(_) | Command::Check(_) | Command::Token(_) | Command::Exec(_) | Command::Agent(_)
    ) && let Err(error) = secret::protect_memory()
    {
        tracing::warn!(%error, "other processes of this user can read the memory of this one");
    }
    let runtime = match cli.command {
        // Two at least, so that a health check is answered while a check is being judged.
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().max(2)))
            .enable_all()
            .build()?,
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    let exit = runtime.block_on(async {
        // It stops by itself when the running checks have ended.
        let command = match cli.command {
            Command::Serve(args) => return serve(args).await,
            Command::Agent(args) => return agent(args).await,
            // Signals are the program's.
            Command::Exec(args) => return exec(*args).await,
            command => command,
        };
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            }
        };
        match command {
            // It prints what is finished.
            Command::Check(args) => check(*args, stop).await,
            command => tokio::select! {
                exit = dispatch(command) => exit,
                exit = stop => Ok(exit),
            },
        }
    });
    // Do not wait for a thread that is still in the resolver or reads a file.
    runtime.shutdown_background();
    exit
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a configuration on another thread, so that signals work while a file hangs.
async fn read<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ConfigErrors> + Send + 'static,
) -> io::Result<Result<T, ConfigErrors>> {
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)
}

/// Adds what is read from elsewhere before the configuration.
async fn ask_all(
    args: &cli::ClickHouse,
    sources: &mut cli::Sources,
    pipe: &mut cli::fields::PipeFields,
) -> Result<(), ConfigErrors> {
    ask_service(args, sources).await?;
    read_list(pipe).await
}

/// Adds the answers about the service of `--clickhouse-service`, if one is given.
async fn ask_service(args: &cli::ClickHouse, sources: &mut cli::Sources) -> Result<(), ConfigErrors> {
    if let Some(query) = config::ServiceQuery::read(args, &environment)? {
        sources.service = Some(clickhouse_cloud::ask(&query).await?);
    }
    Ok(())
}

/// Reads the list of `--static-ips`, if it is a URL.
async fn read_list(fields: &mut cli::fields::PipeFields) -> Result<(), ConfigErrors> {
    if let Some(url) = config::list_url(fields)? {
        fields.static_ips = Some(clickhouse_cloud::static_ips(url).await?);
    }
    Ok(())
}

async fn serve(args: cli::Serve) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    let reread = move || config::Serve::read(args.clone(), &environment);
    match reread() {
        Ok(config) => run::serve(config, Arc::new(reread), Timestamp::now, &mut out).await,
        Err(errors) => run::refuse(&errors, Format::Text, &mut out),
    }
}

async fn agent(args: cli::Agent) -> io::Result<Exit> {
    let reread = move || config::Agent::read(args.clone(), &environment);
    match reread() {
        Ok(config) => run::agent(config, Arc::new(reread), Timestamp::now).await,
        Err(errors) => run::refuse(&errors, Format::Text, &mut io::sink()),
    }
}

async fn exec(args: cli::Exec) -> io::Result<Exit> {
    match config::Exec::read(args, &environment) {
        Ok(config) => run::exec(config, std::env::vars_os().collect(), Timestamp::now).await,
        Err(errors) => run::refuse(&errors, Format::Text, &mut io::sink()),
    }
}

async fn check(mut args: cli::Check, stop: impl Future<Output = Exit>) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    let format = args.output.format();
    let mut stop = pin!(stop);
    let config = async {
        match ask_all(&args.clickhouse, &mut args.sources, &mut args.pipe).await {
            Ok(()) => read(|| Config::read(args, &environment)).await,
            Err(errors) => Ok(Err(errors)),
        }
    };
    let config = tokio::select! {
        config = config => config?,
        exit = &mut stop => return Ok(exit),
    };
    match config {
        Ok(config) => run::check(config, Timestamp::now, stop, &mut out).await,
        Err(errors) => run::refuse_check(&errors, format, &mut out),
    }
}

async fn dispatch(command: Command) -> io::Result<Exit> {
    let mut out = anstream::stdout();
    match command {
        Command::Check(args) => check(*args, future::pending()).await,
        Command::Token(args) => {
            let format = args.output.format();
            match read(|| config::Token::read(*args, &environment)).await? {
                Ok(config::Token { target, command: Some(command) }) => {
                    run::client_command(&target, &command, std::env::args().collect(), &mut out)
                }
                Ok(config::Token { target, command: None }) => {
                    run::token(&target, TOKEN_TIMEOUT, format, Timestamp::now, &mut out).await
                }
                Err(errors) => run::refuse(&errors, format, &mut out),
            }
        }
        Command::Explain(args) => {
            let format = args.output.format();
            match args.list {
                true => run::list(format, &mut out),
                false => run::explain(&args.code.join(" "), format, &mut out),
            }
        }
        Command::Setup(mut args) => {
            let format = args.output.format();
            if let Err(errors) = ask_all(&args.clickhouse, &mut args.sources, &mut args.pipe).await {
                return run::refuse(&errors, format, &mut out);
            }
            match read(|| config::Setup::read(*args, &environment)).await? {
                Ok(plan) => run::setup(&plan, &mut out),
                Err(errors) => run::refuse(&errors, format, &mut out),
            }
        }
        Command::Lint(mut args) => {
            let format = args.output.format();
            if let Err(errors) = ask_service(&args.clickhouse, &mut args.sources).await {
                return run::refuse(&errors, format, &mut out);
            }
            match read(|| config::LintConfig::read(*args, &environment)).await? {
                Ok(config) => run::lint(config, &mut out).await,
                Err(errors) => run::refuse(&errors, format, &mut out),
            }
        }
        Command::Config { command: ConfigCommand::Check(args) } => {
            let format = args.output.format();
            match read(|| config::Serve::check(*args, &environment)).await? {
                Ok(config) => run::config_check(&config, format, &mut out),
                Err(errors) => run::refuse(&errors, format, &mut out),
            }
        }
        Command::Config { command: ConfigCommand::Example(args) } => run::example(args.name, &mut out),
        Command::Serve(args) => serve(args).await,
        Command::Exec(args) => exec(*args).await,
        Command::Agent(args) => agent(args).await,
        Command::Health(args) => match read(|| config::Serve::read(args.serve, &environment)).await? {
            Ok(config) => run::health(&config, &mut out).await,
            Err(errors) => run::refuse(&errors, Format::Text, &mut out),
        },
        Command::Completions { shell } => run::completions(shell, &mut out),
        Command::Man { output_dir } => run::man(output_dir.as_deref(), &mut out),
        Command::Schema { of } => out.write_all(run::schema(of).as_bytes()).map(|()| Exit::Met),
    }
}

/// Prints bad usage in the requested format; as text it is clap's message.
fn usage_error(error: &clap::Error) -> io::Result<Exit> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        error.print()?;
        return Ok(Exit::Met);
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let invalid = Invalid::new("arguments", "arguments as in --help", first).into();
    let mut out = io::stdout();
    match check_format() {
        Some(format @ (CheckFormat::Json | CheckFormat::Junit | CheckFormat::Nagios)) => {
            run::refuse_check(&invalid, format, &mut out)
        }
        None if requested_format().is_some_and(|format| format.eq_ignore_ascii_case("json")) => {
            run::refuse(&invalid, Format::Json, &mut out)
        }
        _ => {
            error.print()?;
            Ok(Exit::Usage)
        }
    }
}

/// The output format of `check`, as far as it can be read from arguments that clap refused.
fn check_format() -> Option<CheckFormat> {
    let commands = Cli::command();
    let command = std::env::args_os().skip(1).find(|word| commands.find_subcommand(word).is_some());
    let format = requested_format().filter(|_| command.is_some_and(|word| word == "check"))?;
    CheckFormat::from_str(&format, true).ok()
}

/// The value of the last -o, --output or --json, otherwise of the environment variable.
fn requested_format() -> Option<String> {
    let arguments: Vec<_> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let mut typed = arguments.iter().enumerate().filter_map(|(i, argument)| match argument.as_str() {
        "--json" => Some("json"),
        "-o" | "--output" => arguments.get(i + 1).map(String::as_str),
        other => {
            let value = other.strip_prefix("--output=").or(other.strip_prefix("-o"))?;
            Some(value.trim_start_matches('='))
        }
    });
    typed.next_back().map(str::to_owned).or_else(|| std::env::var("PIPEPROBE_OUTPUT").ok())
}
