//! The sign-in page and the session that it begins.

use axum::Router;
use countersign_protocol::policy::{Lifetimes, Policy};
use countersign_provider::{Provider, record::Records, users::SubjectRecord};
use http::Request;

use crate::{
    browser::{Browser, az},
    harness::{ISSUER, Op, PASSWORD, People, clients, secs},
};

/// L1: every cookie is host-only, unreadable for scripts and not sent from elsewhere; 128 bits at least.
#[tokio::test]
async fn every_cookie_is_locked_down() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    let onward = browser.enter(&page, "alice", PASSWORD).await;
    for answer in [page, onward] {
        let set = answer.header("set-cookie").unwrap();
        assert!(set.starts_with("__Host-cs_"), "{set}");
        for part in ["; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
            assert!(set.contains(part), "{part} in {set}");
        }
        assert!(!set.contains("Domain"), "{set}");
        let value = set.split_once('=').unwrap().1.split(';').next().unwrap();
        assert!(value.rsplit('.').next().unwrap().len() >= 22, "{set}");
    }
    assert!(!browser.session().unwrap().is_empty());
}

/// L2: what a cookie held before a sign-in is worth nothing after it.
#[tokio::test]
async fn a_planted_cookie_is_not_signed_in() {
    let op = Op::start().await;
    let mut victim = Browser::alices(&op).await;
    let (name, planted) = {
        let mut cookies = victim.cookies.iter();
        let found = cookies.find(|(name, _)| name.contains("session")).unwrap();
        (found.0.clone(), found.1.clone())
    };
    // The same user signs in anew: the session goes on, its cookie does not.
    victim.sign_in(&az().with("prompt", "login"), "alice").await.code();
    let renewed = victim.session().unwrap().to_owned();
    assert_ne!(renewed, planted);
    let mut attacker = Browser::new(&op);
    attacker.cookies.insert(name.clone(), planted);
    attacker.authorize(&az().with("prompt", "none")).await.redirects_error("login_required");
    // Another user signs in: the session before is over.
    victim.sign_in(&az().with("prompt", "login"), "bob").await.page(200);
    attacker.cookies.insert(name.clone(), renewed.clone());
    attacker.authorize(&az().with("prompt", "none")).await.redirects_error("login_required");
    // A value that nobody drew is replaced.
    let mut victim = Browser::new(&op);
    victim.cookies.insert(name, "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA".into());
    victim.sign_in(&az(), "alice").await.code();
    assert!(!victim.session().unwrap().starts_with("AAAA"));
}

/// L3: a form from elsewhere, without its mark, or of another browser changes nothing.
#[tokio::test]
async fn a_foreign_form_signs_nobody_in() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    let fields = [("username", "alice"), ("password", PASSWORD)];
    browser.post("/oauth/sign-in", &fields).await.page(403);

    for foreign in [
        ("origin", "https://evil.test"),
        ("origin", "http://op.test:9443"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let mut from_elsewhere = browser.clone();
        from_elsewhere.headers = vec![foreign];
        let answer = from_elsewhere.enter(&page, "alice", PASSWORD).await;
        answer.page(403);
        assert_eq!(answer.header("set-cookie"), None, "{foreign:?}");
    }

    let request = Request::post("/oauth/sign-in").header("content-type", "text/plain");
    let body = format!("flow={}&username=alice&password={PASSWORD}", page.flow());
    browser.send(request, body).await.page(403);

    let mut other = Browser::new(&op);
    other.authorize(&az()).await;
    other.enter(&page, "alice", PASSWORD).await.page(403);
    assert_eq!(other.session(), None);

    // What our own page sends in Chromium is accepted: it sends no referrer, and so no origin.
    browser.headers = vec![("origin", "null"), ("sec-fetch-site", "same-origin")];
    let done = browser.enter(&page, "alice", PASSWORD).await;
    done.goes_to("/oauth/authorize");
}

