//! Who the users are: whatever can tell a right password from a wrong one.
//!
//! They come from records in the store and from a list of the configuration ([`ListedUser`]), both at once, unless the
//! embedding application brings its own: an async closure ([`users_fn`]) or anything that is [`Users`].

use async_trait::async_trait;
use countersign_protocol::{Denied, Epoch, Secret, Subject, Timestamp};
use serde::{Deserialize, Serialize};

mod closure;
mod directory;
mod listed;

pub use closure::{UsersFn, users_fn};
pub(crate) use directory::{Directory, NOBODY};
pub use listed::{ListError, ListedPassword, ListedUser};

use crate::{record::Document, store::Kind};

/// Where users come from.
#[async_trait]
pub trait Users: Send + Sync {
    /// Who signs in with this name and password; `None` for any wrong pair, and for a user who may not sign in.
    ///
    /// It should do the same work in each of these cases, so that nobody learns who has an account. An error must not
    /// depend on whether the password was right: the try is given back.
    async fn authenticate(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<Option<Subject>, Denied>;

    /// What is known of a user; `None`: they are gone, and so is everything that they agreed to.
    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied>;

    /// Whose name this is; no password is looked at. `None`: nobody's, or it is not known before a password is.
    ///
    /// A name that is somebody's has a counter of wrong passwords of its own; all others share 65,536. And who is
    /// known here cannot slip in with a password that is changed at this moment. Without an implementation
    /// everything works, with counters that are shared.
    async fn account(&self, username: &str) -> Result<Option<Account>, Denied> {
        let _ = username;
        Ok(None)
    }
}

/// Whose a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's one name, whichever of its names or addresses was typed: attempts are counted by it.
    pub name: String,
    /// Whose it is.
    pub subject: Subject,
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The name that they sign in with.
    pub username: String,
    /// What they are called.
    pub name: Option<String>,
    /// Their address, which nobody has verified.
    pub email: Option<String>,
    /// Whether they may manage the provider.
    pub admin: bool,
}

impl Profile {
    /// Of somebody of whom only the name is known that they sign in with.
    pub fn new(username: impl Into<String>) -> Self {
        Self { username: username.into(), name: None, email: None, admin: false }
    }
}

/// The epoch and switch of a subject. Redrawing the epoch ends everything that the user ever agreed to, by one write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Redrawn, it ends everything that was made under it.
    #[serde(default, skip_serializing_if = "Epoch::is_none")]
    pub epoch: Epoch,
    /// Whether the user may not sign in.
    #[serde(default)]
    pub disabled: bool,
    /// Under which name the user's record is kept; `None`: there is none, or it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When the memory of a deleted user may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Document for SubjectRecord {
    const KIND: Kind = Kind::Subject;

    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// What is kept of a user, under the [spelling] of the name that they sign in with.
///
/// [spelling]: countersign_protocol::username::Username
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserRecord {
    /// Who they are to applications: drawn when the user is added, never used again.
    #[serde(rename = "sub")]
    pub subject: Subject,
    /// The name that they sign in with, as it was given.
    pub username: String,
    /// The password's hash in PHC format; `None`: nobody signs in with a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their address, which nobody has verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether they may manage the provider.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// When they were added.
    pub created: Timestamp,
}

impl Document for UserRecord {
    const KIND: Kind = Kind::User;

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl From<UserRecord> for Profile {
    fn from(user: UserRecord) -> Self {
        Self { username: user.username, name: user.name, email: user.email, admin: user.admin }
    }
}
