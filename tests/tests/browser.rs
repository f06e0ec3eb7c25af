//! The browser client in a real Chromium, with the page on the provider's own origin and on another site.

use std::{
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
use countersign_tests::PASSWORD;
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

pub(crate) const BOTH: [At; 2] = [At::Provider, At::Elsewhere];

/// A provider with an API, and pages that use the browser client.
pub(crate) struct Site {
    pub(crate) issuer: String,
    /// The origin that the pages are on.
    pub(crate) origin: String,
    pub(crate) wire: Arc<Wire>,
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
}

/// How a page opens its client: options beside `clientId` and `api`.
const PLAIN: &str = "{}";

impl Site {
    pub(crate) async fn start(at: At) -> Self {
        Self::with(at, Duration::from_secs(600), Duration::from_secs(30)).await
    }

    /// With this life of access tokens, and this leeway.
    pub(crate) async fn with(at: At, life: Duration, leeway: Duration) -> Self {
        let at_provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at_pages = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", at_provider.local_addr().unwrap());
        let elsewhere = format!("http://localhost:{}", at_pages.local_addr().unwrap().port());
        let origin = match at {
            At::Provider => issuer.clone(),
            At::Elsewhere => elsewhere.clone(),
        };
        let provider = Provider::builder(&issuer)
            .clients([client(&origin)])
            .policy(Policy {
                lifetimes: Lifetimes {
                    access_token: life,
                    leeway,
                    ..Lifetimes::default()
                },
                ..Policy::default()
            })
            .users(Alice)
            .form_client(ClientId::new("spa").unwrap())
            .build()
            .await
            .unwrap();
        let pages = pages(&issuer);
        let others = pages.clone();
        let _pages = tokio::spawn(async move { axum::serve(at_pages, others).await.unwrap() });
        let mut site = Self {
            issuer,
            origin,
            wire: Arc::default(),
            provider,
            task: None,
            _pages,
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
            .merge(pages(&self.issuer))
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
}

fn client(origin: &str) -> Client {
    Client {
        client_name: Some("Corner Shop".into()),
        token_endpoint_auth_method: AuthMethod::None,
        redirect_uris: vec![format!("{origin}/page")],
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
fn pages(issuer: &str) -> Router {
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
    Router::new()
        .route("/page", get(async || Html(page)))
        .route("/form", get(async || Html(form)))
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
    wire.seen
        .lock()
        .unwrap()
        .push((parts.method.clone(), path, text));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if refresh {
        let delay = wire.delay.load(Ordering::Relaxed) as u64;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let lose = |left: usize| left.checked_sub(1);
        if wire
            .lose
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose)
            .is_ok()
        {
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
        self.client
            .execute_async(&script, Vec::new())
            .await
            .unwrap()
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
        let call = format!(
            "await ready; return (await auth.fetch('{}/api/me')).status",
            site.issuer
        );
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
    for at in BOTH {
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
    }
}
