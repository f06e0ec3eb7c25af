//! The product's programs, run as a person runs them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::SystemTime,
};

use serde_json::Value;

/// What a program that has ended did.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Ran {
    /// Itself, if it succeeded.
    pub fn well(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self:#?}"))
    }
}

/// Where a program stands that was built with these tests: `countersign`, `examples/login`.
///
/// # Panics
/// When it is missing or older than its sources: a test of yesterday's program says nothing.
pub fn program(name: &str) -> PathBuf {
    let path = built().join(name);
    let remedy = "run tests/run, or first: cargo build --workspace --bins --examples";
    let made = modified(&path).unwrap_or_else(|| panic!("{} is missing: {remedy}", path.display()));
    let own = match name {
        "countersign" => "provider/src",
        "examples/static_site" => "provider/examples/static_site/main.rs",
        _ => "client-native/src",
    };
    for folder in ["protocol/src", own] {
        let newest = newest(&root().join(folder));
        assert!(newest <= made, "{} is older than {folder}: {remedy}", path.display());
    }
    path
}

/// The folder that cargo builds everything in.
pub fn target() -> PathBuf {
    built().parent().unwrap().to_owned()
}

/// Where the foreign peers are installed.
///
/// # Panics
/// When they are not, naming what installs them.
pub fn peers() -> PathBuf {
    let peers = target().join("peers");
    assert!(peers.join("installed").exists(), "the foreign peers are missing: run tests/install");
    peers
}

/// The folder of the sources.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a program to its end, with this standard input.
pub fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A program that does not read it may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `countersign` with nothing of this environment that could configure it.
pub fn countersign() -> Command {
    clean(Command::new(program("countersign")))
}

/// Takes away what of this environment could configure `countersign`.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars() {
        if name.starts_with("COUNTERSIGN_") {
            command.env_remove(name);
        }
    }
    command
}

/// `target/debug`, which this test's own program stands below.
fn built() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().to_owned()
}

/// When a file, or the newest file below a folder, was written.
fn newest(path: &Path) -> SystemTime {
    if !path.is_dir() {
        return modified(path).unwrap_or(SystemTime::UNIX_EPOCH);
    }
    let inside = fs::read_dir(path).unwrap().map(|entry| newest(&entry.unwrap().path()));
    inside.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
