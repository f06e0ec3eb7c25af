//! Users: added, shown, switched off, deleted. It works while other processes serve from the same store.

use countersign_protocol::{
    Denied, Epoch, Secret, Subject, Timestamp, id,
    password::{self, Unfit},
    username::Username,
};

use super::Authority;
use crate::{
    audit::{Actor, Event, What},
    clock::random,
    record::Change,
    store::Page,
    users::{Profile, SubjectRecord, UserRecord},
};

/// A user to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name that they sign in with: 1 to 255 bytes without control characters.
    pub username: String,
    /// What they prove themselves with.
    pub password: NewPassword,
    /// What they are called.
    pub name: Option<String>,
    /// Their address; nobody verifies it.
    pub email: Option<String>,
    /// Whether they may manage the provider.
    pub admin: bool,
}

impl NewUser {
    /// A user with a generated password.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: NewPassword::Generated,
            name: None,
            email: None,
            admin: false,
        }
    }
}

/// The password that a user gets.
#[derive(Clone, Debug)]
pub enum NewPassword {
    /// A random one of 100 bits, to be shown once.
    Generated,
    /// This one: at least 8 characters, at most 1024 bytes.
    Given(Secret),
    /// None: nobody signs in with a password.
    Without,
}

/// A user who was added, with the one sight of a generated password.
#[derive(Clone, Debug)]
pub struct Added {
    /// Who.
    pub user: UserInfo,
    /// The password, if it was generated.
    pub password: Option<Secret>,
}

/// What is shown of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    /// Who they are to applications.
    pub subject: Subject,
    /// What is known of them.
    pub profile: Profile,
    /// Whether they are switched off.
    pub disabled: bool,
    /// Whether they can sign in with a password.
    pub has_password: bool,
    /// When they were added; `None` for a user of the configuration.
    pub created: Option<Timestamp>,
}

