//! What outlives an opening, and what several openings share.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Bench, Kept, LIFE, ensure, fresh_issuer, listing::ids_of, record};
use crate::{
    clock::Clock,
    store::{Key, Kind, Record, Store},
};

pub(super) async fn what_was_acknowledged_is_there_after_reopening(
    open: impl AsyncFn(Clock) -> Arc<dyn Store>,
    clock: &Clock,
) -> Kept {
    let mut bench =
        Bench { store: open(clock.clone()).await, clock: clock.clone(), issuer: fresh_issuer() };
    let mortal = bench.mortal().await?;
    let (updated, deleted, expiring) =
        (bench.key("updated"), bench.key("deleted"), bench.key("expiring"));
    let (first, second) = (record(), record());
    bench.put(&updated, None, &first).await?;
    bench.put(&deleted, None, &record()).await?;
    bench.put(&expiring, None, &mortal).await?;
    let many = put_many(&bench).await?;
    bench.put(&updated, Some(first.version), &second).await?;
    bench.delete(&deleted, None).await?;

    bench.store = reopened(bench.store, &open, clock).await;
    bench.holds(&updated, &second).await?;
    bench.is_free(&deleted).await?;
    for (key, record) in &many {
        bench.holds(key, record).await?;
    }
    if bench.store.lists(Kind::Grant) {
        let listed = ids_of(&bench, Some("client:shop"), 100).await?.len();
        ensure(listed == many.len() + 2, || format!("{listed} of {} are listed", many.len() + 2))?;
    }
    bench.pass(LIFE).await?;
    bench.is_free(&expiring).await
}

async fn reopened(
    store: Arc<dyn Store>,
    open: impl AsyncFn(Clock) -> Arc<dyn Store>,
    clock: &Clock,
) -> Arc<dyn Store> {
    drop(store);
    open(clock.clone()).await
}

async fn put_many(bench: &Bench) -> Result<Vec<(Key, Record)>, String> {
    let mut puts = JoinSet::new();
    for n in 0..200 {
        let (bench, key) = (bench.clone(), bench.key(&format!("many-{n}")));
        puts.spawn(async move {
            let record = record();
            bench.put(&key, None, &record).await.map(|()| (key, record))
        });
    }
    let mut written = Vec::new();
    while let Some(put) = puts.join_next().await {
        written.push(put.map_err(|_| "a put panicked")??);
    }
    Ok(written)
}

pub(super) async fn openings_see_each_others_writes(one: &Bench, other: &Bench) -> Kept {
    let (key, first, second) = (one.key("shared"), record(), record());
    one.put(&key, None, &first).await?;
    other.holds(&key, &first).await?;
    other.put(&key, Some(first.version), &second).await?;
    one.holds(&key, &second).await?;
    one.put_conflicts(&key, Some(first.version), &record()).await?;
    other.put(&key, Some(first.version), &second).await?;
    ensure(one.delete(&key, Some(second.version)).await?, || "it was not there to delete".into())?;
    other.is_free(&key).await
}
