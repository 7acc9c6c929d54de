//! The lab as a value: starting it gives endpoints and credentials, dropping it removes everything.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lab_aws::Aws;

use crate::account::ServerUser;
use crate::certificates::{Authority, Certificate};
use crate::files;
use crate::fixture::{
    self, ACCESS_ROLE, CALLER_ACCESS_KEY_ID, OPERATOR_ACCESS_KEY_ID, OPERATOR_PROFILE, REGION,
};
use crate::installed::{Installed, obtain};
use crate::instance::{Instance, Parts, Plan};
use crate::naming::Naming;
use crate::plugins::{self, Plugins};
use crate::random;
use crate::server_version::ServerVersion;
use crate::standby::Standby;
use crate::supervisor::Supervisor;
use crate::target::Target;

/// An AWS stand-in and database servers that verify IAM tokens with it, on loopback, in one temporary folder.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: servers, AWS, the folder, and last the supervisor.
    instances: Vec<Instance>,
    aws: Aws,
    secret_access_key: String,
    authority: Authority,
    plugins: Plugins,
    user: ServerUser,
    standbys: AtomicU32,
    folder: Folder,
    _supervisor: Supervisor,
}

impl Lab {
    /// Starts the AWS stand-in and these servers in parallel. A version may appear more than once. Downloads nothing: a version that
    /// [`obtain`] skips is an error here.
    pub fn start(server_versions: &[ServerVersion]) -> io::Result<Self> {
        let plans = plan(server_versions)?;
        let user = ServerUser::find()?;
        let folder = Folder::create()?;
        let supervisor = Supervisor::start(&folder.0)?;

        let authority = Authority::new()?;
        files::write(&folder.0.join("root.pem"), authority.pem())?;
        files::write(&folder.0.join("empty"), "")?;
        let plugins = plugins::copy_to(&folder.0)?;

        let secret_access_key = random::secret(40); // as long as AWS's
        files::write(&folder.0.join("credentials"), &credentials(&secret_access_key))?;
        let resource_ids: Vec<String> = plans.iter().map(|p| p.naming.resource_id.clone()).collect();
        let aws = Aws::start(fixture::world(&resource_ids, &secret_access_key))?;

        let mut lab = Self {
            instances: Vec::new(),
            aws,
            secret_access_key,
            authority,
            plugins,
            user,
            standbys: AtomicU32::new(0),
            folder,
            _supervisor: supervisor,
        };
        let started: Vec<io::Result<Instance>> = std::thread::scope(|threads| {
            let starting: Vec<_> =
                plans.iter().map(|plan| threads.spawn(|| lab.start_one(plan, None))).collect();
            let joined = starting.into_iter().map(|thread| {
                let panicked = |_| Err(io::Error::other("starting a server panicked"));
                thread.join().unwrap_or_else(panicked)
            });
            joined.collect()
        });
        lab.instances = started.into_iter().collect::<io::Result<_>>()?;
        Ok(lab)
    }

    fn start_one(&self, plan: &Plan, primary: Option<&Instance>) -> io::Result<Instance> {
        let parts = Parts {
            lab: &self.folder.0,
            trust_root: &self.ca_pem(),
            authority: &self.authority,
            plugins: &self.plugins,
            user: &self.user,
            aws: &self.aws,
        };
        Instance::start(plan, &parts, primary)
    }

    /// Starts a standby of one of this lab's instances and waits until it has caught up. The access role may connect to it. It
    /// is not among [`Self::instances`].
    ///
    /// # Errors
    /// If the primary does not run, has no log (`wal_level=minimal`, `skip-log-bin`), or is a standby.
    pub fn standby<'lab>(&'lab self, primary: &'lab Instance) -> io::Result<Standby<'lab>> {
        if primary.is_standby() {
            return Err(io::Error::other(format!("{} is a standby itself", primary.name)));
        }
        let name = match self.standbys.fetch_add(1, Ordering::Relaxed) {
            0 => format!("{}_standby", primary.name),
            n => format!("{}_standby_{}", primary.name, n + 1),
        };
        let plan = Plan::new(primary.installed().clone(), &name);
        let instance = self.start_one(&plan, Some(primary))?;
        self.aws.change(|world| {
            for role in world.roles.iter_mut().filter(|role| role.arn == ACCESS_ROLE) {
                role.identity_policies.push(fixture::connect_policy(&[&plan.naming.resource_id]));
            }
        });
        let standby = Standby { instance, primary };
        standby.catch_up()?;
        Ok(standby)
    }

    /// Makes a standby the primary, as a failover behind one endpoint does: the old primary stops, and the standby has its name in the
    /// certificate and its endpoint and resource id for tokens. Clients must connect to the standby's address. PostgreSQL does not
    /// take logical slots along.
    ///
    /// # Errors
    /// If the standby cannot be promoted.
    pub fn fail_over(&self, standby: &Standby<'_>) -> io::Result<()> {
        let primary = standby.primary;
        standby.catch_up()?;
        primary.stop();
        self.authority.issue(&primary.host, Certificate::Good, standby.folder())?;
        standby.read_certificate_again()?;
        standby.verifier().set_database(primary.database());
        standby.promote()
    }

