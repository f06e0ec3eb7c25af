//! The browser client in a real Chromium, with the page on the provider's own origin and on another site.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use countersign_protocol::{
    ClientId,
    client::{AuthMethod, Client, GrantType},
    policy::{Lifetimes, Policy},
};
use countersign_provider::Provider;
use countersign_tests::{PASSWORD, command::root};
use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{chromium::Chromium, pages::Alice};

/// Where the page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// On the provider's own origin.
    Provider,
    /// On another site: `localhost`, when the provider is `127.0.0.1`.
    Elsewhere,
}

/// Both places of the page, at once: most of a test's time is spent waiting.
pub(crate) async fn on_both(test: impl AsyncFn(At)) {
    tokio::join!(test(At::Provider), test(At::Elsewhere));
}

/// A provider with an API, and pages that use the browser client.
pub(crate) struct Site {
    pub(crate) issuer: String,
    /// The origin that the pages are on, which the client is registered with.
    pub(crate) origin: String,
    /// Another that they are on too, and that the client is not registered with: on the other site.
    pub(crate) stranger: String,
    pub(crate) wire: Arc<Wire>,
    files: Files,
    provider: Provider,
    task: Option<JoinHandle<()>>,
    _pages: JoinHandle<()>,
}

/// What passes between browser and provider.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Every request: method, path, body.
    pub(crate) seen: Mutex<Vec<(Method, String, String)>>,
    /// So many answers to refreshes are lost once they are carried out.
    pub(crate) lose: AtomicUsize,
    /// So many milliseconds every answer to a refresh waits.
    pub(crate) delay: AtomicUsize,
}

impl Wire {
    pub(crate) fn count(&self, path: &str, with: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        let hit = |it: &&(Method, String, String)| {
            it.0 == Method::POST && it.1 == path && it.2.contains(with)
        };
        seen.iter().filter(hit).count()
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.count("/oauth/token", "grant_type=refresh_token")
    }

    /// Waits until so many refreshes have come in.
    pub(crate) async fn refreshed(&self, times: usize) {
        for _ in 0..1000 {
            if self.refreshes() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} refreshes and not {times}", self.refreshes());
    }
}

/// What a test puts beside the pages, by its name below `/own/`.
type Files = Arc<Mutex<HashMap<String, File>>>;

