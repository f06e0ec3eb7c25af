//! Connections that read: each caller takes one, or opens one more.

use parking_lot::Mutex;
use rusqlite::Connection;

use super::file::File;
use crate::store::Unavailable;

/// How many are kept open when nobody reads.
const KEPT: usize = 16;

pub(super) struct Readers {
    file: File,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: File) -> Self {
        Self { file, idle: Mutex::default() }
    }

    /// Reads with a connection that nobody else uses meanwhile.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        let idle = self.idle.lock().pop();
        let db = idle.map_or_else(|| self.file.reader(), Ok);
        let db = db.map_err(|error| unavailable(&error))?;
        // One that failed is not used again.
        let answer = read(&db).map_err(|error| unavailable(&error))?;
        let mut idle = self.idle.lock();
        if idle.len() < KEPT {
            idle.push(db);
        }
        Ok(answer)
    }
}

fn unavailable(error: &rusqlite::Error) -> Unavailable {
    tracing::error!(%error, "the store cannot be read");
    Unavailable(error.to_string())
}
