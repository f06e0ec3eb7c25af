//! The browser client on a page of another site than the provider, and on an old page with a form.
//!
//! ```sh
//! cargo run --package countersign-provider --example static_site
//! ```
//!
//! An application at `http://127.0.0.1:8080` embeds the provider, has an API and serves the old page. The other page is a
//! file of a static file server at `http://localhost:8081`, which knows nothing of all that. Other addresses, and
//! another folder of files, can be said behind `--`.

#![expect(clippy::print_stdout, reason = "it says which pages to open")]

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{
        HeaderValue, Method, StatusCode, Uri,
        header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE},
    },
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use countersign_protocol::{
    ClientId,
    client::{AuthMethod, Client, GrantType},
};
use countersign_provider::{Endpoint, Paths, Provider, guard::Authorized, users::ListedUser};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const OLD_FORM: &str = include_str!("old_form.html");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let issuer = arguments.next().unwrap_or("http://127.0.0.1:8080".into());
    let site = arguments.next().unwrap_or("http://localhost:8081".into());
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/examples/static_site/site").into();
    let files = files(arguments.next().unwrap_or_else(beside).into());
    let application = application(&issuer, &site).await?;
    println!("Open {site}/ and {issuer}/old_form.html");
    println!("and sign in as ada with the password: analytical engine");
    tokio::try_join!(serve(&issuer, application), serve(&site, files))?;
    Ok(())
}

/// The provider, whose token endpoint is where the old page looks for it; an API; and the old page.
async fn application(issuer: &str, site: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let shop = ClientId::new("shop").ok_or("no client identifier")?;
    let provider = Provider::builder(issuer)
        .list_users([ListedUser::new("ada", "analytical engine")])
        .clients([client(&shop, issuer, site)])
        .form_client(shop)
        .paths(Paths::default().mount(Endpoint::Token, "/login"))
        .build()
        .await?;
    Ok(Router::new()
        .route("/api/me", get(me))
        .layer(provider.guard().require(["profile"]))
        .layer(from_fn_with_state(HeaderValue::try_from(site)?, share))
        .route("/old_form.html", get(Html(OLD_FORM)))
        .merge(provider.router())
        .merge(provider.well_known()))
}

/// The pages' client: it has no secret, and scripts of both origins may use it.
fn client(id: &ClientId, issuer: &str, site: &str) -> Client {
    Client {
        client_name: Some("Corner Shop".into()),
        token_endpoint_auth_method: AuthMethod::None,
        redirect_uris: vec![format!("{site}/")],
        origins: vec![issuer.into(), site.into()],
        grant_types: vec![
            GrantType::AuthorizationCode,
            GrantType::Password,
            GrantType::RefreshToken,
        ],
        scope: ["profile"].into_iter().collect(),
        ..Client::new(id.clone())
    }
}

async fn me(access: Authorized) -> Json<Value> {
    Json(json!({ "subject": access.subject, "client": access.client, "scope": access.scope }))
}

/// Lets scripts of the other site call the API and read its answers.
async fn share(State(site): State<HeaderValue>, request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, site);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
    response
}

/// A static file server.
fn files(folder: PathBuf) -> Router {
    Router::new().fallback(get(async move |uri: Uri| file(&folder, uri.path())))
}

fn file(folder: &Path, path: &str) -> Response {
    let name = if path == "/" { "index.html" } else { &path[1..] };
    match read(folder, name) {
        Some(bytes) => ([(CONTENT_TYPE, media_type(name))], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The folder's file of this name: a plain name, so that no path leads elsewhere.
fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
    let plain = name.chars().all(plain) && !name.starts_with('.');
    plain.then(|| fs::read(folder.join(name)).ok()).flatten()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

async fn serve(origin: &str, router: Router) -> io::Result<()> {
    let address = origin.trim_start_matches("http://");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(TcpListener::bind(address).await?, service).await
}
