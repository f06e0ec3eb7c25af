//! Countersign: an OAuth 2 provider to embed in an axum application or run as one binary.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use countersign_protocol::Subject;
//! use countersign_provider::{Provider, guard::Authorized, users::users_fn};
//!
//! async fn me(access: Authorized) -> String {
//!     format!("{:?} by way of {}", access.subject, access.client)
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let users = users_fn(|username, password| async move {
//!     let right = username == "ada" && password.matches(&"analytical engine".into());
//!     Ok(right.then(|| Subject::new("ada")).flatten())
//! });
//! let provider = Provider::builder("https://shop.example/auth").users(users).build().await?;
//! let app: Router = Router::new()
//!     .route("/api/me", get(me))
//!     .layer(provider.guard().require(["profile"]))
//!     .nest("/auth", provider.router())
//!     .merge(provider.well_known());
//! # Ok(())
//! # }
//! ```
//!
//! Every operation works without HTTP too: [`Provider::authority`]. Where records are kept is a [`store::Store`], of
//! which one's own is checked by [`store::contract`]; who the users are is told by [`users::Users`].
//!
//! It is no client (that is `countersign-client`), and decides nothing of the protocol: that is
//! [`countersign_protocol`].

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
