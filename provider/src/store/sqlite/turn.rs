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

    /// A part of the test that has its turn now and then.
    struct Party<'a> {
        turns: Turns,
        inside: &'a AtomicBool,
        taken: AtomicUsize,
    }

    impl Party<'_> {
        fn take_a_turn(&self) {
            let turn = self.turns.take().unwrap();
            assert!(!self.inside.swap(true, Ordering::SeqCst), "two have their turn at once");
            self.taken.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(2));
            self.inside.store(false, Ordering::SeqCst);
            drop(turn);
        }
    }

    #[test]
    fn one_has_its_turn_and_who_waits_comes_before_who_has_just_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let party = || {
            let file = |name| File::create(folder.path().join(name)).unwrap();
            Party {
                turns: Turns::new(file("next"), file("turn")),
                inside: &inside,
                taken: AtomicUsize::new(0),
            }
        };
        let (busy, patient) = (party(), party());
        thread::scope(|scope| {
            scope.spawn(|| {
                // Not without end, should the other have panicked.
                let turns = (0..2000).take_while(|_| !over.load(Ordering::SeqCst));
                turns.for_each(|_| busy.take_a_turn());
            });
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(5));
                let before = busy.taken.load(Ordering::SeqCst);
                patient.take_a_turn();
                let passed = busy.taken.load(Ordering::SeqCst) - before;
                assert!(passed <= 3, "the other took {passed} turns meanwhile");
            }
            over.store(true, Ordering::SeqCst);
        });
    }
}
