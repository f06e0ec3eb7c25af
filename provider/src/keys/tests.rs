use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use countersign_protocol::{Secret, Version};

use super::*;
use crate::store::{Key, Listing, Page, PutError, Query, Record, Unavailable, memory::Memory};

pub(crate) const ISSUER: &str = "https://id.example";
const CAP: Duration = Duration::from_hours(90 * 24);
const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);

/// A memory store that counts its reads, and that fails or falls silent on demand.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Memory,
    reads: AtomicUsize,
    down: AtomicBool,
    silent: AtomicBool,
}

impl Watched {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            inner: Memory::new(clock),
            reads: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        })
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    async fn answers(&self) -> Result<(), Unavailable> {
        if self.silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.down.load(Ordering::Relaxed) {
            return Err(Unavailable("switched off".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, key: &Key) -> Result<Option<Record>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.answers().await?;
        self.inner.get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        expected: Option<Version>,
        record: Record,
    ) -> Result<(), PutError> {
        let refused = |unavailable: Unavailable| PutError::NotApplied(unavailable.0);
        self.answers().await.map_err(refused)?;
        self.inner.put(key, expected, record).await
    }

    async fn delete(&self, key: &Key, expected: Option<Version>) -> Result<bool, Unavailable> {
        self.answers().await?;
        self.inner.delete(key, expected).await
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing, Unavailable> {
        self.inner.list(query, page).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, Unavailable> {
        self.inner.time().await
    }
}

/// One store, one clock and one master key for several replicas.
pub(crate) struct World {
    pub(crate) store: Arc<Watched>,
    pub(crate) clock: Clock,
    master: Secret,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
        Self { store: Watched::new(clock.clone()), clock, master: Secret::new(encode(&[42; 32])) }
    }

    /// A world whose first key is always the same.
    pub(crate) async fn known() -> Self {
        let world = Self::new();
        let master = Root::from_bytes(&[42; 32]).unwrap();
        let root = Root::from_bytes(&[7; 32]).unwrap();
        let mut ring = Ring::default();
        let id = "00c0ffee".parse().unwrap();
        ring.insert(id, &root, &master, ISSUER, world.clock.now()).unwrap();
        assert!(world.records().create(RING, &ring).await.unwrap());
        world
    }

    pub(crate) async fn replica(&self) -> Keys {
        self.open(MasterKey::from_text("KEY", &self.master).unwrap()).await.unwrap()
    }

    async fn open(&self, master: MasterKey) -> Result<Keys, KeyError> {
        Keys::open(self.store.clone(), ISSUER.into(), master, self.clock.clone(), CAP).await
    }

    async fn reset(&self, master: MasterKey) -> Result<Keys, KeyError> {
        Keys::reset(self.store.clone(), ISSUER.into(), master, self.clock.clone(), CAP).await
    }

    fn records(&self) -> Records {
        Records::new(self.store.clone(), ISSUER.into(), self.clock.clone())
    }

    async fn ring(&self) -> Ring {
        self.records().load(RING).await.unwrap().unwrap()
    }
}

fn states(keys: &Keys) -> Vec<KeyState> {
    keys.list().iter().map(|info| info.state).collect()
}

fn active(keys: &Keys) -> KeyId {
    keys.active().unwrap().id()
}

/// A key id that no ring here has.
fn unknown(number: u32) -> KeyId {
    format!("{number:08x}").parse().unwrap()
}

#[tokio::test]
async fn the_first_start_begins_a_ring_with_an_active_key() {
    let world = World::new();
    let keys = world.replica().await;
    assert_eq!(states(&keys), [KeyState::Active]);
    assert_eq!(keys.find(active(&keys)).unwrap().id(), active(&keys));
}

#[tokio::test]
async fn replicas_that_start_at_once_share_one_ring() {
    let world = World::new();
    let (a, b, c) = tokio::join!(world.replica(), world.replica(), world.replica());
    assert_eq!(world.ring().await.keys.len(), 1);
    assert_eq!([active(&b), active(&c)], [active(&a); 2]);
    assert_eq!(a.active().unwrap().hide("x", b"y"), b.active().unwrap().hide("x", b"y"));
}

/// M4, F10.
#[tokio::test]
async fn a_key_is_next_then_active_then_retiring_then_gone() {
    use KeyState::{Active, Gone, Next, Retiring};
    let world = World::new();
    let keys = world.replica().await;
    let first = active(&keys);

    let next = keys.rotate().await.unwrap();
    assert_eq!(states(&keys), [Active, Next]);
    assert!(keys.find(next.id).is_some());
    world.clock.advance(LEAD.saturating_sub(TICK));
    assert_eq!(active(&keys), first);
    world.clock.advance(TICK);
    assert_eq!(active(&keys), next.id);
    assert_eq!(states(&keys), [Retiring, Active]);

    world.clock.advance(CAP.saturating_sub(TICK));
    assert!(keys.find(first).is_some());
    world.clock.advance(TICK);
    assert!(keys.find(first).is_none());
    assert_eq!(states(&keys), [Gone, Active]);
}

/// F10 in small: an hour of rotations at the shortest interval, three replicas that refresh out of step.
#[tokio::test(start_paused = true)]
async fn replicas_know_every_key_before_any_of_them_uses_it() {
    let world = World::new();
    let replicas = [world.replica().await, world.replica().await, world.replica().await];
    for second in 0..3600_usize {
        world.clock.advance(SECOND);
        tokio::time::advance(SECOND).await;
        if second % 61 == 0 {
            replicas[second % 3].rotate().await.unwrap();
        }
        for (place, replica) in replicas.iter().enumerate() {
            if second % 10 == place * 3 {
                replica.refresh().await.unwrap();
            }
        }
        let used = replicas.each_ref().map(active);
        assert!(used.iter().all(|id| *id == used[0]), "they switch at once");
        for replica in &replicas {
            assert!(replica.find(used[0]).is_some());
        }
    }
    assert!(world.ring().await.keys.len() > 50);
}

#[tokio::test]
async fn a_second_rotation_leaves_the_next_key_as_it_is() {
    let world = World::new();
    let (a, b) = (world.replica().await, world.replica().await);
    let next = a.rotate().await.unwrap();
    world.clock.advance(30 * SECOND);
    assert_eq!(a.rotate().await.unwrap(), next);
    assert_eq!(b.rotate().await.unwrap(), next);
    assert_eq!(world.ring().await.keys.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn refreshing_rotates_an_old_key_and_drops_what_is_gone() {
    let world = World::new();
    let keys = world.replica().await;
    let first = active(&keys);
    world.clock.advance(PERIOD.saturating_sub(SECOND));
    assert_eq!(keys.refresh().await, Ok(None));
    assert_eq!(states(&keys), [KeyState::Active]);

    world.clock.advance(SECOND);
    let made = keys.refresh().await.unwrap().unwrap();
    assert_eq!(made.state, KeyState::Next);
    assert_eq!(states(&keys), [KeyState::Active, KeyState::Next]);
    assert_eq!(keys.refresh().await, Ok(None));
    assert_eq!(keys.list().len(), 2);

    world.clock.advance(LEAD + CAP);
    keys.refresh().await.unwrap();
    let ring = world.ring().await;
    assert!(!ring.keys.contains_key(&first));
    // The second key is old by now, too.
    assert_eq!(states(&keys), [KeyState::Active, KeyState::Next]);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_replica_is_found_at_the_next_reload() {
    let world = World::new();
    let (a, b) = (world.replica().await, world.replica().await);
    let next = a.rotate().await.unwrap();
    assert!(b.find(next.id).is_none());
    assert_eq!(b.seek(next.id).await.unwrap().id(), next.id);
    assert!(b.find(next.id).is_some());
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_an_unknown_key_share_one_reload() {
    let world = World::new();
    let keys = world.replica().await;
    keys.seek(unknown(0)).await.unwrap_err();
    let (before, start) = (world.store.reads(), Instant::now());
    let waiters: Vec<_> = (0..100)
        .map(|number| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.seek(unknown(number)).await.unwrap_err() })
        })
        .collect();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), Denied::TokenUnknown);
    }
    assert_eq!(world.store.reads() - before, 1);
    assert!(start.elapsed() <= SECOND + Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_read_the_ring_at_most_once_a_second() {
    let world = World::new();
    let keys = world.replica().await;
    let before = world.store.reads();
    for number in 0..100 {
        let keys = keys.clone();
        tokio::spawn(async move { keys.seek(unknown(number)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let reads = world.store.reads() - before;
    assert!((9..=11).contains(&reads), "{reads} reads in 10 s");
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_do_not_make_the_ring_be_read_more_often() {
    let world = World::new();
    let keys = world.replica().await;
    keys.seek(unknown(0)).await.unwrap_err();
    let before = world.store.reads();
    world.store.silent.store(true, Ordering::Relaxed);
    for number in 0..50 {
        let given_up = timeout(Duration::from_millis(100), keys.seek(unknown(number))).await;
        assert!(given_up.is_err());
    }
    let reads = world.store.reads() - before;
    assert!(reads <= 6, "{reads} reads in 5 s");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_known_keys_serve_and_unknown_ones_are_unavailable() {
    let world = World::new();
    let keys = world.replica().await;
    world.store.down.store(true, Ordering::Relaxed);
    assert_eq!(keys.refresh().await, Err(Denied::StoreUnavailable));
    assert!(keys.find(active(&keys)).is_some());
    assert_eq!(keys.seek(unknown(1)).await.unwrap_err(), Denied::StoreUnavailable);
    assert_eq!(keys.rotate().await, Err(Denied::StoreUnavailable));

    world.store.down.store(false, Ordering::Relaxed);
    assert_eq!(keys.seek(unknown(1)).await.unwrap_err(), Denied::TokenUnknown);
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_is_waited_for_within_the_deadline() {
    let world = World::new();
    let keys = world.replica().await;
    world.store.silent.store(true, Ordering::Relaxed);
    let start = Instant::now();
    let waiters: Vec<_> = (0..10)
        .map(|number| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.seek(unknown(number)).await.unwrap_err() })
        })
        .collect();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), Denied::StoreUnavailable);
    }
    assert!(start.elapsed() <= DEADLINE + Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_vanished_is_unavailable_and_what_is_known_goes_on() {
    let world = World::new();
    let keys = world.replica().await;
    world.records().delete::<Ring>(RING).await.unwrap();
    assert_eq!(keys.refresh().await, Err(Denied::StoreUnavailable));
    assert_eq!(keys.seek(unknown(1)).await.unwrap_err(), Denied::StoreUnavailable);
    assert_eq!(keys.rotate().await, Err(Denied::StoreUnavailable));
    assert!(keys.active().is_ok());
}

#[tokio::test]
async fn the_master_key_file_is_made_once_and_for_its_owner_alone() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/master.key");
    world.open(MasterKey::file(&path)).await.unwrap();
    let permissions = fs::metadata(&path).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    let made = fs::read(&path).unwrap();
    assert_eq!(made.len(), 44);
    assert_eq!(files(folder.path().join("data")), ["master.key"]);

    world.open(MasterKey::file(&path)).await.unwrap();
    // With another store, as if the first start had ended before its ring was written.
    World::new().open(MasterKey::file(&path)).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), made);
}

fn files(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn processes_that_make_the_file_at_once_agree_on_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| MasterKey::file(&path).read_or_create().unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|root| root.expose() == made[0].expose()));
    assert_eq!(files(folder.path()), ["master.key"]);
}

