//! The browser client without its provider, and without a network: nobody is signed out, and nothing hangs.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    browser::{At, Site, on_both},
    chromium::Chromium,
};

const LIFE: Duration = Duration::from_secs(6);
const LEEWAY: Duration = Duration::from_secs(30);

impl Chromium {
    /// Signs in, and notes each status of the session from then on.
    async fn is_watched(&self) {
        self.sign_in().await;
        self.ok("window.heard = []; auth.watch(status => heard.push(status))").await;
    }

    async fn goes_offline(&self, is_off: bool) {
        let conditions = json!({ "offline": is_off, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.tell("Network.enable", json!({})).await;
        self.tell("Network.emulateNetworkConditions", conditions).await;
    }

    async fn token_ends(&self) {
        self.ok("await new Promise(r => setTimeout(r, auth.expires - Date.now()))").await;
    }

    /// What a call gives, within the time that no call may exceed.
    async fn calls_in_time(&self, site: &Site) -> Value {
        let began = Instant::now();
        let answer = tokio::time::timeout(Duration::from_secs(25), self.calls(site)).await;
        answer.unwrap_or_else(|_| panic!("it hangs since {:?}", began.elapsed()))
    }

    async fn heard(&self) -> Value {
        self.ok("return heard").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_signs_nobody_out() {
    on_both(async |at| {
        let mut site = Site::with(at, LIFE, LEEWAY).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.is_watched().await;
        site.stop().await;
        browser.token_ends().await;
        assert_eq!(browser.calls_in_time(&site).await["code"], "offline", "{at:?}");
        assert_eq!(browser.status().await, "offline");
        site.start_again().await;
        browser.becomes("in").await;
        assert_eq!(browser.heard().await, json!(["in", "offline", "in"]), "{at:?}");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
    })
    .await;
}

/// The browser itself knows that it has no network.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_network_says_offline_and_comes_back_by_itself() {
    on_both(async |at| {
        let site = Site::with(at, LIFE, LEEWAY).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.is_watched().await;
        browser.goes_offline(true).await;
        assert_eq!(browser.ok("return navigator.onLine").await, false);
        assert_eq!(browser.calls_in_time(&site).await["code"], "api-unreachable", "{at:?}");
        browser.token_ends().await;
        assert_eq!(browser.calls_in_time(&site).await["code"], "offline", "{at:?}");
        assert_eq!(browser.status().await, "offline", "{at:?}");
        let reason = browser.ok("return auth.reason").await;
        assert!(reason.is_string(), "{at:?} {reason}");
        let message = &browser.calls_in_time(&site).await["message"];
        assert!(message.as_str().unwrap().contains("try again"), "{message}");
        browser.goes_offline(false).await;
        browser.becomes("in").await;
        assert_eq!(browser.heard().await, json!(["in", "offline", "in"]), "{at:?}");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
        assert_eq!(site.wire.refreshes(), 1, "{at:?}");
    })
    .await;
}

/// The provider takes the request and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_silent_makes_nobody_hang() {
    on_both(async |at| {
        let site = Site::with(at, LIFE, LEEWAY).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.is_watched().await;
        browser.token_ends().await;
        site.wire.delay.store(60_000, Ordering::Relaxed);
        assert_eq!(browser.calls_in_time(&site).await["code"], "offline", "{at:?}");
        assert_eq!(browser.status().await, "offline", "{at:?}");
        site.wire.delay.store(0, Ordering::Relaxed);
        browser.becomes("in").await;
        assert_eq!(browser.heard().await, json!(["in", "offline", "in"]), "{at:?}");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }), "{at:?}");
    })
    .await;
}

/// A page that has a copy of its own, opened while the provider is away: as another site's page can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_while_the_provider_is_away_signs_nobody_out() {
    let mut site = Site::with(At::Elsewhere, LIFE, LEEWAY).await;
    let browser = Chromium::start().await;
    site.put_bundle();
    let page = format!(
        "<!doctype html><title>Own</title><script type=module>
         import {{ open }} from '/own/oauth_client.js';
         window.ready = open({{ clientId: 'spa', issuer: '{0}', api: ['{0}'] }}).then(auth => window.auth = auth);
         </script>",
        site.issuer
    );
    browser.go(&site.put("page.html", "text/html", page.as_bytes())).await;
    browser.sign_in().await;
    browser.token_ends().await;
    site.stop().await;
    browser.client.refresh().await.unwrap();
    assert_ne!(browser.status().await, "out");
    assert_eq!(browser.calls_in_time(&site).await["code"], "offline");
    assert_eq!(browser.status().await, "offline");
    site.start_again().await;
    browser.becomes("in").await;
    assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }));
}
