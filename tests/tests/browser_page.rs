//! What a page does to the client by mistake: twice at once, with the wrong type, or throwing in its face.

use std::time::Duration;

use countersign_tests::PASSWORD;
use serde_json::json;

use crate::{
    browser::{Site, on_both},
    chromium::Chromium,
};

/// A button that is clicked twice is two sign-ins, and the last is kept whole.
#[tokio::test(flavor = "multi_thread")]
async fn two_sign_ins_at_once_leave_one_session_that_a_reload_restores() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        let who = json!({ "username": "alice", "password": PASSWORD });
        browser
            .ok(&format!("await ready; await Promise.all([auth.login({who}), auth.login({who})])"))
            .await;
        assert_eq!(browser.status().await, "in", "{at:?}");
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.status().await, "in", "{at:?} after a reload");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?} after a reload");
    })
    .await;
}

/// A watcher that throws is the page's affair: signing out signs out all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_throws_stops_nothing() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        browser
            .ok("window.heard = [];
                addEventListener('error', event => { heard.push('error'); event.preventDefault(); });
                auth.watch(status => { if (status === 'out') throw new Error('thrown'); });
                auth.watch(status => heard.push(status))")
            .await;
        browser.ok("await auth.logout()").await;
        assert_eq!(browser.ok("return heard").await, json!(["in", "error", "out"]), "{at:?}");
        assert_eq!(site.wire.count("/oauth/logout", "token="), 1, "{at:?}");
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.status().await, "out", "{at:?}");
    })
    .await;
}

/// Two clients of one page share what the tab keeps: they do not take each other for another tab.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_opens_two_clients_keeps_one_session() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(4), Duration::from_secs(2)).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.ok("sessionStorage.options = JSON.stringify({ storage: 'session' })").await;
        browser.client.refresh().await.unwrap();
        browser.sign_in().await;
        for _ in 0..2 {
            browser.ok("window.first = auth; await openIt({ storage: 'session' })").await;
            browser.ok("await new Promise(r => setTimeout(r, auth.expires - Date.now()))").await;
            let both = format!(
                "const calls = [first, auth].map(it => it.fetch('{}/api/me'));
                 return Promise.all(calls).then(all => all.map(it => it.status))",
                site.issuer
            );
            assert_eq!(browser.ok(&both).await, json!([200, 200]), "{at:?}");
            browser.client.refresh().await.unwrap();
            assert_eq!(browser.status().await, "in", "{at:?} after a reload");
        }
    })
    .await;
}

/// An option of the wrong type is no missing one: it could make the client believe another provider.
#[tokio::test(flavor = "multi_thread")]
async fn an_option_of_the_wrong_type_is_refused() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.ok("await ready").await;
        for bad in [
            "{ issuer: new URL(location.href) }",
            "{ clientId: 5 }",
            "{ scope: ['profile'] }",
            "{ storage: 5 }",
            "{ storage: 'disk' }",
            "{ api: 'https://api.example' }",
            "{ api: ['https://api.example/path'] }",
            "{ redirectUri: {} }",
        ] {
            assert_eq!(
                browser.run(&format!("await openIt({bad})")).await["code"],
                "bad-option",
                "{bad}"
            );
        }
        for good in
            ["{ issuer: null, scope: null, api: null }", "{ api: new Set([location.origin]) }"]
        {
            assert_eq!(browser.ok(&format!("await openIt({good}); return 1")).await, 1, "{good}");
        }
        let to = browser.run("await auth.login({ returnTo: new URL('/', location) })").await;
        assert_eq!(to["code"], "bad-option", "{at:?}");
    })
    .await;
}
