//! The checked-in bundle: of its sources, typed, and in the package that is published.

use std::process::Command;

use countersign_tests::command::{root, run};

/// Another toolchain gives other bytes: there tests/run leaves this out and says so. That the sources are the same is
/// tested with the builder.
#[test]
fn the_pinned_toolchain_builds_the_same_bytes() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["bundle", "--check"]).current_dir(root());
    run(cargo, "").well();
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

/// `provider/dist` is a link: what it leads to is in the package, or `cargo install` would miss it.
#[test]
fn the_published_provider_holds_the_bundle() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["package", "--list", "--allow-dirty", "--package"])
        .arg("countersign-provider")
        .current_dir(root());
    let listed = run(cargo, "").well().stdout;
    for name in ["dist/files.rs", "dist/oauth_client.js", "dist/oauth_form.js.br"] {
        assert!(listed.lines().any(|line| line == name), "{name}: {listed}");
    }
}
