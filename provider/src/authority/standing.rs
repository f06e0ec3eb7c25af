//! Where clients, subjects and consents stand: read fresh where something begins, from memory (at most 1 s old) where
//! a token is used.

use std::{sync::Arc, time::Duration};

use countersign_protocol::{
    ClientId, Denied, Epoch, Subject,
    client::Client,
    grant::{Epochs, Standing},
};
use moka::sync::Cache;

use super::{Authority, clients::ClientRecord};
use crate::{consent, users::SubjectRecord};

/// How old an answer from memory may be.
const AGE: Duration = Duration::from_secs(1);
/// How many of each are remembered.
const CAPACITY: u64 = 50_000;

/// Where one of them stands.
#[derive(Clone, Copy, Debug, Default)]
struct One {
    epoch: Epoch,
    disabled: bool,
}

/// A client with its epoch.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// `None`: unknown, deleted or disabled.
    pub(super) client: Option<Arc<Client>>,
    pub(super) epoch: Epoch,
}

/// What was read within the last second.
pub(super) struct Standings {
    clients: Cache<ClientId, Known>,
    subjects: Cache<Subject, One>,
    consents: Cache<(ClientId, Subject), Epoch>,
}

impl Standings {
    pub(super) fn new() -> Self {
        Self { clients: cache(), subjects: cache(), consents: cache() }
    }

    /// Forgets a client that was just changed.
    pub(super) fn forget_client(&self, client: &ClientId) {
        self.clients.invalidate(client);
    }
}

fn cache<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(CAPACITY).time_to_live(AGE).build()
}

impl Authority {
    /// The client with its epoch, at most 1 s old.
    pub(super) async fn known(&self, id: &ClientId) -> Result<Known, Denied> {
        if let Some(known) = self.0.standings.clients.get(id) {
            return Ok(known);
        }
        self.known_fresh(id).await
    }

    /// The client with its epoch, as the store has it now.
    pub(super) async fn known_fresh(&self, id: &ClientId) -> Result<Known, Denied> {
        let record = self.records().load::<ClientRecord>(id.as_str()).await?;
        let configured = self.0.clients.get(id).cloned();
        let known = match record {
            None => Known { client: configured, epoch: Epoch::NONE },
            Some(record) => {
                let epoch = record.epoch;
                let enabled = !record.disabled;
                let client = configured.or_else(|| record.client.map(Arc::new));
                Known { client: client.filter(|_| enabled), epoch }
            }
        };
        self.0.standings.clients.insert(id.clone(), known.clone());
        Ok(known)
    }

    /// Where a grant's client, subject and consent stand, each at most 1 s old.
    pub(super) async fn standing(
        &self,
        client: &ClientId,
        subject: Option<&Subject>,
    ) -> Result<Standing, Denied> {
        let known = self.known(client).await?;
        let Some(subject) = subject else {
            return Ok(standing(&known, One::default(), Epoch::NONE));
        };
        let one = match self.0.standings.subjects.get(subject) {
            Some(one) => one,
            None => self.subject_fresh(subject).await?,
        };
        let pair = (client.clone(), subject.clone());
        let consent = match self.0.standings.consents.get(&pair) {
            Some(consent) => consent,
            None => self.consent_fresh(pair).await?,
        };
        Ok(standing(&known, one, consent))
    }

    /// Whether what was made under these epochs still holds, at most 1 s late; [`Denied::GrantRevoked`] if not.
    ///
    /// Memory may be older than the grant: another replica redrew an epoch a moment ago, and the grant was made under
    /// the new one. So nothing is refused before the store was asked.
    pub(super) async fn check_standing(
        &self,
        client: &ClientId,
        subject: Option<&Subject>,
        made_under: &Epochs,
    ) -> Result<(), Denied> {
        let remembered = self.standing(client, subject).await?;
        if remembered.check(made_under).is_ok() {
            return Ok(());
        }
        let standing = self.standing_fresh(client, subject).await?;
        standing.check(made_under)
    }

    /// Where they stand in the store now: for sign-in, consent and the redemption of a code.
    pub(crate) async fn standing_fresh(
        &self,
        client: &ClientId,
        subject: Option<&Subject>,
    ) -> Result<Standing, Denied> {
        let known = self.known_fresh(client).await?;
        let Some(subject) = subject else {
            return Ok(standing(&known, One::default(), Epoch::NONE));
        };
        let one = self.subject_fresh(subject).await?;
        let consent = self.consent_fresh((client.clone(), subject.clone())).await?;
        Ok(standing(&known, one, consent))
    }

    /// Forgets what memory says of a subject, after a change of it.
    pub(crate) fn forget_subject(&self, subject: &Subject) {
        self.0.standings.subjects.invalidate(subject);
    }

    /// Forgets what memory says of a consent, after a change of it.
    pub(crate) fn forget_consent(&self, client: &ClientId, subject: &Subject) {
        self.0.standings.consents.invalidate(&(client.clone(), subject.clone()));
    }

    async fn subject_fresh(&self, subject: &Subject) -> Result<One, Denied> {
        let record = self.records().load::<SubjectRecord>(subject.as_str()).await?;
        let one = record.map_or(One::default(), |record| One {
            epoch: record.epoch,
            disabled: record.disabled,
        });
        self.0.standings.subjects.insert(subject.clone(), one);
        Ok(one)
    }

    async fn consent_fresh(&self, pair: (ClientId, Subject)) -> Result<Epoch, Denied> {
        let consent = consent::find(self.records(), &pair.0, &pair.1).await?;
        let epoch = consent.map_or(Epoch::NONE, |consent| consent.epoch);
        self.0.standings.consents.insert(pair, epoch);
        Ok(epoch)
    }
}

fn standing(known: &Known, subject: One, consent: Epoch) -> Standing {
    Standing {
        epochs: Epochs { client: known.epoch, subject: subject.epoch, consent },
        disabled: known.client.is_none() || subject.disabled,
    }
}
