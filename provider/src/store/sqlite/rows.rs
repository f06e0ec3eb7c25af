//! Records as rows.

use bytes::Bytes;
use countersign_protocol::{Timestamp, Version};
use rusqlite::{
    Connection, OptionalExtension, Result, Row, ToSql, params,
    types::{ToSqlOutput, Type, ValueRef},
};

use crate::store::{Key, Kind, Listing, Page, Query, Record, Swap, Tag, is_live, swap};

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is so; for a delete: a live record was removed.
    Done,
    /// The key holds something else; nothing was written.
    Conflict,
}

pub(super) fn get(db: &Connection, key: &Key) -> Result<Option<Record>> {
    let mut select = db.prepare_cached(
        "SELECT version, expires, tags, body FROM record
         WHERE space = (SELECT space FROM space WHERE issuer = ?1 AND kind = ?2) AND id = ?3",
    )?;
    let row = (&*key.issuer, key.kind.as_str(), &*key.id);
    select.query_row(row, |row| record(row, 0)).optional()
}

pub(super) fn put(
    db: &Connection,
    key: &Key,
    expected: Option<Version>,
    record: &Record,
    now: Timestamp,
) -> Result<Written> {
    let held = held(db, key)?;
    let version = held.as_ref().map(|held| (held.version, held.expires));
    match swap(version, expected, record.version, now) {
        Swap::Conflict => return Ok(Written::Conflict),
        Swap::Done => {}
        Swap::Write => match held {
            Some(held) => update(db, &held, record, now)?,
            None => insert(db, key, record, now)?,
        },
    }
    Ok(Written::Done)
}

pub(super) fn delete(
    db: &Connection,
    key: &Key,
    expected: Option<Version>,
    now: Timestamp,
) -> Result<Written> {
    let Some(held) = held(db, key)? else {
        return Ok(Written::Conflict);
    };
    let is_expected = expected.is_none_or(|expected| expected == held.version);
    if !is_live(held.expires, now) || !is_expected {
        return Ok(Written::Conflict);
    }
    untag(db, held.record, &held.tags)?;
    let mut delete = db.prepare_cached("DELETE FROM record WHERE record = ?1")?;
    delete.execute([held.record])?;
    Ok(Written::Done)
}

pub(super) fn list(db: &Connection, query: &Query, page: &Page, now: Timestamp) -> Result<Listing> {
    match &query.tag {
        Some(tag) => list_by_tag(db, query, tag, page, now),
        None => list_by_id(db, query, page, now),
    }
}

/// Whether there is anything to [`sweep`].
pub(super) fn is_sweep_due(db: &Connection, now: Timestamp) -> Result<bool> {
    let mut select = db.prepare_cached("SELECT 1 FROM record WHERE sweep <= ?1 LIMIT 1")?;
    select.exists([millis(now)])
}

/// Removes at most so many of the rows that expired; tells how many.
pub(super) fn sweep(db: &Connection, now: Timestamp, bite: usize) -> Result<usize> {
    if bite == 0 {
        return Ok(0);
    }
    let mut delete = db.prepare_cached(
        "DELETE FROM record WHERE record IN
             (SELECT record FROM record WHERE sweep <= ?1 ORDER BY sweep LIMIT ?2)
         RETURNING record, tags",
    )?;
    let swept = delete.query_map(params![millis(now), limit(bite)], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?))
    })?;
    let swept = swept.collect::<Result<Vec<_>>>()?;
    for (record, tags) in &swept {
        untag(db, *record, tags)?;
    }
    Ok(swept.len())
}

/// What a key holds, live or not.
struct Held {
    record: i64,
    version: Version,
    expires: Option<Timestamp>,
    sweep: Option<i64>,
    tags: String,
}

fn held(db: &Connection, key: &Key) -> Result<Option<Held>> {
    let mut select = db.prepare_cached(
        "SELECT record, version, expires, sweep, tags FROM record
         WHERE space = (SELECT space FROM space WHERE issuer = ?1 AND kind = ?2) AND id = ?3",
    )?;
    let row = (&*key.issuer, key.kind.as_str(), &*key.id);
    let held = select.query_row(row, |row| {
        Ok(Held {
            record: row.get(0)?,
            version: Version::from_bytes(row.get(1)?),
            expires: timestamp(row.get(2)?),
            sweep: row.get(3)?,
            tags: row.get(4)?,
        })
    });
    held.optional()
}

