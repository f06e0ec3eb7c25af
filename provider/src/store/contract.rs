//! The contract suite: every promise of [`Store`], for an engine of one's own too.
//!
//! ```
//! use std::sync::Arc;
//! use countersign_provider::store::{Memory, Store, contract};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), contract::Broken> {
//! contract::check(async |clock| Arc::new(Memory::new(clock)) as Arc<dyn Store>).await
//! # }
//! ```
//!
//! An engine without a clock of its own ([`Store::time`] gives none) must take its time from the [`Clock`] it is opened
//! with, which the suite moves by hand. With one that has, the suite waits, some twenty seconds in all.
//!
//! The suite works under issuers of its own, drawn at random, so that it may run on a store in use. Run it on a
//! runtime with several threads, for the races' sake.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_protocol::{Timestamp, Version};

use super::{Key, Kind, PutError, Record, Store};
use crate::clock::{Clock, random};

mod durable;
mod expiry;
mod listing;
mod races;
mod writes;

/// The promises that an engine did not keep, a sentence each.
///
/// Its `Debug` is the list, so that `check(…).await.unwrap()` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Broken(pub Vec<String>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine breaks {} of its promises", self.0.len())?;
        self.0.iter().try_for_each(|promise| write!(f, "\n- {promise}"))
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}

/// Runs each promise under an issuer of its own, and names the broken ones after the functions.
macro_rules! promises {
    ($bench:expr; $($module:ident::$promise:ident),+ $(,)?) => {{
        let mut broken = Vec::new();
        $(
            if let Err(detail) = $module::$promise(&$bench.elsewhere()).await {
                broken.push(format!("{}: {detail}", stringify!($promise).replace('_', " ")));
            }
        )+
        verdict(broken)
    }};
}

/// Checks what every engine promises.
///
/// # Errors
/// The promises that were broken. An engine that was unavailable meanwhile broke those that it could not answer for.
pub async fn check(open: impl AsyncFn(Clock) -> Arc<dyn Store>) -> Result<(), Broken> {
    let clock = Clock::fixed(START);
    let bench = Bench::new(open(clock.clone()).await, clock);
    promises![bench;
        writes::a_free_key_holds_nothing,
        writes::a_record_comes_back_as_it_was_put,
        writes::a_create_succeeds_only_on_a_free_key,
        writes::an_update_succeeds_only_on_the_expected_version,
        writes::the_same_put_twice_is_one,
        writes::an_older_put_is_a_conflict_once_another_came_on_top,
        writes::a_delete_removes_the_expected_version_and_says_so,
        writes::a_deleted_key_is_free,
        writes::issuers_and_kinds_are_kept_apart,
        writes::odd_ids_are_kept_apart_and_come_back,
        writes::a_large_body_comes_back_byte_for_byte,
        expiry::a_record_is_gone_from_its_expiry_on,
        expiry::an_expired_record_is_a_conflict_for_an_update,
        expiry::an_expired_record_does_not_block_a_create,
        expiry::an_expired_record_is_no_longer_there_to_delete,
        expiry::an_expired_record_is_not_listed,
        expiry::an_update_moves_the_expiry,
        expiry::a_record_without_expiry_stays,
        listing::records_are_listed_by_kind_in_order_of_id,
        listing::records_are_listed_by_tag,
        listing::each_record_is_on_one_page,
        listing::a_record_that_lives_throughout_is_listed_while_others_go,
        listing::tags_are_replaced_with_the_record,
        listing::a_deleted_record_is_not_listed,
        listing::odd_tags_are_told_apart,
        races::of_many_creates_one_wins,
        races::of_many_updates_one_wins,
        races::of_many_creates_over_an_expired_record_one_wins,
        races::of_updates_and_deletes_of_one_version_one_wins,
        races::the_same_put_from_many_sides_is_done_for_all,
        races::no_update_is_lost,
    ]
}

/// Checks what a durable engine promises beside: `open` opens the **same** store again each time.
///
/// It ends the first opening as a drop does, not as a power cut does; that the disk is synced before *done* is said
/// cannot be seen from here.
///
/// # Errors
/// The promises that were broken.
pub async fn check_durable(open: impl AsyncFn(Clock) -> Arc<dyn Store>) -> Result<(), Broken> {
    let clock = Clock::fixed(START);
    let mut broken = Vec::new();
    if let Err(detail) =
        durable::what_was_acknowledged_is_there_after_reopening(&open, &clock).await
    {
        broken.push(format!("what was acknowledged is there after reopening: {detail}"));
    }
    verdict(broken)
}

/// Checks what an engine promises that several processes share: `open` opens the **same** store once more each time,
/// while the earlier openings are in use.
///
/// # Errors
/// The promises that were broken.
pub async fn check_shared(open: impl AsyncFn(Clock) -> Arc<dyn Store>) -> Result<(), Broken> {
    let clock = Clock::fixed(START);
    let one = Bench::new(open(clock.clone()).await, clock.clone());
    let other = Bench { store: open(clock).await, ..one.clone() };
    let mut broken = Vec::new();
    if let Err(detail) = durable::openings_see_each_others_writes(&one, &other).await {
        broken.push(format!("openings see each other's writes: {detail}"));
    }
    if let Err(detail) = races::of_many_creates_from_two_openings_one_wins(&one, &other).await {
        broken.push(format!("of many creates from two openings one wins: {detail}"));
    }
    verdict(broken)
}

