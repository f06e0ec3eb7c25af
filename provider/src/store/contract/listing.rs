//! Listing, for engines that can.

use std::sync::Arc;

use super::{Bench, Kept, ensure, record, sorted, tagged, writes::odd_ids};
use crate::store::{Kind, Listing, Page, Query};

pub(super) async fn records_are_listed_by_kind_in_order_of_id(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    for id in odd_ids() {
        bench.put(&bench.key(&id), None, &record()).await?;
        bench.put(&bench.key_of(Kind::User, &id), None, &record()).await?;
        bench.put(&bench.elsewhere().key(&id), None, &record()).await?;
    }
    let listed = ids_of(bench, None, 7).await?;
    let wanted = sorted(&odd_ids());
    ensure(listed == wanted, || format!("{listed:?} are listed, not {wanted:?}"))
}

pub(super) async fn records_are_listed_by_tag(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    let (ann, bob) = (tagged(["subject:ann", "client:shop"]), tagged(["client:shop"]));
    bench.put(&bench.key("ann"), None, &ann).await?;
    bench.put(&bench.key("bob"), None, &bob).await?;
    bench.put(&bench.key_of(Kind::Session, "other"), None, &ann).await?;
    bench.put(&bench.elsewhere().key("elsewhere"), None, &ann).await?;
    is_listed(bench, "subject:ann", &["ann"]).await?;
    is_listed(bench, "client:shop", &["ann", "bob"]).await?;
    is_listed(bench, "subject:an", &[]).await?;
    is_listed(bench, "subject:anna", &[]).await?;
    let listed = page_of(bench, Some("subject:ann"), None, 10).await?;
    listed.records.iter().try_for_each(|(_, held)| super::same(held, &ann))
}

pub(super) async fn each_record_is_on_one_page(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    let wanted: Vec<String> = (100..130).map(|n| format!("id-{n}")).collect();
    for id in &wanted {
        bench.put(&bench.key(id), None, &tagged(["client:shop"])).await?;
    }
    for tag in [None, Some("client:shop")] {
        for size in [1, 7, 10, 29, 30, 31, 1000] {
            let listed = sorted(&ids_of(bench, tag, size).await?);
            ensure(listed == wanted, || format!("pages of {size} hold {listed:?}"))?;
        }
        let whole = page_of(bench, tag, None, 30).await?;
        ensure(whole.next.is_none(), || "the last page announces another".into())?;
    }
    Ok(())
}

pub(super) async fn a_record_that_lives_throughout_is_listed_while_others_go(
    bench: &Bench,
) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    for tag in [None, Some("client:shop")] {
        for n in 0..20 {
            bench.put(&bench.key(&format!("{n:02}")), None, &tagged(["client:shop"])).await?;
        }
        let first = page_of(bench, tag, None, 5).await?;
        let mut listed = ids(&first);
        // Also what the next page would begin behind.
        for n in (1..20).step_by(2) {
            bench.delete(&bench.key(&format!("{n:02}")), None).await?;
        }
        for id in &ids(&first) {
            bench.delete(&bench.key(id), None).await?;
        }
        listed.extend(rest_of(bench, tag, first, 5).await?);
        let missing = (0..20).step_by(2).find(|n| !listed.contains(&format!("{n:02}")));
        ensure(missing.is_none(), || format!("of 20 records {listed:?} were listed"))?;
        for n in 0..20 {
            bench.delete(&bench.key(&format!("{n:02}")), None).await?;
        }
    }
    Ok(())
}

pub(super) async fn tags_are_replaced_with_the_record(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    let (key, first, second) = (bench.key("a"), tagged(["old", "both"]), tagged(["both", "new"]));
    bench.put(&key, None, &first).await?;
    bench.put(&key, Some(first.version), &second).await?;
    is_listed(bench, "old", &[]).await?;
    is_listed(bench, "both", &["a"]).await?;
    is_listed(bench, "new", &["a"]).await
}

pub(super) async fn a_deleted_record_is_not_listed(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    bench.put(&bench.key("a"), None, &tagged(["t"])).await?;
    bench.put(&bench.key("b"), None, &tagged(["t"])).await?;
    bench.delete(&bench.key("a"), None).await?;
    is_listed(bench, "t", &["b"]).await?;
    // A key that is used again brings nothing back of what it held.
    bench.put(&bench.key("a"), None, &tagged(["u"])).await?;
    is_listed(bench, "t", &["b"]).await?;
    is_listed(bench, "u", &["a"]).await
}

pub(super) async fn odd_tags_are_told_apart(bench: &Bench) -> Kept {
    if !bench.store.lists(Kind::Grant) {
        return Ok(());
    }
    for id in odd_ids() {
        bench.put(&bench.key(&id), None, &tagged([&id])).await?;
    }
    for id in odd_ids() {
        is_listed(bench, &id, &[&id]).await?;
    }
    Ok(())
}

async fn is_listed(bench: &Bench, tag: &str, wanted: &[&str]) -> Kept {
    let listed = sorted(&ids_of(bench, Some(tag), 10).await?);
    ensure(listed == wanted, || format!("under tag {tag:?} are {listed:?}, not {wanted:?}"))
}

/// The ids on all pages of this size, in the order of the pages.
pub(super) async fn ids_of(
    bench: &Bench,
    tag: Option<&str>,
    size: usize,
) -> Result<Vec<String>, String> {
    let first = page_of(bench, tag, None, size).await?;
    let mut listed = ids(&first);
    listed.extend(rest_of(bench, tag, first, size).await?);
    Ok(listed)
}

async fn rest_of(
    bench: &Bench,
    tag: Option<&str>,
    mut page: Listing,
    size: usize,
) -> Result<Vec<String>, String> {
    let mut listed = Vec::new();
    while let Some(next) = page.next {
        page = page_of(bench, tag, Some(next), size).await?;
        listed.extend(ids(&page));
        ensure(listed.len() <= 10_000, || "the pages have no end".into())?;
    }
    Ok(listed)
}

async fn page_of(
    bench: &Bench,
    tag: Option<&str>,
    after: Option<Box<str>>,
    size: usize,
) -> Result<Listing, String> {
    let query =
        Query { issuer: Arc::clone(&bench.issuer), kind: Kind::Grant, tag: tag.map(Into::into) };
    let page = bench.store.list(&query, Page { after, size }).await;
    let page = page.map_err(|error| format!("list answered: {error}"))?;
    let on_it = page.records.len();
    ensure(on_it <= size, || format!("a page of {size} holds {on_it}"))?;
    Ok(page)
}

fn ids(page: &Listing) -> Vec<String> {
    page.records.iter().map(|(id, _)| id.to_string()).collect()
}