    /// Replaces the certificate and key of one of this lab's instances and restarts it with its current settings.
    ///
    /// # Errors
    /// If the server does not start with the certificate.
    pub fn present(&self, instance: &Instance, certificate: Certificate) -> io::Result<()> {
        instance.stop();
        self.authority.issue(&instance.host, certificate, instance.folder())?;
        instance.start_again()
    }

    /// Replaces the certificate and key of a running server. Sessions that start after this returns, or a moment later, see
    /// it.
    ///
    /// # Errors
    /// If the server does not accept the certificate.
    pub fn replace_certificate(&self, instance: &Instance, certificate: Certificate) -> io::Result<()> {
        self.authority.issue(&instance.host, certificate, instance.folder())?;
        instance.read_certificate_again()
    }

    /// The AWS stand-in.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The lab's folder. It is removed on drop, and by the supervisor if the process ends in another way.
    pub fn dir(&self) -> &Path {
        &self.folder.0
    }

    /// The trust root that signs every server certificate, as a PEM file.
    pub fn ca_pem(&self) -> PathBuf {
        self.folder.0.join("root.pem")
    }

    /// The first instance of that version.
    ///
    /// # Panics
    /// If the lab has no server of that version.
    pub fn instance(&self, server_version: ServerVersion) -> &Instance {
        let found = self.instances.iter().find(|i| i.server_version == server_version);
        found.unwrap_or_else(|| panic!("this lab was started without {server_version}"))
    }

    /// Every instance, in the requested order.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The secret access key of the caller, [`fixture::CALLER`].
    pub fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// The environment of the caller: its keys and the AWS endpoint, without this machine's AWS configuration. The
    /// only profile, [`OPERATOR_PROFILE`], belongs to the operator.
    pub fn environment(&self) -> Vec<(String, String)> {
        let empty = self.folder.0.join("empty").display().to_string();
        [
            ("AWS_ACCESS_KEY_ID", CALLER_ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL_STS", self.aws.endpoint()),
            ("AWS_ENDPOINT_URL_RDS", self.aws.endpoint()),
            ("AWS_ENDPOINT_URL_IAM", self.aws.endpoint()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", empty),
            ("AWS_SHARED_CREDENTIALS_FILE", self.folder.0.join("credentials").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A configuration file for pipeprobe, with one table per instance.
    pub fn config_toml(&self) -> String {
        let targets = self.instances.iter();
        targets.map(|i| self.target_toml(&i.name, i, ACCESS_ROLE)).collect()
    }

    /// One table of such a file, with this name and role.
    pub fn target_toml(&self, name: &str, instance: &Instance, iam_role: &str) -> String {
        table(name, instance, iam_role, &self.ca_pem().display().to_string())
    }

    /// Writes the configuration file into [`Self::dir`] and returns its path. All files that it names are there too, so the folder can be
    /// mounted elsewhere, for example in a container.
    pub fn write_config(&self) -> io::Result<PathBuf> {
        let tables = self.instances.iter().map(|i| table(&i.name, i, ACCESS_ROLE, "root.pem"));
        let path = self.folder.0.join("pipeprobe.toml");
        files::write(&path, &tables.collect::<String>())?;
        Ok(path)
    }
}

fn table(name: &str, instance: &Instance, iam_role: &str, ca_certificate: &str) -> String {
    Target {
        name,
        engine: instance.server_version.engine(),
        host: &instance.host,
        port: instance.port,
        connect_to: &instance.address().to_string(),
        iam_role,
        ca_certificate,
    }
    .table()
}

/// The shared credentials file. Its secrets are valid only in this lab.
fn credentials(secret: &str) -> String {
    format!(
        "[{OPERATOR_PROFILE}]\naws_access_key_id = {OPERATOR_ACCESS_KEY_ID}\naws_secret_access_key = {secret}\n"
    )
}

fn plan(server_versions: &[ServerVersion]) -> io::Result<Vec<Plan>> {
    let mut seen: HashMap<ServerVersion, u32> = HashMap::new();
    let mut plans = Vec::new();
    for &server_version in server_versions {
        let number = seen.entry(server_version).or_default();
        *number += 1;
        let name = match number {
            1 => server_version.name().to_owned(),
            n => format!("{server_version}_{n}"),
        };
        plans.push(Plan::new(obtain(server_version)?, &name));
    }
    Ok(plans)
}

impl Plan {
    fn new(installed: Installed, name: &str) -> Self {
        Self { installed, naming: Naming::new(name) }
    }
}

/// A new folder that is removed when the value is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        // Readable for the servers' user regardless of the umask.
        let folder = std::env::temp_dir().join(format!("pipeprobe-lab-{:08x}", random::number() as u32));
        if folder.as_os_str().len() > 50 || !folder.is_absolute() {
            // A Unix socket path has at most 107 bytes.
            let text = format!("{}: too long for Unix sockets; set TMPDIR", folder.display());
            return Err(io::Error::other(text));
        }
        let named = |e| files::named(&folder, &e);
        fs::DirBuilder::new().mode(0o755).create(&folder).map_err(named)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(named)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The supervisor removes what is left.
        let _ = files::remove(&self.0);
    }
}
