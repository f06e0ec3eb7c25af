//! The token endpoint.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use axum::body::Body;
use countersign_protocol::{
    Denied, Secret, Subject,
    client::{Client, GrantType},
    policy::{Lifetimes, Policy, Rotate, SessionsPerUser, UnknownScope},
};
use countersign_provider::{
    Provider,
    store::{Key, Kind},
    users::{Profile, Users},
};
use http::{Request, header};

use crate::{
    browser::{Browser, VERIFIER, az},
    harness::{
        ISSUER, Op, PASSWORD, People, SECRET, basic, clients, id, post, secs, subject, text, web,
    },
    people::World,
};

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn password<'a>(name: &'a str, password: &'a str) -> [(&'a str, &'a str); 3] {
    [("grant_type", "password"), ("username", name), ("password", password)]
}

/// T1: the second redemption is refused and ends what the first one gave; another user's tokens are untouched.
#[tokio::test]
async fn a_code_works_once_and_its_reuse_kills_what_it_gave() {
    let op = Op::start().await;
    let others = op.token("first", &password("bob", PASSWORD)).await.ok();
    let (code, verifier) = op.code("web").await;
    let first = op.redeem("web", &code, &verifier).await.ok();
    op.redeem("web", &code, &verifier).await.refused("invalid_grant");
    assert_eq!(op.introspect(text(&first, "access_token")).await["active"], false);
    op.refresh("web", text(&first, "refresh_token")).await.refused("invalid_grant");
    assert_eq!(op.introspect(text(&others, "access_token")).await["active"], true);
}

/// T2: 50 at once, over two replicas on one store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_redemptions_at_once_one_wins_at_most() {
    let replicas = two_replicas(Policy::default()).await;
    for _ in 0..200 {
        let (code, verifier) = replicas[0].code("pub").await;
        let tries = (0..50).map(|n| {
            let (op, code, verifier) = (replicas[n % 2].clone(), code.clone(), verifier.clone());
            tokio::spawn(async move { op.redeem("pub", &code, &verifier).await.status.as_u16() })
        });
        let mut won = 0;
        for attempt in tries.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                200 => won += 1,
                400 => {}
                other => panic!("status {other}"),
            }
        }
        assert_eq!(won, 1);
    }
}

/// T3.
#[tokio::test]
async fn a_code_lives_a_minute() {
    let op = Op::start().await;
    let (code, verifier) = op.code("web").await;
    op.clock.advance(secs(60));
    op.redeem("web", &code, &verifier).await.refused("invalid_grant");
    let (code, verifier) = op.code("web").await;
    op.clock.advance(secs(59));
    op.redeem("web", &code, &verifier).await.ok();
}

/// T4: another client's code is refused and stays good for its own; other handles are no codes.
#[tokio::test]
async fn a_code_is_its_clients_alone() {
    let op = Op::start().await;
    let (code, verifier) = op.code("web").await;
    let stolen = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", "https://web.test/cb"),
        ("code_verifier", &*verifier),
    ];
    op.token("web2", &stolen).await.refused("invalid_grant");
    let tokens = op.redeem("web", &code, &verifier).await.ok();
    for other in ["access_token", "refresh_token"] {
        op.redeem("web", text(&tokens, other), &verifier).await.refused("invalid_grant");
    }
    op.redeem("web", "cs_ac_made-up", &verifier).await.refused("invalid_grant");
    op.refresh("web", &code).await.refused("invalid_grant");
}

/// T5.
#[tokio::test]
async fn the_redirect_uri_is_checked_again() {
    let op = Op::start().await;
    let (code, verifier) = op.code("web").await;
    let with = |uri: Option<&'static str>| {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("code_verifier", &*verifier),
        ];
        pairs.extend(uri.map(|uri| ("redirect_uri", uri)));
        pairs
    };
    op.token("web", &with(Some("https://web2.test/cb"))).await.refused("invalid_grant");
    op.token("web", &with(None)).await.refused("invalid_grant");
    op.token("web", &with(Some("https://web.test/cb"))).await.ok();
}

