//! `cargo bundle` builds `www/dist`; `cargo bundle --check` builds to compare, and changes nothing.
//! `cargo bundle --page FOLDER` builds the example program in Rust for browsers instead, as a module `page.js`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Error, Write as _},
    path::Path,
};

use countersign_bundle::{
    manifest::{self, NAME},
    pack, steps, weight,
};

/// What `.wasm` and `.js` may weigh together, as `gzip -9` packs them.
const LIMIT: usize = 40_000;

/// What they should weigh.
const GOAL: usize = 32_000;

/// Crates too heavy for a page, which nothing may link: another crate's dependency on them is no harm by itself.
const BANNED: [&str; 3] = ["serde_json", "url", "reqwest"];

/// What others weigh, by the same measure.
const PEERS: [(&str, usize); 6] = [
    ("oidc-client-ts", 18_000),
    ("oidc-spa", 32_000),
    ("atproto oauth-client-browser", 59_000),
    ("auth0-spa-js", 64_000),
    ("MSAL", 75_000),
    ("crate openidconnect as wasm", 312_000),
];

fn main() -> io::Result<()> {
    let root = manifest::root();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => bundle(&root, false),
        ["--check"] => bundle(&root, true),
        ["--page", folder] => steps::page(&root, Path::new(folder)),
        _ => Err(Error::other("usage: cargo bundle [--check | --page FOLDER]")),
    }
}

fn bundle(root: &Path, check: bool) -> io::Result<()> {
    let built = steps::build(root)?;
    explain(&built.named)?;
    let files = pack::pack(built)?;
    let dist = root.join("www/dist");
    weigh(&files)?;
    if check { compare(&dist, &files) } else { replace(root, &dist, &files) }
}

/// Prints where the bytes of the WebAssembly went: the twelve heaviest crates.
fn explain(named: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let weights = weight::by_crate(named);
    for (name, size) in weights.iter().take(12) {
        writeln!(out, "{size:>7} B  {name}")?;
    }
    if let Some((name, _)) = weights.iter().find(|it| BANNED.contains(&it.0.as_str())) {
        return Err(Error::other(format!("the browser client links {name}")));
    }
    Ok(())
}

/// Prints what the bundle weighs, and fails when that is too much.
fn weigh(files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut total = 0;
    for (name, bytes) in files {
        let packed = files.get(&format!("{name}.gz"));
        let Some(packed) =
            packed.filter(|_| name.starts_with("oauth_client") && !name.contains(".d.ts"))
        else {
            continue;
        };
        total += packed.len();
        writeln!(out, "{:>7} B, gzip -9 {:>6} B  {name}", bytes.len(), packed.len())?;
    }
    writeln!(out, "{total:>7} B gzip -9 in all; the goal is {GOAL}, others weigh:")?;
    for (name, weight) in PEERS {
        writeln!(out, "{weight:>7} B  {name}")?;
    }
    if total > LIMIT {
        return Err(Error::other(format!("the bundle weighs {total} B, more than {LIMIT}")));
    }
    Ok(())
}

fn compare(dist: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for (name, bytes) in files {
        if fs::read(dist.join(name)).ok().as_ref() != Some(bytes) {
            let why = format!("{name} is not what its sources give; build it anew: cargo bundle");
            return Err(Error::other(why));
        }
    }
    Ok(())
}

fn replace(root: &Path, dist: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    fs::create_dir_all(dist)?;
    for entry in fs::read_dir(dist)? {
        let path = entry?.path();
        if path.is_file() {
            fs::remove_file(path)?;
        }
    }
    for (name, bytes) in files {
        fs::write(dist.join(name), bytes)?;
    }
    let manifest = manifest::write(root, files, &manifest::toolchain()?)?;
    fs::write(dist.join(NAME), format!("{manifest:#}\n"))
}
