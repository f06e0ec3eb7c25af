//! Countersign: an OAuth 2 and OpenID Connect provider to embed in an axum application or run as one binary.

pub mod clock;
pub mod keys;
pub mod password;
pub mod record;
mod seal;
pub mod store;
pub mod token;
