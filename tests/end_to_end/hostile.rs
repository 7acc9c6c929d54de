//! The server lies. Nothing it says may end the process, hold it beyond its `--timeout`, fill its
//! memory, drive the terminal, or have the token before it has proved its name over TLS and asked for
//! a cleartext password.
//!
//! A [`Case`] is a situation: a script for the server, and what the program must make of it. Every case
//! is also held to what must be true of all of them ([`Ran::check`]).

#[path = "hostile/aws.rs"]
mod aws;
#[path = "hostile/case.rs"]
mod case;
#[path = "hostile/echo.rs"]
mod echo;
#[path = "hostile/mysql.rs"]
mod mysql;
#[path = "hostile/mysql_session.rs"]
mod mysql_session;
#[path = "hostile/postgres.rs"]
mod postgres;
#[path = "hostile/postgres_session.rs"]
mod postgres_session;
#[path = "hostile/server.rs"]
mod server;
#[path = "hostile/tls.rs"]
mod tls;
