//! Unix sockets in private directories.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

use crate::target::{Invalid, quoted};

/// `sun_path` has 108 bytes with its final NUL (unix(7)).
const LONGEST_PATH: usize = 107;

/// The lock that the owner of a socket holds, in the same directory: this and the name of the socket.
const LOCK: &str = ".lock-";

/// A new directory that is removed when it is dropped.
#[derive(Debug)]
pub struct PrivateDirectory(TempDir);

impl PrivateDirectory {
    /// Below the first of these directories that can be used.
    ///
    /// # Errors
    /// If none can be used.
    pub fn create(below: &[PathBuf]) -> Result<Self, Invalid> {
        let mut failures = Vec::new();
        for parent in below {
            // mkdir removes the bits of the umask, so the mode is set again.
            let private = Permissions::from_mode(0o700);
            let created = tempfile::Builder::new()
                .prefix("pipeprobe-")
                .rand_bytes(8)
                .permissions(private.clone())
                .tempdir_in(parent)
                .and_then(|directory| fs::set_permissions(directory.path(), private).map(|()| directory));
            match created {
                Ok(directory) => return Ok(Self(directory)),
                Err(error) => failures.push(format!("{}: {error}", quoted(parent.display()))),
            }
        }
        Err(Invalid::new(
            "XDG_RUNTIME_DIR",
            "a directory in which a socket can be created",
            failures.join("; "),
        )
        .remedy("set XDG_RUNTIME_DIR or TMPDIR to a directory of this user"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Whether only this user or root can change the contents of a directory.
pub(in crate::agent) fn is_own(directory: &fs::Metadata) -> bool {
    [geteuid().as_raw(), 0].contains(&directory.uid()) && directory.mode() & 0o022 == 0
}

/// A path, its mode and its owner, for an error.
pub(in crate::agent) fn described(path: &Path, metadata: &fs::Metadata) -> String {
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    format!("{}: mode {mode:04o}, owner {owner}", quoted(path.display()))
}

/// Creates the directory of all sockets, unless it exists. Only its owner and root may change it. `is_shared`: other users have to get
/// to a socket in it.
///
/// # Errors
/// If it cannot be created, or another user can change it.
pub(in crate::agent) fn create_parent(directory: &Path, is_shared: bool) -> Result<(), Invalid> {
    let refused = |found: String| {
        Invalid::new("socket_dir", "a directory that only this user or root can change", found)
            .remedy("give another one: --socket-dir DIR")
    };
    let failed = |error: io::Error| refused(format!("{}: {error}", quoted(directory.display())));
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {
            let mode = if is_shared { 0o711 } else { 0o700 };
            fs::set_permissions(directory, Permissions::from_mode(mode)).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let metadata = fs::metadata(directory).map_err(failed)?;
    match metadata.is_dir() && is_own(&metadata) {
        true => Ok(()),
        false => Err(refused(described(directory, &metadata))),
    }
}

/// A listening Unix socket that belongs to the user of this process. It is removed when it is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// The id of the group whose members can connect too.
    group: Option<u32>,
    /// While it is open, no other agent uses this path. `None`: the service manager owns the socket.
    lock: Option<File>,
}

impl UnixSocket {
    /// Binds a socket of this name. Creates the directory if it does not exist, and replaces the socket of an agent that did not
    /// remove it.
    ///
    /// # Errors
    /// If the directory is not private, if another agent uses it, or if the path is too long.
    pub fn bind(directory: &Path, name: &str, group: Option<u32>) -> Result<Self, Invalid> {
        let path = directory.join(name);
        let invalid = |expected: &str, found: String| Err(Invalid::new("socket", expected, found));
        let failed = |path: &Path, error: &io::Error| {
            Invalid::new(
                "socket",
                "a socket that can be created",
                format!("{}: {error}", quoted(path.display())),
            )
        };
        let length = path.as_os_str().len();
        if length > LONGEST_PATH {
            let found = format!("{length} bytes: {}", quoted(path.display()));
            let expected = format!("a path of at most {LONGEST_PATH} bytes");
            return Err(Invalid::new("socket", expected, found)
                .remedy("set XDG_RUNTIME_DIR to a shorter path, such as /run/user/1000"));
        }
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => fs::set_permissions(directory, Permissions::from_mode(0o700))
                .map_err(|error| failed(directory, &error))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(directory, &error)),
        }
        // A link could be changed to lead elsewhere.
        let metadata = fs::symlink_metadata(directory).map_err(|error| failed(directory, &error))?;
        // The group may have been set by an agent before.
        let is_private = metadata.mode() & if group.is_some() { 0o027 } else { 0o077 } == 0;
        if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || !is_private {
            let found = described(directory, &metadata);
            return invalid("a directory of this user with mode 0700", found);
        }
        let lock = directory.join(format!("{LOCK}{name}"));
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(|error| failed(&lock, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let found = format!("another agent uses {}", quoted(directory.display()));
                return invalid("one agent per directory", found);
            }
            Err(TryLockError::Error(error)) => return Err(failed(directory, &error)),
        }
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => {
                tracing::info!(path = %path.display(), "replacing the socket of an agent that has ended");
                fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
            }
            Ok(_) => return invalid("no file with the name of the socket", quoted(path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, &error)),
        }
        let listener = UnixListener::bind(&path).map_err(|error| failed(&path, &error))?;
        // The umask may be 0. The directory has kept others out until here.
        let open_to = |path: &Path, mode: u32| -> io::Result<()> {
            if group.is_some() {
                std::os::unix::fs::chown(path, None, group)?;
            }
            fs::set_permissions(path, Permissions::from_mode(mode))
        };
        let (socket_mode, directory_mode) = if group.is_some() { (0o660, 0o750) } else { (0o600, 0o700) };
        open_to(&path, socket_mode).map_err(|error| failed(&path, &error))?;
        // Last: until here the directory has kept the group out.
        open_to(directory, directory_mode).map_err(|error| failed(directory, &error))?;
        Ok(Self { listener, path, group, lock: Some(lock) })
    }

    /// A socket of the service manager, which also decides on its mode.
    ///
    /// # Errors
    /// If it cannot be used.
    pub(super) fn inherited(
        listener: std::os::unix::net::UnixListener,
        group: Option<u32>,
    ) -> Result<Self, Invalid> {
        let used = || -> io::Result<Self> {
            listener.set_nonblocking(true)?;
            let path = listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
            Ok(Self { listener: UnixListener::from_std(listener)?, path, group, lock: None })
        };
        used().map_err(|error| Invalid::new("LISTEN_FDS", "a Unix socket that can be used", error))
    }

    pub(in crate::agent) fn group(&self) -> Option<u32> {
        self.group
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::agent) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(client, _)| client)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = fs::remove_file(&self.path); // the next agent replaces what is left
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> PrivateDirectory {
        PrivateDirectory::create(&[std::env::temp_dir()]).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn directory_and_socket_are_private_if_the_umask_is_empty() {
        use rustix::{fs::Mode, process::umask};
        // The umask belongs to the process: both are made between two changes of it.
        let before = umask(Mode::empty());
        let directory = directory();
        let listener = UnixSocket::bind(directory.path(), "socket", None);
        umask(before);
        let listener = listener.unwrap();
        assert_eq!((mode(directory.path()), mode(listener.path())), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_second_agent_is_refused_and_the_first_is_undisturbed() {
        let directory = directory();
        let first = UnixSocket::bind(directory.path(), "socket", None).unwrap();
        let second = UnixSocket::bind(directory.path(), "socket", None).unwrap_err();
        assert!(second.found.contains("another agent"), "{second}");
        let (client, accepted) = tokio::join!(UnixStream::connect(first.path()), first.accept());
        client.unwrap();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_another_file_is_not() {
        let directory = directory();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "it was left behind");
        drop(UnixSocket::bind(directory.path(), "socket", None).unwrap());
        assert!(!path.exists(), "it was removed");
        fs::write(&path, "a file").unwrap();
        UnixSocket::bind(directory.path(), "socket", None).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }

    #[tokio::test]
    async fn a_directory_that_others_can_enter_and_a_link_are_refused() {
        let directory = directory();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let refused = UnixSocket::bind(directory.path(), "socket", None).unwrap_err();
        assert!(refused.found.contains("mode 0755"), "{refused}");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::DirBuilder::new().mode(0o700).create(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        UnixSocket::bind(&link, "socket", None).unwrap_err();
        UnixSocket::bind(&real, "socket", None).unwrap();
    }

    #[test]
    fn the_parent_of_sockets_is_created_private_and_refused_if_others_can_change_it() {
        let directory = directory();
        let parent = directory.path().join("pipeprobe");
        create_parent(&parent, false).unwrap();
        assert_eq!(mode(&parent), 0o700);
        fs::set_permissions(&parent, Permissions::from_mode(0o755)).unwrap();
        create_parent(&parent, false).unwrap();
        fs::set_permissions(&parent, Permissions::from_mode(0o777)).unwrap();
        create_parent(&parent, false).unwrap_err();
        create_parent(&parent.join("a/b"), false).unwrap_err();
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_refused_with_its_length() {
        let directory = directory();
        let room = LONGEST_PATH - directory.path().as_os_str().len() - 1;
        UnixSocket::bind(directory.path(), &"x".repeat(room), None).unwrap();
        let refused = UnixSocket::bind(directory.path(), &"x".repeat(room + 1), None).unwrap_err();
        assert!(refused.found.starts_with("108 bytes"), "{refused}");
    }
}
