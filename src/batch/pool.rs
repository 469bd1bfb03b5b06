//! The workers: each takes a chat, asks about it at the common pace, again where that may help, and hands in its line.
//!
//! One worker runs in the calling thread, so that a single chat costs no thread. What is asked is a [`Job`]'s
//! business; which failure ends a run and which is repeated is said by `failure`.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::batch::list::{Entry, List};
use crate::batch::pace::{self, Pace};
use crate::batch::sink::Sink;
use crate::chat_id::{ChatId, NotAChatId};
use crate::failure::{EXIT_SOME_FAILED, Failure, Kind};
use crate::interrupt;
use crate::output::Unwritten;
use crate::record::{Record, Status};
use crate::report::Report;

/// What is asked about each chat.
pub trait Job: Sync {
    /// One request, paced and repeated by the pool.
    fn attempt(&self, chat: &ChatId) -> Result<Record, Failure>;

    /// What follows an answer, outside of the pace, such as a download. `None`: the line comes later, from elsewhere.
    fn finish(&self, chat: &ChatId, record: Record) -> Result<Option<Record>, Failure> {
        let _ = chat;
        Ok(Some(record))
    }
}

/// How a run is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Requests a second at most; 0 lifts the limit.
    pub rate: f64,
    /// Workers, and so connections.
    pub concurrency: usize,
    /// How often a request is repeated.
    pub retries: u32,
    /// After so many chats in a row that found the service down the run ends; 0 never.
    pub give_up_after: u32,
    /// Whether there is exactly one chat, given as an argument: its failure is told with all its causes.
    pub is_single: bool,
}

/// Lines by status, and the chats that got none.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    by_status: [u64; 8],
    /// Chats that came twice.
    pub duplicates: u64,
    /// Chats that a journal had done.
    pub already_done: u64,
    /// Chats that were left when the run ended; `None`: nobody knows how many.
    pub not_tried: Option<u64>,
}

impl Tally {
    /// Counts a line.
    pub fn count(&mut self, status: Status) {
        self.by_status[status as usize] += 1;
    }

    /// Lines that are no answer.
    pub fn failures(&self) -> u64 {
        [Status::TimedOut, Status::Failed, Status::Invalid].iter().map(|status| self.by_status[*status as usize]).sum()
    }

