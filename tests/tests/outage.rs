//! The store does not take writes: what clients are told, and that they can come again.

use std::time::{Duration, Instant};

use countersign_tests::{Answer, Server, endpoint::By};
use reqwest::header;
use rusqlite::Connection;

const FIRST: By<'_> = By::Public("first");

/// R3: another process holds SQLite's write lock. A revocation is answered 503 with `Retry-After`, never 200; asked
/// again afterwards it is 200, and the token is dead.
#[tokio::test]
async fn a_revocation_that_cannot_be_written_is_not_a_success() {
    let server = Server::start().await;
    server.add_user("alice");
    server.add_client(&[
        "--id",
        "first",
        "--public",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
        "--scope",
        "profile",
    ]);
    let secret = server.add_client(&["--id", "api", "--introspect"]);
    let api = By::Basic("api", &secret);
    let oauth = server.endpoints();
    let tokens = oauth.password(FIRST, "alice").await.well();
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));

    let stranger = Connection::open(server.data().join("countersign.db")).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let asked = Instant::now();
    is_unavailable(&oauth.revoke(FIRST, &refresh).await);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    is_unavailable(&oauth.refresh(FIRST, &refresh).await);
    is_unavailable(&oauth.password(FIRST, "alice").await);
    assert!(oauth.is_active(api, &access).await, "what was refused has no effect; reading goes on");

    stranger.execute_batch("ROLLBACK").unwrap();
    oauth.revoke(FIRST, &refresh).await.well();
    assert!(!oauth.is_active(api, &access).await);
    assert_eq!(oauth.refresh(FIRST, &refresh).await.text("error"), "invalid_grant");
}

fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let seconds: u64 = answer.header(&header::RETRY_AFTER).unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{answer:?}");
    assert_eq!(answer.header(&header::CACHE_CONTROL), Some("no-store"));
    assert!(!answer.body.contains("access_token"), "{answer:?}");
}
