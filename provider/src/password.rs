//! Passwords, hashed by Argon2id ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)) on threads of their own.
//!
//! A hash costs about 20 ms and 19 MiB on purpose. So it never runs on a thread that answers requests: a few threads of
//! low priority, one a core, take jobs from a short queue. Who finds the queue full is told to come back
//! ([`Denied::Busy`]), and who stops waiting leaves the queue.
//!
//! An account that does not exist or cannot sign in costs exactly one hash too ([`Passwords::verify`] without one).

use std::{
    collections::VecDeque,
    fmt, io,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use countersign_protocol::{Denied, Secret, password};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::clock::random;

/// How long an idle thread keeps its memory.
const IDLE: Duration = Duration::from_secs(10);

/// When to ask again once the queue was full.
const BUSY: Duration = Duration::from_secs(1);

/// The most memory that a hash from elsewhere may ask for: 1 GiB.
const MAX_MEMORY_KIB: u32 = 1 << 20;

/// What one hash costs.
#[derive(Clone, Debug)]
pub struct Cost(Params);

impl Cost {
    /// `memory_kib` KiB (at least 8 a lane, at most 1 GiB), `passes` over it (1 to 64), `lanes` (1 to 64).
    ///
    /// The lanes of one hash run one after another: hashes side by side already keep every core busy.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, BadHash> {
        let params = Params::new(memory_kib, passes, lanes, None).map_err(|_| BadHash)?;
        within_reach(&params).then_some(Self(params)).ok_or(BadHash)
    }
}

impl Default for Cost {
    /// 19 MiB, two passes, one lane: what OWASP asks for at least.
    fn default() -> Self {
        Self(Params::default())
    }
}

/// The text is no hash that [`Passwords::verify`] understands, or its cost is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Argon2 hash in PHC format ($argon2id$v=19$m=…,t=…,p=…$salt$hash) of at most 1 GiB")]
pub struct BadHash;

/// Hashes passwords and verifies them. Clones share the threads, which end with the last clone.
#[derive(Clone)]
pub struct Passwords {
    pool: Arc<Owner>,
    cost: Cost,
}

impl Passwords {
    /// Starts a thread for each core. Fails when the operating system gives no thread.
    pub fn start(cost: Cost) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_threads(cost, cores)
    }

    /// Starts this many threads, which is how many hashes run at once; four times as many may wait.
    pub fn with_threads(cost: Cost, threads: usize) -> io::Result<Self> {
        Self::with_queue(cost, threads, 4 * threads)
    }

    fn with_queue(cost: Cost, threads: usize, room: usize) -> io::Result<Self> {
        let owner = Owner(Arc::new(Pool::new(room)));
        for _ in 0..threads {
            let pool = owner.0.clone();
            thread::Builder::new().name("password".into()).spawn(move || work(&pool))?;
        }
        Ok(Self { pool: Arc::new(owner), cost })
    }

    /// Hashes a password to be kept, with a new salt, in PHC format.
    ///
    /// [`Denied::ParameterMalformed`] when it is too long, [`Denied::Busy`] when the queue is full.
    pub async fn hash(&self, password: &Secret) -> Result<String, Denied> {
        let salt: [u8; 16] = random();
        let recipe = Recipe::ours(&self.cost, &salt);
        let output = self.derive(password, recipe).await?;
        phc(&self.cost.0, &salt, &output).map_err(|error| {
            tracing::error!(%error, "a password hash cannot be written");
            Denied::Internal
        })
    }

    /// Whether the password has this hash. It costs one hash in any case: without a hash, or with one that cannot be
    /// read, the answer is `false` after the same work.
    ///
    /// [`Denied::ParameterMalformed`] when the password is too long, [`Denied::Busy`] when the queue is full.
    pub async fn verify(&self, hash: Option<&str>, password: &Secret) -> Result<bool, Denied> {
        let known = hash.and_then(|hash| {
            Recipe::of(hash)
                .inspect_err(|error| tracing::error!(%error, "a password hash cannot be read"))
                .ok()
        });
        let Some((recipe, expected)) = known else {
            self.derive(password, Recipe::ours(&self.cost, &[0; 16])).await?;
            return Ok(false);
        };
        let output = self.derive(password, recipe).await?;
        // `Output` compares in constant time.
        Ok(Output::new(&output).is_ok_and(|output| output == expected))
    }

    /// Whether the hash was made at less than today's cost, and should be made anew when the password is at hand.
    pub fn outdated(&self, hash: &str) -> bool {
        Recipe::of(hash).map_or(true, |(recipe, _)| !recipe.reaches(&self.cost.0))
    }

    /// How many hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.pool.0.hashes.load(Ordering::Relaxed)
    }

    /// How many wait in the queue.
    pub fn waiting(&self) -> usize {
        self.pool.0.queue.lock().jobs.len()
    }

    async fn derive(&self, password: &Secret, recipe: Recipe) -> Result<Vec<u8>, Denied> {
        let password = password::prepare(password)?;
        self.pool.0.run(password, recipe).await
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Passwords");
        shown.field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Whether the text is a hash that [`Passwords::verify`] understands: for hashes that come from a configuration.
pub fn check_hash(hash: &str) -> Result<(), BadHash> {
    Recipe::of(hash).map(drop)
}

/// All that goes into a hash, but for the password.
struct Recipe {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    length: usize,
}

impl Recipe {
    fn ours(cost: &Cost, salt: &[u8]) -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: cost.0.clone(),
            salt: salt.to_vec(),
            length: Params::DEFAULT_OUTPUT_LEN,
        }
    }

    /// The recipe that a hash tells of, and what must come out.
    fn of(hash: &str) -> Result<(Self, Output), BadHash> {
        let hash = PasswordHash::new(hash).map_err(|_| BadHash)?;
        let (salt, expected) = hash.salt.zip(hash.hash).ok_or(BadHash)?;
        let recipe = Self {
            algorithm: hash.algorithm.as_str().parse().map_err(|_| BadHash)?,
            version: version(hash.version).ok_or(BadHash)?,
            params: Params::try_from(&hash).map_err(|_| BadHash)?,
            salt: salt.to_vec(),
            length: expected.len(),
        };
        let usable = within_reach(&recipe.params) && recipe.salt.len() >= argon2::MIN_SALT_LEN;
        usable.then_some((recipe, expected)).ok_or(BadHash)
    }

    fn reaches(&self, today: &Params) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params.m_cost() >= today.m_cost()
            && self.params.t_cost() >= today.t_cost()
    }

    fn cook(&self, password: &Secret, memory: &mut Vec<Block>) -> Result<Vec<u8>, argon2::Error> {
        memory.resize(self.params.block_count(), Block::new());
        let mut output = vec![0; self.length];
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(
                password.expose().as_bytes(),
                &self.salt,
                &mut output,
                memory,
            )?;
        Ok(output)
    }
}

