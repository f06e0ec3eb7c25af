//! The authorization endpoint.

use axum::body::Body;
use countersign_protocol::policy::Policy;
use countersign_provider::Provider;
use http::{Method, Request};

use crate::{
    browser::{Browser, CHALLENGE, VERIFIER, az},
    harness::{ISSUER, Op, People, clients, secs, text},
};

/// Table RU of the checklist: what a registered `https://web.test/cb` must not be taken for.
const MUTATIONS: [&str; 36] = [
    "https://web.test/cb/",
    "https://web.test/cb/x",
    "https://web.test/cb?x=1",
    "https://web.test/cb#f",
    "https://web.test/CB",
    "HTTPS://WEB.TEST/cb",
    "https://web.test:443/cb",
    "https://web.test:444/cb",
    "http://web.test/cb",
    "https://web.test.evil.test/cb",
    "https://evil.test/https://web.test/cb",
    "https://web.test@evil.test/cb",
    "https://a@b@evil.test/cb",
    "https://web.test%40evil.test/cb",
    "https://web.test/x/../cb",
    "https://web.test/cb/../evil",
    "https://web.test/cb/..;/evil",
    "https://web.test/cb/%2e%2e/evil",
    "https://web.test/cb%252f..%252fevil",
    "https://web.test\\@evil.test/cb",
    "https:\\\\web.test\\cb",
    "https://web.test%09/cb",
    "https://web.test\t/cb",
    "https://web.test/cb\r\nX: y",
    "https://web.test/cb\0",
    "https:evil.test/cb",
    "//web.test/cb",
    "/cb",
    "https://xn--wb-bja.test/cb",
    "https://web.test./cb",
    "https://sub.web.test/cb",
    "https://web2.test/cb",
    "javascript:alert(1)//web.test/cb",
    "data:text/html,x",
    "",
    " https://web.test/cb",
];

/// A1: exact strings alone, by GET and by POST, and nothing on the page leads there.
#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_letter_by_letter_is_a_page() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let long = format!("https://web.test/{}", "c".repeat(9000));
    for uri in MUTATIONS.into_iter().chain([long.as_str()]) {
        let asked = az().with("redirect_uri", uri);
        let got = alice.authorize(&asked).await;
        let posted = alice.post_body("/oauth/authorize", asked.query()).await;
        for answer in [got, posted] {
            answer.refused_on_a_page();
            assert!(!answer.body.contains("href=\"http"), "{uri}: {answer:?}");
            assert!(!answer.body.contains("http-equiv"), "{uri}: {answer:?}");
        }
    }
}

/// A1: without `redirect_uri` the only registered one is meant; of two, none is.
#[tokio::test]
async fn a_missing_redirect_uri_is_a_page_when_two_are_registered() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let nat = az().with("client_id", "nat").without("redirect_uri");
    alice.authorize(&nat).await.refused_on_a_page();
    alice.authorize(&az().without("redirect_uri")).await.code();
}

/// A1: nobody is sent anywhere for a client that is not known.
#[tokio::test]
async fn an_unknown_client_is_a_page() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    for client in ["nobody", "", "web\r\n", "we\u{0}b", "WEB"] {
        let answer = browser.authorize(&az().with("client_id", client)).await;
        answer.page(400);
    }
    let none = browser.authorize(&az().without("client_id")).await;
    none.page(400);
    assert!(browser.cookies.is_empty());
}

/// A2.
#[tokio::test]
async fn only_the_port_of_a_native_clients_loopback_address_is_free() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let nat = |uri: &str| az().with("client_id", "nat").with("redirect_uri", uri);
    let free = "http://127.0.0.1:49152/cb";
    let page = alice.sign_in(&nat(free), "alice").await;
    alice.say(&page, "yes").await.goes_to(free);
    for uri in [
        "http://localhost:49152/cb",
        "http://127.0.0.1:49152/cb/x",
        "http://127.0.0.1.evil.test/cb",
        "http://127.1/cb",
        "http://0x7f000001/cb",
        "http://127.0.0.2/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://127.0.0.1@evil.test/cb",
    ] {
        alice.authorize(&nat(uri)).await.refused_on_a_page();
    }
    let web = az().with("redirect_uri", "https://web.test:444/cb");
    alice.authorize(&web).await.refused_on_a_page();
}

