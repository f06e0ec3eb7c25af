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

/// How many writes may wait, and how many are committed as one group.
const QUEUE: usize = 16_384;
const GROUP: usize = 512;

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
        self.0.push(Job {
            write,
            claim: claim.clone(),
            reply,
        })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            // It never was in a group, and now it never will be.
            Err(_) if claim.take() => Err(PutError::NotApplied(
                "the file is locked or the disk is slow".into(),
            )),
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

    /// The next group.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.waiting.lock();
        let size = waiting.jobs.len().min(GROUP);
        let group = waiting.jobs.drain(..size);
        group.filter(|job| job.claim.take()).collect()
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
    queue: Arc<Queue>,
}

/// What came of a group.
struct Group {
    jobs: Vec<Job>,
    written: Vec<Written>,
    swept: usize,
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
        // Disjoint from the turn, which borrows the locks.
        let (db, now) = (&mut self.db, self.clock.now());
        let sweep = Instant::now() >= self.next_sweep;
        let written = write_group(db, &self.queue, now, if sweep { BITE } else { 0 });
        self.checkpoints.finish_if_long(&self.db);
        drop(turn);
        match written {
            Ok(group) => self.answer(group, sweep),
            Err(error) => {
                tracing::warn!(%error, "the store cannot be written");
                self.next_sweep = Instant::now() + SWEEP;
                if !is_busy(&error) {
                    thread::sleep(REST);
                }
            }
        }
    }

    fn answer(&mut self, group: Group, looked: bool) {
        self.checkpoints.count(group.written.len() + group.swept);
        if looked && group.swept < BITE {
            self.next_sweep = Instant::now() + SWEEP;
        }
        for (job, written) in group.jobs.into_iter().zip(group.written) {
            let answer = match (job.write, written) {
                (_, Written::Done) => Ok(true),
                (Write::Delete(..), Written::Conflict) => Ok(false),
                (Write::Put(..), Written::Conflict) => Err(PutError::Conflict),
            };
            // Who no longer waits was told that it is unknown.
            let _ = job.reply.send(answer);
        }
    }
}

/// Commits what waits, and a bite of what has expired. On an error before there is a group, all goes on waiting; after
/// that, the group has been answered.
fn write_group(
    db: &mut Connection,
    queue: &Queue,
    now: Timestamp,
    bite: usize,
) -> rusqlite::Result<Group> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let jobs = queue.take();
    let done = jobs
        .iter()
        .map(|job| write(&transaction, job, now))
        .collect::<rusqlite::Result<Vec<_>>>()
        .and_then(|written| Ok((written, rows::sweep(&transaction, now, bite)?)));
    let (written, swept) = match done {
        Ok(done) => done,
        Err(error) => {
            // The transaction is rolled back as it is dropped.
            refuse(jobs, PutError::NotApplied, &error);
            return Err(error);
        }
    };
    if let Err(error) = transaction.commit() {
        // The log may hold it, or not.
        refuse(jobs, PutError::Unknown, &error);
        return Err(error);
    }
    Ok(Group {
        jobs,
        written,
        swept,
    })
}

fn write(db: &Connection, job: &Job, now: Timestamp) -> rusqlite::Result<Written> {
    match &job.write {
        Write::Put(key, expected, record) => rows::put(db, key, *expected, record, now),
        Write::Delete(key, expected) => rows::delete(db, key, *expected, now),
    }
}

fn refuse(jobs: Vec<Job>, why: impl Fn(String) -> PutError, error: &rusqlite::Error) {
    for job in jobs {
        let _ = job.reply.send(Err(why(error.to_string())));
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}
