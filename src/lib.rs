pub mod secret;
pub mod target;
pub mod finding;
pub mod trust;
pub mod token;
pub mod connection;
