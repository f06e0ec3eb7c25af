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
//! if client.status() == Status::Out {
//!     client.login().await?; // leaves this page for the provider's
//! }
//! let me = client.fetch(&"/api/me".into(), &JsValue::UNDEFINED).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Its decisions are those of [`countersign_protocol::session`]; programs outside browsers use `countersign-client`,
//! which shares them. The provider serves this crate as an ES module too, for pages without Rust.
//!
//! What decides is in Rust and never waits (`tab.rs` and its neighbours); what waits is in JavaScript (`client.js` and
//! its neighbours, of the same names), where it is a third of the size. A program that uses this crate is bound for the
//! web or a bundler (`wasm-bindgen --target web`), which both carry these modules along.

/// A third of the standard one's size.
#[cfg(all(feature = "bundle", target_family = "wasm"))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

mod client;
mod error;
mod js;
mod login;
mod session;
mod storage;
mod tab;
mod transport;

pub use client::{Client, Options, Provider, Status, Watch, callback};
pub use error::Error;
pub use storage::Storage;
