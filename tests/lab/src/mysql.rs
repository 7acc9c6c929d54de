//! MySQL and MariaDB, configured as on RDS.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::ServerUser;
use crate::deployment::Deployment;
use crate::files;
use crate::guide;
use crate::programs::Programs;
use crate::random;
use crate::server_version::Engine;
use crate::template;

pub(crate) fn initialise(programs: &Programs, user: &ServerUser, folder: &Path) -> io::Result<()> {
    let engine = programs.engine;
    let data = folder.join("data");
    let mut server = Command::new(programs.program(engine.server()));
    server
        .arg("--no-defaults")
        .arg(with("--basedir=", programs.base()))
        .arg(with("--datadir=", &data))
        .arg(with("--tmpdir=", folder))
        .arg("--innodb-flush-method=nosync")
        .env("LC_ALL", "C");
    if engine == Engine::Mysql {
        server.args([
            "--initialize-insecure",
            "--innodb-redo-log-capacity=100M",
            "--innodb-doublewrite=OFF",
            "--skip-log-bin",
            "--performance-schema=OFF",
        ]);
        template::run(server, user, folder, None)?;
        // Every copy generates its own server UUID.
        return fs::remove_file(data.join("auto.cnf"));
    }

    fs::create_dir(&data)?;
    user.owns(&data)?;
    let script = folder.join("bootstrap.sql");
    let mut file = File::create(&script)?;
    writeln!(file, "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;")?;
    writeln!(file, "SET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;")?;
    for part in ["system_tables", "performance_tables", "system_tables_data"] {
        // MariaDB 11 renamed both; the folder was not renamed in every package.
        let share = programs.base().join("share");
        let places = [("mariadb", "mariadb"), ("mysql", "mariadb"), ("mysql", "mysql")]
            .map(|(folder, name)| share.join(folder).join(format!("{name}_{part}.sql")));
        let path = places.iter().find(|path| path.is_file()).unwrap_or(&places[2]);
        io::copy(&mut File::open(path).map_err(|e| files::named(path, &e))?, &mut file)?;
    }
    server.args(["--bootstrap", LOG_SIZE]);
    template::run(server, user, folder, Some(&script))
}

/// The same size at initialization and at start. Otherwise the server needs a second to resize.
const LOG_SIZE: &str = "--innodb-log-file-size=8M";

/// Makes the folder that the server loads plugins from.
pub(crate) fn configure(deployment: &Deployment) -> io::Result<()> {
    let folder = plugin_folder(deployment);
    files::create(&folder)?;
    match symlink(&deployment.plugins.aws_auth, folder.join("AWSAuthenticationPlugin.so")) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()), // an earlier start's
    }
}

fn plugin_folder(deployment: &Deployment) -> PathBuf {
    deployment.folder.join("plugins")
}

pub(crate) fn socket(deployment: &Deployment) -> PathBuf {
    deployment.scratch().join("s.sock")
}

pub(crate) fn arguments(deployment: &Deployment, settings: &[(String, String)], command: &mut Command) {
    let scratch = deployment.scratch();
    command
        .arg("--no-defaults")
        .arg(with("--basedir=", deployment.programs.base()))
        .arg(with("--datadir=", &deployment.data()))
        .arg(with("--tmpdir=", &scratch))
        .arg(with("--socket=", &socket(deployment)))
        .arg(with("--pid-file=", &scratch.join("server.pid")))
        .arg(format!("--port={}", deployment.port))
        .arg(format!("--bind-address={}", deployment.listens_on()))
        .arg(with("--plugin-dir=", &plugin_folder(deployment)))
        .arg("--plugin-load-add=AWSAuthenticationPlugin=AWSAuthenticationPlugin.so")
        .arg(with("--ssl-cert=", &deployment.tls.certificate))
        .arg(with("--ssl-key=", &deployment.tls.key))
        .arg(with("--ssl-ca=", &deployment.trust_root))
        .args(["--tls-version=TLSv1.2,TLSv1.3", "--require-secure-transport=ON"])
        // Settings for CDC from the ClickPipes guides.
        .arg(with("--log-bin=", &deployment.data().join("mysql-bin-changelog")))
        .args(["--server-id=1", "--binlog-format=ROW"])
        .args(["--binlog-row-image=FULL", "--binlog-row-metadata=FULL"])
        // Tests break off handshakes, so the server must not block their address.
        .arg("--host-cache-size=0")
        .args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"])
        .args(["--innodb-flush-method=nosync", "--sync-binlog=0"])
        .arg("--performance-schema=OFF");
    match deployment.programs.engine {
        Engine::Mysql => command.args([
            "--mysqlx=OFF",
            // It delays the shutdown of a server with a replica by ten seconds.
            "--event-scheduler=OFF",
            "--secure-file-priv=NULL",
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--innodb-redo-log-capacity=100M",
            "--innodb-doublewrite=OFF",
        ]),
        _ => command.args(["--gtid-strict-mode=ON", LOG_SIZE]),
    };
    if deployment.primary.is_some() {
        // The port is unique on this machine.
        command.arg(format!("--server-id={}", deployment.port)).arg("--read-only=ON");
        command.arg(with("--relay-log=", &deployment.data().join("relay")));
    }
    // MySQL keeps it on once it was turned on.
    let resolves = |(name, value): &(String, String)| name == "skip-name-resolve" && value == "OFF";
    if !settings.iter().any(resolves) {
        command.arg("--skip-name-resolve");
    }
    for (name, value) in settings.iter().filter(|setting| !resolves(setting)) {
        command.arg(format!("--{name}={value}"));
    }
    command.env("PIPEPROBE_LAB_VERIFIER", deployment.verifier());
    deployment.programs.preload(command, &deployment.plugins.names_shim);
}

