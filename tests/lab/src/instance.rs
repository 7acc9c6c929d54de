//! One running database server, for tests.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lab_aws::{Aws, Database, DbInstance, Decision, Verifier};

use crate::account::ServerUser;
use crate::certificates::{Authority, Certificate};
use crate::deployment::{Around, Deployment, Primary, StartError, free_port, make_folder};
use crate::fixture::{CUSTOMER_ACCOUNT, REGION};
use crate::guide;
use crate::installed::Installed;
use crate::naming::Naming;
use crate::plugins::Plugins;
use crate::server_version::{Engine, ServerVersion};
use crate::{mysql, postgres, template};

/// The number of ports to try.
const PORTS: u32 = 10;

/// A database server that verifies RDS IAM tokens. It stops with its [`crate::Lab`]; a [`crate::Standby`] stops before it.
#[derive(Debug)]
pub struct Instance {
    pub server_version: ServerVersion,
    /// Name of its table in [`crate::Lab::config_toml`]: the version's name, with a number if there are several of one version.
    pub name: String,
    /// The RDS endpoint name in its certificate and in tokens. It does not resolve: connect to
    /// [`Instance::address`].
    pub host: String,
    /// The port that it listens on. Tokens are signed for the same port.
    pub port: u16,
    /// The guide's `{RDS_RESOURCE_ID}`.
    pub resource_id: String,
    installed: Installed,
    deployment: Deployment,
    verifier: Verifier,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    server: Option<Child>,
    settings: Vec<(String, String)>,
}

/// Properties of an instance before it runs.
pub(crate) struct Plan {
    pub(crate) installed: Installed,
    pub(crate) naming: Naming,
}

/// Common inputs of every instance of a lab.
pub(crate) struct Parts<'a> {
    pub(crate) lab: &'a Path,
    pub(crate) trust_root: &'a Path,
    pub(crate) authority: &'a Authority,
    pub(crate) plugins: &'a Plugins,
    pub(crate) user: &'a ServerUser,
    pub(crate) aws: &'a Aws,
}

impl Instance {
    /// Starts a server, or a standby of `primary`.
    pub(crate) fn start(plan: &Plan, parts: &Parts<'_>, primary: Option<&Self>) -> io::Result<Self> {
        let folder = parts.lab.join(&plan.naming.name);
        make_folder(&folder, parts.user)?;
        let tls = parts.authority.issue(&plan.naming.host, Certificate::Good, &folder)?;
        parts.user.owns(&tls.key)?;
        match primary {
            Some(primary) if plan.installed.server_version.engine() == Engine::Postgres => {
                postgres::copy(&primary.deployment, &folder)?;
            }
            // The other engines have it in their binary log.
            _ => template::copy(&template::template(&plan.installed, parts.user)?, parts.user, &folder)?,
        }
        let mut deployment = Deployment {
            programs: plan.installed.programs.clone(),
            user: parts.user.clone(),
            plugins: parts.plugins.clone(),
            folder,
            port: 0,
            tls,
            trust_root: parts.trust_root.to_owned(),
            primary: primary.map(|p| Primary { scratch: p.deployment.scratch(), port: p.port }),
            around: Around::Machine,
        };
        make_folder(&deployment.scratch(), parts.user)?;
        if plan.installed.server_version.engine() != Engine::Postgres {
            mysql::configure(&deployment)?;
        }
        for _ in 0..PORTS {
            deployment.port = free_port()?;
            if plan.installed.server_version.engine() == Engine::Postgres {
                postgres::configure(&deployment)?;
            }
            let server = match deployment.start(&[]) {
                Ok(server) => server,
                Err(StartError::PortTaken) => continue,
                Err(StartError::Other(e)) => return Err(e),
            };
            return Self::take_over(plan, parts, deployment, server, primary);
        }
        Err(io::Error::other("no free port on loopback"))
    }

    /// From here on, dropping the value stops the server.
    fn take_over(
        plan: &Plan,
        parts: &Parts<'_>,
        deployment: Deployment,
        mut server: Child,
        primary: Option<&Self>,
    ) -> io::Result<Self> {
        let engine = match plan.installed.server_version.engine() {
            Engine::Postgres => "postgres",
            Engine::Mysql => "mysql",
            Engine::MariaDb => "mariadb",
        };
        let record = DbInstance {
            engine: engine.to_owned(),
            region: REGION.to_owned(),
            account: CUSTOMER_ACCOUNT.to_owned(),
            parameter_group: (format!("lab-{engine}"), "in-sync".to_owned()),
            ..DbInstance::new(
                identifier(&plan.naming.host),
                &plan.naming.resource_id,
                &plan.naming.host,
                deployment.port,
            )
        };
        parts.aws.change(|world| world.instances.push(record));
        let verifier =
            match parts.aws.verify_on(&deployment.verifier(), plan.naming.database(deployment.port)) {
                Ok(verifier) => verifier,
                Err(e) => {
                    deployment.abandon(&mut server);
                    return Err(e);
                }
            };
        let instance = Self {
            server_version: plan.installed.server_version,
            name: plan.naming.name.clone(),
            host: plan.naming.host.clone(),
            port: deployment.port,
            resource_id: plan.naming.resource_id.clone(),
            verifier,
            state: Mutex::new(State { server: Some(server), settings: Vec::new() }),
            installed: plan.installed.clone(),
            deployment,
        };
        // As root, the server runs as a different user than the verifier.
        instance.deployment.user.owns(&instance.deployment.verifier())?;
        match (instance.server_version.engine(), primary) {
            (Engine::Postgres, None) => postgres::prepare(&instance.deployment)?,
            (Engine::Postgres, Some(_)) => {}
            (_, None) => mysql::prepare(&instance.deployment)?,
            (_, Some(primary)) => mysql::follow(&instance.deployment, &primary.deployment)?,
        }
        Ok(instance)
    }

