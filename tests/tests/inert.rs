//! What an attacker writes into an address stays text, and a page loads nothing from elsewhere; seen by a real browser.

use axum::{
    Router,
    http::header::CONTENT_SECURITY_POLICY,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use countersign_tests::{Application, Embedded, port, visitor::Asking};
use tokio::net::TcpListener;

use crate::chromium::Chromium;

const ATTACKS: [&str; 5] = [
    "<svg onload=alert(1)>",
    "\"><script>alert(1)</script>",
    "'-alert(1)-'",
    "{{7*7}}${7*7}",
    "a\r\nSet-Cookie: stolen=1\r\n\r\n<script>alert(1)</script>",
];

/// L14: whatever stands in a parameter or a path, no dialog opens, no template is computed, no header is split.
#[tokio::test]
async fn text_of_an_attacker_stays_text() {
    let provider = Embedded::start().await;
    let browser = Chromium::start().await;
    let good =
        Asking::of(provider.issuer(), "native", "http://127.0.0.1:1/callback", "profile").url;
    // A dialog would be seen.
    let _ = browser.client.goto("data:text/html,<svg onload=alert(1)>").await;
    assert_eq!(browser.client.get_alert_text().await.unwrap(), "1");
    browser.client.dismiss_alert().await.unwrap();
    let named = [
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "login_hint",
        "ui_locales",
        "error",
        "error_description",
        "error_hint",
        "response_type",
        "prompt",
        "flow",
        "username",
    ];
    for attack in ATTACKS {
        for name in named {
            let mut url = good.clone();
            let kept: Vec<_> = good.query_pairs().filter(|pair| pair.0 != name).collect();
            url.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, attack);
            // What is sent back to the application leads to a port where nobody is.
            let _ = browser.client.goto(url.as_str()).await;
            is_inert(&browser, provider.issuer(), &format!("{name}={attack}")).await;
        }
        let mut logout = good.join("/oauth/logout").unwrap();
        logout.query_pairs_mut().append_pair("post_logout_redirect_uri", attack);
        let mut nowhere = good.join("/no/such").unwrap();
        nowhere.path_segments_mut().unwrap().push(attack);
        for url in [logout, nowhere] {
            browser.client.goto(url.as_str()).await.unwrap();
            is_inert(&browser, provider.issuer(), url.as_str()).await;
        }
    }
}

async fn is_inert(browser: &Chromium, issuer: &str, what: &str) {
    let dialog = browser.client.get_alert_text().await;
    assert!(dialog.is_err(), "a dialog opens for {what}");
    let origin = browser.client.execute("return location.origin", vec![]).await;
    if origin.unwrap() != issuer {
        // The browser's own page about an application that does not answer.
        return;
    }
    let source = browser.client.source().await.unwrap();
    let body = source.split("</style>").last().unwrap();
    assert!(!body.contains("<svg onload") && !body.contains("<script>alert"), "{what}: {body}");
    assert!(!body.contains("{{49}}") && !body.contains("$49"), "{what}: {body}");
    let cookie = browser.client.execute("return document.cookie", vec![]).await;
    let cookie = cookie.map(|cookie| cookie.as_str().unwrap_or_default().to_owned());
    assert!(!cookie.unwrap_or_default().contains("stolen"), "{what}");
}

/// A11: the pages of a sign-in load nothing but themselves.
#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let provider = Embedded::start().await;
    let browser = Chromium::start().await;
    let asking = Asking::of(provider.issuer(), "native", "http://127.0.0.1:1/callback", "profile");
    browser.client.goto(asking.url.as_str()).await.unwrap();
    loads_nothing(&browser).await;
    browser.fill("username", "alice").await;
    browser.fill("password", countersign_tests::PASSWORD).await;
    browser.answer("yes").await;
    browser.wait_for_question().await;
    loads_nothing(&browser).await;
    let out = format!("{}/oauth/logout", provider.issuer());
    browser.client.goto(&out).await.unwrap();
    loads_nothing(&browser).await;
}

async fn loads_nothing(browser: &Chromium) {
    let script = "return performance.getEntriesByType('resource').map(entry => entry.name)\
                  .filter(name => new URL(name).origin !== location.origin && !name.startsWith('data:'))";
    let loaded = browser.client.execute(script, vec![]).await.unwrap();
    assert_eq!(loaded, serde_json::json!([]));
}

/// The tests of the pages count on this browser to enforce `form-action` on redirects: it does, and only where the
/// application's origin is not named.
#[tokio::test]
async fn a_form_is_stopped_from_ending_at_an_origin_that_its_policy_does_not_name() {
    let application = Application::start("localhost").await;
    let other = application.redirect_uri();
    let named = format!("form-action 'self' {}", application.origin());
    let page = |policy: &str| {
        let policy = policy.to_owned();
        get(async move || -> Response {
            let form =
                "<form method=post action=/send><button name=answer value=yes>go</button></form>";
            ([(CONTENT_SECURITY_POLICY, policy)], Html(form)).into_response()
        })
    };
    let router = Router::new()
        .route("/self", page("form-action 'self'"))
        .route("/named", page(&named))
        .route("/send", post(async move || Redirect::to(&other)));
    let at = port::free();
    let listener = TcpListener::bind(("127.0.0.1", at)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let browser = Chromium::start().await;

    browser.client.goto(&format!("http://127.0.0.1:{at}/self")).await.unwrap();
    browser.answer("yes").await;
    let second = std::time::Duration::from_secs(2);
    assert_eq!(application.answer_within(second).await, None, "it does not bite");
    browser.client.goto(&format!("http://127.0.0.1:{at}/named")).await.unwrap();
    browser.answer("yes").await;
    application.answer().await;
}
