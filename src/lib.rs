pub mod secret;
pub mod target;
