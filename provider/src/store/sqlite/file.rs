//! The file, the locks beside it, and connections to it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::turn::Turns;
use crate::store::OpenError;

/// The schema that this version writes.
const SCHEMA: i64 = 1;

/// How long a stranger's lock is waited for when the file is opened.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a reader waits, which it does only where a stranger locks the whole file.
const READ_PATIENCE: Duration = Duration::from_millis(100);

/// How long the writer waits for a stranger before it lets other processes try.
pub(super) const WRITE_PATIENCE: Duration = Duration::from_millis(250);

const TABLES: &str = "
CREATE TABLE countersign (schema INTEGER NOT NULL);
CREATE TABLE space (
    space  INTEGER PRIMARY KEY,
    issuer TEXT NOT NULL,
    kind   TEXT NOT NULL,
    UNIQUE (issuer, kind)
);
CREATE TABLE record (
    record  INTEGER PRIMARY KEY,
    space   INTEGER NOT NULL,
    id      TEXT NOT NULL,
    version BLOB NOT NULL,
    expires INTEGER,        -- milliseconds since 1970
    sweep   INTEGER,        -- when it may be removed: somewhat later
    tags    TEXT NOT NULL,  -- a JSON array
    body    TEXT NOT NULL
);
CREATE UNIQUE INDEX record_by_id ON record (space, id);
CREATE INDEX record_by_sweep ON record (sweep) WHERE sweep IS NOT NULL;
CREATE TABLE tag (
    hash   INTEGER NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (hash, record)
) WITHOUT ROWID;
CREATE VIEW entry AS
    SELECT issuer, kind, id, datetime(expires / 1000, 'unixepoch') AS expires, tags, body
    FROM record JOIN space USING (space);
";

/// When the disk is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synchronous {
    /// At each commit.
    Full,
    /// Now and then.
    Normal,
}

/// A file that holds a store.
#[derive(Clone, Debug)]
pub(super) struct File {
    path: PathBuf,
    synchronous: Synchronous,
}

impl File {
    /// Creates the file if there is none, and its tables.
    pub(super) fn open(path: &Path, synchronous: Synchronous) -> Result<Self, OpenError> {
        let file = Self { path: path.to_owned(), synchronous };
        file.create().map_err(|error| file.unreadable(&error))?;
        // SQLite does not wait where two processes at once turn a new file to WAL mode.
        let turns = file.turns()?;
        let _turn = turns.take().map_err(|error| file.unreadable(&error))?;
        file.prepare().map_err(|error| file.refused(&error))??;
        Ok(file)
    }

    /// The locks for who writes.
    pub(super) fn turns(&self) -> Result<Turns, OpenError> {
        let [next, turn] = ["-next", "-turn"].map(|suffix| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            private().open(path)
        });
        let turns = next.and_then(|next| Ok(Turns::new(next, turn?)));
        turns.map_err(|error| self.unreadable(&error))
    }

    /// A connection that reads.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let db = self.connect(READ_PATIENCE)?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    }

    /// The connection that writes.
    pub(super) fn writer(&self) -> rusqlite::Result<Connection> {
        let db = self.connect(WRITE_PATIENCE)?;
        self.synchronize(&db)?;
        // The log is copied into the file beside the writer, not by it.
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        db.pragma_update(None, "cache_size", -8000)?;
        Ok(db)
    }

    /// The connection that copies the log into the file.
    pub(super) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        let db = self.connect(READ_PATIENCE)?;
        self.synchronize(&db)?;
        Ok(db)
    }

    /// What stands in the way, in a sentence for who started the program.
    pub(super) fn refused(&self, error: &rusqlite::Error) -> OpenError {
        let path = self.path.display().to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::NotADatabase(path),
            Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged(path),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked(path),
            _ => OpenError::File(path, error.to_string()),
        }
    }

    fn unreadable(&self, error: &io::Error) -> OpenError {
        OpenError::File(self.path.display().to_string(), error.to_string())
    }

    /// Makes the folder and the empty file, for this user alone.
    fn create(&self) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.exists() {
            private_folder().create(folder)?;
        }
        if self.path.is_dir() {
            return Err(io::Error::other("it is a folder; name a file in it"));
        }
        let is_new = !self.path.exists();
        private().open(&self.path)?;
        if is_new {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn connect(&self, patience: Duration) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.busy_timeout(patience)?;
        // An index entry goes with its record in one transaction; the engine need not look for it.
        db.pragma_update(None, "foreign_keys", false)?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(db)
    }

    fn synchronize(&self, db: &Connection) -> rusqlite::Result<()> {
        let mode = match self.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        db.pragma_update(None, "synchronous", mode)
    }

    fn prepare(&self) -> rusqlite::Result<Result<(), OpenError>> {
        let mut db = self.connect(PATIENCE)?;
        self.synchronize(&db)?;
        if let Contents::Nothing = contents(&db)? {
            db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            let new = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Contents::Nothing = contents(&new)? {
                new.execute_batch(TABLES)?;
                new.execute("INSERT INTO countersign VALUES (?)", [SCHEMA])?;
            }
            new.commit()?;
        }
        let path = self.path.display().to_string();
        Ok(match contents(&db)? {
            Contents::Store(SCHEMA) => Ok(()),
            Contents::Store(found) => Err(OpenError::Schema(path, found, SCHEMA)),
            Contents::Nothing | Contents::Other => Err(OpenError::Foreign(path)),
        })
    }
}

/// What a database file holds.
enum Contents {
    Nothing,
    Store(i64),
    Other,
}

fn contents(db: &Connection) -> rusqlite::Result<Contents> {
    let tables = "SELECT count(*), count(*) FILTER (WHERE name = 'countersign') FROM sqlite_schema";
    match db.query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?)))? {
        (0_i64, _) => Ok(Contents::Nothing),
        (_, 0_i64) => Ok(Contents::Other),
        _ => {
            let schema = db.query_row("SELECT schema FROM countersign", [], |row| row.get(0));
            Ok(schema.optional()?.map_or(Contents::Other, Contents::Store))
        }
    }
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_folder() -> fs::DirBuilder {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder
}
