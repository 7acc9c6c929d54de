//! The programs of one server, and how to run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server_version::{Engine, ServerVersion, Source};

/// A server, the tool that initializes its data directory, and its client.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) engine: Engine,
    /// Searched in this order.
    folders: Vec<PathBuf>,
    base: PathBuf,
    preload: &'static str,
}

impl Programs {
    /// Programs from packages below `root`.
    pub(crate) fn of_lane(server_version: ServerVersion, root: &Path) -> Self {
        Self {
            engine: server_version.engine(),
            folders: server_version.program_folders().iter().map(|folder| root.join(folder)).collect(),
            base: root.join("usr"),
            preload: match server_version.source() {
                Source::System => "LD_PRELOAD",
                Source::Fetched { .. } => "PIPEPROBE_LAB_PRELOAD",
            },
        }
    }

    /// Programs of the server that is installed on this machine (usually a container): on the path, or in Debian's folder of
    /// PostgreSQL, the newest first.
    pub(crate) fn on_path(engine: Engine) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
        let mut programs = Self { engine, folders, base: "/usr".into(), preload: "LD_PRELOAD" };
        let server = programs.find(engine.server());
        if let Some(base) = server.as_deref().and_then(Path::parent).and_then(Path::parent) {
            base.clone_into(&mut programs.base);
        }
        programs
    }

    /// The path of a program, such as `psql`. Programs of downloaded servers are small scripts that start the real program with its
    /// own libraries, and keep the process id.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        // The bare name gives an error that names the missing program.
        self.find(name).unwrap_or_else(|| name.into())
    }

    /// The first missing program that this engine needs.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        self.engine.programs().iter().find(|program| self.find(program).is_none()).copied()
    }

    /// Makes a program load `library` before its own.
    pub(crate) fn preload(&self, command: &mut Command, library: &Path) {
        command.env(self.preload, library);
    }

    /// `usr` of the packages, the `basedir` of MySQL and MariaDB.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}
