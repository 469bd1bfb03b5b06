//! `request --wait`: requests the chats, reads the queue beside that, and matches results with requests.
//!
//! A chat gets one line, its last: the result, or timed-out with the reason. A notification is deleted only after its
//! line is flushed, and a line is printed only after its picture is saved.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::pending::{Match, PendingRequests};
use super::queue::{Message, Next, Queue, SHORTEST_POLL};
use super::record;
use super::save::Saver;
use crate::batch::job::{Attempt, BackgroundTask, Job, RunHandle, lock};
use crate::batch::journal::Requested;
use crate::batch::writer::Event;
use crate::chat_id::ChatId;
use crate::duration::show_duration;
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Client;
use crate::output::{Output, Wait};
use crate::pictures::url;
use crate::record::{Record, Status};
use crate::shutdown::{SLICE, StopFlag};

/// How long the queue is polled before anything is sent. An empty queue answers only after five seconds, but a
/// notification is returned at once.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// How long the run goes on at its end to delete what it has printed.
const LAST_DELETION: Duration = Duration::from_secs(5);

pub struct Collector<'a> {
    client: &'a Client<'a>,
    /// The queue's client for long polls.
    poll: &'a Client<'a>,
    queue: Mutex<Queue<'a>>,
    pending: Mutex<PendingRequests>,
    /// A chat was accepted.
    accepted: Condvar,
    wait: Duration,
    /// Whether a chat without a result at its deadline is asked for with getAvatar.
    fallback: bool,
    saver: Option<Saver<'a>>,
}

impl<'a> Collector<'a> {
    /// A collector that waits for `wait` after each request. `requested`: the chats of an earlier run; their results
    /// are waited for anew, and they are not requested again.
    pub fn new(
        client: &'a Client<'a>,
        poll: &'a Client<'a>,
        queue: Queue<'a>,
        wait: Duration,
        fallback: bool,
        requested: &[Requested],
        saver: Option<Saver<'a>>,
    ) -> Collector<'a> {
        let mut pending = PendingRequests::default();
        let deadline = Instant::now() + wait;
        for Requested { chat, at } in requested {
            pending.insert(chat.clone(), *at);
            pending.accept(chat, deadline);
        }
        let (queue, pending) = (Mutex::new(queue), Mutex::new(pending));
        Collector { client, poll, queue, pending, accepted: Condvar::new(), wait, fallback, saver }
    }

    /// Looks at the queue before anything is sent. Another program's notification is an error without a spool, and
    /// stays in the queue.
    pub fn look_first(&self) -> Result<(), Failure> {
        let until = Instant::now() + FIRST_LOOK;
        let _wait = lock(&self.queue).output.wait("looking at the queue", None);
        // A result stays in the queue, too: it may be an older answer to what is requested now. If the service is
        // unavailable at the moment, the queue is polled again beside the requests.
        while let Next::Skipped = lock(&self.queue).next(SHORTEST_POLL, Some(until))? {}
        Ok(())
    }

    fn collect(&self, run: &RunHandle<'_>) {
        // A deadline that passed during a download is extended until then, so that results in the queue still count.
        let mut extended = None;
        while !run.stop().is_set() {
            if extended.is_none_or(|until| Instant::now() >= until) {
                self.expire(run);
            }
            // Read first: a worker sets a chat's deadline before it counts as done.
            let no_more = run.has_requested_all();
            let Some(deadline) = lock(&self.pending).next_deadline() else {
                if no_more {
                    return;
                }
                drop(self.accepted.wait_timeout(lock(&self.pending), SLICE));
                continue;
            };
            let until = extended.map_or(deadline, |_| deadline.max(Instant::now() + FIRST_LOOK));
            let wait = self.show_wait(run.output());
            let next = lock(&self.queue).next(SHORTEST_POLL, Some(until));
            drop(wait);
            match next {
                Ok(Next::Result(message)) => {
                    self.deliver(message, until, run);
                    extended = self.saver.is_some().then(|| Instant::now() + self.wait);
                }
                Ok(Next::Empty) => extended = None,
                Ok(Next::Waited) if Instant::now() >= until => extended = None,
                // The call will be repeated.
                Ok(Next::Skipped | Next::Waited) => {}
                Err(failure) => run.end(failure),
            }
        }
    }

    /// Saves the picture of a result, prints it, and deletes its notification once the line is flushed.
    fn deliver(&self, message: Message, until: Instant, run: &RunHandle<'_>) {
        let found = lock(&self.pending).match_result(&message.info);
        let is_printed = !message.is_repeat || matches!(found, Match::Answer(_));
        let mut record = record(&message.info);
        record.method = self.fallback.then_some("getAvatarAsync");
        record.stale = (found == Match::Stale).then_some(true);
        let save = |saver: &Saver<'_>| saver.save_result(&message.info, &mut record, run.stop());
        let saved = self.saver.as_ref().filter(|_| is_printed).map_or(Ok(None), save);
        let is_written = match (saved, found) {
            (Err(failure), _) => {
                if failure.kind.ends_run() {
                    run.end(failure);
                }
                false
            }
            (Ok(failure), Match::Answer(_)) => {
                let answered = lock(&self.pending).take_answered();
                answered.is_some_and(|chat| {
                    run.record_and_flush(&record.named_as(&chat), failure.or_else(|| message.info.failure()))
                })
            }
            (Ok(failure), _) => !is_printed || run.record_unsolicited(&record, failure),
        };
        // If it is not written, it stays in the queue, and the run ends.
        if !is_written {
            run.report(Event::Incomplete);
        } else if let Err(failure) = lock(&self.queue).ack(message, Some(until)) {
            run.end(failure);
        }
    }

    /// Says on a terminal how many results are waited for, and how long at most.
    fn show_wait(&self, output: &Output) -> Wait {
        let pending = lock(&self.pending);
        let results = if pending.count() == 1 { "result" } else { "results" };
        output.wait(format!("waiting for {} {results}, {{}} left", pending.count()), pending.last_deadline())
    }

    fn expire(&self, run: &RunHandle<'_>) {
        let expired: Vec<_> = lock(&self.pending).expired(Instant::now()).collect();
        for chat in expired {
            if self.fallback {
                run.fallback_ready(chat);
                continue;
            }
            let failure = self.no_result();
            run.record_result(&Record::failed(chat.as_str(), &failure).named_as(&chat), Some(failure));
        }
    }

    fn no_result(&self) -> Failure {
        let waited = show_duration(self.wait);
        let what = format!("no notification arrived within {waited}: GREEN-API marks them as temporarily not working");
        Failure::new(Kind::NoResult, what)
            .hint("`greenavatar get` uses a method that answers at once; --fallback uses it here")
    }
}