/// The server sends its greeting on the Unix socket when it accepts connections.
pub(crate) fn is_ready(deployment: &Deployment) -> bool {
    let greeting = || -> io::Result<u8> {
        let mut stream = UnixStream::connect(socket(deployment))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut packet = [0; 5];
        stream.read_exact(&mut packet)?;
        Ok(packet[4])
    };
    greeting().is_ok_and(|protocol| protocol == 10)
}

pub(crate) fn client(deployment: &Deployment, database: Option<&str>) -> Command {
    let mut client = Command::new(deployment.programs.program(deployment.programs.engine.client()));
    client
        .env_clear()
        .args(["--no-defaults", "--batch", "--skip-column-names", "-uroot"])
        .arg(with("--socket=", &socket(deployment)))
        .args(database);
    client
}

/// The command that opens a superuser shell.
pub(crate) fn shell(deployment: &Deployment) -> String {
    let client = deployment.programs.program(deployment.programs.engine.client());
    let (client, socket) = (client.display(), socket(deployment));
    format!("{client} --no-defaults --socket={} -uroot {}", socket.display(), guide::DATABASE)
}

/// The objects that RDS has, the customer's tables, and the commands of the guides.
pub(crate) fn prepare(deployment: &Deployment) -> io::Result<()> {
    let beyond = match deployment.programs.engine {
        Engine::MariaDb => guide::MARIADB_BEYOND_THE_GUIDE,
        _ => "",
    };
    let script = [
        // As on RDS, it is NULL until the customer sets it.
        "CREATE TABLE mysql.rds_configuration (
           name varchar(100) NOT NULL PRIMARY KEY,
           value varchar(100) DEFAULT NULL,
           description varchar(300) NOT NULL
         );
         INSERT INTO mysql.rds_configuration VALUES ('binlog retention hours', NULL,
           'binlog retention hours specifies the duration in hours before binary logs are automatically deleted.');
         CREATE PROCEDURE mysql.rds_set_configuration(IN wanted varchar(30), IN setting int)
           UPDATE mysql.rds_configuration SET value = setting WHERE name = wanted;
         CREATE PROCEDURE mysql.rds_show_configuration() SELECT * FROM mysql.rds_configuration;
         CREATE DATABASE app;
         CREATE TABLE app.orders (
           id bigint AUTO_INCREMENT PRIMARY KEY,
           customer varchar(100) NOT NULL,
           amount decimal(10, 2) NOT NULL,
           placed_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
         );
         INSERT INTO app.orders (customer, amount) VALUES ('Ada', 12.50), ('Grace', 99.00), ('Edsger', 3.14);",
        guide::MYSQL_USER,
        guide::MYSQL_GRANTS,
        beyond,
    ]
    .join("\n");
    deployment.sql(None, &script).map(drop)
}

/// Makes an empty server a replica. The primary's binary log contains everything since its start, users included.
pub(crate) fn follow(deployment: &Deployment, primary: &Deployment) -> io::Result<()> {
    // RDS also has a user for this. There is one for each replica, because the password is not stored.
    let user = format!("rdsrepladmin_{}", deployment.port);
    let password = random::secret(32); // MySQL's maximum here
    primary.sql(
        None,
        &format!(
            "CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}' REQUIRE SSL;
             GRANT REPLICATION SLAVE ON *.* TO '{user}'@'127.0.0.1';"
        ),
    )?;
    let (port, root) = (primary.port, deployment.trust_root.display());
    // The name in the certificate does not resolve, so only the chain is verified.
    let script = match deployment.programs.engine {
        Engine::Mysql => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port},
               SOURCE_USER = '{user}', SOURCE_PASSWORD = '{password}', SOURCE_CONNECT_RETRY = 1,
               SOURCE_SSL = 1, SOURCE_SSL_CA = '{root}', SOURCE_AUTO_POSITION = 1;
             START REPLICA;"
        ),
        _ => format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port},
               MASTER_USER = '{user}', MASTER_PASSWORD = '{password}', MASTER_CONNECT_RETRY = 1,
               MASTER_SSL = 1, MASTER_SSL_CA = '{root}', MASTER_SSL_VERIFY_SERVER_CERT = 0,
               MASTER_USE_GTID = slave_pos;
             START SLAVE;"
        ),
    };
    deployment.sql(None, &script).map(drop)
}

/// The GTIDs of every transaction in its binary log.
pub(crate) fn position(deployment: &Deployment) -> io::Result<String> {
    let question = match deployment.programs.engine {
        Engine::Mysql => "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')",
        _ => "SELECT @@GLOBAL.gtid_binlog_pos",
    };
    Ok(deployment.sql(None, question)?.trim().to_owned())
}

/// Waits for it for at most one second.
pub(crate) fn has(deployment: &Deployment, position: &str) -> io::Result<bool> {
    let wait = match deployment.programs.engine {
        Engine::Mysql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 1)"),
        _ => format!("SELECT MASTER_GTID_WAIT('{position}', 1)"),
    };
    Ok(deployment.sql(None, &wait)?.trim() == "0")
}

pub(crate) fn set(deployment: &Deployment, settings: &[(&str, &str)]) -> io::Result<()> {
    let mut script = String::new();
    for (name, value) in settings {
        // A number must not be quoted, anything else may be.
        let value = match value.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => format!("'{}'", value.replace('\'', "''")),
        };
        let _ = writeln!(script, "SET GLOBAL {name} = {value};");
    }
    deployment.sql(None, &script).map(drop)
}

fn with(option: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push(path);
    argument
}
