//! The SQLite engine: one file, durable, shared by several processes.
//!
//! - **Writes** go to one thread, which commits what waits as one group and answers after the commit, so that all share
//!   the cost of the disk's sync ([`writer`]).
//! - **Reads** run inline on the calling thread, over connections that never wait for the writer ([`readers`]).
//! - **Processes** on one file queue for each group on two advisory locks beside it ([`turn`]). SQLite's own busy wait
//!   serves only strangers.
//! - **The file** is made with mode 0600, in WAL mode with `synchronous=FULL` ([`file`]); the tables and their
//!   statements are in [`rows`].

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use countersign_protocol::{Timestamp, Version};

use self::{
    file::{File, Synchronous},
    readers::Readers,
    writer::{Write, Writer},
};
use super::{Key, Listing, OpenError, Page, PutError, Query, Record, Store, Unavailable};
use crate::clock::Clock;

mod checkpoint;
mod file;
mod readers;
mod rows;
mod turn;
mod writer;

/// An engine that keeps records in one SQLite file.
///
/// Its operations need a runtime with time enabled, because a write is waited for no longer than 1.2 s.
pub struct Sqlite {
    path: PathBuf,
    clock: Clock,
    readers: Arc<Readers>,
    writer: Writer,
}

impl Sqlite {
    /// Opens the file, or creates it with its folder. It may be open already, here and in other processes of this
    /// machine.
    ///
    /// # Errors
    /// [`OpenError`], when the file cannot be read and written, or holds something else than a store that this version
    /// knows.
    pub fn open(path: impl AsRef<Path>, clock: Clock) -> Result<Self, OpenError> {
        Self::open_file(path.as_ref(), Synchronous::Full, clock)
    }

    /// Opens the file so that the last writes may be lost when the power fails: for showing that the tests of
    /// durability see it.
    #[doc(hidden)]
    pub fn danger_open_without_sync(
        path: impl AsRef<Path>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        Self::open_file(path.as_ref(), Synchronous::Normal, clock)
    }

    fn open_file(path: &Path, synchronous: Synchronous, clock: Clock) -> Result<Self, OpenError> {
        let file = File::open(path, synchronous)?;
        Ok(Self {
            path: path.to_owned(),
            readers: Arc::new(Readers::new(file.clone())),
            writer: Writer::start(&file, clock.clone())?,
            clock,
        })
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.path.display())
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        let held = self.readers.with(|db| rows::get(db, key))?;
        Ok(held.filter(|record| record.is_live(self.clock.now())))
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        let put = Write::Put(key.clone(), expected, record);
        self.writer.write(put).await.map(|_| ())
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        let delete = Write::Delete(key.clone(), expected);
        let deleted = self.writer.write(delete).await;
        deleted.map_err(|error| Unavailable(error.to_string()))
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        let (readers, query, now) = (Arc::clone(&self.readers), query.clone(), self.clock.now());
        // Not inline: it may look at every record with the tag.
        let listing = tokio::task::spawn_blocking(move || {
            readers.with(|db| rows::list(db, &query, &page, now))
        });
        listing.await.map_err(|error| Unavailable(error.to_string()))?
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        // It would be this machine's.
        Ok(None)
    }
}
