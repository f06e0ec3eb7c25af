//! A sign-in session: what the provider remembers of a browser whose user proved who they are.

use countersign_protocol::{Denied, SessionId, Subject, Timestamp, secret::SecretHash};
use serde::{Deserialize, Serialize};

use crate::{
    authority::Authority,
    record::Document,
    store::{Kind, Tag},
};

/// A sign-in session. The record's id is its [`SessionId`], which stays; the secret in its cookie does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose.
    #[serde(rename = "sub")]
    pub subject: Subject,
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

impl Authority {
    /// Ends a sign-in session; one that is over is fine.
    pub(crate) async fn end_session(&self, session: SessionId) -> Result<(), Denied> {
        self.records()
            .delete::<Session>(&session.to_string())
            .await
            .map(drop)
    }
}