/// T6.
#[tokio::test]
async fn the_verifier_is_checked_and_a_wrong_one_burns_nothing() {
    let op = Op::start().await;
    let (code, verifier) = op.code("web").await;
    let challenge = countersign_protocol::pkce::pair(&[7; 32]).1.to_string();
    let long = "a".repeat(129);
    let newline = format!("{verifier}\n");
    for wrong in ["", "x", &challenge, &verifier[..42], &long, &newline] {
        op.redeem("web", &code, wrong).await.refused("invalid_grant");
    }
    let twice = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", "https://web.test/cb"),
        ("code_verifier", &*verifier),
        ("code_verifier", &*verifier),
    ];
    op.token("web", &twice).await.refused("invalid_request");
    op.redeem("web", &code, &verifier).await.ok();
}

/// T7: a verifier for a code that was bound to no challenge, and a challenge that was taken out of the request.
#[tokio::test]
async fn pkce_cannot_be_downgraded() {
    let legacy = Client { require_pkce: false, ..web("legacy") };
    let op = Op::with(|builder| builder.clients([legacy])).await;
    let bare = az().without("code_challenge").without("code_challenge_method");
    let asked =
        bare.clone().with("client_id", "legacy").with("redirect_uri", "https://legacy.test/cb");
    let mut alice = Browser::new(&op);
    let page = alice.sign_in(&asked, "alice").await;
    let told = alice.say(&page, "yes").await;
    let code = told.goes_to("https://legacy.test/cb")["code"].clone();
    let redeem = async |verifier: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", "https://legacy.test/cb"),
            ("code_verifier", verifier),
        ];
        let mut request = post("/oauth/token", "", &pairs);
        let value = basic("legacy", SECRET).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        op.send(request).await
    };
    redeem(VERIFIER).await.refused("invalid_grant");
    redeem("").await.ok();

    // The tampered request of everybody else yields no code.
    let mut alice = Browser::alices(&op).await;
    alice.authorize(&bare).await.redirects_error("invalid_request");
}

/// T8: for code and refresh, each way to drop or swap client authentication.
#[tokio::test]
async fn client_authentication_cannot_be_dropped_or_swapped() {
    let op = Op::start().await;
    let tokens = op.tokens("web").await;
    let (code, verifier) = op.code("web").await;
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", "https://web.test/cb"),
        ("code_verifier", &*verifier),
    ];
    for grant in [&refresh[..], &redeem[..]] {
        let with = |more: &[(&'static str, &'static str)]| [grant, more].concat();
        op.token("", grant).await.refused("invalid_client");
        op.token("", &with(&[("client_id", "web")])).await.refused("invalid_client");
        let post = with(&[("client_id", "web"), ("client_secret", SECRET)]);
        op.token("", &post).await.refused("invalid_client");
        op.token("web", &with(&[("client_secret", SECRET)])).await.refused("invalid_request");
        op.token("web", &with(&[("client_id", "web2")])).await.refused("invalid_client");
    }
    op.token("web", &redeem).await.ok();
    op.token("web", &refresh).await.ok();
}

/// T9: methods, places, media types and broken Basic.
#[tokio::test]
async fn parsing_is_strict() {
    let op = Op::start().await;
    let answer = op.get("/oauth/token").await;
    answer.refused_with(405, "invalid_request");
    assert_eq!(answer.header("allow"), Some("POST"));

    let query = post("/oauth/token?client_secret=x", "svc", &CREDENTIALS);
    op.send(query).await.refused("invalid_request");
    op.send(post("/oauth/token?code=x", "svc", &CREDENTIALS)).await.refused("invalid_request");

    for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
        let mut request = post("/oauth/token", "svc", &CREDENTIALS);
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        op.send(request).await.refused_with(415, "invalid_request");
    }
    let twice = [("grant_type", "client_credentials"), ("scope", "profile"), ("scope", "email")];
    op.token("svc", &twice).await.refused("invalid_request");

    let raw: [&[u8]; 7] = [
        b"Basic ???",
        b"Basic",
        b"Basic d2Vi",
        b"Basic JXp6OnM=",
        b"Basic /zp4",
        b"\xff",
        b"Bearer x",
    ];
    for bad in raw {
        let mut request = post("/oauth/token", "", &CREDENTIALS);
        let value = http::HeaderValue::from_bytes(bad).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        op.send(request).await.refused("invalid_client");
    }
    let mut request = post("/oauth/token", "svc", &CREDENTIALS);
    request.headers_mut().append(header::AUTHORIZATION, basic("svc", SECRET).parse().unwrap());
    op.send(request).await.refused("invalid_request");
}