    /// All lines.
    pub fn lines(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// Says it on standard error.
    pub fn report(&self, report: &Report) {
        let of = |status: Status| self.by_status[status as usize];
        report.tally(&[
            ("accepted", "accepted", of(Status::Accepted)),
            ("found", "found", of(Status::Found)),
            ("none", "without an avatar", of(Status::None)),
            ("hidden", "hidden", of(Status::Hidden)),
            ("noAccount", "without an account", of(Status::NoAccount)),
            ("timedOut", "timed out", of(Status::TimedOut)),
            ("failed", "failed", of(Status::Failed)),
            ("invalid", "invalid", of(Status::Invalid)),
            ("duplicates", "duplicates", self.duplicates),
            ("alreadyDone", "done before", self.already_done),
            ("notTried", "not tried", self.not_tried.unwrap_or(0)),
        ]);
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What became of the chats.
    pub tally: Tally,
    /// What ended the run before its time.
    pub ended_by: Option<Failure>,
    /// Why lines could not be written.
    pub unwritten: Option<Unwritten>,
    /// The failure of the last chat that failed.
    pub last_failure: Option<Kind>,
    /// Whether chats were left when the run ended.
    pub is_cut_short: bool,
}

impl Outcome {
    /// The exit status. An unwritable output comes back as the failure that it is, to be told.
    pub fn exit(self, is_single: bool) -> Result<u8, Failure> {
        match self.unwritten {
            Some(Unwritten::Failed(failure)) => return Err(failure),
            Some(Unwritten::PipeClosed) if self.is_cut_short => return Ok(Kind::OutputFailed.exit()),
            Some(Unwritten::PipeClosed) | None => {}
        }
        Ok(match (self.ended_by, self.last_failure) {
            (Some(failure), _) => failure.kind.exit(),
            (None, Some(kind)) if is_single => kind.exit(),
            (None, _) if self.tally.failures() > 0 => EXIT_SOME_FAILED,
            (None, _) => 0,
        })
    }
}

/// Runs a list through a job. Ends when the list does, when a failure ends the run, when lines cannot be written,
/// or when a signal comes; requests in flight are finished in each case.
pub fn run(
    list: List,
    job: &dyn Job,
    plan: Plan,
    sink: &Sink<'_>,
    report: &Report,
    bar: Option<&ProgressBar>,
) -> Outcome {
    let workers = list.known_length().unwrap_or(usize::MAX).min(plan.concurrency).max(1);
    let run = Run {
        list: Mutex::new(list),
        job,
        plan,
        sink,
        report,
        bar,
        pace: Mutex::new(Pace::new(plan.rate)),
        turn: Mutex::new(()),
        is_over: AtomicBool::new(false),
        in_a_row: AtomicU32::new(0),
        state: Mutex::default(),
    };
    match sink.syncer() {
        Err(failure) => run.end(failure),
        Ok(syncer) => std::thread::scope(|scope| {
            if let Some(syncer) = &syncer {
                scope.spawn(|| sink.sync_loop(syncer));
            }
            let rest: Vec<_> = (1..workers).map(|_| scope.spawn(|| run.work())).collect();
            run.work();
            for worker in rest {
                let _ = worker.join();
            }
            sink.close();
        }),
    }
    run.outcome()
}

struct Run<'a> {
    list: Mutex<List>,
    job: &'a dyn Job,
    plan: Plan,
    sink: &'a Sink<'a>,
    report: &'a Report,
    bar: Option<&'a ProgressBar>,
    pace: Mutex<Pace>,
    /// Held by the worker whose request is next, while it waits for its time.
    turn: Mutex<()>,
    is_over: AtomicBool,
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
}

impl Run<'_> {
    fn work(&self) {
        while !self.should_stop() {
            let entry = match lock(&self.list).take() {
                Ok(Some(entry)) => entry,
                Ok(None) => return,
                Err(failure) => return self.end(failure),
            };
            match entry {
                Entry::Invalid { shown, line, why } => self.refuse(shown, line, why),
                Entry::Chat(chat) => self.ask(&chat),
            }
        }
    }

    fn refuse(&self, shown: String, line: Option<u64>, why: NotAChatId) {
        let mut failure = Failure::new(Kind::InvalidChatId, why.message);
        failure.hint = why.hint;
        let mut record = Record::failed(shown, &failure);
        record.line = line;
        record.attempts = Some(0);
        record.elapsed_ms = Some(0);
        self.settle(&record, Some(failure));
    }

    fn ask(&self, chat: &ChatId) {
        let mut attempts = 0;
        let mut began = None;
        let result = loop {
            if !self.await_turn() {
                if attempts == 0 {
                    lock(&self.state).untried += 1;
                    return;
                }
                break Err(Failure::new(Kind::Timeout, "the run ended before another attempt"));
            }
            let began = *began.get_or_insert_with(Instant::now);
            attempts += 1;
            let failure = match self.job.attempt(chat) {
                Ok(record) => break self.job.finish(chat, record).map(|record| (record, began)),
                Err(failure) => failure,
            };
            if !failure.is_retried() || attempts > self.plan.retries {
                break Err(failure);
            }
            let until = Instant::now() + pace::delay(attempts, failure.retry_after, fastrand::f64());
            if failure.kind == Kind::TooManyRequests {
                lock(&self.pace).pause(until);
            } else if !self.sleep_until(until) {
                break Err(failure);
            }
        };
        let elapsed = began.map(|began| began.elapsed().as_millis() as u64);
        let (mut record, failure) = match result {
            Ok((None, _)) => return self.note_success(),
            Ok((Some(record), _)) => (record, None),
            Err(failure) => (Record::failed(chat.as_str(), &failure), Some(failure)),
        };
        record.attempts = Some(attempts);
        record.elapsed_ms = elapsed;
        self.settle(&record, failure);
    }

