//! Where a session is kept between two runs of a program.

mod file;
mod memory;

use std::{any::Any, fmt};

use async_trait::async_trait;
use countersign_protocol::Secret;

pub use self::{file::FileStorage, memory::MemoryStorage};

/// A place that holds one session, shared by whoever names the same place.
///
/// A keyring, a database or an encrypted file of your own is a place too: it keeps one text, and lends a lock. The text
/// holds the tokens in the clear, so that whoever reads it is signed in: encrypt it or guard it like a password.
///
/// # What a place must promise
/// - [`store`](Self::store) replaces the text as a whole, and when it returns `Ok` the text outlives a crash: what was
///   there before must never come back, for the provider takes an old refresh token for a stolen one.
/// - A lock is held by one at a time, over all processes that share the place, and is free again when its holder
///   dies.
/// - An error means that nothing is known of the text; it never means that there is none.
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// The text; `None` when nothing was ever stored.
    async fn load(&self) -> Result<Option<Secret>, StorageError>;

    /// Replaces the text.
    async fn store(&self, text: &Secret) -> Result<(), StorageError>;

    /// Takes the lock, at once or (`None`) not at all. Reading and writing need no lock of their own.
    async fn try_lock(&self) -> Result<Option<Lock>, StorageError>;
}

/// The lock of a place, free again when this is dropped.
pub struct Lock(
    #[expect(dead_code, reason = "it is held, not looked at")] Box<dyn Any + Send + Sync>,
);

impl Lock {
    /// Holds whatever frees the lock when it is dropped: a guard, a locked file.
    pub fn of(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Why a place does not work. It names the place, never what it holds.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StorageError {
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StorageError {
    /// Says in one sentence which place does not work and what can be done.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// Adds the cause.
    pub fn because(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}
