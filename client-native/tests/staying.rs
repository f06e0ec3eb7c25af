//! Staying signed in: lost answers, outages, storage that fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use countersign_client::{
    Advice, Error, Lock, MemoryStorage, Offline, Out, Secret, Status, Storage, StorageError,
};
use tokio::time::timeout;

use crate::fake::{Fake, Reply, place, refuse, sign_in, status};

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_with_the_same_token() {
    let fake = Fake::start().await;
    fake.lives([0]);
    let session = fake.session().await;
    fake.next("/token", Reply::CarriedOutAndCut);
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
    assert_eq!(fake.refreshes(), ["rt0", "rt0"]);
    assert_eq!((fake.thefts(), session.status()), (0, Status::In));
}

#[tokio::test]
async fn an_attempt_without_an_answer_ends_after_8_seconds_and_is_repeated() {
    let fake = Fake::start().await;
    fake.lives([0]);
    let session = fake.session().await;
    fake.next("/token", Reply::CarriedOutAndSilent);
    let began = std::time::Instant::now();
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
    assert!((8..10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!((fake.refreshes().len(), fake.thefts()), (2, 0));
}

#[tokio::test]
async fn requests_at_once_share_one_refresh() {
    let fake = Fake::start().await;
    fake.lives([0]);
    let session = fake.session().await;
    let all = (0..20).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.access_token().await.unwrap().expose().to_owned() })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), "at1");
    }
    assert_eq!(fake.refreshes(), ["rt0"]);
}

