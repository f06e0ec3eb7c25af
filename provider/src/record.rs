//! Typed records over a [`Store`], and the one way to change one: load, decide, swap.
//!
//! What a store may answer (a conflict, a lost answer, silence) is dealt with here and nowhere else, so that a decision
//! sees a value and gives a value.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_protocol::{Denied, Timestamp, Version};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    clock::{Clock, random},
    store::{Key, Kind, Page, PutError, Query, Record, Store, Tag},
};

/// How long a request waits for the store in all, so that its 503 goes out within 2 s.
pub const DEADLINE: Duration = Duration::from_millis(1500);

/// A value that is kept as one record.
pub trait Document: Serialize + DeserializeOwned + Send + Sync {
    /// Under which kind.
    const KIND: Kind;
    /// Its schema number. A record with a higher one is read but never overwritten.
    const SCHEMA: u16 = 1;

    /// From when on it is as if it were not there.
    fn expires(&self) -> Option<Timestamp>;

    /// What it can be listed by.
    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }
}

/// What a decision does with a record.
#[derive(Debug)]
pub enum Change<T, O> {
    /// Nothing is written.
    Keep(O),
    /// The new value is written; `O` is answered once it is durable.
    Put(T, O),
    /// The record is removed.
    Remove(O),
}

/// The versions that one request drew for its writes, newest last.
#[derive(Debug)]
pub struct Attempt(Vec<Version>);

impl Attempt {
    fn new() -> Self {
        Self(vec![Version::from_bytes(random())])
    }

    fn draw(&mut self) {
        self.0.push(Version::from_bytes(random()));
    }

    /// The version that this write will have.
    pub fn version(&self) -> Version {
        self.0
            .last()
            .copied()
            .unwrap_or_else(|| Version::from_bytes([0; 16]))
    }

    /// Whether a version is of this request's own writes, this one or an earlier one.
    pub fn drew(&self, version: &Version) -> bool {
        self.0.contains(version)
    }
}

/// The records of one issuer.
#[derive(Clone, Debug)]
pub struct Records {
    store: Arc<dyn Store>,
    issuer: Arc<str>,
    clock: Clock,
}

/// A record that was loaded.
#[derive(Debug)]
pub struct Held<T> {
    /// What it says.
    pub value: T,
    version: Version,
    schema: u16,
    /// The bytes as they were, when they have members that `T` does not know.
    original: Option<Bytes>,
}

impl Records {
    /// The records of `issuer` in `store`.
    pub fn new(store: Arc<dyn Store>, issuer: Arc<str>, clock: Clock) -> Self {
        Self {
            store,
            issuer,
            clock,
        }
    }

    /// Now, by the clock that decisions use.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock that decisions use.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The engine below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Whose records these are.
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The value under `id`; `None` when there is none or it has expired.
    /// [`Denied::StoreUnavailable`] when the store does not tell in time.
    pub async fn load<T: Document>(&self, id: &str) -> Result<Option<T>, Denied> {
        Ok(self.hold(id).await?.map(|held| held.value))
    }

    /// The record under `id`, to be changed by [`Records::change_held`].
    pub async fn hold<T: Document>(&self, id: &str) -> Result<Option<Held<T>>, Denied> {
        self.held(&self.key::<T>(id), Instant::now() + DEADLINE)
            .await
    }

    /// Changes the value under `id` by one compare-and-swap.
    ///
    /// `decide` sees the value (`None`: there is none) and may run more than once: after somebody else's write it
    /// decides anew on what they left. What it answers goes out only once its write is durable. It never runs again
    /// on top of a write of its own unless somebody wrote over that; then [`Attempt::drew`] knows the traces.
    pub async fn change<T: Document, O>(
        &self,
        id: &str,
        decide: impl FnMut(Option<&T>, &Attempt) -> Result<Change<T, O>, Denied>,
    ) -> Result<O, Denied> {
        let held = self.hold(id).await?;
        self.change_held(id, held, decide).await
    }