#[tokio::test]
async fn a_body_that_is_broken_or_too_large_is_refused() {
    let op = Op::start().await;
    let send = |body: Vec<u8>| {
        let request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, basic("svc", SECRET))
            .body(Body::from(body))
            .unwrap();
        op.send(request)
    };
    send(b"grant_type=%ff".to_vec()).await.refused("invalid_request");
    send(b"grant_type=\xff".to_vec()).await.refused("invalid_request");
    send(b"".to_vec()).await.refused("invalid_request");
    send(vec![b'a'; 65 * 1024]).await.refused_with(413, "invalid_request");
    let many = "a=1&".repeat(5000);
    send(many.into_bytes()).await.refused("invalid_request");
}

/// T12, in structure: an unknown client, and secrets that are wrong at their beginning or at their end, read the store
/// alike, hash nothing slow and are told the same.
#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_look_the_same() {
    let world = World::new();
    let op = world.replica().await;
    let almost = format!("{}x", &SECRET[..SECRET.len() - 1]);
    let mut seen = Vec::new();
    for (client, secret) in [("nobody", SECRET), ("svc", "wrong"), ("svc", &almost)] {
        // What is remembered of a client for a second is over.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let mut request = post("/oauth/token", "", &CREDENTIALS);
        let value = basic(client, secret).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        let (answer, cost) = world.cost_of(&op, op.send(request)).await;
        answer.refused("invalid_client");
        seen.push((answer.body, answer.headers, cost));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
    assert_eq!(seen[0].2, [1, 0, 0]);
}

/// T13, with the second access token used before the wait: theft.
#[tokio::test]
async fn a_rotated_token_that_comes_back_after_the_leeway_ends_the_line() {
    let op = Op::start().await;
    let first = op.tokens("pub").await;
    let second = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    assert_eq!(op.introspect(text(&second, "access_token")).await["active"], true);
    settle().await;
    op.clock.advance(secs(31));
    op.refresh("pub", text(&first, "refresh_token")).await.refused("invalid_grant");
    op.refresh("pub", text(&second, "refresh_token")).await.refused("invalid_grant");
    assert_eq!(op.introspect(text(&second, "access_token")).await["active"], false);
}

/// T13, without: the answer got lost, and whoever ran ahead unseen is left with nothing.
#[tokio::test]
async fn a_lost_answer_is_forgiven_a_day_later_when_its_head_was_never_seen() {
    let op = Op::start().await;
    let first = op.tokens("pub").await;
    let second = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    op.clock.advance(secs(86_400));
    let third = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    assert_eq!(op.introspect(text(&second, "access_token")).await["active"], false);
    assert_eq!(op.introspect(text(&third, "access_token")).await["active"], true);
    op.refresh("pub", text(&second, "refresh_token")).await.refused("invalid_grant");
}

/// T14: within the leeway the same successor; two generations back, theft.
#[tokio::test]
async fn the_leeway_forgives_the_previous_token_alone() {
    let op = Op::start().await;
    let first = op.tokens("pub").await;
    let second = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    let again = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    assert_eq!(again["access_token"], second["access_token"]);
    let third = op.refresh("pub", text(&second, "refresh_token")).await.ok();
    op.refresh("pub", text(&first, "refresh_token")).await.refused("invalid_grant");
    op.refresh("pub", text(&third, "refresh_token")).await.refused("invalid_grant");
}

/// T15: 50 at once without a leeway, over two replicas on one store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_refreshes_at_once_without_leeway_one_wins_at_most() {
    let lifetimes = Lifetimes { leeway: secs(0), ..Lifetimes::default() };
    let replicas = two_replicas(Policy { lifetimes, ..Policy::default() }).await;
    let op = replicas[0].clone();
    let first = op.tokens("pub").await;
    let token = text(&first, "refresh_token").to_owned();
    let tries = (0..50).map(|n| {
        let (op, token) = (replicas[n % 2].clone(), token.clone());
        tokio::spawn(async move { op.refresh("pub", &token).await })
    });
    let mut winners = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        let answer = attempt.await.unwrap();
        if answer.status == 200 {
            winners.push(answer.json());
        } else {
            answer.refused("invalid_grant");
        }
    }
    assert_eq!(winners.len(), 1);
    op.refresh("pub", text(&winners[0], "refresh_token")).await.refused("invalid_grant");
}

