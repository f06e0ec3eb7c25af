//! Several processes on one SQLite file, and what a SIGKILL leaves.
//!
//! The other processes are this test binary, told by the environment to be a writer.

use std::{
    collections::{HashMap, HashSet},
    env,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use countersign_protocol::Version;
use countersign_provider::{
    clock::Clock,
    store::{Key, Kind, PutError, Record, Store, open},
};
use tempfile::TempDir;
use tokio::task::JoinSet;

const URL: &str = "COUNTERSIGN_TEST_STORE";
const ROUNDS: &str = "COUNTERSIGN_TEST_ROUNDS";
const NAME: &str = "COUNTERSIGN_TEST_WRITER";
const SAYING: &str = "a_writer_says_what_it_tries_and_what_was_acknowledged";

fn key(id: &str) -> Key {
    Key { issuer: "https://id.example".into(), kind: Kind::Grant, id: id.into() }
}

/// Of a version that no other process draws.
fn record() -> Record {
    let mut random = [0; 16];
    let source = File::open("/dev/urandom");
    source.unwrap().read_exact(&mut random).unwrap();
    let version = Version::from_bytes(random);
    Record {
        version,
        expires: None,
        tags: vec!["subject:ann".into(), "client:shop".into()],
        body: format!(r#"{{"v":1,"of":"{version}"}}"#).into(),
    }
}

/// Says it in one piece, past what captures a test's output.
fn say(line: &str) {
    io::stdout().lock().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// How often to write and where, as the starting test tells; else a little, in a folder of its own.
fn told() -> (usize, String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let rounds = env::var(ROUNDS).ok().map(|rounds| rounds.parse().unwrap());
    match env::var(URL) {
        Ok(url) => (rounds.unwrap_or(usize::MAX), url, folder),
        Err(_) => (3, url_in(&folder), folder),
    }
}

fn url_in(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("store.db").display())
}

/// The writer that the tests below start as a process. Started like any test, it writes a little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_says_what_it_tries_and_what_was_acknowledged() {
    let (rounds, url, _folder) = told();
    let name = env::var(NAME).unwrap_or_else(|_| "alone".into());
    let store = open(&url, Clock::system()).unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        tasks.spawn(renew(Arc::clone(&store), format!("line-{name}-{task}"), rounds));
    }
    tasks.spawn(redeem(store, rounds));
    tasks.join_all().await;
}

/// Moves one record on and on.
async fn renew(store: Arc<dyn Store>, id: String, rounds: usize) {
    let key = key(&id);
    let mut expected = store.get(&key).await.unwrap().map(|held| held.version);
    for _ in 0..rounds {
        let next = record();
        say(&format!("try {id} {}", next.version));
        while let Err(error) = store.put(&key, expected, next.clone()).await {
            assert!(!matches!(error, PutError::Conflict), "nobody else writes {id}");
        }
        say(&format!("did {id} {}", next.version));
        expected = Some(next.version);
    }
}

/// Creates records that the other processes want to create too.
async fn redeem(store: Arc<dyn Store>, rounds: usize) {
    for n in 0..rounds {
        let (id, code) = (format!("code-{n}"), record());
        if store.put(&key(&id), None, code.clone()).await.is_ok() {
            say(&format!("won {id} {}", code.version));
        }
    }
}

struct Writer {
    process: Child,
    said: JoinHandle<Vec<[String; 3]>>,
}

impl Writer {
    fn start(url: &str, name: &str, test: &str) -> Self {
        let test = format!("store::processes::{test}");
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env(URL, url)
            .env(NAME, name)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let said = thread::spawn(move || heard(output));
        Self { process, said }
    }

    fn kill(mut self) -> Vec<[String; 3]> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.said.join().unwrap()
    }
}

/// The whole lines of three words.
fn heard(mut output: impl BufRead) -> Vec<[String; 3]> {
    let mut said = Vec::new();
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if line.ends_with('\n') {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            said.extend(
                <[String; 3]>::try_from(words)
                    .ok()
                    .filter(|[verb, ..]| ["try", "did", "won"].contains(&verb.as_str())),
            );
        }
        line.clear();
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_of_two_processes_on_one_file_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = (folder.path().join("store.db"), url_in(&folder));
    let mut codes = HashSet::new();
    for round in 0..4 {
        let one = Writer::start(&url, "one", SAYING);
        let other = Writer::start(&url, "other", SAYING);
        thread::sleep(Duration::from_millis(700 + round * 130));
        let said = [one.kill(), {
            thread::sleep(Duration::from_millis(50));
            other.kill()
        }];
        let store = open(&url, Clock::system()).unwrap();
        for said in said {
            let acknowledged = said.iter().filter(|[verb, ..]| verb == "did").count();
            assert!(acknowledged > 20, "only {acknowledged} writes in round {round}");
            codes_are_won_once(&*store, &said, &mut codes).await;
            lines_are_kept(&*store, &said).await;
        }
    }
    assert!(codes.len() > 20, "only {} codes were redeemed", codes.len());
    is_whole(&path);
}