    /// As [`Records::change`], beginning with what was loaded already.
    pub async fn change_held<T: Document, O>(
        &self,
        id: &str,
        mut held: Option<Held<T>>,
        mut decide: impl FnMut(Option<&T>, &Attempt) -> Result<Change<T, O>, Denied>,
    ) -> Result<O, Denied> {
        let key = self.key::<T>(id);
        let deadline = Instant::now() + DEADLINE;
        let mut attempt = Attempt::new();
        loop {
            let value = held.as_ref().map(|held| &held.value);
            let (done, output) = match decide(value, &attempt)? {
                Change::Keep(output) => (true, output),
                Change::Put(value, output) => (
                    self.swap(&key, held.as_ref(), &value, &attempt, deadline)
                        .await?,
                    output,
                ),
                Change::Remove(output) => {
                    (self.remove(&key, held.as_ref(), deadline).await?, output)
                }
            };
            if done {
                return Ok(output);
            }
            attempt.draw();
            held = self.held(&key, deadline).await?;
        }
    }

    /// Writes the value if there is none under `id`; says whether it did.
    pub async fn create<T: Document + Clone>(&self, id: &str, value: &T) -> Result<bool, Denied> {
        self.change(id, |held: Option<&T>, _| {
            Ok(match held {
                None => Change::Put(value.clone(), true),
                Some(_) => Change::Keep(false),
            })
        })
        .await
    }

    /// Removes the record; says whether there was one.
    pub async fn delete<T: Document>(&self, id: &str) -> Result<bool, Denied> {
        let key = self.key::<T>(id);
        let removed = timeout_at(Instant::now() + DEADLINE, self.store.delete(&key, None)).await;
        removed
            .map_err(|_| silent(&key))?
            .map_err(|error| unavailable(&key, &error))
    }

    /// Values by tag, or all, in order of id: a page, and where the next one begins.
    pub async fn list<T: Document>(
        &self,
        tag: Option<&str>,
        page: Page,
    ) -> Result<(Vec<(Box<str>, T)>, Option<Box<str>>), Denied> {
        let key = self.key::<T>("");
        let query = Query {
            issuer: self.issuer.clone(),
            kind: T::KIND,
            tag: tag.map(Into::into),
        };
        let listing = timeout_at(Instant::now() + DEADLINE, self.store.list(&query, page))
            .await
            .map_err(|_| silent(&key))?
            .map_err(|error| unavailable(&key, &error))?;
        let read = |(id, record): (Box<str>, Record)| Some((id, read::<T>(&record)?.value));
        Ok((
            listing.records.into_iter().filter_map(read).collect(),
            listing.next,
        ))
    }

    fn key<T: Document>(&self, id: &str) -> Key {
        Key {
            issuer: self.issuer.clone(),
            kind: T::KIND,
            id: id.into(),
        }
    }

    async fn held<T: Document>(
        &self,
        key: &Key,
        deadline: Instant,
    ) -> Result<Option<Held<T>>, Denied> {
        let record = timeout_at(deadline, self.store.get(key))
            .await
            .map_err(|_| silent(key))?
            .map_err(|error| unavailable(key, &error))?;
        record
            .map(|record| read(&record).ok_or(Denied::StoreUnavailable))
            .transpose()
    }

    /// Writes the value in place of what was held; `false`: somebody else was faster.
    async fn swap<T: Document>(
        &self,
        key: &Key,
        held: Option<&Held<T>>,
        value: &T,
        attempt: &Attempt,
        deadline: Instant,
    ) -> Result<bool, Denied> {
        if held.is_some_and(|held| held.schema > T::SCHEMA) {
            tracing::warn!(kind = %key.kind, "a newer release wrote this record; it is left as it is");
            return Err(Denied::StoreUnavailable);
        }
        let record = Record {
            version: attempt.version(),
            expires: value.expires(),
            tags: value.tags(),
            body: write(value, held)?,
        };
        let expected = held.map(|held| held.version);
        let mut pause = Duration::from_millis(5);
        loop {
            let put = self.store.put(key, expected, record.clone());
            match timeout_at(deadline, put).await.map_err(|_| silent(key))? {
                Ok(()) => return Ok(true),
                Err(PutError::Conflict) => return Ok(false),
                // The same put twice is one: asking again finds out what became of it.
                Err(error) => {
                    tracing::debug!(kind = %key.kind, %error, "asking the same put again");
                    timeout_at(deadline, sleep(pause))
                        .await
                        .map_err(|_| unavailable(key, &error))?;
                    pause *= 2;
                }
            }
        }
    }

