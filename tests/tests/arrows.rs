//! Who may know whom: the crates' arrows, a protocol without I/O, a small browser build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which crates of the house each one may import: always, and behind an optional feature.
const ARROWS: [(&str, &[&str], &[&str]); 6] = [
    ("countersign-protocol", &[], &[]),
    ("countersign-provider", &["countersign-protocol"], &["countersign-client"]),
    ("countersign-client", &["countersign-protocol"], &[]),
    ("countersign-wasm", &["countersign-protocol"], &[]),
    ("countersign-bundle", &[], &[]),
    (
        "countersign-tests",
        &["countersign-protocol", "countersign-provider", "countersign-client", "countersign-wasm"],
        &[],
    ),
];

/// What the protocol may not name: time, randomness and everything else comes in as an argument.
const WORLD: [&str; 13] = [
    "std::net",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "tokio",
    "async fn",
    "getrandom",
    "println!",
    "eprintln!",
];

/// What no crate that the protocol links may be.
const WORLDLY_CRATES: [&str; 8] =
    ["tokio", "mio", "socket2", "reqwest", "hyper", "getrandom", "rand", "rustix"];

#[test]
fn each_crate_imports_only_what_it_may_know() {
    let packages = metadata(&["--no-deps"]);
    let mut seen = BTreeSet::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let (_, always, optional) = *ARROWS
            .iter()
            .find(|arrow| arrow.0 == name)
            .unwrap_or_else(|| panic!("{name} is new: say in ARROWS whom it may import"));
        for (import, is_optional) in imports(package) {
            assert!(
                always.contains(&import.as_str())
                    || is_optional && optional.contains(&import.as_str()),
                "{name} may not import {import}"
            );
        }
        seen.insert(name.to_owned());
    }
    assert_eq!(seen.len(), ARROWS.len(), "a crate of ARROWS is gone");
}

#[test]
fn the_protocol_names_nothing_of_the_outside_world() {
    let mut files = Vec::new();
    rust_files(&root().join("protocol/src"), &mut files);
    assert!(files.len() > 5, "the protocol's sources were not found");
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for (number, line) in product_lines(&source) {
            let found = WORLD.iter().find(|word| line.contains(*word));
            assert_eq!(found, None, "{}:{number}: {line}", file.display());
        }
    }
}

#[test]
fn the_protocol_links_nothing_that_does_input_or_output() {
    let linked = tree(&["--package", "countersign-protocol", "--features", "server"]);
    assert!(linked.contains("serde"), "{linked:?}");
    for name in WORLDLY_CRATES {
        assert!(!linked.contains(name), "the protocol links {name}");
    }
}

/// Measured, gzip: `reqwest` adds 110 kB to the bundle, `url` 79, `serde_json` 22. (`gloo-storage` depends on the
/// latter for calls that are not used here; `cargo bundle` fails when it is linked indeed.)
#[test]
fn the_browser_build_depends_on_no_crate_that_makes_it_large() {
    let browser = ["--package", "countersign-wasm", "--target", "wasm32-unknown-unknown"];
    let linked = tree(&browser);
    assert!(linked.contains("countersign-protocol"), "{linked:?}");
    for name in ["url", "reqwest"] {
        assert!(!linked.contains(name), "the browser build links {name}");
    }
    let storage = tree(&["--package", "gloo-storage"]);
    let without = tree(&[&browser[..], &["--prune", "gloo-storage"]].concat());
    assert!(storage.contains("serde_json"), "gloo-storage does without: say so here");
    assert!(!without.contains("serde_json"), "{without:?}");
}

/// What all of it may be linked with, for who ships it under either licence.
#[test]
fn every_crate_that_is_linked_has_a_permissive_licence() {
    const GOOD: [&str; 11] = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "0BSD",
        "Unicode-3.0",
        "CC0-1.0",
        "CDLA-Permissive-2.0",
        "OpenSSL",
    ];
    let licences = metadata(&[])
        .iter()
        .map(|package| {
            (
                package["name"].as_str().unwrap().to_owned(),
                package["license"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect::<BTreeMap<_, _>>();
    for name in shipped() {
        let licence = &licences[&name];
        let good = licence
            .split([' ', '(', ')', '/'])
            .filter(|word| !word.is_empty())
            .any(|word| GOOD.contains(&word));
        assert!(good, "{name} is under {licence:?}");
    }
}

/// The names of all crates that the provider and the clients link.
fn shipped() -> BTreeSet<String> {
    ["countersign-provider", "countersign-client", "countersign-wasm"]
        .iter()
        .flat_map(|name| tree(&["--package", name]))
        .collect()
}

/// The house's own crates that a package links or builds with, and whether each is optional.
fn imports(package: &Value) -> Vec<(String, bool)> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .filter_map(|dependency| {
            let name = dependency["name"].as_str()?;
            let ours = name.starts_with("countersign-");
            ours.then(|| (name.to_owned(), dependency["optional"] == true))
        })
        .collect()
}

/// The lines before a file's own tests, without comments, numbered from 1.
fn product_lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source
        .lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

fn metadata(more: &[&str]) -> Vec<Value> {
    let text = cargo(&[&["metadata", "--format-version", "1", "--locked"], more].concat());
    let Value::Object(mut all) = serde_json::from_str(&text).unwrap() else {
        panic!("cargo metadata answers an object");
    };
    match all.remove("packages") {
        Some(Value::Array(packages)) => packages,
        other => panic!("no packages but {other:?}"),
    }
}

/// The names of the crates that are linked, the package's own included.
fn tree(more: &[&str]) -> BTreeSet<String> {
    let fixed = ["tree", "--locked", "--edges", "normal", "--prefix", "none"];
    cargo(&[&fixed, more].concat())
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
