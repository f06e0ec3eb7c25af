//! The one thread that writes: it commits what waits as one group, and answers after the commit.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use countersign_protocol::{Timestamp, Version};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    checkpoint::Checkpoints,
    file::File,
    rows::{self, Written},
    turn::Turns,
};
use crate::{
    clock::Clock,
    store::{Key, OpenError, PutError, Record},
};

/// How long a write is waited for: it leaves time to answer within 1.5 s.
const PATIENCE: Duration = Duration::from_millis(1200);

/// How many writes may wait, how many at most are committed as one group, and how many are taken from the queue at once.
const QUEUE: usize = 16_384;
const GROUP: usize = 512;
const FEW: usize = 32;

/// How long at least a group is filled; else for as long as the last commit took, so that a slow disk gets large groups
/// and other processes wait briefly beside a fast one.
const LEAST: Duration = Duration::from_millis(2);

/// How many expired rows go with a group, and how often is looked for them.
const BITE: usize = 64;
const SWEEP: Duration = Duration::from_secs(1);

/// How long the thread rests when it cannot write at all.
const REST: Duration = Duration::from_millis(50);

/// A change of one record.
pub(super) enum Write {
    Put(Key, Option<Version>, Record),
    Delete(Key, Option<Version>),
}

/// The way to the thread. Dropping it ends the thread, once it has written what waits.
pub(super) struct Writer(Arc<Queue>);

impl Writer {
    pub(super) fn start(file: &File, clock: Clock) -> Result<Self, OpenError> {
        let open = |db: rusqlite::Result<Connection>| db.map_err(|error| file.refused(&error));
        let checkpoints = Checkpoints::start(open(file.checkpointer())?);
        let queue = Arc::new(Queue::default());
        let thread = WriterThread {
            db: open(file.writer())?,
            turns: file.turns()?,
            checkpoints: checkpoints.map_err(|error| OpenError::Thread(error.to_string()))?,
            clock,
            next_sweep: Instant::now(),
            last_commit: Duration::ZERO,
            queue: Arc::clone(&queue),
        };
        let builder = thread::Builder::new().name("store-write".into());
        let started = builder.spawn(move || thread.run());
        started.map_err(|error| OpenError::Thread(error.to_string()))?;
        Ok(Self(queue))
    }

    /// Has it written. For a delete, says whether a live record was removed.
    pub(super) async fn write(&self, write: Write) -> Result<bool, PutError> {
        let (reply, answer) = oneshot::channel();
        let claim = Claim::default();
        self.0.push(Job { write, claim: claim.clone(), reply })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            // It never was in a group, and now it never will be.
            Err(_) if claim.take() => {
                Err(PutError::NotApplied("the file is locked or the disk is slow".into()))
            }
            Ok(Err(_)) | Err(_) => Err(PutError::Unknown("the disk is slow".into())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Who has a write in hand: the thread, which writes it, or the caller, who has waited long enough. The first to take
/// it has it.
#[derive(Clone, Default)]
struct Claim(Arc<AtomicBool>);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

struct Job {
    write: Write,
    claim: Claim,
    reply: oneshot::Sender<Result<bool, PutError>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

/// Why the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Jobs,
    Sweep,
    End,
}

impl Queue {
    fn push(&self, job: Job) -> Result<(), PutError> {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return Err(PutError::NotApplied("the store is closed".into()));
        }
        if waiting.jobs.len() >= QUEUE {
            return Err(PutError::NotApplied("too many writes wait".into()));
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for jobs that their callers still wait for.
    fn wait(&self, until: Instant) -> Wake {
        let mut waiting = self.waiting.lock();
        loop {
            waiting.jobs.retain(|job| !job.claim.is_taken());
            if !waiting.jobs.is_empty() {
                return Wake::Jobs;
            }
            if waiting.is_closed {
                return Wake::End;
            }
            if self.filled.wait_until(&mut waiting, until).timed_out() {
                return Wake::Sweep;
            }
        }
    }

    /// The next few that are still waited for; none only when none wait.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.waiting.lock();
        let mut taken = Vec::new();
        while taken.len() < FEW
            && let Some(job) = waiting.jobs.pop_front()
        {
            if job.claim.take() {
                taken.push(job);
            }
        }
        taken
    }

    fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.filled.notify_one();
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        // However it ends, no write goes where nobody is.
        self.queue.close();
    }
}

struct WriterThread {
    db: Connection,
    turns: Turns,
    checkpoints: Checkpoints,
    clock: Clock,
    next_sweep: Instant,
    last_commit: Duration,
    queue: Arc<Queue>,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            match self.queue.wait(self.next_sweep) {
                Wake::End => return,
                Wake::Sweep if !self.is_sweep_due() => self.next_sweep = Instant::now() + SWEEP,
                Wake::Jobs | Wake::Sweep => self.turn(),
            }
        }
    }

