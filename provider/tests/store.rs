//! Every engine keeps the contract, and the contract catches the engines that don't.

use std::sync::Arc;

#[cfg(feature = "sqlite")]
use countersign_provider::store::Sqlite;
use countersign_provider::store::{Memory, Store, contract};

mod faults;
#[cfg(feature = "sqlite")]
mod processes;
#[cfg(feature = "sqlite")]
mod sqlite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    let open = async |clock| Arc::new(Memory::new(clock)) as Arc<dyn Store>;
    contract::check(open).await.unwrap();
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let open = async |clock| Arc::new(Sqlite::open(&path, clock).unwrap()) as Arc<dyn Store>;
    contract::check(open).await.unwrap();
    contract::check_durable(open).await.unwrap();
    contract::check_shared(open).await.unwrap();
}
