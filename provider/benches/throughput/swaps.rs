//! The measure of a refresh on SQLite: as many tasks as there are connections, each of which waits until its row is
//! swapped and synced before it asks again, and one thread that commits what waits as a group. No HTTP, no OAuth, no
//! reading before the swap: what the disk and the engine give at this concurrency, on one core as the server is.

use std::{
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

/// A grant's bytes as JSON.
const BODY: usize = 420;

/// A row to be swapped, and who waits for it.
struct Swap {
    row: usize,
    version: u128,
    done: oneshot::Sender<()>,
}

/// Swaps a second, each synced before it is answered.
pub(crate) fn rate(path: &Path, tasks: usize, time: Duration) -> f64 {
    let path = path.to_owned();
    let measured = thread::spawn(move || {
        crate::pin(0);
        let db = rows(&path, tasks);
        let (queue, waiting) = mpsc::channel();
        let writer = thread::spawn(move || write(&db, &waiting));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let rate = runtime.block_on(ask(queue, tasks, time));
        writer.join().unwrap();
        rate
    });
    measured.join().unwrap()
}

fn rows(path: &Path, rows: usize) -> Connection {
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
    for row in 0..rows {
        let values = params![id(row), 0_u128.to_be_bytes(), tags, "x".repeat(BODY)];
        db.execute(insert, values).unwrap();
    }
    db
}

fn id(row: usize) -> String {
    format!("01890000-0000-7000-8000-{row:012}")
}

async fn ask(queue: mpsc::Sender<Swap>, tasks: usize, time: Duration) -> f64 {
    let start = Instant::now();
    let asking: Vec<_> = (0..tasks)
        .map(|row| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut version = 0;
                while start.elapsed() < time {
                    let (done, answer) = oneshot::channel();
                    queue.send(Swap { row, version, done }).unwrap();
                    answer.await.unwrap();
                    version += 1;
                }
                version
            })
        })
        .collect();
    let mut swaps = 0;
    for task in asking {
        swaps += task.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of swaps")]
    let swaps = swaps as f64;
    swaps / start.elapsed().as_secs_f64()
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
    while let Ok(first) = waiting.recv() {
        let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for swap in &group {
            let (old, new) = (swap.version.to_be_bytes(), (swap.version + 1).to_be_bytes());
            let changed = update.execute(params![id(swap.row), new, 1, body, old]);
            assert_eq!(changed.unwrap(), 1);
        }
        db.execute_batch("COMMIT").unwrap();
        for swap in group {
            // A task whose time is up no longer waits.
            let _ = swap.done.send(());
        }
    }
}
