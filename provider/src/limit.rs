//! The brakes on guessing passwords, kept in the store so that all replicas share them (rows L10, F14).
//!
//! Names that are nobody's, and addresses, fall into 65,536 records each by a keyed hash: so nobody fills the store by
//! making names up, and nobody can aim at a record. When the store does not answer, nobody signs in.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::hmac;
use countersign_protocol::{
    Denied, Timestamp,
    brake::{Brake, End, Full, Limit, Rules, Spray, Try},
    id,
    username::Username,
};
use tokio::time::{Instant, sleep};

use crate::{
    authority::Peer,
    record::{Change, Document, Records},
    store::Kind,
};

/// How long a try waits for others of its account that are under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many wrong passwords may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one account, and from one of its known devices.
    pub account: Rules,
    /// From one address (IPv6: one /64 network), whatever accounts they are for.
    pub address: Limit,
}

impl Default for Limits {
    /// 10 for an account, 5 from a known device, 100 from an address, each in 15 minutes.
    fn default() -> Self {
        Self {
            account: Rules::default(),
            address: Limit { tries: 100, window: Duration::from_mins(15) },
        }
    }
}

impl Document for Brake {
    const KIND: Kind = Kind::Limit;

    fn expires(&self) -> Option<Timestamp> {
        Some(self.until())
    }
}

impl Document for Spray {
    const KIND: Kind = Kind::Limit;

    fn expires(&self) -> Option<Timestamp> {
        Some(self.until())
    }
}

/// The brakes of one provider.
#[derive(Debug)]
pub(crate) struct Brakes {
    records: Records,
    key: hmac::Key,
    limits: Limits,
}

/// A try that was let through. Unless [`Brakes::end`] hears of it, it counts as wrong.
#[derive(Debug)]
#[must_use = "a try that is not ended counts as wrong"]
pub(crate) struct Begun {
    record: String,
    device: Option<String>,
    address: Option<IpAddr>,
    inner: Try,
}

impl Brakes {
    /// `key` must be the same on all replicas.
    pub(crate) fn new(records: Records, key: hmac::Key, limits: Limits) -> Self {
        Self { records, key, limits }
    }

    /// Counts a try before its password is looked at. `known`: whether the name is somebody's.
    ///
    /// [`Denied::TooManyAttempts`] with the time after which to ask again.
    pub(crate) async fn begin(
        &self,
        name: &Username,
        known: bool,
        peer: &Peer,
    ) -> Result<Begun, Denied> {
        let spray = self.check(peer.address).await?;
        let device = peer.device.as_deref().map(|device| self.device(name, device));
        let record = self.record(name, known);
        let inner = self.wait(&record, device.as_deref(), spray).await?;
        Ok(Begun { record, device, address: peer.address, inner })
    }

    /// Tells how a try ended.
    pub(crate) async fn end(&self, begun: Begun, end: End) -> Result<(), Denied> {
        let rules = &self.limits.account;
        let device = begun.device.as_deref();
        let put = |held: Option<&Brake>, _: &_| {
            let brake = held.cloned().unwrap_or_default();
            let ended = brake.end(begun.inner, end, device, rules, self.records.now());
            Ok(Change::Put(ended, ()))
        };
        self.records.change(&begun.record, put).await?;
        match begun.address {
            Some(address) if end == End::Wrong => self.note(address).await,
            _ => Ok(()),
        }
    }

    /// Takes a try. While those before it are under way and may be given back, it waits for them.
    async fn wait(
        &self,
        record: &str,
        device: Option<&str>,
        spray: Result<(), Full>,
    ) -> Result<Try, Denied> {
        let patience = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(20);
        loop {
            let full = match self.take(record, device, spray).await? {
                Ok(begun) => return Ok(begun),
                Err(full) => full,
            };
            if !full.open {
                return Err(too_many(full.wait));
            }
            if Instant::now() >= patience {
                return Err(too_many(PATIENCE));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PATIENCE / 4);
        }
    }

    async fn take(
        &self,
        record: &str,
        device: Option<&str>,
        spray: Result<(), Full>,
    ) -> Result<Result<Try, Full>, Denied> {
        let rules = &self.limits.account;
        let decide = |held: Option<&Brake>, _: &_| {
            let (brake, now) = (held.cloned().unwrap_or_default(), self.records.now());
            let known = device.is_some_and(|device| brake.knows(device, rules, now));
            let allowed = if known { Ok(()) } else { spray };
            let begun = allowed.and_then(|()| brake.begin(device, rules, now));
            Ok(match begun {
                Ok((brake, begun)) => Change::Put(brake, Ok(begun)),
                Err(full) => Change::Keep(Err(full)),
            })
        };
        self.records.change(record, decide).await
    }

    /// Whether the address may try at all.
    async fn check(&self, address: Option<IpAddr>) -> Result<Result<(), Full>, Denied> {
        let Some(address) = address else {
            return Ok(Ok(()));
        };
        let held = self.records.load::<Spray>(&self.network(address)).await?;
        let limit = &self.limits.address;
        Ok(held.map_or(Ok(()), |held| held.check(limit, self.records.now())))
    }

    async fn note(&self, address: IpAddr) -> Result<(), Denied> {
        let put = |held: Option<&Spray>, _: &_| {
            let spray = held.cloned().unwrap_or_default();
            let noted = spray.wrong(&self.limits.address, self.records.now());
            Ok(Change::Put(noted, ()))
        };
        self.records.change(&self.network(address), put).await
    }

    fn record(&self, name: &Username, known: bool) -> String {
        if known {
            return format!("account:{name}");
        }
        format!("name:{:04x}", self.bucket(b"name", name.as_str().as_bytes()))
    }

    fn network(&self, address: IpAddr) -> String {
        let bucket = match address.to_canonical() {
            IpAddr::V4(address) => self.bucket(b"ipv4", &address.octets()),
            IpAddr::V6(address) => self.bucket(b"ipv6", &address.octets()[..8]),
        };
        format!("address:{bucket:04x}")
    }

    /// The device as it stands in the record of this name: with another name it is another device.
    fn device(&self, name: &Username, device: &str) -> String {
        let tag = self.tag(&[b"device", name.as_str().as_bytes(), device.as_bytes()]);
        id::encode(&tag.as_ref()[..16])
    }

    fn bucket(&self, kind: &[u8], value: &[u8]) -> u16 {
        let tag = self.tag(&[kind, value]);
        u16::from_be_bytes([tag.as_ref()[0], tag.as_ref()[1]])
    }

    fn tag(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part);
            // No name and no device holds a NUL.
            context.update(&[0]);
        }
        context.sign()
    }
}

/// Nobody is told to come back at once.
fn too_many(wait: Duration) -> Denied {
    Denied::TooManyAttempts(wait.max(Duration::from_secs(1)))
}
