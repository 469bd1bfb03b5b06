//! A run: workers take chats from the list, request them at a common rate, retry, and report to one writer.
//!
//! What is requested is a [`Job`]'s business; `failure` says which failure ends a run and which is
//! retried. The writer is the calling thread, so that the run ends at the cut-off without waiting for a worker whose
//! call is stuck.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex};
use std::thread::{self, Scope};
use std::time::Instant;

use crate::batch::input::{Entry, Input, Next};
use crate::batch::job::{Attempt, BackgroundTask, FallbackQueue, Job, RunHandle, RunState, lock};
use crate::batch::rate::RateLimiter;
use crate::batch::writer::{Event, RunConfig, RunContext, Writer};
use crate::chat_id::{ChatId, NotAChatId};
use crate::failure::{Error, Failure, Kind};
use crate::platform;
use crate::record::Record;
use crate::retry::RetryPolicy;
use crate::shutdown::{self, SLICE};

/// Events of each worker that may wait for the writer. Workers wait for a slow reader of standard output, so that memory
/// is bounded.
const WAITING_EVENTS: usize = 16;
/// Files that a worker has open at most: two connections, a picture and its directory.
const FILES_OF_A_WORKER: u64 = 4;
/// Files that are open besides: the standard streams, a list, a journal, a spool, locks and a connection to a queue.
const OTHER_FILES: u64 = 10;
/// Enough for a call through TLS.
const STACK_SIZE: usize = 512 * 1024;

/// Runs a list through a job and returns the exit status. Ends when the list does, when a failure ends the run, when
/// lines cannot be written, or at a signal; requests in flight are finished in each case, until the cut-off.
pub fn run(
    input: Input,
    job: &dyn Job,
    background: Option<&dyn BackgroundTask>,
    config: RunConfig,
    context: RunContext<'_>,
) -> Result<u8, Error> {
    let most = workers_within(platform::open_file_limit());
    let workers = input.known_length().unwrap_or(usize::MAX).min(config.concurrency).min(most).max(1);
    let mut writer = Writer::new(&config, context, || input.count_ahead());
    let (events, receiver) = sync_channel(workers * WAITING_EVENTS);
    let state = RunState {
        job,
        config: &config,
        context,
        limiter: Mutex::new(RateLimiter::new(config.rate)),
        turn: Mutex::new(()),
        busy: AtomicUsize::new(workers),
        fallback: Mutex::new(FallbackQueue { chats: VecDeque::new(), is_closed: background.is_none() }),
        fallback_changed: Condvar::new(),
    };
    let input = Mutex::new(input);
    let in_flight: Vec<_> = (0..workers).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        let handle = || RunHandle { state: &state, events: events.clone() };
        // First, so that nothing is requested without a thread that collects the results.
        if let Some(background) = background {
            let handle = handle();
            start(scope, move || run_background(background, &handle)).map_err(Failure::no_thread)?;
        }
        for (started, in_flight) in in_flight.iter().enumerate() {
            let worker = Worker { input: &input, handle: handle(), in_flight };
            if let Err(error) = start(scope, move || worker.work()) {
                state.busy.fetch_sub(workers - started, Ordering::SeqCst);
                if started > 0 {
                    // The other workers do its work.
                    break;
                }
                context.stop.set();
                // Otherwise the background task would wait for the writer.
                drop(receiver);
                return Err(Failure::no_thread(error).into());
            }
        }
        drop(events);
        let interrupt = || background.iter().for_each(|background| background.interrupt());
        let is_over = writer.receive(&receiver, &interrupt);
        if !is_over {
            // The cut-off: what still runs is not waited for.
            for slot in &in_flight {
                let flight = slot.try_lock().ok().and_then(|mut slot| slot.take());
                // As at any other failure: see `request_and_report`.
                if let Some(flight) = flight.filter(|flight| flight.is_fallback || job.on_give_up(&flight.chat)) {
                    let failure = cut_off_failure();
                    writer.print_unfinished([(flight.failed(&failure), failure)]);
                }
            }
        }
        if let Some(background) = background {
            let requeued = std::mem::take(&mut lock(&state.fallback).chats);
            writer.print_unfinished(background.take_unfinished(requeued, context.stop));
        }
        if is_over {
            let is_slow = lock(&state.limiter).was_late();
            return writer.finish(Some(&mut *lock(&input)), is_slow);
        }
        writer.finish(input.try_lock().ok().as_deref_mut(), false)?;
        shutdown::die(shutdown::signal().expect("only a signal has a cut-off"))
    })
}