/// A flow of another step is no sign-in.
#[tokio::test]
async fn a_form_is_answered_where_it_belongs() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let sign_in = browser.authorize(&az()).await;
    let consent = browser.sign_in(&az(), "alice").await;
    let wrong = [("flow", consent.flow()), ("username", "alice"), ("password", PASSWORD)];
    browser.post("/oauth/sign-in", &wrong).await.page(403);
    let wrong = [("flow", sign_in.flow()), ("answer", "yes")];
    browser.post("/oauth/consent", &wrong).await.page(403);
    browser.post("/oauth/logout", &wrong).await.page(403);
    let made_up = [("flow", "cs_fl_made-up"), ("answer", "yes")];
    browser.post("/oauth/consent", &made_up).await.page(400);
}

/// L9: whoever is unknown gets the same answer as whoever mistypes, byte by byte.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let op = Op::start().await;
    let mut answers = Vec::new();
    for name in ["alice", "carol"] {
        let mut browser = Browser::new(&op);
        let page = browser.authorize(&az()).await;
        let flow = page.flow().to_owned();
        let answer = browser.enter(&page, name, "wrong").await;
        answer.page(400);
        assert_eq!(browser.session(), None);
        let masked = answer.body.replace(&flow, "FLOW").replace(name, "NAME");
        answers.push((answer.status, answer.headers, masked));
    }
    assert!(answers[0].2.contains("Username or password is wrong."), "{answers:?}");
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn after_a_wrong_password_the_same_page_takes_the_right_one() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    let again = browser.enter(&page, "alice", "wrong").await;
    assert!(again.body.contains("value=\"alice\""), "{again:?}");
    assert!(!again.body.contains("wrong\""), "{again:?}");
    browser.enter(&again, "alice", PASSWORD).await.goes_to("/oauth/authorize");
    for empty in [("", PASSWORD), ("alice", "")] {
        browser.enter(&page, empty.0, empty.1).await.page(400);
    }
}

/// L11: too large is refused before anything is hashed.
#[tokio::test]
async fn an_oversized_password_is_refused() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    let large = "p".repeat(60_000);
    browser.enter(&page, "alice", &large).await.page(400);
    let larger = "p".repeat(1_000_000);
    browser.enter(&page, "alice", &larger).await.page(413);
}

/// L14: what is reflected is text.
#[tokio::test]
async fn what_is_reflected_is_inert() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let evil = "<svg onload=alert(1)>{{7*7}}\"'";
    let page = browser.authorize(&az().with("login_hint", evil)).await;
    page.page(200);
    let wrong = browser.enter(&page, evil, "wrong").await;
    wrong.page(400);
    for answer in [page, wrong] {
        assert!(!answer.body.contains("<svg onload"), "{answer:?}");
        assert!(answer.body.contains("&lt;svg onload=alert(1)&gt;{{7*7}}&quot;&#39;"));
    }
    for query in ["client_id=<svg onload>", "error=<svg onload>&error_description=%0d%0aX:y"] {
        let path = format!("/oauth/authorize?{}", query.replace(['<', '>', ' '], "%3C"));
        let answer = browser.get(&path).await;
        answer.page(400);
        assert!(!answer.body.contains("onload"), "{answer:?}");
    }
}

#[tokio::test]
async fn who_comes_to_a_form_by_its_address_is_told_to_start_again() {
    let op = Op::start().await;
    for path in ["/oauth/sign-in", "/oauth/consent"] {
        let answer = op.get(path).await;
        answer.page(400);
        assert!(answer.body.contains("Please start again"), "{answer:?}");
    }
}

#[tokio::test]
async fn cancelling_goes_back_with_a_refusal() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    browser.say(&page, "no").await.redirects_error("access_denied");
    assert_eq!(browser.session(), None);
}

#[tokio::test]
async fn a_sign_in_page_that_stood_open_for_too_long_begins_again() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    op.clock.advance(secs(600));
    let again = browser.enter(&page, "alice", PASSWORD).await;
    again.goes_to("/oauth/authorize");
    assert_eq!(browser.session(), None);
    let path = again.header("location").unwrap().to_owned();
    let page = browser.get(&path).await;
    browser.enter(&page, "alice", PASSWORD).await.goes_to("/oauth/authorize");
    assert!(browser.session().is_some());
}

