//! PAM without touching `/etc/pam.d`: preloaded into `postgres`, this turns `pam_start` into Linux-PAM's own
//! `pam_start_confdir`, with the folder named by `PIPEPROBE_LAB_PAM_DIR`. Needs Linux-PAM 1.4 or newer, no root.
//!
//! It is a file of its own because the preloaded object must not leave `pam_*` symbols undefined: any child process that
//! does not link libpam would refuse to start.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt;

const SYSTEM_ERROR: c_int = 4; // PAM_SYSTEM_ERR
const NEXT: *mut c_void = -1_isize as *mut c_void; // RTLD_NEXT

type Start = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const c_void,
    *const c_char,
    *mut *mut c_void,
) -> c_int;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// # Safety
/// Called by postgres with what it would give Linux-PAM's `pam_start`.
#[unsafe(no_mangle)]
unsafe extern "C" fn pam_start(
    service: *const c_char,
    user: *const c_char,
    conversation: *const c_void,
    handle: *mut *mut c_void,
) -> c_int {
    let Some(folder) = std::env::var_os("PIPEPROBE_LAB_PAM_DIR") else {
        return SYSTEM_ERROR;
    };
    let Ok(folder) = CString::new(folder.into_vec()) else {
        return SYSTEM_ERROR;
    };
    // SAFETY: libpam defines this symbol with exactly this signature since 1.4, and the arguments are passed on untouched.
    unsafe {
        let found = dlsym(NEXT, c"pam_start_confdir".as_ptr());
        if found.is_null() {
            return SYSTEM_ERROR;
        }
        let start: Start = std::mem::transmute::<*mut c_void, Start>(found);
        start(service, user, conversation, folder.as_ptr(), handle)
    }
}
