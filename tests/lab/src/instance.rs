//! One running database, as a test sees it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lab_aws::{Aws, DbInstance, Decision, Verifier};

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

/// How many ports to try before giving up.
const PORTS: u32 = 10;

/// A database server that checks RDS IAM tokens. It ends with its [`crate::Lab`], a [`crate::Standby`] before it.
#[derive(Debug)]
pub struct Instance {
    pub server_version: ServerVersion,
    /// Name of its table in [`crate::Lab::config_toml`]: the lane's, with a number from the second of a kind on.
    pub name: String,
    /// The RDS-style endpoint its certificate is for and tokens must be signed for. It resolves nowhere: dial
    /// [`Instance::address`].
    pub host: String,
    /// The port it listens on, and the one in tokens.
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

/// What is known of an instance before it runs.
pub(crate) struct Plan {
    pub(crate) installed: Installed,
    pub(crate) naming: Naming,
}

/// What every instance of a lab is made with.
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
            // The others have it all in their binlog.
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

    /// From here on dropping the value ends the server.
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
        // The server runs as another user than the verifier when we are root.
        instance.deployment.user.owns(&instance.deployment.verifier())?;
        match (instance.server_version.engine(), primary) {
            (Engine::Postgres, None) => postgres::prepare(&instance.deployment)?,
            (Engine::Postgres, Some(_)) => {}
            (_, None) => mysql::prepare(&instance.deployment)?,
            (_, Some(primary)) => mysql::follow(&instance.deployment, &primary.deployment)?,
        }
        Ok(instance)
    }

    /// Where to dial: loopback, on [`Instance::port`].
    pub fn address(&self) -> SocketAddr {
        self.deployment.address()
    }

    /// The programs it runs from; its client too.
    pub fn installed(&self) -> &Installed {
        &self.installed
    }

    /// Runs SQL in database `app` as the superuser, over the Unix socket, and returns the rows: a line each, columns divided by
    /// `|` (PostgreSQL) or tabs. Stops at the first error, which carries the server's words.
    pub fn sql(&self, script: &str) -> io::Result<String> {
        self.deployment.sql(Some(guide::DATABASE), script)
    }

    /// A command line that opens a shell on the server as its superuser.
    pub fn superuser_shell(&self) -> String {
        match self.server_version.engine() {
            Engine::Postgres => postgres::shell(&self.deployment),
            Engine::Mysql | Engine::MariaDb => mysql::shell(&self.deployment),
        }
    }

    /// What the server wrote to its log so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.deployment.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Every token this server asked about, and why it was accepted or refused; the oldest first.
    pub fn decisions(&self) -> Vec<Decision> {
        self.verifier.decisions()
    }

    /// Where its plugin asks; for what a test wants to change about that.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Shuts the server down in order. Its data stays.
    pub fn stop(&self) {
        if let Some(mut server) = self.state().server.take() {
            self.deployment.shut_down(&mut server);
        }
    }

    /// Starts a stopped server, on the same port and with the same settings; no effect on a running one.
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

    /// Restarts a PostgreSQL as one that recovers from an archive whose next file does not come: it listens, and is starting up
    /// for as long as it runs.
    ///
    /// # Errors
    /// If it does not come that far.
    ///
    /// # Panics
    /// If this is no PostgreSQL.
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

    /// Restarts a PostgreSQL as a standby that takes no sessions (`hot_standby = off`), of a primary that does not come.
    ///
    /// # Errors
    /// If it does not come that far.
    pub fn restart_as_closed_standby(&self) -> io::Result<()> {
        self.stop();
        postgres::stand_by(&self.deployment)?;
        self.restart_with(&[("hot_standby", "off")])
    }

    /// Asks the server to shut down once its last session is over ("smart" shutdown, PostgreSQL), and returns when it has
    /// begun to: it takes no new sessions.
    ///
    /// # Errors
    /// If it does not begin.
    pub fn begin_to_stop(&self) -> io::Result<()> {
        let state = self.state();
        let Some(server) = &state.server else { return Ok(()) };
        self.deployment.ask_to_stop(server)
    }

    /// Changes these settings while the server runs, such as `("hot_standby_feedback", "on")` or `("binlog_format", "MIXED")`.
    /// New sessions have them when it returns; older sessions may not. MySQL and MariaDB forget them at the next start.
    ///
    /// # Errors
    /// If the server does not know a setting or refuses its value, or if it cannot be changed without a restart or has been fixed
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

    /// Where everything of it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.deployment.folder
    }

    /// Makes the running server use what its certificate's files hold now.
    pub(crate) fn read_certificate_again(&self) -> io::Result<()> {
        self.deployment.user.owns(&self.deployment.tls.key)?;
        let statement = match self.server_version.engine() {
            Engine::Postgres => "SELECT pg_reload_conf();",
            Engine::Mysql => "ALTER INSTANCE RELOAD TLS;",
            Engine::MariaDb => "FLUSH SSL;",
        };
        self.sql(statement).map(drop)
    }

    /// The trust root that its certificate is signed by.
    pub(crate) fn trust_root(&self) -> &Path {
        &self.deployment.trust_root
    }

    pub(crate) fn is_standby(&self) -> bool {
        self.deployment.primary.is_some()
    }

    /// Where its log of changes is, with all that has been committed.
    pub(crate) fn position(&self) -> io::Result<String> {
        match self.server_version.engine() {
            Engine::Postgres => postgres::position(&self.deployment),
            Engine::Mysql | Engine::MariaDb => mysql::position(&self.deployment),
        }
    }

    /// Whether it follows its primary and has come to that [`Self::position`].
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

/// The name RDS has it under: the first label of its endpoint.
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
