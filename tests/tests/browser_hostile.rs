//! The browser client where the browser, the network or another tab is against it.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;

use crate::{
    browser::{Site, on_both},
    chromium::Chromium,
};

const NO_DATABASE: &str = "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError') } })";
const NO_LOCAL: &str = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })";
const FULL: &str =
    "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }";

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_kept_it_is_memory_and_says_so() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.before_pages(NO_DATABASE).await;
        browser.go(&site.page()).await;
        assert_eq!(browser.ok("await ready; return auth.storage").await, "memory");
        browser.sign_in().await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        browser.ok("await auth.logout()").await;
        assert_eq!(site.wire.count("/oauth/logout", "token="), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_storage_that_is_blocked_or_full_loses_no_session() {
    on_both(async |at| {
        for wrong in [NO_LOCAL, FULL] {
            let site = Site::start(at).await;
            let browser = Chromium::start().await;
            browser.before_pages(wrong).await;
            browser.go(&site.page()).await;
            browser.sign_in().await;
            browser.client.refresh().await.unwrap();
            assert_eq!(browser.status().await, "in", "{at:?} {wrong}");
            assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?} {wrong}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_locks_is_told_what_it_lacks() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser
            .before_pages(
                "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
            )
            .await;
        browser.go(&site.page()).await;
        let refused = browser.run("await ready").await;
        assert_eq!(refused["code"], "insecure-page", "{at:?} {refused}");
        assert!(refused["message"].as_str().unwrap().contains("https"));
    })
    .await;
}

/// Ciphertext without its key is removed, and the reason is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_storage_key_is_a_reason_of_its_own() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        browser
            .ok("const db = await new Promise(done => { const r = indexedDB.open('countersign'); r.onsuccess = () => done(r.result) });
                 await new Promise(done => { const t = db.transaction('keys', 'readwrite'); t.objectStore('keys').clear(); t.oncomplete = done });")
            .await;
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.ok("await ready; return auth.reason").await, "storage-lost", "{at:?}");
        assert_eq!(browser.ok("return localStorage.length").await, 0);
        browser.sign_in().await;
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.status().await, "in");
    })
    .await;
}

/// An origin that the client has not registered is told so, and how to mend it.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_unknown_origin_is_told_to_be_registered() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&format!("{}/page", site.stranger)).await;
        let login = "await ready; await auth.login({ username: 'alice', password: 'x' })";
        let refused = browser.run(login).await;
        assert_eq!(refused["code"], "origin-refused", "{at:?} {refused}");
        assert!(refused["message"].as_str().unwrap().contains("--origin"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_an_hour_off_signs_nobody_out() {
    on_both(async |at| {
        for hours in [-1, 1] {
            let site = Site::start(at).await;
            let browser = Chromium::start().await;
            browser.go(&site.page()).await;
            browser.sign_in().await;
            let off = format!(
                "const true_now = Date.now; Date.now = () => true_now() + {hours} * 3600000"
            );
            browser.before_pages(&off).await;
            browser.client.refresh().await.unwrap();
            assert_eq!(browser.status().await, "in", "{at:?} {hours}");
            assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?} {hours}");
            assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?} {hours}");
        }
    })
    .await;
}

/// B4: the tab that holds the lock is closed in the middle of its exchange; another goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_is_closed_in_mid_refresh_leaves_the_others_signed_in() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(3), Duration::from_secs(30)).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        let first = browser.client.window().await.unwrap();
        let second = browser.tab().await;
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in");
        tokio::time::sleep(Duration::from_secs(3)).await;
        site.wire.delay.store(2000, Ordering::Relaxed);
        let call = format!("auth.fetch('{}/api/me').catch(() => {{}})", site.issuer);
        browser.ok(&call).await;
        browser.switch(&first).await;
        let waiting = format!(
            "window.called = auth.fetch('{}/api/me').then(r => r.status, e => e.code)",
            site.issuer
        );
        browser.ok(&waiting).await;
        browser.switch(&second).await;
        site.wire.refreshed(1).await;
        // The answer under way stays late; the next is prompt, or what it brings would have expired before it came.
        site.wire.delay.store(0, Ordering::Relaxed);
        browser.client.close_window().await.unwrap();
        browser.switch(&first).await;
        assert_eq!(browser.ok("return await window.called").await, 200, "{at:?}");
        assert_eq!(browser.status().await, "in", "{at:?}");
    })
    .await;
}

