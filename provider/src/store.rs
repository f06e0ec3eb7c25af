//! Where everything is kept: a short trait of things that happen all at once.
//!
//! A record is changed by **one compare-and-swap of one record** and by nothing else; no promise of the provider needs
//! a transaction over two. So any engine that can swap one record serves.
//!
//! # Adding an engine
//! Implement [`Store`], run the contract suite over it, and give it a scheme in [`open()`].

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_protocol::{Timestamp, Version};

#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;
pub use self::{
    memory::Memory,
    mixed::Mixed,
    open::{OpenError, open, open_mixed},
};

pub mod contract;
pub mod memory;
mod mixed;
mod open;
#[cfg(feature = "sqlite")]
mod sqlite;

/// What a record is about. Kinds may live in different engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A kept grant.
    Grant,
    /// The mark that a carried token is revoked.
    Revoked,
    /// A client: its metadata, epoch and switch.
    Client,
    /// A user: name, password hash, profile.
    User,
    /// A subject: its epoch and switch.
    Subject,
    /// A sign-in session.
    Session,
    /// What a user agreed to for a client.
    Consent,
    /// The ring of server keys.
    Key,
    /// The mark that a one-time value came by.
    Replay,
    /// A counter of attempts.
    Limit,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Grant,
        Self::Revoked,
        Self::Client,
        Self::User,
        Self::Subject,
        Self::Session,
        Self::Consent,
        Self::Key,
        Self::Replay,
        Self::Limit,
    ];

    /// Its name, as it stands in the store and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Revoked => "revoked",
            Self::Client => "client",
            Self::User => "user",
            Self::Subject => "subject",
            Self::Session => "session",
            Self::Consent => "consent",
            Self::Key => "key",
            Self::Replay => "replay",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(value: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == value);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("{value:?} is no kind of record; the kinds are {known}")
        })
    }
}

/// The name of one record: issuer, kind and id.
///
/// The issuer keeps several providers on one store apart. An id is any text of 1 to 512 bytes; engines with narrower
/// keys hash it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose record it is.
    pub issuer: Arc<str>,
    /// What it is about.
    pub kind: Kind,
    /// Its name within issuer and kind.
    pub id: Box<str>,
}

/// A short text to list records by, such as `subject:…` or `client:…`.
pub type Tag = Box<str>;

/// What is kept under a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Drawn by who writes it, anew for each change.
    pub version: Version,
    /// From this moment on it is as if it were not there. `None`: it stays, and so it does with [`Timestamp::MAX`],
    /// which may come back as `None`.
    pub expires: Option<Timestamp>,
    /// What it can be listed by.
    pub tags: Vec<Tag>,
    /// JSON: an object with a schema number `v`.
    pub body: Bytes,
}

impl Record {
    /// Whether it is there for who reads it `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        is_live(self.expires, now)
    }
}

/// Whether what expires then is still there `now`.
fn is_live(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_none_or(|expires| now < expires)
}

/// What a put does to what its key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    /// It writes.
    Write,
    /// It was done before, and changes nothing.
    Done,
    /// The key holds something else than was expected.
    Conflict,
}

/// The rule of [`Store::put`], for engines that look under a lock of their own: `held` is the version under the key and
/// when it expires, `version` the new one.
fn swap(
    held: Option<(Version, Option<Timestamp>)>,
    expected: Option<Version>,
    version: Version,
    now: Timestamp,
) -> Swap {
    match held {
        Some((held, _)) if held == version => Swap::Done,
        Some((held, expires)) if is_live(expires, now) => match expected {
            Some(expected) if expected == held => Swap::Write,
            _ => Swap::Conflict,
        },
        _ => match expected {
            None => Swap::Write,
            Some(_) => Swap::Conflict,
        },
    }
}

/// Which records to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Whose.
    pub issuer: Arc<str>,
    /// Of which kind.
    pub kind: Kind,
    /// With this tag; `None`: all.
    pub tag: Option<Tag>,
}

/// Which part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// [`Listing::next`] of the page before; `None`: from the start.
    pub after: Option<Box<str>>,
    /// How many at most, 1 to 1000; what is outside is taken for the nearer end.
    pub size: usize,
}

impl Page {
    /// [`Page::size`] within its bounds.
    pub fn bounded_size(&self) -> usize {
        self.size.clamp(1, 1000)
    }
}

/// A part of a listing: in order of id, in bytes, when all of a kind are asked for; by tag in an order of the engine's
/// own. Either way a record that lives throughout is on exactly one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The records with their ids.
    pub records: Vec<(Box<str>, Record)>,
    /// What [`Page::after`] takes for the next page, with a meaning to the engine alone; `None`: this was the last.
    pub next: Option<Box<str>>,
}

/// The engine did not answer. Nothing is known to have changed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct Unavailable(pub String);

/// Why a [`Store::put`] did not say *done*.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PutError {
    /// The record is not what was expected. Load it again and decide anew.
    #[error("the record was changed by somebody else")]
    Conflict,
    /// Certainly nothing was written. The same put may be asked again.
    #[error("the store is unavailable, nothing was written: {0}")]
    NotApplied(String),
    /// It may or may not have been written. Ask the **same** put again (same version, same bytes), or load the record
    /// and look for its version.
    #[error("the store did not answer, it may have written: {0}")]
    Unknown(String),
}

/// An engine that keeps records.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The record; `None` when there is none, and from the moment on at which it expires.
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable>;

    /// Writes the record if the key holds what is expected, all at once.
    ///
    /// - `expected: None` succeeds only if the key is free, or holds an expired record.
    /// - `expected: Some(v)` succeeds only if the key holds a live record of version `v`.
    /// - Both succeed, and change nothing, when the key holds this very version already: the same put twice is one.
    ///
    /// When it says *done*, a durable engine has it on disk.
    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError>;

    /// Removes the record if it has the expected version (`None`: whichever). Says whether a live one was removed.
    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable>;

    /// The live records of a kind, by tag or all. It may be stale for a moment, and never decides anything.
    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable>;

    /// The engine's clock; `None` when it has none of its own.
    async fn time(&self) -> Result<Option<Timestamp>, Unavailable>;

    /// Whether it can list records of this kind at all.
    fn lists(&self, _kind: Kind) -> bool {
        true
    }

    /// Whether it may lose or evict a live record of this kind (a cache). No *revoked* mark is entrusted to one that
    /// may.
    fn forgets(&self, _kind: Kind) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_is_judged_by_what_the_key_holds() {
        let version = |n| Version::from_bytes([n; 16]);
        let (now, later) = (Timestamp::from_secs(5), Timestamp::from_secs(6));
        let (live, forever, expired) = (
            Some((version(1), Some(later))),
            Some((version(1), None)),
            Some((version(1), Some(now))),
        );
        for (held, expected, new, result) in [
            (None, None, 2, Swap::Write),
            (None, Some(1), 2, Swap::Conflict),
            (live, None, 2, Swap::Conflict),
            (forever, None, 2, Swap::Conflict),
            (live, Some(1), 2, Swap::Write),
            (forever, Some(1), 2, Swap::Write),
            (live, Some(3), 2, Swap::Conflict),
            (live, None, 1, Swap::Done),
            (live, Some(3), 1, Swap::Done),
            (live, Some(1), 1, Swap::Done),
            (expired, None, 2, Swap::Write),
            (expired, Some(1), 2, Swap::Conflict),
        ] {
            let expected = expected.map(version);
            assert_eq!(
                swap(held, expected, version(new), now),
                result,
                "{held:?} {expected:?} {new}"
            );
        }
    }
}
