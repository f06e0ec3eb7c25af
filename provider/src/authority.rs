//! Every operation of the provider over values, with no HTTP in it: for who embeds the provider without its endpoints,
//! and for the endpoints themselves.
//!
//! An operation loads, lets `protocol` decide, keeps what was decided, and answers. Cloning is cheap; all clones are
//! one authority.

use std::{collections::HashMap, fmt, sync::Arc};

use countersign_protocol::{
    ClientId, Denied, Subject, Timestamp, client::Client, client_auth::Presented, policy::Policy,
};

use crate::{
    audit::{Event, Trail},
    clock::Clock,
    keys::Keys,
    limit::Brakes,
    password::Passwords,
    record::Records,
    token::Codec,
    users::{Directory, Users},
};

mod access;
mod authorize;
mod clients;
mod grants;
mod logout;
mod ready;
mod revoke;
mod sign_in;
mod standing;
mod token;
mod users;

pub use access::Access;
pub use authorize::Consented;
pub use clients::{ClientError, ClientRecord, Registered, generate_client_id, generate_secret};
pub use grants::{GrantInfo, Which};
pub use sign_in::Proven;
pub use token::Peer;
pub use users::{Added, NewPassword, NewUser, UserError, UserInfo, generate_password};

/// The provider's operations.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    records: Records,
    codec: Codec,
    users: Arc<dyn Users>,
    directory: Arc<Directory>,
    brakes: Brakes,
    passwords: Passwords,
    policy: Policy,
    clients: HashMap<ClientId, Arc<Client>>,
    trail: Trail,
    standings: standing::Standings,
    bars: ready::Bars,
}

/// What an [`Authority`] is made of.
pub(crate) struct Parts {
    pub(crate) records: Records,
    pub(crate) keys: Keys,
    pub(crate) users: Arc<dyn Users>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) brakes: Brakes,
    pub(crate) passwords: Passwords,
    pub(crate) policy: Policy,
    pub(crate) clients: Vec<Client>,
    pub(crate) trail: Trail,
}

impl Authority {
    pub(crate) fn new(parts: Parts) -> Self {
        let clients = parts.clients.into_iter();
        Self(Arc::new(Inner {
            records: parts.records,
            codec: Codec::new(parts.keys),
            users: parts.users,
            directory: parts.directory,
            brakes: parts.brakes,
            passwords: parts.passwords,
            policy: parts.policy,
            clients: clients.map(|client| (client.client_id.clone(), Arc::new(client))).collect(),
            trail: parts.trail,
            standings: standing::Standings::new(),
            bars: ready::Bars::default(),
        }))
    }

    /// The issuer identifier ([RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    pub fn issuer(&self) -> &str {
        self.0.records.issuer()
    }

    /// What the provider allows, and for how long.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The clock that decisions use.
    pub fn clock(&self) -> &Clock {
        self.0.records.clock()
    }

    /// Now, by that clock.
    pub fn now(&self) -> Timestamp {
        self.0.records.now()
    }

    /// The ring of server keys.
    pub fn keys(&self) -> &Keys {
        self.0.codec.keys()
    }

    /// The users.
    pub fn users(&self) -> &Arc<dyn Users> {
        &self.0.users
    }

    /// The pool that hashes passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// Makes and opens tokens, codes and flows.
    pub(crate) fn codec(&self) -> &Codec {
        &self.0.codec
    }

    /// The records of this issuer.
    pub(crate) fn records(&self) -> &Records {
        &self.0.records
    }

    /// Tells the audit trail what happened.
    pub(crate) fn record(&self, event: &Event) {
        self.0.trail.record(self.now(), event);
    }

    pub(crate) fn hears_of_tokens(&self) -> bool {
        self.0.trail.hears_of_tokens()
    }

    /// Who calls, proven ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).
    /// [`Denied::ClientRejected`] for an unknown or disabled client, and for a wrong proof.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Arc<Client>, Denied> {
        let known = self.client(&presented.client_id).await?;
        presented.verify(known.as_deref(), self.now())?;
        known.ok_or(Denied::ClientRejected)
    }

    /// [`Denied::GrantRevoked`] when the user is gone.
    async fn check_user(&self, subject: &Subject) -> Result<(), Denied> {
        match self.0.users.find(subject).await? {
            Some(_) => Ok(()),
            None => Err(Denied::GrantRevoked),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