fn insert(db: &Connection, key: &Key, record: &Record, now: Timestamp) -> Result<()> {
    let tags = tags_json(&record.tags);
    let mut insert = db.prepare_cached(
        "INSERT INTO record (space, id, version, expires, sweep, tags, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        space(db, &key.issuer, key.kind)?,
        &*key.id,
        record.version.as_bytes(),
        record.expires.map(millis),
        sweep_at(record.expires, now),
        tags,
        Body(&record.body),
    ])?;
    tag(db, db.last_insert_rowid(), &tags)
}

/// Overwrites a row. What is indexed is touched only where it changes: that halves the pages a renewal writes.
fn update(db: &Connection, held: &Held, record: &Record, now: Timestamp) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE record SET version = ?2, expires = ?3, body = ?4 WHERE record = ?1",
    )?;
    update.execute(params![
        held.record,
        record.version.as_bytes(),
        record.expires.map(millis),
        Body(&record.body),
    ])?;
    let sweep = sweep_at(record.expires, now);
    if sweep != held.sweep {
        let mut update = db.prepare_cached("UPDATE record SET sweep = ?2 WHERE record = ?1")?;
        update.execute(params![held.record, sweep])?;
    }
    let tags = tags_json(&record.tags);
    if tags != held.tags {
        let mut update = db.prepare_cached("UPDATE record SET tags = ?2 WHERE record = ?1")?;
        update.execute(params![held.record, tags])?;
        untag(db, held.record, &held.tags)?;
        tag(db, held.record, &tags)?;
    }
    Ok(())
}

/// The number of issuer and kind, a new one if need be.
fn space(db: &Connection, issuer: &str, kind: Kind) -> Result<i64> {
    let mut select =
        db.prepare_cached("SELECT space FROM space WHERE issuer = ?1 AND kind = ?2")?;
    let known = select.query_row((issuer, kind.as_str()), |row| row.get(0));
    if let Some(space) = known.optional()? {
        return Ok(space);
    }
    let insert = "INSERT INTO space (issuer, kind) VALUES (?1, ?2)";
    db.execute(insert, (issuer, kind.as_str()))?;
    Ok(db.last_insert_rowid())
}

fn tag(db: &Connection, record: i64, tags: &str) -> Result<()> {
    // Two tags of one hash share an entry.
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO tag (hash, record) VALUES (?1, ?2)")?;
    for tag in tags_of(tags)? {
        insert.execute((tag_hash(&tag), record))?;
    }
    Ok(())
}

fn untag(db: &Connection, record: i64, tags: &str) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM tag WHERE hash = ?1 AND record = ?2")?;
    for tag in tags_of(tags)? {
        delete.execute((tag_hash(&tag), record))?;
    }
    Ok(())
}

fn list_by_id(db: &Connection, query: &Query, page: &Page, now: Timestamp) -> Result<Listing> {
    let mut select = db.prepare_cached(
        "SELECT id, version, expires, tags, body FROM record
         WHERE space = (SELECT space FROM space WHERE issuer = ?1 AND kind = ?2)
             AND id > ?3 AND (expires IS NULL OR expires > ?4)
         ORDER BY id LIMIT ?5",
    )?;
    let size = page.bounded_size();
    let after = page.after.as_deref().unwrap_or("");
    let row = params![&*query.issuer, query.kind.as_str(), after, millis(now), limit(size + 1)];
    let records = select.query_map(row, |row| Ok((text(row, 0)?, record(row, 1)?)))?;
    let mut records = records.collect::<Result<Vec<_>>>()?;
    let more = records.len() > size;
    records.truncate(size);
    let next = records.last().map(|(id, _)| id.clone());
    Ok(Listing { next: next.filter(|_| more), records })
}

