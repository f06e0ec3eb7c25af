//! The ring of server keys: kept in the store, sealed under a master key that the store never sees.
//!
//! A key goes through *next → active → retiring → gone*. Which of them it is follows from the times in the ring and
//! from the clock alone, so that all replicas switch at the same moment and nobody has to write it down. It is *next*
//! for [`LEAD`], so that every replica knows a key before any of them uses it, and *retiring* as long as the longest
//! lived token may live. Nothing that it sealed is refused before its own end.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use countersign_protocol::{
    Denied, Timestamp,
    id::{decode, encode},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};
use zeroize::Zeroize;

mod master;
#[cfg(test)]
pub(crate) mod tests;

pub use self::master::MasterKey;
pub use crate::seal::{KeyId, ServerKey};
use crate::{
    clock::Clock,
    record::{Change, DEADLINE, Document, Records},
    seal::Root,
    session,
    store::{Kind, Store},
};

/// How long a key is *next*, at least.
pub const LEAD: Duration = Duration::from_mins(1);
/// After how long the active key gets a successor by itself: 90 days.
pub const PERIOD: Duration = Duration::from_hours(90 * 24);
/// For all requests together, the ring is read again at most this often.
const RELOAD: Duration = Duration::from_secs(1);
/// The record's name.
const RING: &str = "ring";

/// Why the ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store does not answer, or a record of it cannot be read.
    #[error("the ring of server keys cannot be read: {0}")]
    Ring(#[from] Denied),
    /// The store holds a ring, and the file with its master key is not there.
    #[error(
        "{master} is missing, and {ring} is sealed under it: restore the file, or run `countersign key reset`, \
         which ends every session"
    )]
    MasterLost {
        /// The file.
        master: String,
        /// The ring.
        ring: String,
    },
    /// The master key is not the one that the ring is sealed under.
    #[error(
        "{master} does not open {ring}: restore the right one, or run `countersign key reset`, which ends every session"
    )]
    MasterWrong {
        /// The file or variable.
        master: String,
        /// The ring.
        ring: String,
    },
    /// What should be a master key is something else.
    #[error(
        "{master} is not 43 characters of base64url: restore the right one, or remove it and run \
         `countersign key reset`, which ends every session"
    )]
    MasterMalformed {
        /// The file or variable.
        master: String,
    },
    /// Others than its owner may change the file, or anybody may read it.
    #[error("{master} is open to other users: restrict it with `chmod 600`")]
    MasterExposed {
        /// The file.
        master: String,
    },
    /// The file cannot be read or written.
    #[error("{master} cannot be read or written: {cause}")]
    MasterUnreadable {
        /// The file.
        master: String,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Known, not used yet.
    Next,
    /// Seals what is new.
    Active,
    /// Opens what it sealed.
    Retiring,
    /// Opens nothing more; it leaves the ring with the next write.
    Gone,
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its name.
    pub id: KeyId,
    /// Where it stands.
    pub state: KeyState,
    /// Since or from when on it seals.
    pub active: Timestamp,
    /// From when on it opens nothing; unknown until it has a successor.
    pub gone: Option<Timestamp>,
}

/// The ring as this process knows it, and the way to the one in the store.
///
/// [`Keys::active`] and [`Keys::find`] neither wait nor lock. Somebody has to call [`Keys::refresh`] every 10 s.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    records: Records,
    master: MasterKey,
    cap: Duration,
    known: ArcSwap<Known>,
    reload: Mutex<Reload>,
}

/// When the ring was read last. Who holds it may read the ring.
struct Reload {
    attempted: Option<Instant>,
    done: Option<(Instant, Result<(), Denied>)>,
}

impl Keys {
    /// Opens the ring of `issuer` in `store`, or begins one if there is none: then the master key's file is made too
    /// if it is missing. `cap` is the longest life of any token; a key retires that long.
    pub async fn open(
        store: Arc<dyn Store>,
        issuer: Arc<str>,
        master: MasterKey,
        clock: Clock,
        cap: Duration,
    ) -> Result<Self, KeyError> {
        let keys = Self::closed(store, issuer, master, clock, cap);
        keys.start().await?;
        Ok(keys)
    }