/// Its media type, its policy, and what it holds.
type File = (&'static str, String, Vec<u8>);

/// How a page opens its client: options beside `clientId` and `api`.
const PLAIN: &str = "{}";

impl Site {
    pub(crate) async fn start(at: At) -> Self {
        Self::with(at, Duration::from_mins(10), Duration::from_secs(30)).await
    }

    /// With this life of access tokens, and this leeway.
    pub(crate) async fn with(at: At, life: Duration, leeway: Duration) -> Self {
        let at_provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at_pages = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", at_provider.local_addr().unwrap());
        let pages_port = at_pages.local_addr().unwrap().port();
        let elsewhere = format!("http://localhost:{pages_port}");
        let (origin, stranger) = match at {
            At::Provider => (issuer.clone(), elsewhere),
            At::Elsewhere => (elsewhere, format!("http://127.0.0.1:{pages_port}")),
        };
        let provider = Provider::builder(&issuer)
            .clients([client(&origin)])
            .policy(Policy {
                lifetimes: Lifetimes { access_token: life, leeway, ..Lifetimes::default() },
                ..Policy::default()
            })
            .users(Alice)
            .form_client(ClientId::new("spa").unwrap())
            .build()
            .await
            .unwrap();
        let files = Files::default();
        let others = pages(&issuer, &files);
        let pages_task = tokio::spawn(async move { axum::serve(at_pages, others).await.unwrap() });
        let mut site = Self {
            issuer,
            origin,
            stranger,
            wire: Arc::default(),
            files,
            provider,
            task: None,
            _pages: pages_task,
        };
        site.serve(at_provider);
        site
    }

    fn serve(&mut self, listener: TcpListener) {
        let api = Router::new()
            .route("/api/me", get(async || Json("it is you")))
            .layer(self.provider.guard().require(["profile"]))
            .route("/api/away/{to}", get(away));
        let router = api
            .layer(from_fn_with_state(self.origin.clone(), share))
            .merge(self.provider.router())
            .merge(self.provider.well_known())
            .merge(pages(&self.issuer, &self.files))
            .layer(from_fn_with_state(self.wire.clone(), carry));
        let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
        self.task = Some(tokio::spawn(async move {
            axum::serve(listener, service).await.unwrap();
        }));
    }

    /// Stops answering. Connections are cut.
    pub(crate) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Answers again, at the same address and with the same keys and records.
    pub(crate) async fn start_again(&mut self) {
        let address = self.issuer.strip_prefix("http://").unwrap().to_owned();
        for _ in 0..100 {
            if let Ok(listener) = TcpListener::bind(&address).await {
                return self.serve(listener);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{address} stays taken");
    }

    pub(crate) fn page(&self) -> String {
        format!("{}/page", self.origin)
    }

    /// Serves a file beside the pages; gives its address.
    pub(crate) fn put(&self, name: &str, media_type: &'static str, body: &[u8]) -> String {
        self.put_under("", name, media_type, body)
    }

    /// Serves a file beside the pages, under this policy; gives its address.
    pub(crate) fn put_under(
        &self,
        policy: &str,
        name: &str,
        media_type: &'static str,
        body: &[u8],
    ) -> String {
        let file = (media_type, policy.to_owned(), body.to_owned());
        self.files.lock().unwrap().insert(name.to_owned(), file);
        format!("{}/own/{name}", self.origin)
    }

    /// Serves a copy of the bundle beside the pages, as the npm package holds it; gives the name of its `.wasm`.
    pub(crate) fn put_bundle(&self) -> String {
        let mut wasm = None;
        for entry in fs::read_dir(root().join("www/dist")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let media_type = match path.extension().and_then(|it| it.to_str()) {
                Some("js") => "text/javascript",
                Some("wasm") => {
                    wasm = Some(name.to_owned());
                    "application/wasm"
                }
                _ => continue,
            };
            self.put(name, media_type, &fs::read(&path).unwrap());
        }
        wasm.unwrap()
    }

    pub(crate) fn remove(&self, name: &str) {
        self.files.lock().unwrap().remove(name);
    }
}

fn client(origin: &str) -> Client {
    Client {
        client_name: Some("Corner Shop".into()),
        token_endpoint_auth_method: AuthMethod::None,
        redirect_uris: vec![format!("{origin}/page"), format!("{origin}/own/rust.html")],
        origins: vec![origin.to_owned()],
        grant_types: vec![
            GrantType::AuthorizationCode,
            GrantType::Password,
            GrantType::RefreshToken,
        ],
        scope: "profile".parse().unwrap(),
        ..Client::new(ClientId::new("spa").unwrap())
    }
}

/// The application's pages: a bare one that opens a client, the old form of seed S0, and a canary.
fn pages(issuer: &str, files: &Files) -> Router {
    let page = format!(
        r#"<!doctype html><meta charset=utf-8><title>Shop</title><h1>Shop</h1>
<script type=module>
window.atStart = location.href;
import {{ open }} from "{issuer}/js/oauth_client.js";
window.atImport = location.href;
window.openIt = options => open({{ clientId: "spa", api: ["{issuer}"], ...options }}).then(auth => window.auth = auth);
window.ready = openIt(JSON.parse(sessionStorage.getItem("options") ?? "{PLAIN}"));
window.ready.catch(error => window.failed = error);
</script>"#
    );
    let form = format!(
        r#"<!doctype html><meta charset=utf-8><title>Old shop</title>
<script src="{issuer}/js/oauth_form.js"></script>
<form class="oauth" action="{issuer}/oauth/token">
<input name="username"><input name="password" type="password"><button>Sign in</button>
</form>
<script>window.oauthResponseHandler = response => window.response = response;
addEventListener("oauth:signed-in", () => window.signedIn = true);
addEventListener("oauth:error", event => window.wrong = event.detail.error.code);</script>"#
    );
    let issuer = issuer.to_owned();
    Router::new()
        .route("/page", get(async || Html(page)))
        .route("/form", get(async || Html(form)))
        .route("/strict.js", get(async || ([(header::CONTENT_TYPE, "text/javascript")], STRICT)))
        .route("/strict/{pin}", get(async move |Path(pin): Path<String>| strict(&issuer, &pin)))
        .route("/own/{*name}", get(own).with_state(files.clone()))
}

async fn own(State(files): State<Files>, Path(name): Path<String>) -> Response {
    let Some((media_type, policy, body)) = files.lock().unwrap().get(&name).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, body).into_response()
}

/// What the page of [`strict`] does.
const STRICT: &str = r#"
addEventListener("securitypolicyviolation", event => (window.violations ??= []).push(event.violatedDirective));
const { issuer } = document.querySelector("script[data-issuer]").dataset;
window.ready = import("countersign").then(({ open }) => open({ clientId: "spa", api: [issuer] }))
  .then(auth => window.auth = auth);
window.ready.catch(error => window.failed = error);
"#;

/// B5: a page whose policy allows nothing but the script and its peers, with Trusted Types, and the module pinned by
/// an import map. `pin` is the path below `/js/` and the hash, in base64url.
fn strict(issuer: &str, pin: &str) -> Response {
    let (hash, integrity) = pin.split_once('.').unwrap();
    let integrity = integrity.replace('-', "+").replace('_', "/");
    let module = format!("{issuer}/js/{hash}/oauth_client.js");
    let map = json!({
        "imports": { "countersign": module },
        "integrity": { module.as_str(): format!("sha384-{integrity}") },
    });
    let page = format!(
        r#"<!doctype html><meta charset=utf-8><title>Strict</title>
<script type=importmap nonce=once>{map}</script>
<script type=module src=/strict.js data-issuer="{issuer}"></script>"#
    );
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-once' {issuer} 'wasm-unsafe-eval'; connect-src {issuer}; \
         base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

/// What an API for other origins adds.
async fn share(State(origin): State<String>, request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    let origin = HeaderValue::try_from(origin).unwrap();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let allowed = HeaderValue::from_static("authorization");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    response
}

async fn away(Path(to): Path<String>) -> Redirect {
    Redirect::temporary(&format!("http://localhost:{to}/api/me"))
}

/// Notes what comes, and loses or delays answers to refreshes.
async fn carry(State(wire): State<Arc<Wire>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    let path = parts.uri.path().to_owned();
    let refresh = path == "/oauth/token" && text.contains("grant_type=refresh_token");
    wire.seen.lock().unwrap().push((parts.method.clone(), path, text));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if refresh {
        let delay = wire.delay.load(Ordering::Relaxed) as u64;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let lose = |left: usize| left.checked_sub(1);
        if wire.lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose).is_ok() {
            std::panic::resume_unwind(Box::new("lost"));
        }
    }
    response
}

/// A tab's view of its client.
impl Chromium {
    pub(crate) async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// What an asynchronous body of a function gives: `{ ok }` or `{ code, message }`.
    pub(crate) async fn run(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {body} }})().then(ok => done({{ ok: ok ?? null }}),
               error => done({{ code: error.code ?? String(error), message: error.message }}));"
        );
        self.client.execute_async(&script, Vec::new()).await.unwrap()
    }

    pub(crate) async fn ok(&self, body: &str) -> Value {
        let answer = self.run(body).await;
        match answer.get("ok") {
            Some(value) => value.clone(),
            None => panic!("{body}: {answer}"),
        }
    }

    pub(crate) async fn status(&self) -> Value {
        self.ok("return (await ready).status").await
    }

    /// Waits until the status is this.
    pub(crate) async fn becomes(&self, status: &str) {
        for _ in 0..200 {
            if self.status().await == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it is {} and not {status}", self.status().await);
    }

    pub(crate) async fn sign_in(&self) {
        let login = format!(
            "await ready; await auth.login({{ username: 'alice', password: '{PASSWORD}' }}); return auth.status"
        );
        assert_eq!(self.ok(&login).await, "in");
    }

    pub(crate) async fn calls(&self, site: &Site) -> Value {
        let call =
            format!("await ready; return (await auth.fetch('{}/api/me')).status", site.issuer);
        self.run(&call).await
    }

    pub(crate) async fn tab(&self) -> WindowHandle {
        let window = self.client.new_window(true).await.unwrap().handle;
        self.client.switch_to_window(window.clone()).await.unwrap();
        window
    }

    pub(crate) async fn switch(&self, window: &WindowHandle) {
        self.client.switch_to_window(window.clone()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_signs_in_a_reload_restores_and_signing_out_ends_it_everywhere() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "out", "{at:?}");
        browser.sign_in().await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }));
        let first = browser.client.window().await.unwrap();
        browser.client.refresh().await.unwrap();
        assert_eq!(browser.status().await, "in", "{at:?}");

        let second = browser.tab().await;
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in", "{at:?}");
        browser.ok("await auth.logout()").await;
        assert_eq!(browser.status().await, "out", "{at:?}");
        browser.switch(&first).await;
        browser.becomes("out").await;
        assert_eq!(browser.calls(&site).await["code"], "signed-out");
        assert_eq!(site.wire.count("/oauth/logout", "token="), 1, "{at:?}");

        // And who signs in again is followed.
        browser.switch(&second).await;
        browser.sign_in().await;
        browser.switch(&first).await;
        browser.becomes("in").await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }));
    })
    .await;
}

