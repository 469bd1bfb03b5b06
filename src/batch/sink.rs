//! Where the lines of a run go: the journal first, then standard output.
//!
//! Workers hand in lines from all sides; they leave from one place, whole and in one order. Without a journal
//! whoever finds nobody writing writes what all have handed in. With one, a line is handed to the system before its
//! worker goes on, so that a kill costs at most one chat a worker, and a thread of its own puts on disk whatever has
//! come meanwhile, all at once, before it shows it. Nothing here knows what a line says.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::batch::journal::{Form, Journal, Syncer};
use crate::failure::Failure;
use crate::output::{Output, Unwritten};
use crate::record::Record;
use crate::report::Report;

/// Lines that wait for the disk or for a slow reader are bounded: beyond this many bytes workers wait too.
const MOST_PENDING: usize = 256 * 1024;

/// So many lines for one sync say that more are coming fast: then syncs are spaced out, since each holds up the writers.
const BUSY: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);

/// The way out for lines.
#[derive(Debug)]
pub struct Sink<'a> {
    output: &'a Output,
    report: &'a Report,
    journal: Option<(Form, Mutex<Journal>)>,
    state: Mutex<State>,
    changed: Condvar,
    /// Somebody does not want to wait for the next sync.
    hurry: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Threads that wait for a change: waking nobody would be a system call for every line.
    waiting: usize,
    pending: Vec<u8>,
    /// Lines that wait for the next sync of the journal.
    unsynced: usize,
    /// Somebody has taken lines that are not out yet.
    is_writing: bool,
    /// Threads that wait until everything is out.
    flushing: usize,
    is_closed: bool,
    trouble: Option<Unwritten>,
    /// Set for good once something could not be written.
    is_broken: bool,
}

impl<'a> Sink<'a> {
    /// A sink into standard output, around the report's bar, and, if there is one, a journal.
    pub fn new(output: &'a Output, report: &'a Report, journal: Option<Journal>) -> Sink<'a> {
        Sink {
            output,
            report,
            journal: journal.map(|journal| (journal.form(), Mutex::new(journal))),
            state: Mutex::default(),
            changed: Condvar::new(),
            hurry: Condvar::new(),
        }
    }

    /// What syncs the journal, for [`Sink::sync_loop`] in a thread; `None` without a journal.
    pub fn syncer(&self) -> Result<Option<Syncer>, Failure> {
        match &self.journal {
            Some((_, journal)) => lock(journal).syncer().map(Some),
            None => Ok(None),
        }
    }

    /// Takes a line. False: it, or one before it, could not be written, and no more work should be begun.
    pub fn put(&self, record: &Record) -> bool {
        self.journal_only(record) && self.show(record)
    }

    /// Takes a line for the journal alone, such as that of a chat whose result is still awaited.
    pub fn journal_only(&self, record: &Record) -> bool {
        let Some((form, journal)) = &self.journal else { return true };
        let line = form.line(record, |text| self.output.masked(text));
        if let Err(failure) = lock(journal).append(&line) {
            self.broken(Unwritten::Failed(failure));
            return false;
        }
        let mut state = lock(&self.state);
        state.unsynced += 1;
        self.wake(&state);
        !state.is_broken
    }

    /// Takes a line for standard output alone, such as that of a chat that the next run still waits for.
    pub fn show(&self, record: &Record) -> bool {
        let line = self.output.render(record);
        let mut state = lock(&self.state);
        while state.pending.len() > MOST_PENDING && (state.is_writing || state.unsynced > 0) && !state.is_broken {
            state = self.wait(state);
        }
        if self.journal.is_some() {
            // It goes out with the next sync.
            state.unsynced = state.unsynced.max(1);
        }
        state.pending.extend_from_slice(line.as_bytes());
        self.wake(&state);
        drop(state);
        if self.journal.is_none() {
            self.write_pending();
        }
        !lock(&self.state).is_broken
    }

    /// Returns when every line that was taken is flushed, and on disk where there is a journal. False: it is not.
    pub fn flush(&self) -> bool {
        let mut state = lock(&self.state);
        state.flushing += 1;
        self.hurry.notify_all();
        while (state.unsynced > 0 || state.is_writing || !state.pending.is_empty()) && !state.is_broken {
            state = self.wait(state);
        }
        state.flushing -= 1;
        !state.is_broken
    }

    fn wait<'s>(&self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        state.waiting += 1;
        let mut state = self.changed.wait(state).expect("no holder of this lock panics");
        state.waiting -= 1;
        state
    }

    /// Tells of a change those who wait for one.
    fn wake(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Writes what has been handed in, unless somebody else is at it and will find it.
    fn write_pending(&self) {
        loop {
            let lines = {
                let mut state = lock(&self.state);
                if state.is_writing || state.pending.is_empty() {
                    return;
                }
                state.is_writing = true;
                std::mem::take(&mut state.pending)
            };
            self.write(&lines);
        }
    }

    /// Shows lines as they come, until [`Sink::close`], each after a `sync` of the journal. Run in a thread of its own.
    pub fn sync_loop(&self, sync: &dyn Fn() -> Result<(), Failure>) {
        loop {
            let (lines, count) = {
                let mut state = lock(&self.state);
                while state.unsynced == 0 && !state.is_closed {
                    state = self.wait(state);
                }
                if state.unsynced == 0 {
                    return;
                }
                state.is_writing = true;
                (std::mem::take(&mut state.pending), std::mem::take(&mut state.unsynced))
            };
            if let Err(failure) = sync() {
                self.broken(Unwritten::Failed(failure));
            }
            self.write(&lines);
            if count >= BUSY {
                let may_wait = |state: &mut State| !state.is_closed && !state.is_broken && state.flushing == 0;
                drop(self.hurry.wait_timeout_while(lock(&self.state), PAUSE, may_wait));
            }
        }
    }

    fn write(&self, lines: &[u8]) {
        if !lock(&self.state).is_broken
            && let Err(trouble) = self.report.around_bar(|| self.output.write(lines))
        {
            self.broken(trouble);
        }
        let mut state = lock(&self.state);
        state.is_writing = false;
        self.wake(&state);
    }

    /// No more lines come: lets [`Sink::sync_loop`] end.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        self.hurry.notify_all();
        self.wake(&state);
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
        self.wake(&state);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