/// Fails if the threads of a background task and of one worker cannot be started.
pub fn check_threads() -> Result<(), Failure> {
    let wait = Mutex::new(());
    thread::scope(|scope| {
        let _waiting = lock(&wait);
        (0..2).try_for_each(|_| start(scope, || drop(lock(&wait)))).map_err(Failure::no_thread)
    })
}

fn run_background(background: &dyn BackgroundTask, handle: &RunHandle<'_>) {
    background.run(handle);
    lock(&handle.state.fallback).is_closed = true;
    handle.state.fallback_changed.notify_all();
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, work: impl FnOnce() + Send + 'scope) -> io::Result<()> {
    thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, work).map(drop)
}

/// Fails if the limit on open files leaves no room for a run.
pub fn check_file_limit() -> Result<(), Failure> {
    match platform::open_file_limit() {
        Some(limit) if limit < OTHER_FILES => {
            Err(Failure::new(Kind::BadSettings, format!("this process may open only {limit} files"))
                .hint(format!("raise the limit on open files to {} or more: `ulimit -n` shows it", 4 * OTHER_FILES)))
        }
        _ => Ok(()),
    }
}

/// The number of workers that a limit on open files leaves room for.
fn workers_within(limit: Option<u64>) -> usize {
    let within = |limit: u64| (limit.saturating_sub(OTHER_FILES) / FILES_OF_A_WORKER).max(1) as usize;
    limit.map_or(usize::MAX, within)
}

fn cut_off_failure() -> Failure {
    let seconds = shutdown::GRACE.as_secs();
    let failure =
        Failure::new(Kind::Timeout, format!("the run was interrupted and the request was cut off after {seconds} s"));
    Failure { is_final: true, ..failure }
}

/// A chat that a worker is working on.
#[derive(Clone)]
struct InFlight {
    chat: ChatId,
    is_fallback: bool,
    attempts: u32,
    began: Option<Instant>,
}

impl InFlight {
    /// The line of the chat: its name, the number of attempts and the time are added.
    fn line(&self, record: Record) -> Record {
        let elapsed_ms = self.began.map(|began| began.elapsed().as_millis() as u64);
        Record { attempts: Some(self.attempts), elapsed_ms, ..record.named_as(&self.chat) }
    }

    fn failed(&self, failure: &Failure) -> Record {
        self.line(Record::failed(self.chat.as_str(), failure))
    }
}

struct Worker<'a> {
    input: &'a Mutex<Input>,
    handle: RunHandle<'a>,
    /// The chat that it is working on, for the writer at the cut-off.
    in_flight: &'a Mutex<Option<InFlight>>,
}

impl<'a> Worker<'a> {
    fn state(&self) -> &'a RunState<'a> {
        self.handle.state
    }

    fn work(&self) {
        while let Some(entry) = self.next_entry() {
            match entry {
                Entry::Invalid { shown, line, why } => self.refuse(shown, line, why),
                Entry::Chat(chat) if self.state().job.skips(&chat) => self.handle.report(Event::Skipped),
                Entry::Chat(chat) => self.request(chat, false),
            }
            self.request_fallback();
        }
        self.state().busy.fetch_sub(1, Ordering::SeqCst);
        while !self.handle.stop().is_set() {
            self.request_fallback();
            let fallback = lock(&self.state().fallback);
            if fallback.chats.is_empty() && fallback.is_closed {
                return;
            }
            let is_idle = |fallback: &mut FallbackQueue| fallback.chats.is_empty() && !fallback.is_closed;
            drop(self.state().fallback_changed.wait_timeout_while(fallback, SLICE, is_idle));
            lock(&self.state().limiter).excuse(Instant::now());
        }
    }