/// Everything that this origin keeps, and the address.
const DUMP: &str = r#"
const all = [location.href, document.cookie];
for (const area of [localStorage, sessionStorage])
  for (let i = 0; i < area.length; i++) all.push(area.key(i), area.getItem(area.key(i)));
for (const { name } of await indexedDB.databases()) {
  const database = await new Promise(done => { const r = indexedDB.open(name); r.onsuccess = () => done(r.result); });
  for (const store of database.objectStoreNames) {
    const request = database.transaction(store).objectStore(store).getAll();
    const values = await new Promise(done => { request.onsuccess = () => done(request.result); });
    for (const value of values) {
      if (value instanceof CryptoKey) {
        all.push("key " + value.extractable);
        all.push(await crypto.subtle.exportKey("raw", value).then(() => "exported", () => "kept"));
      } else all.push(JSON.stringify(value));
    }
  }
}
for (const name of await caches.keys()) all.push(name);
return all;
"#;

/// Signs in by redirect up to the consent page's answer.
pub(crate) async fn by_redirect(browser: &Chromium, answer: &str) {
    by_redirect_to(browser, json!({}), answer).await;
}

/// The same with these options of `login`.
pub(crate) async fn by_redirect_to(browser: &Chromium, options: Value, answer: &str) {
    browser.run(&format!("await ready; auth.login({options})")).await;
    browser.shows("Sign in").await;
    browser.fill("username", "alice").await;
    browser.fill("password", PASSWORD).await;
    browser.click("button").await;
    browser.shows_any().await;
    browser.answer(answer).await;
    browser.shows("Shop").await;
}

