//! The provider's pages as Chromium sees them: what it loads, what it tells others, what it lets others do.

use axum::http::Method;
use countersign_tests::{PASSWORD, server::Setup};
use fantoccini::Locator;
use serde_json::Value;
use url::Url;

use crate::{
    browser::{At, Site, by_redirect, on_both},
    chromium::Chromium,
};

impl Site {
    /// An authorization request of the page, which a page of the provider answers.
    fn authorize(&self) -> String {
        let redirect_uri = self.page().replace(':', "%3A").replace('/', "%2F");
        format!(
            "{}/oauth/authorize?response_type=code&client_id=spa&redirect_uri={redirect_uri}&state=S\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
            self.issuer
        )
    }

    /// Pages that say that something is wrong.
    fn errors(&self) -> [String; 3] {
        [
            format!("{}/oauth/authorize?client_id=nobody", self.issuer),
            format!("{}/oauth/consent", self.issuer),
            format!("{}/oauth/sign-in", self.issuer),
        ]
    }

    fn logout(&self) -> String {
        format!("{}/oauth/logout", self.issuer)
    }

    /// Whether the provider's own code answers this, and not a page of the application on the same origin.
    fn is_own(&self, url: &Url) -> bool {
        let shop = ["/page", "/form", "/strict", "/own", "/api"];
        url.origin().ascii_serialization() == self.issuer
            && !shop.iter().any(|path| url.path().starts_with(path))
    }
}

/// What a browser asked for, and what it was answered.
struct Exchange {
    url: Url,
    /// The page that asked, itself when it is one.
    document: Url,
    is_document: bool,
    referrer: Option<String>,
    answer: Value,
}

/// Every request in a log of the network, redirects too; those of the browser's own pages left out.
fn exchanges(log: &[Value]) -> Vec<Exchange> {
    let url = |value: &Value| Url::parse(value.as_str()?).ok();
    let mut all = Vec::new();
    let mut last = std::collections::HashMap::new();
    for event in log {
        let about = &event["params"];
        let id = about["requestId"].as_str().unwrap_or_default().to_owned();
        match event["method"].as_str().unwrap() {
            "Network.requestWillBeSent" => {
                if let (Some(&before), false) = (last.get(&id), about["redirectResponse"].is_null())
                {
                    let exchange: &mut Exchange = &mut all[before];
                    exchange.answer = about["redirectResponse"].clone();
                }
                let target = url(&about["request"]["url"]).filter(|it| it.scheme() != "chrome");
                let Some(target) = target else { continue };
                last.insert(id, all.len());
                all.push(Exchange {
                    url: target,
                    document: url(&about["documentURL"]).unwrap(),
                    is_document: about["type"] == "Document",
                    referrer: header(&about["request"], "referer"),
                    answer: Value::Null,
                });
            }
            "Network.requestWillBeSentExtraInfo" => {
                if let (Some(&known), Some(sent)) = (last.get(&id), header(about, "referer")) {
                    all[known].referrer = Some(sent);
                }
            }
            "Network.responseReceived" => {
                if let Some(&known) = last.get(&id) {
                    all[known].answer = about["response"].clone();
                }
            }
            _ => (),
        }
    }
    all
}

/// A header, whatever the case of its name.
fn header(message: &Value, name: &str) -> Option<String> {
    let headers = message["headers"].as_object()?;
    let found = headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    found.1.as_str().map(str::to_owned)
}

/// A11: over a whole flow nothing is loaded from elsewhere, no page is kept, and no `Referer` tells what stood in an
/// address.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_flow_loads_nothing_from_elsewhere_and_tells_nobody() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        by_redirect(&browser, "no").await;
        assert_eq!(browser.status().await, "out");
        browser.run("await ready; auth.login()").await;
        browser.wait_for_question().await;
        browser.answer("yes").await;
        browser.shows("Shop").await;
        assert_eq!(browser.status().await, "in");
        browser.calls(&site).await;
        // A canary that hears the whole address, if the page is careless.
        let canary = site.put("canary", "text/plain", b"").replace(&site.origin, &site.stranger);
        let careless = "{ mode: 'no-cors', referrerPolicy: 'unsafe-url' }";
        browser.ok(&format!("await fetch('{canary}', {careless})")).await;
        for address in site.errors() {
            browser.go(&address).await;
        }
        browser.go(&site.logout()).await;
        browser.answer("yes").await;
        browser.shows("You are signed out").await;

        let all = exchanges(&browser.network());
        let went = |path: &str| all.iter().any(|it| it.url.path() == path);
        for path in [
            "/oauth/authorize",
            "/oauth/sign-in",
            "/oauth/consent",
            "/oauth/token",
            "/api/me",
            "/own/canary",
        ] {
            assert!(went(path), "{path} is not in the log");
        }
        let canary = all.iter().find(|it| it.url.path() == "/own/canary").unwrap();
        assert_eq!(canary.referrer, Some(site.page()), "{at:?}");
        for exchange in &all {
            is_discreet(&site, exchange);
        }
    })
    .await;
}

