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
};

use rusqlite::Connection;

/// After how many rows the log is copied, some 4 to 8 MB of it.
const ROWS: usize = 1000;

/// Above how many pages of log the writer finishes the copy: 32 MB.
const LONG: i64 = 8192;

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
        Ok(Self {
            rows: 0,
            due,
            is_long,
        })
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

    /// Finishes a copy, in the writer's turn, so that the log begins anew.
    pub(super) fn finish_if_long(&self, db: &Connection) {
        if self.is_long.swap(false, Ordering::Relaxed)
            && let Err(error) = checkpoint(db, "RESTART")
        {
            tracing::warn!(%error, "the store's log cannot be copied into its file");
        }
    }
}

fn copy_when_due(db: &Connection, due: &mpsc::Receiver<()>, is_long: &AtomicBool) {
    while due.recv().is_ok() {
        match checkpoint(db, "PASSIVE") {
            Ok(pages) if pages > LONG => is_long.store(true, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the store's log cannot be copied into its file");
            }
        }
    }
}

/// How many pages the log has.
fn checkpoint(db: &Connection, how: &str) -> rusqlite::Result<i64> {
    let pragma = format!("PRAGMA wal_checkpoint({how})");
    // The first column: whether somebody else was at it, who then does the work.
    db.query_row(&pragma, [], |row| row.get(1))
}
