//! The AWS container: STS for its network, and a verifier for each database.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use ask::{Question, ask};
use lab_aws::{Aws, Verifier};

use super::Member;
use crate::certificates::{Authority, Certificate};
use crate::fixture::{self, ACCESS_ROLE, CALLER_ACCESS_KEY_ID, WRONG_RESOURCE, WRONG_ROLE};
use crate::naming::Naming;
use crate::target::Target;
use crate::{files, random};

/// Written last. If it exists, the folder is complete.
const CONFIG: &str = "pipeprobe.toml";
const CREDENTIALS: &str = "credentials";
const SECRET: &str = "aws_secret_access_key = ";

/// Limit for the response to a health check.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running AWS stand-in. Dropping it stops it; the shared folder keeps its keys.
#[derive(Debug)]
pub struct Running {
    _verifiers: Vec<Verifier>,
    _aws: Aws,
}

/// Fills `shared`, unless an earlier start has, and serves STS on `address` and each member's questions. The caller's
/// credentials are readable for the system's group `caller`.
///
/// # Errors
/// If the folder cannot be written, the address is in use, or this process is neither root nor in the group `caller`.
pub fn start(shared: &Path, address: SocketAddr, members: &[Member], caller: u32) -> io::Result<Running> {
    let complete = shared.join(CONFIG).is_file()
        && members.iter().all(|member| member.files(shared).certificate.is_file());
    if !complete {
        fill(shared, members, caller)?;
    }
    let path = shared.join(CREDENTIALS);
    let credentials = fs::read_to_string(&path).map_err(|e| files::named(&path, &e))?;
    let secret = credentials.lines().find_map(|line| line.strip_prefix(SECRET));
    let secret = secret.ok_or_else(|| io::Error::other("the lab's credentials file has no secret"))?;

    let names: Vec<Naming> = members.iter().map(|member| Naming::new(&member.name)).collect();
    let ids: Vec<String> = names.iter().map(|naming| naming.resource_id.clone()).collect();
    let mut world = fixture::world(&ids, secret);
    world.roles.push(fixture::access_role(WRONG_ROLE, &[WRONG_RESOURCE]));
    let aws = Aws::start_on(address, world)?;
    let verifiers = members
        .iter()
        .zip(&names)
        .map(|(member, naming)| aws.verify_on(&member.verifier(shared), naming.database(member.port())))
        .collect::<io::Result<_>>()?;
    Ok(Running { _verifiers: verifiers, _aws: aws })
}

fn fill(shared: &Path, members: &[Member], caller: u32) -> io::Result<()> {
    let authority = Authority::new()?;
    files::write(&shared.join("root.pem"), authority.pem())?;
    for member in members {
        let folder = shared.join(&member.name);
        files::create(&folder)?;
        authority.issue(&Naming::new(&member.name).host, Certificate::Good, &folder)?;
    }
    let secret = random::secret(40); // as long as AWS's
    let credentials = shared.join(CREDENTIALS);
    files::write_private(
        &credentials,
        &format!("[default]\naws_access_key_id = {CALLER_ACCESS_KEY_ID}\n{SECRET}{secret}\n"),
    )?;
    // The file stays ours: root without CAP_DAC_OVERRIDE must be able to read it again.
    let shared_with =
        |group| chown(&credentials, None, Some(group)).and_then(|()| files::allow(&credentials, 0o640));
    shared_with(caller).map_err(|e| files::named(&credentials, &e))?;
    files::write(&shared.join(CONFIG), &config(members))
}

/// For `serve`: its container's network is private, and the host publishes it on loopback.
const SERVE: &str =
    "[serve]\nlisten = \"0.0.0.0:9719\"\nplaintext_beyond_loopback = true\nbasis = \"server\"\n\n";

