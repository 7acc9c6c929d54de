//! A TCP relay before a database, which makes checks slow and counts their connections.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use lab::{Instance, Lab};

pub(super) struct Relay {
    address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

/// Connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) total: usize,
    /// In their delay.
    delayed: usize,
    /// The most that were delayed at the same time.
    pub(super) most: usize,
}

impl Relay {
    /// Forwards each connection after this delay.
    pub(super) fn start(instance: &Instance, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, database) = (listener.local_addr().unwrap(), instance.address());
        let counts = Arc::<Mutex<Counts>>::default();
        let shared = Arc::clone(&counts);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counts = Arc::clone(&shared);
                change(&counts, |counts| {
                    counts.total += 1;
                    counts.delayed += 1;
                    counts.most = counts.most.max(counts.delayed);
                });
                std::thread::spawn(move || {
                    std::thread::sleep(delay);
                    change(&counts, |counts| counts.delayed -= 1);
                    // Ends when both sides have closed.
                    let _ = forward(&client, database);
                });
            }
        });
        Self { address, counts }
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }

    /// A target that connects through the relay.
    pub(super) fn target(&self, lab: &Lab, name: &str, instance: &Instance) -> String {
        let direct = instance.address().to_string();
        lab.target_toml(name, instance, lab::ACCESS_ROLE).replace(&direct, &self.address.to_string())
    }
}

fn change(counts: &Mutex<Counts>, by: impl FnOnce(&mut Counts)) {
    by(&mut counts.lock().unwrap());
}

fn forward(client: &TcpStream, database: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(database)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let sending = std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut &server, &mut &*client);
    let _ = client.shutdown(Shutdown::Write);
    let _ = sending.join();
    Ok(())
}