fn within_reach(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= 64 && params.p_cost() <= 64
}

/// A hash without a version is one of the first edition.
fn version(number: Option<u32>) -> Option<Version> {
    Version::try_from(number.unwrap_or(0x10)).ok()
}

fn phc(
    params: &Params,
    salt: &[u8],
    output: &[u8],
) -> Result<String, argon2::password_hash::Error> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(output)?),
    };
    Ok(hash.to_string())
}

/// What the threads and those who wait share.
struct Pool {
    queue: Mutex<Queue>,
    wake: Condvar,
    room: usize,
    hashes: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    tickets: u64,
    closed: bool,
}

struct Job {
    ticket: u64,
    password: Secret,
    recipe: Recipe,
    answer: oneshot::Sender<Vec<u8>>,
}

/// Ends the threads when dropped.
struct Owner(Arc<Pool>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.queue.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Pool {
    fn new(room: usize) -> Self {
        Self { queue: Mutex::default(), wake: Condvar::new(), room, hashes: AtomicU64::new(0) }
    }

    async fn run(&self, password: Secret, recipe: Recipe) -> Result<Vec<u8>, Denied> {
        let (answer, answered) = oneshot::channel();
        let _place = self.enter(password, recipe, answer)?;
        answered.await.map_err(|_| Denied::Internal)
    }

    fn enter(
        &self,
        password: Secret,
        recipe: Recipe,
        answer: oneshot::Sender<Vec<u8>>,
    ) -> Result<Place<'_>, Denied> {
        let mut queue = self.queue.lock();
        if queue.jobs.len() >= self.room {
            return Err(Denied::Busy(BUSY));
        }
        queue.tickets += 1;
        let ticket = queue.tickets;
        queue.jobs.push_back(Job { ticket, password, recipe, answer });
        self.wake.notify_one();
        Ok(Place { pool: self, ticket })
    }

    /// The next job, waited for; `None` when the pool has ended. A thread that waits long gives its memory back.
    fn next(&self, memory: &mut Vec<Block>) -> Option<Job> {
        let mut queue = self.queue.lock();
        while !queue.closed {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if memory.is_empty() {
                self.wake.wait(&mut queue);
            } else if self.wake.wait_for(&mut queue, IDLE).timed_out() {
                *memory = Vec::new();
            }
        }
        None
    }
}

/// A place in the queue, left when dropped.
struct Place<'a> {
    pool: &'a Pool,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.pool.queue.lock();
        queue.jobs.retain(|job| job.ticket != self.ticket);
    }
}

fn work(pool: &Pool) {
    lower_priority();
    let mut memory = Vec::new();
    while let Some(job) = pool.next(&mut memory) {
        pool.hashes.fetch_add(1, Ordering::Relaxed);
        match job.recipe.cook(&job.password, &mut memory) {
            // Who asked may have gone meanwhile.
            Ok(output) => drop(job.answer.send(output)),
            Err(error) => tracing::error!(%error, "a password cannot be hashed"),
        }
    }
}

