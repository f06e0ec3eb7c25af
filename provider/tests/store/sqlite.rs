//! What the SQLite engine promises beside the contract: its file, its locks, and what stands in their way.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_protocol::{Timestamp, Version};
use countersign_provider::{
    clock::Clock,
    store::{Key, Kind, OpenError, PutError, Record, Sqlite, Store, open},
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A store in a folder of its own.
struct Place {
    folder: TempDir,
    clock: Clock,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::fixed(Timestamp::from_secs(1_800_000_000)),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("store.db")
    }

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(self.path(), self.clock.clone()).unwrap())
    }

    fn refusal(&self) -> String {
        let url = format!("sqlite:{}", self.path().display());
        open(&url, self.clock.clone()).unwrap_err().to_string()
    }

    /// The same file, as another program opens it.
    fn stranger(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn count(&self, what: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {what}");
        self.stranger().query_row(&count, [], |row| row.get(0)).unwrap()
    }
}

fn key(id: &str) -> Key {
    Key { issuer: "https://id.example".into(), kind: Kind::Grant, id: id.into() }
}

fn record(version: u8) -> Record {
    Record {
        version: Version::from_bytes([version; 16]),
        expires: None,
        tags: vec!["subject:ann".into()],
        body: r#"{"v":1}"#.into(),
    }
}

fn is_in_time(from: Instant) {
    let took = from.elapsed();
    assert!(took < Duration::from_millis(1500), "it took {took:?}");
}

