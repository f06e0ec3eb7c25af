//! The tools that are run, in order: `cargo`, `wasm-bindgen`, `wasm-opt`, `terser`.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    io::{self, Error},
    path::{Path, PathBuf},
    process::Command,
};

use wasm_bindgen_cli_support::Bindgen;

use crate::{pack::Built, shrink};

/// `wasm-opt` of npm's `binaryen`, and `terser`.
const TOOLS: [&str; 2] = ["node_modules/binaryen/bin/wasm-opt", "node_modules/terser/bin/terser"];

const TARGET: &str = "--target=wasm32-unknown-unknown";
const ADD_TARGET: &str = "is the target there? rustup target add wasm32-unknown-unknown";

/// The features that every browser with Web Locks, WebCrypto and bigints in WebAssembly has.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Builds the bundle from the sources below `root`.
pub fn build(root: &Path) -> io::Result<Built> {
    let target = target(root)?;
    compile(root, &target)?;
    let compiled = target.join("wasm32-unknown-unknown/bundle/countersign_wasm.wasm");
    let (wasm, glue) = bind(&compiled)?;
    let www = root.join("www");
    install(&www)?;
    let [named, wasm] = optimize(&www, &target, &wasm)?;
    let source = www.join("src");
    let mut others = BTreeMap::new();
    for name in ["oauth_client.d.ts", "oauth_form.js"] {
        others.insert(name.to_owned(), fs::read(source.join(name))?);
    }
    let module = fs::read_to_string(source.join("oauth_client.js"))?;
    let module = minify(&www, &target, &module.replace("/* {{glue}} */", &plain(&glue)))?;
    Ok(Built { wasm, named, module, others })
}

/// Builds the example program `page` for browsers, and writes what a page imports into `folder`.
pub fn page(root: &Path, folder: &Path) -> io::Result<()> {
    let target = target(root)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).env("CARGO_TARGET_DIR", &target);
    cargo.args(["build", "--locked", "--package=countersign-wasm", "--example=page", TARGET]);
    run(&mut cargo, ADD_TARGET)?;
    let compiled = target.join("wasm32-unknown-unknown/debug/examples/page.wasm");
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled).web(true).map_err(Error::other)?;
    bindgen.typescript(false).omit_default_module_path(false);
    bindgen.generate(folder).map_err(Error::other)
}

/// Where `cargo` builds.
fn target(root: &Path) -> io::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version=1", "--no-deps", "--locked"]);
    let output = cargo.current_dir(root).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"].as_str();
    Ok(target.ok_or_else(|| Error::other("cargo metadata failed"))?.into())
}

/// Paths of this machine stand in panics' messages unless they are mapped away, and would change the bytes.
fn compile(root: &Path, target: &Path) -> io::Result<()> {
    let home = |variable: &str, folder: &str| {
        let own = env::var_os(variable).map(PathBuf::from);
        own.or_else(|| env::home_dir().map(|home| home.join(folder)))
    };
    let mut flags: Vec<String> = [
        (home("CARGO_HOME", ".cargo"), "/cargo"),
        (home("RUSTUP_HOME", ".rustup"), "/rustup"),
        (Some(root.to_owned()), "/countersign"),
    ]
    .into_iter()
    .filter_map(|(from, to)| Some(format!("--remap-path-prefix={}={to}", from?.display())))
    .collect();
    flags.push("-Dwarnings".into());
    // A table of constants instead of unrolled rounds: 7 kB less, and it hashes 43 bytes once a sign-in.
    flags.push("--cfg=sha2_backend_soft=\"compact\"".into());
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", target)
        .args(["rustc", "--locked", "--package=countersign-wasm", "--lib"])
        .args(["--crate-type=cdylib", "--features=bundle", "--profile=bundle"])
        .arg(TARGET);
    run(&mut cargo, ADD_TARGET)
}

fn bind(compiled: &Path) -> io::Result<(Vec<u8>, String)> {
    let mut output = Bindgen::new()
        .input_path(compiled)
        .web(true)
        .map_err(Error::other)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(false)
        .remove_producers_section(true)
        .generate_output()
        .map_err(Error::other)?;
    let glue = output.js().to_owned();
    let modules = modules(output.local_modules());
    if let Some(name) = shrink::formatter(output.wasm()) {
        return Err(Error::other(format!("{name} formats; join texts instead of `format!`")));
    }
    shrink::panic_at_once(output.wasm_mut());
    shrink::forget_locations(output.wasm_mut());
    let glue = shrink::rename_imports(output.wasm_mut(), &glue)?;
    let glue = shrink::rename_exports(output.wasm_mut(), &glue);
    Ok((output.wasm_mut().emit_wasm(), modules + &glue))
}

/// The crate's own JavaScript modules as one text, in the order of their names: their imports are of each other alone.
fn modules(modules: &HashMap<String, String>) -> String {
    let sorted: BTreeMap<_, _> = modules.iter().collect();
    sorted.values().map(|text| text.as_str()).collect()
}

/// The glue without imports, exports and the loader that the module brings itself.
fn plain(glue: &str) -> String {
    let loader = glue.find("async function __wbg_load").unwrap_or(glue.len());
    let lines = glue[..loader].lines().filter(|line| !line.starts_with("import "));
    lines.map(|line| line.strip_prefix("export ").unwrap_or(line).to_owned() + "\n").collect()
}

/// The tools of npm at the versions that the lock file names, installed here.
fn install(www: &Path) -> io::Result<()> {
    if TOOLS.iter().all(|tool| www.join(tool).exists()) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.current_dir(www).args(["ci", "--no-audit", "--no-fund"]);
    run(&mut npm, "npm installs wasm-opt and terser: is node there, with npm?")
}

/// `terser` leaves out what a browser does not read.
fn minify(www: &Path, target: &Path, module: &str) -> io::Result<String> {
    let [long, short] = ["long", "short"].map(|it| target.join(it).with_extension("mjs"));
    fs::write(&long, module)?;
    let mut node = Command::new("node");
    node.arg(www.join(TOOLS[1])).arg(&long);
    node.args(["--module", "--ecma=2022", "--compress=passes=3", "--mangle", "--comments=false"]);
    run(node.arg("--output").arg(&short), "is node there?")?;
    fs::read_to_string(short)
}

/// `wasm-opt`, to the last byte.
fn optimize(www: &Path, target: &Path, wasm: &[u8]) -> io::Result<[Vec<u8>; 2]> {
    let tool = www.join(TOOLS[0]);
    let [bound, named, bare] =
        ["bound", "named", "bare"].map(|it| target.join(it).with_extension("wasm"));
    fs::write(&bound, wasm)?;
    let step = |arguments: &[&str], from: &Path, to: &Path| {
        let mut node = Command::new("node");
        node.arg(&tool).args(arguments).args(FEATURES);
        run(node.arg(from).arg("-o").arg(to), "is node there?")
    };
    step(&["-Oz", "--converge", "-g"], &bound, &named)?;
    step(&["--strip-debug", "--strip-producers", "--strip-target-features"], &named, &bare)?;
    Ok([fs::read(named)?, fs::read(bare)?])
}

fn run(command: &mut Command, remedy: &str) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let fail = |why: String| Error::other(format!("{program} failed: {why}; {remedy}"));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(fail(status.to_string())),
        Err(error) => Err(fail(error.to_string())),
    }
}
