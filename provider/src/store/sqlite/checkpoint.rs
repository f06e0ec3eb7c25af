//! Copying the log into the file, beside the writer.
//!
//! SQLite would do it within a commit, which would then wait for the file's own sync. Here a thread of its own copies
//! while others read and write. It can never finish while somebody writes, and then the log cannot begin anew; so when
//! the log has grown long, the writer copies the little that is left, in its turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;

use super::file::WRITE_PATIENCE;

/// After how many rows the log is copied, some 4 to 8 MB of it.
const ROWS: usize = 1000;

/// Above how many pages of log the writer finishes the copy: 32 MB.
const LONG: i64 = 8192;

/// How many pages may be left to it, and how often the thread tries to come that near.
const LITTLE: i64 = 256;
const CHASES: usize = 8;

/// The writer's side.
pub(super) struct Checkpoints {
    rows: usize,
    /// Dropped with the writer, which ends the thread.
    due: mpsc::SyncSender<()>,
    is_long: Arc<AtomicBool>,
}

impl Checkpoints {
    pub(super) fn start(db: Connection) -> std::io::Result<Self> {
        let (due, awaited) = mpsc::sync_channel(1);
        let is_long = Arc::new(AtomicBool::new(false));
        let copied = Arc::clone(&is_long);
        let thread = thread::Builder::new().name("store-checkpoint".into());
        thread.spawn(move || copy_when_due(&db, &awaited, &copied))?;
        Ok(Self { rows: 0, due, is_long })
    }

    /// Counts rows that were committed.
    pub(super) fn count(&mut self, rows: usize) {
        self.rows += rows;
        if self.rows >= ROWS {
            self.rows = 0;
            // When it is full, a copy is due already.
            let _ = self.due.try_send(());
        }
    }

    /// Finishes a copy, in the writer's turn, so that the log begins anew; unless somebody reads in it just now, for
    /// then the next copy will do.
    pub(super) fn finish_if_long(&self, db: &Connection) {
        if !self.is_long.swap(false, Ordering::Relaxed) {
            return;
        }
        let finished = db
            .busy_timeout(Duration::ZERO)
            .and_then(|()| checkpoint(db, "RESTART"))
            .and_then(|_| db.busy_timeout(WRITE_PATIENCE));
        if let Err(error) = finished {
            tracing::warn!(%error, "the store's log cannot be copied into its file");
        }
    }
}

fn copy_when_due(db: &Connection, due: &mpsc::Receiver<()>, is_long: &AtomicBool) {
    while due.recv().is_ok() {
        match copy(db) {
            Ok(pages) if pages > LONG => is_long.store(true, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the store's log cannot be copied into its file");
            }
        }
    }
}

/// Copies the log, and again what came meanwhile if it is long, so that little is left to the writer. How many pages it
/// has.
fn copy(db: &Connection) -> rusqlite::Result<i64> {
    let (mut pages, mut copied) = checkpoint(db, "PASSIVE")?;
    for _ in 0..CHASES {
        if pages <= LONG {
            break;
        }
        let before = copied;
        (pages, copied) = checkpoint(db, "PASSIVE")?;
        if copied - before < LITTLE {
            break;
        }
    }
    Ok(pages)
}

/// How many pages the log has, and how many of them the file.
fn checkpoint(db: &Connection, how: &str) -> rusqlite::Result<(i64, i64)> {
    let pragma = format!("PRAGMA wal_checkpoint({how})");
    // The first column: whether somebody else was at it, who then does the work.
    db.query_row(&pragma, [], |row| Ok((row.get(1)?, row.get(2)?)))
}
