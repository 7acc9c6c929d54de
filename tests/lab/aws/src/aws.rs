//! The running AWS stand-in: one background thread, STS on a port, verifiers on sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::assume_role::Grant;
use crate::fault::Fault;
use crate::http::{self, AsyncAccept};
use crate::service::Service;
use crate::session::{Credentials, Tag};
use crate::state::{Ledger, State};
use crate::sts::{self, Call};
use crate::verifier::{Desk, Verifier};
use crate::world::{Database, World};

/// A running AWS stand-in. Dropping it also stops every [`Verifier`].
#[derive(Debug)]
pub struct Aws {
    state: Arc<State>,
    calls: Arc<Ledger<Call>>,
    address: SocketAddr,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Aws {
    /// Serves `world` on a free port of 127.0.0.1. May be called inside an async runtime and outside one.
    ///
    /// # Errors
    /// `InvalidInput` if AWS would reject the documents and ARNs, or the system's error.
    pub fn start(world: World) -> io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), world)
    }

    /// As [`Aws::start`], on this address.
    ///
    /// # Errors
    /// As [`Aws::start`].
    pub fn start_on(address: SocketAddr, world: World) -> io::Result<Self> {
        world.check().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;

        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let listener = {
            let _inside = handle.enter();
            TcpListener::from_std(listener)?
        };
        let state = Arc::new(State::new(world));
        let calls = Arc::<Ledger<Call>>::default();
        let (stop, stopped) = oneshot::channel();
        let serving = {
            let (state, calls) = (Arc::clone(&state), Arc::clone(&calls));
            http::serve(listener, true, move |request, peer| sts::answer(&state, &calls, request, peer))
        };
        let thread = std::thread::Builder::new().name("lab-aws".into()).spawn(move || {
            runtime.spawn(serving);
            // Ends when the sender is dropped.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { state, calls, address, runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// For `AWS_ENDPOINT_URL_STS`, `…_RDS` and `…_IAM`: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes users, roles and switches; the next request sees it.
    ///
    /// # Panics
    /// If [`Aws::start`] would reject the result; nothing changes then.
    pub fn change(&self, f: impl FnOnce(&mut World)) {
        self.state.change(f);
    }

    /// Changes the behavior of STS from now on. Verifiers do not change.
    pub fn set_fault(&self, fault: Fault) {
        self.set_fault_of(Service::Sts, fault);
    }

    /// Changes the behavior of that service from now on.
    pub fn set_fault_of(&self, service: Service, fault: Fault) {
        self.state.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(service, fault);
    }

    /// Sets AWS's clock `seconds` ahead of this machine's clock. 0 restores it.
    pub fn shift_clock(&self, seconds: i64) {
        self.state.clock.shift(seconds);
    }

    /// Requests to STS, RDS and IAM with their responses, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.all()
    }

    /// The keys of every issued session, for tests that search outputs for secrets.
    pub fn issued(&self) -> Vec<Credentials> {
        self.state.sessions.all()
    }

    /// A session without AssumeRole, as EKS Pod Identity gives to a pod: all of its `tags` are transitive.
    ///
    /// `role` need not exist; the session then has no permissions.
    pub fn issue(&self, role: &str, session_name: &str, tags: &[Tag], life: Duration) -> Credentials {
        let grant = Grant {
            role: role.to_owned(),
            session_name: session_name.to_owned(),
            duration: u32::try_from(life.as_secs()).unwrap_or(u32::MAX),
            tags: tags.to_vec(),
            transitive: tags.iter().map(|tag| tag.key.clone()).collect(),
            policies: None,
            source_identity: None,
            packed: tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum(),
        };
        let (session, _) = sts::issue(&self.state, grant, self.state.clock.now());
        session.credentials.clone()
    }

    /// Starts the verifier for `database`'s login plugin. Every user of the system may connect to the socket.
    ///
    /// A socket left by an earlier run is replaced; any other file is not.
    ///
    /// # Errors
    /// The system's: the path is taken, or too long for a socket (107 bytes), or not writable.
    pub fn verify_on(&self, socket: &Path, database: Database) -> io::Result<Verifier> {
        if socket.symlink_metadata().is_ok_and(|file| file.file_type().is_socket()) {
            std::fs::remove_file(socket)?;
        }
        let listener = std::os::unix::net::UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666))?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = self.runtime.enter();
            UnixListener::from_std(listener)?
        };
        let desk = Arc::new(Desk::new(Arc::clone(&self.state), database));
        let serving = {
            let desk = Arc::clone(&desk);
            self.runtime.spawn(http::serve(listener, false, move |request, ()| Some(desk.answer(request))))
        };
        Ok(Verifier::new(desk, socket, serving))
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The other thread has printed its panic.
            let _ = thread.join();
        }
    }
}

impl AsyncAccept<TcpStream, IpAddr> for TcpListener {
    async fn accept(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer.ip()))
    }
}

impl AsyncAccept<UnixStream, ()> for UnixListener {
    async fn accept(&self) -> io::Result<(UnixStream, ())> {
        let (stream, _) = Self::accept(self).await?;
        Ok((stream, ()))
    }
}

#[cfg(test)]
mod tests;
