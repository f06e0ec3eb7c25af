//! The memory engine: fast, and empty after each start.
//!
//! Records lie in shards, each behind a lock of its own, packed to an allocation a record. What has expired is never
//! returned and is swept in small bites by a thread that lives as long as the engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_protocol::{Timestamp, Version};
use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};

use super::{
    Key, Kind, Listing, Page, PutError, Query, Record, Store, Swap, Tag, Unavailable, is_live, swap,
};
use crate::clock::Clock;

/// Enough that cores rarely meet at one, and that a shard of a large store grows in a few milliseconds.
const SHARDS: usize = 256;
/// How often the sweeper wakes, and how many shards it visits then: all of them within 8 s.
const TICK: Duration = Duration::from_millis(500);
const SHARDS_A_TICK: usize = SHARDS / 16;
/// How many slots are swept before others get the lock.
const BITE: usize = 512;

/// An engine that keeps records in the memory of this process.
pub struct Memory {
    records: Arc<Shards>,
    /// Dropped with the engine, which ends the sweeper.
    _alive: mpsc::Sender<()>,
}

impl Memory {
    /// An empty one, without a ceiling.
    pub fn new(clock: Clock) -> Self {
        Self::with_ceiling(clock, usize::MAX)
    }

    /// An empty one that holds at most so many records **of each kind**. Above it a put of a new record is
    /// [`PutError::NotApplied`]; what has expired does not count.
    pub fn with_ceiling(clock: Clock, ceiling: usize) -> Self {
        let records = Arc::new(Shards::new(clock, ceiling));
        let (alive, ended) = mpsc::channel();
        let swept = Arc::clone(&records);
        let sweeper = thread::Builder::new().name("store-sweep".into());
        if let Err(error) = sweeper.spawn(move || sweep_until(&ended, &swept)) {
            tracing::warn!(%error, "no thread sweeps the memory store: expired records keep their memory");
        }
        Self { records, _alive: alive }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} records)", self.records.len())
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        Ok(self.records.get(key))
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        self.records.put(key, expected, &record)
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        Ok(self.records.delete(key, expected))
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        let mut wanted = Wanted::new(query, page, self.records.clock.now());
        for shard in &self.records.all {
            shard.read().list(&mut wanted);
            // A long listing leaves the thread to others now and then.
            tokio::task::consume_budget().await;
        }
        Ok(wanted.into_listing())
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        Ok(None)
    }
}

fn sweep_until(ended: &mpsc::Receiver<()>, records: &Shards) {
    let mut shards = records.all.iter().cycle();
    while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
        for shard in shards.by_ref().take(SHARDS_A_TICK) {
            records.sweep(shard);
        }
    }
}

struct Shards {
    clock: Clock,
    hasher: RandomState,
    all: Box<[RwLock<Shard>]>,
    /// Held by who sweeps: one at a time.
    sweeping: Mutex<()>,
    ceiling: usize,
    counts: [AtomicUsize; Kind::ALL.len()],
}

impl Shards {
    fn new(clock: Clock, ceiling: usize) -> Self {
        Self {
            clock,
            hasher: RandomState::new(),
            all: (0..SHARDS).map(|_| RwLock::default()).collect(),
            sweeping: Mutex::default(),
            ceiling,
            counts: Default::default(),
        }
    }