fn verdict(broken: Vec<String>) -> Result<(), Broken> {
    if broken.is_empty() { Ok(()) } else { Err(Broken(broken)) }
}

/// Where the clock stands that the suite moves: 2027-01-15T08:00:00Z.
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// How long a record lives that the suite sees expire.
const LIFE: Duration = Duration::from_secs(2);

/// What a promise says of an engine: kept, or what was seen instead.
type Kept = Result<(), String>;

/// The engine, and a place of its own in it.
#[derive(Clone)]
struct Bench {
    store: Arc<dyn Store>,
    clock: Clock,
    issuer: Arc<str>,
}

impl Bench {
    fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        let issuer = fresh_issuer();
        Self { store, clock, issuer }
    }

    /// The same engine under another issuer.
    fn elsewhere(&self) -> Self {
        Self::new(Arc::clone(&self.store), self.clock.clone())
    }

    fn key(&self, id: &str) -> Key {
        self.key_of(Kind::Grant, id)
    }

    fn key_of(&self, kind: Kind, id: &str) -> Key {
        Key { issuer: Arc::clone(&self.issuer), kind, id: id.into() }
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, String> {
        let got = self.store.get(key).await;
        got.map_err(|error| format!("get answered: {error}"))
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, String> {
        let deleted = self.store.delete(key, expected).await;
        deleted.map_err(|error| format!("delete answered: {error}"))
    }

    async fn put(&self, key: &Key, expected: Option<Version>, record: &Record) -> Kept {
        let put = self.store.put(key, expected, record.clone()).await;
        put.map_err(|error| format!("a put that must be done answered: {error}"))
    }

    async fn put_conflicts(&self, key: &Key, expected: Option<Version>, record: &Record) -> Kept {
        match self.store.put(key, expected, record.clone()).await {
            Err(PutError::Conflict) => Ok(()),
            Err(error) => Err(format!("a put that must be a conflict answered: {error}")),
            Ok(()) => Err("a put that must be a conflict was done".into()),
        }
    }

    async fn holds(&self, key: &Key, wanted: &Record) -> Kept {
        match self.get(key).await? {
            Some(held) => same(&held, wanted),
            None => Err("the key holds nothing where it must hold a record".into()),
        }
    }

    async fn is_free(&self, key: &Key) -> Kept {
        match self.get(key).await? {
            Some(_) => Err("the key holds a record where it must hold none".into()),
            None => Ok(()),
        }
    }

    async fn now(&self) -> Result<Timestamp, String> {
        let time = self.store.time().await;
        let time = time.map_err(|error| format!("time answered: {error}"))?;
        Ok(time.unwrap_or_else(|| self.clock.now()))
    }

    /// Lets time go by: the clock is moved, or, with an engine that has its own, waited for.
    async fn pass(&self, time: Duration) -> Kept {
        if self.has_a_clock().await? {
            tokio::time::sleep(time).await;
        } else {
            self.clock.advance(time);
        }
        Ok(())
    }

    async fn has_a_clock(&self) -> Result<bool, String> {
        let time = self.store.time().await;
        time.map(|time| time.is_some()).map_err(|error| format!("time answered: {error}"))
    }

    /// A record that lives for [`LIFE`].
    async fn mortal(&self) -> Result<Record, String> {
        Ok(Record { expires: Some(self.now().await? + LIFE), ..record() })
    }
}

fn fresh_issuer() -> Arc<str> {
    let name = countersign_protocol::id::encode(&random::<12>());
    format!("https://contract.example/{name}").into()
}

/// A record that stays, of a version not seen before.
fn record() -> Record {
    let version = Version::from_bytes(random());
    Record {
        version,
        expires: None,
        tags: vec!["subject:somebody".into(), "client:shop".into()],
        body: Bytes::from(format!(r#"{{"v":1,"of":"{version}"}}"#)),
    }
}

fn tagged<const N: usize>(tags: [&str; N]) -> Record {
    Record { tags: tags.map(Into::into).to_vec(), ..record() }
}

fn same(held: &Record, wanted: &Record) -> Kept {
    if held.version != wanted.version {
        return Err("the key holds another version than was written last".into());
    }
    if held.body != wanted.body {
        return Err("the body is not the one that was written".into());
    }
    if held.expires != wanted.expires {
        return Err(format!("it expires at {:?}, not at {:?}", held.expires, wanted.expires));
    }
    if sorted(&held.tags) != sorted(&wanted.tags) {
        return Err(format!("its tags are {:?}, not {:?}", held.tags, wanted.tags));
    }
    Ok(())
}

fn sorted<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    items.sort();
    items
}

fn ensure(kept: bool, otherwise: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(otherwise()) }
}