    fn is_sweep_due(&self) -> bool {
        rows::is_sweep_due(&self.db, self.clock.now()).unwrap_or(false)
    }

    /// Writes one group when it is this process's turn.
    fn turn(&mut self) {
        let turn = match self.turns.take() {
            Ok(turn) => turn,
            Err(error) => {
                tracing::error!(%error, "the locks beside the store cannot be taken");
                return thread::sleep(REST);
            }
        };
        let bite = if Instant::now() >= self.next_sweep { BITE } else { 0 };
        let time = self.last_commit.max(LEAST);
        let written = write_group(&mut self.db, &self.queue, self.clock.now(), time, bite);
        self.checkpoints.finish_if_long(&self.db);
        drop(turn);
        match written {
            Ok(group) => self.done(group, bite),
            Err(error) => self.failed(&error),
        }
    }

    fn done(&mut self, group: Group, bite: usize) {
        self.last_commit = group.commit;
        self.checkpoints.count(group.written.len() + group.swept);
        if group.swept < bite {
            self.next_sweep = Instant::now() + SWEEP;
        }
        group.answer();
    }

    fn failed(&mut self, error: &rusqlite::Error) {
        tracing::warn!(%error, "the store cannot be written");
        self.next_sweep = Instant::now() + SWEEP;
        // A stranger's lock has been waited for already.
        if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) {
            thread::sleep(REST);
        }
    }
}

/// What one transaction holds.
#[derive(Default)]
struct Group {
    jobs: Vec<Job>,
    /// What came of each.
    written: Vec<Written>,
    swept: usize,
    /// How long the commit took.
    commit: Duration,
}

/// Commits what waits, and a bite of what has expired. On an error before there is a group, all goes on waiting; after
/// that, the group has been answered.
fn write_group(
    db: &mut Connection,
    queue: &Queue,
    now: Timestamp,
    time: Duration,
    bite: usize,
) -> rusqlite::Result<Group> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut group = Group::default();
    let filled = group.fill(&transaction, queue, now, time);
    let swept = filled.and_then(|()| rows::sweep(&transaction, now, bite));
    group.swept = match swept {
        Ok(swept) => swept,
        Err(error) => {
            // The transaction is rolled back as it is dropped.
            group.refuse(PutError::NotApplied, &error);
            return Err(error);
        }
    };
    let from = Instant::now();
    if let Err(error) = transaction.commit() {
        // The log may hold it, or not.
        group.refuse(PutError::Unknown, &error);
        return Err(error);
    }
    group.commit = from.elapsed();
    Ok(group)
}

impl Group {
    /// Writes what waits, and what comes meanwhile, for so long.
    fn fill(
        &mut self,
        db: &Connection,
        queue: &Queue,
        now: Timestamp,
        time: Duration,
    ) -> rusqlite::Result<()> {
        let from = Instant::now();
        while self.jobs.len() < GROUP && from.elapsed() < time {
            let jobs = queue.take();
            if jobs.is_empty() {
                break;
            }
            self.jobs.extend(jobs);
            for job in &self.jobs[self.written.len()..] {
                self.written.push(write(db, job, now)?);
            }
        }
        Ok(())
    }

    /// Says to each what came of it. (Who no longer waits was told that it is unknown.)
    fn answer(self) {
        for (job, written) in self.jobs.into_iter().zip(self.written) {
            let answer = match (job.write, written) {
                (_, Written::Done) => Ok(true),
                (Write::Delete(..), Written::Conflict) => Ok(false),
                (Write::Put(..), Written::Conflict) => Err(PutError::Conflict),
            };
            let _ = job.reply.send(answer);
        }
    }

    /// Says the same to all.
    fn refuse(self, why: impl Fn(String) -> PutError, error: &rusqlite::Error) {
        for job in self.jobs {
            let _ = job.reply.send(Err(why(error.to_string())));
        }
    }
}

fn write(db: &Connection, job: &Job, now: Timestamp) -> rusqlite::Result<Written> {
    match &job.write {
        Write::Put(key, expected, record) => rows::put(db, key, *expected, record, now),
        Write::Delete(key, expected) => rows::delete(db, key, *expected, now),
    }
}