    fn len(&self) -> usize {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn get(&self, key: &Key) -> Option<Record> {
        let (hash, shard) = self.shard(key);
        shard.read().get(hash, key, self.clock.now())
    }

    fn put(&self, key: &Key, expected: Option<Version>, record: &Record) -> Result<(), PutError> {
        if self.put_below_ceiling(key, expected, record)? {
            return Ok(());
        }
        self.make_room(key.kind);
        if self.put_below_ceiling(key, expected, record)? {
            return Ok(());
        }
        Err(PutError::NotApplied(format!(
            "the memory store holds {} {} records, which is its ceiling",
            self.ceiling, key.kind
        )))
    }

    /// Says whether there was room.
    fn put_below_ceiling(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<bool, PutError> {
        let (hash, shard) = self.shard(key);
        let mut shard = shard.write();
        let found = shard.find(hash, key);
        let held = found.map(|slot| shard.slots[slot as usize].held());
        match swap(held.flatten(), expected, record.version, self.clock.now()) {
            Swap::Conflict => Err(PutError::Conflict),
            Swap::Done => Ok(true),
            Swap::Write => {
                if found.is_none() && !self.count_one_more(key.kind) {
                    return Ok(false);
                }
                let written = shard.write(hash, found, key, record, &self.hasher);
                if written.is_err() && found.is_none() {
                    self.count_one_less(key.kind);
                }
                written.map(|()| true)
            }
        }
    }

    fn delete(&self, key: &Key, expected: Option<Version>) -> bool {
        let (hash, shard) = self.shard(key);
        let mut shard = shard.write();
        let Some(slot) = shard.find(hash, key) else {
            return false;
        };
        let Some((version, expires)) = shard.slots[slot as usize].held() else {
            return false;
        };
        let live = is_live(expires, self.clock.now());
        if live && expected.is_some_and(|expected| expected != version) {
            return false;
        }
        shard.remove(slot, &self.hasher);
        self.count_one_less(key.kind);
        live
    }

    fn shard(&self, key: &Key) -> (u64, &RwLock<Shard>) {
        let hash = self.hasher.hash_one((key.kind, key.id.as_bytes()));
        // From the middle: the table uses the lowest and the highest bits.
        let index = usize::from(hash.to_le_bytes()[5]);
        (hash, &self.all[index % SHARDS])
    }

    fn count_one_more(&self, kind: Kind) -> bool {
        let count = &self.counts[kind as usize];
        let room = count.fetch_add(1, Ordering::Relaxed) < self.ceiling;
        if !room {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        room
    }

    fn count_one_less(&self, kind: Kind) {
        self.counts[kind as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Sweeps shards in which something has expired until there is room.
    fn make_room(&self, kind: Kind) {
        for shard in &self.all {
            self.sweep(shard);
            if self.counts[kind as usize].load(Ordering::Relaxed) < self.ceiling {
                return;
            }
        }
    }

    fn sweep(&self, shard: &RwLock<Shard>) {
        let now = self.clock.now();
        if now < shard.read().earliest {
            return;
        }
        let _alone = self.sweeping.lock();
        let mut lap = Lap::default();
        while !lap.done {
            shard.write().sweep(&mut lap, now, self);
        }
    }
}

/// One walk over the slots of a shard.
#[derive(Default)]
struct Lap {
    at: usize,
    done: bool,
}

struct Shard {
    /// Which issuers there are; a record holds its place in here. They are few and stay.
    issuers: Vec<Arc<str>>,
    slots: Vec<Slot>,
    free: Option<u32>,
    by_id: HashTable<u32>,
    /// A hash of the tag, and the slot. Two tags of one hash are told apart by looking at the record.
    by_tag: BTreeSet<(u32, u32)>,
    /// Nothing expires before.
    earliest: Timestamp,
    /// The same, for what the sweep under way has passed.
    earliest_passed: Timestamp,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            slots: Vec::new(),
            free: None,
            by_id: HashTable::new(),
            by_tag: BTreeSet::new(),
            earliest: Timestamp::MAX,
            earliest_passed: Timestamp::MAX,
        }
    }
}

impl Shard {
    fn get(&self, hash: u64, key: &Key, now: Timestamp) -> Option<Record> {
        let slot = self.find(hash, key)?;
        let entry = self.slots[slot as usize].entry()?;
        is_live(entry.expires(), now).then(|| entry.to_record())
    }

    fn find(&self, hash: u64, key: &Key) -> Option<u32> {
        let issuer = self.issuer(&key.issuer)?;
        let found = self.by_id.find(hash, |&slot| {
            let entry = self.slots[slot as usize].entry();
            entry.is_some_and(|entry| entry.is(issuer, key))
        });
        found.copied()
    }

    fn issuer(&self, issuer: &Arc<str>) -> Option<u16> {
        let mut known = self.issuers.iter();
        let place = known.position(|known| Arc::ptr_eq(known, issuer) || known == issuer)?;
        u16::try_from(place).ok()
    }

    fn issuer_or_new(&mut self, issuer: &Arc<str>) -> Result<u16, PutError> {
        if self.issuer(issuer).is_none() {
            self.issuers.push(Arc::clone(issuer));
        }
        let place = self.issuer(issuer);
        place.ok_or_else(|| PutError::NotApplied("more than 65536 issuers".into()))
    }

    fn write(
        &mut self,
        hash: u64,
        found: Option<u32>,
        key: &Key,
        record: &Record,
        hasher: &RandomState,
    ) -> Result<(), PutError> {
        let issuer = self.issuer_or_new(&key.issuer)?;
        let entry = Entry::new(issuer, key, record)?;
        self.earliest = self.earliest.min(entry.expires);
        self.earliest_passed = self.earliest_passed.min(entry.expires);
        match found {
            Some(slot) => self.replace(slot, entry),
            None => self.insert(hash, entry, hasher),
        }
        Ok(())
    }

    fn replace(&mut self, slot: u32, entry: Entry) {
        let old = std::mem::replace(&mut self.slots[slot as usize], Slot::Used(entry));
        let (Slot::Used(old), Slot::Used(new)) = (&old, &self.slots[slot as usize]) else {
            return;
        };
        if old.packed_tags() != new.packed_tags() {
            untag(&mut self.by_tag, slot, old);
            tag(&mut self.by_tag, slot, new);
        }
    }

    fn insert(&mut self, hash: u64, entry: Entry, hasher: &RandomState) {
        let slot = self.free_slot();
        tag(&mut self.by_tag, slot, &entry);
        self.slots[slot as usize] = Slot::Used(entry);
        let slots = &self.slots;
        self.by_id.insert_unique(hash, slot, |&slot| slots[slot as usize].hash(hasher));
    }

    fn free_slot(&mut self) -> u32 {
        if let Some(slot) = self.free {
            if let Slot::Free(next) = self.slots[slot as usize] {
                self.free = next;
            }
            return slot;
        }
        if self.slots.len() == self.slots.capacity() {
            // By a quarter, not by double: a slot is a tenth of a record.
            self.slots.reserve_exact(self.slots.len() / 4 + 4);
        }
        self.slots.push(Slot::Free(None));
        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
    }

    fn remove(&mut self, slot: u32, hasher: &RandomState) {
        let hash = self.slots[slot as usize].hash(hasher);
        let gone = std::mem::replace(&mut self.slots[slot as usize], Slot::Free(self.free));
        self.free = Some(slot);
        if let Ok(found) = self.by_id.find_entry(hash, |&other| other == slot) {
            found.remove();
        }
        if let Slot::Used(entry) = gone {
            untag(&mut self.by_tag, slot, &entry);
        }
    }

    /// Removes what has expired in the next few slots.
    fn sweep(&mut self, lap: &mut Lap, now: Timestamp, shards: &Shards) {
        if lap.at == 0 {
            self.earliest_passed = Timestamp::MAX;
        }
        let end = self.slots.len().min(lap.at + BITE);
        for place in lap.at..end {
            self.sweep_slot(place, now, shards);
        }
        lap.at = end;
        lap.done = end >= self.slots.len();
        if lap.done {
            self.earliest = self.earliest_passed;
            self.shrink(&shards.hasher);
        }
    }

    fn sweep_slot(&mut self, place: usize, now: Timestamp, shards: &Shards) {
        let Slot::Used(entry) = &self.slots[place] else {
            return;
        };
        if is_live(entry.expires(), now) {
            self.earliest_passed = self.earliest_passed.min(entry.expires);
            return;
        }
        shards.count_one_less(entry.kind);
        self.remove(u32::try_from(place).unwrap_or(u32::MAX), &shards.hasher);
    }

    /// Gives memory back when less than a quarter of it is in use.
    fn shrink(&mut self, hasher: &RandomState) {
        if self.slots.capacity() < 64 || self.by_id.len() * 4 > self.slots.capacity() {
            return;
        }
        let slots = std::mem::take(&mut self.slots);
        self.free = None;
        self.by_id = HashTable::with_capacity(self.by_id.len());
        self.by_tag.clear();
        for slot in slots {
            if let Slot::Used(entry) = slot {
                let hash = entry.hash(hasher);
                self.insert(hash, entry, hasher);
            }
        }
    }

    fn list(&self, wanted: &mut Wanted<'_>) {
        let Some(issuer) = self.issuer(&wanted.query.issuer) else {
            return;
        };
        if let Some(tag) = &wanted.query.tag {
            let hash = tag_hash(tag);
            let tagged = self.by_tag.range((hash, 0)..=(hash, u32::MAX));
            for &(_, slot) in tagged {
                wanted.offer(issuer, &self.slots[slot as usize]);
            }
        } else {
            for slot in &self.slots {
                wanted.offer(issuer, slot);
            }
        }
    }
}

fn tag(by_tag: &mut BTreeSet<(u32, u32)>, slot: u32, entry: &Entry) {
    by_tag.extend(entry.tags().map(|tag| (tag_hash(tag), slot)));
}

fn untag(by_tag: &mut BTreeSet<(u32, u32)>, slot: u32, entry: &Entry) {
    for tag in entry.tags() {
        by_tag.remove(&(tag_hash(tag), slot));
    }
}

/// FNV-1a: short texts, and a collision costs no more than a look at the record.
fn tag_hash(tag: &str) -> u32 {
    tag.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

enum Slot {
    Used(Entry),
    /// And the next free one.
    Free(Option<u32>),
}

impl Slot {
    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Used(entry) => Some(entry),
            Self::Free(_) => None,
        }
    }

    fn held(&self) -> Option<(Version, Option<Timestamp>)> {
        let entry = self.entry()?;
        Some((entry.version, entry.expires()))
    }

    fn hash(&self, hasher: &RandomState) -> u64 {
        self.entry().map_or(0, |entry| entry.hash(hasher))
    }
}

/// A record with its key, packed.
struct Entry {
    version: Version,
    /// [`Timestamp::MAX`]: never.
    expires: Timestamp,
    /// The id; the tags, each behind its length; the body.
    bytes: Box<[u8]>,
    tags_at: u32,
    body_at: u32,
    issuer: u16,
    kind: Kind,
}

impl Entry {
    fn new(issuer: u16, key: &Key, record: &Record) -> Result<Self, PutError> {
        let tags: usize = record.tags.iter().map(|tag| 2 + tag.len()).sum();
        let mut bytes = Vec::with_capacity(key.id.len() + tags + record.body.len());
        bytes.extend_from_slice(key.id.as_bytes());
        let tags_at = place(&bytes)?;
        for tag in &record.tags {
            let len = u16::try_from(tag.len()).map_err(|_| too_large())?;
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(tag.as_bytes());
        }
        let body_at = place(&bytes)?;
        bytes.extend_from_slice(&record.body);
        Ok(Self {
            version: record.version,
            expires: record.expires.unwrap_or(Timestamp::MAX),
            bytes: bytes.into_boxed_slice(),
            tags_at,
            body_at,
            issuer,
            kind: key.kind,
        })
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires).filter(|&expires| expires != Timestamp::MAX)
    }

    fn is(&self, issuer: u16, key: &Key) -> bool {
        self.id_bytes() == key.id.as_bytes() && self.kind == key.kind && self.issuer == issuer
    }

    fn hash(&self, hasher: &RandomState) -> u64 {
        hasher.hash_one((self.kind, self.id_bytes()))
    }

    fn id_bytes(&self) -> &[u8] {
        &self.bytes[..self.tags_at as usize]
    }

    fn id(&self) -> &str {
        str::from_utf8(self.id_bytes()).unwrap_or_default()
    }

    fn packed_tags(&self) -> &[u8] {
        &self.bytes[self.tags_at as usize..self.body_at as usize]
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.packed_tags();
        std::iter::from_fn(move || {
            let (len, behind) = rest.split_first_chunk()?;
            let (tag, behind) = behind.split_at_checked(u16::from_le_bytes(*len).into())?;
            rest = behind;
            str::from_utf8(tag).ok()
        })
    }

    fn to_record(&self) -> Record {
        Record {
            version: self.version,
            expires: self.expires(),
            tags: self.tags().map(Tag::from).collect(),
            body: Bytes::copy_from_slice(&self.bytes[self.body_at as usize..]),
        }
    }
}

fn place(bytes: &[u8]) -> Result<u32, PutError> {
    u32::try_from(bytes.len()).map_err(|_| too_large())
}

fn too_large() -> PutError {
    PutError::NotApplied("the record is too large: a tag may have 64 kB, all tags 4 GB".into())
}

/// A listing under way: the first records, by id, that fit.
struct Wanted<'a> {
    query: &'a Query,
    page: Page,
    now: Timestamp,
    found: BTreeMap<Box<str>, Record>,
    more: bool,
}

