//! The PAM module behind `hostssl all +rds_iam … pam`: takes the whole token and asks the verifier named by its argument
//! `verifier=/path/of/socket`.
//!
//! As on RDS, a replication connection of an IAM user is refused unless `rds.iam_auth_for_replication` is on. Only the
//! module can tell such a connection apart (`pg_hba`'s `all` matches a logical walsender), so it asks the backend it runs in
//! for both facts. It links no libpam: the symbols come from the process that loads it.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};

use ask::{Question, ask};

const SUCCESS: c_int = 0;
/// RDS answers this, so that its log reads `pam_authenticate failed: Permission denied`.
const PERMISSION_DENIED: c_int = 6;
const REMOTE_HOST: c_int = 4; // PAM_RHOST
const AUTH_TOKEN: c_int = 6; // PAM_AUTHTOK

unsafe extern "C" {
    fn pam_get_user(handle: *mut c_void, user: *mut *const c_char, prompt: *const c_char) -> c_int;
    fn pam_get_authtok(
        handle: *mut c_void,
        item: c_int,
        token: *mut *const c_char,
        prompt: *const c_char,
    ) -> c_int;
    fn pam_get_item(handle: *const c_void, item: c_int, value: *mut *const c_void) -> c_int;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// # Safety
/// Called by Linux-PAM with a live handle and the arguments of the service file.
#[unsafe(no_mangle)]
unsafe extern "C" fn pam_sm_authenticate(
    handle: *mut c_void,
    _flags: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: the caller's contract, handed on. A panic must not cross into C.
    std::panic::catch_unwind(|| unsafe { authenticate(handle, argc, argv) }).unwrap_or(PERMISSION_DENIED)
}

unsafe fn authenticate(handle: *mut c_void, argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: PAM gives `argc` C strings, and strings it hands out live until `pam_end`.
    unsafe {
        let argument = (0..usize::try_from(argc).unwrap_or(0))
            .find_map(|i| bytes(*argv.add(i)).strip_prefix(b"verifier="));
        let Some(socket) = argument else {
            return refuse("no verifier= in the service file");
        };

        let mut user = null();
        if pam_get_user(handle, &raw mut user, null()) != SUCCESS {
            return refuse("no user");
        }
        let mut token = null();
        if pam_get_authtok(handle, AUTH_TOKEN, &raw mut token, null()) != SUCCESS {
            return refuse("no token");
        }
        let mut remote = null();
        if pam_get_item(handle, REMOTE_HOST, &raw mut remote) != SUCCESS {
            remote = null();
        }

        let replication = replication();
        if replication != "none" && !iam_for_replication() {
            return refuse("rds.iam_auth_for_replication is off");
        }
        let question = Question {
            engine: "postgres",
            user: &String::from_utf8_lossy(bytes(user)),
            remote: &String::from_utf8_lossy(bytes(remote.cast())),
            replication,
            tls: "yes", // pg_hba sends only hostssl connections here
            token: bytes(token),
        };
        match ask(Path::new(OsStr::from_bytes(socket)), &question) {
            Ok(true) => SUCCESS,
            Ok(false) => PERMISSION_DENIED,
            Err(e) => refuse(&format!("verifier: {e}")),
        }
    }
}

/// What kind of replication connection this backend serves: `none`, `database` or `physical`.
unsafe fn replication() -> &'static str {
    // SAFETY: postgres exports both as `bool`, for the life of the process.
    let is_set = |name: &CStr| unsafe {
        let flag = dlsym(null_mut(), name.as_ptr()).cast::<u8>();
        !flag.is_null() && *flag != 0
    };
    if is_set(c"am_db_walsender") {
        "database"
    } else if is_set(c"am_walsender") {
        "physical"
    } else {
        "none"
    }
}

/// Reads `rds.iam_auth_for_replication` where postgres keeps it, so that a reload switches it as on RDS.
unsafe fn iam_for_replication() -> bool {
    type GetConfigOption = unsafe extern "C" fn(*const c_char, bool, bool) -> *const c_char;
    // SAFETY: `const char *GetConfigOption(const char *name, bool missing_ok, bool restrict_privileged)`, the same in every
    // version since 9.6; with missing_ok it returns NULL instead of raising an error.
    let value = unsafe {
        let found = dlsym(null_mut(), c"GetConfigOption".as_ptr());
        if found.is_null() {
            return false;
        }
        let get = std::mem::transmute::<*mut c_void, GetConfigOption>(found);
        bytes(get(c"rds.iam_auth_for_replication".as_ptr(), true, false))
    };
    ["1", "on", "true", "yes"].iter().any(|yes| value.eq_ignore_ascii_case(yes.as_bytes()))
}

/// The bytes of a C string; none for a null pointer.
unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: not null, and a C string by the contract of every caller.
    unsafe { CStr::from_ptr(text).to_bytes() }
}

fn refuse(why: &str) -> c_int {
    // Lands in the server's log. `eprintln!` would panic on a closed stderr.
    let _ = writeln!(std::io::stderr(), "pam_rds_iam: refused: {why}");
    PERMISSION_DENIED
}

/// Declares entry points that always say yes: PAM calls them around the one that decides.
macro_rules! always {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name(_: *mut c_void, _: c_int, _: c_int, _: *const *const c_char) -> c_int {
            SUCCESS
        }
    )*};
}
always!(pam_sm_setcred, pam_sm_acct_mgmt, pam_sm_open_session, pam_sm_close_session);
