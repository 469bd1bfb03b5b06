//! Where the lines of a run go: the journal first, then standard output.
//!
//! Workers hand in lines from all sides; they leave from one place, whole and in one order. Without a journal
//! whoever finds nobody writing writes what all have handed in. With one, a line is handed to the system before its
//! worker goes on, so that a kill costs at most one chat a worker, and a thread of its own puts on disk whatever has
//! come meanwhile, all at once, before it shows it. Nothing here knows what a line says.

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::batch::journal::{Journal, Syncer};
use crate::failure::Failure;
use crate::output::{Output, Unwritten};
use crate::record::Record;

/// Lines that wait for the disk are bounded: beyond this many bytes workers wait too.
const MOST_PENDING: usize = 256 * 1024;

/// The way out for lines.
#[derive(Debug)]
pub struct Sink<'a> {
    output: &'a Output,
    journal: Option<Mutex<Journal>>,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever writes to standard output.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    /// Lines are in the journal that are not known to be on disk.
    is_unsynced: bool,
    is_closed: bool,
    trouble: Option<Unwritten>,
    /// Set for good once something could not be written.
    is_broken: bool,
}

impl<'a> Sink<'a> {
    /// A sink into standard output and, if there is one, a journal.
    pub fn new(output: &'a Output, journal: Option<Journal>) -> Sink<'a> {
        Sink {
            output,
            journal: journal.map(Mutex::new),
            state: Mutex::default(),
            changed: Condvar::new(),
            writing: Mutex::new(()),
        }
    }

    /// What syncs the journal, for [`Sink::sync_loop`] in a thread; `None` without a journal.
    pub fn syncer(&self) -> Result<Option<Syncer>, Failure> {
        match &self.journal {
            Some(journal) => lock(journal).syncer().map(Some),
            None => Ok(None),
        }
    }

    /// Takes a line. False: it, or one before it, could not be written, and no more work should be begun.
    pub fn put(&self, record: &Record) -> bool {
        let line = self.output.render(record);
        match &self.journal {
            Some(journal) => {
                if let Err(failure) = lock(journal).append(record, |text| self.output.masked(text)) {
                    self.broken(Unwritten::Failed(failure));
                    return false;
                }
                let mut state = lock(&self.state);
                while state.pending.len() > MOST_PENDING && !state.is_broken {
                    state = self.changed.wait(state).expect("no holder of this lock panics");
                }
                state.pending.extend_from_slice(line.as_bytes());
                state.is_unsynced = true;
                self.changed.notify_all();
                !state.is_broken
            }
            None => {
                lock(&self.state).pending.extend_from_slice(line.as_bytes());
                self.write_pending();
                !lock(&self.state).is_broken
            }
        }
    }

    /// Writes what has been handed in, unless somebody else is at it and will find it.
    fn write_pending(&self) {
        while !lock(&self.state).pending.is_empty() {
            let Ok(writing) = self.writing.try_lock() else { return };
            let lines = std::mem::take(&mut lock(&self.state).pending);
            if let Err(trouble) = self.output.write(&lines) {
                self.broken(trouble);
                return;
            }
            drop(writing);
        }
    }

    /// Syncs and shows lines as they come, until [`Sink::close`]. Run in a thread of its own.
    pub fn sync_loop(&self, syncer: &Syncer) {
        loop {
            let lines = {
                let mut state = lock(&self.state);
                while !state.is_unsynced && !state.is_closed {
                    state = self.changed.wait(state).expect("no holder of this lock panics");
                }
                if !state.is_unsynced {
                    return;
                }
                state.is_unsynced = false;
                self.changed.notify_all();
                std::mem::take(&mut state.pending)
            };
            if let Err(failure) = syncer.sync() {
                self.broken(Unwritten::Failed(failure));
            }
            if lock(&self.state).is_broken {
                continue;
            }
            if let Err(trouble) = self.output.write(&lines) {
                self.broken(trouble);
            }
        }
    }

    /// No more lines come: lets [`Sink::sync_loop`] end.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Why lines could not be written, once.
    pub fn trouble(&self) -> Option<Unwritten> {
        lock(&self.state).trouble.take()
    }

    fn broken(&self, trouble: Unwritten) {
        let mut state = lock(&self.state);
        state.is_broken = true;
        state.pending.clear();
        state.trouble.get_or_insert(trouble);
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
