//! SIGKILL in the middle of work, twenty times: nothing that was acknowledged is lost, nothing works twice.
//!
//! Two processes serve one database file. Workers sign in, redeem codes, refresh and revoke at either of them, and an
//! administrator adds users and clients beside them, until both are killed at once. After the restart everything that
//! was answered must hold; what was under way must have happened wholly or not at all.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_tests::{
    Server, Visitor,
    endpoint::{By, Endpoints},
    visitor::Asking,
};
use tokio::task::JoinSet;

const ROUNDS: u32 = 20;
const WORKERS: usize = 4;
const REDIRECT: &str = "https://shop.test/callback";
const SHOP: By<'_> = By::Public("shop");

/// A code, and what redeems it.
#[derive(Clone, Debug)]
struct Code {
    code: String,
    asking: Asking,
}

/// What was acknowledged, and what was under way, when the processes died.
#[derive(Debug, Default)]
struct Known {
    /// Codes that gave tokens.
    redeemed: Vec<Code>,
    /// Codes whose redemption got no answer.
    redeeming: Vec<Code>,
    /// The newest refresh token of a line, the last request about which was answered or got no answer.
    heads: Vec<String>,
    /// Access tokens that were given and not revoked.
    live: Vec<String>,
    /// Lines whose revocation was answered.
    revoked: Vec<(String, String)>,
    users: Vec<String>,
    clients: Vec<String>,
}

impl Known {
    fn add(&mut self, other: Self) {
        self.redeemed.extend(other.redeemed);
        self.redeeming.extend(other.redeeming);
        self.heads.extend(other.heads);
        self.live.extend(other.live);
        self.revoked.extend(other.revoked);
        self.users.extend(other.users);
        self.clients.extend(other.clients);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_that_was_acknowledged() {
    let mut first = Server::start().await;
    first.add_user("alice");
    first.add_client(&[
        "--id",
        "shop",
        "--public",
        "--redirect-uri",
        REDIRECT,
        "--scope",
        "profile",
    ]);
    let secret = first.add_client(&["--id", "api", "--introspect"]);
    let mut second = first.replica().start().await;
    let (mut all, mut codes) = (Known::default(), BTreeSet::new());
    for round in 0..ROUNDS {
        let known = work_until_killed(&mut first, &mut second, round).await;
        first.restart().await;
        second.restart().await;
        for code in known.redeemed.iter().chain(&known.redeeming) {
            assert!(codes.insert(code.code.clone()), "a code was given twice");
        }
        verify(&first.endpoints(), &second.endpoints(), &secret, &known).await;
        all.add(known);
    }
    let after = |what: &[String], kind: &str| {
        let shown = first.run(&[kind, "list"]).well().stdout;
        let lines: BTreeSet<_> = shown.lines().filter_map(|line| line.split(' ').next()).collect();
        for name in what {
            assert!(lines.contains(name.as_str()), "{kind} {name} is lost");
        }
    };
    after(&all.users, "user");
    after(&all.clients, "client");
    println!(
        "{} codes redeemed, {} under way, {} lines, {} revoked, {} users, {} clients",
        all.redeemed.len(),
        all.redeeming.len(),
        all.heads.len(),
        all.revoked.len(),
        all.users.len(),
        all.clients.len(),
    );
    // A run in which nothing happened shows nothing.
    assert!(all.redeemed.len() > 100 && all.heads.len() > 50 && all.revoked.len() > 20);
    assert!(!all.users.is_empty() && !all.clients.is_empty());
}

async fn work_until_killed(first: &mut Server, second: &mut Server, round: u32) -> Known {
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let here = [first.endpoints(), second.endpoints()];
        let issuer = first.issuer().to_owned();
        workers.spawn(work(here, issuer, number, stop.clone()));
    }
    let mut known = tokio::task::block_in_place(|| administer(first, round));
    // At another point of the work each time.
    tokio::time::sleep(Duration::from_millis(u64::from(round) * 37 % 500)).await;
    first.kill();
    second.kill();
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = workers.join_next().await {
        known.add(done.unwrap());
    }
    known
}

/// Adds a user and a client beside the running servers.
fn administer(server: &Server, round: u32) -> Known {
    let user = format!("user-{round}");
    let client = format!("client-{round}");
    server.add_user(&user);
    server.add_client(&["--id", &client]);
    Known { users: vec![user], clients: vec![client], ..Known::default() }
}

/// Redeems codes, refreshes some lines twice, revokes some, at the two processes in turn.
async fn work(
    processes: [Endpoints; 2],
    issuer: String,
    number: usize,
    stop: Arc<AtomicBool>,
) -> Known {
    let mut known = Known::default();
    let visitor = Visitor::new();
    for turn in number.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let asking = Asking::of(&issuer, "shop", REDIRECT, "profile");
        let Some(code) = visitor.try_code(&asking, "alice").await else {
            break;
        };
        let here = &processes[turn % 2];
        let there = &processes[(turn + 1) % 2];
        if live(here, there, turn, Code { code, asking }, &mut known).await.is_none() {
            break;
        }
    }
    known
}

/// The life of one grant; none when an answer did not come.
async fn live(
    here: &Endpoints,
    there: &Endpoints,
    turn: usize,
    code: Code,
    known: &mut Known,
) -> Option<()> {
    let redemption = code.asking.redemption(&code.code);
    let Ok(tokens) = here.try_post("/oauth/token", SHOP, &redemption).await else {
        known.redeeming.push(code);
        return None;
    };
    let tokens = tokens.well();
    known.redeemed.push(code.clone());
    let (mut access, mut head) = (tokens.text("access_token"), tokens.text("refresh_token"));
    for process in [there, here].iter().take(turn % 3) {
        let form = [("grant_type", "refresh_token"), ("refresh_token", head.as_str())];
        let Ok(next) = process.try_post("/oauth/token", SHOP, &form).await else {
            known.heads.push(head);
            return None;
        };
        let next = next.well();
        (access, head) = (next.text("access_token"), next.text("refresh_token"));
    }
    if turn.is_multiple_of(4) {
        // Whether a revocation without an answer was carried out, nobody can tell.
        let form = [("token", head.as_str())];
        there.try_post("/oauth/revoke", SHOP, &form).await.ok()?.well();
        known.revoked.push((head, access));
    } else {
        known.heads.push(head);
        known.live.push(access);
    }
    Some(())
}

async fn verify(here: &Endpoints, there: &Endpoints, secret: &str, known: &Known) {
    let api = By::Basic("api", secret);
    for access in &known.live {
        assert!(here.is_active(api, access).await, "an acknowledged access token is lost");
    }
    for (head, access) in &known.revoked {
        assert!(!there.is_active(api, access).await, "a revoked grant lives");
        assert_eq!(here.refresh(SHOP, head).await.text("error"), "invalid_grant");
    }
    for head in &known.heads {
        let one = here.refresh(SHOP, head).await.well();
        let two = there.refresh(SHOP, head).await.well();
        let heads = (one.text("refresh_token"), two.text("refresh_token"));
        assert_eq!(heads.0, heads.1, "a refresh token has two successors");
    }
    for code in &known.redeeming {
        let redemption = code.asking.redemption(&code.code);
        let first = here.token(SHOP, &redemption).await;
        let second = there.token(SHOP, &redemption).await;
        let redeemed = [first, second].iter().filter(|answer| answer.status == 200).count();
        assert!(redeemed <= 1, "a code works twice");
    }
    for code in &known.redeemed {
        let again = there.token(SHOP, &code.asking.redemption(&code.code)).await;
        assert_eq!(again.text("error"), "invalid_grant", "a code works twice");
    }
}
