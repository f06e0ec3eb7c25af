//! From a URL to an engine.

use std::sync::Arc;

use super::{Memory, Store};
use crate::clock::Clock;

/// What [`open`] knows, for people.
const KNOWN: &str = "memory:, memory:?records=N";

/// Opens the engine that a URL names: `memory:`, or `memory:?records=N` for at most N records of each kind.
///
/// `clock` tells what has expired, for an engine that has no clock of its own.
///
/// # Errors
/// [`OpenError`]: a sentence that names the thing and the remedy.
pub fn open(url: &str, clock: Clock) -> Result<Arc<dyn Store>, OpenError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "memory" => memory(rest, clock),
        _ => Err(OpenError::Scheme(scheme.into())),
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
        for wrong in [
            "?records=",
            "?records=0",
            "?records=-1",
            "?record=5",
            "/tmp/x",
        ] {
            let error = opened(&format!("memory:{wrong}")).unwrap_err();
            assert!(
                error.contains(wrong) && error.contains("memory:?records=N"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_scheme_lists_what_is_known_and_tells_no_password() {
        let error = opened("oracle://scott:tiger@db/x").unwrap_err();
        assert!(
            error.contains("oracle") && error.contains("memory:"),
            "{error}"
        );
        assert!(!error.contains("tiger"), "{error}");
    }
}
