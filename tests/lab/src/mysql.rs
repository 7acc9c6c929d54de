//! MySQL and MariaDB, set up as RDS has them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::ServerUser;
use crate::files;
use crate::guide;
use crate::installed::Installed;
use crate::lane::Engine;
use crate::site::Site;
use crate::template;

pub(crate) fn initialise(installed: &Installed, user: &ServerUser, folder: &Path) -> io::Result<()> {
    let engine = installed.lane.engine();
    let data = folder.join("data");
    let mut server = Command::new(installed.program(engine.server()));
    server
        .arg("--no-defaults")
        .arg(with("--basedir=", &installed.base()))
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
        // Every copy makes its own identity.
        return fs::remove_file(data.join("auto.cnf"));
    }

    fs::create_dir(&data)?;
    user.owns(&data)?;
    let script = folder.join("bootstrap.sql");
    let mut file = File::create(&script)?;
    writeln!(file, "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;")?;
    writeln!(file, "SET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;")?;
    for part in ["system_tables", "performance_tables", "system_tables_data"] {
        let share = installed.base().join("share");
        // The name moved with MariaDB 11.
        let old = share.join(format!("mysql/mysql_{part}.sql"));
        let new = share.join(format!("mariadb/mariadb_{part}.sql"));
        let path = if new.is_file() { new } else { old };
        io::copy(&mut File::open(&path).map_err(|e| files::named(&path, &e))?, &mut file)?;
    }
    server.args(["--bootstrap", LOG_SIZE]);
    template::run(server, user, folder, Some(&script))
}

/// The same at initialisation and at start, or the server spends its first second on resizing.
const LOG_SIZE: &str = "--innodb-log-file-size=8M";

/// Makes the folder that the server loads plugins from.
pub(crate) fn configure(site: &Site) -> io::Result<()> {
    let folder = plugin_folder(site);
    files::create(&folder)?;
    symlink(&site.plugins.aws_auth, folder.join("AWSAuthenticationPlugin.so"))
}

fn plugin_folder(site: &Site) -> PathBuf {
    site.folder.join("plugins")
}

fn socket(site: &Site) -> PathBuf {
    site.scratch().join("s.sock")
}

pub(crate) fn arguments(site: &Site, settings: &[(String, String)], command: &mut Command) {
    let scratch = site.scratch();
    command
        .arg("--no-defaults")
        .arg(with("--basedir=", &site.installed.base()))
        .arg(with("--datadir=", &site.data()))
        .arg(with("--tmpdir=", &scratch))
        .arg(with("--socket=", &socket(site)))
        .arg(with("--pid-file=", &scratch.join("server.pid")))
        .arg(format!("--port={}", site.port))
        .arg("--bind-address=127.0.0.1")
        .arg(with("--plugin-dir=", &plugin_folder(site)))
        .arg("--plugin-load-add=AWSAuthenticationPlugin=AWSAuthenticationPlugin.so")
        .arg(with("--ssl-cert=", &site.tls.certificate))
        .arg(with("--ssl-key=", &site.tls.key))
        .arg(with("--ssl-ca=", &site.trust_root))
        .args(["--tls-version=TLSv1.2,TLSv1.3", "--require-secure-transport=ON"])
        // CDC, as the ClickPipes guides want it.
        .arg(with("--log-bin=", &site.data().join("mysql-bin-changelog")))
        .args(["--server-id=1", "--binlog-format=ROW"])
        .args(["--binlog-row-image=FULL", "--binlog-row-metadata=FULL"])
        // A client that breaks off its handshake is what is being tested: never block its address for it.
        .args(["--skip-name-resolve", "--host-cache-size=0"])
        .args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"])
        .args(["--innodb-flush-method=nosync", "--sync-binlog=0"])
        .arg("--performance-schema=OFF");
    match site.installed.lane.engine() {
        Engine::Mysql => command.args([
            "--mysqlx=OFF",
            "--secure-file-priv=NULL",
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--innodb-redo-log-capacity=100M",
            "--innodb-doublewrite=OFF",
        ]),
        _ => command.args(["--gtid-strict-mode=ON", LOG_SIZE]),
    };
    for (name, value) in settings {
        command.arg(format!("--{name}={value}"));
    }
    command.env("PIPEPROBE_LAB_VERIFIER", site.verifier());
}

/// The server greets on its Unix socket once it takes connections.
pub(crate) fn is_ready(site: &Site) -> bool {
    let greeting = || -> io::Result<u8> {
        let mut stream = UnixStream::connect(socket(site))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut packet = [0; 5];
        stream.read_exact(&mut packet)?;
        Ok(packet[4])
    };
    greeting().is_ok_and(|protocol| protocol == 10)
}

pub(crate) fn client(site: &Site, database: Option<&str>) -> Command {
    let mut client = Command::new(site.installed.program(site.installed.lane.engine().client()));
    client
        .env_clear()
        .args(["--no-defaults", "--batch", "--skip-column-names", "-uroot"])
        .arg(with("--socket=", &socket(site)))
        .args(database);
    client
}

/// What a person types to be the superuser.
pub(crate) fn shell(site: &Site) -> String {
    let client = site.installed.program(site.installed.lane.engine().client());
    let (client, socket) = (client.display(), socket(site));
    format!("{client} --no-defaults --socket={} -uroot {}", socket.display(), guide::DATABASE)
}

/// What RDS brings, what the customer has, and what the guides tell them to type.
pub(crate) fn furnish(site: &Site) -> io::Result<()> {
    let script = [
        // As on RDS: unset until the customer sets it.
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
    ]
    .join("\n");
    site.sql(None, &script).map(drop)
}

fn with(option: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push(path);
    argument
}
