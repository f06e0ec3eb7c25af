//! Clients: looked up, registered, disabled, deleted.

use std::sync::Arc;

use countersign_protocol::{
    ClientId, Denied, Epoch, Secret, Timestamp,
    client::{Client, ClientSecret, Unregistrable},
    id,
    secret::SecretHash,
};
use serde::{Deserialize, Serialize};

use super::Authority;
use crate::{
    audit::{Actor, Event, What},
    clock::random,
    record::{Change, Document},
    store::{Kind, Page, Tag},
};

/// What is kept of a client: what is registered, unless the configuration says that, and the epoch and switch that end
/// everything it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// What is registered; `None`: the configuration has it, or it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Redrawn, it ends everything that the client holds.
    #[serde(default, skip_serializing_if = "Epoch::is_none")]
    pub epoch: Epoch,
    /// Whether it is switched off.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When the memory of a deleted client may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Document for ClientRecord {
    const KIND: Kind = Kind::Client;

    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// An `origin:` tag each, so that a preflight can ask whether anybody registered it.
    fn tags(&self) -> Vec<Tag> {
        let origins = self.client.iter().flat_map(|client| &client.origins);
        origins.map(|origin| format!("origin:{origin}").into()).collect()
    }
}

/// A client that was registered, with the one sight of its secret.
#[derive(Clone, Debug)]
pub struct Registered {
    /// What is registered.
    pub client: Client,
    /// Its secret; `None` for a public client.
    pub secret: Option<Secret>,
}