    async fn remove<T>(
        &self,
        key: &Key,
        held: Option<&Held<T>>,
        deadline: Instant,
    ) -> Result<bool, Denied> {
        let Some(held) = held else { return Ok(true) };
        timeout_at(deadline, self.store.delete(key, Some(held.version)))
            .await
            .map_err(|_| silent(key))?
            .map_err(|error| unavailable(key, &error))
    }
}

fn silent(key: &Key) -> Denied {
    unavailable(key, &"no answer before the deadline")
}

fn unavailable(key: &Key, error: &dyn std::fmt::Display) -> Denied {
    tracing::warn!(kind = %key.kind, %error, "the store is unavailable");
    Denied::StoreUnavailable
}

fn read<T: Document>(record: &Record) -> Option<Held<T>> {
    let mut unknown = false;
    let mut json = serde_json::Deserializer::from_slice(&record.body);
    let value = serde_ignored::deserialize(&mut json, |path| unknown |= !is_schema(&path));
    let value = value.inspect_err(|error| {
        tracing::error!(kind = %T::KIND, %error, "a record cannot be read");
    });
    Some(Held {
        value: value.ok()?,
        version: record.version,
        schema: schema(&record.body),
        original: unknown.then(|| record.body.clone()),
    })
}

fn is_schema(path: &serde_ignored::Path<'_>) -> bool {
    matches!(path, serde_ignored::Path::Map { parent: serde_ignored::Path::Root, key } if key == "v")
}

/// The schema number; of our own writing it is the first member.
fn schema(body: &[u8]) -> u16 {
    #[derive(serde::Deserialize)]
    struct Schema {
        v: u16,
    }
    let first = body.strip_prefix(b"{\"v\":").and_then(|rest| {
        let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
    });
    first
        .or_else(|| {
            serde_json::from_slice::<Schema>(body)
                .ok()
                .map(|schema| schema.v)
        })
        .unwrap_or(0)
}

fn write<T: Document>(value: &T, held: Option<&Held<T>>) -> Result<Bytes, Denied> {
    let defect = |error: serde_json::Error| {
        tracing::error!(kind = %T::KIND, %error, "a record cannot be written");
        Denied::Internal
    };
    let original = held.and_then(|held| held.original.as_deref().map(|bytes| (held, bytes)));
    let members = match original {
        None => serde_json::to_vec(value),
        Some((held, bytes)) => merge(value, &held.value, bytes),
    }
    .map_err(defect)?;
    let mut body = format!("{{\"v\":{}", T::SCHEMA).into_bytes();
    if members.len() > 2 {
        body.push(b',');
    }
    body.extend_from_slice(&members[1..]);
    Ok(body.into())
}

/// The value with those members of `original` that `known`, what was understood of it, lacks.
fn merge<T: Document>(value: &T, known: &T, original: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut new = serde_json::to_value(value)?;
    carry(
        serde_json::from_slice(original)?,
        &serde_json::to_value(known)?,
        &mut new,
    );
    serde_json::to_vec(&new)
}

/// Takes members over that this release does not know: those of `original` that `known` (what was understood of it)
/// lacks.
fn carry(original: Value, known: &Value, new: &mut Value) {
    let (Value::Object(original), Some(known), Some(new)) =
        (original, known.as_object(), new.as_object_mut())
    else {
        return;
    };
    for (name, value) in original {
        match (known.get(&name), new.get_mut(&name)) {
            (None, None) if name != "v" => drop(new.insert(name, value)),
            (Some(known), Some(new)) => carry(value, known, new),
            _ => {}
        }
    }
}
