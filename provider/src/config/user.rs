//! A user of the configuration file: a `[[user]]`.

use std::path::PathBuf;

use countersign_protocol::{Secret, Subject};
use countersign_provider::users::{ListedPassword, ListedUser};
use serde::Deserialize;

use super::{
    Invalid,
    values::{read_secret, secret},
};

/// What is said of a user.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct UserSpec {
    /// The name that they sign in with.
    username: Option<String>,
    /// Who they are to applications; their username unless this is said.
    subject: Option<Subject>,
    /// What they are called.
    name: Option<String>,
    email: Option<String>,
    admin: bool,
    #[serde(deserialize_with = "secret")]
    password: Option<Secret>,
    /// A file with the password.
    password_file: Option<PathBuf>,
    /// An Argon2 hash of the password, in PHC format.
    #[serde(deserialize_with = "secret")]
    password_hash: Option<Secret>,
}

impl UserSpec {
    /// The user. What is wrong with a name or a password is found when the provider is put together.
    pub(super) fn listed(&self) -> Result<ListedUser, Invalid> {
        let username = self.username.clone();
        let username = username.ok_or_else(|| self.refuse("write one such as username = \"ada\""));
        Ok(ListedUser {
            username: username?,
            password: self.password()?,
            subject: self.subject.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            admin: self.admin,
        })
    }

    fn password(&self) -> Result<ListedPassword, Invalid> {
        match (&self.password, &self.password_file, &self.password_hash) {
            (Some(plain), None, None) => Ok(ListedPassword::Plain(plain.clone())),
            (None, Some(file), None) => {
                let plain = read_secret(file).map_err(|why| self.refuse(&why))?;
                Ok(ListedPassword::Plain(plain))
            }
            (None, None, Some(hash)) => Ok(ListedPassword::Hash(hash.clone())),
            _ => Err(self.refuse("give one of password, password_file and password_hash")),
        }
    }

    fn refuse(&self, why: &str) -> Invalid {
        Invalid::User {
            username: self.username.clone().unwrap_or("without a username".into()),
            why: why.into(),
        }
    }
}
