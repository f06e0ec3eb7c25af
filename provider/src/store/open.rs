//! From a URL to an engine.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Kind, Memory, Mixed, Store};
use crate::clock::Clock;

/// What [`open()`] knows, for people.
#[cfg(feature = "sqlite")]
const KNOWN: &str = "sqlite:PATH, memory:, memory:?records=N";
#[cfg(not(feature = "sqlite"))]
const KNOWN: &str = "memory:, memory:?records=N (it was built without sqlite:PATH)";

/// Opens the engine that a URL names: `sqlite:PATH`, `memory:`, or `memory:?records=N` for at most N records of each
/// kind.
///
/// `clock` tells what has expired, for an engine that has no clock of its own.
///
/// # Errors
/// [`OpenError`]: a sentence that names the thing and the remedy.
pub fn open(url: &str, clock: Clock) -> Result<Arc<dyn Store>, OpenError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "memory" => memory(rest, clock),
        #[cfg(feature = "sqlite")]
        "sqlite" => sqlite(rest, clock),
        _ => Err(OpenError::Scheme(scheme.into())),
    }
}

/// Opens what `--store` says, given any number of times: a URL for all kinds of records, and `KIND=URL` for one. Where
/// none is for all kinds, `otherwise` is. What is named twice is opened once.
///
/// # Errors
/// [`OpenError`], as with [`open()`].
pub fn open_mixed<S: AsRef<str>>(
    stores: &[S],
    otherwise: &str,
    clock: &Clock,
) -> Result<Arc<dyn Store>, OpenError> {
    let wanted = Wanted::parse(stores)?;
    let mut opened = HashMap::new();
    let mut store_at = |url: &str| match opened.get(url) {
        Some(store) => Ok(Arc::clone(store)),
        None => open(url, clock.clone()).inspect(|store| {
            opened.insert(url.to_owned(), Arc::clone(store));
        }),
    };
    let all = store_at(wanted.all.unwrap_or(otherwise))?;
    if wanted.kinds.is_empty() {
        return Ok(all);
    }
    let mut mixed = Mixed::new(&all);
    for (kind, url) in wanted.kinds {
        mixed = mixed.with(kind, store_at(url)?);
    }
    Ok(Arc::new(mixed))
}

/// Which URL is for what.
#[derive(Default)]
struct Wanted<'a> {
    all: Option<&'a str>,
    kinds: BTreeMap<Kind, &'a str>,
}

impl<'a> Wanted<'a> {
    fn parse<S: AsRef<str>>(stores: &'a [S]) -> Result<Self, OpenError> {
        let mut wanted = Self::default();
        for store in stores {
            match store.as_ref().split_once('=') {
                // A URL has a colon before any equals sign.
                Some((kind, url)) if !kind.contains(':') => wanted.assign(kind, url)?,
                _ if wanted.all.is_some() => return Err(OpenError::Twice("all kinds".into())),
                _ => wanted.all = Some(store.as_ref()),
            }
        }
        Ok(wanted)
    }

    fn assign(&mut self, kind: &str, url: &'a str) -> Result<(), OpenError> {
        let kind = kind.parse().map_err(OpenError::Kind)?;
        match self.kinds.insert(kind, url) {
            Some(_) => Err(OpenError::Twice(kind.to_string())),
            None => Ok(()),
        }
    }
}

/// Why a store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No engine of this build has that scheme. (The rest of the URL may hold a password, and is not told.)
    #[error("{0:?} is no store that this build knows; it knows {KNOWN}")]
    Scheme(String),
    /// The engine does not take this.
    #[error("{0:?} says nothing to the store {1}; write {2}")]
    Option(String, &'static str, &'static str),
    /// No kind of record has that name.
    #[error("{0}")]
    Kind(String),
    /// Two stores are given for one kind of record.
    #[error("two stores are given for {0}; leave one of them out")]
    Twice(String),
    /// The file, or one beside it, cannot be created, read or written.
    #[error(
        "cannot open the store {0}: {1}; let this user read and write it and its folder, or name another place"
    )]
    File(String, String),
    /// The file holds something that SQLite does not know.
    #[error("{0} is not an SQLite database; name another file, or move this one away")]
    NotADatabase(String),
    /// The database has tables, but not ours.
    #[error("{0} is a database of another program; name another file")]
    Foreign(String),
    /// The database is not whole.
    #[error("the store {0} is damaged; restore it from a backup")]
    Damaged(String),
    /// Somebody keeps the file locked.
    #[error("the store {0} is kept locked by another program; end that, and start again")]
    Locked(String),
    /// The tables have another form than this version knows: which, and which it knows.
    #[error(
        "the store {0} has schema {1}, and this version knows {2}; run the version that wrote it, or a later one"
    )]
    Schema(String, i64, i64),
    /// The system gives no thread.
    #[error("no thread for the store: {0}; raise the limit of threads")]
    Thread(String),
}

