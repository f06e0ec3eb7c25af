//! From the start of a page's scripts to knowing that somebody is signed in, on a load after the sign-in, beside
//! oidc-client-ts in one run: `cargo bench --package countersign-tests --bench startup`.
//!
//! Two pages of one server are loaded by turns in one tab of a real Chromium, each signed in at the same provider, and
//! take the time themselves. What they do is not the same. Ours loads a module and its WebAssembly, asks who the
//! issuer is, and opens what is sealed under a key that no script can read. Oidc-client-ts loads one script, has been
//! told the endpoints, and reads tokens that lie in local storage in clear.
//!
//! *Warm*: the browser's cache holds what the load before brought. *Cold*: it was emptied. *Far*: it was emptied, and
//! every answer comes 40 ms late. Both are served by gzip and may be cached alike.
//!
//! `cargo bench … -- 200` loads each page 200 times a row; 50 unless said.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark stops at the first fault and prints"
)]

use std::{
    env, fs,
    io::Write as _,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{
        Method,
        header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
    },
    middleware::{Next, from_fn_with_state},
    response::{Html, Response},
    routing::{MethodRouter, get},
};
use countersign_protocol::{
    ClientId,
    client::{AuthMethod, Client, GrantType},
    policy::{Lifetimes, Policy},
};
use countersign_provider::{Provider, users::ListedUser};
use countersign_tests::{
    PASSWORD,
    command::{root, run, target},
};
use fantoccini::wd::WebDriverCompatibleCommand;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[expect(dead_code, reason = "the tests ask more of a browser")]
#[path = "../tests/chromium.rs"]
mod chromium;

use chromium::Chromium;

const OURS: &str = include_str!("startup/ours.html");
const THEIRS: &str = include_str!("startup/theirs.html");
const PAGES: [&str; 2] = ["/ours", "/theirs"];

/// Loads before the first that counts.
const UNCOUNTED: usize = 3;

#[tokio::main]
async fn main() {
    let number = env::args().skip(1).find_map(|word| word.parse().ok());
    let peer = install();
    let site = Site::start(&peer).await;
    let browser = Chromium::start().await;
    for page in PAGES {
        browser.sign_in(&site, page).await;
    }
    println!("| cache | ours, ms | p90 | requests | oidc-client-ts, ms | p90 | requests | ratio |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for cache in [Cache::Warm, Cache::Cold, Cache::Far] {
        let [ours, theirs] = measure(&browser, &site, cache, number.unwrap_or(50)).await;
        let ratio = ours.median() / theirs.median();
        println!("| {} | {ours} | {theirs} | {ratio:.2} |", cache.name());
    }
}

/// How the browser finds what a page needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    Warm,
    Cold,
    Far,
}

impl Cache {
    fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Far => "cold, 40 ms away",
        }
    }

    fn latency(self) -> u32 {
        if self == Self::Far { 40 } else { 0 }
    }
}

/// What the loads of one page took.
#[derive(Default)]
struct Loads {
    /// In milliseconds.
    took: Vec<f64>,
    requests: usize,
}

impl Loads {
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.took.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of a short list"
        )]
        let index = (part * (sorted.len() - 1) as f64).round() as usize;
        sorted[index]
    }

    fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

impl std::fmt::Display for Loads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = self.requests / self.took.len();
        write!(f, "{:.1} | {:.1} | {each}", self.median(), self.quantile(0.9))
    }
}

/// Loads both pages by turns.
async fn measure(browser: &Chromium, site: &Site, cache: Cache, count: usize) -> [Loads; 2] {
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.emulateNetworkConditions", far(cache.latency())).await;
    let mut loads: [Loads; 2] = Default::default();
    for round in 0..UNCOUNTED + count {
        for (page, loads) in PAGES.iter().zip(&mut loads) {
            if cache != Cache::Warm {
                browser.devtools("Network.clearBrowserCache", json!({})).await;
            }
            let before = site.requests.load(Ordering::Relaxed);
            let took = browser.load(site, page).await;
            if round >= UNCOUNTED {
                loads.took.push(took);
                loads.requests += site.requests.load(Ordering::Relaxed) - before;
            }
        }
    }
    loads
}

