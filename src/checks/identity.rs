//! Who signs the token: credentials, access role and clock.

pub(super) mod credentials;
pub(super) mod access_role;
pub(super) mod token_life;