impl<'a> Wanted<'a> {
    fn new(query: &'a Query, page: Page, now: Timestamp) -> Self {
        Self { query, page, now, found: BTreeMap::new(), more: false }
    }

    fn offer(&mut self, issuer: u16, slot: &Slot) {
        let Some(entry) = slot.entry() else {
            return;
        };
        if !self.matches(issuer, entry) {
            return;
        }
        if self.found.len() == self.page.bounded_size() {
            self.more = true;
            let last = self.found.last_key_value();
            if last.is_some_and(|(last, _)| entry.id() >= &**last) {
                return;
            }
            self.found.pop_last();
        }
        self.found.insert(entry.id().into(), entry.to_record());
    }

    fn matches(&self, issuer: u16, entry: &Entry) -> bool {
        let after = self.page.after.as_deref();
        let tag = self.query.tag.as_deref();
        entry.kind == self.query.kind
            && entry.issuer == issuer
            && is_live(entry.expires(), self.now)
            && after.is_none_or(|after| entry.id() > after)
            && tag.is_none_or(|tag| entry.tags().any(|held| held == tag))
    }

    fn into_listing(self) -> Listing {
        let last = self.found.last_key_value();
        let next = last.map(|(last, _)| last.clone());
        Listing { next: next.filter(|_| self.more), records: self.found.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key { issuer: "https://id.example".into(), kind: Kind::Grant, id: id.into() }
    }

    fn record(n: u8, expires: Option<Timestamp>) -> Record {
        Record {
            version: Version::from_bytes([n; 16]),
            expires,
            tags: vec!["subject:a".into(), "client:b".into()],
            body: Bytes::from_static(b"{}"),
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn at_ceiling_of(ceiling: usize) -> (Clock, Memory) {
        let clock = Clock::fixed(at(0));
        (clock.clone(), Memory::with_ceiling(clock, ceiling))
    }

    #[tokio::test]
    async fn above_the_ceiling_nothing_new_is_kept_but_the_old_may_change() {
        let (_, memory) = at_ceiling_of(2);
        memory.put(&key("a"), None, record(1, None)).await.unwrap();
        memory.put(&key("b"), None, record(2, None)).await.unwrap();
        let refused = memory.put(&key("c"), None, record(3, None)).await;
        assert!(matches!(refused, Err(PutError::NotApplied(_))));
        let first = Some(Version::from_bytes([1; 16]));
        memory.put(&key("a"), first, record(4, None)).await.unwrap();
        assert!(memory.delete(&key("b"), None).await.unwrap());
        memory.put(&key("c"), None, record(3, None)).await.unwrap();
    }

    #[tokio::test]
    async fn the_ceiling_is_each_kinds_own() {
        let (_, memory) = at_ceiling_of(1);
        memory.put(&key("a"), None, record(1, None)).await.unwrap();
        let mut other = key("b");
        other.kind = Kind::Limit;
        memory.put(&other, None, record(2, None)).await.unwrap();
    }

    #[tokio::test]
    async fn what_has_expired_makes_room_at_the_ceiling() {
        let (clock, memory) = at_ceiling_of(100);
        for n in 0..100 {
            let expires = at(10 + u64::from(n));
            memory.put(&key(&n.to_string()), None, record(n, Some(expires))).await.unwrap();
        }
        assert!(memory.put(&key("new"), None, record(200, None)).await.is_err());
        clock.advance(Duration::from_secs(10));
        memory.put(&key("new"), None, record(200, None)).await.unwrap();
        assert!(memory.put(&key("newer"), None, record(201, None)).await.is_err());
    }

    #[tokio::test]
    async fn a_sweep_leaves_nothing_of_what_has_expired() {
        let (clock, memory) = at_ceiling_of(usize::MAX);
        for n in 0..20_000_u32 {
            let expires = if n % 100 == 0 { 1000 } else { 10 };
            memory.put(&key(&n.to_string()), None, record(1, Some(at(expires)))).await.unwrap();
        }
        clock.advance(Duration::from_secs(10));
        memory.records.all.iter().for_each(|shard| memory.records.sweep(shard));
        assert_eq!(memory.records.len(), 200);
        let shards = memory.records.all.iter().map(RwLock::read);
        let (slots, tags) = shards.fold((0, 0), |(slots, tags), shard| {
            assert_eq!(
                shard.earliest,
                if shard.by_id.is_empty() { Timestamp::MAX } else { at(1000) }
            );
            (slots + shard.slots.capacity(), tags + shard.by_tag.len())
        });
        assert_eq!(tags, 400);
        assert!(slots < 20_000 / 2, "{slots} slots are kept for 200 records");
        for n in (0..20_000).step_by(100) {
            assert!(memory.get(&key(&n.to_string())).await.unwrap().is_some());
        }
    }

    #[test]
    fn a_record_costs_a_slot_of_56_bytes_beside_its_own() {
        assert_eq!(size_of::<Slot>(), 56);
    }
}
