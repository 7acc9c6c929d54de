//! Python with libraries written by others: botocore as an independent check of tokens, the
//! database clients of the [consumers](crate::Consumer), and the Kubernetes schemas. Virtual environments in
//! the cache; only some tests need them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::step;
use crate::{cache, files};

/// A virtual environment and its packages. Versions are pinned, so that a new release cannot break the tests. An
/// environment with other versions is created again.
pub(crate) struct Environment {
    /// Of its folder in the cache.
    pub(crate) name: &'static str,
    /// What it is for.
    what: &'static str,
    packages: &'static [&'static str],
}

/// For the consumers and the check of tokens by botocore.
pub(crate) const CLIENTS: Environment = Environment {
    name: "python",
    what: "botocore and Python's database clients",
    packages: &["botocore==1.44.8", "psycopg2-binary==2.9.13", "PyMySQL==1.2.4", "mysql-replication==1.0.17"],
};

/// For the judge, which also decompresses binary logs. Separate, so that the consumers' environment stays as it is.
pub(crate) const JUDGE: Environment = Environment {
    name: "python-judge",
    what: "the judge's database clients",
    packages: &[
        "botocore==1.44.8",
        "psycopg2-binary==2.9.13",
        "PyMySQL==1.2.4",
        "mysql-replication==1.0.17",
        "zstandard==0.25.0",
    ],
};

/// The Kubernetes schemas of recent releases, and a validator.
pub(crate) const KUBERNETES: Environment = Environment {
    name: "kubernetes-validate",
    what: "Kubernetes' schemas",
    packages: &["kubernetes-validate==1.37.0", "PyYAML==6.0.4"],
};

/// A linter of GitHub Actions workflows. Its package contains the program.
pub(crate) const ZIZMOR: Environment = Environment {
    name: "zizmor",
    what: "zizmor, the linter of GitHub Actions",
    packages: &["zizmor==1.32.0"],
};

/// moto, an implementation of AWS, with the parts of its server that RDS, IAM, EC2 and STS need; and the AWS CLI. They
/// have the same version of botocore.
pub(crate) const MOTO: Environment = Environment {
    name: "moto",
    what: "moto and the AWS CLI",
    packages: &["moto==5.2.5", "flask==3.1.3", "flask-cors==6.0.5", "awscli==1.46.3", "boto3==1.44.8"],
};

/// Another implementation of AWS. Separate, because it needs an older botocore.
pub(crate) const MINISTACK: Environment =
    Environment { name: "ministack", what: "ministack", packages: &["ministack==1.5.33"] };

/// An HTTP proxy with CONNECT and authentication.
pub(crate) const PROXY: Environment =
    Environment { name: "proxy", what: "proxy.py, an HTTP proxy", packages: &["proxy.py==2.4.10"] };

/// The Python interpreter that can `import botocore, psycopg2, pymysql, pymysqlreplication`, if `cargo lab setup` could make
/// one.
pub fn python() -> Option<PathBuf> {
    CLIENTS.python()
}

/// A virtual environment contains its path, so it is created in place. This file lists its packages once it is complete.
const COMPLETE: &str = "complete";

impl Environment {
    /// Its interpreter, if it could be created.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        self.is_there().then(|| self.folder().join("bin/python3"))
    }

    /// A program of one of its packages.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.is_there().then(|| self.folder().join("bin").join(name))
    }

    pub(crate) fn is_there(&self) -> bool {
        let complete = fs::read_to_string(self.folder().join(COMPLETE));
        complete.is_ok_and(|packages| packages == self.packages.join(" "))
    }

    /// Creates the environment unless it exists.
    pub(crate) fn make(&self) -> io::Result<()> {
        let _lock = cache::lock(self.name)?;
        if self.is_there() {
            return Ok(());
        }
        let folder = self.folder();
        let made = step(&format!("fetching {}", self.what), || {
            files::remove(&folder)?;
            files::create(&folder)?;
            // Tools like pyenv put their python first on the path; the system's python is stable.
            run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            run(Command::new(folder.join("bin/python3")).args(pip).args(self.packages))?;
            files::write(&folder.join(COMPLETE), &self.packages.join(" "))
        });
        cache::remember(self.name, &made);
        made
    }

    fn folder(&self) -> PathBuf {
        cache::folder().join(self.name)
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().map_err(|e| io::Error::other(format!("{program}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("failed");
    Err(io::Error::other(format!("{program}: {last}")))
}
