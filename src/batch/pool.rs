//! The workers: each takes a chat, asks about it at the common pace, again where that may help, and hands in its line.
//!
//! One worker runs in the calling thread, so that a single chat costs no thread. What is asked is a [`Job`]'s
//! business; which failure ends a run and which is repeated is said by `failure`. A [`Companion`] may bring in lines
//! and chats of its own meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::batch::course::Course;
use crate::batch::job::{Floor, Job, Plan, Turn, Way};
use crate::batch::list::{Entry, List, Taken};
use crate::batch::outcome::Outcome;
use crate::batch::pace::{self, Line, Pace};
use crate::chat_id::{ChatId, NotAChatId};
use crate::failure::{Failure, Kind};
use crate::record::Record;

/// The longest wait for chats without a look whether the run has ended.
const SLICE: Duration = Duration::from_millis(100);

/// What goes on beside the workers, in a thread of its own, such as collecting results.
pub trait Companion: Sync {
    /// Works until nothing more is to come. The run ends no sooner.
    fn accompany(&self, run: &Run<'_>);

    /// A chat that it brought in again was not asked about any more: the run has ended.
    fn abandon(&self, chat: &ChatId, run: &Run<'_>);
}

/// Runs a list through a job. Ends when the list does, when a failure ends the run, when lines cannot be written,
/// or when a signal comes; requests in flight are finished in each case.
pub fn run(list: List, job: &dyn Job, companion: Option<&dyn Companion>, plan: Plan, to: Way<'_>) -> Outcome {
    let workers = list.known_length().unwrap_or(usize::MAX).min(plan.concurrency).max(1);
    let run = Run {
        list: Mutex::new(list),
        again: Mutex::new(Again { chats: VecDeque::new(), is_closed: companion.is_none() }),
        brought: Condvar::new(),
        asking: AtomicUsize::new(workers),
        job,
        plan,
        line: Mutex::new(Line::new(Pace::new(plan.rate))),
        course: Course::new(plan, to, workers + usize::from(companion.is_some())),
    };
    match to.sink.syncer() {
        Err(failure) => run.course.end(failure),
        Ok(syncer) => std::thread::scope(|scope| {
            if let Some(syncer) = &syncer {
                scope.spawn(|| to.sink.sync_loop(&|| syncer.sync()));
            }
            let mut rest: Vec<_> = (1..workers).map(|_| scope.spawn(|| run.work())).collect();
            if let Some(companion) = companion {
                rest.push(scope.spawn(|| {
                    companion.accompany(&run);
                    lock(&run.again).is_closed = true;
                    run.brought.notify_all();
                }));
            }
            run.work();
            for thread in rest {
                let _ = thread.join();
            }
            if let Some(companion) = companion {
                let left = std::mem::take(&mut lock(&run.again).chats);
                left.iter().for_each(|chat| companion.abandon(chat, &run));
            }
            to.sink.close();
        }),
    }
    run.course.outcome(run.list.into_inner().expect("no holder of this lock panics"))
}

/// A run that is under way.
pub struct Run<'a> {
    list: Mutex<List>,
    again: Mutex<Again>,
    /// Something was brought in, or nothing will be any more.
    brought: Condvar,
    /// Workers that have not come to the list's end.
    asking: AtomicUsize,
    job: &'a dyn Job,
    plan: Plan,
    line: Mutex<Line>,
    /// How it goes.
    pub course: Course<'a>,
}

/// Chats that the companion brings in.
struct Again {
    chats: VecDeque<ChatId>,
    is_closed: bool,
}

impl Run<'_> {
    /// Whether every chat of the list was asked about. Until then more may come to be waited for.
    pub fn has_asked_all(&self) -> bool {
        self.asking.load(Ordering::SeqCst) == 0
    }

    /// Has a chat asked about a second time.
    pub fn ask_again(&self, chat: ChatId) {
        lock(&self.again).chats.push_back(chat);
        self.brought.notify_one();
    }

    fn work(&self) {
        while let Some(entry) = self.next_entry() {
            match entry {
                Entry::Invalid { shown, line, why } => self.refuse(shown, line, why),
                Entry::Chat(chat) => self.ask(&chat, false),
            }
            self.ask_brought();
        }
        self.asking.fetch_sub(1, Ordering::SeqCst);
        while !self.course.ending.has_begun() {
            self.ask_brought();
            let again = lock(&self.again);
            if again.chats.is_empty() && again.is_closed {
                return;
            }
            // The bound is for a signal, which notifies nobody.
            drop(self.brought.wait_timeout_while(again, SLICE, |again| again.chats.is_empty() && !again.is_closed));
        }
    }

