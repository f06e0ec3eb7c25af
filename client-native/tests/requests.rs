//! Requests with the session's token.

use countersign_client::Error;

use crate::fake::{Fake, Reply, status};

const INVALID: &str = r#"Bearer error="invalid_token""#;

#[tokio::test]
async fn a_token_that_was_revoked_is_renewed_and_the_request_sent_once_more() {
    let fake = Fake::start().await;
    let session = fake.session().await;
    fake.refuse_token("at0");
    let answer = session.post(fake.url("/api")).body("hello").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "POST at1 hello");
    assert_eq!((fake.seen("/api").len(), fake.refreshes().len()), (2, 1));
}

#[tokio::test]
async fn a_401_that_does_not_blame_the_token_is_the_callers() {
    let fake = Fake::start().await;
    let session = fake.session().await;
    for challenge in ["Basic realm=\"x\"", "Bearer", "Bearer error=\"insufficient_scope\""] {
        fake.next("/api", Reply::Header(401, "WWW-Authenticate", challenge.into()));
        let answer = session.get(fake.url("/api")).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{challenge}");
    }
    assert_eq!(fake.refreshes().len(), 0);
}

#[tokio::test]
async fn an_api_that_refuses_every_token_causes_one_refresh_a_minute() {
    let fake = Fake::start().await;
    let session = fake.session().await;
    for _ in 0..6 {
        fake.next("/api", Reply::Header(401, "WWW-Authenticate", INVALID.into()));
    }
    for _ in 0..4 {
        assert_eq!(session.get(fake.url("/api")).send().await.unwrap().status(), 401);
    }
    assert_eq!((fake.seen("/api").len(), fake.refreshes().len()), (5, 1));
}

/// B3's rule for the native client: a token goes only home.
#[tokio::test]
async fn a_token_goes_to_listed_origins_alone() {
    let (fake, foreign) = (Fake::start().await, Fake::start().await);
    let session = fake.session().await;
    let port = fake.issuer().rsplit(':').next().unwrap().to_owned();
    for url in [
        foreign.url("/api"),
        format!("http://localhost:{port}/api"),
        format!("http://127.0.0.1:{port}@evil.test/api"),
        format!("http://127.0.0.1.evil.test:{port}/api"),
        "https://127.0.0.1/".to_owned(),
    ] {
        let error = session.get(&url).send().await.unwrap_err();
        assert!(matches!(error, Error::Foreign(_)), "{url}: {error}");
    }
    assert!(foreign.seen("/api").is_empty() && fake.seen("/api").is_empty());
}

#[tokio::test]
async fn a_redirect_is_followed_at_home_and_nowhere_else() {
    let (fake, foreign) = (Fake::start().await, Fake::start().await);
    let session = fake.session().await;
    for code in [301, 302, 303, 307, 308] {
        fake.next("/start", Reply::Header(code, "Location", "/api?x=1".into()));
        let answer = session.post(fake.url("/start")).body("b").send().await.unwrap();
        let expected = if code < 304 { "GET at0 " } else { "POST at0 b" };
        assert_eq!(answer.text().await.unwrap(), expected, "{code}");

        fake.next("/start", Reply::Header(code, "Location", foreign.url("/api")));
        let error = session.post(fake.url("/start")).body("b").send().await.unwrap_err();
        assert!(matches!(&error, Error::Foreign(origin) if *origin == foreign.issuer()), "{error}");
    }
    assert!(foreign.seen("/api").is_empty());
    for _ in 0..20 {
        fake.next("/start", Reply::Header(302, "Location", "/start".into()));
    }
    let error = session.get(fake.url("/start")).send().await.unwrap_err();
    assert!(matches!(error, Error::Redirects), "{error}");
}

#[tokio::test]
async fn any_answer_of_the_api_is_the_callers() {
    let fake = Fake::start().await;
    let session = fake.session().await;
    for code in [204, 304, 400, 403, 404, 500, 503] {
        fake.next("/api", status(code));
        let answer = session.get(fake.url("/api")).query(&[("q", "{a}")]).send().await.unwrap();
        assert_eq!(answer.status(), code);
    }
}