fn far(latency: u32) -> Value {
    json!({ "offline": false, "latency": latency, "downloadThroughput": -1, "uploadThroughput": -1 })
}

impl Chromium {
    /// Loads a page on which somebody is signed in; gives the milliseconds until it knew.
    async fn load(&self, site: &Site, page: &str) -> f64 {
        let known = self.open(site, page).await;
        assert_eq!(known["status"], "in", "{page}");
        known["took"].as_f64().unwrap()
    }

    async fn sign_in(&self, site: &Site, page: &str) {
        assert_eq!(self.open(site, page).await["status"], "out", "{page}");
        let script = "const [username, password, done] = arguments;
            signIn(username, password).then(() => done(null), error => done(String(error)))";
        let pair = vec![json!("alice"), json!(PASSWORD)];
        let failed = self.client.execute_async(script, pair).await.unwrap();
        assert_eq!(failed, Value::Null, "{page}");
    }

    async fn open(&self, site: &Site, page: &str) -> Value {
        self.client.goto(&format!("{}{page}", site.origin)).await.unwrap();
        let script = "const [done] = arguments;
            const look = () => window.known ? done(window.known) : setTimeout(look, 20);
            look()";
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    async fn devtools(&self, command: &'static str, parameters: Value) {
        self.client.issue_cmd(DevTools(command, parameters)).await.unwrap();
    }
}

/// A command to the browser itself, with its parameters.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 });
        (Method::POST, Some(body.to_string()))
    }
}

/// The provider, and the pages on its own origin.
struct Site {
    origin: String,
    /// How many were answered that were not for a page.
    requests: Arc<AtomicUsize>,
}

impl Site {
    async fn start(peer: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<AtomicUsize>::default();
        let provider = provider(&origin).await;
        let router = provider
            .router()
            .route("/oidc-client-ts.min.js", serve(peer))
            .layer(from_fn_with_state(Arc::clone(&requests), alike))
            .merge(provider.well_known())
            .route(PAGES[0], get(Html(OURS)))
            .route(PAGES[1], get(Html(THEIRS)));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { origin, requests }
    }
}

/// One whose tokens outlive the benchmark, so that nobody renews any in it.
async fn provider(origin: &str) -> Provider {
    let spa = ClientId::new("spa").unwrap();
    let client = Client {
        token_endpoint_auth_method: AuthMethod::None,
        redirect_uris: PAGES.iter().map(|page| format!("{origin}{page}")).collect(),
        origins: vec![origin.to_owned()],
        grant_types: vec![
            GrantType::AuthorizationCode,
            GrantType::Password,
            GrantType::RefreshToken,
        ],
        scope: ["profile"].into_iter().collect(),
        ..Client::new(spa)
    };
    let lifetimes = Lifetimes { access_token: Duration::from_hours(2), ..Lifetimes::default() };
    let builder = Provider::builder(origin)
        .clients([client])
        .list_users([ListedUser::new("alice", PASSWORD)])
        .policy(Policy { lifetimes, ..Policy::default() });
    builder.build().await.unwrap()
}

/// The peer's script, packed and cached as the provider does it with ours.
fn serve(script: &[u8]) -> MethodRouter {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(script).unwrap();
    let packed = Bytes::from(encoder.finish().unwrap());
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CONTENT_ENCODING, "gzip"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    get(async move || (headers, packed))
}

/// Counts a request, and has it answered by gzip, whatever else the browser takes.
async fn alike(
    State(requests): State<Arc<AtomicUsize>>,
    mut request: Request,
    next: Next,
) -> Response {
    requests.fetch_add(1, Ordering::Relaxed);
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    next.run(request).await
}

/// The peer's script, as npm has it at the version that the lock file names.
fn install() -> Vec<u8> {
    let sources = root().join("tests/benches/startup");
    let folder = target().join("startup");
    fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(file), folder.join(file)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
    run(npm, "").well();
    let script = "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js";
    fs::read(folder.join(script)).unwrap()
}