impl Chromium {
    /// Waits until the page asks for an answer.
    pub(crate) async fn shows_any(&self) {
        let found = self.client.wait().at_most(Duration::from_secs(20));
        let css = fantoccini::Locator::Css("button[name=answer]");
        found.for_element(css).await.unwrap();
    }
}

/// B1, B2, A11: the code never outlives its arrival, and nothing that is kept is a token.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_signs_in_and_leaves_no_code_and_no_token_behind() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        by_redirect(&browser, "yes").await;
        assert_eq!(browser.status().await, "in", "{at:?}");
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }));
        assert_eq!(browser.ok("return location.href").await, site.page());
        // The module's own first statement cleaned it, before it loaded anything.
        assert_eq!(browser.ok("return window.atImport").await, site.page());
        let kept = browser.ok(DUMP).await.to_string();
        for token in ["cs_at_", "cs_rt_", "cs_ac_", "access", "refresh", "verifier", "code="] {
            assert!(!kept.contains(token), "{token} in {kept}");
        }
        assert!(kept.contains("key false") && kept.contains("\"kept\""), "{kept}");
        assert!(kept.contains("1."), "nothing is kept: {kept}");
    })
    .await;
}

/// B1: denial, a bookmark, a used and a forged state: each a named error, no token request, no lost session.
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_was_not_asked_for_is_refused_by_name() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        by_redirect(&browser, "no").await;
        assert_eq!(browser.ok("await ready; return auth.error.code").await, "access_denied");
        assert_eq!(browser.status().await, "out");
        for query in ["?code=x&state=y", "?error=access_denied&state=y"] {
            browser.go(&format!("{}{query}", site.page())).await;
            assert_eq!(browser.ok("await ready; return auth.error.code").await, "callback-unknown");
            assert_eq!(browser.ok("return location.href").await, site.page());
        }
        assert_eq!(site.wire.count("/oauth/token", ""), 0, "{at:?}");

        // With a sign-in under way, and with a session.
        browser.run("await ready; auth.login()").await;
        browser.shows_any().await;
        browser.go(&format!("{}?code=x&state=y", site.page())).await;
        assert_eq!(browser.ok("await ready; return auth.error.code").await, "callback-unknown");
        assert_eq!(site.wire.count("/oauth/token", ""), 0, "{at:?}");
        browser.sign_in().await;
        browser.go(&format!("{}?code=x&state=y", site.page())).await;
        assert_eq!(browser.ok("await ready; return auth.error.code").await, "callback-unknown");
        assert_eq!(browser.status().await, "in", "{at:?}");
    })
    .await;
}

