//! The checked-in bundle: of its sources, typed, and in the package that is published.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use countersign_tests::{
    Ran,
    command::{root, run},
};
use tempfile::TempDir;

/// What is published.
const CRATES: [&str; 4] =
    ["countersign-protocol", "countersign-provider", "countersign-client", "countersign-wasm"];

/// All have one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Another toolchain gives other bytes: there tests/run leaves this out and says so. That the sources are the same is
/// tested with the builder.
#[test]
fn the_pinned_toolchain_builds_the_same_bytes() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["bundle", "--check"]).current_dir(root());
    run(cargo, "").well();
}

/// A build of the whole workspace does not compile it, and so does not test it.
#[test]
fn the_builders_own_tests_pass() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--locked", "--package", "countersign-bundle", "--features", "build"]);
    cargo.arg("--lib").current_dir(root());
    let said = run(cargo, "").well().stdout;
    assert!(said.contains("shrink::tests"), "{said}");
}

#[test]
fn a_page_that_uses_all_types_passes_the_type_check() {
    let www = root().join("www");
    if !www.join("node_modules/typescript").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&www);
        run(npm, "").well();
    }
    let mut check = Command::new("npm");
    check.args(["run", "--silent", "check"]).current_dir(&www);
    run(check, "").well();
}

/// The packages that are published, packed by `cargo` and unpacked again.
fn crates() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["package", "--allow-dirty", "--no-verify", "--exclude-lockfile", "--offline"])
        .args(CRATES.iter().flat_map(|name| ["--package", name]))
        .arg("--target-dir")
        .arg(folder.path())
        .current_dir(root());
    run(cargo, "").well();
    for name in CRATES {
        let mut tar = Command::new("tar");
        tar.arg("xzf").arg(format!("package/{name}-{VERSION}.crate")).current_dir(folder.path());
        run(tar, "").well();
    }
    folder
}

/// `provider/dist` is a link: what it leads to is in the package, and all else that is compiled in, or `cargo install`
/// would fail. (`cargo package` builds what it packs; that takes minutes.)
#[test]
fn what_a_published_crate_compiles_in_is_in_its_package() {
    let folder = crates();
    let mut included = Vec::new();
    for name in CRATES {
        let package = folder.path().join(format!("{name}-{VERSION}"));
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            assert!(is_file(&package.join(file)), "{name} has no {file}");
        }
        for source in sources(&package) {
            for path in includes(&source) {
                assert!(is_file(&path), "{name}: {} is not in the package", path.display());
                included.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    for name in ["files.rs", "oauth_client.js", "oauth_client.js.gz", "oauth_form.js.br"] {
        assert!(included.iter().any(|it| it == name), "nobody compiles {name} in: {included:?}");
    }
}

/// Whether it is there, and no link to what is elsewhere.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.len() > 0)
}

/// Every file of Rust below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// The files that a source names in `include!`, `include_str!` and `include_bytes!`.
fn includes(source: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(source).unwrap();
    let named = ["include!(\"", "include_str!(\"", "include_bytes!(\""].into_iter();
    named
        .flat_map(|call| text.split(call).skip(1))
        .map(|rest| source.with_file_name(rest.split('"').next().unwrap()))
        .collect()
}

/// The package for npm, installed in a program of its own.
struct Installed(TempDir);

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut pack = Command::new("npm");
        pack.args(["pack", "--pack-destination"])
            .arg(folder.path())
            .current_dir(root().join("www"));
        run(pack, "").well();
        let manifest = r#"{ "private": true, "type": "module" }"#;
        fs::write(folder.path().join("package.json"), manifest).unwrap();
        let mut install = Command::new("npm");
        install.args(["install", "--offline", "--no-audit", "--no-fund"]);
        install.arg(format!("./countersign-{VERSION}.tgz")).current_dir(folder.path());
        run(install, "").well();
        Self(folder)
    }

    fn package(&self) -> PathBuf {
        self.0.path().join("node_modules/countersign")
    }

    /// What the installed compiler of `www` says of the program that uses all types, under this way to find modules.
    fn type_check(&self, module: &str, resolution: &str) -> Ran {
        let mut tsc = Command::new(root().join("www/node_modules/.bin/tsc"));
        tsc.args(["--strict", "--noEmit", "--target", "es2022", "--lib", "es2022,dom"]);
        tsc.args(["--types", "", "--module", module, "--moduleResolution", resolution, "page.ts"]);
        tsc.current_dir(self.0.path());
        run(tsc, "")
    }
}

#[test]
fn the_package_for_npm_is_found_typed_and_whole() {
    let installed = Installed::new();
    let mut node = Command::new("node");
    let resolve = "for (const it of ['countersign', 'countersign/oauth_form.js'])
        console.log(import.meta.resolve(it))";
    node.args(["--input-type=module", "--eval", resolve]).current_dir(installed.0.path());
    let found = run(node, "").well().stdout;
    let found: Vec<_> = found.lines().map(|it| it.rsplit('/').next().unwrap()).collect();
    assert_eq!(found, ["oauth_client.js", "oauth_form.js"]);

    let page = fs::read_to_string(root().join("www/types/page.ts")).unwrap();
    let page = page.replace("../src/oauth_client.js", "countersign");
    fs::write(installed.0.path().join("page.ts"), page).unwrap();
    for (module, resolution) in [("es2022", "bundler"), ("nodenext", "nodenext")] {
        installed.type_check(module, resolution).well();
    }
    fs::write(installed.0.path().join("page.ts"), "import { nothing } from 'countersign';")
        .unwrap();
    let refused = installed.type_check("es2022", "bundler");
    assert!(refused.stdout.contains("nothing"), "the types are not seen: {refused:#?}");

    let module = fs::read_to_string(installed.package().join("dist/oauth_client.js")).unwrap();
    let start = module.find("oauth_client-").unwrap();
    let wasm = module[start..].split(".wasm").next().unwrap();
    let others = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", &format!("dist/{wasm}.wasm")];
    let manifest = fs::read_to_string(installed.package().join("package.json")).unwrap();
    let named = manifest.split('"').filter(|it| it.contains("dist/") && !it.contains('*'));
    for file in others.into_iter().chain(named) {
        assert!(is_file(&installed.package().join(file)), "{file} is missing");
    }
}