/// R3: another process holds the write lock. Nothing is ever said to be done, and the answer comes in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_stranger_holds_the_write_lock_nothing_is_written_and_all_is_read() {
    let place = Place::new();
    let store = place.open();
    store.put(&key("a"), None, record(1)).await.unwrap();
    let stranger = place.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (from, a) = (Instant::now(), key("a"));
    let (put, delete) =
        tokio::join!(store.put(&a, Some(record(1).version), record(2)), store.delete(&a, None),);
    is_in_time(from);
    assert!(matches!(put, Err(PutError::NotApplied(_))), "{put:?}");
    delete.unwrap_err();
    let from = Instant::now();
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(record(1)));
    assert!(from.elapsed() < Duration::from_millis(200), "a read waited {:?}", from.elapsed());

    stranger.execute_batch("COMMIT").unwrap();
    let again = store.put(&key("a"), Some(record(1).version), record(2)).await;
    again.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(record(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_to_be_not_applied_is_not_applied_later() {
    let place = Place::new();
    let store = place.open();
    let stranger = place.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.put(&key("a"), None, record(1)).await;
    assert!(matches!(refused, Err(PutError::NotApplied(_))), "{refused:?}");
    stranger.execute_batch("COMMIT").unwrap();
    store.put(&key("b"), None, record(2)).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stands_still_in_its_turn_makes_writes_unavailable_in_time() {
    for lock in ["store.db-turn", "store.db-next"] {
        let place = Place::new();
        let store = place.open();
        let held = fs::File::open(place.folder.path().join(lock)).unwrap();
        held.lock().unwrap();
        let from = Instant::now();
        let refused = store.put(&key("a"), None, record(1)).await;
        is_in_time(from);
        assert!(matches!(refused, Err(PutError::NotApplied(_))), "{lock}: {refused:?}");
        held.unlock().unwrap();
        store.put(&key("a"), None, record(1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_wait_together_share_a_commit() {
    let place = Place::new();
    let store = place.open();
    store.put(&key("first"), None, record(1)).await.unwrap();
    let log = place.folder.path().join("store.db-wal");
    let stranger = place.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = fs::metadata(&log).unwrap().len();
    let mut puts = JoinSet::new();
    for n in 0..64 {
        let store = Arc::clone(&store);
        puts.spawn(async move { store.put(&key(&n.to_string()), None, record(n)).await });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    stranger.execute_batch("COMMIT").unwrap();
    for put in puts.join_all().await {
        put.unwrap();
    }
    // A commit writes each page that it changed once: alone, each put would write four or more.
    let pages = (fs::metadata(&log).unwrap().len() - before) / 4096;
    assert!(pages < 64, "{pages} pages were written for 64 puts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_swept_with_its_tags() {
    let place = Place::new();
    let store = place.open();
    let mut puts = JoinSet::new();
    for n in 0..500 {
        let (store, mut record) = (Arc::clone(&store), record(1));
        let lives = if n % 100 == 0 { 3600 } else { 60 };
        record.expires = Some(place.clock.now() + Duration::from_secs(lives));
        puts.spawn(async move { store.put(&key(&n.to_string()), None, record).await });
    }
    for put in puts.join_all().await {
        put.unwrap();
    }
    assert_eq!((place.count("record"), place.count("tag")), (500, 500));
    place.clock.advance(Duration::from_secs(64));
    let from = Instant::now();
    while place.count("record") > 5 && from.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((place.count("record"), place.count("tag")), (5, 5));
}

#[tokio::test]
async fn the_files_are_for_their_user_alone() {
    let mut place = Place::new();
    place.folder = tempfile::tempdir_in(place.folder.path()).unwrap();
    let folder = place.folder.path().join("data");
    let path = folder.join("store.db");
    let store = Sqlite::open(&path, place.clock.clone()).unwrap();
    store.put(&key("a"), None, record(1)).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let wanted = ["", "-next", "-shm", "-turn", "-wal"].map(|suffix| format!("store.db{suffix}"));
    assert_eq!(names, wanted);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn sqlites_own_tools_show_what_is_kept() {
    let place = Place::new();
    let mut mortal = record(1);
    mortal.expires = Some(place.clock.now() + Duration::from_secs(1));
    place.open().put(&key("a"), None, mortal).await.unwrap();
    let shown = place.stranger().query_row("SELECT * FROM entry", [], |row| {
        Ok([0, 1, 2, 3, 4, 5].map(|column| row.get::<_, String>(column).unwrap()))
    });
    let wanted = [
        "https://id.example",
        "grant",
        "a",
        "2027-01-15 08:00:01",
        r#"["subject:ann"]"#,
        r#"{"v":1}"#,
    ];
    assert_eq!(shown.unwrap(), wanted);
}

#[test]
fn a_place_that_cannot_be_a_store_is_named_with_the_remedy() {
    let place = Place::new();
    let path = place.path().display().to_string();
    let refused = |remedy: &str| {
        let refusal = place.refusal();
        assert!(refusal.contains(&path) && refusal.contains(remedy), "{refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    };

    fs::create_dir(place.path()).unwrap();
    refused("name a file in it");
    fs::remove_dir(place.path()).unwrap();

    fs::write(place.path(), "a letter to nobody ".repeat(100)).unwrap();
    refused("is not an SQLite database; name another file");
    assert!(fs::read_to_string(place.path()).unwrap().starts_with("a letter"));
    fs::remove_file(place.path()).unwrap();

    place.stranger().execute_batch("CREATE TABLE song (title)").unwrap();
    refused("of another program; name another file");
    fs::remove_file(place.path()).unwrap();

    drop(Sqlite::open(place.path(), place.clock.clone()).unwrap());
    place.stranger().execute("UPDATE countersign SET schema = 2", []).unwrap();
    refused("has schema 2, and this version knows 1");
    place.stranger().execute("UPDATE countersign SET schema = 1", []).unwrap();
    drop(Sqlite::open(place.path(), place.clock.clone()).unwrap());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    fs::write(place.path(), "").unwrap();
    let below = place.path().join("below").join("store.db");
    let refused = Sqlite::open(&below, place.clock.clone()).unwrap_err();
    let OpenError::File(path, _) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*path, below.display().to_string());
}

#[tokio::test]
async fn the_url_takes_a_path_in_any_of_the_usual_forms() {
    let place = Place::new();
    let path = place.path().display().to_string();
    for url in [
        format!("sqlite:{path}"),
        format!("sqlite://{path}"),
        format!("sqlite:{path}?synchronous=normal"),
    ] {
        let store = open(&url, place.clock.clone()).unwrap();
        let id = url.as_str();
        store.put(&key(id), None, record(1)).await.unwrap();
        assert_eq!(place.open().get(&key(id)).await.unwrap(), Some(record(1)));
    }
    for wrong in ["sqlite:", "sqlite:?synchronous=normal", "sqlite:x?mode=rw"] {
        let refused = open(wrong, place.clock.clone()).unwrap_err();
        assert!(matches!(refused, OpenError::Option(..)), "{wrong}: {refused}");
    }
}
