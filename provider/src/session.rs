//! A sign-in session: what the provider remembers of a browser whose user proved who they are.
//!
//! Its name ([`SessionId`]) stays as long as it lives: grants name it. What its cookie proves itself with is drawn anew
//! at each sign-in, so that a cookie planted before is worth nothing after.

use std::time::Duration;

use countersign_protocol::{
    Denied, Epoch, Secret, SessionId, Subject, Timestamp, id, secret::SecretHash,
};
use serde::{Deserialize, Serialize};

use crate::{
    authority::{Authority, Proven},
    clock::random,
    record::{Change, Document, Records},
    store::{Kind, Page, Tag},
    users::SubjectRecord,
};

/// A sign-in session. The record's id is its [`SessionId`], which stays; the secret in its cookie does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    #[serde(rename = "sub")]
    pub subject: Subject,
    /// The subject's epoch under which it began; redrawing that one ends it.
    #[serde(default, skip_serializing_if = "Epoch::is_none")]
    pub epoch: Epoch,
    /// What is kept of the cookie's secret.
    pub secret: SecretHash,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// When it ends if nobody uses it.
    #[serde(rename = "idle")]
    pub idle_ends: Timestamp,
    /// When it ends, however much it is used.
    pub cap: Timestamp,
}

impl Document for Session {
    const KIND: Kind = Kind::Session;

    fn expires(&self) -> Option<Timestamp> {
        Some(self.idle_ends.min(self.cap))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![format!("subject:{}", self.subject).into()]
    }
}

impl Session {
    /// The session after a use now; `None` while that lengthens it by less than a tenth of its idle time, which is
    /// not worth a write.
    fn used(&self, idle: Duration, now: Timestamp) -> Option<Self> {
        let idle_ends = now + idle;
        (idle_ends.since(self.idle_ends) >= idle / 10).then(|| Self { idle_ends, ..self.clone() })
    }
}

/// What a session's cookie holds: the session's name, and the secret that proves it.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    id: SessionId,
    secret: Secret,
}

impl Ticket {
    fn new(id: SessionId) -> Self {
        let secret = Secret::new(id::encode(&random::<16>()));
        Self { id, secret }
    }

    /// Reads a cookie's value; `None` for what no cookie of ours holds.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (id, secret) = value.split_once('.')?;
        Some(Self { id: id.parse().ok()?, secret: Secret::new(secret) })
    }

    /// The cookie's value.
    pub(crate) fn expose(&self) -> String {
        format!("{}.{}", self.id, self.secret.expose())
    }
}

/// A live session and its user.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) id: SessionId,
    pub(crate) session: Session,
    /// The name by which the user knows the account.
    pub(crate) username: String,
}

