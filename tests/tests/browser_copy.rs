//! A tab that is duplicated takes a copy of its sessionStorage along, and with it the session that is kept there.

use std::time::Duration;

use fantoccini::wd::WindowHandle;
use serde_json::json;

use crate::{
    browser::{Site, on_both},
    chromium::Chromium,
};

/// Two tabs that refresh with one token would look like a thief and an owner, and end the session of both.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_tab_leaves_the_session_to_the_first() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(4), Duration::from_secs(2)).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.ok("sessionStorage.options = JSON.stringify({ storage: 'session' })").await;
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.ok("await ready; return auth.storage").await, "session");
        browser.sign_in().await;
        let first = browser.client.window().await.unwrap();
        let copy = browser.copy_tab(&site).await;
        for round in 0..2 {
            browser.switch(&copy).await;
            assert_eq!(browser.status().await, "out", "{at:?} copy, {round}");
            browser.switch(&first).await;
            browser.ok("await new Promise(r => setTimeout(r, auth.expires - Date.now()))").await;
            assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?} first, {round}");
        }
        // The copy is a tab of its own from now on, and a reload restores each.
        browser.switch(&copy).await;
        browser.sign_in().await;
        for window in [&first, &copy] {
            browser.switch(window).await;
            browser.client.refresh().await.unwrap();
            assert_eq!(browser.status().await, "in", "{at:?} after a reload");
            assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?} after a reload");
        }
    })
    .await;
}

impl Chromium {
    /// Opens the page in another tab, which starts with a copy of this one's sessionStorage.
    async fn copy_tab(&self, site: &Site) -> WindowHandle {
        let before = self.client.windows().await.unwrap();
        self.ok(&format!("window.open('{}')", site.page())).await;
        for _ in 0..50 {
            let now = self.client.windows().await.unwrap();
            if let Some(new) = now.into_iter().find(|it| !before.contains(it)) {
                return new;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no tab opens");
    }
}
