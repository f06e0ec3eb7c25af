//! What a user agreed to for a client, and the epoch that ends all of the user's grants with it by one write.

use countersign_protocol::{ClientId, Denied, Epoch, Scope, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    clock::random,
    record::{Change, Document, Records},
    store::{Kind, Tag},
};

/// A user's consent for a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Whose.
    #[serde(rename = "sub")]
    pub subject: Subject,
    /// For whom.
    pub client: ClientId,
    /// What was agreed to, all in all. Empty: nothing, or it was withdrawn.
    #[serde(default)]
    pub scope: Scope,
    /// Redrawn, it ends every grant of the user with the client.
    #[serde(default, skip_serializing_if = "Epoch::is_none")]
    pub epoch: Epoch,
    /// When it was last changed.
    pub changed: Timestamp,
}

impl Document for Consent {
    const KIND: Kind = Kind::Consent;

    fn expires(&self) -> Option<Timestamp> {
        None
    }

    fn tags(&self) -> Vec<Tag> {
        vec![format!("subject:{}", self.subject).into(), format!("client:{}", self.client).into()]
    }
}

/// The record's id; the length keeps two pairs of names apart that read the same in a row.
fn id(client: &ClientId, subject: &Subject) -> String {
    format!("{}:{client}:{subject}", client.as_str().len())
}

/// What the user agreed to; `None`: nothing yet.
pub(crate) async fn find(
    records: &Records,
    client: &ClientId,
    subject: &Subject,
) -> Result<Option<Consent>, Denied> {
    records.load(&id(client, subject)).await
}

/// Remembers that the user agreed to this scope too.
pub(crate) async fn remember(
    records: &Records,
    client: &ClientId,
    subject: &Subject,
    scope: &Scope,
) -> Result<Consent, Denied> {
    let now = records.now();
    update(records, client, subject, |held| {
        if held.scope.contains_all(scope) {
            return held.clone();
        }
        Consent { scope: held.scope.union(scope), changed: now, ..held.clone() }
    })
    .await
}

/// Ends every grant of the user with the client. What they agreed to stays.
pub(crate) async fn end_grants(
    records: &Records,
    client: &ClientId,
    subject: &Subject,
) -> Result<Consent, Denied> {
    let (now, epoch) = (records.now(), Epoch::from_bytes(random()));
    update(records, client, subject, |held| Consent { epoch, changed: now, ..held.clone() }).await
}

async fn update(
    records: &Records,
    client: &ClientId,
    subject: &Subject,
    change: impl Fn(&Consent) -> Consent,
) -> Result<Consent, Denied> {
    let nothing = Consent {
        subject: subject.clone(),
        client: client.clone(),
        scope: Scope::default(),
        epoch: Epoch::NONE,
        changed: records.now(),
    };
    records
        .change(&id(client, subject), |held: Option<&Consent>, _| {
            let next = change(held.unwrap_or(&nothing));
            Ok(if held == Some(&next) {
                Change::Keep(next)
            } else {
                Change::Put(next.clone(), next)
            })
        })
        .await
}
