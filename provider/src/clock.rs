//! The one place that reads the clock and the random source.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use countersign_protocol::Timestamp;

/// The time that decisions use: this machine's, corrected by what the store's clock says.
///
/// Tests make one that they move by hand ([`Clock::fixed`]).
#[derive(Clone)]
pub struct Clock {
    source: Source,
    offset: Arc<AtomicI64>,
}

#[derive(Clone)]
enum Source {
    System,
    Fixed(Timestamp),
}

impl Clock {
    /// This machine's clock.
    pub fn system() -> Self {
        Self { source: Source::System, offset: Arc::default() }
    }

    /// A clock that stands still until [`Clock::advance`] moves it. All its clones move together.
    pub fn fixed(at: Timestamp) -> Self {
        Self { source: Source::Fixed(at), offset: Arc::default() }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let offset = self.offset.load(Ordering::Relaxed);
        let base = self.local();
        let shift = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 { base - shift } else { base + shift }
    }

    /// Moves this clock and all its clones on.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the correction so that now is what the store says; tells the size of the skew.
    ///
    /// A clock that tests hold still is not corrected.
    pub(crate) fn follow(&self, store: Timestamp) -> Duration {
        if matches!(self.source, Source::Fixed(_)) {
            return Duration::ZERO;
        }
        let local = self.local();
        let ahead = store.since(local);
        let behind = local.since(store);
        let skew = if ahead.is_zero() { behind } else { ahead };
        let millis = i64::try_from(skew.as_millis()).unwrap_or(i64::MAX);
        self.offset.store(if ahead.is_zero() { -millis } else { millis }, Ordering::Relaxed);
        skew
    }

    fn local(&self) -> Timestamp {
        match self.source {
            Source::Fixed(at) => at,
            Source::System => {
                #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Random bytes, from the operating system.
///
/// # Panics
/// When the operating system has no random source: then nothing may go on.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "this is the one random source")]
    #[expect(clippy::expect_used, reason = "without randomness no secret is one")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_by_hand_and_with_its_clones() {
        let clock = Clock::fixed(Timestamp::from_secs(100));
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now(), Timestamp::from_secs(105));
    }

    #[test]
    fn the_system_clock_follows_the_store() {
        let clock = Clock::system();
        let store = clock.now() + Duration::from_secs(90);
        assert!(clock.follow(store) >= Duration::from_secs(89));
        assert!(clock.now().since(store) < Duration::from_secs(5));
        assert!(store.since(clock.now()) < Duration::from_secs(5));
    }
}