/// One table for each database, and the first one again as `wrong-resource`, with a role that is not allowed to connect.
fn config(members: &[Member]) -> String {
    let table = |name: &str, member: &Member, iam_role| {
        let naming = Naming::new(&member.name);
        Target {
            name,
            engine: member.engine,
            host: &naming.host,
            port: member.port(),
            // The name of its service. The endpoint's name would only work if the network had it as an alias.
            connect_to: &format!("{}:{}", member.name, member.port()),
            iam_role,
            ca_certificate: "root.pem",
        }
        .table()
    };
    let each = members.iter().map(|member| table(&member.name, member, ACCESS_ROLE));
    let refused = members.first().map(|member| table("wrong-resource", member, WRONG_ROLE));
    [SERVE.to_owned()].into_iter().chain(each).chain(refused).collect()
}

/// Whether STS answers on `address`, and every verifier in `shared` on its socket.
///
/// # Errors
/// Names the first one that does not answer.
pub fn is_answering(shared: &Path, address: SocketAddr) -> io::Result<()> {
    let sts = || -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: aws\r\nConnection: close\r\n\r\n")?;
        let mut protocol = [0; 5];
        stream.read_exact(&mut protocol)?;
        match &protocol {
            b"HTTP/" => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    sts().map_err(|e| io::Error::new(e.kind(), format!("STS on {address}: {e}")))?;
    // Without a token: a refusal is an answer.
    let nobody =
        Question { engine: "lab", user: "health", remote: "", replication: "", tls: "yes", token: b"" };
    let mut verifiers = 0;
    for entry in fs::read_dir(shared).map_err(|e| files::named(shared, &e))? {
        let folder = entry?.path();
        if folder.join("server.pem").is_file() {
            let socket = folder.join("verify.sock");
            ask(&socket, &nobody).map_err(|e| files::named(&socket, &e))?;
            verifiers += 1;
        }
    }
    match verifiers {
        0 => Err(files::named(shared, &io::Error::other("no database has been prepared here"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_version::Engine;

    fn members() -> Vec<Member> {
        let member = |name: &str, engine| Member { name: name.to_owned(), engine };
        vec![member("postgres", Engine::Postgres), member("orders", Engine::MariaDb)]
    }

    #[test]
    fn keys_outlive_a_restart_and_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let shared = std::env::temp_dir().join(format!("pipeprobe-lab-{:08x}", random::number() as u32));
        files::create(&shared).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let us = rustix::process::getegid().as_raw();

        let running = start(&shared, address, &members(), us).unwrap();
        let first = fs::read_to_string(shared.join(CREDENTIALS)).unwrap();
        for (secret, wanted) in
            [("credentials", 0o640), ("postgres/server.key", 0o600), ("orders/server.key", 0o600)]
        {
            let mode = fs::metadata(shared.join(secret)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, wanted, "{secret}");
        }
        assert!(ask(&shared.join("orders/verify.sock"), &question()).is_ok_and(|accepted| !accepted));
        drop(running);
        assert!(ask(&shared.join("orders/verify.sock"), &question()).is_err());

        let _running = start(&shared, address, &members(), us).unwrap();
        assert_eq!(first, fs::read_to_string(shared.join(CREDENTIALS)).unwrap());
        assert!(ask(&shared.join("orders/verify.sock"), &question()).is_ok());
        files::remove(&shared).unwrap();
    }

    fn question() -> Question<'static> {
        Question { engine: "mariadb", user: "u", remote: "", replication: "", tls: "yes", token: b"no token" }
    }

    #[test]
    fn every_database_has_a_table_and_the_first_is_refused_once() {
        let config = config(&members());
        let tables: Vec<&str> = config.lines().filter(|line| line.starts_with('[')).collect();
        assert_eq!(tables, ["[serve]", "[targets.postgres]", "[targets.orders]", "[targets.wrong-resource]"]);
        assert!(config.contains("connect_to = \"orders:3306\""));
        assert_eq!(config.matches(WRONG_ROLE).count(), 1);
    }
}
