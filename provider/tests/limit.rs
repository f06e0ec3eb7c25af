//! The brakes on guessing, at the page and at the token endpoint.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use axum::extract::ConnectInfo;
use countersign_protocol::brake::Limit;
use countersign_provider::{limit::Limits, users::users_fn};

use crate::{
    browser::{Browser, az},
    harness::{Answer, Op, PASSWORD, post, secs, subject},
    people::{World, add, with_alice},
};

fn password<'a>(name: &'a str, password: &'a str) -> [(&'a str, &'a str); 3] {
    [("grant_type", "password"), ("username", name), ("password", password)]
}

async fn try_at(op: &Op, name: &str, secret: &str) -> Answer {
    op.token("first", &password(name, secret)).await
}

async fn try_from(op: &Op, address: &str, name: &str) -> Answer {
    let mut request = post("/oauth/token", "first", &password(name, "wrong password"));
    let address: SocketAddr = address.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(address));
    op.send(request).await
}

#[track_caller]
fn is_braked(answer: &Answer) -> u64 {
    answer.refused_with(429, "temporarily_unavailable");
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// L10: ten wrong in 15 minutes, whatever the spelling, then 429 with the time to wait, and for the right one too.
#[tokio::test]
async fn the_eleventh_try_of_an_account_is_braked() {
    let (world, op) = with_alice().await;
    for name in ["alice", "Alice", "alice ", "ａｌｉｃｅ", "ALICE"].repeat(2) {
        try_at(&op, name, "wrong password").await.refused("invalid_grant");
    }
    for secret in ["wrong password", PASSWORD] {
        let wait = is_braked(&try_at(&op, "aLiCe", secret).await);
        assert!((890..=900).contains(&wait), "{wait}");
    }
    world.clock.advance(secs(900));
    try_at(&op, "alice", PASSWORD).await.ok();
}

/// L10: page and password grant share one counter.
#[tokio::test]
async fn the_page_and_the_token_endpoint_share_the_brake() {
    let (_world, op) = with_alice().await;
    let mut browser = Browser::new(&op);
    let page = browser.authorize(&az()).await;
    for _ in 0..5 {
        browser.enter(&page, "Alice", "wrong password").await.page(400);
        try_at(&op, "alice", "wrong password").await.refused("invalid_grant");
    }
    is_braked(&try_at(&op, "alice", PASSWORD).await);
    let held = browser.enter(&page, "alice", PASSWORD).await;
    held.page(429);
    assert!(held.header("retry-after").is_some());
}

/// L9: who has no account is braked as who has one.
#[tokio::test]
async fn an_unknown_name_is_braked_the_same() {
    let (_world, op) = with_alice().await;
    let mut answers = Vec::new();
    for name in ["alice", "nobody"] {
        for _ in 0..10 {
            try_at(&op, name, "wrong password").await.refused("invalid_grant");
        }
        let held = try_at(&op, name, "wrong password").await;
        is_braked(&held);
        answers.push((held.status, held.headers, held.body));
    }
    assert_eq!(answers[0], answers[1]);
}

/// L10, F14: guesses from elsewhere don't lock out the browser that signed in before; it has a few tries of its own.
#[tokio::test]
async fn a_known_browser_is_not_locked_out() {
    let (_world, op) = with_alice().await;
    let mut known = Browser::alices(&op).await;
    for _ in 0..10 {
        try_at(&op, "alice", "wrong password").await.refused("invalid_grant");
    }
    let again = az().with("prompt", "login");
    let mut stranger = Browser::new(&op);
    let page = stranger.authorize(&again).await;
    stranger.enter(&page, "alice", PASSWORD).await.page(429);
    let page = known.authorize(&again).await;
    for _ in 0..20 {
        known.enter(&page, "alice", PASSWORD).await.goes_to("/oauth/authorize");
    }
    for _ in 0..5 {
        known.enter(&page, "alice", "wrong password").await.page(400);
    }
    known.enter(&page, "alice", PASSWORD).await.page(429);
}

/// A browser is known for the account that was signed in to from it, and for no other.
#[tokio::test]
async fn a_known_browser_is_a_stranger_to_another_account() {
    let (_world, op) = with_alice().await;
    add(&op, "bob").await;
    let mut alices = Browser::alices(&op).await;
    let page = alices.authorize(&az().with("prompt", "login")).await;
    for _ in 0..10 {
        try_at(&op, "bob", "wrong password").await.refused("invalid_grant");
    }
    alices.enter(&page, "bob", PASSWORD).await.page(429);
}

/// L10: one password tried at a thousand accounts from one address; IPv6 counts by /64.
#[tokio::test]
async fn a_spray_from_one_address_is_braked() {
    let (_world, op) = with_alice().await;
    for (one, other) in
        [("192.0.2.7:1", "192.0.2.8:1"), ("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1")]
    {
        let mut refused = 0;
        for number in 0..1000 {
            let answer = try_from(&op, one, &format!("user {one} {number}")).await;
            if answer.status == 429 {
                refused += 1;
            }
        }
        assert_eq!(refused, 900);
        try_from(&op, other, "alice").await.refused("invalid_grant");
    }
    is_braked(&try_from(&op, "[2001:db8:1:2:ffff::9]:1", "alice").await);
    is_braked(&try_from(&op, "[::ffff:192.0.2.7]:1", "alice").await);
}

/// An address that is braked burns no try of the account that it aims at.
#[tokio::test]
async fn a_braked_address_locks_nobody_out() {
    let world = World::new();
    let address = Limit { tries: 1, window: secs(900) };
    let limits = Limits { address, ..Limits::default() };
    let op = world.replica_with(|builder| builder.limits(limits)).await;
    add(&op, "alice").await;
    try_from(&op, "192.0.2.7:1", "bob").await.refused("invalid_grant");
    for _ in 0..20 {
        is_braked(&try_from(&op, "192.0.2.7:1", "alice").await);
    }
    try_at(&op, "alice", PASSWORD).await.ok();
}

/// F14: the limit holds exactly, however many replicas are asked at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_holds_exactly_across_replicas() {
    let world = World::new();
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Arc::new(world.replica().await));
    }
    add(&replicas[0], "alice").await;
    let tries: Vec<_> = (0..60)
        .map(|number| {
            let op = replicas[number % 3].clone();
            tokio::spawn(async move { try_at(&op, "alice", "wrong password").await.status })
        })
        .collect();
    let mut evaluated = 0;
    for one in tries {
        match one.await.unwrap().as_u16() {
            400 => evaluated += 1,
            status => assert!(matches!(status, 429 | 503), "{status}"),
        }
    }
    let hashes = replicas.iter().map(|op| op.provider.authority().passwords().hashes());
    // One hash made alice's password.
    assert_eq!((evaluated, hashes.sum::<u64>()), (10, 11));
}