    fn request_fallback(&self) {
        while !self.handle.stop().is_set() {
            let Some(chat) = lock(&self.state().fallback).chats.pop_front() else { return };
            self.request(chat, true);
        }
    }

    /// Waits for the list's next entry; serves re-queued chats while a pipe is silent.
    fn next_entry(&self) -> Option<Entry> {
        while !self.handle.stop().is_set() {
            let (next, repeats) = {
                let mut input = lock(self.input);
                let before = input.duplicates;
                let mut next = input.next(Some(Instant::now()));
                if matches!(next, Ok(Next::Waiting)) {
                    // The rate is not lost while the list has no entry.
                    next = input.next(Some(Instant::now() + SLICE));
                    lock(&self.state().limiter).excuse(Instant::now());
                }
                (next, input.duplicates - before)
            };
            if repeats > 0 {
                self.handle.report(Event::Repeated(repeats));
            }
            match next {
                Ok(Next::Item(entry)) => return Some(entry),
                Ok(Next::End) => return None,
                Ok(Next::Waiting) => self.request_fallback(),
                Err(failure) => self.handle.end(failure),
            }
        }
        None
    }

    fn refuse(&self, shown: String, line: Option<u64>, why: NotAChatId) {
        let mut failure = Failure::new(Kind::InvalidChatId, why.message);
        failure.hint = why.hint;
        let record = Record { line, attempts: Some(0), elapsed_ms: Some(0), ..Record::failed(shown, &failure) };
        self.handle.record_result(&record, Some(failure));
    }

    fn request(&self, chat: ChatId, is_fallback: bool) {
        let flight = InFlight { chat, is_fallback, attempts: 0, began: None };
        *lock(self.in_flight) = Some(flight.clone());
        self.request_and_report(flight);
        *lock(self.in_flight) = None;
    }

    fn request_and_report(&self, mut flight: InFlight) {
        let chat = &flight.chat;
        let is_fallback = flight.is_fallback;
        let mut retries = RetryPolicy::new(self.state().config.retries);
        let mut last = None;
        let mut has_expired = false;
        let output = self.handle.output();
        let mut wait = None;
        let result = loop {
            if !self.handle.await_turn(flight.attempts > 0) {
                match last {
                    Some(failure) => break Err(failure),
                    None if is_fallback => lock(&self.state().fallback).chats.push_front(chat.clone()),
                    None => self.handle.report(Event::Untried),
                }
                return;
            }
            drop(wait.take());
            flight.began.get_or_insert_with(Instant::now);
            flight.attempts += 1;
            *lock(self.in_flight) = Some(flight.clone());
            let attempt = match (is_fallback, flight.attempts) {
                (true, _) => Attempt::Fallback,
                (false, 1) => Attempt::First,
                (false, _) => Attempt::Retry,
            };
            let calling = output.wait("waiting for GREEN-API's answer", None);
            let answer = self.state().job.attempt(chat, attempt);
            drop(calling);
            let failure = match answer {
                Ok(record) => match self.state().job.after_response(chat, flight.line(record), &self.handle) {
                    Err(failure) if failure.url_expired && !has_expired => {
                        has_expired = true;
                        last = Some(failure);
                        continue;
                    }
                    result => break result,
                },
                Err(failure) => failure,
            };
            self.handle.slow_down_after(&failure, flight.attempts);
            let Some(pause) = retries.pause_after(&failure) else { break Err(failure) };
            wait = Some(output.wait_for_retry(&failure, Instant::now() + pause));
            // After a 429 it waits for its turn, like all workers.
            if failure.kind != Kind::TooManyRequests && !self.handle.stop().sleep(pause) {
                break Err(failure);
            }
            last = Some(failure);
        };
        match result {
            Ok(None) => self.handle.report(Event::Answered),
            Ok(Some(record)) => self.handle.record_result(&flight.line(record), None),
            // The background task waits for the line of a chat that it re-queued.
            Err(failure) if is_fallback || self.state().job.on_give_up(chat) => {
                self.handle.record_result(&flight.failed(&failure), Some(failure));
            }
            Err(_) => {}
        }
    }
}
