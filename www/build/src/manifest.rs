//! `www/dist/manifest.json`: from which sources and with which tools the bundle was built.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384};

/// The manifest's name beside the built files.
pub const NAME: &str = "manifest.json";

/// Folders and files, below the repository, that the bundle is built from. Of the protocol only what the browser's build
/// compiles.
const SOURCES: [&str; 19] = [
    "protocol/src/discovery.rs",
    "protocol/src/endpoint.rs",
    "protocol/src/error.rs",
    "protocol/src/form.rs",
    "protocol/src/id.rs",
    "protocol/src/login.rs",
    "protocol/src/pkce.rs",
    "protocol/src/scope.rs",
    "protocol/src/secret.rs",
    "protocol/src/session",
    "protocol/src/session.rs",
    "protocol/src/time.rs",
    "protocol/src/token.rs",
    "client-wasm/src",
    "client-wasm/Cargo.toml",
    "www/src",
    "www/build/src",
    "www/build/Cargo.toml",
    "www/package-lock.json",
];

/// Crates whose version in `Cargo.lock` decides the bundle's bytes.
const CRATES: [&str; 15] = [
    "base64ct",
    "gloo-storage",
    "js-sys",
    "serde",
    "serde-wasm-bindgen",
    "serde_core",
    "serde_derive",
    "sha2",
    "subtle",
    "talc",
    "wasm-bindgen",
    "wasm-bindgen-cli-support",
    "wasm-bindgen-futures",
    "web-sys",
    "zeroize",
];

/// The repository's root: as `cargo` tells it now, for two checkouts may share what was built.
pub fn root() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR");
    let own = told.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.ancestors().nth(2).unwrap_or(&own).to_owned()
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The value for `integrity` ([Subresource Integrity](https://www.w3.org/TR/sri-2/)).
pub fn integrity(bytes: &[u8]) -> String {
    format!("sha384-{}", STANDARD.encode(Sha384::digest(bytes)))
}

/// The hash of every source, by its path below `root`, and of the pinned crates as one entry, `Cargo.lock`.
pub fn sources(root: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for source in SOURCES {
        gather(root, &root.join(source), &mut all)?;
    }
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    all.insert("Cargo.lock".into(), sha256(pinned(&lock).as_bytes()));
    Ok(all)
}

fn gather(root: &Path, path: &Path, all: &mut BTreeMap<String, String>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            gather(root, &entry?.path(), all)?;
        }
        return Ok(());
    }
    let name = path.strip_prefix(root).unwrap_or(path);
    let name = name.to_string_lossy().replace('\\', "/");
    all.insert(name, sha256(&fs::read(path)?));
    Ok(())
}

/// Name, version and checksum of each crate that counts: others in the lock file may change freely.
fn pinned(lock: &str) -> String {
    let counts = |package: &&str| {
        CRATES.iter().any(|name| package.contains(&format!("name = \"{name}\"\n")))
    };
    let dependencies = |package: &str| {
        let end = package.find("dependencies = ").unwrap_or(package.len());
        package[..end].to_owned()
    };
    lock.split("[[package]]").filter(counts).map(dependencies).collect()
}

/// The compiler's own name of itself: other compilers give other bytes.
pub fn toolchain() -> io::Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The manifest of files built now from the sources below `root`.
pub fn write(root: &Path, files: &BTreeMap<String, Vec<u8>>, toolchain: &str) -> io::Result<Value> {
    let files: BTreeMap<_, _> = files.iter().map(|(name, bytes)| (name, sha256(bytes))).collect();
    Ok(json!({ "toolchain": toolchain, "sources": sources(root)?, "files": files }))
}

/// What in `dist` is not as the manifest there says, and which sources have changed since. Empty: all is well.
pub fn differences(root: &Path, dist: &Path) -> io::Result<Vec<String>> {
    let manifest: Value = serde_json::from_slice(&fs::read(dist.join(NAME))?)?;
    let mut all = compare("source", &manifest["sources"], &sources(root)?);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dist)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != NAME && entry.path().is_file() {
            files.insert(name, sha256(&fs::read(entry.path())?));
        }
    }
    all.extend(compare("file", &manifest["files"], &files));
    Ok(all)
}

fn compare(what: &str, noted: &Value, found: &BTreeMap<String, String>) -> Vec<String> {
    let empty = serde_json::Map::new();
    let noted = noted.as_object().unwrap_or(&empty);
    let changed = found
        .iter()
        .filter(|(name, hash)| noted.get(*name).and_then(Value::as_str) != Some(hash))
        .map(|(name, _)| format!("{what} {name} is new or has changed"));
    let gone = noted
        .keys()
        .filter(|name| !found.contains_key(*name))
        .map(|name| format!("{what} {name} is gone"));
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_is_built_from_these_sources() {
        let root = root();
        let differences = differences(&root, &root.join("www/dist")).unwrap();
        assert!(differences.is_empty(), "{differences:#?}\nbuild it anew: cargo bundle");
    }

    #[test]
    fn a_change_of_a_source_or_of_a_file_is_found() {
        let noted = json!({ "a": "1", "b": "2", "c": "3" });
        let found = [("a", "1"), ("b", "x"), ("d", "4")];
        let found = found.map(|(name, hash)| (name.to_owned(), hash.to_owned())).into();
        assert_eq!(
            compare("source", &noted, &found),
            [
                "source b is new or has changed",
                "source d is new or has changed",
                "source c is gone"
            ]
        );
    }

    #[test]
    fn only_the_crates_that_are_linked_count_of_the_lock_file() {
        let lock = "[[package]]\nname = \"serde\"\nversion = \"1\"\ndependencies = [\n \"x\",\n]\n\n[[package]]\nname = \"tokio\"\n";
        assert_eq!(pinned(lock), "\nname = \"serde\"\nversion = \"1\"\n");
    }
}
