//! A page in Rust: signs in, shows who it is, and stays signed in.
//!
//! ```sh
//! cargo bundle --page site
//! echo '<html data-issuer="http://127.0.0.1:8080" data-client="shop">
//!   <script type="module">import run from "./page.js"; run();</script>' >site/index.html
//! cargo run --package countersign-provider --example static_site -- http://127.0.0.1:8080 http://localhost:8081 site
//! ```
//!
//! The first command writes `page.js`, as `wasm-bindgen --target web` does; the last serves the page beside a provider
//! whose client `shop` has registered its address.

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
    let issuer = setting("data-issuer");
    let options = Options::new(setting("data-client"), Provider::Issuer(issuer.clone()));
    let client = Client::open(Options { api: vec![issuer.clone()], callback, ..options }).await?;
    if let Status::Out = client.status() {
        return client.login().await;
    }
    client.watch(|status| show(status.as_str()));
    let answer = client.fetch(&(issuer + "/api/me").into(), &JsValue::UNDEFINED).await?;
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

/// What the page says of itself.
fn setting(name: &str) -> String {
    let page = web_sys::window().and_then(|window| window.document()?.document_element());
    page.and_then(|page| page.get_attribute(name)).unwrap_or_default()
}
