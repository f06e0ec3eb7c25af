//! Grants for people: listed and revoked. A listing may be stale and decides nothing.

use countersign_protocol::{
    ClientId, Denied, Subject,
    grant::{Grant, Reason},
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
        let info =
            |(id, grant): (Box<str>, Grant)| id.parse().ok().map(|id| GrantInfo { id, grant });
        Ok((found.into_iter().filter_map(info).collect(), next))
    }

    /// Revokes one grant; [`Denied::TokenUnknown`] when there is none of this name.
    pub async fn revoke_grant(&self, id: GrantId) -> Result<(), Denied> {
        let (name, now) = (id.to_string(), self.now());
        let ended = self.records().change(&name, |held: Option<&Grant>, _| {
            let grant = held.ok_or(Denied::TokenUnknown)?;
            let next = grant.revoked(Reason::Administrator, now);
            Ok(if next == *grant {
                Change::Keep(())
            } else {
                Change::Put(next, ())
            })
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
}
