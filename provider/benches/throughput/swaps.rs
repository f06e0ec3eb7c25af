//! The measure of a refresh on SQLite: a loop that swaps rows of the same size in groups, and does nothing else.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};

/// As many rows as a benchmark's sessions.
const ROWS: usize = 64;
/// A grant's bytes as JSON.
const BODY: usize = 420;

/// Swaps a second, so many to a commit, each commit synced.
pub(crate) fn rate(path: &Path, group: usize, time: Duration) -> f64 {
    crate::pin(0);
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.execute_batch(
        "CREATE TABLE record (record INTEGER PRIMARY KEY, space INTEGER NOT NULL, id TEXT NOT NULL, \
           version BLOB NOT NULL, expires INTEGER, sweep INTEGER, tags TEXT NOT NULL, body TEXT NOT NULL); \
         CREATE UNIQUE INDEX record_by_id ON record (space, id);",
    )
    .unwrap();
    let ids: Vec<String> = (0..ROWS)
        .map(|row| format!("01890000-0000-7000-8000-{row:012}"))
        .collect();
    let body = "x".repeat(BODY);
    let mut insert = db
        .prepare("INSERT INTO record (space, id, version, expires, tags, body) VALUES (1, ?1, ?2, 1, ?3, ?4)")
        .unwrap();
    let tags = r#"["subject:user1","client:app"]"#;
    for id in &ids {
        insert.execute(params![id, [0_u8; 16], tags, body]).unwrap();
    }
    drop(insert);
    let rate = swap(&db, &ids, &body, group, time);
    crate::pin(1);
    rate
}

fn swap(db: &Connection, ids: &[String], body: &str, group: usize, time: Duration) -> f64 {
    let mut update = db
        .prepare("UPDATE record SET version = ?2, expires = ?3, body = ?4 WHERE space = 1 AND id = ?1 AND version = ?5")
        .unwrap();
    let mut versions = vec![0_u128; ids.len()];
    let (mut done, start) = (0_u32, Instant::now());
    while start.elapsed() < time {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..group {
            let row = done as usize % ids.len();
            let (old, new) = (versions[row], u128::from(done) + 1);
            let bytes = (new.to_be_bytes(), old.to_be_bytes());
            let changed = update
                .execute(params![ids[row], bytes.0, done, body, bytes.1])
                .unwrap();
            assert_eq!(changed, 1);
            versions[row] = new;
            done += 1;
        }
        db.execute_batch("COMMIT").unwrap();
    }
    f64::from(done) / start.elapsed().as_secs_f64()
}
