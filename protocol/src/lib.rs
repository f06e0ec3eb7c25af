//! OAuth 2 and OpenID Connect as values and decisions, for the provider and its clients alike.
//!
//! Nothing here does I/O: time comes in as an argument, randomness as bytes, seals as finished bytes. So every rule is
//! a function that a table of cases can test, and both sides share it.
//!
//! What only a provider needs stands behind the feature `server`; without it the crate is small enough for a browser.

#[cfg(feature = "server")]
pub mod authorization;
#[cfg(feature = "server")]
pub mod brake;
#[cfg(feature = "server")]
pub mod client;
#[cfg(feature = "server")]
pub mod client_auth;
pub mod discovery;
pub mod endpoint;
pub mod error;
pub mod form;
#[cfg(feature = "server")]
pub mod grant;
pub mod id;
#[cfg(feature = "server")]
pub mod introspection;
pub mod login;
#[cfg(feature = "server")]
pub mod password;
pub mod pkce;
#[cfg(feature = "server")]
pub mod policy;
pub mod scope;
pub mod secret;
pub mod session;
pub mod time;
pub mod token;
#[cfg(feature = "server")]
pub mod username;

pub use error::{Denied, ErrorCode};
pub use id::{ClientId, Epoch, SessionId, Subject, Version};
pub use scope::Scope;
pub use secret::Secret;
pub use time::Timestamp;
