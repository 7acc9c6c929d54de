//! The option file that leads the programs of MySQL and MariaDB to the socket.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::{
    agent::Reach,
    target::{Invalid, Target, quoted},
};

/// Its name below MYSQL_HOME.
const NAME: &str = "my.cnf";

pub(super) fn create(target: &Target, directory: &Path, socket: &Path, by: Reach<'_>) -> Result<(), Invalid> {
    let path = directory.join(NAME);
    let place = match by {
        Reach::Socket => format!("socket={}\nprotocol=socket\n", value(&socket.display().to_string())),
        Reach::Tcp(address, password) => format!(
            "host={}\nport={}\nprotocol=tcp\npassword={}\n",
            address.ip(),
            address.port(),
            value(password.text().reveal())
        ),
    };
    let text = text(target.user.as_str(), target.database.as_deref(), &place);
    let write = || -> io::Result<()> {
        // Programs of MySQL ignore an option file that others can write.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| {
        let found = format!("{}: {error}", quoted(path.display()));
        Invalid::new("MYSQL_HOME", "an option file that can be created", found)
    })
}

/// `place`: the options that lead to the agent. `loose-` makes it no error if a program does not know an option. The MariaDB client wants TLS on
/// a socket as well, from 11.4 on.
/// `[mysql]` is read by the clients `mysql` and `mariadb` only: others take `database` for the start of another option.
fn text(user: &str, database: Option<&str>, place: &str) -> String {
    let mut text = format!("[client]\n{place}user={}\nloose-skip-ssl\n", value(user));
    if let Some(database) = database {
        text += &format!("[mysql]\ndatabase={}\n", value(database));
    }
    text
}

/// With the escapes of MySQL Reference Manual, "Using Option Files".
pub(in crate::agent) fn value(text: &str) -> String {
    let mut value = String::from("\"");
    for character in text.chars() {
        match character {
            '\\' => value += "\\\\",
            '"' => value += "\\\"",
            '\n' => value += "\\n",
            '\r' => value += "\\r",
            '\t' => value += "\\t",
            other => value.push(other),
        }
    }
    value + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_add_options() {
        let text = text("me", Some("a\"b\\c\nhost=elsewhere # no"), "socket=\"/run/s\"\n");
        assert_eq!(
            text,
            "[client]\nsocket=\"/run/s\"\nuser=\"me\"\nloose-skip-ssl\n\
             [mysql]\ndatabase=\"a\\\"b\\\\c\\nhost=elsewhere # no\"\n"
        );
    }
}