    /// The address to connect to: loopback and [`Instance::port`].
    pub fn address(&self) -> SocketAddr {
        self.deployment.address()
    }

    /// Its programs, including the client.
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// Runs SQL in database `app` as the superuser over the Unix socket. Returns one line per row, columns separated by
    /// `|` (PostgreSQL) or tabs. Stops at the first error, which contains the server's message.
    pub fn sql(&self, script: &str) -> io::Result<String> {
        self.deployment.sql(Some(guide::DATABASE), script)
    }

    /// The same in another database.
    pub fn sql_in(&self, database: &str, script: &str) -> io::Result<String> {
        self.deployment.sql(Some(database), script)
    }

    /// A command line that opens a shell on the server as its superuser.
    pub fn superuser_shell(&self) -> String {
        match self.server_version.engine() {
            Engine::Postgres => postgres::shell(&self.deployment),
            Engine::Mysql | Engine::MariaDb => mysql::shell(&self.deployment),
        }
    }

    /// Where the superuser connects: the folder of the Unix socket (PostgreSQL), or the socket itself.
    pub fn superuser_socket(&self) -> PathBuf {
        match self.server_version.engine() {
            Engine::Postgres => self.deployment.scratch(),
            Engine::Mysql | Engine::MariaDb => mysql::socket(&self.deployment),
        }
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.deployment.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Every token that this server verified, and why it was accepted or refused; oldest first.
    pub fn decisions(&self) -> Vec<Decision> {
        self.verifier.decisions()
    }

    /// The verifier of its plugin, for tests that change its behavior.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Shuts the server down cleanly. Its data is kept.
    pub fn stop(&self) {
        if let Some(mut server) = self.state().server.take() {
            self.deployment.shut_down(&mut server);
        }
    }

    /// Starts a stopped server on the same port with the same settings. Does nothing if it runs.
    pub fn start_again(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.server.is_some() {
            return Ok(());
        }
        match self.deployment.start(&state.settings) {
            Ok(server) => state.server = Some(server),
            Err(StartError::Other(e)) => return Err(e),
            Err(StartError::PortTaken) => return Err(self.port_taken()),
        }
        Ok(())
    }

    /// Restarts the server with these settings instead of those of the last restart, such as `("wal_level", "replica")` or
    /// `("binlog_format", "MIXED")`. They are command-line options, and so override the lab's own.
    pub fn restart_with(&self, settings: &[(&str, &str)]) -> io::Result<()> {
        self.stop();
        self.state().settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.start_again()
    }

    /// Restarts the server with messages in another language: for PostgreSQL a locale and its character set, such as
    /// `ja_JP.eucJP` and `EUC-JP`; the other engines always answer in the client's character set.
    ///
    /// # Errors
    /// If the machine has no such locale, or the server has no translation.
    pub fn restart_in(&self, locale: &str, character_set: &str) -> io::Result<()> {
        match self.server_version.engine() {
            Engine::Postgres => {
                postgres::add_locale(&self.deployment, locale, character_set)?;
                self.restart_with(&[(postgres::LC_MESSAGES, locale)])
            }
            Engine::Mysql | Engine::MariaDb => self.restart_with(&[("lc-messages", locale)]),
        }
    }

    /// Restarts PostgreSQL in recovery from an archive whose next file never arrives: it listens, and stays in startup
    /// until it is stopped.
    ///
    /// # Errors
    /// If it does not reach that state.
    ///
    /// # Panics
    /// If this is not PostgreSQL.
    pub fn restart_into_recovery(&self) -> io::Result<()> {
        assert_eq!(self.server_version.engine(), Engine::Postgres);
        self.stop();
        let settings = postgres::recover(&self.deployment)?;
        let mut state = self.state();
        match self.deployment.start_until(&settings, postgres::is_recovering) {
            Ok(server) => state.server = Some(server),
            Err(StartError::Other(e)) => return Err(e),
            Err(StartError::PortTaken) => return Err(self.port_taken()),
        }
        Ok(())
    }

    /// Restarts PostgreSQL as a standby that accepts no sessions (`hot_standby = off`), with a primary that does not exist.
    ///
    /// # Errors
    /// If it does not reach that state.
    pub fn restart_as_closed_standby(&self) -> io::Result<()> {
        self.stop();
        postgres::stand_by(&self.deployment)?;
        self.restart_with(&[("hot_standby", "off")])
    }

    /// Starts a shutdown that waits for the last session ("smart" shutdown, PostgreSQL). Returns when it has
    /// begun and no new sessions are accepted.
    ///
    /// # Errors
    /// If it does not begin.
    pub fn begin_to_stop(&self) -> io::Result<()> {
        let state = self.state();
        let Some(server) = &state.server else { return Ok(()) };
        self.deployment.ask_to_stop(server)
    }

    /// Changes these settings while the server runs, such as `("hot_standby_feedback", "on")` or `("binlog_format", "MIXED")`.
    /// They apply to new sessions when this returns. MySQL and MariaDB lose them at the next start.
    ///
    /// # Errors
    /// If the server does not know a setting or refuses its value, or if it needs a restart or was set
    /// by [`Self::restart_with`].
    pub fn set(&self, settings: &[(&str, &str)]) -> io::Result<()> {
        match self.server_version.engine() {
            Engine::Postgres => postgres::set(&self.deployment, settings),
            Engine::Mysql | Engine::MariaDb => mysql::set(&self.deployment, settings),
        }
    }

    fn port_taken(&self) -> io::Error {
        io::Error::new(io::ErrorKind::AddrInUse, format!("{}: someone took port {}", self.name, self.port))
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.deployment.folder
    }

    /// Makes the running server reload its certificate files.
    pub(crate) fn read_certificate_again(&self) -> io::Result<()> {
        self.deployment.user.owns(&self.deployment.tls.key)?;
        let statement = match self.server_version.engine() {
            Engine::Postgres => "SELECT pg_reload_conf();",
            Engine::Mysql => "ALTER INSTANCE RELOAD TLS;",
            Engine::MariaDb => "FLUSH SSL;",
        };
        self.sql(statement).map(drop)
    }

    /// MySQL and MariaDB: removes every file of the binary log but the last. The server keeps a file that a check is reading, with a
    /// warning only, so it is asked again.
    ///
    /// # Errors
    /// If old files remain for a minute.
    pub fn purge_binary_logs(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let files = self.sql("SHOW BINARY LOGS")?;
            let names = files.lines().filter_map(|line| line.split_whitespace().next());
            let names: Vec<&str> = names.filter(|name| *name != "Log_name").collect();
            match &names[..] {
                [] => return Err(io::Error::other("no binary log")),
                [_] => return Ok(()),
                _ if Instant::now() > deadline => {
                    return Err(io::Error::other(format!("the server keeps its old files\n{files}")));
                }
                [.., last] => drop(self.sql(&format!("PURGE BINARY LOGS TO '{last}'"))?),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The endpoint that tokens are signed for, and its resource id.
    pub(crate) fn database(&self) -> Database {
        Database {
            host: self.host.clone(),
            port: self.port,
            region: REGION.to_owned(),
            account: CUSTOMER_ACCOUNT.to_owned(),
            resource_id: self.resource_id.clone(),
        }
    }

    /// A standby becomes a primary, and accepts writes when this returns.
    pub(crate) fn promote(&self) -> io::Result<()> {
        let script = match self.server_version.engine() {
            Engine::Postgres => "SELECT pg_promote(true)",
            Engine::Mysql => {
                "STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF;"
            }
            Engine::MariaDb => "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = OFF;",
        };
        self.sql(script).map(drop)
    }

    /// The trust root that signs its certificate.
    pub(crate) fn trust_root(&self) -> &Path {
        &self.deployment.trust_root
    }

    pub(crate) fn is_standby(&self) -> bool {
        self.deployment.primary.is_some()
    }

    /// The current position of its WAL or binary log.
    pub(crate) fn position(&self) -> io::Result<String> {
        match self.server_version.engine() {
            Engine::Postgres => postgres::position(&self.deployment),
            Engine::Mysql | Engine::MariaDb => mysql::position(&self.deployment),
        }
    }

    /// Whether it follows its primary and has reached that [`Self::position`].
    pub(crate) fn has(&self, position: &str) -> io::Result<bool> {
        match self.server_version.engine() {
            Engine::Postgres => postgres::has(&self.deployment, position),
            Engine::Mysql | Engine::MariaDb => mysql::has(&self.deployment, position),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its RDS identifier: the first label of its endpoint.
fn identifier(host: &str) -> &str {
    host.split('.').next().unwrap_or_default()
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(mut server) = self.state().server.take() {
            self.deployment.abandon(&mut server);
        }
    }
}