/// A3: each parameter twice, in both orders, and one in the query with the other in the body.
#[tokio::test]
async fn a_parameter_twice_is_refused() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    for name in az().names() {
        let evil = if name == "redirect_uri" { "https://evil.test/cb" } else { "evil" };
        let of_destination = matches!(name.as_str(), "client_id" | "redirect_uri");
        for before in [true, false] {
            let answer = alice.authorize(&az().twice(&name, evil, before)).await;
            if of_destination {
                answer.refused_on_a_page();
            } else if name == "state" {
                // Which of the two is meant is not known, so neither goes back.
                let told = answer.goes_to("https://web.test/cb");
                assert_eq!(told["error"], "invalid_request");
                assert!(!told.contains_key("state"));
            } else {
                answer.redirects_error("invalid_request");
            }
        }
        let path = format!("/oauth/authorize?{name}={evil}");
        let split = alice.post_body(&path, az().query()).await;
        if of_destination {
            split.refused_on_a_page();
        } else {
            assert_eq!(split.goes_to("https://web.test/cb")["error"], "invalid_request");
        }
    }
}

/// A4.
#[tokio::test]
async fn a_challenge_is_required_of_every_client() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let bare = az().without("code_challenge").without("code_challenge_method");
    alice.authorize(&bare).await.redirects_error("invalid_request");
    let half = az().without("code_challenge");
    alice.authorize(&half).await.redirects_error("invalid_request");
    for (client, uri) in [("pub", "https://spa.test/cb"), ("nat", "http://127.0.0.1:5/cb")] {
        let asked = bare.clone().with("client_id", client).with("redirect_uri", uri);
        let told = alice.authorize(&asked).await.goes_to(uri);
        assert_eq!(told["error"], "invalid_request", "{client}");
        assert!(!told.contains_key("code"), "{client}");
    }
}

/// A5.
#[tokio::test]
async fn only_a_well_formed_s256_challenge_passes() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    for method in ["plain", "s256", "S512", ""] {
        let asked = az().with("code_challenge_method", method);
        alice.authorize(&asked).await.redirects_error("invalid_request");
    }
    let missing = az().without("code_challenge_method");
    alice.authorize(&missing).await.redirects_error("invalid_request");
    let cut = &CHALLENGE[1..];
    for challenge in [
        cut.to_owned(),
        format!("{CHALLENGE}A"),
        "A".repeat(129),
        format!("{cut}="),
        format!("{cut}+"),
    ] {
        let asked = az().with("code_challenge", &challenge);
        alice.authorize(&asked).await.redirects_error("invalid_request");
    }
}

/// A6: every answer names the issuer as the metadata spells it.
#[tokio::test]
async fn every_answer_names_the_issuer() {
    let op = Op::start().await;
    let metadata = op.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let issuer = text(&metadata, "issuer");
    let mut alice = Browser::alices(&op).await;
    let mut nobody = Browser::new(&op);
    let answers = [
        alice.authorize(&az()).await,
        alice.authorize(&az().with("scope", "admin")).await,
        alice.authorize(&az().with("scope", "email").with("prompt", "none")).await,
        nobody.authorize(&az().with("prompt", "none")).await,
    ];
    for answer in answers {
        assert_eq!(answer.goes_to("https://web.test/cb")["iss"], issuer);
    }
    assert_eq!(issuer, ISSUER);
}

/// A7 and A8.
#[tokio::test]
async fn no_token_comes_by_the_front_channel() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    for other in ["token", "id_token", "code token", "code id_token", "none", "code code", ""] {
        let answer = alice.authorize(&az().with("response_type", other)).await;
        answer.redirects_error("unsupported_response_type");
        assert!(!answer.header("location").unwrap().contains("access_token"));
    }
    let missing = alice.authorize(&az().without("response_type")).await;
    missing.redirects_error("invalid_request");
    for mode in ["web_message", "fragment", "x"] {
        let answer = alice.authorize(&az().with("response_mode", mode)).await;
        answer.redirects_error("invalid_request");
    }
}

