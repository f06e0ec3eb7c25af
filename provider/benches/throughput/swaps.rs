//! The measure of a refresh on SQLite: a bare handler that swaps a row of the same size and waits until that is synced,
//! with one thread that commits what waits as a group. No OAuth, and no reading before the swap.

use std::{path::Path, sync::mpsc, thread};

use axum::{Form, Json, Router, extract::State, routing::post};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// A grant's bytes as JSON.
const BODY: usize = 420;
/// As many as there are connections at most.
const ROWS: u64 = 64;

/// A row to be swapped, and who waits for it.
struct Swap {
    row: u64,
    done: oneshot::Sender<()>,
}

/// Swaps the row that the form names, and answers a constant of the size of a token response.
pub(crate) fn router(path: &Path) -> Router {
    let db = rows(path);
    let (queue, waiting) = mpsc::channel();
    thread::spawn(move || write(&db, &waiting));
    Router::new().route("/swap", post(swap)).with_state(queue)
}

async fn swap(
    State(queue): State<mpsc::Sender<Swap>>,
    Form(form): Form<Vec<(String, String)>>,
) -> Json<Value> {
    let row = form.first().unwrap().1.parse().unwrap();
    let (done, answer) = oneshot::channel();
    queue.send(Swap { row, done }).unwrap();
    answer.await.unwrap();
    Json(json!({
        "access_token": "x".repeat(120), "refresh_token": "x".repeat(120),
        "token_type": "Bearer", "expires_in": 600, "scope": "profile",
    }))
}

fn rows(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.execute_batch(
        "CREATE TABLE record (record INTEGER PRIMARY KEY, space INTEGER NOT NULL, id TEXT NOT NULL, \
           version BLOB NOT NULL, expires INTEGER, sweep INTEGER, tags TEXT NOT NULL, body TEXT NOT NULL); \
         CREATE UNIQUE INDEX record_by_id ON record (space, id);",
    )
    .unwrap();
    let insert = "INSERT INTO record (space, id, version, expires, tags, body) VALUES (1, ?1, ?2, 1, ?3, ?4)";
    let tags = r#"["subject:user1","client:app"]"#;
    for row in 0..ROWS {
        let values = params![id(row), 0_u128.to_be_bytes(), tags, "x".repeat(BODY)];
        db.execute(insert, values).unwrap();
    }
    db
}

fn id(row: u64) -> String {
    format!("01890000-0000-7000-8000-{row:012}")
}

/// Commits what waits as one group, and answers after the commit.
fn write(db: &Connection, waiting: &mpsc::Receiver<Swap>) {
    let mut update = db
        .prepare(
            "UPDATE record SET version = ?2, expires = ?3, body = ?4 \
             WHERE space = 1 AND id = ?1 AND version = ?5",
        )
        .unwrap();
    let body = "y".repeat(BODY);
    let mut versions = vec![0_u128; usize::try_from(ROWS).unwrap()];
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for swap in &group {
            let version = &mut versions[usize::try_from(swap.row).unwrap()];
            let (old, new) = (version.to_be_bytes(), (*version + 1).to_be_bytes());
            let changed = update.execute(params![id(swap.row), new, 1, body, old]);
            assert_eq!(changed.unwrap(), 1);
            *version += 1;
        }
        db.execute_batch("COMMIT").unwrap();
        for swap in group {
            // A connection whose time is up no longer waits.
            let _ = swap.done.send(());
        }
    }
}
