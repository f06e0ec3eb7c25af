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

/// What bars this process from serving.
#[derive(Debug, Default)]
pub(super) struct Bars {
    /// This machine's clock and the store's are too far apart.
    skewed: AtomicBool,
    /// The process is about to end.
    leaving: AtomicBool,
}

impl Authority {
    /// Asks the store for its time and corrects the clock by it.
    pub(crate) async fn follow_clock(&self) {
        let Ok(Some(time)) = self.records().store().time().await else {
            return;
        };
        let skew = self.clock().follow(time);
        self.0.bars.skewed.store(skew > UNFIT, Ordering::Relaxed);
        if skew > NOTABLE {
            tracing::warn!(?skew, "this machine's clock and the store's differ; set the clock");
        }
    }

    /// Says from now on that this process is not ready, while it goes on serving: called some seconds before the listener
    /// closes, so that a balancer sends nothing new to it.
    pub fn leave(&self) {
        self.0.bars.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether requests can be served; if not, what is in the way.
    pub(crate) async fn check_ready(&self) -> Result<(), &'static str> {
        if self.0.bars.leaving.load(Ordering::Relaxed) {
            return Err("leaving");
        }
        if self.0.bars.skewed.load(Ordering::Relaxed) {
            return Err("clock");
        }
        self.keys().active().map_err(|_| "keys")?;
        let ring =
            Key { issuer: self.records().realm().clone(), kind: Kind::Key, id: "ring".into() };
        self.records().store().get(&ring).await.map(drop).map_err(|_| "store")
    }
}
