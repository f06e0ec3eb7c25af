//! Reading, swapping and deleting one record.

use bytes::Bytes;

use super::{Bench, Kept, ensure, record, tagged};
use crate::store::{Kind, Record};

pub(super) async fn a_free_key_holds_nothing(bench: &Bench) -> Kept {
    bench.is_free(&bench.key("free")).await
}

pub(super) async fn a_record_comes_back_as_it_was_put(bench: &Bench) -> Kept {
    let mortal = bench.mortal().await?;
    for (id, record) in [("a", record()), ("b", mortal), ("c", tagged([]))] {
        let key = bench.key(id);
        bench.put(&key, None, &record).await?;
        bench.holds(&key, &record).await?;
    }
    Ok(())
}

pub(super) async fn a_create_succeeds_only_on_a_free_key(bench: &Bench) -> Kept {
    let (key, first) = (bench.key("a"), record());
    bench.put(&key, None, &first).await?;
    bench.put_conflicts(&key, None, &record()).await?;
    bench.holds(&key, &first).await
}

pub(super) async fn an_update_succeeds_only_on_the_expected_version(bench: &Bench) -> Kept {
    let (key, first, second) = (bench.key("a"), record(), record());
    bench.put_conflicts(&key, Some(first.version), &second).await?;
    bench.is_free(&key).await?;
    bench.put(&key, None, &first).await?;
    bench.put_conflicts(&key, Some(record().version), &second).await?;
    bench.holds(&key, &first).await?;
    bench.put(&key, Some(first.version), &second).await?;
    bench.holds(&key, &second).await
}

pub(super) async fn the_same_put_twice_is_one(bench: &Bench) -> Kept {
    let (key, first, second) = (bench.key("a"), record(), record());
    bench.put(&key, None, &first).await?;
    bench.put(&key, None, &first).await?;
    bench.put(&key, Some(first.version), &second).await?;
    bench.put(&key, Some(first.version), &second).await?;
    bench.holds(&key, &second).await?;
    // The version decides, not the bytes: what was written first stays.
    let altered = Record { body: Bytes::from_static(b"{}"), ..second.clone() };
    bench.put(&key, Some(second.version), &altered).await?;
    bench.holds(&key, &second).await
}

pub(super) async fn an_older_put_is_a_conflict_once_another_came_on_top(bench: &Bench) -> Kept {
    let (key, first, second, third) = (bench.key("a"), record(), record(), record());
    bench.put(&key, None, &first).await?;
    bench.put(&key, Some(first.version), &second).await?;
    bench.put(&key, Some(second.version), &third).await?;
    bench.put_conflicts(&key, None, &first).await?;
    bench.put_conflicts(&key, Some(first.version), &second).await?;
    bench.holds(&key, &third).await
}

pub(super) async fn a_delete_removes_the_expected_version_and_says_so(bench: &Bench) -> Kept {
    let (key, first) = (bench.key("a"), record());
    ensure(!bench.delete(&key, None).await?, || "it removed what was not there".into())?;
    bench.put(&key, None, &first).await?;
    let wrong = Some(record().version);
    ensure(!bench.delete(&key, wrong).await?, || "it removed another version".into())?;
    bench.holds(&key, &first).await?;
    let removed = bench.delete(&key, Some(first.version)).await?;
    ensure(removed, || "it did not remove the expected version".into())?;
    bench.is_free(&key).await?;
    let again = bench.delete(&key, Some(first.version)).await?;
    ensure(!again, || "it removed one record twice".into())
}

pub(super) async fn a_deleted_key_is_free(bench: &Bench) -> Kept {
    let (key, first, second) = (bench.key("a"), record(), record());
    bench.put(&key, None, &first).await?;
    ensure(bench.delete(&key, None).await?, || "it did not remove whatever was there".into())?;
    bench.put_conflicts(&key, Some(first.version), &second).await?;
    bench.put(&key, None, &second).await?;
    bench.holds(&key, &second).await
}

pub(super) async fn issuers_and_kinds_are_kept_apart(bench: &Bench) -> Kept {
    let neighbour = bench.elsewhere();
    let mut written = Vec::new();
    for owner in [bench, &neighbour] {
        for kind in Kind::ALL {
            let (key, record) = (owner.key_of(kind, "same"), record());
            bench.put(&key, None, &record).await?;
            written.push((key, record));
        }
    }
    for (key, record) in &written {
        bench.holds(key, record).await?;
    }
    let (gone, left) = written.split_at(1);
    bench.delete(&gone[0].0, None).await?;
    for (key, record) in left {
        bench.holds(key, record).await?;
    }
    Ok(())
}

/// Ids that an engine might cut, fold, trim, quote or normalize; no two are the same.
pub(super) fn odd_ids() -> Vec<String> {
    let longest = "x".repeat(512);
    let ids = [
        "a",
        "A",
        "ä",
        "a\u{308}",
        "a ",
        " a",
        "a\0",
        "a\0b",
        "a\r\n",
        "a\nb",
        "a'b",
        "a\"b",
        "a\\b",
        "a%b",
        "a_b",
        "a*b",
        "a:b",
        "a/b",
        "a{b}",
        "a;--",
        "$a",
        "０",
        "0",
        "00",
        "0.0",
        "null",
        "NULL",
        "\u{1f511}",
        "\u{feff}a",
        "\u{202e}a",
        "\t",
        " ",
        "\0",
        &longest,
        &longest[1..],
    ];
    ids.map(Into::into).to_vec()
}

pub(super) async fn odd_ids_are_kept_apart_and_come_back(bench: &Bench) -> Kept {
    let mut written = Vec::new();
    for id in odd_ids() {
        let record = record();
        let put = bench.put(&bench.key(&id), None, &record).await;
        put.map_err(|detail| format!("{id:?}: {detail}"))?;
        written.push((id, record));
    }
    for (id, record) in written {
        let held = bench.holds(&bench.key(&id), &record).await;
        held.map_err(|detail| format!("{id:?}: {detail}"))?;
    }
    Ok(())
}

pub(super) async fn a_large_body_comes_back_byte_for_byte(bench: &Bench) -> Kept {
    for (id, body) in [
        ("spaced", "{ \"v\" : 1.0,\t\"b\": \"\\u0061\", \"a\": 1e2 , \"a\": 2 }\n".to_owned()),
        ("unicode", "{\"v\":1,\"name\":\"Zoë \u{1f511} \u{2028}\"}".to_owned()),
        ("large", format!("{{\"v\":1,\"long\":\"{}\"}}", "0123456789abcdef".repeat(1 << 16))),
    ] {
        let (key, mut record) = (bench.key(id), record());
        record.body = Bytes::from(body);
        bench.put(&key, None, &record).await?;
        bench.holds(&key, &record).await?;
    }
    Ok(())
}
