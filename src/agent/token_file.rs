//! A file that always contains a valid token, for programs that cannot use a socket.
//!
//! It is replaced in one step, and has its mode before its first byte. It is renewed at half of its lifetime, and removed at the end.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{
    Endpoint,
    listener::{described, is_own},
    login::{TIMEOUT, new_token},
    refusal::Refusal,
};
use crate::{
    checks::{Observations, Reached},
    config::{TokenFile, TokenFormat},
    connection::Purpose,
    target::{Engine, Invalid, Target, quoted},
    token::AuthToken,
};

/// After a failure, until the next attempt.
const RETRY: Duration = Duration::from_secs(10);

/// A token is renewed at half of its lifetime, but not more often.
const SHORTEST: Duration = Duration::from_secs(5);

/// For the hook.
const HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// libmariadb reads lines of at most 4 KiB from an option file.
const LONGEST_OPTION: usize = 4000;

/// Keeps the file of a target until `stop`, and then removes it.
pub(super) async fn keep(endpoint: &Endpoint, file: &TokenFile, stop: CancellationToken) {
    let target = &endpoint.target.name;
    let work = async {
        loop {
            let wait = match renew(endpoint, file).await {
                Ok(wait) => {
                    tracing::info!(target, path = %file.path.display(), "token file written");
                    run(&file.hook, target).await;
                    wait
                }
                Err(why) => {
                    tracing::error!(target, path = %file.path.display(), why, "token file not written");
                    RETRY
                }
            };
            sleep(endpoint, wait).await;
        }
    };
    // A hook that is still running is killed.
    let _: Option<()> = stop.run_until_cancelled(work).await;
    if let Err(error) = fs::remove_file(&file.path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(target, path = %file.path.display(), %error, "token file not removed");
    }
}

/// By the clock of the tokens: a machine that was suspended has no time left.
async fn sleep(endpoint: &Endpoint, wait: Duration) {
    let end = (endpoint.shared.clock)() + wait;
    loop {
        let left = end.duration_since((endpoint.shared.clock)());
        match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(Duration::from_secs(5))).await,
            _ => return,
        }
    }
}

/// Writes a new token. Returns when the next one is to be written.
async fn renew(endpoint: &Endpoint, file: &TokenFile) -> Result<Duration, String> {
    let redactor = endpoint.shared.sessions.redactor().for_run();
    let mut seen = Observations::default();
    let deadline = Instant::now() + TIMEOUT;
    let token = match new_token(endpoint, &redactor, deadline, &mut seen.identity_evidence).await {
        Ok(token) => token,
        Err(error) => {
            seen.reached = Reached::no_token(error);
            let Refusal { message, detail, .. } =
                Refusal::of(&endpoint.target, Purpose::Queries, &seen, &redactor);
            return Err(detail.unwrap_or(message));
        }
    };
    let text = text(&endpoint.target, &file.format, &token)?;
    write(&file.path, &text).map_err(|error| error.to_string())?;
    Ok(half(&token, (endpoint.shared.clock)()))
}

fn half(token: &AuthToken, now: Timestamp) -> Duration {
    let left = Duration::try_from(token.expires_at.duration_since(now)).unwrap_or_default();
    (left / 2).max(SHORTEST)
}

/// What the file contains.
fn text(target: &Target, format: &TokenFormat, token: &AuthToken) -> Result<String, String> {
    let token = token.text.reveal();
    let (host, port) = (&target.tls_host, target.dial.port);
    Ok(match format {
        TokenFormat::Raw => format!("{token}\n"),
        // PostgreSQL documentation, "The Password File".
        TokenFormat::Pgpass => {
            let field = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
            format!(
                "{}:{port}:*:{}:{}\n",
                field(&host.to_string()),
                field(target.user.as_str()),
                field(token)
            )
        }
        // Each program reads the options that it knows. The clients of MariaDB and MySQL name the verification of the server differently.
        // Those of MariaDB print a warning about the last option, which those of MySQL need.
        TokenFormat::MyCnf { ca } => {
            let password = super::option_value(token);
            if password.len() > LONGEST_OPTION {
                let length = password.len();
                return Err(format!("the token has {length} bytes, and an option at most {LONGEST_OPTION}"));
            }
            format!(
                "[client]\nhost={}\nport={port}\nuser={}\npassword={password}\nssl-ca={}\n\
                 loose-ssl-mode=VERIFY_IDENTITY\nloose-ssl-verify-server-cert\n{}",
                super::option_value(&host.to_string()),
                super::option_value(target.user.as_str()),
                super::option_value(&ca.display().to_string()),
                if target.engine() == Engine::Mysql { "loose-enable-cleartext-plugin\n" } else { "" },
            )
        }
    })
}

