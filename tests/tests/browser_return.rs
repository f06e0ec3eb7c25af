//! Where a page goes on after a sign-in by redirect.

use serde_json::{Value, json};

use crate::{
    browser::{Site, by_redirect_to, on_both},
    chromium::Chromium,
};

/// B5: the page that comes back is told the path that was asked for, and nothing that another origin could be behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_where_the_sign_in_began_on_its_own_origin_alone() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        for bad in ["//evil.test", "/\\evil.test", "https://evil.test/", "/\t/evil.test"] {
            let refused = browser
                .run(&format!("await ready; await auth.login({{ returnTo: {} }})", json!(bad)))
                .await;
            assert_eq!(refused["code"], "bad-option", "{at:?} {bad:?}");
        }
        assert_eq!(browser.ok("return location.href").await, site.page(), "{at:?}");
        by_redirect_to(&browser, json!({ "returnTo": "/orders/7?open=1#sum" }), "yes").await;
        assert_eq!(browser.status().await, "in", "{at:?}");
        assert_eq!(browser.ok("return auth.returnTo").await, "/orders/7?open=1#sum", "{at:?}");
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.ok("await ready; return auth.returnTo").await, Value::Null, "{at:?}");
    })
    .await;
}

/// A sign-in by redirect that nothing can be kept for does not begin.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_storage_that_is_blocked_is_named() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.before_pages(BLOCKED).await;
        browser.go(&site.page()).await;
        let refused = browser.run("await ready; await auth.login()").await;
        assert_eq!(refused["code"], "storage-blocked", "{at:?} {refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("let the browser keep data of this site"), "{message}");
        assert_eq!(browser.ok("return location.href").await, site.page(), "{at:?}");
    })
    .await;
}

/// sessionStorage as where it is full.
const BLOCKED: &str = r#"
const setItem = Storage.prototype.setItem;
Storage.prototype.setItem = function (...what) {
  if (this === sessionStorage) throw new DOMException("full", "QuotaExceededError");
  return setItem.apply(this, what);
};
"#;
