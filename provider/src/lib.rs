//! Countersign: an OAuth 2 and OpenID Connect provider to embed in an axum application or run as one binary.

pub mod clock;
pub mod password;
pub mod record;
pub mod store;