/// Why a user was not changed: what to do next stands in it.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// It is no name.
    #[error("a name has 1 to 255 bytes and no control characters")]
    Name,
    /// It is no address.
    #[error("an e-mail address has an @ within it, at most 254 bytes and no spaces")]
    Email,
    /// The password is not fit for one.
    #[error("{0}")]
    Password(#[from] Unfit),
    /// The name is taken.
    #[error("a user {0} exists already; choose another name, or delete that one first")]
    Exists(Username),
    /// There is no such user.
    #[error("no user {0} is known; `user list` shows those that are")]
    Unknown(Username),
    /// The configuration has them, so the store cannot change them.
    #[error("user {0} stands in the configuration; change them there")]
    Configured(Username),
    /// The store refused or did not answer.
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl Authority {
    /// Adds a user. Of two who add one name at once, one is told that it exists.
    pub async fn add_user(&self, new: NewUser) -> Result<Added, UserError> {
        let name = Username::new(&new.username).ok_or(UserError::Name)?;
        check_email(new.email.as_deref())?;
        if self.0.directory.listed(&name).is_some() {
            return Err(UserError::Exists(name));
        }
        let (hash, password) = self.hashed(new.password).await?;
        let user = UserRecord {
            subject: draw_subject().ok_or(Denied::Internal)?,
            username: new.username.trim().to_owned(),
            password: hash,
            name: new.name,
            email: new.email,
            admin: new.admin,
            created: self.now(),
        };
        self.keep(&name, &user).await?;
        self.tell(What::UserAdded, &user.subject, &name);
        let user = UserInfo::kept(user, false);
        Ok(Added { user, password })
    }

    /// The user with this name.
    pub async fn show_user(&self, username: &str) -> Result<UserInfo, UserError> {
        let name = Username::new(username).ok_or(UserError::Name)?;
        if let Some((subject, profile)) = self.0.directory.listed(&name) {
            let disabled = self.is_off(subject).await?;
            return Ok(UserInfo::listed(subject, profile, disabled));
        }
        let user = self.user(&name).await?;
        let disabled = self.is_off(&user.subject).await?;
        Ok(UserInfo::kept(user, disabled))
    }

    /// A page of the users in the store, and where the next one begins. Those of the configuration come with the first
    /// page.
    pub async fn list_users(
        &self,
        page: Page,
    ) -> Result<(Vec<UserInfo>, Option<Box<str>>), Denied> {
        let mut users = Vec::new();
        if page.after.is_none() {
            for (subject, profile) in self.0.directory.all_listed() {
                users.push(UserInfo::listed(subject, profile, self.is_off(subject).await?));
            }
            users.sort_by(|a, b| a.profile.username.cmp(&b.profile.username));
        }
        let (records, next) = self.records().list::<UserRecord>(None, page).await?;
        for (_, user) in records {
            let disabled = self.is_off(&user.subject).await?;
            users.push(UserInfo::kept(user, disabled));
        }
        Ok((users, next))
    }

    /// Switches a user off and ends everything that they agreed to, by one write; or on again.
    pub async fn disable_user(&self, username: &str, disabled: bool) -> Result<(), UserError> {
        let (name, subject) = self.whose(username).await?;
        self.update_subject(&subject, |record| {
            record.disabled = disabled;
            if disabled {
                record.epoch = Epoch::from_bytes(random());
            }
        })
        .await?;
        self.tell(What::UserChanged, &subject, &name);
        Ok(())
    }

    /// Ends every session and grant of a user, by one write. They may sign in anew.
    pub async fn end_grants_of_user(&self, username: &str) -> Result<(), UserError> {
        let (_, subject) = self.whose(username).await?;
        Ok(self.end_grants_of_subject(&subject).await?)
    }

    /// Gives a user a new password, and ends everything that they agreed to. A generated one is answered, to be shown
    /// once.
    pub async fn set_password(
        &self,
        username: &str,
        password: NewPassword,
    ) -> Result<Option<Secret>, UserError> {
        let name = self.stored_name(username)?;
        let (hash, generated) = self.hashed(password).await?;
        let put = |held: Option<&UserRecord>, _: &_| {
            Ok(held.map_or(Change::Keep(None), |held| {
                let password = hash.clone();
                let user = UserRecord { password, ..held.clone() };
                Change::Put(user, Some(held.subject.clone()))
            }))
        };
        let subject = self.records().change(name.as_str(), put).await?;
        let subject = subject.ok_or_else(|| UserError::Unknown(name.clone()))?;
        // Behind the new password: whoever got in by the old one until now holds an epoch that ends here.
        self.end_all(&subject).await?;
        self.tell(What::PasswordChanged, &subject, &name);
        Ok(generated)
    }

    /// Deletes a user and ends everything that they agreed to. Who gets the name next is somebody else.
    pub async fn delete_user(&self, username: &str) -> Result<(), UserError> {
        let name = self.stored_name(username)?;
        let subject = self.user(&name).await?.subject;
        let expires = self.now() + self.policy().longest();
        self.update_subject(&subject, |record| {
            record.disabled = true;
            record.epoch = Epoch::from_bytes(random());
            record.user = None;
            record.expires = Some(expires);
        })
        .await?;
        let remove = |held: Option<&UserRecord>, _: &_| {
            let own = held.is_some_and(|held| held.subject == subject);
            Ok(if own { Change::Remove(()) } else { Change::Keep(()) })
        };
        self.records().change(name.as_str(), remove).await?;
        self.tell(What::UserDeleted, &subject, &name);
        Ok(())
    }

    /// The subject goes first: a user whom [`crate::users::Users::find`] would not find must never be seen.
    async fn keep(&self, name: &Username, user: &UserRecord) -> Result<(), UserError> {
        let subject = SubjectRecord {
            epoch: Epoch::from_bytes(random()),
            user: Some(name.to_string()),
            ..SubjectRecord::default()
        };
        let id = user.subject.as_str();
        self.records().create(id, &subject).await?;
        let put = |held: Option<&UserRecord>, _: &_| {
            Ok(match held {
                None => Change::Put(user.clone(), true),
                // A write of this call's own that did not seem to arrive is one all the same.
                Some(held) => Change::Keep(held.subject == user.subject),
            })
        };
        if self.records().change(name.as_str(), put).await? {
            return Ok(());
        }
        self.records().delete::<SubjectRecord>(id).await?;
        Err(UserError::Exists(name.clone()))
    }

    async fn hashed(
        &self,
        password: NewPassword,
    ) -> Result<(Option<Secret>, Option<Secret>), UserError> {
        let (plain, generated) = match password {
            NewPassword::Without => return Ok((None, None)),
            NewPassword::Given(plain) => (plain, None),
            NewPassword::Generated => {
                let plain = generate_password();
                (plain.clone(), Some(plain))
            }
        };
        password::accept(&plain)?;
        let hash = self.passwords().hash(&plain).await?;
        Ok((Some(hash.into()), generated))
    }

    /// The spelling of a name that the store, and not the configuration, has.
    fn stored_name(&self, username: &str) -> Result<Username, UserError> {
        let name = Username::new(username).ok_or(UserError::Name)?;
        match self.0.directory.listed(&name) {
            Some(_) => Err(UserError::Configured(name)),
            None => Ok(name),
        }
    }

    async fn user(&self, name: &Username) -> Result<UserRecord, UserError> {
        let user = self.records().load::<UserRecord>(name.as_str()).await?;
        user.ok_or_else(|| UserError::Unknown(name.clone()))
    }

    /// Whose name it is, in the store, the configuration, or the application's own [`crate::users::Users`].
    async fn whose(&self, username: &str) -> Result<(Username, Subject), UserError> {
        let name = Username::new(username).ok_or(UserError::Name)?;
        if let Some((subject, _)) = self.0.directory.listed(&name) {
            return Ok((name, subject.clone()));
        }
        if let Some(account) = self.users().account(username).await? {
            return Ok((name, account.subject));
        }
        let subject = self.user(&name).await?.subject;
        Ok((name, subject))
    }

    async fn is_off(&self, subject: &Subject) -> Result<bool, Denied> {
        let record = self.records().load::<SubjectRecord>(subject.as_str()).await?;
        Ok(record.is_some_and(|record| record.disabled))
    }

    /// Redraws the subject's epoch.
    pub(super) async fn end_all(&self, subject: &Subject) -> Result<(), Denied> {
        self.update_subject(subject, |record| record.epoch = Epoch::from_bytes(random())).await
    }

    async fn update_subject(
        &self,
        subject: &Subject,
        change: impl Fn(&mut SubjectRecord),
    ) -> Result<(), Denied> {
        let put = |held: Option<&SubjectRecord>, _: &_| {
            let mut record = held.cloned().unwrap_or_default();
            change(&mut record);
            Ok(Change::Put(record, ()))
        };
        self.records().change(subject.as_str(), put).await?;
        self.forget_subject(subject);
        Ok(())
    }

    fn tell(&self, what: What, subject: &Subject, name: &Username) {
        let event = Event::new(what, Actor::Operator).subject(subject);
        self.record(&event.object(name));
    }
}

impl UserInfo {
    fn kept(user: UserRecord, disabled: bool) -> Self {
        Self {
            subject: user.subject.clone(),
            disabled,
            has_password: user.password.is_some(),
            created: Some(user.created),
            profile: user.into(),
        }
    }

    fn listed(subject: &Subject, profile: &Profile, disabled: bool) -> Self {
        Self {
            subject: subject.clone(),
            profile: profile.clone(),
            disabled,
            has_password: true,
            created: None,
        }
    }
}

fn check_email(email: Option<&str>) -> Result<(), UserError> {
    let fits = |email: &str| {
        let parts = email.rsplit_once('@');
        let whole = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        let plain = |char: char| !char.is_control() && !char.is_whitespace();
        whole && email.len() <= 254 && email.chars().all(plain)
    };
    if email.is_none_or(fits) {
        return Ok(());
    }
    Err(UserError::Email)
}

/// 128 random bits: no two are ever the same, and nobody's name shows.
fn draw_subject() -> Option<Subject> {
    Subject::new(id::encode(&random::<16>()))
}

/// 100 random bits in five groups that can be read out and typed: no letter looks like a digit.
pub fn generate_password() -> Secret {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut password = String::with_capacity(24);
    for (place, byte) in random::<20>().into_iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    Secret::new(password)
}
