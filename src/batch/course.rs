//! How a run goes: what has become of its chats, what that means for the others, and why it is over.
//!
//! Lines go to the sink, failures to the report, and each failure may end the run. What is asked of a chat, by whom and
//! at which pace, is not known here.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::batch::ending::Ending;
use crate::batch::job::{Plan, Way};
use crate::batch::list::List;
use crate::batch::outcome::{Outcome, Tally};
use crate::batch::sink::Sink;
use crate::failure::{Failure, Kind};
use crate::record::Record;

/// The course of a run, for all of its threads.
pub struct Course<'a> {
    plan: Plan,
    to: Way<'a>,
    /// Whether it ends before its list does.
    pub ending: Ending,
    in_a_row: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    ended_by: Option<Failure>,
    last_failure: Option<Kind>,
    /// Taken from the list and given up before the first request.
    untried: u64,
    /// Something was not done that is no chat of the list.
    is_left_undone: bool,
}

impl<'a> Course<'a> {
    /// A run of so many threads that begins.
    pub fn new(plan: Plan, to: Way<'a>, threads: usize) -> Course<'a> {
        Course { plan, to, ending: Ending::new(threads), in_a_row: AtomicU32::new(0), state: Mutex::default() }
    }

    /// The failure that ended the run, if one did: its code and its story.
    pub fn reason(&self) -> Option<(Kind, String)> {
        lock(&self.state).ended_by.as_ref().map(|failure| (failure.kind, failure.message()))
    }

    /// Where lines go.
    pub fn sink(&self) -> &Sink<'_> {
        self.to.sink
    }

    /// Hands in a chat's line and draws the conclusions for the run. False: the line cannot be written.
    pub fn settle(&self, record: &Record, failure: Option<Failure>) -> bool {
        let is_written = self.check(self.to.sink.put(record));
        self.count(record, failure);
        is_written
    }

    /// [`Course::settle`] for standard output alone: the journal does not hear of it.
    pub fn show(&self, record: &Record, failure: Failure) {
        self.check(self.to.sink.show(record));
        self.count(record, Some(failure));
    }

    /// A result stays where it was, since its line could not be written.
    pub fn leave_undone(&self) {
        lock(&self.state).is_left_undone = true;
    }

    /// A line that answers no chat of the list: it counts for nothing, in the journal neither. False: it cannot be
    /// written.
    pub fn mention(&self, record: &Record) -> bool {
        self.check(self.to.sink.put_by_the_way(record))
    }

    fn check(&self, is_written: bool) -> bool {
        if !is_written {
            self.ending.begin();
        }
        is_written
    }

    fn count(&self, record: &Record, failure: Option<Failure>) {
        if let Some(failure) = &failure {
            let report = self.to.report;
            if report.is_json() && self.to.sink.is_silent() {
                // No line says it: standard output is for something else.
                report.failure(failure);
            } else if self.plan.is_single {
                report.chat_failure(&record.chat_id, failure);
            } else {
                report.chat_failure_in_list(&record.chat_id, failure);
            }
        }
        lock(&self.state).tally.count(record.status);
        if let Some(bar) = self.to.bar {
            bar.inc(1);
        }
        match failure {
            None => self.service_is_up(),
            Some(failure) => self.note_failure(failure),
        }
    }

    /// A chat went well whose line comes from elsewhere.
    pub fn note_success(&self) {
        if self.check(self.to.sink.is_sound()) {
            self.service_is_up();
        }
    }

    /// A chat was taken from the list and given up before the first request.
    pub fn note_untried(&self) {
        lock(&self.state).untried += 1;
    }

    fn service_is_up(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }

    fn note_failure(&self, failure: Failure) {
        let failures = {
            let mut state = lock(&self.state);
            state.last_failure = Some(failure.kind);
            state.tally.failures()
        };
        if let Some(bar) = self.to.bar {
            bar.set_message(format!("{failures} failed"));
        }
        if failure.kind.ends_run() {
            self.stop(failure);
        } else if failure.kind.means_service_down() && !failure_is_ours(&failure) {
            let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            let most = self.plan.give_up_after;
            // Those in flight come later, and the reason is told once. A single chat has told its own.
            if most > 0 && in_a_row >= most && !self.plan.is_single {
                let kind = if failure.kind == Kind::Timeout { Kind::Unreachable } else { failure.kind };
                let error = failure.error.context(format!("{most} chats in a row found the service down"));
                let failure = Failure { kind, ..Failure::caused(kind, error) }
                    .hint("--give-up-after N waits for more, 0 for ever");
                if in_a_row == most { self.end(failure) } else { self.stop(failure) }
            }
        } else if failure.kind != Kind::InvalidChatId {
            self.service_is_up();
        }
    }

    /// Ends the run for a reason that is not one chat's, and says so.
    pub fn end(&self, failure: Failure) {
        self.to.report.failure(&failure);
        self.stop(failure);
    }

    /// No new request after this; the first reason stays.
    fn stop(&self, failure: Failure) {
        // Who wakes finds the reason.
        lock(&self.state).ended_by.get_or_insert(failure);
        self.ending.begin();
    }

    /// How it went, and what was left of its list.
    pub fn outcome(self, mut list: List) -> Outcome {
        let ended_early = self.ending.has_begun();
        let State { mut tally, ended_by, last_failure, untried, is_left_undone } =
            self.state.into_inner().expect("no holder of this lock panics");
        tally.not_tried = if !ended_early { Some(0) } else { list.count_rest().map(|rest| rest + untried) };
        tally.duplicates = list.duplicates;
        tally.already_done = list.already_done;
        Outcome {
            is_cut_short: is_left_undone || (ended_early && tally.not_tried != Some(0)),
            tally,
            ended_by,
            unwritten: self.to.sink.trouble(),
            last_failure,
        }
    }
}

/// A call that our own end cut off says nothing about the service.
fn failure_is_ours(failure: &Failure) -> bool {
    failure.kind == Kind::Timeout && failure.is_final
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