fn is_discreet(site: &Site, exchange: &Exchange) {
    let Exchange { url, document, is_document, referrer, answer } = exchange;
    let origin = url.origin().ascii_serialization();
    let known = [&site.issuer, &site.origin].contains(&&origin) || url.path() == "/own/canary";
    assert!(known || url.scheme() == "data", "{url}");
    if site.is_own(document) && !is_document {
        assert!(url.scheme() == "data" || site.is_own(url), "{document} loads {url}");
        assert_eq!(*referrer, None, "{url} hears of {document}");
    }
    // Before the script is there nobody can clean the address; it tells the page's own origin alone.
    let is_script = url.path() == "/js/oauth_client.js" && origin == site.origin;
    for secret in ["code", "state", "cs_", "iss", "error"] {
        let tells = referrer.as_ref().is_some_and(|referrer| referrer.contains(secret));
        assert!(!tells || is_script, "{url} hears {referrer:?}");
    }
    if *is_document && site.is_own(url) {
        assert_eq!(header(answer, "referrer-policy").as_deref(), Some("no-referrer"), "{url}");
        bears_a_policy(url, answer);
    }
}

/// L6: no page is shown in a frame, neither on another site nor on another origin of the same, whose frames get the
/// cookies along.
#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_shown_in_a_frame() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        // The origin that the provider's is embedded by: another site's, or another port of this one.
        let outer = if at == At::Provider { &site.stranger } else { &site.origin };
        let others =
            [outer.replace("127.0.0.1", "localhost"), outer.replace("localhost", "127.0.0.1")];
        for other in &others {
            // First nobody is signed in, then somebody is who has not agreed.
            browser.stays_blank(&site, other, &[site.authorize(), site.logout()]).await;
        }
        browser.go(&site.authorize()).await;
        browser.fill("username", "alice").await;
        browser.fill("password", PASSWORD).await;
        browser.answer("yes").await;
        browser.wait_for_question().await;
        for other in &others {
            let errors = site.errors();
            let pages = [&errors[..], &[site.authorize(), site.logout()]].concat();
            browser.stays_blank(&site, other, &pages).await;
        }
    })
    .await;
}

impl Chromium {
    /// Asserts that a page on `outer` sees nothing of these pages, but of one that lets itself be framed.
    async fn stays_blank(&self, site: &Site, outer: &str, pages: &[String]) {
        let free = format!("{}/form", site.issuer);
        assert_eq!(self.in_frame(site, outer, &free).await, free, "the control does not load");
        for page in pages {
            let asked = || {
                let path = Url::parse(page).unwrap().path().to_owned();
                let seen = site.wire.seen.lock().unwrap();
                seen.iter().filter(|it| it.0 == Method::GET && it.1 == path).count()
            };
            let before = asked();
            let shown = self.in_frame(site, outer, page).await;
            assert_eq!(shown, "chrome-error://chromewebdata/", "{page} in {outer}");
            assert_eq!(asked(), before + 1, "{page} was not even asked for");
        }
    }

    /// Where a frame on `outer` ends that is sent to this page.
    async fn in_frame(&self, site: &Site, outer: &str, page: &str) -> String {
        let html = format!(
            "<!doctype html><h1>Outer</h1><iframe src=\"{}\"></iframe>",
            page.replace('&', "&amp;")
        );
        site.put("frame.html", "text/html", html.as_bytes());
        self.framed_by(&format!("{outer}/own/frame.html")).await
    }

    /// Where the one frame of this page has ended.
    async fn framed_by(&self, outer: &str) -> String {
        self.go(outer).await;
        self.shows("Outer").await;
        self.client.enter_frame(0).await.unwrap();
        let place = self.client.execute("return location.href", vec![]).await.unwrap();
        self.client.enter_parent_frame().await.unwrap();
        place.as_str().unwrap().to_owned()
    }
}