impl Job for Collector<'_> {
    fn attempt(&self, chat: &ChatId, attempt: Attempt) -> Result<Record, Failure> {
        match attempt {
            Attempt::Fallback => {
                let mut record = Record::of_avatar(chat.as_str(), self.client.get_avatar(chat)?);
                url::annotate(&mut record);
                return Ok(Record { method: Some("getAvatar"), ..record });
            }
            // Before it is sent: the result may arrive before the response.
            Attempt::First => lock(&self.pending).insert(chat.clone(), Timestamp::now().as_second()),
            // A request that failed may have been accepted all the same.
            Attempt::Retry if !lock(&self.pending).contains(chat) => {
                return Ok(Record::new(chat.as_str(), Status::Accepted));
            }
            Attempt::Retry => {}
        }
        let status = self.client.request_avatar(chat)?;
        Ok(Record { http_status: Some(status), ..Record::new(chat.as_str(), Status::Accepted) })
    }

    fn after_response(
        &self,
        chat: &ChatId,
        mut record: Record,
        run: &RunHandle<'_>,
    ) -> Result<Option<Record>, Failure> {
        if record.status != Status::Accepted {
            let Some(saver) = &self.saver else { return Ok(Some(record)) };
            let failure = saver.save(chat, &mut record, run.stop())?;
            if failure.is_none() {
                return Ok(Some(record));
            }
            run.record_result(&record, failure);
            return Ok(None);
        }
        // The next run must not wait for a chat that already has its line.
        if lock(&self.pending).contains(chat) {
            run.journal_only(&record);
            lock(&self.pending).accept(chat, Instant::now() + self.wait);
            self.accepted.notify_all();
        }
        Ok(None)
    }

    fn on_give_up(&self, chat: &ChatId) -> bool {
        lock(&self.pending).remove(chat)
    }
}

impl BackgroundTask for Collector<'_> {
    fn run(&self, run: &RunHandle<'_>) {
        self.collect(run);
        if let Err(failure) = lock(&self.queue).delete_pending(Some(Instant::now() + LAST_DELETION)) {
            run.end(failure);
        }
    }

    fn interrupt(&self) {
        self.poll.agent.shutdown();
    }

    /// The journal keeps the chats as requested: the next run waits on.
    fn take_unfinished(&self, requeued: VecDeque<ChatId>, stop: &StopFlag) -> Vec<(Record, Failure)> {
        let line = |chat: ChatId| {
            let failure = match stop.reason() {
                Some((kind, message)) => Failure::new(*kind, message.clone()),
                None => Failure::new(Kind::NoResult, "the run ended before a notification arrived"),
            };
            let error = Some(failure.body());
            let record = Record { error, ..Record::new(chat.as_str(), Status::TimedOut) };
            (record.named_as(&chat), failure)
        };
        requeued.into_iter().chain(lock(&self.pending).drain()).map(line).collect()
    }
}
