//! The revocation endpoint.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_protocol::{Timestamp, Version};
use countersign_provider::{
    clock::Clock,
    store::{Key, Listing, Memory, Page, PutError, Query, Record, Store, Unavailable},
};
use http::header;
use parking_lot::Mutex;

use crate::harness::{Op, START, post, text};

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// R1: a refresh token ends its access tokens and its whole line; an access token ends itself alone.
#[tokio::test]
async fn revoking_a_refresh_token_ends_all_that_came_of_it() {
    let op = Op::start().await;
    let tokens = op.tokens("web").await;
    let access = text(&tokens, "access_token");
    let refresh = text(&tokens, "refresh_token");

    revoke(&op, "web", &[("token", access)]).await;
    assert_eq!(op.introspect(access).await["active"], false);
    let next = op.refresh("web", refresh).await.ok();

    revoke(&op, "web", &[("token", refresh)]).await;
    op.refresh("web", refresh).await.refused("invalid_grant");
    assert_eq!(op.introspect(text(&next, "access_token")).await["active"], false);
}

/// R1: unknown tokens and wrong hints are fine; a carried token dies too, and again is fine.
#[tokio::test]
async fn revoking_is_forgiving_and_final() {
    let op = Op::start().await;
    revoke(&op, "web", &[("token", "unknown")]).await;
    revoke(&op, "web", &[("token", "cs_rt_unknown"), ("token_type_hint", "nonsense")]).await;
    let tokens = op.tokens("web").await;
    let refresh = text(&tokens, "refresh_token");
    revoke(&op, "web", &[("token", refresh), ("token_type_hint", "access_token")]).await;
    op.refresh("web", refresh).await.refused("invalid_grant");
    let carried = op.token("svc", &CREDENTIALS).await.ok();
    for _ in 0..2 {
        revoke(&op, "svc", &[("token", text(&carried, "access_token"))]).await;
        assert_eq!(op.introspect(text(&carried, "access_token")).await["active"], false);
    }
}

/// Design §2: any token that was ever in the line ends the grant.
#[tokio::test]
async fn revoking_an_old_refresh_token_ends_the_line_too() {
    let op = Op::start().await;
    let first = op.tokens("pub").await;
    let second = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    revoke(&op, "pub", &[("token", text(&first, "refresh_token"))]).await;
    op.refresh("pub", text(&second, "refresh_token")).await.refused("invalid_grant");
}

/// R2.
#[tokio::test]
async fn only_ones_own_tokens_are_revoked() {
    let op = Op::start().await;
    let tokens = op.tokens("web").await;
    let refresh = text(&tokens, "refresh_token");
    for token in [refresh, text(&tokens, "access_token")] {
        op.post("/oauth/revoke", "web2", &[("token", token)]).await.refused("invalid_grant");
    }
    let carried = op.token("svc", &CREDENTIALS).await.ok();
    let carried = text(&carried, "access_token");
    op.post("/oauth/revoke", "web", &[("token", carried)]).await.refused("invalid_grant");
    assert_eq!(op.introspect(carried).await["active"], true);
    op.refresh("web", refresh).await.ok();
}

/// R3: while the store does not answer it is 503 with `Retry-After`, never 200; the repeat then works.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_no_success() {
    let clock = Clock::fixed(START);
    let hanging = Arc::new(Hanging { store: Memory::new(clock.clone()), hangs: Mutex::new(false) });
    let op = Op::over(hanging.clone(), clock, |builder| builder).await;
    let tokens = op.tokens("web").await;
    let token = [("token", text(&tokens, "refresh_token"))];
    op.introspect(text(&tokens, "access_token")).await;

    *hanging.hangs.lock() = true;
    let asks = [
        ("/oauth/revoke", "web", &token[..]),
        ("/oauth/introspect", "rs1", &[("token", text(&tokens, "access_token"))]),
        ("/oauth/token", "web", &[("grant_type", "refresh_token"), ("refresh_token", token[0].1)]),
    ];
    for (path, client, pairs) in asks {
        let answer = op.post(path, client, pairs).await;
        answer.refused_with(503, "temporarily_unavailable");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait));
    }
    *hanging.hangs.lock() = false;
    revoke(&op, "web", &token).await;
    op.refresh("web", token[0].1).await.refused("invalid_grant");
}

/// R4.
#[tokio::test]
async fn method_authentication_and_cors() {
    let op = Op::start().await;
    op.get("/oauth/revoke").await.refused_with(405, "invalid_request");
    let tokens = op.tokens("pub").await;
    let token = [("token", text(&tokens, "refresh_token"))];
    op.post("/oauth/revoke", "", &token).await.refused("invalid_client");
    op.post("/oauth/revoke", "", &[token[0], ("client_id", "web")]).await.refused("invalid_client");
    let mut request = post("/oauth/revoke?callback=x", "pub", &token);
    request.headers_mut().insert(header::ORIGIN, "https://spa.test".parse().unwrap());
    let answer = op.send(request).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://spa.test"));
}

async fn revoke(op: &Op, client: &str, pairs: &[(&str, &str)]) {
    let answer = op.post("/oauth/revoke", client, pairs).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// A store that stops answering, as a stopped process does.
#[derive(Debug)]
struct Hanging {
    store: Memory,
    hangs: Mutex<bool>,
}

impl Hanging {
    async fn wait(&self) {
        if *self.hangs.lock() {
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
    }
}

#[async_trait]
impl Store for Hanging {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        self.wait().await;
        self.store.get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        self.wait().await;
        self.store.put(key, expected, record).await
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        self.wait().await;
        self.store.delete(key, expected).await
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        self.wait().await;
        self.store.list(query, page).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        Ok(None)
    }
}
