//! The metadata, and what must not change it.

use axum::body::Body;
use http::Request;
use serde_json::Value;

use crate::harness::{ISSUER, Op, SECRET, post};

const PATH: &str = "/.well-known/oauth-authorization-server";

async fn metadata(op: &Op) -> Value {
    let answer = op.get(PATH).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    answer.json()
}

fn listed(metadata: &Value, name: &str) -> Vec<String> {
    let values = metadata[name].as_array().unwrap_or_else(|| panic!("no {name}"));
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

/// M1: for each value listed it works, for each one unlisted it is refused; no `none` algorithm, no `plain`.
#[tokio::test]
async fn what_is_announced_is_true() {
    let op = Op::start().await;
    let metadata = metadata(&op).await;
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_eq!(listed(&metadata, "code_challenge_methods_supported"), ["S256"]);
    assert_eq!(listed(&metadata, "response_types_supported"), ["code"]);
    assert_eq!(listed(&metadata, "response_modes_supported"), ["query"]);

    let grants = listed(&metadata, "grant_types_supported");
    for grant in
        ["authorization_code", "refresh_token", "client_credentials", "password", "implicit"]
    {
        let answer = op.token("svc", &[("grant_type", grant)]).await;
        let unsupported = answer.body.contains("unsupported_grant_type");
        assert_eq!(grants.iter().any(|known| known == grant), !unsupported, "{grant}");
    }
    let methods = listed(&metadata, "token_endpoint_auth_methods_supported");
    assert_eq!(methods, ["none", "client_secret_basic", "client_secret_post"]);
    for client in ["pub", "web", "post"] {
        let tokens = op.tokens(client).await;
        assert!(tokens["access_token"].is_string(), "{client}");
    }
    let introspection = listed(&metadata, "introspection_endpoint_auth_methods_supported");
    assert_eq!(introspection, ["client_secret_basic", "client_secret_post"]);
    for name in ["token", "revocation", "introspection"] {
        let uri = metadata[format!("{name}_endpoint")].as_str().unwrap();
        let path = uri.strip_prefix(ISSUER).unwrap();
        op.get(path).await.refused_with(405, "invalid_request");
    }
}

/// M2: what a peer says of host and scheme changes nothing.
#[tokio::test]
async fn host_headers_change_nothing() {
    let op = Op::start().await;
    let clean = op.get(PATH).await.body;
    let poisons = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "host=evil.test;proto=http"),
    ];
    for (name, value) in poisons {
        let request = Request::get(PATH).header(name, value).body(Body::empty()).unwrap();
        assert_eq!(op.send(request).await.body, clean, "{name}");
    }
}

/// M5, on the router: nothing else answers.
#[tokio::test]
async fn nothing_else_is_on_the_port() {
    let op = Op::start().await;
    for path in ["/metrics", "/debug", "/actuator", "/.git/config", "/swagger", "/admin", "/x/../y"]
    {
        assert_eq!(op.get(path).await.status, 404, "{path}");
    }
    let ready = op.get("/readyz?verbose").await;
    assert_eq!((ready.status.as_u16(), &*ready.body), (200, r#"{"status":"ready"}"#));
    assert_eq!(op.get("/livez").await.status, 200);
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/livez", PATH] {
        let trace = Request::builder().method("TRACE").uri(path).body(Body::empty()).unwrap();
        assert_eq!(op.send(trace).await.status, 405, "{path}");
    }
    let mut other = post("/oauth/token", "svc", &[("grant_type", "client_credentials")]);
    *other.method_mut() = http::Method::PUT;
    op.send(other).await.refused_with(405, "invalid_request");
    assert!(!SECRET.is_empty());
}

/// RFC 8414 §3.1: an issuer with a path has its metadata at the host's root, with the path behind.
#[tokio::test]
async fn an_issuer_with_a_path_is_found_at_the_root() {
    let issuer = "https://shop.example/auth";
    let provider = countersign_provider::Provider::builder(issuer).build().await.unwrap();
    let router = axum::Router::new().nest("/auth", provider.router()).merge(provider.well_known());
    let op = Op { router, ..Op::start().await };
    let metadata = op.get("/.well-known/oauth-authorization-server/auth").await.json();
    assert_eq!(metadata["token_endpoint"], "https://shop.example/auth/oauth/token");
    op.get("/auth/oauth/token").await.refused_with(405, "invalid_request");
}
