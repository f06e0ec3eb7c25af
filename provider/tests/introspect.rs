//! The introspection endpoint.

use axum::body::Body;
use http::{Request, header};

use crate::harness::{Op, PASSWORD, basic, post, secs, text};

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// RFC 7662 §2.2: what a resource server is told.
#[tokio::test]
async fn a_good_token_is_told_whole() {
    let op = Op::start().await;
    let tokens = op.tokens("web").await;
    let told = op.introspect(text(&tokens, "access_token")).await;
    let expected = serde_json::json!({
        "active": true, "scope": "profile email", "client_id": "web", "token_type": "Bearer",
        "iat": 1_800_000_000, "exp": 1_800_000_600, "sub": "alice", "iss": "https://op.test:9443",
    });
    assert_eq!(told, expected);
}

/// I1: no credentials, wrong ones, a public client; GET; a token in the query.
#[tokio::test]
async fn only_authenticated_callers_are_answered() {
    let op = Op::start().await;
    let tokens = op.tokens("pub").await;
    let token = [("token", text(&tokens, "access_token"))];
    op.post("/oauth/introspect", "", &token).await.refused("invalid_client");
    op.post("/oauth/introspect", "pub", &token).await.refused("invalid_client");
    let mut request = post("/oauth/introspect", "", &token);
    request.headers_mut().insert(header::AUTHORIZATION, basic("rs1", "wrong").parse().unwrap());
    op.send(request).await.refused("invalid_client");
    op.get("/oauth/introspect").await.refused_with(405, "invalid_request");
    let request = Request::post("/oauth/introspect?token=x")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, basic("rs1", crate::harness::SECRET))
        .body(Body::empty())
        .unwrap();
    op.send(request).await.refused("invalid_request");
    op.post("/oauth/introspect", "rs1", &[]).await.refused("invalid_request");
}

/// I3: unknown, expired, revoked, of another kind, oversized: one and the same answer, byte by byte.
#[tokio::test]
async fn an_inactive_token_tells_nothing() {
    let op = Op::start().await;
    let tokens = op.tokens("web").await;
    let (code, _) = op.code("web").await;
    let revoked = op.token("svc", &CREDENTIALS).await.ok();
    let revoked = text(&revoked, "access_token");
    op.post("/oauth/revoke", "svc", &[("token", revoked)]).await;
    let carried = op.token("svc", &CREDENTIALS).await.ok();
    let good = text(&tokens, "access_token");
    let changed = format!("{}A", &good[..good.len() - 1]);
    let large = "x".repeat(60_000);
    let cases = ["x", "cs_at_", text(&tokens, "refresh_token"), &code, revoked, &changed, &large];
    for token in cases {
        let answer = op.post("/oauth/introspect", "rs1", &[("token", token)]).await;
        answer.ok();
        assert_eq!(answer.body, r#"{"active":false}"#);
    }
    op.clock.advance(secs(600));
    for token in [good, text(&carried, "access_token")] {
        let mut request = post("/oauth/introspect", "rs1", &[("token", token)]);
        let jwt = "application/token-introspection+jwt".parse().unwrap();
        request.headers_mut().insert(header::ACCEPT, jwt);
        assert_eq!(op.send(request).await.body, r#"{"active":false}"#);
    }
    let too_large = "x".repeat(70_000);
    let answer = op.post("/oauth/introspect", "rs1", &[("token", &too_large)]).await;
    answer.refused_with(413, "invalid_request");
}

#[tokio::test]
async fn a_client_sees_its_own_tokens_and_no_others() {
    let op = Op::start().await;
    let of_web = op.tokens("web").await;
    let token = [("token", text(&of_web, "access_token"))];
    assert_eq!(op.post("/oauth/introspect", "web", &token).await.ok()["active"], true);
    assert_eq!(op.post("/oauth/introspect", "web2", &token).await.body, r#"{"active":false}"#);
}

/// Seed S2's users asked most for this: the user's identity with every grant.
#[tokio::test]
async fn seed_a_resource_server_learns_whose_token_it_is() {
    let op = Op::start().await;
    let sign_in = [("grant_type", "password"), ("username", "bob"), ("password", PASSWORD)];
    let tokens = op.token("first", &sign_in).await.ok();
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!((&told["sub"], &told["client_id"]), (&"bob".into(), &"first".into()));
}