#[tokio::test]
async fn a_lost_master_key_is_not_replaced_and_the_error_names_file_ring_and_remedies() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    world.open(MasterKey::file(&path)).await.unwrap();
    fs::remove_file(&path).unwrap();

    let error = world.open(MasterKey::file(&path)).await.unwrap_err();
    assert!(matches!(error, KeyError::MasterLost { .. }));
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains("key/ring"), "{text}");
    assert!(text.contains("restore the file"), "{text}");
    assert!(text.contains("countersign key reset"), "{text}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_wrong_master_key_is_refused() {
    let world = World::new();
    world.replica().await;
    let error = world.open(MasterKey::generate()).await.unwrap_err();
    assert!(matches!(error, KeyError::MasterWrong { .. }));
    assert!(error.to_string().contains("key/ring"));
}

#[tokio::test]
async fn a_ring_of_another_issuer_does_not_open() {
    let world = World::new();
    world.replica().await;
    let ring = world.ring().await;
    let master = Root::from_bytes(&[42; 32]).unwrap();
    assert!(ring.open(&master, ISSUER).is_some());
    assert!(ring.open(&master, "https://other.example").is_none());
}

#[test]
fn a_master_key_of_another_form_or_open_to_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let read = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        MasterKey::file(&path).read()
    };
    let key = encode(&[1; 32]);
    assert!(read(&key, 0o600).unwrap().is_some());
    assert!(read(&format!("{key}\n"), 0o440).unwrap().is_some());
    for open in [0o644, 0o602, 0o660, 0o601] {
        let refused = read(&key, open);
        assert!(matches!(refused, Err(KeyError::MasterExposed { .. })), "{open:o}");
    }
    for other in ["", "hunter2", &key[1..], &format!("{key}A"), &format!("{key}\n{key}")] {
        let refused = read(other, 0o600);
        assert!(matches!(refused, Err(KeyError::MasterMalformed { .. })), "{other:?}");
    }
    assert!(MasterKey::from_text("KEY", &Secret::new("hunter2")).is_err());
    assert!(matches!(
        MasterKey::file(folder.path()).read(),
        Err(KeyError::MasterExposed { .. } | KeyError::MasterUnreadable { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_every_key_and_running_replicas_follow() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let running = world.open(MasterKey::file(&path)).await.unwrap();
    let old = active(&running);
    // The file is lost as well: the running replica has to notice the new one.
    fs::remove_file(&path).unwrap();

    let keys = world.reset(MasterKey::file(&path)).await.unwrap();
    assert!(keys.find(old).is_none());
    running.refresh().await.unwrap();
    assert!(running.find(old).is_none());
    assert_eq!(active(&running), active(&keys));
}

#[tokio::test]
async fn a_reset_that_has_no_master_key_leaves_the_ring() {
    let world = World::new();
    world.replica().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    fs::write(&path, "broken").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let before = world.ring().await;
    assert!(world.reset(MasterKey::file(&path)).await.is_err());
    assert_eq!(world.ring().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cannot_open_the_new_ring_closes() {
    let world = World::new();
    let running = world.replica().await;
    let old = active(&running);
    world.reset(MasterKey::generate()).await.unwrap();
    // It must not add a key under its own master key to a ring under another.
    let before = world.ring().await;
    assert_eq!(running.rotate().await, Err(Denied::StoreUnavailable));
    assert_eq!(world.ring().await, before);

    assert_eq!(running.refresh().await, Err(Denied::StoreUnavailable));
    assert_eq!(running.active().unwrap_err(), Denied::StoreUnavailable);
    assert!(running.find(old).is_none());
    assert_eq!(running.seek(old).await.unwrap_err(), Denied::StoreUnavailable);
}

/// T27: neither the store nor what is shown of a key holds one.
#[tokio::test]
async fn no_key_is_at_rest_or_shown() {
    let world = World::known().await;
    let keys = world.replica().await;
    let key = Key { issuer: ISSUER.into(), kind: Kind::Key, id: RING.into() };
    let record = world.store.get(&key).await.unwrap().unwrap();
    let shown = format!(
        "{keys:?} {} {:?}",
        serde_json::to_string(&keys.list()).unwrap(),
        world.ring().await
    );
    let kept = String::from_utf8_lossy(&record.body).into_owned();
    for secret in [[42; 32], [7; 32]] {
        let hex = format!("{:02x}", secret[0]).repeat(32);
        for form in [
            encode(&secret),
            hex,
            format!("{secret:?}"),
            String::from_utf8_lossy(&secret).into_owned(),
        ] {
            assert!(!kept.contains(&form) && !shown.contains(&form));
        }
    }
}

#[tokio::test]
async fn before_the_first_key_s_time_the_first_key_is_active() {
    let world = World::known().await;
    let behind = Clock::fixed(Timestamp::from_secs(1_799_999_000));
    let master = MasterKey::from_text("KEY", &world.master).unwrap();
    let keys = Keys::open(world.store.clone(), ISSUER.into(), master, behind, CAP).await.unwrap();
    assert_eq!(states(&keys), [KeyState::Active]);
}

/// What `countersign key reset` promises: a sign-in session ends although no server key seals its cookie.
#[tokio::test]
async fn a_reset_ends_every_session() {
    let world = World::new();
    world.replica().await;
    let session = session::Session {
        subject: countersign_protocol::Subject::new("alice").unwrap(),
        epoch: countersign_protocol::Epoch::NONE,
        secret: countersign_protocol::secret::SecretHash::of(&Secret::new("x")),
        auth_time: world.clock.now(),
        idle_ends: Timestamp::MAX,
        cap: Timestamp::MAX,
    };
    for id in 0..600 {
        world.records().create(&id.to_string(), &session).await.unwrap();
    }
    world.reset(MasterKey::generate()).await.unwrap();
    let page = Page { after: None, size: 10 };
    let (left, _) = world.records().list::<session::Session>(None, page).await.unwrap();
    assert!(left.is_empty());
}