/// B3: the token goes to listed origins alone, and never along a redirect.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_only_home() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&site.page()).await;
        browser.sign_in().await;
        let host = site.issuer.strip_prefix("http://").unwrap();
        let port = host.rsplit(':').next().unwrap();
        for elsewhere in [
            "https://evil.test/api/me".to_owned(),
            format!("http://{host}.evil.test/api/me"),
            format!("http://localhost:{port}0/api/me"),
            format!("https://{host}/api/me"),
            "data:text/plain,x".into(),
        ] {
            let call = format!("await ready; await auth.fetch('{elsewhere}')");
            let code = browser.run(&call).await["code"].clone();
            assert!(code == "origin-not-listed" || code == "bad-option", "{elsewhere}: {code}");
        }
        let confused = format!("await ready; await auth.fetch('http://{host}@evil.test/api/me')");
        assert_eq!(browser.run(&confused).await["code"], "bad-option");
        let away = format!("await ready; await auth.fetch('{}/api/away/{port}')", site.issuer);
        assert_eq!(browser.run(&away).await["code"], "api-unreachable");
    })
    .await;
}

/// B4: five tabs at the token's end are one refresh; the same when its answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn five_tabs_refresh_once() {
    on_both(async |at| five_tabs(at, 0).await).await;
    on_both(async |at| five_tabs(at, 1).await).await;
}