/// T16.
#[tokio::test]
async fn a_refresh_token_is_its_clients_alone() {
    let op = Op::start().await;
    let of_web = op.tokens("web").await;
    let token = text(&of_web, "refresh_token");
    for thief in ["web2", "pub"] {
        op.refresh(thief, token).await.refused("invalid_grant");
    }
    op.refresh("", token).await.refused("invalid_client");
    let of_pub = op.tokens("pub").await;
    op.refresh("nat", text(&of_pub, "refresh_token")).await.refused("invalid_grant");
    op.refresh("web", token).await.ok();
}

/// T17, scopes.
#[tokio::test]
async fn a_refresh_narrows_and_never_broadens() {
    let op = Op::start().await;
    let tokens = op.tokens("web").await;
    let token = text(&tokens, "refresh_token");
    let with = async |scope: &str| {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
        op.token("web", &pairs).await
    };
    with("profile email admin").await.refused("invalid_scope");
    assert_eq!(with("profile").await.ok()["scope"], "profile");
    assert_eq!(op.refresh("web", token).await.ok()["scope"], "profile email");
}

/// T17, where the line is rotated: narrowed once, the next refresh gets what was granted, and never more.
#[tokio::test]
async fn a_rotated_line_narrows_for_one_token_alone() {
    let op = Op::start().await;
    let first = op.tokens("pub").await;
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&first, "refresh_token")),
        ("scope", "profile"),
    ];
    let second = op.token("pub", &narrow).await.ok();
    assert_eq!(second["scope"], "profile");
    let third = op.refresh("pub", text(&second, "refresh_token")).await.ok();
    assert_eq!(third["scope"], "profile email");
}

/// T19: a deleted client's code, line, access token and carried token are dead, on another replica too.
#[tokio::test]
async fn a_deleted_client_leaves_nothing_alive() {
    let [op, other] = two_replicas(Policy::default()).await;
    let everything = Client {
        grant_types: vec![
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
            GrantType::ClientCredentials,
        ],
        ..web("gone")
    };
    let authority = op.provider.authority();
    authority.register(everything, Some(SECRET.into())).await.unwrap();
    let send = async |pairs: &[(&str, &str)]| {
        let mut request = post("/oauth/token", "", pairs);
        let value = basic("gone", SECRET).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        op.send(request).await
    };
    let redeem = async |code: &str, verifier: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", "https://gone.test/cb"),
            ("code_verifier", verifier),
        ];
        send(&pairs).await
    };
    let (code, verifier) = op.code("gone").await;
    let tokens = redeem(&code, &verifier).await.ok();
    let carried = send(&CREDENTIALS).await.ok();
    let (code, verifier) = op.code("gone").await;
    authority.delete_client(&id("gone")).await.unwrap();
    redeem(&code, &verifier).await.refused("invalid_client");
    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    send(&refresh).await.refused("invalid_client");
    for token in [&tokens, &carried] {
        let token = text(token, "access_token");
        assert_eq!(op.introspect(token).await["active"], false);
        assert_eq!(other.introspect(token).await["active"], false);
    }
}

/// T18: idle, and absolute, which rotation does not extend.
#[tokio::test]
async fn a_refresh_line_ends_when_idle_and_at_its_cap() {
    let lifetimes =
        Lifetimes { refresh_idle: secs(100), refresh_cap: secs(250), ..Lifetimes::default() };
    let op = Op::with_policy(Policy { lifetimes, ..Policy::default() }).await;
    let idle = op.tokens("pub").await;
    let mut used = op.tokens("pub").await;
    for _ in 0..2 {
        op.clock.advance(secs(99));
        used = op.refresh("pub", text(&used, "refresh_token")).await.ok();
    }
    op.refresh("pub", text(&idle, "refresh_token")).await.refused("invalid_grant");
    op.clock.advance(secs(51));
    used = op.refresh("pub", text(&used, "refresh_token")).await.ok();
    assert_eq!(used["expires_in"], 1);
    op.clock.advance(secs(1));
    op.refresh("pub", text(&used, "refresh_token")).await.refused("invalid_grant");
}

