//! Countersign: an OAuth 2 and OpenID Connect provider to embed in an axum application or run as one binary.

pub mod audit;
pub mod authority;
pub mod clock;
pub mod consent;
mod flow;
pub mod guard;
mod http;
pub mod keys;
pub mod limit;
pub mod pages;
pub mod password;
mod paths;
mod provider;
pub mod record;
pub mod revoked;
mod routes;
mod seal;
pub mod session;
pub mod store;
pub mod token;
pub mod users;

pub use http::peer::Peers;
pub use paths::{Endpoint, Paths};
pub use provider::{BuildError, Builder, Provider};
