//! Many at once: exactly one wins, and nothing is lost.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use tokio::{sync::Barrier, task::JoinSet};

use super::{Bench, Kept, LIFE, ensure, record};
use crate::store::{Key, PutError, Record};

const TASKS: usize = 64;
const ROUNDS: usize = 24;

pub(super) async fn of_many_creates_one_wins(bench: &Bench) -> Kept {
    for round in 0..ROUNDS {
        let key = bench.key(&round.to_string());
        one_create_wins(&[bench], &key).await?;
    }
    Ok(())
}

pub(super) async fn of_many_updates_one_wins(bench: &Bench) -> Kept {
    for round in 0..ROUNDS {
        let (key, first) = (bench.key(&round.to_string()), record());
        bench.put(&key, None, &first).await?;
        let puts = at_once(TASKS, |_| put(bench, &key, Some(first.version), record())).await?;
        one_won(bench, &key, puts).await?;
    }
    Ok(())
}

pub(super) async fn of_many_creates_over_an_expired_record_one_wins(bench: &Bench) -> Kept {
    let mortal = bench.mortal().await?;
    for round in 0..ROUNDS {
        bench.put(&bench.key(&round.to_string()), None, &mortal).await?;
    }
    bench.pass(LIFE).await?;
    for round in 0..ROUNDS {
        one_create_wins(&[bench], &bench.key(&round.to_string())).await?;
    }
    Ok(())
}

pub(super) async fn of_many_creates_from_two_openings_one_wins(one: &Bench, other: &Bench) -> Kept {
    for round in 0..ROUNDS {
        one_create_wins(&[one, other], &one.key(&round.to_string())).await?;
    }
    Ok(())
}

pub(super) async fn of_updates_and_deletes_of_one_version_one_wins(bench: &Bench) -> Kept {
    for round in 0..ROUNDS {
        let (key, first) = (bench.key(&round.to_string()), record());
        bench.put(&key, None, &first).await?;
        let expected = Some(first.version);
        let answers = at_once(TASKS, |n| {
            let (bench, key) = (bench.clone(), key.clone());
            async move {
                if n % 2 == 0 {
                    bench.delete(&key, expected).await
                } else {
                    let (_, put) = put(&bench, &key, expected, record()).await;
                    won(put)
                }
            }
        });
        let mut winners = 0;
        for answer in answers.await? {
            winners += usize::from(answer?);
        }
        ensure(winners == 1, || format!("{winners} of {TASKS} won"))?;
    }
    Ok(())
}

pub(super) async fn the_same_put_from_many_sides_is_done_for_all(bench: &Bench) -> Kept {
    for round in 0..ROUNDS {
        let (key, first, second) = (bench.key(&round.to_string()), record(), record());
        for (expected, record) in [(None, &first), (Some(first.version), &second)] {
            let puts = at_once(TASKS, |_| put(bench, &key, expected, record.clone())).await?;
            let failed = puts.into_iter().find_map(|(_, put)| put.err());
            ensure(failed.is_none(), || format!("one was told: {failed:?}"))?;
            bench.holds(&key, record).await?;
        }
    }
    Ok(())
}

pub(super) async fn no_update_is_lost(bench: &Bench) -> Kept {
    const UPDATES: usize = 32;
    let key = bench.key("counter");
    bench.put(&key, None, &counting(0)).await?;
    let counted = at_once(8, |_| {
        let (bench, key) = (bench.clone(), key.clone());
        async move {
            for _ in 0..UPDATES {
                count_one_more(&bench, &key).await?;
            }
            Ok(())
        }
    });
    counted.await?.into_iter().collect::<Kept>()?;
    let total = bench.get(&key).await?.map_or(0, |record| count_of(&record));
    ensure(total == 8 * UPDATES, || format!("of {} updates {total} are seen", 8 * UPDATES))
}

async fn count_one_more(bench: &Bench, key: &Key) -> Kept {
    loop {
        let held = bench.get(key).await?.ok_or("the counter is gone")?;
        let next = counting(count_of(&held) + 1);
        let (_, put) = put(bench, key, Some(held.version), next).await;
        if won(put)? {
            return Ok(());
        }
    }
}

fn counting(n: usize) -> Record {
    Record { body: Bytes::from(n.to_string()), ..record() }
}

fn count_of(record: &Record) -> usize {
    let text = str::from_utf8(&record.body).unwrap_or_default();
    text.parse().unwrap_or_default()
}

async fn one_create_wins(benches: &[&Bench], key: &Key) -> Kept {
    let puts = at_once(TASKS, |n| put(benches[n % benches.len()], key, None, record())).await?;
    one_won(benches[0], key, puts).await
}

async fn one_won(bench: &Bench, key: &Key, puts: Vec<(Record, Result<(), PutError>)>) -> Kept {
    let mut winners = Vec::new();
    for (record, put) in puts {
        if won(put)? {
            winners.push(record);
        }
    }
    match winners.as_slice() {
        [winner] => bench.holds(key, winner).await,
        _ => Err(format!("{} of {TASKS} won", winners.len())),
    }
}

fn won(put: Result<(), PutError>) -> Result<bool, String> {
    match put {
        Ok(()) => Ok(true),
        Err(PutError::Conflict) => Ok(false),
        Err(error) => Err(format!("a put answered: {error}")),
    }
}

fn put(
    bench: &Bench,
    key: &Key,
    expected: Option<super::Version>,
    record: Record,
) -> impl Future<Output = (Record, Result<(), PutError>)> + Send + 'static {
    let (store, key) = (Arc::clone(&bench.store), key.clone());
    async move {
        let put = store.put(&key, expected, record.clone()).await;
        (record, put)
    }
}

/// Runs so many tasks that start together; their answers.
async fn at_once<T, F>(tasks: usize, task: impl Fn(usize) -> F) -> Result<Vec<T>, String>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(tasks));
    let mut running = JoinSet::new();
    for n in 0..tasks {
        let (start, task) = (Arc::clone(&start), task(n));
        running.spawn(async move {
            start.wait().await;
            task.await
        });
    }
    let mut answers = Vec::with_capacity(tasks);
    while let Some(answer) = running.join_next().await {
        answers.push(answer.map_err(|_| "an operation panicked")?);
    }
    Ok(answers)
}