/// T19, as far as clients, consents and users go that live outside the store: each ends code, refresh and access token.
#[tokio::test]
async fn disabled_means_disabled_for_every_grant() {
    for how in ["client", "consent"] {
        let op = Op::start().await;
        let authority = op.provider.authority();
        let tokens = op.tokens("pub").await;
        let (code, verifier) = op.code("pub").await;
        let password = op.token("first", &password("alice", PASSWORD)).await.ok();
        match how {
            "client" => authority.disable_client(&id("pub"), true).await.unwrap(),
            _ => authority.end_grants_of(&id("pub"), &subject("alice")).await.unwrap(),
        }
        let error = if how == "client" { "invalid_client" } else { "invalid_grant" };
        let redeem = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", "https://spa.test/cb"),
            ("code_verifier", &*verifier),
        ];
        op.token("pub", &redeem).await.refused(error);
        op.refresh("pub", text(&tokens, "refresh_token")).await.refused(error);
        assert_eq!(op.introspect(text(&tokens, "access_token")).await["active"], false);
        assert_eq!(op.introspect(text(&password, "access_token")).await["active"], true);
    }
}

/// Users of the application's own, who can leave.
#[derive(Debug)]
struct Leaving(Arc<AtomicBool>);

#[async_trait]
impl Users for Leaving {
    async fn authenticate(&self, name: &str, secret: &Secret) -> Result<Option<Subject>, Denied> {
        People.authenticate(name, secret).await
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        let left = self.0.load(Ordering::Relaxed);
        Ok(People.find(subject).await?.filter(|_| !left))
    }
}

/// T19: a user whom the application no longer knows redeems and refreshes nothing.
#[tokio::test]
async fn a_user_who_left_the_application_gets_nothing_more() {
    let left = Arc::new(AtomicBool::new(false));
    let op = Op::with(|builder| builder.users(Leaving(left.clone()))).await;
    let tokens = op.tokens("web").await;
    let (code, verifier) = op.code("web").await;
    left.store(true, Ordering::Relaxed);
    op.redeem("web", &code, &verifier).await.refused("invalid_grant");
    op.refresh("web", text(&tokens, "refresh_token")).await.refused("invalid_grant");
}

/// T19: switched on again, a client begins anew; what it held stays dead.
#[tokio::test]
async fn a_client_that_was_disabled_begins_anew() {
    let op = Op::start().await;
    let before = op.token("svc", &CREDENTIALS).await.ok();
    let authority = op.provider.authority();
    authority.disable_client(&id("svc"), true).await.unwrap();
    op.token("svc", &CREDENTIALS).await.refused("invalid_client");
    authority.disable_client(&id("svc"), false).await.unwrap();
    let after = op.token("svc", &CREDENTIALS).await.ok();
    assert_eq!(op.introspect(text(&before, "access_token")).await["active"], false);
    assert_eq!(op.introspect(text(&after, "access_token")).await["active"], true);
}

/// A client of the configuration under the name of one that was deleted from the store is off until it is switched on;
/// what it then gets does not end with the memory of the other one.
#[tokio::test]
async fn a_configured_client_with_a_deleted_ones_name_outlives_its_memory() {
    let world = World::new();
    let before = world.replica().await;
    let again = Client {
        grant_types: vec![GrantType::ClientCredentials],
        redirect_uris: vec![],
        ..web("again")
    };
    let authority = before.provider.authority();
    authority.register(again.clone(), None).await.unwrap();
    authority.delete_client(&id("again")).await.unwrap();

    let op = world.replica_with(|builder| builder.clients([again])).await;
    let ask = || {
        let mut request = post("/oauth/token", "", &CREDENTIALS);
        let value = basic("again", SECRET).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        op.send(request)
    };
    ask().await.refused("invalid_client");
    let authority = op.provider.authority();
    authority.disable_client(&id("again"), false).await.unwrap();
    op.clock.advance(secs(90 * 86_400 - 1));
    let tokens = ask().await.ok();
    op.clock.advance(secs(2));
    // What is remembered of a client for a second is over.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["active"], true);
}

/// T23: a public client gets none; no refresh token, no subject.
#[tokio::test]
async fn client_credentials_are_contained() {
    let public = Client { grant_types: vec![GrantType::AuthorizationCode], ..clients()[2].clone() };
    assert!(Client { grant_types: vec![GrantType::ClientCredentials], ..public }.check().is_err());
    let op = Op::start().await;
    op.token("pub", &CREDENTIALS).await.refused("unauthorized_client");
    let tokens = op.token("svc", &CREDENTIALS).await.ok();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 300);
    assert_eq!(tokens["scope"], "profile email");
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let told = op.introspect(text(&tokens, "access_token")).await;
    assert_eq!(told["client_id"], "svc");
    assert!(told.get("sub").is_none());
}

