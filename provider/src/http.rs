//! The endpoints, a file each: read, load, decide, keep, answer.

pub(crate) mod answer;
pub(crate) mod cors;
pub(crate) mod endpoint;
pub(crate) mod health;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod peer;
pub(crate) mod read;
pub(crate) mod revoke;
pub(crate) mod token;