/// What somebody would do who can write into a page: each gives whether it worked.
const INJECTIONS: &str = r#"
const add = (name, members) => document.body.appendChild(Object.assign(document.createElement(name), members));
const loads = element => new Promise(done => { element.onload = () => done(true); element.onerror = () => done(false); });
const worked = {};
add("script", { textContent: "window.inline = true" });
worked.inline = window.inline ?? false;
const div = add("div", {});
div.setAttribute("onclick", "window.handled = true");
div.click();
worked.handler = window.handled ?? false;
worked.script = await loads(add("script", { src: "$OUTER/own/none.js" }));
try { worked.eval = (0, eval)("true"); } catch { worked.eval = false; }
worked.image = await loads(add("img", { src: "$OUTER/own/dot.svg" }));
worked.frame = await new Promise(done => {
  addEventListener("securitypolicyviolation", event => event.effectiveDirective === "frame-src" && done(false));
  add("iframe", { src: "$OUTER/own/empty.html", onload: () => setTimeout(() => done(true), 100) });
});
worked.fetch = await fetch("$OUTER/own/none.js", { mode: "no-cors" }).then(() => true, () => false);
const base = document.head.appendChild(Object.assign(document.createElement("base"), { href: "$OUTER/" }));
worked.base = document.baseURI === base.href;
base.remove();
worked.form = await new Promise(done => {
  addEventListener("securitypolicyviolation", event => event.effectiveDirective === "form-action" && done(false));
  const form = add("form", { action: "$OUTER/own/empty.html", method: "post", target: "sink" });
  add("iframe", { name: "sink" });
  form.submit();
  setTimeout(() => done(true), 300);
});
return Object.keys(worked).filter(name => worked[name]).join(" ");
"#;

impl Site {
    /// Serves what injections load; gives the script that injects.
    fn injections(&self) -> String {
        self.put("none.js", "text/javascript", b"");
        let dot = b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>";
        self.put("dot.svg", "image/svg+xml", dot);
        self.put("empty.html", "text/html", b"");
        INJECTIONS.replace("$OUTER", &self.stranger)
    }
}

/// L7: who can write into a page of the provider can make it do nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_back_what_is_injected_into_it() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        let injections = site.injections();
        browser.go(&format!("{}/form", site.issuer)).await;
        let all = "inline handler script eval image frame fetch base form";
        assert_eq!(browser.ok(&injections).await, all, "the control is held back");

        let held = async || assert_eq!(browser.ok(&injections).await, "", "{at:?}");
        browser.go(&site.authorize()).await;
        held().await;
        browser.go(&site.authorize()).await;
        browser.fill("username", "alice").await;
        browser.fill("password", PASSWORD).await;
        browser.answer("yes").await;
        browser.wait_for_question().await;
        held().await;
        for address in site.errors().into_iter().chain([site.logout()]) {
            browser.go(&address).await;
            held().await;
        }
        browser.go(&site.logout()).await;
        browser.answer("yes").await;
        browser.shows("You are signed out").await;
        held().await;
        for exchange in exchanges(&browser.network()) {
            if exchange.is_document && site.is_own(&exchange.url) {
                bears_a_policy(&exchange.url, &exchange.answer);
            }
        }
    })
    .await;
}

/// L6 and L7: the headers of a page, be it one that only redirects.
fn bears_a_policy(url: &Url, answer: &Value) {
    let policy = header(answer, "content-security-policy").unwrap_or_default();
    for directive in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|own| own == directive), "{url}: {policy}");
    }
    assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{url}: {policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(header(answer, name).as_deref(), Some(value), "{url}");
    }
}

/// L6 and L7 for the demo page, which runs a script and WebAssembly.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_page_is_not_framed_and_runs_its_own_script_alone() {
    let server = Setup::new().args(&["--demo"]).start().await;
    let site = Site::start(At::Provider).await;
    let browser = Chromium::start().await;
    let demo = server.url("/");
    for outer in [&site.issuer, &site.stranger] {
        for page in [&demo, &server.url("/no/such")] {
            let shown = browser.in_frame(&site, outer, page).await;
            assert_eq!(shown, "chrome-error://chromewebdata/", "{page} in {outer}");
        }
    }
    browser.go(&demo).await;
    let ready = Locator::Css("#status[data-status=out]");
    browser.client.wait().for_element(ready).await.unwrap();
    assert_eq!(browser.ok(&site.injections()).await, "");
}
