//! The demo page: what a newcomer sees first.

use std::{fs, time::Duration};

use countersign_tests::server::Setup;
use fantoccini::Locator;
use serde_json::Value;

use crate::chromium::Chromium;

impl Chromium {
    /// Waits until the page's badge says this.
    async fn badge(&self, status: &str) {
        let path = format!("//output[@id='status' and .='{status}']");
        let found = self.client.wait().at_most(Duration::from_secs(20));
        let found = found.for_element(Locator::XPath(&path)).await;
        assert!(found.is_ok(), "{status}: {:?}", self.client.source().await);
    }

    /// Waits until the page shows what the API said.
    async fn me(&self) -> Value {
        let path = "//pre[@id='me' and contains(., 'subject')]";
        let found = self.client.wait().at_most(Duration::from_secs(20));
        let shown = found.for_element(Locator::XPath(path)).await.unwrap();
        serde_json::from_str(&shown.text().await.unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_on_the_demo_page_and_two_tabs_agree() {
    let server = Setup::new().args(&["--demo"]).start().await;
    let secrets = fs::read_to_string(server.data().join("demo.json")).unwrap();
    let secrets: Value = serde_json::from_str(&secrets).unwrap();
    let password = secrets["user"]["password"].as_str().unwrap();
    let browser = Chromium::start().await;
    let client = &browser.client;
    client.goto(&server.url("/")).await.unwrap();
    browser.badge("signed out").await;
    browser.fill("password", "wrong").await;
    browser.click("#out button.main").await;
    let error = client.wait().for_element(Locator::Css("#error:not([hidden])"));
    let error = error.await.unwrap().text().await.unwrap();
    assert!(error.contains("not the user’s password"), "{error}");

    browser.fill("password", password).await;
    browser.click("#out button.main").await;
    browser.badge("signed in").await;
    assert_eq!(browser.me().await["client"], "demo");
    let first = client.window().await.unwrap();
    let second = client.new_window(true).await.unwrap().handle;
    client.switch_to_window(second).await.unwrap();
    client.goto(&server.url("/")).await.unwrap();
    browser.badge("signed in").await;
    browser.click("#logout").await;
    browser.badge("signed out").await;
    client.switch_to_window(first).await.unwrap();
    browser.badge("signed out").await;

    // By the provider's own page, which asks and comes back.
    browser.click("#redirect").await;
    browser.fill("username", "demo").await;
    browser.fill("password", password).await;
    browser.answer("yes").await;
    browser.wait_for_question().await;
    browser.answer("yes").await;
    browser.badge("signed in").await;
    assert_eq!(browser.me().await["client"], "demo");
    let address = client.current_url().await.unwrap();
    assert_eq!(address.query(), None, "{address}");
    if let Some(picture) = std::env::var_os("DEMO_PICTURE") {
        client.set_window_size(1000, 1150).await.unwrap();
        fs::write(picture, client.screenshot().await.unwrap()).unwrap();
    }
}
