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
        self.0.last().copied().unwrap_or_else(|| Version::from_bytes([0; 16]))
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
    realm: Arc<str>,
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
        Self { store, realm: issuer.clone(), issuer, clock }
    }

    /// The same, kept under another name than the issuer's.
    pub fn in_realm(mut self, realm: Arc<str>) -> Self {
        self.realm = realm;
        self
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

    /// The name that the records bear as [`Key::issuer`].
    pub fn realm(&self) -> &Arc<str> {
        &self.realm
    }

    /// The value under `id`; `None` when there is none or it has expired.
    /// [`Denied::StoreUnavailable`] when the store does not tell in time.
    pub async fn load<T: Document>(&self, id: &str) -> Result<Option<T>, Denied> {
        Ok(self.hold(id).await?.map(|held| held.value))
    }

    /// The record under `id`, to be changed by [`Records::change_held`].
    pub async fn hold<T: Document>(&self, id: &str) -> Result<Option<Held<T>>, Denied> {
        self.held(&self.key::<T>(id), Instant::now() + DEADLINE).await
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
                Change::Put(value, output) => {
                    (self.swap(&key, held.as_ref(), &value, &attempt, deadline).await?, output)
                }
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
        removed.map_err(|_| silent(&key))?.map_err(|error| unavailable(&key, &error))
    }

    /// Values by tag, or all, in order of id: a page, and where the next one begins.
    pub async fn list<T: Document>(
        &self,
        tag: Option<&str>,
        page: Page,
    ) -> Result<(Vec<(Box<str>, T)>, Option<Box<str>>), Denied> {
        let key = self.key::<T>("");
        let query = Query { issuer: self.realm.clone(), kind: T::KIND, tag: tag.map(Into::into) };
        let listing = timeout_at(Instant::now() + DEADLINE, self.store.list(&query, page))
            .await
            .map_err(|_| silent(&key))?
            .map_err(|error| unavailable(&key, &error))?;
        let read = |(id, record): (Box<str>, Record)| Some((id, read::<T>(&record)?.value));
        Ok((listing.records.into_iter().filter_map(read).collect(), listing.next))
    }

    fn key<T: Document>(&self, id: &str) -> Key {
        Key { issuer: self.realm.clone(), kind: T::KIND, id: id.into() }
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
        record.map(|record| read(&record).ok_or(Denied::StoreUnavailable)).transpose()
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
        .or_else(|| serde_json::from_slice::<Schema>(body).ok().map(|schema| schema.v))
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
    carry(serde_json::from_slice(original)?, &serde_json::to_value(known)?, &mut new);
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use async_trait::async_trait;
    use parking_lot::Mutex;
    use serde::Deserialize;

    use super::*;
    use crate::store::{Listing, Memory, Unavailable};

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Counter {
        count: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inner: Option<Inner>,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Inner {
        a: u32,
    }

    impl Document for Counter {
        const KIND: Kind = Kind::Limit;

        fn expires(&self) -> Option<Timestamp> {
            None
        }
    }

    /// What becomes of the answer to the next put.
    #[derive(Clone, Copy, Debug)]
    enum Fate {
        /// It was written, and the answer got lost.
        LostAfter,
        /// It was not written, and nobody can tell.
        LostBefore,
        /// It was written, somebody wrote on top, and the answer got lost.
        Overwritten,
        /// It was certainly not written.
        NotApplied,
    }

    #[derive(Debug)]
    struct Faulty {
        memory: Memory,
        fates: Mutex<VecDeque<Fate>>,
    }

    impl Faulty {
        async fn overwrite(&self, key: &Key) {
            let held = self.memory.get(key).await.unwrap().unwrap();
            let body = br#"{"v":1,"count":100}"#.as_slice().into();
            let record = Record { version: Version::from_bytes([9; 16]), body, ..held.clone() };
            self.memory.put(key, Some(held.version), record).await.unwrap();
        }
    }

    #[async_trait]
    impl Store for Faulty {
        async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
            self.memory.get(key).await
        }

        async fn put(
            &self,
            key: &Key,
            expected: Option<Version>,
            record: Record,
        ) -> Result<(), PutError> {
            let fate = self.fates.lock().pop_front();
            match fate {
                Some(Fate::NotApplied) => return Err(PutError::NotApplied("full".into())),
                Some(Fate::LostBefore) => return Err(PutError::Unknown("cut".into())),
                _ => self.memory.put(key, expected, record).await?,
            }
            if matches!(fate, Some(Fate::Overwritten)) {
                self.overwrite(key).await;
            }
            if fate.is_some() { Err(PutError::Unknown("cut".into())) } else { Ok(()) }
        }

        async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
            self.memory.delete(key, expected).await
        }

        async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
            self.memory.list(query, page).await
        }

        async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
            Ok(None)
        }
    }

    fn records(fates: &[Fate]) -> Records {
        let clock = Clock::fixed(Timestamp::from_secs(1));
        let memory = Memory::new(clock.clone());
        let store = Faulty { memory, fates: Mutex::new(fates.iter().copied().collect()) };
        Records::new(Arc::new(store), "i".into(), clock)
    }

    async fn add_one(records: &Records) -> Result<u32, Denied> {
        records
            .change("x", |held: Option<&Counter>, _| {
                let count = held.map_or(0, |held| held.count) + 1;
                Ok(Change::Put(Counter { count, inner: None }, count))
            })
            .await
    }

    async fn put_raw(records: &Records, json: &'static str) {
        let version = Version::from_bytes([1; 16]);
        let record = Record { version, expires: None, tags: vec![], body: json.as_bytes().into() };
        let key = records.key::<Counter>("x");
        records.store().put(&key, None, record).await.unwrap();
    }

    async fn raw(records: &Records) -> Value {
        let key = records.key::<Counter>("x");
        let record = records.store().get(&key).await.unwrap().unwrap();
        serde_json::from_slice(&record.body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_answer_got_lost_counts_once() {
        for fate in [Fate::LostAfter, Fate::LostBefore, Fate::NotApplied] {
            let records = records(&[fate, fate]);
            assert_eq!(add_one(&records).await, Ok(1), "{fate:?}");
            assert_eq!(add_one(&records).await, Ok(2), "{fate:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_write_under_a_later_one_is_decided_anew_and_known_as_ones_own() {
        let records = records(&[Fate::Overwritten]);
        let mut drawn = Vec::new();
        let seen = records
            .change("x", |held: Option<&Counter>, attempt| {
                assert!(drawn.iter().all(|version| attempt.drew(version)));
                drawn.push(attempt.version());
                let count = held.map_or(0, |held| held.count) + 1;
                Ok(Change::Put(Counter { count, inner: None }, count))
            })
            .await;
        assert_eq!(seen, Ok(101));
        assert_eq!(drawn.len(), 2);
        assert_ne!(drawn[0], drawn[1]);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_it_is_unavailable_and_not_refused() {
        let records = records(&[Fate::LostBefore; 1000]);
        let start = Instant::now();
        assert_eq!(add_one(&records).await, Err(Denied::StoreUnavailable));
        assert!(start.elapsed() <= DEADLINE + Duration::from_millis(10));
    }

    #[tokio::test]
    async fn members_that_a_newer_release_wrote_are_kept() {
        let records = records(&[]);
        put_raw(&records, r#"{"v":1,"count":1,"new":[1],"inner":{"a":1,"b":2}}"#).await;
        let change = records.change("x", |held: Option<&Counter>, _| {
            let held = held.unwrap().clone();
            Ok(Change::Put(Counter { count: 2, ..held }, ()))
        });
        change.await.unwrap();
        let expected =
            serde_json::json!({ "v": 1, "count": 2, "new": [1], "inner": { "a": 1, "b": 2 } });
        assert_eq!(raw(&records).await, expected);
        // What is known and left out goes.
        add_one(&records).await.unwrap();
        assert_eq!(raw(&records).await, serde_json::json!({ "v": 1, "count": 3, "new": [1] }));
    }

    #[tokio::test]
    async fn a_record_of_a_higher_schema_is_read_and_never_overwritten() {
        let records = records(&[]);
        put_raw(&records, r#"{"count":7,"v":2}"#).await;
        let held = records.load::<Counter>("x").await.unwrap().unwrap();
        assert_eq!(held.count, 7);
        assert_eq!(add_one(&records).await, Err(Denied::StoreUnavailable));
        assert_eq!(raw(&records).await["count"], 7);
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_left_as_it_is() {
        let records = records(&[]);
        put_raw(&records, r#"{"v":1,"count":"seven"}"#).await;
        assert_eq!(add_one(&records).await, Err(Denied::StoreUnavailable));
        assert_eq!(raw(&records).await["count"], "seven");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_increment_is_lost_among_many() {
        let records = records(&[]);
        let tasks = (0..100).map(|_| {
            let records = records.clone();
            tokio::spawn(async move { add_one(&records).await.unwrap() })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(add_one(&records).await, Ok(101));
    }
}