async fn codes_are_won_once(store: &dyn Store, said: &[[String; 3]], codes: &mut HashSet<String>) {
    for [_, id, version] in said.iter().filter(|[verb, ..]| verb == "won") {
        assert!(codes.insert(id.clone()), "{id} was won twice");
        let held = store.get(&key(id)).await.unwrap();
        assert_eq!(held.map(|held| held.version.to_string()).as_ref(), Some(version));
    }
}

async fn lines_are_kept(store: &dyn Store, said: &[[String; 3]]) {
    // What was acknowledged last, and then what was tried after it.
    let mut possible: HashMap<&str, Vec<&str>> = HashMap::new();
    for [verb, id, version] in said {
        match (verb.as_str(), possible.get_mut(id.as_str())) {
            ("did", _) => drop(possible.insert(id, vec![version])),
            ("try", Some(versions)) => versions.push(version),
            _ => {}
        }
    }
    for (id, versions) in possible {
        let held = store.get(&key(id)).await.unwrap();
        let held = held.map(|held| held.version.to_string()).unwrap_or_default();
        assert!(versions.contains(&held.as_str()), "{id} holds {held}, not one of {versions:?}");
    }
}

fn is_whole(path: &Path) {
    let db = rusqlite::Connection::open(path).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let count = |what: &str| -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("tag"), 2 * count("record"));
    assert_eq!(count("tag JOIN record USING (record)"), count("tag"));
}

/// The writer that writes more than its engine can commit. Started like any test, it writes a little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_writer_always_has_writes_waiting() {
    let (rounds, url, _folder) = told();
    let store = open(&url, Clock::system()).unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..1000 {
        let (store, key) = (Arc::clone(&store), key(&format!("busy-{task}")));
        tasks.spawn(async move {
            let mut expected = None;
            for _ in 0..rounds {
                let next = record();
                store.put(&key, expected, next.clone()).await.unwrap();
                expected = Some(next.version);
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_not_starved_by_another_that_writes_all_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder);
    let store = open(&url, Clock::system()).unwrap();
    let busy = Writer::start(&url, "busy", "a_busy_writer_always_has_writes_waiting");
    let first = first_version_of(&*store, "busy-0").await;
    let from = Instant::now();
    for n in 0..100 {
        let key = key(&format!("mine-{n}"));
        store.put(&key, None, record()).await.unwrap();
    }
    let took = from.elapsed();
    let last = first_version_of(&*store, "busy-0").await;
    busy.kill();
    assert!(took < Duration::from_secs(15), "100 writes took {took:?}");
    assert_ne!(first, last, "the other did not write meanwhile");
}

async fn first_version_of(store: &dyn Store, id: &str) -> Version {
    loop {
        match store.get(&key(id)).await.unwrap() {
            Some(held) => return held.version,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// How many writes a writer acknowledged, and which of them with no sync of the disk, begun after the write was asked
/// for and ended before.
fn unsynced_acknowledgements(url: &str) -> (usize, Vec<String>) {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let traced = Command::new("strace")
        .args(["-f", "-s", "256", "-e", "trace=fsync,fdatasync,write", "-o"])
        .arg(trace.path())
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("store::processes::{SAYING}"), "--nocapture"])
        .env(URL, url)
        .env(ROUNDS, "5")
        .stdout(Stdio::null())
        .status();
    assert!(traced.expect("strace runs; tests/install installs it").success());
    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let (mut asked, mut syncing) = (HashSet::new(), HashSet::new());
    let (mut acknowledged, mut unsynced) = (0, Vec::new());
    for line in trace.lines() {
        if line.contains("sync(") {
            syncing.clone_from(&asked);
        }
        if line.contains("sync") && line.ends_with("= 0") {
            asked.retain(|what| !syncing.contains(what));
        }
        // The line as it was written, its two line ends escaped.
        let said = line.split_once("write(1, \"\\n").map_or("", |(_, said)| said);
        let said = said.split_once("\\n").map_or("", |(said, _)| said);
        match said.split_once(' ') {
            Some(("try", what)) => drop(asked.insert(what)),
            Some(("did", what)) => {
                acknowledged += 1;
                unsynced.extend(asked.contains(what).then(|| what.to_owned()));
            }
            _ => {}
        }
    }
    (acknowledged, unsynced)
}

#[test]
fn the_disk_is_synced_before_each_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    let (acknowledged, unsynced) = unsynced_acknowledgements(&url_in(&folder));
    assert_eq!(acknowledged, 80);
    assert!(unsynced.is_empty(), "not synced: {unsynced:?}");
}

/// The same test sees it where the disk is not synced.
#[test]
fn an_acknowledgement_without_a_sync_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(&folder) + "?synchronous=normal";
    let (acknowledged, unsynced) = unsynced_acknowledgements(&url);
    assert_eq!(acknowledged, 80);
    assert!(unsynced.len() > 40, "of 80 only {} were not synced", unsynced.len());
}