/// By tag the order, and so the cursor, is that of the rows' numbers: it needs no sorting.
fn list_by_tag(
    db: &Connection,
    query: &Query,
    tag: &Tag,
    page: &Page,
    now: Timestamp,
) -> Result<Listing> {
    let mut select = db.prepare_cached(
        "SELECT id, version, expires, tags, body, record.record
         FROM tag JOIN record USING (record)
         WHERE tag.hash = ?1 AND tag.record > ?2
             AND space = (SELECT space FROM space WHERE issuer = ?3 AND kind = ?4)
             AND (expires IS NULL OR expires > ?5)
         ORDER BY tag.record",
    )?;
    let after = page.after.as_deref().and_then(|after| after.parse().ok());
    let row = params![
        tag_hash(tag),
        after.unwrap_or(i64::MIN),
        &*query.issuer,
        query.kind.as_str(),
        millis(now),
    ];
    let mut rows = select.query(row)?;
    let mut listing = Listing::default();
    let mut last = i64::MIN;
    while let Some(row) = rows.next()? {
        let record = record(row, 1)?;
        // Another tag of the same hash.
        if !record.tags.contains(tag) {
            continue;
        }
        if listing.records.len() == page.bounded_size() {
            listing.next = Some(last.to_string().into());
            break;
        }
        last = row.get(5)?;
        listing.records.push((text(row, 0)?, record));
    }
    Ok(listing)
}

/// The record in the columns from `first` on: version, expires, tags, body.
fn record(row: &Row<'_>, first: usize) -> Result<Record> {
    let tags = row.get_ref(first + 2)?.as_str()?;
    Ok(Record {
        version: Version::from_bytes(row.get(first)?),
        expires: timestamp(row.get(first + 1)?),
        tags: tags_of(tags)?,
        body: Bytes::copy_from_slice(row.get_ref(first + 3)?.as_bytes()?),
    })
}

fn text(row: &Row<'_>, column: usize) -> Result<Box<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

/// A body as text, which SQLite's own tools show; what is no text is kept as it is.
struct Body<'a>(&'a [u8]);

impl ToSql for Body<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let value = match str::from_utf8(self.0) {
            Ok(_) => ValueRef::Text(self.0),
            Err(_) => ValueRef::Blob(self.0),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn tags_json(tags: &[Tag]) -> String {
    serde_json::Value::from(tags.iter().map(|tag| &**tag).collect::<Vec<_>>()).to_string()
}

fn tags_of(json: &str) -> Result<Vec<Tag>> {
    serde_json::from_str(json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// FNV-1a, which must never change: the file holds it. A collision costs no more than a look at the record.
fn tag_hash(tag: &str) -> i64 {
    let hash = tag.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// When a row that expires then may be removed: up to a sixteenth of its life later, on a round moment, so that a life
/// that is prolonged again and again rarely moves in the index.
fn sweep_at(expires: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    let expires = expires.filter(|&expires| expires != Timestamp::MAX)?;
    let life = expires.as_millis().saturating_sub(now.as_millis());
    let step = 1 << (life / 16).max(1).ilog2();
    let sweep = expires.as_millis().div_ceil(step).saturating_mul(step);
    Some(millis(Timestamp::from_millis(sweep)))
}

fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn timestamp(millis: Option<i64>) -> Option<Timestamp> {
    let millis = millis.filter(|&millis| millis != i64::MAX)?;
    Some(Timestamp::from_millis(u64::try_from(millis).unwrap_or(0)))
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_is_swept_never_before_it_expires_and_soon_after() {
        let now = Timestamp::from_secs(1_800_000_000);
        for life in [0, 1, 15, 16, 17, 999, 60_000, 2_592_000_000, 3_000_000_000_000] {
            let expires = now + Duration::from_millis(life);
            let sweep = sweep_at(Some(expires), now).unwrap();
            let late = sweep - millis(expires);
            let bound = i64::try_from(life / 16).unwrap();
            assert!((0..=bound).contains(&late), "a life of {life} ms is swept {late} ms late");
        }
        assert_eq!(sweep_at(None, now), None);
        assert_eq!(sweep_at(Some(Timestamp::MAX), now), None);
    }

    #[test]
    fn a_life_prolonged_every_ten_minutes_moves_in_the_index_about_once_a_day() {
        let (start, life) = (Timestamp::from_secs(1_800_000_000), Duration::from_hours(720));
        let prolonged = |n: u64| start + Duration::from_mins(10 * n);
        let mut moments: Vec<_> =
            (0..4320).map(|n| sweep_at(Some(prolonged(n) + life), prolonged(n)).unwrap()).collect();
        moments.dedup();
        assert!(moments.len() <= 31, "it moves {} times in 30 days", moments.len());
    }
}
