//! `cargo lab service`: the commands of docker-compose.yml.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use lab::service::{self, Member};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder (a volume) that the services share
    #[arg(long, default_value = "/lab", global = true)]
    shared: PathBuf,
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// STS and the verifiers of all databases; creates keys, certificates and pipeprobe.toml in the shared folder
    Aws {
        /// Address of STS
        #[arg(long, default_value = "0.0.0.0:8080")]
        address: SocketAddr,
        /// The group that may read the caller's credentials: the group of pipeprobe in its image
        #[arg(long, default_value = "65532")]
        caller: u32,
        /// NAME=ENGINE of each database, or an engine alone: postgres, mysql, mariadb
        #[arg(required = true)]
        databases: Vec<Member>,
    },
    /// The database server that this container's image has
    Database {
        /// NAME=ENGINE, as `aws` knows it
        member: Member,
        /// A server setting, such as `wal_level=replica`
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Whether STS and every verifier answer; the health check of `aws`
    Healthy {
        /// Address of STS
        #[arg(long, default_value = "127.0.0.1:8080")]
        address: SocketAddr,
    },
}

pub(crate) fn run(Arguments { shared, service }: Arguments) -> io::Result<ExitCode> {
    // Before anything is started, because the first process of a container ignores signals without a handler.
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM])?;
    match service {
        Service::Aws { address, caller, databases } => {
            let running = service::start_aws(&shared, address, &databases, caller)?;
            println!("lab: STS on {address}, {} verifiers in {}", databases.len(), shared.display());
            signals.forever().find(|signal| *signal != SIGCHLD);
            drop(running);
        }
        Service::Database { member, settings } => {
            let mut running = service::start_database(&shared, &member, &settings)?;
            println!("lab: {} is furnished", member.name);
            for signal in &mut signals {
                match (signal, running.ended()?) {
                    (SIGCHLD, Some(status)) => {
                        return Err(io::Error::other(format!("the server ended: {status}")));
                    }
                    (SIGCHLD, None) => {}
                    _ => break,
                }
            }
            running.stop();
        }
        Service::Healthy { address } => service::is_answering(&shared, address)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