    /// Throws the ring away and begins another one: every token, code and sign-in ends, unfinished ones and sessions
    /// too. For a master key that is lost, or a key that has leaked. Running servers follow within 10 s, or at the first new token.
    pub async fn reset(
        store: Arc<dyn Store>,
        issuer: Arc<str>,
        master: MasterKey,
        clock: Clock,
        cap: Duration,
    ) -> Result<Self, KeyError> {
        let keys = Self::closed(store, issuer, master, clock, cap);
        // First what may fail, so that a failure leaves the old ring.
        keys.0.master.read_or_create()?;
        keys.0.records.delete::<Ring>(RING).await?;
        keys.start().await?;
        session::end_all(&keys.0.records).await?;
        Ok(keys)
    }

    /// The key that seals now. [`Denied::StoreUnavailable`] when the store's ring cannot be opened.
    pub fn active(&self) -> Result<Arc<ServerKey>, Denied> {
        let known = self.0.known.load();
        let active = known.active(self.0.records.now());
        active.map(|known| known.key.clone()).ok_or(Denied::StoreUnavailable)
    }

    /// The key of this name, unless it is unknown or gone.
    pub fn find(&self, id: KeyId) -> Option<Arc<ServerKey>> {
        let known = self.0.known.load();
        let found = known.keys.iter().find(|known| known.key.id() == id)?;
        let usable = found.gone.is_none_or(|gone| self.0.records.now() < gone);
        usable.then(|| found.key.clone())
    }

    /// The key of this name, after the next reload of the ring: all who wait share one, and there is at most one a
    /// second. [`Denied::TokenUnknown`] when the ring has no such key, [`Denied::StoreUnavailable`] when the ring
    /// cannot be read in time.
    pub async fn seek(&self, id: KeyId) -> Result<Arc<ServerKey>, Denied> {
        let reloaded = timeout(DEADLINE, self.reload_since(Instant::now())).await;
        reloaded.map_err(|_| Denied::StoreUnavailable)??;
        self.find(id).ok_or(Denied::TokenUnknown)
    }

    /// Reads the ring again, begins a rotation when one is due ([`PERIOD`]) and drops what is gone. Answers the key
    /// that it made, if it did.
    pub async fn refresh(&self) -> Result<Option<KeyInfo>, Denied> {
        self.reload_since(Instant::now()).await?;
        if !self.0.known.load().wants_care(self.0.records.now()) {
            return Ok(None);
        }
        let made = self.turn(Ring::is_old).await?;
        Ok(self.list().into_iter().find(|info| made == Some(info.id)))
    }

    /// Makes the next key, to become active after [`LEAD`], and answers it. One that is already *next* stays as it is.
    pub async fn rotate(&self) -> Result<KeyInfo, Denied> {
        self.turn(|ring, now| !ring.has_next(now)).await?;
        self.list().pop().ok_or(Denied::StoreUnavailable)
    }

    /// A key for hashes that nobody else can make. It stays when server keys rotate, and all replicas have the same.
    pub(crate) fn mac(&self, purpose: &str) -> Result<hmac::Key, Denied> {
        let known = self.0.known.load();
        let master = known.master.as_ref().ok_or(Denied::StoreUnavailable)?;
        Ok(master.mac(purpose))
    }

    /// The keys, oldest first, as this process knows them.
    pub fn list(&self) -> Vec<KeyInfo> {
        self.0.known.load().list(self.0.records.now())
    }

