//! `--wait`: reads the queue beside the workers, and matches what comes with what was asked for.
//!
//! A chat gets one line, its last: the result, or timed-out with the reason. A notification is deleted only after its
//! line is flushed. How a result is told from another program's notification, and what it fits, is said by `results`.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::batch::journal::Asked;
use crate::batch::pool::{Companion, Run};
use crate::chat_id::ChatId;
use crate::failure::{Failure, Kind};
use crate::record::{ErrorBody, Record, Status};
use crate::results::matching::{Fit, Waiting};
use crate::results::queue::{Delivery, Next, Queue, SHORTEST_POLL};
use crate::results::record;

/// How long the look at the queue's head may take before anything is sent. An empty queue answers only after five
/// seconds; a head is there at once.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// How often an idle collector looks whether the run has ended.
const IDLE: Duration = Duration::from_millis(50);

/// Collects the results of a run.
pub struct Collector<'a> {
    queue: Mutex<Queue<'a>>,
    waiting: Mutex<Waiting>,
    /// A chat was accepted. That the run has ended notifies nobody: it is looked for.
    changed: Condvar,
    wait: Duration,
    falls_back: bool,
}

impl<'a> Collector<'a> {
    /// A collector that waits so long for each chat; `falls_back`: then the chat is asked about a second time.
    /// `asked`: chats of an earlier run, which are waited for anew and not asked again.
    pub fn new(queue: Queue<'a>, wait: Duration, falls_back: bool, asked: &[Asked]) -> Collector<'a> {
        let mut waiting = Waiting::default();
        let deadline = Instant::now() + wait;
        for Asked { chat, at } in asked {
            waiting.ask(chat.clone(), *at);
            waiting.accept(chat, deadline);
        }
        Collector { queue: Mutex::new(queue), waiting: Mutex::new(waiting), changed: Condvar::new(), wait, falls_back }
    }

    /// Looks at the queue's head before anything is sent: a foreign one without a spool is an error and stays there.
    pub fn look_first(&self) -> Result<(), Failure> {
        let until = Instant::now() + FIRST_LOOK;
        // A result stays too: it may be an older answer to what is asked now.
        while let Next::Aside = lock(&self.queue).next(SHORTEST_POLL, Some(until))? {}
        Ok(())
    }

    /// The chat is about to be asked about for the first time, at this Unix second.
    pub fn asking(&self, chat: &ChatId, at: i64) {
        lock(&self.waiting).ask(chat.clone(), at);
    }

    /// The request was taken.
    pub fn accepted(&self, chat: &ChatId) {
        lock(&self.waiting).accept(chat, Instant::now() + self.wait);
        self.changed.notify_all();
    }

    /// Whether the result of a chat that is being asked about has come.
    pub fn has_answered(&self, chat: &ChatId) -> bool {
        !lock(&self.waiting).has(chat)
    }

    /// The request failed for good. False: its result has come all the same.
    pub fn gave_up(&self, chat: &ChatId) -> bool {
        lock(&self.waiting).withdraw(chat)
    }

    fn collect(&self, run: &Run<'_>) {
        while !run.course.ending.has_begun() {
            self.expire(run);
            // Looked at first: whoever asks last has a deadline set before it ends.
            let no_more = run.has_asked_all();
            let Some(deadline) = lock(&self.waiting).next_deadline() else {
                if no_more {
                    return;
                }
                let waiting = lock(&self.waiting);
                let _ = self.changed.wait_timeout(waiting, IDLE).expect("no holder of this lock panics");
                continue;
            };
            let next = lock(&self.queue).next(SHORTEST_POLL, Some(deadline));
            match next {
                Ok(Next::Result(delivery)) => self.deliver(delivery, run),
                Ok(Next::Aside | Next::Nothing) => {}
                Err(failure) => run.course.end(failure),
            }
        }
    }

    /// Prints a result, and takes it off the queue once it is flushed.
    fn deliver(&self, delivery: Delivery, run: &Run<'_>) {
        let fit = lock(&self.waiting).offer(&delivery.info);
        let mut record = record(&delivery.info);
        if self.falls_back {
            record.method = Some("getAvatarAsync");
        }
        let is_written = match fit {
            Fit::Answers(_) => run.course.settle(&record, delivery.info.failure()),
            Fit::Stranger => run.course.mention(&record),
            Fit::Stale => {
                record.stale = Some(true);
                run.course.mention(&record)
            }
        };
        // Not written: it stays in the queue, and the run is over.
        if !is_written || !run.course.sink().flush() {
            run.course.leave_undone();
        } else if let Err(failure) = lock(&self.queue).finish(delivery) {
            run.course.end(failure);
        }
    }

    fn expire(&self, run: &Run<'_>) {
        let expired: Vec<_> = lock(&self.waiting).expired(Instant::now()).collect();
        for chat in expired {
            if self.falls_back {
                run.ask_again(chat);
                continue;
            }
            let failure = self.no_result();
            run.course.settle(&Record::failed(chat.as_str(), &failure), Some(failure));
        }
    }

    fn no_result(&self) -> Failure {
        let waited = self.wait.as_secs_f64();
        let what = format!("no notification came within {waited} s: GREEN-API marks it as temporarily not working");
        Failure::new(Kind::NoResult, what)
            .hint("`greenavatar get` asks with another method that answers at once; --fallback does so here")
    }

    /// The line of a chat that nobody waits for any more. The journal keeps it as asked: the next run waits on.
    fn give_up(chat: &ChatId, run: &Run<'_>) {
        let failure = match run.course.reason() {
            Some((kind, message)) => Failure::new(kind, message),
            None => Failure::new(Kind::NoResult, "the run ended before a notification came"),
        };
        let record = Record { error: Some(ErrorBody::from(&failure)), ..Record::new(chat.as_str(), Status::TimedOut) };
        run.course.show(&record, failure);
    }
}

impl Companion for Collector<'_> {
    fn accompany(&self, run: &Run<'_>) {
        self.collect(run);
        // Who is in flight when the run ends may yet fail, and has then another line.
        while !run.has_asked_all() {
            let waiting = lock(&self.waiting);
            let _ = self.changed.wait_timeout(waiting, IDLE).expect("no holder of this lock panics");
        }
        let left: Vec<_> = lock(&self.waiting).give_up().collect();
        for chat in left {
            Collector::give_up(&chat, run);
        }
    }

    fn abandon(&self, chat: &ChatId, run: &Run<'_>) {
        Collector::give_up(chat, run);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
