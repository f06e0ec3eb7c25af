//! Who the users are: whatever can tell a right password from a wrong one.

use async_trait::async_trait;
use countersign_protocol::{Denied, Epoch, Secret, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{record::Document, store::Kind};

/// Where users come from.
#[async_trait]
pub trait Users: Send + Sync {
    /// Who signs in with this name and password; `None` for any wrong pair, and for a user who may not sign in.
    async fn authenticate(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<Option<Subject>, Denied>;

    /// What is known of a user; `None`: they are gone, and so is everything that they agreed to.
    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied>;
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name that they sign in with.
    pub username: String,
}

/// The epoch and switch of a subject. Redrawing the epoch ends everything that the user ever agreed to, by one write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Redrawn, it ends everything that was made under it.
    #[serde(default, skip_serializing_if = "Epoch::is_none")]
    pub epoch: Epoch,
    /// Whether the user may not sign in.
    #[serde(default)]
    pub disabled: bool,
}

impl Document for SubjectRecord {
    const KIND: Kind = Kind::Subject;

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// No users at all: what a provider has that was told of none.
#[derive(Debug)]
pub(crate) struct Nobody;

#[async_trait]
impl Users for Nobody {
    async fn authenticate(&self, _: &str, _: &Secret) -> Result<Option<Subject>, Denied> {
        Ok(None)
    }

    async fn find(&self, _: &Subject) -> Result<Option<Profile>, Denied> {
        Ok(None)
    }
}
