//! The proof that docker-compose.yml works, on a machine that may have no registry: base images are made from the machine's own
//! mirror and put in the place of the official ones, which is what their build arguments are for.
//!
//! ```text
//! bases (debootstrap, a fetched lane) ─┐
//! programs built on this machine ──────┴▶ project (a copy of the compose file) ─▶ up ─▶ what is asserted ─▶ down
//! ```
//!
//! The compose file is run as it stands, and so is every stage of the Dockerfile but the first: compiling takes minutes, so the
//! programs are this machine's.

mod bases;
mod docker;
mod project;
mod proof;
mod sbom;

pub use bases::{Bases, remove as remove_bases};
pub use docker::Docker;
pub use project::Programs;
pub use proof::prove;
