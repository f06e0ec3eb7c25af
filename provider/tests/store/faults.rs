//! Engines with one planted fault each: the contract must see it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_protocol::{Timestamp, Version};
use countersign_provider::{
    clock::Clock,
    store::{
        Key, Kind, Listing, Memory, Page, PutError, Query, Record, Store, Unavailable,
        contract::{self, Broken},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    SelectThenUpdate,
    SwallowedError,
    SwallowedConflict,
    NoExpiry,
    OwnWriteIsAConflict,
    ExpiredBlocksCreate,
    LostTag,
    StaleTag,
    DeleteOfAnyVersion,
    FoldedIds,
    CutPages,
}

/// The memory engine with a fault over it.
#[derive(Debug)]
struct Faulty {
    inner: Memory,
    clock: Clock,
    fault: Fault,
    /// Every tag that a record ever had.
    tags: Mutex<Vec<(Key, Box<str>)>>,
}

impl Faulty {
    fn new(fault: Fault, clock: Clock) -> Self {
        let stopped = Clock::fixed(clock.now());
        let inner = match fault {
            Fault::NoExpiry | Fault::ExpiredBlocksCreate => Memory::new(stopped),
            Fault::SwallowedError => Memory::with_ceiling(clock.clone(), 20),
            _ => Memory::new(clock.clone()),
        };
        let tags = Mutex::default();
        Self { inner, clock, fault, tags }
    }

    fn key(&self, key: &Key) -> Key {
        let mut key = key.clone();
        if self.fault == Fault::FoldedIds {
            key.id = key.id.to_lowercase().into();
        }
        key
    }

    async fn select_then_update(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        let held = self.get(key).await.unwrap().map(|held| held.version);
        if held == Some(record.version) {
            return Ok(());
        }
        if held != expected {
            return Err(PutError::Conflict);
        }
        tokio::task::yield_now().await;
        loop {
            self.inner.delete(key, None).await.unwrap();
            if self.inner.put(key, None, record.clone()).await.is_ok() {
                return Ok(());
            }
        }
    }

    fn stale(&self, query: &Query, listing: &mut Listing) {
        let tags = self.tags.lock().unwrap();
        listing.records.retain(|(id, _)| {
            let tagged = |(key, tag): &(Key, Box<str>)| {
                key.issuer == query.issuer && key.id == *id && Some(tag) == query.tag.as_ref()
            };
            query.tag.is_none() || tags.iter().any(tagged)
        });
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        let held = self.inner.get(&self.key(key)).await?;
        let now = self.clock.now();
        Ok(held.filter(|held| self.fault != Fault::ExpiredBlocksCreate || held.is_live(now)))
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        let key = &self.key(key);
        let held = self.get(key).await.unwrap().map(|held| held.version);
        let tags = record.tags.iter().cloned();
        self.tags.lock().unwrap().extend(tags.map(|tag| (key.clone(), tag)));
        match self.fault {
            Fault::SelectThenUpdate => return self.select_then_update(key, expected, record).await,
            Fault::OwnWriteIsAConflict if held == Some(record.version) => {
                return Err(PutError::Conflict);
            }
            Fault::ExpiredBlocksCreate if expected.is_some() && held.is_none() => {
                return Err(PutError::Conflict);
            }
            _ => {}
        }
        match (self.fault, self.inner.put(key, expected, record).await) {
            (Fault::SwallowedError, Err(PutError::NotApplied(_)))
            | (Fault::SwallowedConflict, Err(PutError::Conflict)) => Ok(()),
            (_, put) => put,
        }
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        let key = &self.key(key);
        if self.fault == Fault::ExpiredBlocksCreate && self.get(key).await?.is_none() {
            return Ok(false);
        }
        let expected = expected.filter(|_| self.fault != Fault::DeleteOfAnyVersion);
        self.inner.delete(key, expected).await
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        let untagged = Query {
            tag: query.tag.clone().filter(|_| self.fault != Fault::StaleTag),
            ..query.clone()
        };
        let mut listing = self.inner.list(&untagged, page).await?;
        let now = self.clock.now();
        match self.fault {
            Fault::ExpiredBlocksCreate => listing.records.retain(|(_, held)| held.is_live(now)),
            Fault::StaleTag => self.stale(query, &mut listing),
            Fault::LostTag => listing
                .records
                .retain(|(_, held)| query.tag.is_none() || held.tags.first() == query.tag.as_ref()),
            Fault::CutPages => listing.next = None,
            _ => {}
        }
        Ok(listing)
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        Ok(None)
    }
}

async fn check(fault: Fault) -> Result<(), Broken> {
    contract::check(async |clock| Arc::new(Faulty::new(fault, clock)) as Arc<dyn Store>).await
}

/// The contract names exactly these promises as broken.
async fn breaks(fault: Fault, promises: &[&str]) {
    let broken = check(fault).await.unwrap_err().0;
    for promise in promises {
        let named = broken.iter().any(|broken| broken.starts_with(promise));
        assert!(named, "{fault:?} does not break {promise:?} but {broken:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_fault_the_wrapper_keeps_the_contract() {
    check(Fault::None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn select_then_update_is_caught() {
    breaks(
        Fault::SelectThenUpdate,
        &["of many creates one wins", "of many updates one wins", "no update is lost"],
    )
    .await;
}

/// On one thread too, where tasks change only at an await.
#[tokio::test]
async fn select_then_update_is_caught_on_one_thread() {
    breaks(Fault::SelectThenUpdate, &["of many updates one wins"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_swallowed_error_is_caught() {
    breaks(Fault::SwallowedError, &["odd ids are kept apart and come back"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_swallowed_conflict_is_caught() {
    breaks(
        Fault::SwallowedConflict,
        &["a create succeeds only on a free key", "an update succeeds only on the expected"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_missing_expiry_is_caught() {
    breaks(
        Fault::NoExpiry,
        &["a record is gone from its expiry on", "an expired record is not listed"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_own_write_taken_for_a_conflict_is_caught() {
    breaks(
        Fault::OwnWriteIsAConflict,
        &["the same put twice is one", "the same put from many sides is done for all"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_expired_record_that_blocks_a_create_is_caught() {
    let broken = check(Fault::ExpiredBlocksCreate).await.unwrap_err().0;
    assert_eq!(broken.len(), 2, "{broken:#?}");
    assert!(broken[0].starts_with("an expired record does not block a create"));
    assert!(broken[1].starts_with("of many creates over an expired record one wins"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_tag_is_caught() {
    breaks(Fault::LostTag, &["records are listed by tag", "tags are replaced"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_outlives_its_record_is_caught() {
    breaks(Fault::StaleTag, &["tags are replaced", "a deleted record is not listed"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_delete_of_whatever_is_there_is_caught() {
    breaks(
        Fault::DeleteOfAnyVersion,
        &["a delete removes the expected version", "of updates and deletes of one version"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ids_that_fall_together_are_caught() {
    breaks(Fault::FoldedIds, &["odd ids are kept apart"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listing_cut_short_is_caught() {
    breaks(Fault::CutPages, &["each record is on one page"]).await;
}

/// A write: a put, or with no record a delete.
type Write = (Key, Option<Version>, Option<Record>);

/// An engine that says *done* and writes with the next operation.
#[derive(Debug)]
struct Early {
    disk: Arc<Memory>,
    behind: tokio::sync::Mutex<Option<Write>>,
}

impl Early {
    async fn commit(&self, next: Option<Write>) {
        let mut behind = self.behind.lock().await;
        match std::mem::replace(&mut *behind, next) {
            Some((key, expected, Some(record))) => {
                self.disk.put(&key, expected, record).await.unwrap();
            }
            Some((key, expected, None)) => {
                self.disk.delete(&key, expected).await.unwrap();
            }
            None => {}
        }
    }
}

#[async_trait]
impl Store for Early {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        self.commit(None).await;
        self.disk.get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        self.commit(Some((key.clone(), expected, Some(record)))).await;
        Ok(())
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        self.commit(Some((key.clone(), expected, None))).await;
        Ok(true)
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        self.commit(None).await;
        self.disk.list(query, page).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        Ok(None)
    }

    fn lists(&self, _kind: Kind) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledgement_before_the_commit_is_caught() {
    let disk: std::sync::OnceLock<Arc<Memory>> = std::sync::OnceLock::new();
    let open = async |clock: Clock| {
        let disk = disk.get_or_init(|| Arc::new(Memory::new(clock)));
        let behind = tokio::sync::Mutex::default();
        Arc::new(Early { disk: Arc::clone(disk), behind }) as Arc<dyn Store>
    };
    let broken = contract::check_durable(open).await.unwrap_err().0;
    assert!(broken[0].starts_with("what was acknowledged is there"), "{broken:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_that_starts_empty_is_not_durable() {
    let open = async |clock| Arc::new(Memory::new(clock)) as Arc<dyn Store>;
    contract::check_durable(open).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn engines_that_know_nothing_of_each_other_are_not_shared() {
    let open = async |clock| Arc::new(Memory::new(clock)) as Arc<dyn Store>;
    let broken = contract::check_shared(open).await.unwrap_err().0;
    assert_eq!(broken.len(), 2, "{broken:#?}");
}
