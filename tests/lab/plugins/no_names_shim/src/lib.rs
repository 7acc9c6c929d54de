//! No address has a name: preloaded into MySQL and MariaDB, this answers reverse lookups itself. A server that is to block
//! an address must look its name up (`skip-name-resolve` turns that memory off), and this machine's name servers are not to
//! be asked for it, nor waited for.

use std::ffi::{c_char, c_int, c_void};

const NO_NAME: c_int = -2; // EAI_NONAME
const NAME_REQUIRED: c_int = 8; // NI_NAMEREQD
const NEXT: *mut c_void = -1_isize as *mut c_void; // RTLD_NEXT

type GetNameInfo =
    unsafe extern "C" fn(*const c_void, u32, *mut c_char, u32, *mut c_char, u32, c_int) -> c_int;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// # Safety
/// Called by the server with what it would give the C library's `getnameinfo`.
#[unsafe(no_mangle)]
unsafe extern "C" fn getnameinfo(
    address: *const c_void,
    address_length: u32,
    host: *mut c_char,
    host_length: u32,
    service: *mut c_char,
    service_length: u32,
    flags: c_int,
) -> c_int {
    if flags & NAME_REQUIRED != 0 {
        return NO_NAME;
    }
    // SAFETY: the C library defines this symbol with exactly this signature, and the arguments are passed on untouched.
    unsafe {
        let found = dlsym(NEXT, c"getnameinfo".as_ptr());
        if found.is_null() {
            return NO_NAME;
        }
        let next: GetNameInfo = std::mem::transmute::<*mut c_void, GetNameInfo>(found);
        next(address, address_length, host, host_length, service, service_length, flags)
    }
}