/// On Linux a priority is a thread's own; elsewhere it would be the whole process's, and is left alone.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the password threads keep the normal priority");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn cheap() -> Passwords {
        Passwords::with_threads(Cost::new(64, 1, 1).unwrap(), 1).unwrap()
    }

    /// Nobody works here: whoever enters waits.
    fn stuck(room: usize) -> Passwords {
        Passwords::with_queue(Cost::default(), 0, room).unwrap()
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn the_right_password_verifies_and_a_wrong_one_does_not() {
        let passwords = cheap();
        let hash = passwords.hash(&"correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(passwords.verify(Some(&hash), &"correct horse".into()).await, Ok(true));
        assert_eq!(passwords.verify(Some(&hash), &"correct horsf".into()).await, Ok(false));
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = cheap();
        let password = Secret::new("correct horse");
        assert_ne!(passwords.hash(&password).await, passwords.hash(&password).await);
    }

    /// Row L11: nothing is cut off, at byte 72 (as bcrypt does) or at a NUL.
    #[tokio::test]
    async fn every_byte_counts() {
        let passwords = cheap();
        for (set, tried) in [
            ("a".repeat(72) + "b", "a".repeat(72) + "c"),
            ("abcdefgh\0b".into(), "abcdefgh\0c".into()),
        ] {
            let hash = passwords.hash(&Secret::new(set.clone())).await.unwrap();
            assert_eq!(passwords.verify(Some(&hash), &set.into()).await, Ok(true));
            assert_eq!(passwords.verify(Some(&hash), &tried.into()).await, Ok(false));
        }
    }

    /// Row L11.
    #[tokio::test]
    async fn a_password_may_come_in_either_spelling() {
        let passwords = cheap();
        let hash = passwords.hash(&"Zu\u{308}rich 1291".into()).await.unwrap();
        assert_eq!(passwords.verify(Some(&hash), &"Z\u{fc}rich 1291".into()).await, Ok(true));
    }

    /// Row L11.
    #[tokio::test]
    async fn an_oversized_password_is_refused_without_hashing() {
        let passwords = cheap();
        let refused = passwords.verify(None, &Secret::new("a".repeat(60_000))).await;
        assert_eq!(refused, Err(Denied::ParameterMalformed("password")));
        assert_eq!(passwords.hashes(), 0);
    }

    /// Row L9.
    #[tokio::test]
    async fn whoever_cannot_sign_in_costs_one_hash_like_everybody() {
        let passwords = cheap();
        let hash = passwords.hash(&"correct horse".into()).await.unwrap();
        for hash in [
            Some(hash.as_str()),
            None,
            Some("unreadable"),
            Some("$argon2id$v=19$m=4194304,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAA"),
        ] {
            let before = passwords.hashes();
            assert_eq!(passwords.verify(hash, &"wrong horse".into()).await, Ok(false));
            assert_eq!(passwords.hashes() - before, 1, "{hash:?}");
        }
    }

    /// From the tests of the reference implementation.
    #[tokio::test]
    async fn hashes_from_elsewhere_verify() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(cheap().verify(Some(hash), &"password".into()).await, Ok(true));
    }

    #[test]
    fn a_hash_below_the_cost_of_today_is_outdated() {
        let passwords = stuck(0);
        let made_at = |cost: &str| {
            format!("$argon2id$v=19${cost}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
        };
        assert!(!passwords.outdated(&made_at("m=19456,t=2,p=1")));
        assert!(!passwords.outdated(&made_at("m=65536,t=3,p=4")));
        assert!(passwords.outdated(&made_at("m=19455,t=2,p=1")));
        assert!(passwords.outdated(&made_at("m=19456,t=1,p=1")));
        assert!(passwords.outdated(&made_at("m=19456,t=2,p=1").replace("argon2id", "argon2i")));
    }

    /// Fault F13.
    #[test]
    fn a_full_queue_answers_at_once_and_who_stops_waiting_makes_room() {
        let passwords = stuck(2);
        let password = Secret::new("correct horse");
        let mut first = pin!(passwords.hash(&password));
        assert!(poll(first.as_mut()).is_pending());
        {
            let mut second = pin!(passwords.verify(None, &password));
            assert!(poll(second.as_mut()).is_pending());
            let third = poll(pin!(passwords.hash(&password)).as_mut());
            assert_eq!(third, Poll::Ready(Err(Denied::Busy(BUSY))));
            assert_eq!(passwords.waiting(), 2);
        }
        assert_eq!(passwords.waiting(), 1);
        assert!(poll(pin!(passwords.hash(&password)).as_mut()).is_pending());
    }

    #[tokio::test]
    async fn the_threads_end_with_the_last_clone() {
        let passwords = cheap();
        let pool = Arc::downgrade(&passwords.pool.0);
        passwords.clone().hash(&"correct horse".into()).await.unwrap();
        drop(passwords);
        tokio::time::timeout(Duration::from_secs(5), async {
            while pool.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_yields_to_whoever_answers_requests() {
        let passwords = cheap();
        passwords.hash(&"correct horse".into()).await.unwrap();
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let nice = threads.filter_map(|thread| {
            let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
            let (name, fields) = stat.split_once(") ")?;
            // The nice value is field 19, the 17th behind the name.
            name.ends_with("(password").then(|| fields.split(' ').nth(16).unwrap().to_owned())
        });
        assert!(nice.into_iter().any(|nice| nice == "10"));
    }
}