/// Right passwords at once wait for each other instead of being taken for guesses.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_right_passwords_at_once_are_let_in() {
    let (_world, op) = with_alice().await;
    let op = Arc::new(op);
    let tries: Vec<_> = (0..30)
        .map(|_| {
            let op = op.clone();
            tokio::spawn(async move { try_at(&op, "alice", PASSWORD).await.status })
        })
        .collect();
    for one in tries {
        let status = one.await.unwrap().as_u16();
        // The queue of hashes is short on a small machine.
        assert!(matches!(status, 200 | 503), "{status}");
    }
}

/// F13, faults §6: without the store nobody is let in, and nothing is hashed.
#[tokio::test]
async fn without_the_store_nobody_signs_in() {
    let (world, op) = with_alice().await;
    world.store.down.store(true, Ordering::Relaxed);
    let before = op.provider.authority().passwords().hashes();
    let answer = try_at(&op, "alice", PASSWORD).await;
    answer.refused_with(503, "temporarily_unavailable");
    assert_eq!(op.provider.authority().passwords().hashes(), before);
    world.store.down.store(false, Ordering::Relaxed);
    try_at(&op, "alice", PASSWORD).await.ok();
}

/// Users whom only the application knows are braked too.
#[tokio::test]
async fn names_of_a_closure_are_braked() {
    let world = World::new();
    let users = users_fn(|name, secret| async move {
        let right = name == "carol" && secret.matches(&PASSWORD.into());
        Ok(right.then(|| subject("carol")))
    });
    let op = world.replica_with(|builder| builder.users(users)).await;
    for _ in 0..10 {
        try_at(&op, "carol", "wrong password").await.refused("invalid_grant");
    }
    is_braked(&try_at(&op, "carol", PASSWORD).await);
}

/// However many names are made up, they fill no more than the buckets; and the records go by themselves.
#[tokio::test]
async fn made_up_names_do_not_fill_the_store() {
    let (world, op) = with_alice().await;
    let names = || async {
        let query = countersign_provider::store::Query {
            issuer: crate::harness::ISSUER.into(),
            kind: countersign_provider::store::Kind::Limit,
            tag: None,
        };
        let page = countersign_provider::store::Page { after: None, size: 1000 };
        op.store.list(&query, page).await.unwrap().records
    };
    for number in 0..200 {
        try_at(&op, &format!("{number} made up"), "wrong password").await;
    }
    let kept = names().await;
    assert!((100..=200).contains(&kept.len()));
    let short = |id: &str| id.len() == "name:0000".len() && id.starts_with("name:");
    assert!(kept.iter().all(|(id, _)| short(id)), "{kept:?}");
    world.clock.advance(secs(900));
    assert!(names().await.is_empty());
}
