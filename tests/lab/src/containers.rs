//! Tests docker-compose.yml on a machine without a container registry. Base images are made from the machine's Debian
//! mirror and replace the official ones through the build arguments.
//!
//! ```text
//! base images (debootstrap, downloaded servers) ─┐
//! programs built on this machine ────────────────┴▶ project (a copy of the compose file) ─▶ up ─▶ assertions ─▶ down
//! ```
//!
//! The compose file is run unchanged, and so is every stage of the Dockerfile except the first: compiling takes minutes, so the
//! programs are taken from this machine.

mod bases;
mod docker;
mod project;
mod proof;
mod sbom;

pub use bases::{Bases, remove as remove_bases};
pub use docker::Docker;
pub use project::Programs;
pub use proof::prove;
