//! Signing out.

use std::time::Duration;

use countersign_client::{Error, Out};
use tokio::time::timeout;

use crate::fake::{Fake, place, sign_in, status};

#[tokio::test]
async fn signing_out_forgets_revokes_and_ends_the_sign_in() {
    let (fake, place) = (Fake::start().await, place());
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = sign_in(&client).await;
    session.logout().await.unwrap();
    for path in ["/logout", "/revoke"] {
        let seen = fake.seen(path);
        assert_eq!(seen.len(), 1, "{path}");
        assert_eq!(seen[0].parameter("token").as_deref(), Some("rt0"));
        assert_eq!(seen[0].parameter("client_id").as_deref(), Some("cli"));
    }
    let text = place.text();
    assert!(!text.contains("rt0") && !text.contains("at0"), "{text}");
    assert!(client.restore().await.unwrap().is_none());
    let error = session.get(fake.url("/api")).send().await.unwrap_err();
    assert!(matches!(error, Error::SignedOut(Out::Left)), "{error}");
}

#[tokio::test]
async fn signing_out_here_leaves_the_sign_in_at_the_provider() {
    let fake = Fake::start().await;
    fake.session().await.logout_local().await.unwrap();
    assert_eq!((fake.seen("/revoke").len(), fake.seen("/logout").len()), (1, 0));
}

#[tokio::test]
async fn signing_out_offline_forgets_at_once_and_tells_the_provider_later() {
    let (fake, place) = (Fake::start().await, place());
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = sign_in(&client).await;
    fake.set_up(false);
    session.logout().await.unwrap();
    assert!(!place.text().contains("at0"));
    assert!(client.restore().await.unwrap().is_none());
    fake.set_up(true);
    let told = async {
        while place.text().contains("rt0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), told).await.unwrap();
    assert!(fake.seen("/revoke").len() >= 2 && fake.seen("/logout").len() >= 2);
}

#[tokio::test]
async fn the_next_run_tells_the_provider_of_an_earlier_sign_out() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    fake.set_up(false);
    let done = fake.program_told(&place.file, "logout").status().await.unwrap();
    assert!(done.success());
    assert!(place.text().contains("rt0"));
    fake.set_up(true);
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    assert!(client.restore().await.unwrap().is_none());
    fake.until_seen("/revoke", 1).await;
}

#[tokio::test]
async fn a_provider_that_refuses_the_revocation_is_not_asked_for_ever() {
    let (fake, place) = (Fake::start().await, place());
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = sign_in(&client).await;
    fake.next("/revoke", status(400));
    session.logout().await.unwrap();
    assert!(!place.text().contains("rt0"));
}

#[tokio::test]
async fn signing_out_during_a_refresh_stays_signed_out() {
    let (fake, place) = (Fake::start().await, place());
    fake.lives([0]);
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = sign_in(&client).await;
    fake.next("/token", crate::fake::Reply::CarriedOutAndSilent);
    let refreshing = tokio::spawn({
        let session = session.clone();
        async move { session.access_token().await.map(|_| ()) }
    });
    fake.until_seen("/token", 2).await;
    session.logout().await.unwrap();
    let outcome = refreshing.await.unwrap();
    assert!(matches!(outcome, Err(Error::SignedOut(Out::Left))), "{outcome:?}");
    assert!(client.restore().await.unwrap().is_none());
    assert!(!place.text().contains("at1") && !place.text().contains("rt1"), "{}", place.text());
}
