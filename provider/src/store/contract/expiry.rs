//! What time does to a record.

use std::time::Duration;

use super::{Bench, Kept, LIFE, ensure, listing::ids_of, record};
use crate::store::{Kind, Record};

const MOMENT: Duration = Duration::from_millis(1);
const ALMOST: Duration = LIFE.saturating_sub(MOMENT);

pub(super) async fn a_record_is_gone_from_its_expiry_on(bench: &Bench) -> Kept {
    let (key, mortal) = (bench.key("a"), bench.mortal().await?);
    bench.put(&key, None, &mortal).await?;
    if bench.has_a_clock().await? {
        bench.pass(LIFE / 2).await?;
        bench.holds(&key, &mortal).await?;
        bench.pass(LIFE / 2).await?;
    } else {
        bench.pass(ALMOST).await?;
        bench.holds(&key, &mortal).await?;
        bench.pass(MOMENT).await?;
    }
    bench.is_free(&key).await
}

pub(super) async fn an_expired_record_is_a_conflict_for_an_update(bench: &Bench) -> Kept {
    let (key, mortal) = (bench.key("a"), bench.mortal().await?);
    bench.put(&key, None, &mortal).await?;
    bench.pass(LIFE).await?;
    bench.put_conflicts(&key, Some(mortal.version), &record()).await?;
    bench.is_free(&key).await
}

pub(super) async fn an_expired_record_does_not_block_a_create(bench: &Bench) -> Kept {
    let (key, mortal, next) = (bench.key("a"), bench.mortal().await?, record());
    bench.put(&key, None, &mortal).await?;
    bench.pass(LIFE).await?;
    bench.put(&key, None, &next).await?;
    bench.holds(&key, &next).await?;
    bench.put_conflicts(&key, None, &record()).await?;
    bench.holds(&key, &next).await
}

pub(super) async fn an_expired_record_is_no_longer_there_to_delete(bench: &Bench) -> Kept {
    let (key, mortal) = (bench.key("a"), bench.mortal().await?);
    bench.put(&key, None, &mortal).await?;
    bench.pass(LIFE).await?;
    let removed = bench.delete(&key, Some(mortal.version)).await?;
    ensure(!removed, || "a delete says that it removed an expired record".into())
}

pub(super) async fn an_expired_record_is_not_listed(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    let (mortal, lasting) = (bench.mortal().await?, record());
    bench.put(&bench.key("mortal"), None, &mortal).await?;
    bench.put(&bench.key("lasting"), None, &lasting).await?;
    bench.pass(LIFE).await?;
    for tag in [None, Some("subject:somebody")] {
        let listed = ids_of(bench, tag, 10).await?;
        ensure(listed == ["lasting"], || format!("{listed:?} are listed"))?;
    }
    Ok(())
}

pub(super) async fn an_update_moves_the_expiry(bench: &Bench) -> Kept {
    let (longer, shorter) = (bench.key("longer"), bench.key("shorter"));
    let (mortal, lasting) = (bench.mortal().await?, record());
    bench.put(&longer, None, &mortal).await?;
    bench.put(&longer, Some(mortal.version), &lasting).await?;
    let mortal = Record { version: record().version, ..mortal };
    bench.put(&shorter, None, &lasting).await?;
    bench.put(&shorter, Some(lasting.version), &mortal).await?;
    bench.pass(LIFE).await?;
    bench.holds(&longer, &lasting).await?;
    bench.is_free(&shorter).await
}

pub(super) async fn a_record_without_expiry_stays(bench: &Bench) -> Kept {
    let (key, lasting) = (bench.key("a"), record());
    bench.put(&key, None, &lasting).await?;
    if !bench.has_a_clock().await? {
        bench.pass(Duration::from_hours(20 * 365 * 24)).await?;
    }
    bench.holds(&key, &lasting).await
}
