//! A grant that its only access token carries: nothing is kept of it.

use serde::{Deserialize, Serialize};

use super::{Epochs, Terminus};
use crate::{
    client::GrantType,
    error::Denied,
    id::{ClientId, Subject},
    policy::Terms,
    scope::Scope,
    time::Timestamp,
};

/// The longest access token that carries its grant; one that would be longer is kept instead.
pub const MAX_TOKEN: usize = 1024;

/// What a carrying token holds, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The client.
    #[serde(rename = "c")]
    pub client: ClientId,
    /// The user; `None`: the client itself.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// How it was obtained.
    #[serde(rename = "t")]
    pub grant_type: GrantType,
    /// What it allows.
    #[serde(rename = "s")]
    pub scope: Scope,
    /// The epochs under which it was made.
    #[serde(rename = "e", default, skip_serializing_if = "Epochs::are_none")]
    pub epochs: Epochs,
    /// When it was issued.
    #[serde(rename = "i")]
    pub issued: Timestamp,
    /// When it ends.
    #[serde(rename = "x")]
    pub expires: Timestamp,
}

impl Carried {
    /// A grant of one access token.
    pub fn new(terminus: Terminus, terms: &Terms, now: Timestamp) -> Self {
        Self {
            client: terminus.client,
            subject: terminus.subject,
            grant_type: terminus.grant_type,
            scope: terminus.scope,
            epochs: terminus.epochs,
            issued: now,
            expires: now + terms.access_token,
        }
    }

    /// Whether it still holds in time. That it is not revoked is for the store to say.
    pub fn check(&self, now: Timestamp) -> Result<(), Denied> {
        if now < self.expires { Ok(()) } else { Err(Denied::AccessTokenInvalid) }
    }

    /// How long a mark that revokes it must be kept.
    pub fn mark_expires(&self) -> Timestamp {
        self.expires + super::MARGIN
    }
}
