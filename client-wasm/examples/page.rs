//! A page in Rust: signs in, shows who it is, and stays signed in.
//!
//! ```sh
//! cargo build --package countersign-wasm --example page --target wasm32-unknown-unknown
//! wasm-bindgen --target web --out-dir page target/wasm32-unknown-unknown/debug/examples/page.wasm
//! echo '<script type="module">import init from "./page.js"; init();</script>' >page/index.html
//! cargo run --package countersign-provider --example static_site -- http://127.0.0.1:8080 http://localhost:8081 page
//! ```
//!
//! The last command serves the page beside a provider whose client `shop` has registered its address.

use countersign_wasm::{Client, Error, Options, Provider, Status, callback};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

fn main() {
    // First of all the answer of a sign-in leaves the address.
    let callback = callback();
    spawn_local(async move {
        if let Err(error) = page(callback).await {
            show(&error.to_string());
        }
    });
}

async fn page(callback: Option<String>) -> Result<(), Error> {
    let issuer = Provider::Issuer("http://127.0.0.1:8080".into());
    let client = Client::open(Options {
        api: vec!["http://127.0.0.1:8080".into()],
        callback,
        ..Options::new("shop", issuer)
    })
    .await?;
    if let Status::Out = client.status() {
        return client.login().await;
    }
    client.watch(|status| show(status.as_str()));
    let api = "http://127.0.0.1:8080/api/me".into();
    let answer = client.fetch(&api, &JsValue::UNDEFINED).await?;
    if let Ok(text) = answer.text()
        && let Ok(text) = JsFuture::from(text).await
    {
        show(&text.as_string().unwrap_or_default());
    }
    Ok(())
}

/// Shows a line as the page's title.
fn show(line: &str) {
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        document.set_title(line);
    }
}
