//! `AWSAuthenticationPlugin`: one shared object that MySQL (8.0.27 and newer) and MariaDB (10.x, 11.x) both load, each
//! through its own set of declarations. The client is asked for `mysql_clear_password`, and what it sends goes whole to the
//! verifier on the socket named by `PIPEPROBE_LAB_VERIFIER`.

mod mariadb;
mod mysql;
mod vio;

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int};
use std::io::Write;
use std::path::Path;

use ask::{Question, ask};
use vio::{Login, Vio};

const NAME: &CStr = c"AWSAuthenticationPlugin";
const CLIENT_PLUGIN: &CStr = c"mysql_clear_password";
const AUTHOR: &CStr = c"pipeprobe lab";
const DESCRIPTION: &CStr = c"RDS IAM authentication, checked on this machine";
const AUTHENTICATION_PLUGIN: c_int = 7; // MYSQL_AUTHENTICATION_PLUGIN, the same in both
const LICENSE_OTHER: c_int = 0; // PLUGIN_LICENSE_PROPRIETARY: neither GPL nor BSD

const LET_IN: c_int = -1; // CR_OK
const REFUSE: c_int = 0; // CR_ERROR: the client sees ERROR 1045

/// Something the server may write to, although Rust sees a static: plugin tables are the server's once it has loaded them.
#[repr(transparent)]
struct Table<T>(UnsafeCell<T>);

// SAFETY: Rust code never touches the inside after the initialiser; the server does its own locking.
unsafe impl<T> Sync for Table<T> {}

impl<T> Table<T> {
    const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }
}

/// One login, in either server.
///
/// # Safety
/// `vio` and `login` are what the server handed to the plugin.
unsafe fn authenticate<L: Login>(engine: &str, vio: *mut Vio, login: *mut L) -> c_int {
    // A panic would end the whole server.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // SAFETY: the caller's contract.
        unsafe {
            // Reading first makes the server send the switch to mysql_clear_password by itself.
            let Some(packet) = Vio::read(vio) else {
                return REFUSE;
            };
            let token = packet.strip_suffix(&[0]).unwrap_or(packet);
            (*login).password_used(!token.is_empty());
            let question = Question {
                engine,
                user: &(*login).user(),
                remote: &(*login).remote(),
                replication: "", // a session becomes a replica after login, so the plugin cannot know
                tls: Vio::tls(vio),
                token,
            };
            decide(&question)
        }
    }))
    .unwrap_or(REFUSE)
}

fn decide(question: &Question<'_>) -> c_int {
    let Some(socket) = std::env::var_os("PIPEPROBE_LAB_VERIFIER") else {
        return complain("PIPEPROBE_LAB_VERIFIER is not set");
    };
    match ask(Path::new(&socket), question) {
        Ok(true) => LET_IN,
        Ok(false) => REFUSE,
        Err(e) => complain(&format!("verifier: {e}")),
    }
}

fn complain(why: &str) -> c_int {
    // Lands in the server's log. `eprintln!` would panic on a closed stderr.
    let _ = writeln!(std::io::stderr(), "AWSAuthenticationPlugin: refused: {why}");
    REFUSE
}
