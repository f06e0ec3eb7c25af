//! Signing out: by the page, and by a client with its refresh token.

use crate::{
    browser::{Browser, VERIFIER, az},
    harness::{Op, text},
};

/// U5: without a proof of who asks, the user is asked; nothing has changed until they say yes.
#[tokio::test]
async fn signing_out_asks_first() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let path = "/oauth/logout?post_logout_redirect_uri=https%3A%2F%2Fevil.test%2F&id_token_hint=x";
    let page = alice.get(path).await;
    page.page(200);
    assert!(page.body.contains("<bdi>alice</bdi>"), "{page:?}");
    assert!(!page.body.contains("evil.test"), "{page:?}");
    alice.authorize(&az()).await.code();
    let kept = alice.say(&page, "no").await;
    kept.page(200);
    assert!(kept.body.contains("still signed in"), "{kept:?}");
    alice.authorize(&az()).await.code();
}

/// U5: a POST without the page's mark, or from elsewhere, ends nothing.
#[tokio::test]
async fn a_forged_sign_out_is_refused() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let page = alice.get("/oauth/logout").await;
    alice.post("/oauth/logout", &[]).await.page(403);
    alice.post("/oauth/logout", &[("answer", "yes")]).await.page(403);
    let mut from_elsewhere = alice.clone();
    from_elsewhere.headers = vec![("sec-fetch-site", "cross-site")];
    from_elsewhere.say(&page, "yes").await.page(403);
    let mut bob = Browser::new(&op);
    bob.sign_in(&az(), "bob").await;
    bob.say(&page, "yes").await.page(403);
    alice.authorize(&az()).await.code();
}

/// U7: after a sign-out its old cookie signs nobody in.
#[tokio::test]
async fn after_a_sign_out_the_old_cookie_is_worth_nothing() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let before = alice.clone();
    let page = alice.get("/oauth/logout").await;
    let done = alice.say(&page, "yes").await;
    done.goes_to("/oauth/logout");
    assert_eq!(alice.session(), None);
    let after = alice.get("/oauth/logout").await;
    after.page(200);
    assert!(after.body.contains("You are signed out"), "{after:?}");
    for mut browser in [alice, before] {
        browser.authorize(&az().with("prompt", "none")).await.redirects_error("login_required");
        assert_eq!(browser.authorize(&az()).await.action(), "/oauth/sign-in");
    }
}

/// A client signs its user out with the refresh token as proof: the grant ends, and the session that it came from.
#[tokio::test]
async fn a_refresh_token_ends_its_grant_and_its_session() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let code = alice.authorize(&az()).await.code();
    let tokens = op.redeem("web", &code, VERIFIER).await.ok();
    let refresh = text(&tokens, "refresh_token");
    let answer = op.post("/oauth/logout", "web", &[("token", refresh)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    op.refresh("web", refresh).await.refused("invalid_grant");
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["active"], false);
    alice.authorize(&az().with("prompt", "none")).await.redirects_error("login_required");
}

#[tokio::test]
async fn a_client_signs_out_only_its_own() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let code = alice.authorize(&az()).await.code();
    let tokens = op.redeem("web", &code, VERIFIER).await.ok();
    let refresh = text(&tokens, "refresh_token");
    let foreign = op.post("/oauth/logout", "web2", &[("token", refresh)]).await;
    foreign.refused("invalid_grant");
    let nobody = op.post("/oauth/logout", "nobody", &[("token", refresh)]).await;
    nobody.refused("invalid_client");
    op.refresh("web", refresh).await.ok();
    alice.authorize(&az()).await.code();
}

/// A token that was revoked before, perhaps because it was stolen, has no say over the session.
#[tokio::test]
async fn a_revoked_refresh_token_ends_no_session() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let code = alice.authorize(&az()).await.code();
    let tokens = op.redeem("web", &code, VERIFIER).await.ok();
    let token = [("token", text(&tokens, "refresh_token"))];
    op.post("/oauth/revoke", "web", &token).await;
    assert_eq!(op.post("/oauth/logout", "web", &token).await.status, 200);
    alice.authorize(&az().with("prompt", "none")).await.code();
}