/// A9.
#[tokio::test]
async fn no_page_of_another_origin_reads_an_answer() {
    let op = Op::start().await;
    for method in [Method::OPTIONS, Method::GET] {
        let request = Request::builder()
            .method(method)
            .uri(format!("/oauth/authorize?{}", az().query()))
            .header("origin", "https://spa.test")
            .header("access-control-request-method", "GET")
            .body(Body::empty())
            .unwrap();
        let answer = op.send(request).await;
        let names = answer.headers.keys().map(http::HeaderName::as_str);
        let cors: Vec<_> = names.filter(|name| name.starts_with("access-control")).collect();
        assert!(cors.is_empty(), "{answer:?}");
    }
}

/// A11: every page of the flow is locked down; [`crate::harness::Answer::page`] checks each header.
#[tokio::test]
async fn every_page_of_the_flow_is_locked_down() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    page.page(200);
    let wrong = browser.enter(&page, "alice", "wrong").await;
    wrong.page(400);
    let onward = browser.enter(&page, "alice", crate::harness::PASSWORD).await;
    let path = onward.header("location").unwrap().to_owned();
    browser.get(&path).await.page(200);
    browser.get("/oauth/logout").await.page(200);
}

/// A12: what is not fetched cannot be turned against the provider's network.
#[tokio::test]
async fn a_request_by_reference_is_refused() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    for uri in ["http://127.0.0.1/", "http://169.254.169.254/", "urn:x", ""] {
        let answer = alice.authorize(&az().with("request_uri", uri)).await;
        answer.redirects_error("request_uri_not_supported");
    }
    let answer = alice.authorize(&az().with("request", "eyJhbGciOiJub25lIn0.e30.")).await;
    answer.redirects_error("request_not_supported");
}

/// A15, as far as there is no `id_token_hint`.
#[tokio::test]
async fn without_a_page_nobody_is_asked() {
    let op = Op::start().await;
    let silent = az().with("prompt", "none");
    let mut nobody = Browser::new(&op);
    nobody.authorize(&silent).await.redirects_error("login_required");
    let mut alice = Browser::alices(&op).await;
    let wider = silent.clone().with("scope", "profile email");
    alice.authorize(&wider).await.redirects_error("consent_required");
    alice.authorize(&silent).await.code();
    let both = az().with("prompt", "none login");
    alice.authorize(&both).await.redirects_error("invalid_request");
}

/// A16, as far as there is no ID token.
#[tokio::test]
async fn a_new_sign_in_is_asked_for_once_and_not_forgotten() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    op.clock.advance(secs(2));
    for asked in [az().with("prompt", "login"), az().with("max_age", "1")] {
        let page = alice.authorize(&asked).await;
        page.page(200);
        // Reloading or cancelling yields no code.
        alice.authorize(&asked).await.page(200).flow();
        alice.say(&page, "no").await.redirects_error("access_denied");
        let done = alice.sign_in(&asked, "alice").await;
        done.code();
        op.clock.advance(secs(2));
    }
}

/// A17: refused while it is read, before anything is looked up or hashed.
#[tokio::test]
async fn an_oversized_request_is_refused() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let large = [
        ("state", "s".repeat(60_000)),
        ("scope", "a ".repeat(30_000)),
        ("ui_locales", "de ".repeat(20_000)),
        ("claims", "[".repeat(10_000) + &"]".repeat(10_000)),
        ("acr_values", "x ".repeat(30_000)),
    ];
    for (name, value) in large {
        let asked = az().with(name, &value);
        let posted = alice.post_body("/oauth/authorize", asked.query()).await;
        posted.page(413);
    }
    let whole = alice.post_body("/oauth/authorize", "x".repeat(1_000_000)).await;
    whole.page(413);
    let many = format!("{}{}", az().query(), "&x=1".repeat(2_000));
    alice.get(&format!("/oauth/authorize?{many}")).await.page(400);
    let scope = (0..200).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    let asked = az().with("scope", &scope);
    alice.authorize(&asked).await.redirects_error("invalid_scope");
}