    /// Hands in a chat's line and draws the conclusions for the run.
    fn settle(&self, record: &Record, failure: Option<Failure>) {
        if let Some(failure) = &failure {
            if self.plan.is_single {
                self.report.chat_failure(&record.chat_id, failure);
            } else {
                self.report.chat_failure_in_list(&record.chat_id, failure);
            }
        }
        if !self.sink.put(record) {
            self.is_over.store(true, Ordering::SeqCst);
        }
        lock(&self.state).tally.count(record.status);
        if let Some(bar) = self.bar {
            bar.inc(1);
        }
        match failure {
            None => self.note_success(),
            Some(failure) => self.note_failure(failure),
        }
    }

    fn note_success(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }

    fn note_failure(&self, failure: Failure) {
        let failures = {
            let mut state = lock(&self.state);
            state.last_failure = Some(failure.kind);
            state.tally.failures()
        };
        if let Some(bar) = self.bar {
            bar.set_message(format!("{failures} failed"));
        }
        if failure.kind.ends_run() {
            self.end(failure);
        } else if failure.kind.means_service_down() && !failure_is_ours(&failure) {
            let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            if self.plan.give_up_after > 0 && in_a_row >= self.plan.give_up_after {
                let kind = if failure.kind == Kind::Timeout { Kind::Unreachable } else { failure.kind };
                let error = failure.error.context(format!("{in_a_row} chats in a row found the service down"));
                self.end(
                    Failure { kind, ..Failure::caused(kind, error) }
                        .hint("--give-up-after N waits for more, 0 for ever"),
                );
            }
        } else if failure.kind != Kind::InvalidChatId {
            self.note_success();
        }
    }

    /// No new request after this; the first reason stays.
    fn end(&self, failure: Failure) {
        self.is_over.store(true, Ordering::SeqCst);
        lock(&self.state).ended_by.get_or_insert(failure);
    }

    fn should_stop(&self) -> bool {
        self.is_over.load(Ordering::SeqCst) || interrupt::signal().is_some()
    }

    /// Waits until a request may go out. False: none may any more.
    fn await_turn(&self) -> bool {
        let _turn = lock(&self.turn);
        loop {
            if self.should_stop() {
                return false;
            }
            let now = Instant::now();
            let wait = lock(&self.pace).wait(now);
            if wait.is_zero() {
                return true;
            }
            self.sleep_until(now + wait);
        }
    }

    /// Sleeps; false: the run ended first.
    fn sleep_until(&self, until: Instant) -> bool {
        // Another worker may end the run meanwhile; a signal is noticed at once.
        const SLICE: Duration = Duration::from_millis(50);
        loop {
            if self.should_stop() {
                return false;
            }
            let now = Instant::now();
            if now >= until {
                return true;
            }
            interrupt::sleep_until(until.min(now + SLICE));
        }
    }

    fn outcome(self) -> Outcome {
        let ended_early = self.should_stop();
        let mut list = self.list.into_inner().expect("no holder of this lock panics");
        let State { mut tally, ended_by, last_failure, untried } =
            self.state.into_inner().expect("no holder of this lock panics");
        tally.not_tried = if !ended_early {
            Some(0)
        } else if interrupt::signal().is_some() {
            list.known_length().map(|rest| rest as u64 + untried)
        } else {
            list.count_rest().map(|rest| rest + untried)
        };
        tally.duplicates = list.duplicates;
        tally.already_done = list.already_done;
        Outcome {
            is_cut_short: ended_early && tally.not_tried != Some(0),
            tally,
            ended_by,
            unwritten: self.sink.trouble(),
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
