//! The consent page.

use countersign_protocol::form;

use crate::{
    browser::{Browser, VERIFIER, az},
    harness::{Op, secs, text},
};

/// L5: the page says who asks, where the answer goes, for whom and for what.
#[tokio::test]
async fn the_page_shows_what_is_asked() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let asked = az().with("scope", "profile email");
    let page = alice.sign_in(&asked, "alice").await;
    page.page(200);
    for part in [
        "<bdi>web</bdi>",
        "<bdi>web.test</bdi>",
        "<bdi>alice</bdi>",
        "see your name and profile",
        "see your e-mail address",
    ] {
        assert!(page.body.contains(part), "{part} in {page:?}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https://web.test;"), "{policy}");
}

/// L5: a no goes back as `access_denied`, and is asked again the next time.
#[tokio::test]
async fn a_no_goes_back_as_a_refusal() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;
    alice.say(&page, "no").await.redirects_error("access_denied");
    alice.authorize(&az()).await.page(200).flow();
}

/// L5: what is added to the form changes nothing: all that counts is sealed.
#[tokio::test]
async fn a_tampered_yes_yields_no_more_than_was_shown() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;
    let fields = [
        ("flow", page.flow()),
        ("answer", "yes"),
        ("scope", "profile email"),
        ("client_id", "web2"),
        ("username", "bob"),
    ];
    let code = alice.post("/oauth/consent", &fields).await.code();
    let tokens = op.redeem("web", &code, VERIFIER).await.ok();
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["scope"], "profile");
    assert_eq!(told["sub"], "alice");
    assert_eq!(told["client_id"], "web");

    let flow = page.flow();
    let (head, tail) = flow.split_at(flow.len() / 2);
    let swapped = if tail.starts_with('A') { "B" } else { "A" };
    let bent = format!("{head}{swapped}{}", &tail[1..]);
    let bent = [("flow", bent.as_str()), ("answer", "yes")];
    alice.post("/oauth/consent", &bent).await.page(400);
    for answer in ["", "maybe", "YES"] {
        let fields = [("flow", flow), ("answer", answer)];
        alice.post("/oauth/consent", &fields).await.page(400);
    }
}

/// Design of consent: the same yes twice is one grant.
#[tokio::test]
async fn the_same_yes_twice_is_one_grant() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;
    let first = alice.say(&page, "yes").await.code();
    let second = alice.say(&page, "yes").await.code();
    assert_eq!(first, second);
    let tokens = op.redeem("web", &first, VERIFIER).await.ok();
    // Now it is answered: a page says so, goes nowhere and ends nothing.
    let late = alice.say(&page, "yes").await;
    late.page(400);
    assert!(late.body.contains("answered already"), "{late:?}");
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["active"], true);
}

#[tokio::test]
async fn a_yes_whose_code_has_expired_is_answered_already() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;
    alice.say(&page, "yes").await.code();
    op.clock.advance(secs(60));
    alice.say(&page, "yes").await.page(400);
}

#[tokio::test]
async fn a_page_that_stood_open_for_too_long_is_not_answered() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;
    op.clock.advance(secs(600));
    let late = alice.say(&page, "yes").await;
    late.page(400);
    assert!(late.body.contains("Please start again"), "{late:?}");
}

/// L3 and L4: the page belongs to the browser, the session and the user that it was shown to.
#[tokio::test]
async fn nobody_else_can_answer() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;

    let mut bob = Browser::new(&op);
    bob.sign_in(&az(), "bob").await;
    bob.say(&page, "yes").await.page(403);

    let mut stranger = Browser::new(&op);
    stranger.say(&page, "yes").await.page(403);

    let mut from_elsewhere = alice.clone();
    from_elsewhere.headers = vec![("origin", "https://evil.test")];
    from_elsewhere.say(&page, "yes").await.page(403);

    // The same browser, in which somebody else has signed in since.
    let mut shared = alice.clone();
    shared.sign_in(&az().with("prompt", "login"), "bob").await.page(200);
    shared.say(&page, "yes").await.page(403);

    // The same browser, signed out.
    let mut out = alice.clone();
    out.cookies.retain(|name, _| !name.contains("session"));
    out.say(&page, "yes").await.page(400);
}

/// What was agreed to is remembered by scope; more is asked for.
#[tokio::test]
async fn consent_is_remembered_by_scope() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    alice.authorize(&az()).await.code();
    let wider = az().with("scope", "profile email");
    let page = alice.authorize(&wider).await;
    alice.say(&page, "yes").await.code();
    alice.authorize(&wider).await.code();
    alice.authorize(&az().with("scope", "email")).await.code();
    alice.authorize(&az().with("prompt", "consent")).await.page(200).flow();
}

/// A10: after credentials and consent the next request is a GET.
#[tokio::test]
async fn a_form_is_answered_by_303() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.authorize(&az()).await;
    let onward = alice.enter(&page, "alice", crate::harness::PASSWORD).await;
    onward.goes_to("/oauth/authorize");
    let path = onward.header("location").unwrap().to_owned();
    let page = alice.get(&path).await;
    alice.say(&page, "yes").await.code();
}

/// T2 in small: the same yes sent many times at once is one grant.
#[tokio::test]
async fn the_same_yes_many_times_at_once_is_one_grant() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&az(), "alice").await;
    let body = form::encode([("flow", page.flow()), ("answer", "yes")]);
    let mut tabs = vec![alice; 8];
    let posts = tabs.iter_mut().map(|tab| tab.post_body("/oauth/consent", body.clone()));
    let mut codes = Vec::new();
    for answer in join(posts).await {
        codes.push(answer.code());
    }
    codes.dedup();
    assert_eq!(codes.len(), 1);
}

async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