#[cfg(feature = "sqlite")]
fn sqlite(rest: &str, clock: Clock) -> Result<Arc<dyn Store>, OpenError> {
    use super::Sqlite;

    let (path, option) = rest.split_once('?').unwrap_or((rest, ""));
    // `sqlite:///var/x` and `sqlite://x` are how others write `sqlite:/var/x` and `sqlite:x`.
    let path = path.strip_prefix("//").unwrap_or(path);
    let wrong = || OpenError::Option(rest.into(), "sqlite:", "sqlite:PATH");
    let store = match option {
        _ if path.is_empty() => Err(wrong()),
        "" => Sqlite::open(path, clock),
        "synchronous=normal" => Sqlite::danger_open_without_sync(path, clock),
        _ => Err(wrong()),
    };
    Ok(Arc::new(store?))
}

fn memory(rest: &str, clock: Clock) -> Result<Arc<dyn Store>, OpenError> {
    if rest.is_empty() {
        return Ok(Arc::new(Memory::new(clock)));
    }
    let records = rest.strip_prefix("?records=").and_then(|n| n.parse().ok());
    let records = records.filter(|&records| records > 0);
    let ceiling = records
        .ok_or_else(|| OpenError::Option(rest.into(), "memory:", "memory: or memory:?records=N"))?;
    Ok(Arc::new(Memory::with_ceiling(clock, ceiling)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(url: &str) -> Result<(), String> {
        let store = open(url, Clock::system());
        store.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn memory_is_opened_with_and_without_a_ceiling() {
        assert_eq!(opened("memory:"), Ok(()));
        assert_eq!(opened("memory"), Ok(()));
        assert_eq!(opened("memory:?records=1000"), Ok(()));
    }

    #[test]
    fn what_memory_does_not_take_is_named_with_the_remedy() {
        for wrong in ["?records=", "?records=0", "?records=-1", "?record=5", "/tmp/x"] {
            let error = opened(&format!("memory:{wrong}")).unwrap_err();
            assert!(error.contains(wrong) && error.contains("memory:?records=N"), "{error}");
        }
    }

    #[test]
    fn an_unknown_scheme_lists_what_is_known_and_tells_no_password() {
        let error = opened("oracle://scott:tiger@db/x").unwrap_err();
        assert!(error.contains("oracle") && error.contains("memory:"), "{error}");
        assert!(!error.contains("tiger"), "{error}");
    }

    fn mixed(stores: &[&str]) -> Result<String, String> {
        let store = open_mixed(stores, "memory:", &Clock::system());
        store.map(|store| format!("{store:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_can_have_a_store_of_its_own() {
        assert_eq!(mixed(&[]), Ok("Memory(0 records)".into()));
        assert_eq!(mixed(&["memory:?records=5"]), Ok("Memory(0 records)".into()));
        assert!(mixed(&["grant=memory:?records=5"]).unwrap().starts_with("Mixed"));
        assert!(mixed(&["user=memory:", "memory:"]).unwrap().starts_with("Mixed"));
    }

    #[test]
    fn a_kind_that_is_unknown_or_named_twice_is_refused() {
        assert!(mixed(&["users=memory:"]).unwrap_err().contains("user, subject"));
        assert!(mixed(&["user=memory:", "user=memory:"]).unwrap_err().contains("for user"));
        assert!(mixed(&["memory:", "memory:"]).unwrap_err().contains("for all kinds"));
    }
}
