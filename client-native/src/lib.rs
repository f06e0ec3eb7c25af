//! A client that signs in to an OAuth 2 provider once and stays signed in.
//!
//! ```no_run
//! use countersign_client::{Client, FileStorage, Loopback};
//!
//! # #[derive(serde::Deserialize)] struct Me { name: String }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::discover("https://id.example")
//!     .client_id("cli")
//!     .api("https://api.example")
//!     .storage(FileStorage::of_app("my-app")?)
//!     .build()
//!     .await?;
//! let session = match client.restore().await? {
//!     Some(session) => session,
//!     None => client.login(Loopback::browser()).await?,
//! };
//! let me: Me = session.get("https://api.example/me").send().await?.json().await?;
//! session.logout().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The session renews its tokens ahead of their end, one refresh at a time over all processes that share a place; it
//! survives lost answers, crashes and a provider that is down, and ends only when the provider says so of the current
//! token. What it decides is decided in [`countersign_protocol::session`], which the browser's client shares.
//!
//! It is no HTTP client: requests and answers are [`reqwest`]'s.
//!
//! It needs a running tokio runtime with time and I/O enabled.

mod client;
mod error;
mod login;
mod session;
mod storage;
mod transport;
mod world;

pub use countersign_protocol::{
    Scope, Secret, Timestamp,
    discovery::Checked,
    session::{Offline, Out, Status},
};

/// The HTTP client whose requests and answers a session's are.
pub use reqwest;

pub use self::{
    client::{Builder, Client},
    error::{Advice, Error},
    login::{ClientCredentials, Login, Loopback, Password},
    session::{Request, Session, Watch},
    storage::{FileStorage, Lock, MemoryStorage, Storage, StorageError},
};