async fn five_tabs(at: At, lost: usize) {
    let site = Site::with(at, Duration::from_secs(15), Duration::from_secs(30)).await;
    let browser = Chromium::start().await;
    browser.go(&site.page()).await;
    browser.sign_in().await;
    let mut tabs = vec![browser.client.window().await.unwrap()];
    for _ in 0..4 {
        tabs.push(browser.tab().await);
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in");
    }
    site.wire.lose.store(lost, Ordering::Relaxed);
    let call = format!(
        "window.called = auth.fetch('{}/api/me').then(r => r.status, e => e.code);",
        site.issuer
    );
    for tab in &tabs {
        browser.switch(tab).await;
        browser.ok(&format!("new BroadcastChannel('go').onmessage = () => {{ {call} }}")).await;
    }
    let go = "await new Promise(r => setTimeout(r, auth.expires - 100 - Date.now()));
        new BroadcastChannel('go').postMessage(1);";
    browser.ok(&format!("{go} {call}")).await;
    for tab in &tabs {
        browser.switch(tab).await;
        assert_eq!(browser.ok("return await window.called").await, 200, "{at:?} {lost}");
    }
    assert_eq!(site.wire.refreshes(), 1 + lost, "{at:?}");
    browser.client.refresh().await.unwrap();
    assert_eq!(browser.status().await, "in");
}

/// Seed S0: the old form, unchanged but for the script's name.
#[tokio::test(flavor = "multi_thread")]
async fn seed_an_old_form_signs_in_and_gets_the_token_endpoints_answer() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        browser.go(&format!("{}/form", site.origin)).await;
        browser.fill("username", "alice").await;
        browser.fill("password", "wrong").await;
        browser.click("button").await;
        browser.eventually("window.wrong", &json!("invalid_grant")).await;
        assert_eq!(browser.ok("return window.response.error").await, "invalid_grant");
        browser.fill("password", PASSWORD).await;
        browser.click("button").await;
        browser.eventually("window.signedIn", &json!(true)).await;
        let answer = browser.ok("return window.response").await;
        assert_eq!(answer["token_type"], "Bearer", "{answer}");
        assert!(answer["access_token"].is_string(), "{answer}");
        let address = browser.client.current_url().await.unwrap();
        assert_eq!(address.query(), None, "no password in the address");
        // And the page's other scripts find the session.
        browser.go(&site.page()).await;
        assert_eq!(browser.status().await, "in", "{at:?}");
    })
    .await;
}

impl Chromium {
    pub(crate) async fn eventually(&self, expression: &str, value: &Value) {
        for _ in 0..100 {
            if self.ok(&format!("return {expression}")).await == *value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{expression} never became {value}");
    }
}

/// B5: under the strictest policy, pinned by its hash; refused when the hash is another.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_policy_and_a_pinned_hash_are_enough() {
    on_both(async |at| {
        let site = Site::start(at).await;
        let browser = Chromium::start().await;
        let document = reqwest::get(format!("{}/js/oauth_client.json", site.issuer)).await.unwrap();
        let document: Value = document.json().await.unwrap();
        let module = document["countersign_module"].as_str().unwrap();
        let hash = module.rsplit('/').nth(1).unwrap();
        let integrity = document["countersign_integrity"].as_str().unwrap();
        let integrity = integrity.strip_prefix("sha384-").unwrap();
        let pin = integrity.replace('+', "-").replace('/', "_");
        browser.go(&format!("{}/strict/{hash}.{pin}", site.origin)).await;
        browser.sign_in().await;
        assert_eq!(browser.calls(&site).await, json!({ "ok": 200 }));
        assert_eq!(browser.ok("return window.violations").await, Value::Null, "{at:?}");

        let wrong = format!("{}A", &pin[..pin.len() - 1]);
        browser.go(&format!("{}/strict/{hash}.{wrong}", site.origin)).await;
        let refused = browser.run("return (await ready).status").await;
        assert!(refused["code"].as_str().unwrap().contains("TypeError"), "{refused}");
    })
    .await;
}
