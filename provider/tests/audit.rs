//! The audit trail of the endpoints.

use std::sync::Arc;

use countersign_protocol::{Denied, Timestamp};
use countersign_provider::audit::{Actor, Audit, Event, What};
use parking_lot::Mutex;

use crate::{
    browser::{Browser, az},
    harness::{Op, id, secs, subject, text},
};

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Event>>);

impl Audit for Heard {
    fn record(&self, _: Timestamp, event: &Event) {
        self.0.lock().push(event.clone());
    }
}

async fn listening() -> (Op, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let op = Op::with(|builder| builder.audit(heard.clone())).await;
    (op, heard)
}

/// T13: the theft stands in the audit trail, with the grant and whose it was.
#[tokio::test]
async fn a_theft_is_on_record() {
    let (op, heard) = listening().await;
    let first = op.tokens("pub").await;
    let second = op.refresh("pub", text(&first, "refresh_token")).await.ok();
    op.refresh("pub", text(&second, "refresh_token")).await.ok();
    op.clock.advance(secs(31));
    op.refresh("pub", text(&first, "refresh_token")).await.refused("invalid_grant");
    let heard = heard.0.lock();
    let theft = heard.iter().find(|event| event.what == What::Theft).unwrap();
    assert_eq!(theft.reason, Some(Denied::RefreshReplayed));
    assert_eq!(theft.actor, Actor::Client(id("pub")));
    assert!(theft.grant.is_some() && theft.subject.is_some());
}

/// Design §2: a carried grant is in no listing; the event that issues it holds its name.
#[tokio::test]
async fn a_carried_token_is_named_when_issued_and_when_revoked() {
    let (op, heard) = listening().await;
    let tokens = op.token("svc", &[("grant_type", "client_credentials")]).await.ok();
    op.post("/oauth/revoke", "svc", &[("token", text(&tokens, "access_token"))]).await;
    let heard = heard.0.lock();
    let named = |what| heard.iter().find(|event| event.what == what).unwrap().token;
    assert!(named(What::Token).is_some());
    assert_eq!(named(What::Token), named(What::Revocation));
}

/// What people do at the pages: sign in, mistype, agree, refuse, sign out.
#[tokio::test]
async fn what_people_answer_is_on_record() {
    let (op, heard) = listening().await;
    let mut alice = Browser::new(&op);
    let page = alice.authorize(&az()).await;
    alice.enter(&page, "alice", "wrong").await.page(400);
    let page = alice.sign_in(&az(), "alice").await;
    alice.say(&page, "no").await;
    alice.say(&page, "yes").await;
    let page = alice.get("/oauth/logout").await;
    alice.say(&page, "yes").await;
    let heard = heard.0.lock();
    let by_alice = || Actor::User(subject("alice"));
    let told: Vec<_> =
        heard.iter().map(|event| (event.what, event.actor.clone(), event.reason.clone())).collect();
    assert_eq!(
        told,
        [
            (What::SignIn, Actor::Unknown, Some(Denied::CredentialsWrong)),
            (What::SignIn, by_alice(), None),
            (What::Consent, by_alice(), Some(Denied::UserDenied)),
            (What::Consent, by_alice(), None),
            (What::SignOut, by_alice(), None),
        ]
    );
    assert!(heard[3].grant.is_some());
    assert!(heard.iter().all(|event| event.object.is_none()));
}

/// L9 and L10 need it on record: a refused password grant says why and keeps the typed name to itself.
#[tokio::test]
async fn a_refused_sign_in_is_on_record_without_what_was_typed() {
    let (op, heard) = listening().await;
    let wrong = [("grant_type", "password"), ("username", "hunter2"), ("password", "hunter3")];
    op.token("first", &wrong).await.refused("invalid_grant");
    let heard = heard.0.lock();
    assert!(heard.iter().any(|event| event.reason == Some(Denied::CredentialsWrong)));
    assert!(!format!("{heard:?}").contains("hunter"));
}
