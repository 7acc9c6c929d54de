//! The declarations MariaDB looks for, from `plugin.h` and `plugin_auth.h` of 10.11.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::null;

use crate::vio::{AuthInfo, Vio};
use crate::{
    AUTHENTICATION_PLUGIN, AUTHOR, CLIENT_PLUGIN, DESCRIPTION, LICENSE_OTHER, NAME, Table, authenticate,
};

type Login = AuthInfo<513, 513>;

/// `st_mysql_auth`.
#[repr(C)]
struct Auth {
    interface_version: c_int,
    client_auth_plugin: *const c_char,
    authenticate_user: unsafe extern "C" fn(*mut Vio, *mut Login) -> c_int,
    hash_password: *const c_void,
    preprocess_hash: *const c_void,
}

/// `st_maria_plugin`.
#[repr(C)]
struct Plugin {
    kind: c_int,
    info: *const c_void,
    name: *const c_char,
    author: *const c_char,
    description: *const c_char,
    license: c_int,
    init: *const c_void,
    deinit: *const c_void,
    version: c_uint,
    status_variables: *const c_void,
    system_variables: *const c_void,
    version_info: *const c_char,
    maturity: c_uint,
}

static AUTH: Table<Auth> = Table::new(Auth {
    interface_version: 0x0202,
    client_auth_plugin: CLIENT_PLUGIN.as_ptr(),
    authenticate_user,
    hash_password: null(),
    preprocess_hash: null(),
});

#[unsafe(export_name = "_maria_plugin_interface_version_")]
static INTERFACE_VERSION: c_int = 0x010e;

#[unsafe(export_name = "_maria_sizeof_struct_st_plugin_")]
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "about 100 bytes")]
static SIZE_OF_PLUGIN: c_int = size_of::<Plugin>() as c_int;

#[unsafe(export_name = "_maria_plugin_declarations_")]
static DECLARATIONS: Table<[Plugin; 2]> = Table::new([
    Plugin {
        kind: AUTHENTICATION_PLUGIN,
        info: (&raw const AUTH).cast(),
        name: NAME.as_ptr(),
        author: AUTHOR.as_ptr(),
        description: DESCRIPTION.as_ptr(),
        license: LICENSE_OTHER,
        version: 0x0100,
        version_info: c"1.0".as_ptr(),
        maturity: 5, // MariaDB_PLUGIN_MATURITY_STABLE: less is prohibited by default
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
    deinit: null(),
    version: 0,
    status_variables: null(),
    system_variables: null(),
    version_info: null(),
    maturity: 0,
};

unsafe extern "C" fn authenticate_user(vio: *mut Vio, login: *mut Login) -> c_int {
    // SAFETY: called by MariaDB with its own.
    unsafe { authenticate("mariadb", vio, login) }
}
