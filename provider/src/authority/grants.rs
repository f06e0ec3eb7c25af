//! Grants for people: listed and revoked. A listing may be stale and decides nothing.

use countersign_protocol::{
    ClientId, Denied, Subject,
    grant::{Grant, Reason, State},
    id::GrantId,
};

use super::Authority;
use crate::{
    audit::{Actor, Event, What},
    consent,
    record::Change,
    store::Page,
};

/// A kept grant as a listing shows it.
#[derive(Clone, Debug)]
pub struct GrantInfo {
    /// Its name.
    pub id: GrantId,
    /// What is kept of it.
    pub grant: Grant,
    /// Whether anything can still come of it: it is neither revoked nor at its end, and nothing ended all of its
    /// client's, its user's or their consent's grants.
    pub holds: bool,
}

/// Which grants are meant.
#[derive(Clone, Debug)]
pub enum Which {
    /// All.
    All,
    /// Those of a user.
    Subject(Subject),
    /// Those of a client.
    Client(ClientId),
}

impl Authority {
    /// A page of kept grants, and where the next one begins. Carried grants are in no listing.
    pub async fn list_grants(
        &self,
        which: &Which,
        page: Page,
    ) -> Result<(Vec<GrantInfo>, Option<Box<str>>), Denied> {
        let tag = match which {
            Which::All => None,
            Which::Subject(subject) => Some(format!("subject:{subject}")),
            Which::Client(client) => Some(format!("client:{client}")),
        };
        let (found, next) = self.records().list::<Grant>(tag.as_deref(), page).await?;
        let mut grants = Vec::with_capacity(found.len());
        for (id, grant) in found {
            let Ok(id) = id.parse() else { continue };
            let holds = self.holds(&grant).await?;
            grants.push(GrantInfo { id, grant, holds });
        }
        Ok((grants, next))
    }

    async fn holds(&self, grant: &Grant) -> Result<bool, Denied> {
        let standing = self.standing(&grant.client, grant.subject.as_ref()).await?;
        let revoked = matches!(grant.state, State::Revoked(_));
        Ok(!revoked && self.now() < grant.cap && standing.check(&grant.epochs).is_ok())
    }

    /// Revokes one grant; [`Denied::TokenUnknown`] when there is none of this name.
    pub async fn revoke_grant(&self, id: GrantId) -> Result<(), Denied> {
        let (name, now) = (id.to_string(), self.now());
        let ended = self.records().change(&name, |held: Option<&Grant>, _| {
            let grant = held.ok_or(Denied::TokenUnknown)?;
            let next = grant.revoked(Reason::Administrator, now);
            Ok(if next == *grant { Change::Keep(()) } else { Change::Put(next, ()) })
        });
        ended.await?;
        self.record(&Event::new(What::Revocation, Actor::Operator).grant(id));
        Ok(())
    }

    /// Ends every grant of a user with a client, carried ones too, by one write.
    pub async fn end_grants_of(&self, client: &ClientId, subject: &Subject) -> Result<(), Denied> {
        consent::end_grants(self.records(), client, subject).await?;
        self.forget_consent(client, subject);
        let event = Event::new(What::Revocation, Actor::Operator);
        self.record(&event.client(client).subject(subject));
        Ok(())
    }

    /// Ends every session and grant of a user, carried ones too, by one write. They may sign in anew.
    pub async fn end_grants_of_subject(&self, subject: &Subject) -> Result<(), Denied> {
        self.end_all(subject).await?;
        self.record(&Event::new(What::Revocation, Actor::Operator).subject(subject));
        Ok(())
    }
}
