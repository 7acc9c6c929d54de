//! What a server hands to an authentication plugin: a channel to the client, and a record about the login. The beginning of
//! both is the same in MySQL and MariaDB, except for the length of the name arrays; later members are not used.

use std::borrow::Cow;
use std::ffi::{c_char, c_int, c_uint, c_ulong};
use std::ptr::null_mut;

/// `st_plugin_vio`.
#[repr(C)]
pub(crate) struct Vio {
    read_packet: unsafe extern "C" fn(*mut Self, *mut *mut u8) -> c_int,
    write_packet: unsafe extern "C" fn(*mut Self, *const u8, c_int) -> c_int,
    info: unsafe extern "C" fn(*mut Self, *mut Info),
}

/// `st_plugin_vio_info`. MySQL has a `bool` after the socket, MariaDB 11.8 an `int`, MariaDB 10.11 nothing: the first byte
/// tells all three apart when it starts out as something else. The rest is room for whatever a newer server writes.
#[repr(C)]
struct Info {
    protocol: c_int,
    socket: c_int,
    tls: u8,
    room: [u8; 119],
}

impl Vio {
    /// The client's next packet. The bytes are the server's and live until the next read.
    ///
    /// # Safety
    /// `vio` is the server's, alive during the login.
    pub(crate) unsafe fn read<'a>(vio: *mut Self) -> Option<&'a [u8]> {
        let mut packet = null_mut();
        // SAFETY: the server fills `packet` with a pointer to as many bytes as it returns.
        unsafe {
            let length = ((*vio).read_packet)(vio, &raw mut packet);
            let length = usize::try_from(length).ok()?;
            (!packet.is_null()).then(|| std::slice::from_raw_parts(packet, length))
        }
    }

    /// Whether the connection is encrypted, as far as this server tells: `yes`, `no` or `unknown`.
    ///
    /// # Safety
    /// As [`Vio::read`].
    pub(crate) unsafe fn tls(vio: *mut Self) -> &'static str {
        let mut info = Info { protocol: 0, socket: 0, tls: u8::MAX, room: [0; 119] };
        // SAFETY: `Info` is at least as large as what any of the servers writes.
        unsafe { ((*vio).info)(vio, &raw mut info) };
        match info.tls {
            0 => "no",
            1 => "yes",
            _ => "unknown",
        }
    }
}

/// `st_mysql_server_auth_info` / `MYSQL_SERVER_AUTH_INFO`, with the two lengths that differ between servers.
#[repr(C)]
pub(crate) struct AuthInfo<const AS: usize, const EXTERNAL: usize> {
    user_name: *const c_char,
    user_name_length: c_uint,
    auth_string: *const c_char,
    auth_string_length: c_ulong,
    authenticated_as: [c_char; AS],
    external_user: [c_char; EXTERNAL],
    password_used: c_int,
    host_or_ip: *const c_char,
    host_or_ip_length: c_uint,
}

/// The part of a login record the plugin needs, whichever server it comes from.
pub(crate) trait Login {
    /// Who logs in.
    unsafe fn user(&self) -> Cow<'_, str>;
    /// Where the client is.
    unsafe fn remote(&self) -> Cow<'_, str>;
    /// Decides between `using password: YES` and `NO` in the server's words.
    fn password_used(&mut self, yes: bool);
}

impl<const AS: usize, const EXTERNAL: usize> Login for AuthInfo<AS, EXTERNAL> {
    unsafe fn user(&self) -> Cow<'_, str> {
        // SAFETY: pointer and length are the server's, set together.
        unsafe { text(self.user_name, self.user_name_length) }
    }

    unsafe fn remote(&self) -> Cow<'_, str> {
        // SAFETY: as above.
        unsafe { text(self.host_or_ip, self.host_or_ip_length) }
    }

    fn password_used(&mut self, yes: bool) {
        self.password_used = yes.into();
    }
}

unsafe fn text<'a>(start: *const c_char, length: c_uint) -> Cow<'a, str> {
    if start.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: not null, and as long as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length as usize) };
    String::from_utf8_lossy(bytes)
}