/// Replaces the file in one step.
fn write(path: &Path, text: &str) -> Result<(), Invalid> {
    let failed = |what: &str, error: io::Error| {
        Invalid::new("agent_token_file", what, format!("{}: {error}", quoted(path.display())))
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let metadata =
        fs::metadata(directory).map_err(|error| failed("a file in a directory that exists", error))?;
    if !is_own(&metadata) {
        let expected = "a directory that only this user or root can change";
        return Err(Invalid::new("agent_token_file", expected, described(directory, &metadata)));
    }
    let replace = || -> io::Result<()> {
        // Created with O_EXCL and mode 0600, before the first byte.
        let mut draft = tempfile::Builder::new().prefix(".pipeprobe-").tempfile_in(directory)?;
        draft.write_all(text.as_bytes())?;
        draft.persist(path)?;
        Ok(())
    };
    replace().map_err(|error| failed("a file that can be replaced", error))
}

/// Runs the hook to its end. It gets no secret and no credentials of AWS.
async fn run(hook: &[String], target: &str) {
    let Some((program, arguments)) = hook.split_first() else { return };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    for name in
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LISTEN_FDS", "LISTEN_PID"]
    {
        command.env_remove(name);
    }
    let ended = match command.spawn() {
        Ok(mut child) => tokio::time::timeout(HOOK_TIMEOUT, async move { child.wait().await }).await,
        Err(error) => Ok(Err(error)),
    };
    match ended {
        Ok(Ok(status)) if status.success() => tracing::debug!(target, program, "hook ended"),
        Ok(Ok(status)) => tracing::error!(target, program, %status, "hook failed"),
        Ok(Err(error)) => tracing::error!(target, program, %error, "hook cannot be run"),
        Err(_) => tracing::error!(target, program, "hook did not end within 60 s and was killed"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use super::*;
    use crate::secret::Secret;

    fn token(text: &str) -> AuthToken {
        let at = Timestamp::UNIX_EPOCH;
        AuthToken { text: Secret::new(text), signed_at: at, expires_at: at + Duration::from_mins(15) }
    }

    #[test]
    fn a_reader_never_sees_a_part_and_the_mode_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let texts = ["a".repeat(2000), "b".repeat(1000)];
        write(&path, &texts[0]).unwrap();
        let reader = {
            let (path, texts) = (path.clone(), texts.clone());
            std::thread::spawn(move || {
                for _ in 0..20_000 {
                    let read = fs::read_to_string(&path).unwrap();
                    assert!(texts.contains(&read), "{} bytes", read.len());
                }
            })
        };
        let mut turn = 0;
        while !reader.is_finished() {
            turn += 1;
            write(&path, &texts[turn % 2]).unwrap();
        }
        reader.join().unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write(&path, "c").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_directory_that_others_can_change_is_refused_and_a_link_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("token"), folder.path().join("other"));
        fs::write(&other, "untouched").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        write(&path, "secret").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let refused = write(&path, "more").unwrap_err();
        assert!(refused.found.contains("mode 0777") && !refused.to_string().contains("more"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret");
    }

    #[test]
    fn it_is_renewed_at_half_of_its_lifetime() {
        let token = token("t");
        assert_eq!(half(&token, token.signed_at), Duration::from_secs(450));
        assert_eq!(half(&token, token.expires_at), SHORTEST);
    }
}