/// A18: nobody is carried to an application's own scheme without a click.
#[tokio::test]
async fn a_scheme_of_the_applications_own_is_reached_by_a_button() {
    let op = Op::start().await;
    let mut alice = Browser::new(&op);
    let asked = az().with("client_id", "nat").with("redirect_uri", "com.example.app:/cb");
    let page = alice.sign_in(&asked, "alice").await;
    let agreed = alice.say(&page, "yes").await;
    let again = alice.authorize(&asked).await;
    let wrong = alice.authorize(&asked.with("scope", "admin")).await;
    for (answer, told) in [(agreed, "code="), (again, "code="), (wrong, "error=invalid_scope")] {
        answer.page(200);
        assert!(!answer.body.contains("http-equiv"), "{answer:?}");
        let link = format!("href=\"com.example.app:/cb?{told}");
        assert!(answer.body.contains(&link), "{answer:?}");
    }
}

#[tokio::test]
async fn a_post_goes_on_by_get_and_sets_no_cookie() {
    let op = Op::start().await;
    let mut browser = Browser::new(&op);
    browser.headers = vec![("origin", "https://web.test"), ("sec-fetch-site", "cross-site")];
    let answer = browser.post_body("/oauth/authorize", az().query()).await;
    answer.goes_to("/oauth/authorize");
    assert_eq!(answer.header("set-cookie"), None);
    let path = answer.header("location").unwrap().to_owned();
    browser.get(&path).await.page(200).flow();
}

/// Forms may hold raw what an address may not: it goes on encoded, splits no header and breaks nothing.
#[tokio::test]
async fn a_post_with_raw_characters_goes_on_encoded() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let raw = "ü \r\nX: y#\u{0}<";
    let body = format!("{}&state={raw}", az().without("state").query());
    let answer = alice.post_body("/oauth/authorize", body).await;
    let told = answer.goes_to("/oauth/authorize");
    assert_eq!(told["state"], raw);
    let path = answer.header("location").unwrap().to_owned();
    let back = alice.get(&path).await.goes_to("https://web.test/cb");
    assert_eq!(back["state"], raw);
}

/// A navigation that began at a page of ours is carried on by a page: `form-action` holds redirects too.
#[tokio::test]
async fn behind_a_form_the_way_back_is_a_page_that_needs_no_script() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    alice.headers = vec![
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let answer = alice.authorize(&az()).await;
    answer.page(200);
    let on = "http-equiv=\"refresh\" content=\"0;url=https://web.test/cb?code=";
    assert!(answer.body.contains(on), "{answer:?}");
    alice.headers[2] = ("sec-fetch-dest", "iframe");
    alice.authorize(&az()).await.code();
}

#[tokio::test]
async fn another_name_of_the_same_listener_goes_to_the_issuer() {
    let issuer = Provider::builder("http://127.0.0.1:8080");
    let op = Op::with(|_| issuer.clients(clients()).users(People)).await;
    let ask = |host: &'static str| {
        let path = format!("/oauth/authorize?{}", az().query());
        let request = Request::get(path).header("host", host);
        op.send(request.body(Body::empty()).unwrap())
    };
    let answer = ask("localhost:8080").await;
    let location = format!("http://127.0.0.1:8080/oauth/authorize?{}", az().query());
    assert_eq!(answer.header("location"), Some(location.as_str()));
    // M2: no other name moves anything.
    for host in ["127.0.0.1:8080", "evil.test:8080", "localhost:9090"] {
        let answer = ask(host).await;
        assert_eq!(answer.header("location"), None, "{host}");
        assert_eq!(answer.header("strict-transport-security"), None);
    }
}

/// The code that comes of it all is redeemed with its verifier, and yields what was agreed to.
#[tokio::test]
async fn the_code_is_redeemed_for_what_was_agreed_to() {
    let op = Op::with_policy(Policy::default()).await;
    let mut alice = Browser::alices(&op).await;
    let code = alice.authorize(&az()).await.code();
    let tokens = op.redeem("web", &code, VERIFIER).await.ok();
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["active"], true);
    assert_eq!(told["sub"], "alice");
    assert_eq!(told["client_id"], "web");
    assert_eq!(told["scope"], "profile");
}

/// A HEAD is safe by definition (RFC 9110 §9.2.1): it makes no grant.
#[tokio::test]
async fn nobody_gets_a_code_by_head() {
    let op = Op::start().await;
    let mut alice = Browser::alices(&op).await;
    let path = format!("/oauth/authorize?{}", az().query());
    let head = Request::head(path);
    let answer = alice.send(head, String::new()).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, POST")));
    assert_eq!(answer.header("location"), None);
}