    fn closed(
        store: Arc<dyn Store>,
        issuer: Arc<str>,
        master: MasterKey,
        clock: Clock,
        cap: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            records: Records::new(store, issuer, clock),
            master,
            cap,
            known: ArcSwap::default(),
            reload: Mutex::new(Reload { attempted: None, done: None }),
        }))
    }

    async fn start(&self) -> Result<(), KeyError> {
        let ring = match self.0.records.load::<Ring>(RING).await? {
            Some(ring) => ring,
            None => self.begin().await?,
        };
        self.learn(&ring)
    }

    /// Writes the first ring. Where another process is faster, its ring counts.
    async fn begin(&self) -> Result<Ring, KeyError> {
        let master = self.0.master.read_or_create()?;
        let records = &self.0.records;
        let mut first = Ring::default();
        first.add(&master, records.issuer(), records.now())?;
        let begun = records.change(RING, |held: Option<&Ring>, _| {
            Ok(match held {
                None => Change::Put(first.clone(), first.clone()),
                Some(held) => Change::Keep(held.clone()),
            })
        });
        Ok(begun.await?)
    }

    /// Drops what is gone, and adds a key if the ring is `due` for one; answers that key's name.
    async fn turn(&self, due: impl Fn(&Ring, Timestamp) -> bool) -> Result<Option<KeyId>, Denied> {
        let _alone = self.0.reload.lock().await;
        let known = self.0.known.load_full();
        let master = known.master.as_ref().ok_or(Denied::StoreUnavailable)?;
        let (records, cap) = (&self.0.records, self.0.cap);
        let turned = records.change(RING, |held: Option<&Ring>, _| {
            let held = held.ok_or(Denied::StoreUnavailable)?;
            // A ring that was reset meanwhile, under another master key, must not get a key under this one.
            held.open(master, records.issuer()).ok_or(Denied::StoreUnavailable)?;
            let now = records.now();
            let mut ring = held.without_gone(now);
            let mut made = None;
            if due(&ring, now) {
                ring.retire(now + LEAD + cap);
                made = Some(ring.add(master, records.issuer(), now + LEAD)?);
            }
            Ok(if ring == *held {
                Change::Keep((ring, made))
            } else {
                Change::Put(ring.clone(), (ring, made))
            })
        });
        let (ring, made) = turned.await?;
        if let Some(key) = made {
            tracing::info!(%key, "the next server key is made");
        }
        self.learn(&ring).map_err(|error| unreadable(&error))?;
        Ok(made)
    }

    /// Reads the ring if that was not done since `asked`, not sooner than a second after the last time.
    async fn reload_since(&self, asked: Instant) -> Result<(), Denied> {
        let mut reload = self.0.reload.lock().await;
        if let Some((begun, result)) = &reload.done
            && *begun > asked
        {
            return result.clone();
        }
        if let Some(attempted) = reload.attempted {
            sleep_until(attempted + RELOAD).await;
        }
        let begun = Instant::now();
        reload.attempted = Some(begun);
        let result = self.reload().await;
        reload.done = Some((begun, result.clone()));
        result
    }

    async fn reload(&self) -> Result<(), Denied> {
        let Some(ring) = self.0.records.load::<Ring>(RING).await? else {
            tracing::error!(ring = self.ring(), "the ring of server keys is not in the store");
            return Err(Denied::StoreUnavailable);
        };
        self.learn(&ring).map_err(|error| unreadable(&error))
    }

    /// Takes the ring on. One that cannot be opened closes everything: it may have been put there because the keys
    /// known until now have leaked.
    fn learn(&self, ring: &Ring) -> Result<(), KeyError> {
        let known = self.unlock(ring);
        let (known, result) = match known {
            Ok(known) => (known, Ok(())),
            Err(error) => (Known::default(), Err(error)),
        };
        self.0.known.store(Arc::new(known));
        result
    }

    /// Opens the ring by the master key in memory, or else by the one outside, which may have been changed.
    fn unlock(&self, ring: &Ring) -> Result<Known, KeyError> {
        let issuer = self.0.records.issuer();
        let held = self.0.known.load_full();
        if let Some(master) = &held.master
            && let Some(known) = ring.open(master, issuer)
        {
            return Ok(known);
        }
        let master = &self.0.master;
        let root = master.read()?.ok_or_else(|| KeyError::MasterLost {
            master: master.to_string(),
            ring: self.ring(),
        })?;
        ring.open(&root, issuer)
            .ok_or_else(|| KeyError::MasterWrong { master: master.to_string(), ring: self.ring() })
    }

    fn ring(&self) -> String {
        format!("the ring of server keys of {} (record key/{RING})", self.0.records.issuer())
    }
}

fn unreadable(error: &KeyError) -> Denied {
    tracing::error!(%error, "the ring of server keys cannot be opened");
    Denied::StoreUnavailable
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.list()).finish()
    }
}

/// The ring in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ring {
    keys: BTreeMap<KeyId, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    active: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<Timestamp>,
    /// The root, sealed under the master key.
    sealed: String,
}

