//! An answer got lost, or a token was stolen: who is signed in afterwards.

use std::time::Duration;

use countersign_tests::{
    Answer, Embedded,
    embedded::{Fate, SECRET},
    endpoint::By,
};

const NATIVE: By<'_> = By::Public("native");
const SERVICE: By<'_> = By::Basic("service", SECRET);
const DAY: Duration = Duration::from_hours(24);
const BEYOND_LEEWAY: Duration = Duration::from_secs(31);

/// Refreshes, and loses the answer on its way.
async fn refresh_and_lose(provider: &Embedded, token: &str) {
    provider.next_refresh(Fate::Lost);
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let lost = provider.endpoints().try_post("/oauth/token", NATIVE, &form).await;
    assert!(lost.is_err(), "an answer came: {lost:?}");
}

/// T13, its forgiving half: the successor was never seen, so a day later there is a new one in its place.
#[tokio::test]
async fn a_client_that_lost_the_answer_to_a_refresh_is_signed_in_a_day_later() {
    let provider = Embedded::start().await;
    let oauth = provider.endpoints();
    let first = oauth.password(NATIVE, "alice").await.well();
    refresh_and_lose(&provider, &first.text("refresh_token")).await;
    provider.pass(DAY);

    let back = oauth.refresh(NATIVE, &first.text("refresh_token")).await.well();
    assert!(oauth.is_active(SERVICE, &back.text("access_token")).await);
    provider.pass(BEYOND_LEEWAY);
    let on = oauth.refresh(NATIVE, &back.text("refresh_token")).await.well();
    assert_ne!(on.text("refresh_token"), back.text("refresh_token"));
    assert_eq!(provider.refreshes(), 3);
}

/// Asked again at once, a lost answer is the same answer.
#[tokio::test]
async fn a_refresh_that_is_asked_again_within_the_leeway_gets_the_same_tokens() {
    let provider = Embedded::start().await;
    let oauth = provider.endpoints();
    let first = oauth.password(NATIVE, "alice").await.well();
    let second = oauth.refresh(NATIVE, &first.text("refresh_token")).await.well();
    let again = oauth.refresh(NATIVE, &first.text("refresh_token")).await.well();
    assert_eq!(again.text("refresh_token"), second.text("refresh_token"));
    assert_eq!(again.text("access_token"), second.text("access_token"));
}

async fn is_refused(provider: &Embedded, token: &str) {
    let answer: Answer = provider.endpoints().refresh(NATIVE, token).await;
    assert_eq!((answer.status.as_u16(), answer.text("error").as_str()), (400, "invalid_grant"));
}

/// T13: the thief comes second.
#[tokio::test]
async fn a_thief_who_replays_a_used_token_is_caught_and_the_grant_ends() {
    let provider = Embedded::start().await;
    let oauth = provider.endpoints();
    let first = oauth.password(NATIVE, "alice").await.well();
    let other = oauth.password(NATIVE, "bob").await.well();
    let second = oauth.refresh(NATIVE, &first.text("refresh_token")).await.well();
    assert!(oauth.is_active(SERVICE, &second.text("access_token")).await);
    provider.pass(BEYOND_LEEWAY);

    is_refused(&provider, &first.text("refresh_token")).await;
    is_refused(&provider, &second.text("refresh_token")).await;
    assert!(!oauth.is_active(SERVICE, &second.text("access_token")).await);
    // Nobody else is hit.
    oauth.refresh(NATIVE, &other.text("refresh_token")).await.well();
}

/// T13: the thief comes first, and uses what the theft yields; the honest client's next refresh shows it.
#[tokio::test]
async fn a_thief_who_ran_ahead_is_caught_by_the_honest_clients_next_refresh() {
    let provider = Embedded::start().await;
    let oauth = provider.endpoints();
    let honest = oauth.password(NATIVE, "alice").await.well();
    let stolen = oauth.refresh(NATIVE, &honest.text("refresh_token")).await.well();
    assert!(oauth.is_active(SERVICE, &stolen.text("access_token")).await);
    provider.pass(DAY);

    is_refused(&provider, &honest.text("refresh_token")).await;
    is_refused(&provider, &stolen.text("refresh_token")).await;
}

/// T13: a thief who ran ahead in silence is left with nothing, and the honest client goes on.
#[tokio::test]
async fn a_thief_who_ran_ahead_in_silence_is_left_with_nothing() {
    let provider = Embedded::start().await;
    let oauth = provider.endpoints();
    let honest = oauth.password(NATIVE, "alice").await.well();
    let stolen = oauth.refresh(NATIVE, &honest.text("refresh_token")).await.well();
    provider.pass(DAY);

    let next = oauth.refresh(NATIVE, &honest.text("refresh_token")).await.well();
    assert!(oauth.is_active(SERVICE, &next.text("access_token")).await);
    assert!(!oauth.is_active(SERVICE, &stolen.text("access_token")).await);
    provider.pass(BEYOND_LEEWAY);
    is_refused(&provider, &stolen.text("refresh_token")).await;
}
