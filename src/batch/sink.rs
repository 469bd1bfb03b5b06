//! Where the lines of a run go: the journal first, then standard output.
//!
//! Workers hand in lines from all sides; they leave from one place, whole and in one order. Without a journal
//! whoever finds nobody writing writes what all have handed in. With one, a line is handed to the system before its
//! worker goes on, so that a kill costs at most one chat a worker, and a thread of its own puts on disk whatever has
//! come meanwhile, all at once, before it shows it. Nothing here knows what a line says.

use std::io;
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
const BUSY: u64 = 4;
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
    /// Lines that were ever handed in, also those that show nothing.
    taken: u64,
    /// Of those so many are out: journaled, synced and shown.
    out: u64,
    /// Somebody has taken lines that are not out yet.
    is_writing: bool,
    /// Threads that wait until lines are out.
    flushing: usize,
    is_closed: bool,
    trouble: Option<Unwritten>,
    /// Set for good once a line could not be journaled: no more are taken, and those before it still go out.
    is_full: bool,
    /// Set for good once lines could not be synced or shown: no more go out.
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

    /// Takes a line. False: it, or one before it, could not be written, and no more work should be begun. One that
    /// the journal could not take is shown all the same: it is what became of its chat.
    pub fn put(&self, record: &Record) -> bool {
        let is_journaled = self.append(record, Form::line);
        self.hand_in(&self.output.render(record)) && is_journaled
    }

    /// [`Sink::put`] for what came without being asked for.
    pub fn put_by_the_way(&self, record: &Record) -> bool {
        let is_journaled = self.append(record, Form::line_by_the_way);
        self.hand_in(&self.output.render(record)) && is_journaled
    }

    /// Takes a line for the journal alone, such as that of a chat whose result is still awaited.
    pub fn journal_only(&self, record: &Record) -> bool {
        self.append(record, Form::line) && (self.journal.is_none() || self.hand_in(""))
    }

    /// Takes a line for standard output alone, such as that of a chat that the next run still waits for.
    pub fn show(&self, record: &Record) -> bool {
        self.hand_in(&self.output.render(record))
    }

    /// Whether lines are shown to nobody.
    pub fn is_silent(&self) -> bool {
        self.output.is_silent()
    }

    /// Whether every line could be written so far.
    pub fn is_sound(&self) -> bool {
        let state = lock(&self.state);
        !state.is_full && !state.is_broken
    }

    /// Adds the record's line to the journal, if there is one.
    fn append(&self, record: &Record, line: fn(&Form, String) -> String) -> bool {
        let Some((form, journal)) = &self.journal else { return true };
        let line = line(form, self.output.masked(record.json()));
        let appended = lock(journal).append(&line);
        appended.map_err(|failure| self.full(failure)).is_ok()
    }

    /// Hands in what a line shows. With a journal it goes out with the next sync.
    fn hand_in(&self, line: &str) -> bool {
        let mut state = lock(&self.state);
        while state.pending.len() > MOST_PENDING && !state.is_broken {
            state = self.wait(state);
        }
        state.pending.extend_from_slice(line.as_bytes());
        state.taken += 1;
        self.wake(&state);
        drop(state);
        if self.journal.is_none() {
            self.write_pending();
        }
        self.is_sound()
    }

    /// Returns when every line that was handed in before is flushed, and on disk where there is a journal. False: it
    /// is not.
    pub fn flush(&self) -> bool {
        let mut state = lock(&self.state);
        let taken = state.taken;
        state.flushing += 1;
        self.hurry.notify_all();
        while state.out < taken && !state.is_broken {
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
            let (lines, taken) = {
                let mut state = lock(&self.state);
                if state.is_writing || state.out == state.taken {
                    return;
                }
                state.is_writing = true;
                (std::mem::take(&mut state.pending), state.taken)
            };
            self.write(&lines, taken);
        }
    }

    /// Shows lines as they come, until [`Sink::close`], each after a `sync` of the journal. Run in a thread of its own.
    pub fn sync_loop(&self, sync: &dyn Fn() -> Result<(), Failure>) {
        loop {
            let (lines, taken, count) = {
                let mut state = lock(&self.state);
                while state.out == state.taken && !state.is_closed {
                    state = self.wait(state);
                }
                if state.out == state.taken {
                    return;
                }
                state.is_writing = true;
                (std::mem::take(&mut state.pending), state.taken, state.taken - state.out)
            };
            if let Err(failure) = sync() {
                self.broken(Unwritten::Failed(failure));
            }
            self.write(&lines, taken);
            if count >= BUSY {
                let may_wait = |state: &mut State| !state.is_closed && !state.is_broken && state.flushing == 0;
                drop(self.hurry.wait_timeout_while(lock(&self.state), PAUSE, may_wait));
            }
        }
    }

    /// Shows lines; with them the first so many of all are out.
    fn write(&self, lines: &[u8], taken: u64) {
        if !lock(&self.state).is_broken
            && let Err(trouble) = self.report.around_bar(&io::stdout(), || self.output.write(lines))
        {
            self.broken(trouble);
        }
        let mut state = lock(&self.state);
        state.is_writing = false;
        state.out = taken;
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

    /// The journal takes no more.
    fn full(&self, failure: Failure) {
        let mut state = lock(&self.state);
        state.is_full = true;
        state.trouble.get_or_insert(Unwritten::Failed(failure));
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
