//! The declarations MySQL looks for, from `plugin.h` and `plugin_auth.h` of 9.7 (the same since 8.0.27).

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr::null;

use crate::vio::{AuthInfo, Vio};
use crate::{
    AUTHENTICATION_PLUGIN, AUTHOR, CLIENT_PLUGIN, DESCRIPTION, LICENSE_OTHER, NAME, Table, authenticate,
};

type Login = AuthInfo<97, 512>;

/// `st_mysql_auth`.
#[repr(C)]
struct Auth {
    interface_version: c_int,
    client_auth_plugin: *const c_char,
    authenticate_user: unsafe extern "C" fn(*mut Vio, *mut Login) -> c_int,
    generate_authentication_string:
        unsafe extern "C" fn(*mut c_char, *mut c_uint, *const c_char, c_uint) -> c_int,
    validate_authentication_string: unsafe extern "C" fn(*mut c_char, c_uint) -> c_int,
    set_salt: unsafe extern "C" fn(*const c_char, c_uint, *mut u8, *mut u8) -> c_int,
    authentication_flags: c_ulong,
    compare_password_with_hash: *const c_void,
}

/// `st_mysql_plugin`.
#[repr(C)]
struct Plugin {
    kind: c_int,
    info: *const c_void,
    name: *const c_char,
    author: *const c_char,
    description: *const c_char,
    license: c_int,
    init: *const c_void,
    check_uninstall: *const c_void,
    deinit: *const c_void,
    version: c_uint,
    status_variables: *const c_void,
    system_variables: *const c_void,
    reserved: *const c_void,
    flags: c_ulong,
}

static AUTH: Table<Auth> = Table::new(Auth {
    interface_version: 0x0201,
    client_auth_plugin: CLIENT_PLUGIN.as_ptr(),
    authenticate_user,
    generate_authentication_string,
    validate_authentication_string,
    set_salt,
    authentication_flags: 1, // AUTH_FLAG_USES_INTERNAL_STORAGE: keeps 'RDS' in mysql.user
    compare_password_with_hash: null(),
});

#[unsafe(export_name = "_mysql_plugin_interface_version_")]
static INTERFACE_VERSION: c_int = 0x010B;

#[unsafe(export_name = "_mysql_sizeof_struct_st_plugin_")]
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "about 100 bytes")]
static SIZE_OF_PLUGIN: c_int = size_of::<Plugin>() as c_int;

#[unsafe(export_name = "_mysql_plugin_declarations_")]
static DECLARATIONS: Table<[Plugin; 2]> = Table::new([
    Plugin {
        kind: AUTHENTICATION_PLUGIN,
        info: (&raw const AUTH).cast(),
        name: NAME.as_ptr(),
        author: AUTHOR.as_ptr(),
        description: DESCRIPTION.as_ptr(),
        license: LICENSE_OTHER,
        version: 0x0100,
        ..END
    },
    END,
]);

const END: Plugin = Plugin {
    kind: 0,
    info: null(),
    name: null(),
    author: null(),
    description: null(),
    license: 0,
    init: null(),
    check_uninstall: null(),
    deinit: null(),
    version: 0,
    status_variables: null(),
    system_variables: null(),
    reserved: null(),
    flags: 0,
};

unsafe extern "C" fn authenticate_user(vio: *mut Vio, login: *mut Login) -> c_int {
    // SAFETY: called by MySQL with its own.
    unsafe { authenticate("mysql", vio, login) }
}

/// `IDENTIFIED … BY 'x'` is stored as it is; there is nothing to hash.
unsafe extern "C" fn generate_authentication_string(
    out: *mut c_char,
    out_length: *mut c_uint,
    password: *const c_char,
    password_length: c_uint,
) -> c_int {
    // SAFETY: MySQL passes a buffer of `*out_length` bytes and a password of `password_length`.
    unsafe {
        if *out_length < password_length {
            return 1;
        }
        std::ptr::copy_nonoverlapping(password, out, password_length as usize);
        *out_length = password_length;
    }
    0
}

unsafe extern "C" fn validate_authentication_string(_: *mut c_char, _: c_uint) -> c_int {
    0
}

unsafe extern "C" fn set_salt(_: *const c_char, _: c_uint, _: *mut u8, salt_length: *mut u8) -> c_int {
    // SAFETY: MySQL's own variable.
    unsafe { *salt_length = 0 };
    0
}