impl Document for Ring {
    const KIND: Kind = Kind::Key;

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl Ring {
    /// Adds a new key that seals from `active` on; answers its name.
    fn add(&mut self, master: &Root, issuer: &str, active: Timestamp) -> Result<KeyId, Denied> {
        let mut id = KeyId::draw();
        while self.keys.contains_key(&id) {
            id = KeyId::draw();
        }
        self.insert(id, &Root::draw(), master, issuer, active)?;
        Ok(id)
    }

    fn insert(
        &mut self,
        id: KeyId,
        root: &Root,
        master: &Root,
        issuer: &str,
        active: Timestamp,
    ) -> Result<(), Denied> {
        let mut sealed = root.expose().to_vec();
        master.seal("ring").close(&bound_to(id, issuer), &mut sealed)?;
        let entry = Entry { active, gone: None, sealed: encode(&sealed) };
        self.keys.insert(id, entry);
        Ok(())
    }

    /// Says of the youngest key when it will be gone.
    fn retire(&mut self, gone: Timestamp) {
        let youngest = self.keys.values_mut().max_by_key(|entry| entry.active);
        if let Some(entry) = youngest {
            entry.gone = Some(gone);
        }
    }

    fn without_gone(&self, now: Timestamp) -> Self {
        let stays = |entry: &Entry| entry.gone.is_none_or(|gone| now < gone);
        let keys = self.keys.iter().filter(|(_, entry)| stays(entry));
        Self { keys: keys.map(|(id, entry)| (*id, entry.clone())).collect() }
    }

    fn has_next(&self, now: Timestamp) -> bool {
        self.keys.values().any(|entry| now < entry.active)
    }

    fn is_old(&self, now: Timestamp) -> bool {
        self.keys.values().all(|entry| entry.active + PERIOD <= now)
    }

    /// All keys, ready for use; `None` when the master key is another one.
    fn open(&self, master: &Root, issuer: &str) -> Option<Known> {
        let seal = master.seal("ring");
        let mut keys = Vec::with_capacity(self.keys.len());
        for (&id, entry) in &self.keys {
            let mut sealed = decode(&entry.sealed)?;
            let root = Root::from_bytes(seal.open(&bound_to(id, issuer), &mut sealed)?);
            sealed.zeroize();
            keys.push(KnownKey {
                key: Arc::new(ServerKey::new(id, &root?, issuer)),
                active: entry.active,
                gone: entry.gone,
            });
        }
        keys.sort_by_key(|known| known.active);
        Some(Known { master: Some(master.clone()), keys })
    }
}

fn bound_to(id: KeyId, issuer: &str) -> Vec<u8> {
    format!("countersign 1 ring {id}{issuer}").into_bytes()
}

/// The ring, opened: the oldest key first.
#[derive(Default)]
struct Known {
    master: Option<Root>,
    keys: Vec<KnownKey>,
}

struct KnownKey {
    key: Arc<ServerKey>,
    active: Timestamp,
    gone: Option<Timestamp>,
}

impl Known {
    /// The youngest whose time has come; before that of the first (a clock may be behind), the first.
    fn active(&self, now: Timestamp) -> Option<&KnownKey> {
        let begun = self.keys.iter().rfind(|known| known.active <= now);
        begun.or(self.keys.first())
    }

    fn wants_care(&self, now: Timestamp) -> bool {
        let gone = |known: &KnownKey| known.gone.is_some_and(|gone| gone <= now);
        let old = |known: &KnownKey| known.active + PERIOD <= now;
        self.keys.iter().any(gone) || self.keys.iter().all(old)
    }

    fn list(&self, now: Timestamp) -> Vec<KeyInfo> {
        let active = self.active(now).map(|known| known.key.id());
        let info = |known: &KnownKey| KeyInfo {
            id: known.key.id(),
            state: known.state(now, active),
            active: known.active,
            gone: known.gone,
        };
        self.keys.iter().map(info).collect()
    }
}

impl KnownKey {
    fn state(&self, now: Timestamp, active: Option<KeyId>) -> KeyState {
        if active == Some(self.key.id()) {
            KeyState::Active
        } else if now < self.active {
            KeyState::Next
        } else if self.gone.is_none_or(|gone| now < gone) {
            KeyState::Retiring
        } else {
            KeyState::Gone
        }
    }
}