#[tokio::test]
async fn two_sessions_of_one_place_share_one_refresh_too() {
    let fake = Fake::start().await;
    let client = fake.client().build().await.unwrap();
    fake.lives([0]);
    let first = sign_in(&client).await;
    let second = client.restore().await.unwrap().unwrap();
    let (one, two) = tokio::join!(first.access_token(), second.access_token());
    assert_eq!((one.unwrap().expose(), two.unwrap().expose()), ("at1", "at1"));
    assert_eq!(fake.refreshes(), ["rt0"]);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_end_the_exchange() {
    let fake = Fake::start().await;
    fake.lives([0]);
    let session = fake.session().await;
    fake.next("/token", Reply::Late(Duration::from_millis(500)));
    let impatient = timeout(Duration::from_millis(100), session.access_token()).await;
    assert!(impatient.is_err());
    fake.until_seen("/token", 2).await;
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
    assert_eq!(fake.refreshes(), ["rt0"]);
}

#[tokio::test]
async fn an_outage_is_offline_and_never_signed_out() {
    let fake = Fake::start().await;
    fake.lives([0]);
    let session = fake.session().await;
    let mut watch = session.watch();
    assert_eq!(watch.next().await, Some(Status::In));
    for (reply, offline) in [
        (status(500), Offline::Provider(500)),
        (status(503), Offline::Provider(503)),
        (Reply::With(200, "text/html", "<h1>Wi-Fi</h1>".into()), Offline::Unanswered),
        (status(502), Offline::Provider(502)),
        (Reply::With(200, "application/json", "{}".into()), Offline::Unanswered),
    ] {
        for _ in 0..3 {
            fake.next("/token", reply.clone());
        }
        let error = session.access_token().await.unwrap_err();
        assert!(matches!(&error, Error::Offline(got) if *got == offline), "{error}");
        assert_eq!(error.advice(), Advice::Retry);
        assert_eq!(session.status(), Status::Offline(offline));
        assert!(matches!(watch.next().await, Some(Status::Offline(_))));
    }
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
    assert_eq!(watch.next().await, Some(Status::In));
}

#[tokio::test]
async fn what_is_not_proven_invalid_grant_ends_nothing() {
    let fake = Fake::start().await;
    fake.lives([0]);
    let session = fake.session().await;
    for reply in [
        Reply::With(400, "text/html", r#"{"error":"invalid_grant"}"#.into()),
        Reply::With(404, "application/json", r#"{"error":"invalid_grant"}"#.into()),
        Reply::Header(302, "Location", "https://portal.test/".into()),
    ] {
        fake.next("/token", reply.clone());
        assert!(session.access_token().await.is_err(), "{reply:?}");
        assert!(matches!(session.status(), Status::Offline(_)), "{reply:?}");
        if matches!(&reply, Reply::With(404, ..)) {
            // A refusal is not asked for again at once: it would count against the client.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
}

#[tokio::test]
async fn a_proven_invalid_grant_ends_the_session_and_empties_the_place() {
    let (fake, place) = (Fake::start().await, place());
    fake.leave_expired(&place.file).await;
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = client.restore().await.unwrap().unwrap();
    fake.next("/token", refuse("invalid_grant"));
    let error = session.access_token().await.unwrap_err();
    assert!(matches!(error, Error::SignedOut(Out::Refused)), "{error}");
    assert_eq!(error.advice(), Advice::SignIn);
    assert!(client.restore().await.unwrap().is_none());
    assert!(!place.text().contains("rt0"), "{}", place.text());
}

#[tokio::test]
async fn a_kept_session_is_restored_while_the_provider_is_down() {
    let (fake, place) = (Fake::start().await, place());
    sign_in(&fake.client().storage(place.file.clone()).build().await.unwrap()).await;
    fake.set_up(false);
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    let session = client.restore().await.unwrap().unwrap();
    assert_eq!(session.access_token().await.unwrap().expose(), "at0");
    fake.set_up(true);
    fake.refuse_token("at0");
    let answer = session.get(fake.url("/api")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "GET at1 ");
}

#[tokio::test]
async fn a_place_of_another_release_or_client_is_not_touched() {
    let (fake, place) = (Fake::start().await, place());
    let other = fake.client().client_id("other").storage(place.file.clone());
    sign_in(&other.build().await.unwrap()).await;
    let client = fake.client().storage(place.file.clone()).build().await.unwrap();
    assert!(client.restore().await.unwrap().is_none());

    let newer = place.text().replace("\"v\":1", "\"v\":2");
    std::fs::write(place.file.path(), &newer).unwrap();
    assert!(matches!(client.restore().await, Err(Error::Storage(_))));
    let login = client.login(countersign_client::Password::new("alice", "wonderland")).await;
    assert!(matches!(login, Err(Error::Storage(_))));
    assert_eq!(place.text(), newer);
}

/// A place of the program's own, which can be told to fail.
#[derive(Clone, Debug, Default)]
struct Failing {
    inner: MemoryStorage,
    /// How many more writes succeed; then as many fail as there are.
    writes: Arc<AtomicUsize>,
}

impl Failing {
    fn allow(&self, writes: usize) {
        self.writes.store(writes, Ordering::SeqCst);
    }
}

#[async_trait]
impl Storage for Failing {
    async fn load(&self) -> Result<Option<Secret>, StorageError> {
        self.inner.load().await
    }

    async fn store(&self, text: &Secret) -> Result<(), StorageError> {
        let less = |left: usize| left.checked_sub(1);
        let left = self.writes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        match left {
            Ok(_) => self.inner.store(text).await,
            Err(_) => Err(StorageError::new("the keyring is locked")),
        }
    }

    async fn try_lock(&self) -> Result<Option<Lock>, StorageError> {
        self.inner.try_lock().await
    }
}

#[tokio::test]
async fn nothing_is_exchanged_while_nothing_can_be_kept() {
    let fake = Fake::start().await;
    let storage = Failing::default();
    let client = fake.client().storage(storage.clone()).build().await.unwrap();
    let login = client.login(countersign_client::Password::new("alice", "wonderland")).await;
    assert!(matches!(login, Err(Error::Storage(_))));
    assert_eq!(fake.seen("/token").len(), 0, "nobody signs in for nothing");

    storage.allow(2);
    fake.lives([0]);
    let session = sign_in(&client).await;
    let error = session.access_token().await.unwrap_err();
    assert!(matches!(error, Error::Offline(Offline::Storage)), "{error}");
    assert_eq!(fake.refreshes().len(), 0);
    storage.allow(2);
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
}

#[tokio::test]
async fn what_cannot_be_kept_after_all_goes_on_in_memory_and_is_kept_later() {
    let fake = Fake::start().await;
    let storage = Failing::default();
    storage.allow(3);
    let client = fake.client().storage(storage.clone()).build().await.unwrap();
    fake.lives([0]);
    let session = sign_in(&client).await;
    assert_eq!(session.access_token().await.unwrap().expose(), "at1");
    assert_eq!((session.is_kept(), session.status()), (false, Status::In));
    let locked = storage.try_lock().await.unwrap();
    assert!(locked.is_none(), "another that exchanged the old token would look like a thief");
    storage.allow(99);
    let kept = async {
        while !session.is_kept() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(2), kept).await.unwrap();
    let kept = client.restore().await.unwrap().unwrap();
    assert_eq!(kept.access_token().await.unwrap().expose(), "at1");
    assert_eq!(fake.refreshes(), ["rt0"]);
}
