//! Users from a list: the configuration's.

use countersign_protocol::{
    Denied, Secret, Subject,
    password::{self, Unfit},
    username::Username,
};

use super::Profile;
use crate::password::{BadHash, Passwords, check_hash};

/// A user of the configuration.
#[derive(Clone, Debug)]
pub struct ListedUser {
    /// The name that they sign in with.
    pub username: String,
    /// What they prove themselves with.
    pub password: ListedPassword,
    /// Who they are to applications; the name's spelling unless this is said. What once was one person's should never
    /// become another's.
    pub subject: Option<Subject>,
    /// What they are called.
    pub name: Option<String>,
    /// Their address, which nobody has verified.
    pub email: Option<String>,
    /// Whether they may manage the provider.
    pub admin: bool,
}

/// What a listed user proves themselves with.
#[derive(Clone, Debug)]
pub enum ListedPassword {
    /// The password itself; it is hashed at the start.
    Plain(Secret),
    /// An Argon2 hash in PHC format.
    Hash(Secret),
}

impl ListedUser {
    /// A user with this password.
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            username: username.into(),
            password: ListedPassword::Plain(password.into()),
            subject: None,
            name: None,
            email: None,
            admin: false,
        }
    }
}

/// Why a list of users cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is no name.
    #[error("user {0:?}: a name has 1 to 255 bytes and no control characters")]
    Name(String),
    /// Two users have one name, or one subject.
    #[error(
        "user {0:?} stands there twice, by name or by subject; names differ by more than case and width"
    )]
    Twice(String),
    /// The password is not fit for one.
    #[error("user {user:?}: {why}")]
    Password {
        /// Whose.
        user: String,
        /// What is wrong with it.
        why: Unfit,
    },
    /// The hash is none.
    #[error("user {user:?}: {why}; leave the hash out and give the password itself")]
    Hash {
        /// Whose.
        user: String,
        /// What is wrong with it.
        why: BadHash,
    },
    /// The passwords cannot be hashed.
    #[error(transparent)]
    Denied(#[from] Denied),
}

/// A listed user, checked and hashed.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) subject: Subject,
    pub(crate) hash: Secret,
    pub(crate) profile: Profile,
}

impl Listed {
    pub(crate) async fn take(
        user: ListedUser,
        passwords: &Passwords,
    ) -> Result<(Username, Self), ListError> {
        let name = Username::new(&user.username).ok_or(ListError::Name(user.username.clone()))?;
        let hash = hashed(&user, passwords).await?;
        let own = || Subject::new(name.as_str());
        let subject = user.subject.or_else(own);
        let subject = subject.ok_or_else(|| ListError::Name(user.username.clone()))?;
        let profile = Profile {
            username: user.username,
            name: user.name,
            email: user.email,
            admin: user.admin,
        };
        let listed = Self { subject, hash, profile };
        Ok((name, listed))
    }
}

async fn hashed(user: &ListedUser, passwords: &Passwords) -> Result<Secret, ListError> {
    let name = || user.username.clone();
    match &user.password {
        ListedPassword::Plain(plain) => {
            password::accept(plain).map_err(|why| ListError::Password { user: name(), why })?;
            Ok(passwords.hash(plain).await?.into())
        }
        ListedPassword::Hash(hash) => {
            check_hash(hash.expose()).map_err(|why| ListError::Hash { user: name(), why })?;
            Ok(hash.clone())
        }
    }
}