/// The last tab is closed in mid-refresh, and opened again after the leeway.
#[tokio::test(flavor = "multi_thread")]
async fn who_closed_the_last_tab_in_mid_refresh_is_still_signed_in_after_the_leeway() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(3), Duration::from_secs(2)).await;
        let browser = Chromium::start().await;
        let empty = browser.client.window().await.unwrap();
        browser.tab().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        site.wire.delay.store(1500, Ordering::Relaxed);
        browser.ok(&format!("auth.fetch('{}/api/me').catch(() => {{}})", site.issuer)).await;
        site.wire.refreshed(1).await;
        browser.client.close_window().await.unwrap();
        site.wire.delay.store(0, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(4)).await;
        browser.switch(&empty).await;
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        assert_eq!(site.wire.refreshes(), 2, "the answer that was lost, and one more");
    })
    .await;
}

/// A frozen tab holds the lock: another says *offline* and does not hang; both go on when it wakes.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_tab_makes_the_others_wait_but_not_hang() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(3), Duration::from_mins(1)).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        let frozen = browser.client.window().await.unwrap();
        let other = browser.tab().await;
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in");
        browser.switch(&frozen).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        site.wire.delay.store(1500, Ordering::Relaxed);
        browser.ok(&format!("auth.fetch('{}/api/me').catch(() => {{}})", site.issuer)).await;
        site.wire.refreshed(1).await;
        browser.tell("Page.setWebLifecycleState", json!({ "state": "frozen" })).await;
        browser.switch(&other).await;
        let answer = tokio::time::timeout(Duration::from_secs(30), browser.calls(&site));
        let answer = answer.await.expect("it hangs");
        assert!(answer["code"] == "offline" || answer["ok"] == 200, "{answer}");
        browser.switch(&frozen).await;
        browser.tell("Page.setWebLifecycleState", json!({ "state": "active" })).await;
        site.wire.delay.store(0, Ordering::Relaxed);
        browser.switch(&other).await;
        browser.becomes("in").await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
    })
    .await;
}

/// B4: a page that comes back from the back/forward cache follows the sign-out that it missed, the sign-in, the refresh.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_the_back_forward_cache_follows_what_it_missed() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(8), Duration::from_secs(30)).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        let first = browser.client.window().await.unwrap();
        let second = browser.tab().await;
        browser.go(&site.page()).await;

        browser.switch(&first).await;
        browser.goes_away(&site).await;
        browser.switch(&second).await;
        browser.ok("await ready; await auth.logout()").await;
        browser.switch(&first).await;
        browser.comes_back_from_the_cache().await;
        browser.becomes("out").await;

        browser.goes_away(&site).await;
        browser.switch(&second).await;
        browser.sign_in().await;
        browser.switch(&first).await;
        browser.comes_back_from_the_cache().await;
        browser.becomes("in").await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");

        browser.goes_away(&site).await;
        browser.switch(&second).await;
        browser.ok("await new Promise(r => setTimeout(r, auth.expires - Date.now()))").await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        browser.switch(&first).await;
        browser.comes_back_from_the_cache().await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        assert_eq!(site.wire.refreshes(), 1, "{at:?}");
    })
    .await;
}

impl Chromium {
    /// Leaves the page for another, so that it is put into the back/forward cache.
    async fn goes_away(&self, site: &Site) {
        self.ok("addEventListener('pageshow', event => window.persisted = event.persisted)").await;
        self.go(&format!("{}/form", site.origin)).await;
    }

    async fn comes_back_from_the_cache(&self) {
        self.client.back().await.unwrap();
        let why = "return performance.getEntriesByType('navigation')[0].notRestoredReasons";
        let persisted = self.ok("return window.persisted ?? null").await;
        assert_eq!(persisted, true, "{}", self.ok(why).await);
    }
}

/// Chromium writes localStorage to the disk seconds late: after a crash the copy in the database must be the newer.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_was_killed_after_a_refresh_is_still_signed_in() {
    on_both(async |at| {
        let site = Site::with(at, Duration::from_secs(3), Duration::from_secs(2)).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }));
        assert_eq!(site.wire.refreshes(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let browser = browser.die_and_start_after(Duration::from_secs(4)).await;
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in", "{at:?}");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        assert_eq!(site.wire.refreshes(), 2, "{at:?}");
    })
    .await;
}
