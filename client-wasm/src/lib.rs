//! The OAuth 2 and OpenID Connect client for browsers: it signs a person in, calls APIs with a token that is always
//! fresh, and keeps every tab of an origin signed in.
//!
//! ```no_run
//! # async fn page() -> Result<(), countersign_wasm::Error> {
//! use countersign_wasm::{Client, Options, Provider, Status};
//! use wasm_bindgen::JsValue;
//!
//! let provider = Provider::Issuer("https://id.example".into());
//! let client = Client::open(Options::new("shop", provider)).await?;
//! if let Status::Out(_) = client.status() {
//!     client.login().await?; // leaves this page for the provider's
//! }
//! let me = client.fetch(&"/api/me".into(), &JsValue::UNDEFINED).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Its decisions are those of [`countersign_protocol::session`]; programs outside browsers use `countersign-client`,
//! which shares them. The provider serves this crate as an ES module too, for pages without Rust.

#[cfg(feature = "bundle")]
pub mod bundle;
mod client;
mod error;
mod login;
mod session;
mod storage;
mod transport;
mod web;

pub use client::{Client, Options, Provider, Reason, Status};
pub use error::Error;
pub use login::callback;
pub use storage::Storage;