/// Ends every session of an issuer. Its cookie is not sealed under a server key, so it does not end with the keys.
pub(crate) async fn end_all(records: &Records) -> Result<(), Denied> {
    let mut after = None;
    loop {
        let (sessions, next) = records.list::<Session>(None, Page { after, size: 500 }).await?;
        for (id, _) in &sessions {
            records.delete::<Session>(id).await?;
        }
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

impl Authority {
    /// The live session of a cookie; `None` when it is over, the cookie was replaced, or the user may no longer be
    /// signed in. All of it is read fresh.
    pub(crate) async fn session(&self, ticket: &Ticket) -> Result<Option<SignedIn>, Denied> {
        let id = ticket.id;
        let session = self.records().load::<Session>(&id.to_string()).await?;
        let Some(session) = session.filter(|session| session.secret.matches(&ticket.secret)) else {
            return Ok(None);
        };
        if self.epoch_of(&session.subject).await? != Some(session.epoch) {
            return Ok(None);
        }
        let Some(profile) = self.users().find(&session.subject).await? else {
            return Ok(None);
        };
        self.note_use(id, &session).await;
        let username = profile.username;
        Ok(Some(SignedIn { id, session, username }))
    }

    /// Begins a session of a user who just proved who they are, in place of the browser's session before.
    ///
    /// The same user's goes on under its name with a new secret; another user's ends.
    pub(crate) async fn begin_session(
        &self,
        before: Option<&SignedIn>,
        proven: &Proven,
    ) -> Result<Ticket, Denied> {
        let ticket = match before {
            Some(before) if before.session.subject == proven.subject => Ticket::new(before.id),
            Some(before) => {
                self.end_session(before.id).await?;
                Ticket::new(SessionId::from_bytes(random()))
            }
            None => Ticket::new(SessionId::from_bytes(random())),
        };
        let (now, lifetimes) = (self.now(), &self.policy().lifetimes);
        let session = Session {
            subject: proven.subject.clone(),
            epoch: proven.epoch,
            secret: SecretHash::of(&ticket.secret),
            auth_time: now,
            idle_ends: now + lifetimes.session_idle,
            cap: now + lifetimes.session_cap,
        };
        let id = ticket.id.to_string();
        let put = |_: Option<&Session>, _: &_| Ok(Change::Put(session.clone(), ()));
        self.records().change(&id, put).await?;
        Ok(ticket)
    }

    /// Ends a sign-in session; one that is over is fine.
    pub(crate) async fn end_session(&self, session: SessionId) -> Result<(), Denied> {
        self.records().delete::<Session>(&session.to_string()).await.map(drop)
    }

    /// The subject's epoch under which a session began; [`Denied::FlowLost`] when it is over.
    pub(crate) async fn epoch_of_session(&self, session: SessionId) -> Result<Epoch, Denied> {
        let session = self.records().load::<Session>(&session.to_string()).await?;
        Ok(session.ok_or(Denied::FlowLost)?.epoch)
    }

    /// The subject's epoch; `None` when they are switched off.
    async fn epoch_of(&self, subject: &Subject) -> Result<Option<Epoch>, Denied> {
        let record = self.records().load::<SubjectRecord>(subject.as_str()).await?;
        Ok(match record {
            None => Some(Epoch::NONE),
            Some(record) => (!record.disabled).then_some(record.epoch),
        })
    }

    /// Lengthens the session. That it was not noted ends it earlier, and fails nothing now.
    async fn note_use(&self, id: SessionId, session: &Session) {
        let (now, idle) = (self.now(), self.policy().lifetimes.session_idle);
        if session.used(idle, now).is_none() {
            return;
        }
        let note = |held: Option<&Session>, _: &_| {
            let used = held.and_then(|held| held.used(idle, now));
            Ok(used.map_or(Change::Keep(()), |used| Change::Put(used, ())))
        };
        if let Err(denied) = self.records().change(&id.to_string(), note).await {
            tracing::debug!(%denied, "the use of a session was not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_holds_name_and_secret_and_shows_neither_by_debug() {
        let ticket = Ticket::new(SessionId::from_bytes([7; 16]));
        let read = Ticket::parse(&ticket.expose()).unwrap();
        assert_eq!(read.id, ticket.id);
        assert!(read.secret.matches(&ticket.secret));
        assert!(!format!("{ticket:?}").contains(ticket.secret.expose()));
        for bad in ["", ".", "x.y", "AAAA"] {
            assert!(Ticket::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_use_is_noted_once_a_tenth_of_the_idle_time() {
        let (start, idle) = (Timestamp::from_secs(1000), Duration::from_secs(100));
        let session = Session {
            subject: Subject::new("alice").unwrap(),
            epoch: Epoch::NONE,
            secret: SecretHash::of(&Secret::new("x")),
            auth_time: start,
            idle_ends: start + idle,
            cap: start + idle * 20,
        };
        let after = |secs| session.used(idle, start + Duration::from_secs(secs));
        assert_eq!(after(9), None);
        assert_eq!(after(10).unwrap().idle_ends, Timestamp::from_secs(1110));
    }
}
