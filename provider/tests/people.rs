//! A provider whose users are records, on a store that counts and can be switched off.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use countersign_protocol::{Secret, Timestamp, Version};
use countersign_provider::{
    Builder, Provider,
    authority::{NewPassword, NewUser},
    clock::Clock,
    keys::MasterKey,
    password::Cost,
    store::{Key, Listing, Memory, Page, PutError, Query, Record, Store, Unavailable},
};

use crate::harness::{ISSUER, Op, PASSWORD, START, clients, id};

/// Counts what passes, or lets nothing pass.
#[derive(Debug)]
pub(crate) struct Counting {
    inner: Memory,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) down: AtomicBool,
}

impl Counting {
    pub(crate) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            inner: Memory::new(clock.clone()),
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        })
    }

    fn check(&self) -> Result<(), Unavailable> {
        if self.down.load(Ordering::Relaxed) {
            return Err(Unavailable("switched off".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Counting {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        self.check()?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        self.check().map_err(|Unavailable(why)| PutError::NotApplied(why))?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.put(key, expected, record).await
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        self.check()?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.delete(key, expected).await
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        self.check()?;
        self.inner.list(query, page).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        self.inner.time().await
    }
}

/// Replicas on one store, with a clock that all share.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Counting>,
    key: Secret,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::fixed(START);
        Self { store: Counting::new(&clock), clock, key: Secret::new("A".repeat(43)) }
    }

    /// One more replica.
    pub(crate) async fn replica(&self) -> Op {
        self.replica_with(|builder| builder).await
    }

    pub(crate) async fn replica_with(&self, change: impl FnOnce(Builder) -> Builder) -> Op {
        let builder = Provider::builder(ISSUER)
            .store(self.store.clone())
            .clock(self.clock.clone())
            .master_key(MasterKey::from_text("the master key", &self.key).unwrap())
            .clients(clients())
            .password_cost(Cost::new(64, 1, 1).unwrap());
        let provider = change(builder).build().await.unwrap();
        let router = provider.router().merge(provider.well_known());
        Op { provider, clock: self.clock.clone(), store: self.store.clone(), router }
    }

    /// What a piece of work reads, writes and hashes.
    pub(crate) async fn cost_of<T>(&self, op: &Op, work: impl Future<Output = T>) -> (T, [u64; 3]) {
        let counted = || {
            [
                self.store.reads.load(Ordering::Relaxed) as u64,
                self.store.writes.load(Ordering::Relaxed) as u64,
                op.provider.authority().passwords().hashes(),
            ]
        };
        // Which clients there are is remembered for a second, and not what is counted.
        for client in ["first", "web"] {
            op.provider.authority().client(&id(client)).await.unwrap();
        }
        let before = counted();
        let done = work.await;
        let after = counted();
        (done, std::array::from_fn(|place| after[place] - before[place]))
    }
}

/// A replica with a user `alice`, whose password is [`PASSWORD`].
pub(crate) async fn with_alice() -> (World, Op) {
    let world = World::new();
    let op = world.replica().await;
    add(&op, "alice").await;
    (world, op)
}

pub(crate) async fn add(op: &Op, name: &str) {
    let user = NewUser { password: NewPassword::Given(PASSWORD.into()), ..NewUser::new(name) };
    op.provider.authority().add_user(user).await.unwrap();
}