/// Why a client was not changed: what to do next stands in it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What is registered does not hold together.
    #[error("{0}")]
    Unregistrable(#[from] Unregistrable),
    /// The name is taken.
    #[error("a client {0} exists already; choose another id, or delete that one first")]
    Exists(ClientId),
    /// There is no such client.
    #[error("no client {0} is known; `client list` shows those that are")]
    Unknown(ClientId),
    /// The configuration has it, so the store cannot change it.
    #[error("client {0} stands in the configuration; change it there")]
    Configured(ClientId),
    /// The store refused or did not answer.
    #[error(transparent)]
    Denied(#[from] Denied),
}

/// A secret of 256 random bits, with a prefix that secret scanners know.
pub fn generate_secret() -> Secret {
    Secret::new(format!("cs_cs_{}", id::encode(&random::<32>())))
}

/// A name of 96 random bits, for a client that was given none.
pub fn generate_client_id() -> String {
    format!("c-{}", id::encode(&random::<12>()))
}

impl Authority {
    /// The client, at most 1 s old; `None` when it is unknown, deleted or disabled.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, Denied> {
        Ok(self.known(id).await?.client)
    }

    /// Registers a client. A confidential one without a secret of its own gets a generated one
    /// ([RFC 6749 §2](https://www.rfc-editor.org/rfc/rfc6749#section-2)).
    pub async fn register(
        &self,
        mut client: Client,
        secret: Option<Secret>,
    ) -> Result<Registered, ClientError> {
        let secret = (!client.is_public()).then(|| secret.unwrap_or_else(generate_secret));
        client.secrets = secret.iter().map(hashed).collect();
        client.check()?;
        let id = client.client_id.clone();
        if self.0.clients.contains_key(&id) {
            return Err(ClientError::Exists(id));
        }
        let record = ClientRecord {
            client: Some(client.clone()),
            epoch: Epoch::from_bytes(random()),
            disabled: false,
            created: self.now(),
            expires: None,
        };
        let made = self.records().change(id.as_str(), |held: Option<&ClientRecord>, _| {
            Ok(match held {
                // A deleted client's name may be taken again: the new epoch owes nothing to the old one.
                Some(held) if held.client.is_some() => Change::Keep(false),
                _ => Change::Put(record.clone(), true),
            })
        });
        let made = made.await?;
        self.0.standings.forget_client(&id);
        if !made {
            return Err(ClientError::Exists(id));
        }
        self.record(&Event::new(What::ClientAdded, Actor::Operator).client(&id));
        Ok(Registered { client, secret })
    }

    /// The client and whether it is switched off.
    pub async fn show_client(&self, id: &ClientId) -> Result<(Client, bool), ClientError> {
        let record = self.records().load::<ClientRecord>(id.as_str()).await?;
        let disabled = record.as_ref().is_some_and(|record| record.disabled);
        let configured = self.0.clients.get(id).map(|client| Client::clone(client));
        let client = configured.or_else(|| record.and_then(|record| record.client));
        client.map(|client| (client, disabled)).ok_or_else(|| ClientError::Unknown(id.clone()))
    }

    /// A page of the clients in the store, and where the next one begins. Those of the configuration come with the
    /// first page.
    pub async fn list_clients(
        &self,
        page: Page,
    ) -> Result<(Vec<(Client, bool)>, Option<Box<str>>), Denied> {
        let first = page.after.is_none();
        let (records, next) = self.records().list::<ClientRecord>(None, page).await?;
        let mut clients = Vec::new();
        let mut off = Vec::new();
        for (id, record) in records {
            match record.client {
                Some(client) => clients.push((client, record.disabled)),
                None if record.disabled => off.push(id),
                None => {}
            }
        }
        if first {
            let is_off = |client: &Client| off.iter().any(|id| **id == *client.client_id.as_str());
            let configured = self.0.clients.values();
            clients.extend(configured.map(|client| (Client::clone(client), is_off(client))));
        }
        clients.sort_by(|a, b| a.0.client_id.cmp(&b.0.client_id));
        Ok((clients, next))
    }

    /// Switches a client off and ends everything that it holds, by one write; or on again.
    pub async fn disable_client(&self, id: &ClientId, disabled: bool) -> Result<(), ClientError> {
        self.update_client(What::ClientChanged, id, |record| ClientRecord {
            disabled,
            epoch: if disabled { Epoch::from_bytes(random()) } else { record.epoch },
            // One of the configuration may bear the name of one that was deleted: its record now stays.
            expires: record.expires.filter(|_| disabled),
            ..record
        })
        .await
    }

    /// Ends everything that a client holds. It may begin anew.
    pub async fn end_grants_of_client(&self, id: &ClientId) -> Result<(), ClientError> {
        let epoch = Epoch::from_bytes(random());
        self.update_client(What::Revocation, id, |record| ClientRecord { epoch, ..record }).await
    }

    /// Deletes a client and ends everything that it holds. Its name is remembered, switched off, until nothing of it
    /// can live any more.
    pub async fn delete_client(&self, id: &ClientId) -> Result<(), ClientError> {
        if self.0.clients.contains_key(id) {
            return Err(ClientError::Configured(id.clone()));
        }
        let expires = Some(self.now() + self.policy().longest());
        let epoch = Epoch::from_bytes(random());
        self.update_client(What::ClientDeleted, id, |record| ClientRecord {
            client: None,
            disabled: true,
            epoch,
            expires,
            ..record
        })
        .await
    }

    /// Gives a client a new secret. The old ones hold for `overlap` more, so that a deployment can follow.
    pub async fn rotate_secret(
        &self,
        id: &ClientId,
        secret: Option<Secret>,
        overlap: std::time::Duration,
    ) -> Result<Secret, ClientError> {
        if self.0.clients.contains_key(id) {
            return Err(ClientError::Configured(id.clone()));
        }
        let secret = secret.unwrap_or_else(generate_secret);
        let ends = self.now() + overlap;
        self.update_client(What::ClientSecretChanged, id, |mut record| {
            if let Some(client) = &mut record.client {
                client.secrets.retain(|old| old.expires.is_none_or(|end| end > self.now()));
                for old in &mut client.secrets {
                    old.expires = Some(old.expires.map_or(ends, |end| end.min(ends)));
                }
                client.secrets.insert(0, hashed(&secret));
            }
            record
        })
        .await?;
        Ok(secret)
    }

    async fn update_client(
        &self,
        what: What,
        id: &ClientId,
        change: impl Fn(ClientRecord) -> ClientRecord,
    ) -> Result<(), ClientError> {
        let configured = self.0.clients.contains_key(id);
        let now = self.now();
        let done = self.records().change(id.as_str(), |held: Option<&ClientRecord>, _| {
            let known = held.filter(|held| held.client.is_some() || configured).cloned();
            let record = known.or_else(|| {
                configured.then_some(ClientRecord {
                    client: None,
                    epoch: Epoch::NONE,
                    disabled: false,
                    created: now,
                    expires: None,
                })
            });
            Ok(match record {
                Some(record) => Change::Put(change(record), true),
                None => Change::Keep(false),
            })
        });
        let done = done.await?;
        self.0.standings.forget_client(id);
        if !done {
            return Err(ClientError::Unknown(id.clone()));
        }
        self.record(&Event::new(what, Actor::Operator).client(id));
        Ok(())
    }

    /// Whether any client registered this origin, so that a preflight may be answered.
    pub(crate) async fn is_origin(&self, origin: &str) -> Result<bool, Denied> {
        let configured = self.0.clients.values();
        if configured.into_iter().any(|client| client.origins.iter().any(|own| own == origin)) {
            return Ok(true);
        }
        let tag = format!("origin:{origin}");
        let page = Page { after: None, size: 1 };
        let (found, _) = self.records().list::<ClientRecord>(Some(&tag), page).await?;
        Ok(!found.is_empty())
    }
}

fn hashed(secret: &Secret) -> ClientSecret {
    ClientSecret { hash: SecretHash::of(secret), expires: None }
}
