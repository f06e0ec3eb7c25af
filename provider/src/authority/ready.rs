//! Whether the provider can serve, and the one clock.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::Authority;
use crate::store::{Key, Kind};

/// A skew that is worth a line in the log.
const NOTABLE: Duration = Duration::from_secs(5);
/// A skew with which this process must not decide anything.
const UNFIT: Duration = Duration::from_mins(1);

/// Whether this machine's clock and the store's are too far apart.
#[derive(Debug, Default)]
pub(super) struct Skewed(AtomicBool);

impl Authority {
    /// Asks the store for its time and corrects the clock by it.
    pub(crate) async fn follow_clock(&self) {
        let Ok(Some(time)) = self.records().store().time().await else {
            return;
        };
        let skew = self.clock().follow(time);
        self.0.skewed.0.store(skew > UNFIT, Ordering::Relaxed);
        if skew > NOTABLE {
            tracing::warn!(
                ?skew,
                "this machine's clock and the store's differ; set the clock"
            );
        }
    }

    /// Whether requests can be served; if not, what is in the way.
    pub(crate) async fn check_ready(&self) -> Result<(), &'static str> {
        if self.0.skewed.0.load(Ordering::Relaxed) {
            return Err("clock");
        }
        self.keys().active().map_err(|_| "keys")?;
        let ring = Key {
            issuer: self.records().realm().clone(),
            kind: Kind::Key,
            id: "ring".into(),
        };
        self.records()
            .store()
            .get(&ring)
            .await
            .map(drop)
            .map_err(|_| "store")
    }
}