/// T23: a client with a user's name is not that user.
#[tokio::test]
async fn a_client_with_a_users_name_is_not_that_user() {
    let namesake = Client {
        grant_types: vec![GrantType::ClientCredentials],
        redirect_uris: vec![],
        ..web("alice")
    };
    let op = Op::with(|builder| builder.clients([namesake])).await;
    let mut request = post("/oauth/token", "", &CREDENTIALS);
    let value = basic("alice", SECRET).parse().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, value);
    let tokens = op.send(request).await.ok();
    let access = text(&tokens, "access_token");
    let told = op.introspect(access).await;
    assert_eq!((&told["client_id"], told.get("sub")), (&"alice".into(), None));
    let allowed = op.provider.authority().access(access).await.unwrap();
    assert_eq!((allowed.subject, allowed.client), (None, id("alice")));
}

/// T24: what is not on offer, and what this client is not registered for.
#[tokio::test]
async fn only_registered_grants_are_served() {
    let grant_types = vec![GrantType::AuthorizationCode, GrantType::ClientCredentials];
    let op = Op::with_policy(Policy { grant_types, ..Policy::default() }).await;
    op.token("first", &password("alice", PASSWORD)).await.refused("unsupported_grant_type");
    op.token("web", &CREDENTIALS).await.refused("unauthorized_client");
    op.redeem("web", "x", "y").await.refused("invalid_grant");
    let code = [("grant_type", "authorization_code"), ("code", "x")];
    op.token("svc", &code).await.refused("unauthorized_client");
    let urn = [("grant_type", "urn:ietf:params:oauth:grant-type:saml2-bearer")];
    op.token("svc", &urn).await.refused("unsupported_grant_type");
}

