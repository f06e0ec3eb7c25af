//! Whose turn it is among the processes that write to one file.
//!
//! A process first waits to be *next*, then for its *turn*, and is no longer *next* once it has it. So who has just
//! written queues behind who waits, however fast it comes again.

use std::{
    fs::File,
    io::{ErrorKind, Result},
};

/// The two advisory locks. The system releases them when a process ends, however it ends.
pub(super) struct Turns {
    next: File,
    turn: File,
}

impl Turns {
    pub(super) const fn new(next: File, turn: File) -> Self {
        Self { next, turn }
    }

    /// Waits for the turn, for as long as the others take.
    pub(super) fn take(&self) -> Result<Turn<'_>> {
        lock(&self.next)?;
        let turn = lock(&self.turn);
        self.next.unlock()?;
        turn.map(|()| Turn(&self.turn))
    }
}

/// The turn; dropping it gives it on.
pub(super) struct Turn<'a>(&'a File);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::error!(%error, "a lock beside the store cannot be released");
        }
    }
}

fn lock(file: &File) -> Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            locked => return locked,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    #[test]
    fn who_waits_comes_before_who_has_just_had_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let turns = || {
            let file = |name| File::create(folder.path().join(name)).unwrap();
            Turns::new(file("next"), file("turn"))
        };
        let (busy, patient) = (turns(), turns());
        let (taken, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let turn = busy.take().unwrap();
                    taken.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(2));
                    drop(turn);
                }
            });
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(5));
                let before = taken.load(Ordering::Relaxed);
                let turn = patient.take().unwrap();
                let passed = taken.load(Ordering::Relaxed) - before;
                drop(turn);
                assert!(passed <= 2, "the other took {passed} turns first");
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
