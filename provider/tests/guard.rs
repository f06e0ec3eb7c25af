//! Protecting an API.

use axum::{Json, Router, body::Body, routing::get};
use countersign_provider::guard::Authorized;
use http::{Request, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Op, PASSWORD, id, secs, subject, text};

async fn me(access: Authorized) -> Json<Value> {
    Json(json!({
        "subject": access.subject, "client": access.client, "scope": access.scope,
    }))
}

/// A provider beside an API of two routes, one of which asks for a scope that nobody has.
async fn api() -> Op {
    let mut op = Op::start().await;
    let guard = op.provider.guard();
    let router = Router::new()
        .route("/me", get(me).layer(guard.require(["profile"])))
        .route("/admin", get(me).layer(guard.require(["profile", "admin"])))
        .route("/any", get(me).layer(guard.require([])))
        .route("/open", get(me));
    op.router = op.router.clone().merge(router);
    op
}

async fn call(op: &Op, path: &str, authorization: &str) -> Answer {
    let request = Request::get(path).header(header::AUTHORIZATION, authorization);
    op.send(request.body(Body::empty()).unwrap()).await
}

async fn bearer(op: &Op, path: &str, token: &str) -> Answer {
    call(op, path, &format!("Bearer {token}")).await
}

async fn token(op: &Op) -> String {
    let sign_in = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    text(&op.token("first", &sign_in).await.ok(), "access_token").to_owned()
}

/// Seed S0: the guard hands subject, client and scope over.
#[tokio::test]
async fn seed_a_good_token_reaches_the_handler_with_what_it_says() {
    let op = api().await;
    let alices = token(&op).await;
    let expected = json!({ "subject": "alice", "client": "first", "scope": "profile email" });
    for path in ["/me", "/any"] {
        let answer = bearer(&op, path, &alices).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected.clone()));
    }
    assert_eq!(call(&op, "/me", &format!("bEaReR {alices}")).await.status, 200);
    let machine = op.token("svc", &[("grant_type", "client_credentials")]).await.ok();
    let answer = bearer(&op, "/me", text(&machine, "access_token")).await;
    assert_eq!(answer.json()["subject"], Value::Null);
}

/// RFC 6750 §3: nobody who showed nothing is told an error; who showed a bad token is.
#[tokio::test]
async fn a_missing_and_a_bad_token_are_401() {
    let op = api().await;
    for nothing in [op.get("/me").await, call(&op, "/me", "Basic eDp5").await] {
        assert_eq!(nothing.status, 401);
        assert_eq!(nothing.header("www-authenticate"), Some("Bearer realm=\"api\""));
    }
    let refresh = op.tokens("web").await;
    let other_kind = text(&refresh, "refresh_token").to_owned();
    for bad in ["x", "", &other_kind, &"x".repeat(9000)] {
        let answer = bearer(&op, "/me", bad).await;
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer realm=\"api\", error=\"invalid_token\""),
            "{challenge}"
        );
    }
    assert_eq!(op.get("/me?access_token=x").await.status, 401);
    let twice = Request::get("/me")
        .header(header::AUTHORIZATION, "Bearer a")
        .header(header::AUTHORIZATION, "Bearer b");
    op.send(twice.body(Body::empty()).unwrap()).await.refused("invalid_request");
}

#[tokio::test]
async fn a_scope_that_does_not_reach_is_403_and_named() {
    let op = api().await;
    let answer = bearer(&op, "/admin", &token(&op).await).await;
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.ends_with("scope=\"profile admin\""), "{challenge}");
}

#[tokio::test]
async fn a_token_that_expired_or_was_revoked_is_401() {
    let op = api().await;
    let (expires, revoked) = (token(&op).await, token(&op).await);
    op.post("/oauth/revoke", "first", &[("token", &revoked)]).await;
    assert_eq!(bearer(&op, "/me", &revoked).await.status, 401);
    let ended = op.tokens("pub").await;
    let authority = op.provider.authority();
    authority.end_grants_of(&id("pub"), &subject("alice")).await.unwrap();
    assert_eq!(bearer(&op, "/any", text(&ended, "access_token")).await.status, 401);
    assert_eq!(bearer(&op, "/me", &expires).await.status, 200);
    op.clock.advance(secs(600));
    assert_eq!(bearer(&op, "/me", &expires).await.status, 401);
}

/// A scope that is misspelt must not become a guard that asks for less.
#[tokio::test]
async fn a_guard_that_asks_for_no_scope_lets_nobody_through() {
    let mut op = Op::start().await;
    let guard = op.provider.guard();
    let router = Router::new()
        .route("/both", get(me).layer(guard.require(["profile email"])))
        .route("/more", get(me).layer(guard.require(["profile admin"])))
        .route("/none", get(me).layer(guard.require(["\"admin\""])))
        .route("/odd", get(me).layer(guard.require(["profile", "ädmin"])));
    op.router = op.router.clone().merge(router);
    let alices = token(&op).await;
    for (path, status) in [("/both", 200), ("/more", 403), ("/none", 500), ("/odd", 500)] {
        let answer = bearer(&op, path, &alices).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

/// A handler that asks for what the guard says, behind no guard, fails closed.
#[tokio::test]
async fn behind_no_guard_nobody_is_authorized() {
    let op = api().await;
    assert_eq!(bearer(&op, "/open", &token(&op).await).await.status, 401);
}

/// Design §2: a first use at the guard marks the head as seen, so that its predecessor's return is theft.
#[tokio::test]
async fn a_use_at_the_guard_counts_as_seen() {
    let op = api().await;
    let first = op.tokens("pub").await;
    let second = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    assert_eq!(bearer(&op, "/me", text(&second, "access_token")).await.status, 200);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    op.clock.advance(secs(31));
    op.refresh("pub", text(&first, "refresh_token")).await.refused("invalid_grant");
    op.refresh("pub", text(&second, "refresh_token")).await.refused("invalid_grant");
}
