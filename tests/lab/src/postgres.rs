//! PostgreSQL, configured as on RDS.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::account::ServerUser;
use crate::deployment::{Deployment, make_folder};
use crate::files;
use crate::guide;
use crate::programs::Programs;
use crate::template;

/// Superuser over the Unix socket. RDS has no superuser for customers.
const SUPERUSER: &str = "rdsadmin";

/// A reload is a signal, which the postmaster handles asynchronously.
const RELOAD: Duration = Duration::from_secs(10);

pub(crate) fn initialise(programs: &Programs, user: &ServerUser, folder: &Path) -> io::Result<()> {
    let mut initdb = Command::new(programs.program("initdb"));
    initdb
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8"])
        .args(["--locale=C", "--no-sync", "--no-instructions"])
        .env("LC_ALL", "C");
    template::run(initdb, user, folder, None)
}

/// Writes the configuration files.
pub(crate) fn configure(deployment: &Deployment) -> io::Result<()> {
    let scratch = deployment.scratch();
    let settings = format!(
        "listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{scratch}'
max_connections = 60

ssl = on
ssl_cert_file = '{certificate}'
ssl_key_file = '{key}'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'

wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
# The parameter group. As on RDS, the second can be switched with a reload.
rds.logical_replication = 'on'
rds.iam_auth_for_replication = '0'

log_connections = on
log_line_prefix = '%m [%p] %u@%d '
# A lab's data does not outlive its lab, nor may anything of it outside its folder.
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
jit = off
",
        address = deployment.listens_on(),
        port = deployment.port,
        scratch = scratch.display(),
        certificate = deployment.tls.certificate.display(),
        key = deployment.tls.key.display(),
    );
    let follow = deployment.primary.as_ref().map(|primary| {
        let (socket, port) = (primary.scratch.display(), primary.port);
        format!(
            "primary_conninfo = 'host={socket} port={port} user={SUPERUSER}'\nwal_retrieve_retry_interval = 100ms\n"
        )
    });
    files::write(&deployment.data().join("postgresql.conf"), &(settings + &follow.unwrap_or_default()))?;

    // The order on RDS: IAM users use PAM over TLS, others use passwords, and connections without TLS are refused.
    let access = format!(
        "local   all          {SUPERUSER}               trust
local   replication  {SUPERUSER}               trust
hostssl all          +rds_iam   all         pam pamservice=rdslab
hostssl replication  +rds_iam   all         pam pamservice=rdslab
host    all          +rds_iam   all         reject
host    replication  +rds_iam   all         reject
hostssl all          all        all         scram-sha-256
hostssl replication  all        all         scram-sha-256
"
    );
    files::write(&deployment.data().join("pg_hba.conf"), &access)?;

    let services = deployment.folder.join("pam.d");
    files::create(&services)?;
    let module = deployment.plugins.pam_module.display();
    let service = format!(
        "auth    required {module} verifier={}\naccount required {module}\n",
        deployment.verifier().display()
    );
    files::write(&services.join("rdslab"), &service)
}

pub(crate) fn arguments(deployment: &Deployment, settings: &[(String, String)], command: &mut Command) {
    command.arg("-D").arg(deployment.data());
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    if let Some((_, locale)) = settings.iter().find(|(name, _)| name == LC_MESSAGES) {
        // Until a database is open, messages are in the character set of the postmaster's locale.
        command.env("LC_ALL", locale).env("LOCPATH", locales(deployment));
    }
    command.env("PIPEPROBE_LAB_PAM_DIR", deployment.folder.join("pam.d"));
    deployment.programs.preload(command, &deployment.plugins.pam_shim);
}

/// Restarting with it changes the language.
pub(crate) const LC_MESSAGES: &str = "lc_messages";

fn locales(deployment: &Deployment) -> std::path::PathBuf {
    deployment.folder.join("locales")
}

