//! Names with two addresses, and a name whose address changes, as in a failover. Each agent has its own /etc/hosts.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::{
    agent::{sessions_named, stderr, stdout, wait_for},
    agent_service::Agent,
    support::{shared, skipped},
};

const NAME: &str = "db.example";
const USER: &str = "clickpipes_iam_user";
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// An address that leads to a server.
struct Relay {
    address: SocketAddr,
    /// Both ends of each connection.
    connections: Arc<Mutex<Vec<[TcpStream; 2]>>>,
}

impl Relay {
    fn start(address: (Ipv4Addr, u16), server: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let connections: Arc<Mutex<Vec<_>>> = Arc::default();
        let (address, kept) = (listener.local_addr().unwrap(), Arc::clone(&connections));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let both = || io::Result::Ok([client.try_clone()?, server.try_clone()?]);
                kept.lock().unwrap().push(both().unwrap());
                for [mut from, mut to] in [both().unwrap(), [server, client]] {
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Self { address, connections }
    }

    fn count(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// As if the server had disappeared with its connections.
    fn cut(&self) {
        for connection in self.connections.lock().unwrap().iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// An address where connections are neither accepted nor refused. The listener and the connections in its full queue.
fn silent(address: SocketAddr) -> (impl Sized, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &address).unwrap();
    listen(&listener, 0).unwrap();
    let mut queue = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(connection);
        assert!(queue.len() < 100, "the queue is never full");
    }
    (listener, queue)
}

fn can_have_its_own_hosts() -> bool {
    let works = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        skipped("agent: names with several addresses: no mount namespace may be created here");
    }
    works
}

/// The first line counts: the resolver keeps the order.
fn hosts(addresses: &[IpAddr]) -> String {
    let lines = addresses.iter().map(|address| format!("{address} {NAME}\n"));
    ["127.0.0.1 localhost\n".to_owned()].into_iter().chain(lines).collect()
}

/// An agent for this database, which it reaches by the name.
fn agent(lab: &Lab, instance: &Instance, port: u16, hosts: &Path) -> Agent {
    let table = lab.target_toml("a", instance, lab::ACCESS_ROLE);
    let table = table.replace(&instance.address().to_string(), &format!("{NAME}:{port}"));
    assert!(table.contains(NAME), "{table}");
    Agent::start_with_hosts(lab, &table, hosts)
}

/// The client of that server, with a query through the agent.
fn client(agent: &Agent, instance: &Instance, sql: &str) -> Command {
    if instance.server_version.engine() == Engine::Postgres {
        return agent.psql("a", sql);
    }
    let mut command = Command::new(instance.installed().program("mariadb"));
    command
        .args(["--skip-ssl", "-NBu", USER, "-e", sql, "app", "-S"])
        .arg(agent.directory("a").join("mysql.sock"));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

fn servers() -> [&'static Instance; 2] {
    [ServerVersion::Postgres15, ServerVersion::MariaDb10_11].map(|version| shared().instance(version))
}

#[test]
fn an_address_that_refuses_or_is_silent_does_not_matter_if_another_answers() {
    if !can_have_its_own_hosts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for instance in servers() {
        let good = Relay::start((SECOND, 0), instance.address());
        let bad = SocketAddr::from((FIRST, good.address.port()));
        for is_silent in [false, true] {
            let _kept = is_silent.then(|| silent(bad));
            for addresses in [[bad.ip(), good.address.ip()], [good.address.ip(), bad.ip()]] {
                let file = folder.path().join("hosts");
                std::fs::write(&file, hosts(&addresses)).unwrap();
                let agent = agent(shared(), instance, good.address.port(), &file);
                let before = good.count();
                let output = client(&agent, instance, "select 'in'").output().unwrap();
                assert_eq!(stdout(&output), "in", "{} {is_silent} {addresses:?}", instance.name);
                assert_eq!(good.count(), before + 1);
            }
        }
    }
}

#[test]
fn without_an_address_that_answers_both_are_named() {
    if !can_have_its_own_hosts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts");
    std::fs::write(&file, hosts(&[FIRST.into(), SECOND.into()])).unwrap();
    let free = TcpListener::bind((FIRST, 0)).unwrap().local_addr().unwrap().port();
    for instance in servers() {
        let agent = agent(shared(), instance, free, &file);
        let said = stderr(&client(&agent, instance, "select 1").output().unwrap());
        for address in [FIRST, SECOND] {
            assert!(said.contains(&format!("{address}:{free}")), "{said}");
        }
        assert!(said.contains("refused"), "{said}");
    }
}

/// The query of a session that waits, and how to see that it does.
fn waiting(instance: &Instance) -> (&'static str, String) {
    match instance.server_version.engine() {
        Engine::Postgres => ("select pg_sleep(600)", sessions_named("agent_failover")),
        _ => (
            "select sleep(600)",
            "select count(*) from information_schema.processlist where info like 'select sleep(600%'"
                .to_owned(),
        ),
    }
}

#[test]
fn after_a_failover_new_connections_reach_the_new_address_and_open_sessions_end_with_an_error() {
    if !can_have_its_own_hosts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts");
    // The server does not notice that the client of a sleeping session has gone, so it is not shared.
    let lab = Lab::start(&[ServerVersion::Postgres15, ServerVersion::MariaDb10_11]).unwrap();
    for instance in lab.instances() {
        let before = Relay::start((FIRST, 0), instance.address());
        let after = Relay::start((SECOND, before.address.port()), instance.address());
        std::fs::write(&file, hosts(&[FIRST.into()])).unwrap();
        let agent = agent(&lab, instance, before.address.port(), &file);
        let (sql, running) = waiting(instance);
        let start = || {
            let mut command = client(&agent, instance, sql);
            command.env("PGAPPNAME", "agent_failover").stderr(Stdio::piped()).stdout(Stdio::piped());
            command.spawn().unwrap()
        };
        let patience = Duration::from_secs(60);
        let cancelled = start();
        wait_for(instance, &running, "1", patience);
        let open = start();
        wait_for(instance, &running, "2", patience);
        assert_eq!((before.count(), after.count()), (2, 0));

        // The bind mount is of this very file.
        std::fs::write(&file, hosts(&[SECOND.into()])).unwrap();
        assert_eq!(stdout(&client(&agent, instance, "select 'in'").output().unwrap()), "in");
        assert_eq!((before.count(), after.count()), (2, 1), "{}", instance.name);

        // PostgreSQL: the request goes to the server of the session. MySQL: KILL QUERY is sent in a new connection.
        let id = cancelled.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        cancelled.wait_with_output().unwrap();
        wait_for(instance, &running, "1", patience);
        if instance.server_version.engine() == Engine::Postgres {
            assert_eq!((before.count(), after.count()), (3, 1));
        }

        before.cut();
        let said = stderr(&open.wait_with_output().unwrap());
        assert!(
            said.contains("server closed the connection unexpectedly") || said.contains("Lost connection to"),
            "{said}"
        );
        assert_eq!(stdout(&client(&agent, instance, "select 'in'").output().unwrap()), "in");
    }
}