/// A session ends when nobody uses it for its idle time, and at its cap however much it is used.
#[tokio::test]
async fn a_session_ends_by_idleness_and_at_its_cap() {
    let lifetimes =
        Lifetimes { session_idle: secs(100), session_cap: secs(350), ..Lifetimes::default() };
    let policy = Policy { lifetimes, ..Policy::default() };
    let op = Op::with_policy(policy).await;
    let silent = az().with("prompt", "none");
    let mut alice = Browser::alices(&op).await;
    for _ in 0..3 {
        op.clock.advance(secs(90));
        alice.authorize(&silent).await.code();
    }
    op.clock.advance(secs(79));
    alice.authorize(&silent).await.code();
    op.clock.advance(secs(1));
    alice.authorize(&silent).await.redirects_error("login_required");

    alice.sign_in(&az(), "alice").await.code();
    op.clock.advance(secs(100));
    alice.authorize(&silent).await.redirects_error("login_required");
}

/// Under a path of the embedding application every link holds that path.
#[tokio::test]
async fn nested_under_a_path_the_pages_stay_below_it() {
    let issuer = Provider::builder("https://op.test/auth");
    let op = Op::with(|_| issuer.clients(clients()).users(People)).await;
    let router = Router::new().nest("/auth", op.provider.router());
    let op = Op { router, ..op };
    let mut browser = Browser::new(&op);
    let page = browser.get(&format!("/auth/oauth/authorize?{}", az().query())).await;
    assert_eq!(page.action(), "/auth/oauth/sign-in");
    let onward = browser.enter(&page, "alice", PASSWORD).await;
    onward.goes_to("/auth/oauth/authorize");
    let path = onward.header("location").unwrap().to_owned();
    let page = browser.get(&path).await;
    assert_eq!(page.action(), "/auth/oauth/consent");
    let told = browser.say(&page, "yes").await.goes_to("https://web.test/cb");
    assert_eq!(told["iss"], "https://op.test/auth");
}

/// A page of the provider is never the way to somewhere else, whatever a parameter says.
///
/// L8.
#[tokio::test]
async fn no_parameter_leads_elsewhere() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    for evil in
        ["//evil", "/\\evil", "https:evil", "%2f%2fevil", "/%09/evil", "javascript:alert(1)"]
    {
        for name in ["return_to", "next", "target_link_uri"] {
            let page = browser.authorize(&az().with(name, evil)).await;
            assert_eq!(page.action(), "/oauth/sign-in");
            let onward = browser.enter(&page, "alice", PASSWORD).await;
            onward.goes_to("/oauth/authorize");
            let mut out = Browser::new(&op);
            std::mem::swap(&mut browser, &mut out);
        }
    }
}

/// T19: a user who is gone is signed in nowhere.
#[tokio::test]
async fn a_session_of_a_user_who_is_switched_off_is_over() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let records = Records::new(op.store.clone(), ISSUER.into(), op.clock.clone());
    let off = SubjectRecord { disabled: true, ..SubjectRecord::default() };
    assert!(records.create("alice", &off).await.unwrap());
    let silent = az().with("prompt", "none");
    alice.authorize(&silent).await.redirects_error("login_required");
    let page = alice.authorize(&az()).await;
    alice.enter(&page, "alice", PASSWORD).await.page(400);
}

/// L10: ten wrong passwords, and the account waits; the password grant counts with the page, and a browser from which
/// its owner signed in before is not locked out.
#[tokio::test]
async fn guessing_is_braked_for_page_and_password_grant_alike() {
    let op = Op::start().await;
    let mut owner = Browser::alices(&op).await;
    let mut thief = Browser::new(&op);
    let page = thief.authorize(&az()).await;
    let grant = async |password: &str| {
        let pairs = [("grant_type", "password"), ("username", "alice"), ("password", password)];
        op.token("first", &pairs).await
    };
    for _ in 0..5 {
        thief.enter(&page, "alice", "wrong").await.page(400);
        grant("wrong").await.refused("invalid_grant");
    }
    let braked = thief.enter(&page, "alice", PASSWORD).await;
    braked.page(429);
    assert!(braked.body.contains("Too many attempts."), "{braked:?}");
    let wait: u64 = braked.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(thief.session(), None);
    grant(PASSWORD).await.refused_with(429, "temporarily_unavailable");

    owner.sign_in(&az().with("prompt", "login"), "alice").await.code();
    op.clock.advance(secs(900));
    let page = thief.authorize(&az()).await;
    let freed = thief.enter(&page, "alice", PASSWORD).await;
    freed.goes_to("/oauth/authorize");
}
