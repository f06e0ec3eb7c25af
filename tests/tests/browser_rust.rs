//! The browser client as a crate: the example program, compiled and in a real page.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use countersign_tests::{
    PASSWORD,
    command::{root, run},
};
use serde_json::json;

use crate::{
    browser::{Site, on_both},
    chromium::Chromium,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_rust_signs_in_and_is_restored() {
    let program = tempfile::tempdir().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["bundle", "--page"]).arg(program.path()).current_dir(root());
    run(cargo, "").well();
    on_both(async |at| {
        let site = Site::start(at).await;
        let page = site.put_program(program.path());
        let browser = Chromium::start().await;
        browser.client.goto(&page).await.unwrap();
        browser.shows("Sign in").await;
        browser.fill("username", "alice").await;
        browser.fill("password", PASSWORD).await;
        browser.click("button").await;
        browser.shows_any().await;
        browser.answer("yes").await;
        browser.eventually("document.title", &json!("\"it is you\"")).await;
        assert_eq!(browser.ok("return location.href").await, page, "{at:?}");

        browser.client.refresh().await.unwrap();
        browser.eventually("document.title", &json!("\"it is you\"")).await;
        assert_eq!(site.wire.count("/oauth/token", "grant_type"), 1, "{at:?}");
    })
    .await;
}

impl Site {
    /// Serves what was built for browsers and a page that loads it; gives the page's address.
    fn put_program(&self, folder: &Path) -> String {
        for path in files(folder) {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            let is_wasm = path.extension().is_some_and(|it| it == "wasm");
            let media_type = if is_wasm { "application/wasm" } else { "text/javascript" };
            self.put(name, media_type, &fs::read(&path).unwrap());
        }
        let page = format!(
            r#"<!doctype html><html data-issuer="{}" data-client=spa><meta charset=utf-8><title>Rust</title>
<script type=module>import run from "./page.js"; run();</script>"#,
            self.issuer
        );
        self.put("rust.html", "text/html", page.as_bytes())
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
