use std::{fmt, sync::Arc};

use async_trait::async_trait;
use countersign_protocol::Secret;
use parking_lot::Mutex;

use super::{Lock, Storage, StorageError};

/// A place that ends with the program. Its clones are the same place.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    text: Arc<Mutex<Option<Secret>>>,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl MemoryStorage {
    /// An empty place.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn load(&self) -> Result<Option<Secret>, StorageError> {
        Ok(self.text.lock().clone())
    }

    async fn store(&self, text: &Secret) -> Result<(), StorageError> {
        *self.text.lock() = Some(text.clone());
        Ok(())
    }

    async fn try_lock(&self) -> Result<Option<Lock>, StorageError> {
        Ok(self.lock.clone().try_lock_owned().ok().map(Lock::of))
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStorage")
    }
}
