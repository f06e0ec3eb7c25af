//! The endpoints, a file each: read, load, decide, keep, answer.

pub(crate) mod answer;
pub(crate) mod authorize;
pub(crate) mod consent;
pub(crate) mod cookies;
pub(crate) mod cors;
pub(crate) mod endpoint;
pub(crate) mod front;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod introspect;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod peer;
pub(crate) mod read;
pub(crate) mod revoke;
pub(crate) mod script;
pub(crate) mod sign_in;
pub(crate) mod token;
