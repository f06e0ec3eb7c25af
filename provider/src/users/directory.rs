//! The users of the store and of the configuration, as one.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use countersign_protocol::{Denied, Secret, Subject, username::Username};

use super::{
    Account, ListError, ListedUser, Profile, SubjectRecord, UserRecord, Users, listed::Listed,
};
use crate::{
    password::Passwords,
    record::{Change, Records},
};

/// Nobody's record: read in place of an unknown user's, so that both cost the same.
pub(crate) const NOBODY: &str = "-";

/// The users of the store, and those of the configuration, who go before.
///
/// Whether the name is unknown, the password wrong, the user switched off or without a password: each answer costs the
/// same reads and one hash (row L9).
pub(crate) struct Directory {
    records: Records,
    passwords: Passwords,
    listed: HashMap<Username, Listed>,
    names: HashMap<Subject, Username>,
}

/// A user from either place.
struct User {
    subject: Subject,
    hash: Option<Secret>,
    /// Whether the hash can be replaced.
    kept: bool,
}

impl Directory {
    pub(crate) async fn open(
        records: Records,
        passwords: Passwords,
        list: Vec<ListedUser>,
    ) -> Result<Self, ListError> {
        let (mut listed, mut names) = (HashMap::new(), HashMap::new());
        for user in list {
            let given = user.username.clone();
            let (name, user) = Listed::take(user, &passwords).await?;
            let other = names.insert(user.subject.clone(), name.clone());
            if other.is_some() || listed.insert(name, user).is_some() {
                return Err(ListError::Twice(given));
            }
        }
        Ok(Self { records, passwords, listed, names })
    }

    /// The user of the configuration with this name.
    pub(crate) fn listed(&self, name: &Username) -> Option<(&Subject, &Profile)> {
        let listed = self.listed.get(name)?;
        Some((&listed.subject, &listed.profile))
    }

    /// All users of the configuration.
    pub(crate) fn all_listed(&self) -> impl Iterator<Item = (&Subject, &Profile)> {
        let listed = self.listed.values();
        listed.map(|listed| (&listed.subject, &listed.profile))
    }

    async fn user(&self, name: &Username) -> Result<Option<User>, Denied> {
        let record = self.records.load::<UserRecord>(name.as_str()).await?;
        let listed = self.listed.get(name).map(|listed| User {
            subject: listed.subject.clone(),
            hash: Some(listed.hash.clone()),
            kept: false,
        });
        let kept = |record: UserRecord| User {
            subject: record.subject,
            hash: record.password,
            kept: true,
        };
        Ok(listed.or_else(|| record.map(kept)))
    }

    async fn is_off(&self, subject: Option<&Subject>) -> Result<bool, Denied> {
        let id = subject.map_or(NOBODY, Subject::as_str);
        let record = self.records.load::<SubjectRecord>(id).await?;
        Ok(record.is_some_and(|record| record.disabled))
    }

    /// Makes a hash of an earlier time anew while the password is at hand. A failure costs nothing but another try.
    async fn renew(&self, name: &Username, old: &Secret, password: &Secret) {
        let renewed = async {
            let new = Secret::from(self.passwords.hash(password).await?);
            let put = |held: Option<&UserRecord>, _: &_| {
                let same = |held: &&UserRecord| {
                    held.password.as_ref().is_some_and(|held| held.matches(old))
                };
                Ok(held.filter(same).map_or(Change::Keep(()), |held| {
                    let password = Some(new.clone());
                    Change::Put(UserRecord { password, ..held.clone() }, ())
                }))
            };
            self.records.change(name.as_str(), put).await
        };
        if let Err(denied) = renewed.await {
            tracing::debug!(%denied, "a password hash was not renewed");
        }
    }
}

#[async_trait]
impl Users for Directory {
    async fn authenticate(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<Option<Subject>, Denied> {
        let Some(name) = Username::new(username) else {
            self.passwords.verify(None, password).await?;
            return Ok(None);
        };
        let user = self.user(&name).await?;
        let off = self.is_off(user.as_ref().map(|user| &user.subject)).await?;
        let hash = user.as_ref().and_then(|user| user.hash.as_ref());
        let right = self.passwords.verify(hash.map(Secret::expose), password).await?;
        let Some(user) = user.filter(|_| right && !off) else {
            return Ok(None);
        };
        if let Some(hash) = user.hash.filter(|_| user.kept)
            && self.passwords.outdated(hash.expose())
        {
            self.renew(&name, &hash, password).await;
        }
        Ok(Some(user.subject))
    }

    async fn find(&self, subject: &Subject) -> Result<Option<Profile>, Denied> {
        let record = self.records.load::<SubjectRecord>(subject.as_str()).await?;
        let record = record.unwrap_or_default();
        if record.disabled {
            return Ok(None);
        }
        if let Some(listed) = self.names.get(subject).and_then(|name| self.listed.get(name)) {
            return Ok(Some(listed.profile.clone()));
        }
        let Some(name) = record.user else {
            return Ok(None);
        };
        let user = self.records.load::<UserRecord>(&name).await?;
        let own = user.filter(|user| user.subject == *subject);
        Ok(own.map(Profile::from))
    }

    async fn account(&self, username: &str) -> Result<Option<Account>, Denied> {
        let Some(name) = Username::new(username) else {
            return Ok(None);
        };
        let user = self.user(&name).await?;
        Ok(user.map(|user| Account { name: name.to_string(), subject: user.subject }))
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}