/// Compiles a locale for this server, such as `fr_FR` in `ISO-8859-1`.
pub(crate) fn add_locale(deployment: &Deployment, locale: &str, character_set: &str) -> io::Result<()> {
    let folder = locales(deployment);
    files::create(&folder)?;
    // It warns about character sets that are not a superset of ASCII, with status 1, and compiles them.
    let output = Command::new("localedef")
        .args(["--quiet", "--force", "-i", locale.split('.').next().unwrap_or(locale), "-f", character_set])
        .arg(folder.join(locale))
        .output()?;
    match folder.join(locale).join("LC_MESSAGES").is_dir() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// Copies the running primary's data, as for a standby of it, to `folder/data`.
pub(crate) fn copy(primary: &Deployment, folder: &Path) -> io::Result<()> {
    let data = folder.join("data");
    // Both in one session, because the backup ends with its session. The exit status of the copy is ignored: files may change
    // during the copy, and an incomplete copy does not start.
    let script = format!(
        "SELECT pg_backup_start('standby', true) \\gset
\\! cp -a --reflink=auto '{}' '{}'
SELECT labelfile FROM pg_backup_stop(false);
",
        primary.data().display(),
        data.display()
    );
    let label = primary.sql(None, &script)?;
    files::remove(&data.join("pg_replslot"))?;
    fs::remove_file(data.join("postmaster.pid"))?;
    make_folder(&data.join("pg_replslot"), &primary.user)?;
    for (name, content) in [("backup_label", label.trim_start()), ("standby.signal", "")] {
        files::write(&data.join(name), content)?;
        primary.user.owns(&data.join(name))?;
    }
    Ok(())
}

/// The end of the WAL, after a flush.
pub(crate) fn position(deployment: &Deployment) -> io::Result<String> {
    let script = "SET synchronous_commit = on;
SELECT pg_logical_emit_message(true, 'lab', 'flush') \\gset
SELECT pg_current_wal_lsn();
";
    Ok(deployment.sql(None, script)?.trim().to_owned())
}

pub(crate) fn has(deployment: &Deployment, position: &str) -> io::Result<bool> {
    let question = format!(
        "SELECT pg_last_wal_replay_lsn() >= '{position}' AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
    );
    Ok(deployment.sql(None, &question)?.trim() == "t")
}

pub(crate) fn set(deployment: &Deployment, settings: &[(&str, &str)]) -> io::Result<()> {
    // A new session shows when the postmaster last read its configuration.
    let loaded = || deployment.sql(None, "SELECT pg_conf_load_time()");
    let before = loaded()?;
    let (mut script, mut undo, mut questions) = (String::new(), String::new(), Vec::new());
    for (name, value) in settings {
        let value = value.replace('\'', "''");
        let _ = writeln!(script, "ALTER SYSTEM SET {name} = '{value}';");
        let _ = writeln!(undo, "ALTER SYSTEM RESET {name};");
        // Parameters of RDS are custom settings; their value is the written text.
        questions.push(format!(
            "SELECT '{name} is still ' || setting || ', from ' || source FROM pg_settings
               WHERE name = '{name}' AND (pending_restart OR source <> 'configuration file')
             UNION ALL SELECT '{name} is still ' || current_setting('{name}') WHERE current_setting('{name}') <> '{value}'
               AND NOT EXISTS (SELECT FROM pg_settings WHERE name = '{name}')"
        ));
    }
    deployment.sql(None, &format!("{script} SELECT pg_reload_conf() \\gset\n"))?;
    let deadline = Instant::now() + RELOAD;
    while loaded()? == before {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not read its settings"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let not_in_force = deployment.sql(None, &questions.join("\nUNION ALL "))?;
    if not_in_force.trim().is_empty() {
        return Ok(());
    }
    // Otherwise the next start would read it.
    deployment.sql(None, &undo)?;
    Err(io::Error::other(not_in_force.trim().to_owned()))
}

/// The eighth line of the postmaster's pid file has its state. `standby` is a standby that accepts no sessions.
pub(crate) fn is_ready(deployment: &Deployment) -> bool {
    let is_up = |line: &str| matches!(line.trim(), "ready" | "standby");
    fs::read_to_string(deployment.data().join("postmaster.pid"))
        .is_ok_and(|file| file.lines().nth(7).is_some_and(is_up))
}

/// Prepares a stopped server to recover from an archive, and returns the settings for its start. The archive command never
/// returns.
pub(crate) fn recover(deployment: &Deployment) -> io::Result<Vec<(String, String)>> {
    let signal = deployment.data().join("recovery.signal");
    files::write(&signal, "")?;
    deployment.user.owns(&signal)?;
    let asked = asked_for_archive(deployment);
    let _ = fs::remove_file(&asked); // left by an earlier run
    let waits = format!("echo %f >> {}; exec sleep 3600", asked.display());
    Ok(vec![("restore_command".to_owned(), waits)])
}

/// Makes a stopped server a standby without a primary.
pub(crate) fn stand_by(deployment: &Deployment) -> io::Result<()> {
    let signal = deployment.data().join("standby.signal");
    files::write(&signal, "")?;
    deployment.user.owns(&signal)
}

/// The server listens before it recovers, and requests the first file when recovery begins.
pub(crate) fn is_recovering(deployment: &Deployment) -> bool {
    asked_for_archive(deployment).is_file()
}

fn asked_for_archive(deployment: &Deployment) -> std::path::PathBuf {
    deployment.scratch().join("asked-for-archive")
}

pub(crate) fn client(deployment: &Deployment, database: Option<&str>) -> Command {
    let mut psql = Command::new(deployment.programs.program("psql"));
    psql.env_clear()
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
        .arg("-h")
        .arg(deployment.scratch())
        .args(["-p", &deployment.port.to_string(), "-U", SUPERUSER])
        .args(["-d", database.unwrap_or("postgres")]);
    psql
}

/// The command that opens a superuser shell.
pub(crate) fn shell(deployment: &Deployment) -> String {
    let (psql, scratch) = (deployment.programs.program("psql"), deployment.scratch());
    let (psql, scratch) = (psql.display(), scratch.display());
    format!("{psql} -h {scratch} -p {} -U {SUPERUSER} {}", deployment.port, guide::DATABASE)
}

/// The objects that RDS has, the customer's tables, and the commands of the guides.
pub(crate) fn prepare(deployment: &Deployment) -> io::Result<()> {
    deployment.sql(None, "CREATE ROLE rds_iam; CREATE ROLE rds_replication; CREATE DATABASE app;")?;
    let script = [
        "CREATE TABLE orders (
           id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
           customer text NOT NULL,
           amount numeric(10, 2) NOT NULL,
           placed_at timestamptz NOT NULL DEFAULT now()
         );
         INSERT INTO orders (customer, amount) VALUES ('Ada', 12.50), ('Grace', 99.00), ('Edsger', 3.14);",
        guide::POSTGRES_USER,
        guide::POSTGRES_GRANTS,
        // On RDS, the role rds_replication is enough. Here the REPLICATION attribute is needed.
        "ALTER ROLE clickpipes_iam_user REPLICATION;",
    ]
    .join("\n");
    deployment.sql(Some(guide::DATABASE), &script).map(drop)
}