    fn ask_brought(&self) {
        while !self.course.ending.has_begun() {
            let Some(chat) = lock(&self.again).chats.pop_front() else { return };
            self.ask(&chat, true);
        }
    }

    /// The list's next entry, once it comes; meanwhile chats that were brought in.
    fn next_entry(&self) -> Option<Entry> {
        while !self.course.ending.has_begun() {
            // A pipe may stay silent for hours: the run's end must not wait for it.
            let taken = lock(&self.list).take(Some(Instant::now() + SLICE));
            match taken {
                Ok(Taken::Entry(entry)) => return Some(entry),
                Ok(Taken::End) => return None,
                Ok(Taken::Nothing) => self.ask_brought(),
                Err(failure) => self.course.end(failure),
            }
        }
        None
    }

    fn refuse(&self, shown: String, line: Option<u64>, why: NotAChatId) {
        let mut failure = Failure::new(Kind::InvalidChatId, why.message);
        failure.hint = why.hint;
        let mut record = Record::failed(shown, &failure);
        record.line = line;
        record.attempts = Some(0);
        record.elapsed_ms = Some(0);
        self.course.settle(&record, Some(failure));
    }

    fn ask(&self, chat: &ChatId, is_second: bool) {
        let mut attempts = 0;
        let mut began = None;
        let mut last = None;
        let result = loop {
            if !self.await_turn() {
                match last {
                    // What the service said last is all that will be known.
                    Some(failure) => break Err(failure),
                    None if is_second => lock(&self.again).chats.push_back(chat.clone()),
                    None => self.course.note_untried(),
                }
                return;
            }
            let began = *began.get_or_insert_with(Instant::now);
            attempts += 1;
            let turn = match (is_second, attempts) {
                (true, _) => Turn::Second,
                (false, 1) => Turn::First,
                (false, _) => Turn::Repeat,
            };
            let failure = match self.job.attempt(chat, turn) {
                Ok(mut record) => {
                    note_effort(&mut record, attempts, began);
                    break self.job.finish(chat, record, &Turns { run: self, turn });
                }
                Err(failure) => failure,
            };
            let until = self.heed(&failure, attempts);
            if !failure.is_retried() || attempts > self.plan.retries {
                break Err(failure);
            }
            // With the others it waits in line.
            if failure.kind != Kind::TooManyRequests && !self.course.ending.sleep_until(until) {
                break Err(failure);
            }
            last = Some(failure);
        };
        let (mut record, failure) = match result {
            Ok(None) => {
                // Its line comes from elsewhere.
                self.course.note_success();
                return;
            }
            Ok(Some(record)) => (record, None),
            // Who brought it in again waits for this line.
            Err(failure) if is_second || self.job.gave_up(chat) => {
                (Record::failed(chat.as_str(), &failure), Some(failure))
            }
            Err(_) => return,
        };
        if let Some(began) = began {
            note_effort(&mut record, attempts, began);
        }
        self.course.settle(&record, failure);
    }

    /// When a failed request may be repeated. One that came too fast says so for all: nobody asks before.
    fn heed(&self, failure: &Failure, attempts: u32) -> Instant {
        let until = Instant::now() + pace::delay(attempts, failure.retry_after, fastrand::f64());
        if failure.kind == Kind::TooManyRequests {
            lock(&self.line).pause(until);
        }
        until
    }

    /// Waits until a request may go out. False: none may any more.
    fn await_turn(&self) -> bool {
        let mut ticket = None;
        loop {
            let now = Instant::now();
            let mut line = lock(&self.line);
            let ticket = *ticket.get_or_insert_with(|| line.join());
            let wait = line.wait(ticket, now);
            drop(line);
            if !self.course.ending.has_begun() && wait.is_zero() {
                return true;
            }
            if !self.course.ending.sleep_until(now + wait) {
                lock(&self.line).leave(ticket);
                return false;
            }
        }
    }
}

/// The run as a job that finishes a chat sees it.
struct Turns<'a> {
    run: &'a Run<'a>,
    turn: Turn,
}

impl Floor for Turns<'_> {
    fn again(&self, chat: &ChatId) -> Result<Record, Failure> {
        if self.run.await_turn() {
            return self.run.job.attempt(chat, self.turn).inspect_err(|failure| {
                self.run.heed(failure, 1);
            });
        }
        let ended = Failure::new(Kind::Timeout, "the run ended before another attempt");
        Err(Failure { is_final: true, ..ended })
    }
}

fn note_effort(record: &mut Record, attempts: u32, began: Instant) {
    record.attempts = Some(attempts);
    record.elapsed_ms = Some(began.elapsed().as_millis() as u64);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests;