/// T26: CORS for the client's own origins alone.
#[tokio::test]
async fn only_a_clients_own_pages_may_read_its_answers() {
    let op = Op::start().await;
    let allowed = |answer: &crate::harness::Answer| {
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    let from = |origin: &str, client: &str| {
        let mut request = post("/oauth/token", client, &[("grant_type", "refresh_token")]);
        request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        op.send(request)
    };
    assert_eq!(
        allowed(&from("https://spa.test", "pub").await).as_deref(),
        Some("https://spa.test")
    );
    for (origin, client) in [
        ("https://evil.test", "pub"),
        ("null", "pub"),
        ("https://spa.test.evil.test", "pub"),
        ("https://first.test", "pub"),
        ("https://spa.test", "web"),
    ] {
        let answer = from(origin, client).await;
        assert_eq!(allowed(&answer), None, "{origin} {client}");
        assert_eq!(answer.header("vary"), Some("origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let preflight = |origin: &str| {
        let request = Request::options("/oauth/token")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .body(Body::empty());
        op.send(request.unwrap())
    };
    let answer = preflight("https://first.test").await;
    assert_eq!(answer.status, 204);
    assert_eq!(allowed(&answer).as_deref(), Some("https://first.test"));
    for unknown in ["https://evil.test", "null"] {
        assert_eq!(allowed(&preflight(unknown).await), None);
    }
    let registered = Client { origins: vec!["https://new.test".into()], ..web("stored") };
    op.provider.authority().register(registered, None).await.unwrap();
    let answer = preflight("https://new.test").await;
    assert_eq!(allowed(&answer).as_deref(), Some("https://new.test"));
}

/// Seeds S0 and S1: a token for a name and a password; a wrong one is a clear error.
#[tokio::test]
async fn seed_a_name_and_a_password_give_tokens() {
    let op = Op::start().await;
    let tokens = op.token("first", &password("alice", PASSWORD)).await.ok();
    assert_eq!(op.introspect(text(&tokens, "access_token")).await["sub"], "alice");
    op.refresh("first", text(&tokens, "refresh_token")).await.ok();
    op.token("first", &password("alice", "wrong")).await.refused("invalid_grant");
    op.token("first", &password("nobody", PASSWORD)).await.refused("invalid_grant");
    op.token("first", &[("grant_type", "password")]).await.refused("invalid_request");
}

/// Seed S1: one live token per client and user.
#[tokio::test]
async fn seed_one_session_per_user_ends_the_one_before() {
    let single = Client {
        sessions_per_user: SessionsPerUser::One,
        grant_types: vec![GrantType::Password, GrantType::RefreshToken],
        ..web("single")
    };
    let op = Op::with(|builder| builder.clients([single])).await;
    let sign_in = |name| {
        let mut request = post("/oauth/token", "", &password(name, PASSWORD));
        let value = basic("single", SECRET).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        op.send(request)
    };
    let (first, bobs) = (sign_in("alice").await.ok(), sign_in("bob").await.ok());
    let second = sign_in("alice").await.ok();
    assert_eq!(op.introspect(text(&first, "access_token")).await["active"], false);
    assert_eq!(op.introspect(text(&second, "access_token")).await["active"], true);
    assert_eq!(op.introspect(text(&bobs, "access_token")).await["active"], true);
}

/// Seed S2: scopes per client with a default; unknown ones refused, or dropped by setting.
#[tokio::test]
async fn seed_scopes_have_a_default_and_unknown_ones_are_refused_or_dropped() {
    let asked = [("grant_type", "client_credentials"), ("scope", "profile admin")];
    let op = Op::start().await;
    op.token("svc", &asked).await.refused("invalid_scope");
    assert_eq!(op.token("svc", &CREDENTIALS).await.ok()["scope"], "profile email");
    let drops = Policy { unknown_scope: UnknownScope::Drop, ..Policy::default() };
    let op = Op::with_policy(drops).await;
    assert_eq!(op.token("svc", &asked).await.ok()["scope"], "profile");
}

/// Seed S2: whether a refresh gives a new refresh token is a setting.
#[tokio::test]
async fn seed_reissue_of_refresh_tokens_is_a_setting() {
    for (rotate, changes) in [(Rotate::Never, false), (Rotate::Always, true)] {
        let op = Op::with_policy(Policy { rotate, ..Policy::default() }).await;
        let first = op.tokens("web").await;
        let second = op.refresh("web", text(&first, "refresh_token")).await.ok();
        assert_eq!(first["refresh_token"] != second["refresh_token"], changes);
    }
}

/// Design §2: a million machine tokens cost no storage.
#[tokio::test]
async fn a_machine_token_is_carried_and_writes_nothing() {
    let op = Op::start().await;
    let before = records(&op).await;
    let tokens = op.token("svc", &CREDENTIALS).await.ok();
    assert!(text(&tokens, "access_token").len() < 300);
    assert_eq!(records(&op).await, before);
    let keeps = Op::with_policy(Policy { keep_grants: true, ..Policy::default() }).await;
    let before = records(&keeps).await;
    keeps.token("svc", &CREDENTIALS).await.ok();
    assert_eq!(records(&keeps).await, before + 1);
}

/// X7: names with odd characters meet no other record.
#[tokio::test]
async fn odd_names_meet_no_other_record() {
    let op = Op::start().await;
    for odd in ["web%00", "web\u{0}", "we b", "*", "web:x", &"w".repeat(300), "web\r\nx"] {
        let mut request = post("/oauth/token", "", &CREDENTIALS);
        let value = basic(odd, SECRET).parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        op.send(request).await.refused("invalid_client");
    }
}

#[tokio::test]
async fn a_provider_refuses_an_issuer_or_client_that_cannot_be_meant() {
    for issuer in ["http://op.test", "op.test", "https://op.test?x", "https://op.test#x", ""] {
        assert!(Provider::builder(issuer).build().await.is_err(), "{issuer}");
    }
    let bad = Client { redirect_uris: vec!["http://web.test/cb".into()], ..web("bad") };
    assert!(Provider::builder(ISSUER).clients([bad]).build().await.is_err());
}

/// Two replicas of the provider on one store.
async fn two_replicas(policy: Policy) -> [Arc<Op>; 2] {
    let world = World::new();
    let replica = || {
        let policy = policy.clone();
        world.replica_with(|builder| builder.policy(policy).users(People))
    };
    [Arc::new(replica().await), Arc::new(replica().await)]
}

async fn records(op: &Op) -> usize {
    let mut count = 0;
    for kind in Kind::ALL {
        let query = countersign_provider::store::Query { issuer: ISSUER.into(), kind, tag: None };
        let page = countersign_provider::store::Page { after: None, size: 1000 };
        count += op.store.list(&query, page).await.unwrap().records.len();
    }
    assert!(
        op.store
            .get(&Key { issuer: ISSUER.into(), kind: Kind::Key, id: "ring".into() })
            .await
            .unwrap()
            .is_some()
    );
    count
}

/// Lets what was left to run behind an answer run.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
