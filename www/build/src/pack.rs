//! From WebAssembly and its glue to the files that a provider serves.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use flate2::{Compression, write::GzEncoder};

use crate::manifest::{integrity, sha256};

/// How many characters of a hash stand in a name: 64 bits, against chance, not against an attacker.
const HASH: usize = 16;

/// The module's name.
const SCRIPT: &str = "oauth_client.js";

/// What was built, before it is packed.
#[derive(Debug)]
pub struct Built {
    /// The optimized WebAssembly.
    pub wasm: Vec<u8>,
    /// The same with the names of its functions.
    pub named: Vec<u8>,
    /// The module, but for the name and the hash of the WebAssembly.
    pub module: String,
    /// Files that are served as they are, by name.
    pub others: BTreeMap<String, Vec<u8>>,
}

/// The files of the bundle, by name.
pub fn pack(built: Built) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let wasm_name = format!("oauth_client-{}.wasm", short(&built.wasm));
    let script = built
        .module
        .replace("{{wasm}}", &wasm_name)
        .replace("{{integrity}}", &integrity(&built.wasm));
    let script = script.into_bytes();
    let mut files = built.others;
    files.insert(wasm_name, built.wasm);
    files.insert(SCRIPT.into(), script.clone());
    let served = files_rs(&script, &files);
    let mut packed = BTreeMap::new();
    for (name, bytes) in files {
        packed.insert(format!("{name}.gz"), gzip(&bytes)?);
        packed.insert(format!("{name}.br"), brotli(&bytes)?);
        packed.insert(name, bytes);
    }
    packed.insert("files.rs".into(), served.into_bytes());
    Ok(packed)
}

fn short(bytes: &[u8]) -> String {
    sha256(bytes)[..HASH].to_owned()
}

/// What the provider compiles in: each file with its compressed forms.
fn files_rs(script: &[u8], files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = format!(
        "// Written by `cargo bundle`.\nBundle {{\n    hash: \"{}\",\n    integrity: \"{}\",\n    files: &[\n",
        short(script),
        integrity(script)
    );
    for (name, bytes) in files {
        let hash = short(bytes);
        let line = format!(
            "        File {{ name: \"{name}\", hash: \"{hash}\", plain: include_bytes!(\"{name}\"), \
             gzip: include_bytes!(\"{name}.gz\"), brotli: include_bytes!(\"{name}.br\") }},\n"
        );
        text.push_str(&line);
    }
    text + "    ],\n}\n"
}

/// As `gzip -9` does it, without a time in it.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, 11, 22);
    encoder.write_all(bytes)?;
    drop(encoder);
    Ok(packed)
}
