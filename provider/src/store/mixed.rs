//! Different kinds of records in different engines.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_protocol::{Timestamp, Version};

use super::{Key, Kind, Listing, Page, PutError, Query, Record, Store, Unavailable};

/// An engine that hands each kind of record to another one.
///
/// No promise of the provider spans two records, so none spans two engines.
#[derive(Clone, Debug)]
pub struct Mixed([Arc<dyn Store>; Kind::ALL.len()]);

impl Mixed {
    /// All kinds in one.
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self(Kind::ALL.map(|_| Arc::clone(store)))
    }

    /// This kind in another.
    pub fn with(mut self, kind: Kind, store: Arc<dyn Store>) -> Self {
        self.0[kind as usize] = store;
        self
    }

    fn of(&self, kind: Kind) -> &dyn Store {
        &*self.0[kind as usize]
    }
}

#[async_trait]
impl Store for Mixed {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        self.of(key.kind).get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        self.of(key.kind).put(key, expected, record).await
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        self.of(key.kind).delete(key, expected).await
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        self.of(query.kind).list(query, page).await
    }

    /// The clock of the engine that keeps the grants.
    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        self.of(Kind::Grant).time().await
    }

    fn lists(&self, kind: Kind) -> bool {
        self.of(kind).lists(kind)
    }

    fn forgets(&self, kind: Kind) -> bool {
        self.of(kind).forgets(kind)
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Timestamp;

    use super::*;
    use crate::{clock::Clock, store::Memory};

    #[test]
    fn each_kind_has_its_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[tokio::test]
    async fn a_kind_is_kept_by_its_own_engine_alone() {
        let clock = Clock::fixed(Timestamp::from_secs(0));
        let memory = || Arc::new(Memory::new(clock.clone())) as Arc<dyn Store>;
        let (most, users) = (memory(), memory());
        let mixed = Mixed::new(&most).with(Kind::User, users.clone());
        for kind in Kind::ALL {
            let key = Key { issuer: "https://id.example".into(), kind, id: "a".into() };
            let record = Record {
                version: Version::from_bytes([1; 16]),
                expires: None,
                tags: Vec::new(),
                body: "{}".into(),
            };
            mixed.put(&key, None, record).await.unwrap();
            let [in_most, in_users] = [&most, &users].map(|store| store.get(&key));
            assert_eq!(in_users.await.unwrap().is_some(), kind == Kind::User);
            assert_eq!(in_most.await.unwrap().is_some(), kind != Kind::User);
        }
    }
}
