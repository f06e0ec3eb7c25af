//! The table of the grant's steps. Random interleavings and the exhaustive small world are in the crate's `tests`.

use std::time::Duration;

use super::*;
use crate::{
    client::{
        Client,
        tests::{public, web},
    },
    pkce,
    policy::{Lifetime, Policy},
    secret::Secret,
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const MINE: Version = Version::from_bytes([1; 16]);

#[derive(Debug)]
struct Drew(Version);

impl OwnWrite for Drew {
    fn is_own(&self, version: &Version) -> bool {
        *version == self.0
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn terms() -> Terms {
    Policy::default().terms(&public())
}

fn terminus() -> Terminus {
    Terminus {
        client: public().client_id,
        subject: Subject::new("alice"),
        grant_type: GrantType::AuthorizationCode,
        scope: "profile email".parse().unwrap(),
        epochs: Epochs::default(),
        session: None,
        auth_time: Some(NOW),
    }
}

fn pending() -> (Grant, Secret) {
    pending_under(&terms())
}

fn pending_under(terms: &Terms) -> (Grant, Secret) {
    let (verifier, challenge) = pkce::pair(&[3; 32]);
    let pending = Pending {
        code_expires: NOW + secs(60),
        redirect_uri: "https://spa.test/cb".into(),
        redirect_uri_named: true,
        challenge: Some(challenge),
    };
    let salt = Salt::from_bytes([4; 16]);
    (Grant::pending(terminus(), pending, salt, terms, NOW + secs(600), NOW), verifier)
}

fn redeem(
    grant: &Grant,
    verifier: Option<&Secret>,
    now: Timestamp,
) -> Result<(Grant, Output), Denied> {
    redeem_under(grant, verifier, &terms(), now)
}

fn redeem_under(
    grant: &Grant,
    verifier: Option<&Secret>,
    terms: &Terms,
    now: Timestamp,
) -> Result<(Grant, Output), Denied> {
    let client = public().client_id;
    let redemption = Redemption {
        client: &client,
        redirect_uri: Some("https://spa.test/cb"),
        verifier,
        version: MINE,
        own: &Drew(Version::from_bytes([0; 16])),
    };
    step(grant, Input::Redeem(redemption), terms, now)
}

fn refresh_with(
    grant: &Grant,
    generation: u32,
    scope: Option<&str>,
    terms: &Terms,
    now: Timestamp,
) -> Result<(Grant, Output), Denied> {
    let client = public().client_id;
    let scope = scope.map(|scope| scope.parse::<Scope>().unwrap());
    let refresh = Refresh { client: &client, generation, scope: scope.as_ref() };
    step(grant, Input::Refresh(refresh), terms, now)
}

fn refresh(grant: &Grant, generation: u32, now: Timestamp) -> Result<(Grant, Output), Denied> {
    refresh_with(grant, generation, None, &terms(), now)
}

fn issued(stepped: Result<(Grant, Output), Denied>) -> (Grant, Issued) {
    match stepped.unwrap() {
        (grant, Output::Issued(issued)) => (grant, issued),
        other => panic!("no tokens: {other:?}"),
    }
}

fn active() -> (Grant, Issued) {
    let (grant, verifier) = pending();
    issued(redeem(&grant, Some(&verifier), NOW))
}

fn assert_revoked(stepped: Result<(Grant, Output), Denied>, denied: Denied, why: Reason) {
    let (grant, output) = stepped.unwrap();
    assert_eq!(output, Output::Refused(denied));
    assert!(matches!(grant.state, State::Revoked(Revoked { why: found, .. }) if found == why));
}

/// T1.
#[test]
fn a_code_works_once_and_a_replay_revokes_what_it_gave() {
    let (grant, verifier) = pending();
    let (grant, issued) = issued(redeem(&grant, Some(&verifier), NOW));
    assert_eq!((issued.refresh, issued.access.number), (Some(1), 1));
    let replay = redeem(&grant, Some(&verifier), NOW + secs(1));
    assert_revoked(replay.clone(), Denied::CodeReplayed, Reason::CodeReplayed);
    let (grant, _) = replay.unwrap();
    assert_eq!(grant.access(1, NOW), Err(Denied::AccessTokenInvalid));
    assert_eq!(refresh(&grant, 1, NOW), Err(Denied::GrantRevoked));
}

#[test]
fn a_redemption_whose_answer_was_lost_is_its_own_and_no_replay() {
    let (grant, verifier) = pending();
    let (grant, first) = issued(redeem(&grant, Some(&verifier), NOW));
    let client = public().client_id;
    let redemption = Redemption {
        client: &client,
        redirect_uri: Some("https://spa.test/cb"),
        verifier: Some(&verifier),
        version: Version::from_bytes([9; 16]),
        own: &Drew(MINE),
    };
    let (after, again) = issued(step(&grant, Input::Redeem(redemption), &terms(), NOW));
    assert_eq!((after, again), (grant, first));
}

#[test]
fn a_token_lives_as_long_however_long_its_code_waited() {
    let single = Terms { refreshes: false, access_token: secs(20), ..terms() };
    let (grant, verifier) = pending_under(&single);
    let late = NOW + secs(59);
    let (grant, first) = issued(redeem_under(&grant, Some(&verifier), &single, late));
    assert_eq!((first.access.expires, first.refresh), (late + secs(20), None));
    assert!(first.access.expires <= grant.cap);
}

#[test]
fn an_own_redemption_with_nothing_left_to_hand_out_is_no_replay() {
    let (grant, verifier) = pending();
    let (grant, _) = issued(redeem(&grant, Some(&verifier), NOW));
    let client = public().client_id;
    let redemption = Redemption {
        client: &client,
        redirect_uri: Some("https://spa.test/cb"),
        verifier: Some(&verifier),
        version: MINE,
        own: &Drew(MINE),
    };
    let late = NOW + terms().access_token;
    let again = step(&grant, Input::Redeem(redemption), &terms(), late);
    assert_eq!(again, Err(Denied::CodeExpired));
}

/// A record that goes on for months does not remember its code for months.
#[test]
fn a_refresh_after_the_flow_forgets_the_code() {
    let (grant, verifier) = pending();
    let (grant, _) = issued(redeem(&grant, Some(&verifier), NOW));
    let later = NOW + secs(600);
    let (grant, _) = issued(refresh(&grant, 1, later));
    assert_eq!(redeem(&grant, Some(&verifier), later), Err(Denied::CodeExpired));
}

/// Whoever found the code alone ends nobody's session with it.
#[test]
fn a_replay_without_the_verifier_changes_nothing() {
    let (grant, verifier) = pending();
    let (grant, _) = issued(redeem(&grant, Some(&verifier), NOW));
    let wrong = Secret::new("x".repeat(43));
    assert_eq!(redeem(&grant, None, NOW), Err(Denied::VerifierMissing));
    assert_eq!(redeem(&grant, Some(&wrong), NOW), Err(Denied::VerifierMismatch));
    assert!(refresh(&grant, 1, NOW).is_ok());
}

/// T3-T7: each refusal leaves the code as it was.
#[test]
fn a_refused_redemption_changes_nothing() {
    let (grant, verifier) = pending();
    let client = public().client_id;
    let other = web().client_id;
    let wrong = Secret::new("x".repeat(43));
    let base = Redemption {
        client: &client,
        redirect_uri: Some("https://spa.test/cb"),
        verifier: Some(&verifier),
        version: MINE,
        own: &Drew(MINE),
    };
    let cases = [
        (Redemption { client: &other, ..base.clone() }, NOW, Denied::OfAnotherClient),
        (Redemption { redirect_uri: None, ..base.clone() }, NOW, Denied::RedirectUriOfCode),
        (
            Redemption { redirect_uri: Some("https://x/"), ..base.clone() },
            NOW,
            Denied::RedirectUriOfCode,
        ),
        (Redemption { verifier: None, ..base.clone() }, NOW, Denied::VerifierMissing),
        (Redemption { verifier: Some(&wrong), ..base.clone() }, NOW, Denied::VerifierMismatch),
        (base.clone(), NOW + secs(60), Denied::CodeExpired),
    ];
    for (redemption, now, denied) in cases {
        assert_eq!(step(&grant, Input::Redeem(redemption), &terms(), now), Err(denied));
    }
    assert!(step(&grant, Input::Redeem(base), &terms(), NOW + secs(59)).is_ok());
}

/// T7.
#[test]
fn a_code_without_a_challenge_takes_no_verifier() {
    let (mut grant, verifier) = pending();
    let State::Pending(pending) = &mut grant.state else { unreachable!() };
    pending.challenge = None;
    assert_eq!(redeem(&grant, Some(&verifier), NOW), Err(Denied::VerifierUnexpected));
    assert!(redeem(&grant, None, NOW).is_ok());
}

#[test]
fn the_head_gets_the_next_generation() {
    let (grant, _) = active();
    let (grant, second) = issued(refresh(&grant, 1, NOW));
    assert_eq!((second.refresh, second.access.generation), (Some(2), 2));
    assert_eq!(issued(refresh(&grant, 2, NOW)).1.refresh, Some(3));
}

/// T14, first half.
#[test]
fn a_repeat_within_the_leeway_gets_the_same_again() {
    let (grant, _) = active();
    let (grant, first) = issued(refresh(&grant, 1, NOW));
    let (grant, again) = issued(refresh(&grant, 1, NOW + secs(29)));
    assert_eq!(again, first);
    // The repeat restarted the leeway.
    let (_, third) = issued(refresh(&grant, 1, NOW + secs(58)));
    assert_eq!(third, first);
}

/// Within a client's 30 s after a lost answer no newer token is exchanged: what it gets by asking again must last.
#[test]
fn a_repeat_gets_a_new_access_token_when_the_old_one_is_nearly_over() {
    let brief = Terms { access_token: secs(10), ..terms() };
    let (grant, _) = active();
    let (grant, first) = issued(refresh_with(&grant, 1, None, &brief, NOW));
    let (grant, fresh) = issued(refresh_with(&grant, 1, None, &brief, NOW + secs(4)));
    assert_eq!(fresh, first);
    let (_, again) = issued(refresh_with(&grant, 1, None, &brief, NOW + secs(5)));
    assert_eq!(again.refresh, first.refresh);
    assert_eq!(again.access.expires, NOW + secs(15));
}

#[test]
fn a_repeat_with_another_scope_is_refused_and_changes_nothing() {
    let (grant, _) = active();
    let (grant, _) = issued(refresh_with(&grant, 1, Some("profile"), &terms(), NOW));
    let other = refresh_with(&grant, 1, Some("email"), &terms(), NOW);
    assert_eq!(other, Err(Denied::ScopeOfRepeat));
    assert_eq!(refresh(&grant, 1, NOW), Err(Denied::ScopeOfRepeat));
    assert!(refresh_with(&grant, 1, Some("profile"), &terms(), NOW).is_ok());
}

/// T14, second half: two generations back, within the leeway.
#[test]
fn two_generations_back_is_a_theft_at_once() {
    let (grant, _) = active();
    let (grant, _) = issued(refresh(&grant, 1, NOW));
    let (grant, _) = issued(refresh(&grant, 2, NOW));
    assert_revoked(refresh(&grant, 1, NOW), Denied::RefreshReplayed, Reason::RefreshReplayed);
}

/// T14: a theft is one whatever scope the thief asks for.
#[test]
fn a_theft_is_not_hidden_by_a_scope_that_is_too_broad() {
    let (grant, _) = active();
    let (grant, _) = issued(refresh(&grant, 1, NOW));
    let (grant, _) = issued(refresh(&grant, 2, NOW));
    assert_revoked(
        refresh_with(&grant, 1, Some("profile admin"), &terms(), NOW),
        Denied::RefreshReplayed,
        Reason::RefreshReplayed,
    );
}

/// T13, both ways.
#[test]
fn after_the_leeway_a_seen_head_means_theft_and_an_unseen_one_a_lost_answer() {
    let (grant, _) = active();
    let (rotated, second) = issued(refresh(&grant, 1, NOW));
    let later = NOW + secs(31);

    let (seen, _) = step(&rotated, Input::Seen(second.access.number), &terms(), NOW).unwrap();
    assert_revoked(refresh(&seen, 1, later), Denied::RefreshReplayed, Reason::RefreshReplayed);

    let (forgiven, third) = issued(refresh(&rotated, 1, later));
    assert_eq!(third.refresh, Some(3));
    assert_eq!(forgiven.access(second.access.number, later), Err(Denied::AccessTokenInvalid));
    // The unseen head is dead, and whoever shows it gives themselves away.
    assert_revoked(refresh(&forgiven, 2, later), Denied::RefreshReplayed, Reason::RefreshReplayed);
}

#[test]
fn without_a_leeway_nothing_is_forgiven() {
    let strict = Terms { leeway: Duration::ZERO, ..terms() };
    let (grant, _) = active();
    let (grant, _) = issued(refresh_with(&grant, 1, None, &strict, NOW));
    let again = refresh_with(&grant, 1, None, &strict, NOW);
    assert_revoked(again, Denied::RefreshReplayed, Reason::RefreshReplayed);
}

#[test]
fn an_access_token_of_an_older_generation_does_not_mark_the_head_as_seen() {
    let (grant, first) = active();
    let (grant, second) = issued(refresh(&grant, 1, NOW));
    assert!(!grant.notes(first.access.number, &terms(), NOW));
    assert!(grant.notes(second.access.number, &terms(), NOW));
    let (grant, _) = step(&grant, Input::Seen(second.access.number), &terms(), NOW).unwrap();
    assert!(!grant.notes(second.access.number, &terms(), NOW), "noted once");
}

#[test]
fn where_the_line_is_not_rotated_the_head_stays() {
    let shared = Terms { rotates: false, live: 64, ..terms() };
    let (grant, _) = active();
    let (grant, second) = issued(refresh_with(&grant, 1, None, &shared, NOW));
    assert_eq!((second.refresh, second.access.number), (Some(1), 2));
    assert!(refresh_with(&grant, 1, None, &shared, NOW + secs(86_400)).is_ok());
}

/// T18: idle and absolute end; rotation never extends the latter.
#[test]
fn a_line_ends_when_idle_and_at_its_cap() {
    let short = Terms { refresh_idle: secs(100), refresh_cap: secs(250), ..terms() };
    let (mut grant, _) = Grant::active(terminus(), Salt::from_bytes([0; 16]), &short, NOW);
    let refresh = |grant: &Grant, generation, at| {
        refresh_with(grant, generation, None, &short, NOW + secs(at))
    };
    assert_eq!(refresh(&grant, 1, 100), Err(Denied::RefreshExpired));
    for (generation, at) in [(1, 99), (2, 198), (3, 249)] {
        grant = issued(refresh(&grant, generation, at)).0;
    }
    assert_eq!(refresh(&grant, 4, 250), Err(Denied::RefreshExpired));
    let State::Active(active) = &grant.state else { unreachable!() };
    assert!(active.live.iter().all(|access| access.expires <= NOW + secs(250)));
}

/// T17, scopes.
#[test]
fn a_refresh_narrows_and_never_broadens() {
    let (grant, _) = active();
    assert_eq!(
        refresh_with(&grant, 1, Some("profile admin"), &terms(), NOW),
        Err(Denied::ScopeBroader)
    );
    let (grant, narrow) = issued(refresh_with(&grant, 1, Some("profile"), &terms(), NOW));
    assert_eq!(narrow.scope.as_str(), "profile");
    let (_, whole) = issued(refresh(&grant, 2, NOW));
    assert_eq!(whole.scope.as_str(), "profile email");
}

/// T16.
#[test]
fn a_refresh_token_is_its_clients_alone() {
    let (grant, _) = active();
    let other = web().client_id;
    let refresh = Refresh { client: &other, generation: 1, scope: None };
    assert_eq!(step(&grant, Input::Refresh(refresh), &terms(), NOW), Err(Denied::OfAnotherClient));
}

#[test]
fn a_generation_that_was_never_issued_is_unknown() {
    let (grant, _) = active();
    for generation in [0, 2, u32::MAX] {
        assert_eq!(refresh(&grant, generation, NOW), Err(Denied::TokenUnknown));
    }
}

#[test]
fn live_access_tokens_are_bounded() {
    let shared = Terms { rotates: false, live: 3, ..terms() };
    let (mut grant, _) = active();
    for _ in 0..2 {
        grant = issued(refresh_with(&grant, 1, None, &shared, NOW)).0;
    }
    let (grant, fourth) = issued(refresh_with(&grant, 1, None, &shared, NOW));
    assert_eq!(fourth.access.number, 3, "the newest again");
    let (grant, fifth) = issued(refresh_with(&grant, 1, None, &shared, NOW + secs(301)));
    assert_eq!(fifth.access.number, 4, "past its half, the oldest gives way");
    assert_eq!(grant.access(1, NOW), Err(Denied::AccessTokenInvalid));
    assert!(grant.access(2, NOW).is_ok());
}

/// R1: the line goes on; without a line the grant ends.
#[test]
fn revoking_an_access_token_ends_that_token_alone() {
    let (grant, first) = active();
    let (grant, _) = step(&grant, Input::RevokeAccess(first.access.number), &terms(), NOW).unwrap();
    assert_eq!(grant.access(first.access.number, NOW), Err(Denied::AccessTokenInvalid));
    assert!(refresh(&grant, 1, NOW).is_ok());
    let single = Terms { refreshes: false, ..terms() };
    let (grant, _) = Grant::active(terminus(), Salt::from_bytes([0; 16]), &single, NOW);
    let (grant, _) = step(&grant, Input::RevokeAccess(1), &single, NOW).unwrap();
    assert!(matches!(grant.state, State::Revoked(_)));
}

/// Seed S0: a sliding hour, written at most once per tenth, never beyond the cap.
#[test]
fn seed_a_sliding_life_goes_on_with_use() {
    let client =
        Client { lifetime: Lifetime::Sliding, grant_types: vec![GrantType::Password], ..public() };
    let sliding = Terms {
        access_token: secs(100),
        refresh_cap: secs(250),
        ..Policy::default().terms(&client)
    };
    let (grant, _) = Grant::active(terminus(), Salt::from_bytes([0; 16]), &sliding, NOW);
    assert!(!grant.notes(1, &sliding, NOW + secs(9)));
    let (grant, _) = step(&grant, Input::Seen(1), &sliding, NOW + secs(90)).unwrap();
    assert!(grant.access(1, NOW + secs(189)).is_ok());
    let (grant, _) = step(&grant, Input::Seen(1), &sliding, NOW + secs(189)).unwrap();
    assert!(grant.access(1, NOW + secs(249)).is_ok());
    assert_eq!(grant.access(1, NOW + secs(250)), Err(Denied::AccessTokenInvalid));
}

#[test]
fn a_record_outlives_all_that_can_still_ask_for_it() {
    let (grant, _) = pending();
    assert_eq!(grant.expires(), NOW + secs(720));
    let (grant, _) = active();
    assert_eq!(grant.expires(), NOW + terms().refresh_idle);
    let (grant, _) =
        step(&grant, Input::Revoke(Reason::Client), &terms(), NOW + secs(700)).unwrap();
    assert_eq!(grant.expires(), NOW + secs(820));
}

/// T19: a redrawn epoch, or a switch.
#[test]
fn another_epoch_ends_what_was_made_under_the_old_one() {
    let mut standing = Standing::default();
    assert_eq!(standing.check(&Epochs::default()), Ok(()));
    standing.epochs.subject = Epoch::from_bytes([1; 8]);
    assert_eq!(standing.check(&Epochs::default()), Err(Denied::GrantRevoked));
    let disabled = Standing { disabled: true, ..Standing::default() };
    assert_eq!(disabled.check(&Epochs::default()), Err(Denied::GrantRevoked));
}

#[test]
fn a_grant_is_small_on_disk() {
    let (grant, _) = active();
    let (grant, _) = issued(refresh(&grant, 1, NOW));
    let json = serde_json::to_string(&grant).unwrap();
    assert!(json.len() < 500, "{} bytes: {json}", json.len());
    assert_eq!(serde_json::from_str::<Grant>(&json).unwrap(), grant);
    let (grant, _) = issued(refresh(&grant, 2, NOW + secs(600)));
    let json = serde_json::to_string(&grant).unwrap();
    assert!(json.len() < 350, "{} bytes: {json}", json.len());
}

/// Else the new head could never be seen, and a stale token that comes back would pass for a lost answer.
#[test]
fn on_a_rotated_line_every_head_gets_an_access_token_of_its_own() {
    let full = Terms { live: 2, ..terms() };
    let (mut grant, _) = active();
    for generation in 1..=4 {
        let (next, given) = issued(refresh_with(&grant, generation, None, &full, NOW));
        assert_eq!(given.access.generation, generation + 1);
        let State::Active(active) = &next.state else { unreachable!() };
        assert_eq!(active.live.len(), 2);
        grant = next;
    }
}
