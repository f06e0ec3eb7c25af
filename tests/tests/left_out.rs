//! What `tests/run` does on a machine that cannot build the browser's bundle.

use std::{env, fs, process::Command};

use countersign_tests::{
    Ran,
    command::{root, run},
};
use serde_json::Value;
use tempfile::TempDir;

const TARGET: &str = "wasm32-unknown-unknown";
const BYTES: &str = "bundle::the_pinned_toolchain_builds_the_same_bytes";
const PROGRAM: &str = "browser_rust::a_page_in_rust_signs_in_and_is_restored";

/// A machine whose `rustc` is of this version, with or without the target.
struct Machine(TempDir);

impl Machine {
    fn new(version: &str, with_target: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sysroot = folder.path().display().to_string();
        if with_target {
            fs::create_dir_all(folder.path().join("lib/rustlib").join(TARGET)).unwrap();
        }
        // Written by another process: while this one had it open, a child of a test beside this one would too, and
        // nobody could run it.
        let mut sh = Command::new("sh");
        sh.args(["-c", "cat >rustc && chmod +x rustc"]).current_dir(folder.path());
        let rustc = format!(
            "#!/bin/sh\ncase $1 in --version) echo '{version}' ;; *) echo '{sysroot}' ;; esac\n"
        );
        run(sh, &rustc).well();
        Self(folder)
    }

    fn left_out(&self, ci: Option<&str>) -> Ran {
        let path = format!("{}:{}", self.0.path().display(), env::var("PATH").unwrap());
        let mut command = Command::new(root().join("tests/left-out"));
        command.env("PATH", path).env_remove("CI").envs(ci.map(|value| ("CI", value)));
        run(command, "")
    }
}

/// Whose bytes are checked in.
fn pinned() -> String {
    let manifest = fs::read(root().join("www/dist/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["toolchain"].as_str().unwrap().to_owned()
}

/// A line each of these tests, which exist, with this remedy; where CI is set, an error with the same.
fn leaves_out(machine: &Machine, left_out: &[&str], remedy: &str) {
    let said = machine.left_out(None).well().stdout;
    let (names, reasons): (Vec<_>, Vec<_>) =
        said.lines().map(|line| line.split_once('\t').unwrap()).unzip();
    assert_eq!(names, left_out);
    assert!(reasons.iter().all(|why| why.ends_with(remedy)), "{said}");
    for name in names {
        let mut tests = Command::new(env::current_exe().unwrap());
        tests.args(["--list", "--exact", name]);
        assert!(run(tests, "").well().stdout.contains(name), "{name} is no test");
    }
    let refused = machine.left_out(Some("true"));
    assert_eq!(refused.status.code(), Some(1), "{refused:#?}");
    assert!(refused.stdout.is_empty() && refused.stderr.contains(remedy), "{refused:#?}");
}

#[test]
fn without_the_target_what_it_compiles_is_left_out_with_the_remedy() {
    let machine = Machine::new(&pinned(), false);
    leaves_out(&machine, &[BYTES, PROGRAM], "rustup target add wasm32-unknown-unknown");
}

#[test]
fn under_another_toolchain_the_bundles_bytes_are_left_out_with_the_remedy() {
    let version = pinned().split(' ').nth(1).unwrap().to_owned();
    let remedy = format!("rustup toolchain install {version}");
    let machine = Machine::new("rustc 1.0.0 (a59de37e9 2015-05-13)", true);
    leaves_out(&machine, &[BYTES], &remedy);
}

#[test]
fn where_all_is_there_nothing_is_left_out() {
    let machine = Machine::new(&pinned(), true);
    for ci in [None, Some("true")] {
        let said = machine.left_out(ci).well();
        assert!(said.stdout.is_empty() && said.stderr.is_empty(), "{said:#?}");
    }
}
