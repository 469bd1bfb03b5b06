//! What a run asks of a job and of a background task, and what they may do with the run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use crate::batch::journal::RowOf;
use crate::batch::rate::RateLimiter;
use crate::batch::writer::{Event, Line, RunConfig, RunContext};
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::record::Record;
use crate::retry;
use crate::shutdown::StopFlag;
use crate::token::Masked;

/// What is requested about each chat.
pub trait Job: Sync {
    /// Called before the first request. Returns `true` if the chat needs none: it is only counted.
    fn skips(&self, _chat: &ChatId) -> bool {
        false
    }

    /// Sends one request. The workers pace and retry it.
    fn attempt(&self, chat: &ChatId, attempt: Attempt) -> Result<Record, Failure>;

    /// Called after a response, outside of the rate: for a download, for example. `None`: the chat's result line is
    /// reported later, by the background task. If a URL has expired, the chat is requested once more.
    fn after_response(&self, _chat: &ChatId, record: Record, _run: &RunHandle<'_>) -> Result<Option<Record>, Failure> {
        Ok(Some(record))
    }

    /// Called when all attempts failed. Returns `false` if the chat already has its result line; the failure is then
    /// not reported.
    fn on_give_up(&self, _chat: &ChatId) -> bool {
        true
    }
}

/// Which request about a chat it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    First,
    Retry,
    /// The background task re-queued the chat.
    Fallback,
}

/// What runs beside the workers, in a thread of its own, such as the collection of results.
pub trait BackgroundTask: Sync {
    /// Works until nothing more is expected. The run does not end before.
    fn run(&self, run: &RunHandle<'_>);

    /// Ends a wait of [`BackgroundTask::run`], from another thread: the run stops.
    fn interrupt(&self);

    /// Takes the chats that have no line yet, and `requeued` ones. Returns their lines and why the run ended before.
    /// Called when the run is over or cut off; then [`BackgroundTask::run`] may still work.
    fn take_unfinished(&self, requeued: VecDeque<ChatId>, stop: &StopFlag) -> Vec<(Record, Failure)>;
}

/// What the threads of a run share.
pub struct RunState<'a> {
    pub job: &'a dyn Job,
    pub config: &'a RunConfig,
    pub context: RunContext<'a>,
    pub limiter: Mutex<RateLimiter>,
    /// Held by the worker that waits for the next request's time; the others wait for it without waking up.
    pub turn: Mutex<()>,
    /// Workers that have not reached the end of the list.
    pub busy: AtomicUsize,
    pub fallback: Mutex<FallbackQueue>,
    /// A chat was re-queued, or none will be any more.
    pub fallback_changed: Condvar,
}

/// Chats that the background task has re-queued.
pub struct FallbackQueue {
    pub chats: VecDeque<ChatId>,
    /// Whether no more chats follow.
    pub is_closed: bool,
}

/// What a worker, a job and the background task do with the run.
pub struct RunHandle<'a> {
    pub(super) state: &'a RunState<'a>,
    pub(super) events: SyncSender<Event>,
}

impl RunHandle<'_> {
    /// Whether the run is to end before its work is done.
    pub fn stop(&self) -> &StopFlag {
        self.state.context.stop
    }

    pub fn output(&self) -> &Output {
        self.state.context.output
    }

    /// Whether every chat of the list was requested. Until then more chats may be waited for.
    pub fn has_requested_all(&self) -> bool {
        self.state.busy.load(Ordering::SeqCst) == 0
    }

    /// Re-queues a chat, for a request by another method.
    pub fn fallback_ready(&self, chat: ChatId) {
        lock(&self.state.fallback).chats.push_back(chat);
        self.state.fallback_changed.notify_one();
    }

    /// Waits until a request may be sent. Returns `false` if none may be any more. `is_retry`: the worker has sent a
    /// request about this chat before.
    pub fn await_turn(&self, is_retry: bool) -> bool {
        lock(&self.state.limiter).arrive(Instant::now(), is_retry);
        let _turn = lock(&self.state.turn);
        loop {
            let now = Instant::now();
            let wait = lock(&self.state.limiter).acquire(now);
            if !self.stop().sleep_until(now + wait) {
                return false;
            }
            if wait.is_zero() {
                return true;
            }
        }
    }

    /// If the service answered that there are too many requests, no worker sends one for some time.
    pub fn slow_down_after(&self, failure: &Failure, attempts: u32) {
        if failure.kind == Kind::TooManyRequests {
            let pause = retry::pause(attempts, failure.retry_after, fastrand::f64());
            lock(&self.state.limiter).pause(Instant::now() + pause);
        }
    }

    /// Reports something to the writer that is not a line.
    pub fn report(&self, event: Event) {
        // An error means that the run has ended.
        let _ = self.events.send(event);
    }

    /// Journals a chat's result line and passes it to the writer. After a failure it returns when the writer has
    /// decided whether the run goes on.
    pub fn record_result(&self, record: &Record, failure: Option<Failure>) {
        let waits = failure.is_some();
        self.send(record, failure, RowOf::Command, waits);
    }

    /// Like [`RunHandle::record_result`], but returns when the line is flushed, and whether it is.
    pub fn record_and_flush(&self, record: &Record, failure: Option<Failure>) -> bool {
        self.send(record, failure, RowOf::Command, true)
    }

    /// Like [`RunHandle::record_and_flush`], for a result that this run did not request: it is not counted.
    pub fn record_unsolicited(&self, record: &Record, failure: Option<Failure>) -> bool {
        self.send(record, failure, RowOf::Unsolicited, true)
    }

    /// Journals a line that is not printed.
    pub fn journal_only(&self, record: &Record) {
        self.journal(record, RowOf::Command);
    }

    /// Prints text that is not a result line.
    pub fn print_text(&self, text: String) {
        self.report(Event::Text(Masked::new(text)));
    }

    /// Ends the run because of a failure that is not one chat's.
    pub fn end(&self, failure: Failure) {
        self.stop().set_because(&failure);
        self.report(Event::End(failure));
    }

    fn journal(&self, record: &Record, row: RowOf) {
        if let Some(journal) = self.state.context.journal
            && let Err(failure) = journal.append(record.json(), row)
        {
            self.stop().set();
            self.report(Event::Unwritten(failure));
        }
    }

    fn send(&self, record: &Record, failure: Option<Failure>, row: RowOf, waits: bool) -> bool {
        // Before it is printed, so that a kill costs at most one chat a worker. A line that the journal does not take
        // is printed all the same: it is the chat's result.
        self.journal(record, row);
        let text = match self.state.config.only_changes && !record.is_news() {
            true => Masked::default(),
            false => record.line(self.output()),
        };
        let mut line = Line::new(record, text, failure);
        if row == RowOf::Unsolicited {
            line.status = None;
        }
        let (written, is_written) = sync_channel(1);
        line.written = waits.then_some(written);
        self.events.send(Event::Line(line)).is_ok() && (!waits || is_written.recv().unwrap_or(false))
    }
}

/// Locks; a thread that panics ends the process.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
