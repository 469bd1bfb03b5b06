//! The instance's queue: reads its head, and deletes it only after it is printed or spooled.
//!
//! The service returns the same head until it is deleted, so a run that dies loses nothing. Another program's
//! notification goes to the spool; without a spool it stops the run. Nothing here sleeps past the caller's deadline:
//! after a failure the time of the next call is remembered.

use std::time::{Duration, Instant};

use super::identity;
use super::lock::Lock;
use super::spool::Spool;
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Client;
use crate::greenapi::notification::{AvatarInfo, Foreign, Head, Notification};
use crate::output::Output;
use crate::recent::Deduplicator;
use crate::retry::{self, RetryPolicy};
use crate::shutdown::StopFlag;

pub const SHORTEST_POLL: Duration = Duration::from_secs(5);
/// The longest one that is used: the service allows 60 s, but proxies give up earlier.
pub const LONGEST_POLL: Duration = Duration::from_secs(20);
/// The least timeout of a client that polls.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A poll that returned nothing sooner than this was not a long poll: the next one waits.
const QUICK: Duration = Duration::from_millis(500);
/// Pauses after such polls grow from this one to [`LONGEST_PAUSE`], which is short beside any wait: a result must not
/// lie in the queue unseen when the wait ends.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before the next poll if a deleted head is returned again.
const LONGEST_RETURN_PAUSE: Duration = Duration::from_secs(1);
/// The time between calls after the service answered that 100 a second are too many.
const SPACING: Duration = Duration::from_millis(11);
/// How often the same head may be returned after it was deleted.
const MOST_RETURNS: u32 = 100;

#[derive(Debug)]
pub enum Next {
    /// A result: print and flush it, then [`Queue::ack`] it.
    Result(Message),
    /// Another program's notification, which is in the spool and deleted.
    Skipped,
    Empty,
    /// The deadline or the run's end came first, or a call failed and will be repeated.
    Waited,
}

/// A result that is still in the queue.
#[derive(Debug)]
#[must_use = "it comes back until it is acknowledged"]
pub struct Message {
    pub info: AvatarInfo,
    /// Whether an equal one was acknowledged before in this run.
    pub is_repeat: bool,
    receipt: String,
}

/// The queue of an instance, for its only reader.
#[derive(Debug)]
pub struct Queue<'a> {
    /// Polls. It has an agent of its own, which is shut down to end a long poll. Its timeout is at least
    /// [`CALL_TIMEOUT`].
    poll: &'a Client<'a>,
    delete: &'a Client<'a>,
    pub output: &'a Output,
    stop: &'a StopFlag,
    retries: u32,
    /// Repeats failed calls without end, with growing pauses and one warning an outage, until a failure ends the run.
    pub is_patient: bool,
    spool: Option<Spool>,
    acknowledged: Deduplicator,
    /// Since when nothing has arrived.
    pub quiet_since: Instant,
    spacing: Duration,
    pause: Duration,
    not_before: Instant,
    attempts: RetryPolicy,
    /// The last failure of a call that has not succeeded since.
    pub failure: Option<Failure>,
    /// What is printed or spooled and not deleted yet.
    undeleted: Option<Head>,
    last_deleted: Option<Head>,
    returns: u32,
    _lock: Lock,
}

impl<'a> Queue<'a> {
    /// The queue of the clients' instance, whose lock the caller has taken.
    pub fn new(
        poll: &'a Client<'a>,
        delete: &'a Client<'a>,
        retries: u32,
        spool: Option<Spool>,
        lock: Lock,
        stop: &'a StopFlag,
        output: &'a Output,
    ) -> Queue<'a> {
        let now = Instant::now();
        Queue {
            poll,
            delete,
            output,
            stop,
            retries,
            is_patient: false,
            spool,
            acknowledged: Deduplicator::default(),
            quiet_since: now,
            spacing: Duration::ZERO,
            pause: Duration::ZERO,
            not_before: now,
            attempts: RetryPolicy::new(retries),
            failure: None,
            undeleted: None,
            last_deleted: None,
            returns: 0,
            _lock: lock,
        }
    }

    /// Looks at the head, waiting up to `poll` for one and no longer than `until`. Without a spool a head that is not
    /// a result is an error and stays in the queue.
    pub fn next(&mut self, poll: Duration, until: Option<Instant>) -> Result<Next, Failure> {
        if !self.delete_pending(until)? || !self.wait(until) {
            return Ok(Next::Waited);
        }
        let began = Instant::now();
        let head = match self.poll.receive_notification(poll, until) {
            // The long poll was shut down: its answer must not be used, and the head is still in the queue.
            _ if self.stop.is_set() => return Ok(Next::Waited),
            Err(failure) if failure.kind == Kind::Timeout && until.is_some_and(|until| Instant::now() >= until) => {
                return Ok(Next::Waited);
            }
            Err(failure) => return self.note_failure(failure).map(|()| Next::Waited),
            Ok(head) => head,
        };
        self.note_success();
        let Some(head) = head else {
            let is_quick = began.elapsed() < QUICK;
            self.pause = if is_quick { (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE) } else { Duration::ZERO };
            self.not_before = Instant::now() + self.pause;
            return Ok(Next::Empty);
        };
        self.quiet_since = Instant::now();
        self.pause = Duration::ZERO;
        self.not_before = self.quiet_since + self.spacing;
        let is_back = self.last_deleted.as_ref() == Some(&head);
        self.count_return(is_back)?;
        match head.notification {
            Notification::Avatar(info) => {
                let is_repeat = self.acknowledged.contains(&identity(&info));
                Ok(Next::Result(Message { info, is_repeat, receipt: head.receipt }))
            }
            Notification::Foreign(ref foreign) => {
                if !is_back {
                    self.keep(foreign)?;
                }
                self.undeleted = Some(head);
                self.delete_pending(until).map(|_| Next::Skipped)
            }
        }
    }

    /// Deletes a result, now that its line is flushed. If `until` or the run's end comes before that succeeds, the
    /// next call goes on with it.
    pub fn ack(&mut self, message: Message, until: Option<Instant>) -> Result<(), Failure> {
        // First: a printed result must not be printed again, also if it cannot be deleted.
        self.acknowledged.insert(&identity(&message.info));
        let Message { info, receipt, .. } = message;
        self.undeleted = Some(Head { receipt, notification: Notification::Avatar(info) });
        self.delete_pending(until).map(|_| ())
    }

    fn keep(&mut self, foreign: &Foreign) -> Result<(), Failure> {
        match &mut self.spool {
            Some(spool) => spool.append(&[&foreign.line[..], b"\n"].concat()),
            None => {
                let what = format!("the first notification in the queue is another program's: {}", foreign.what);
                Err(Failure::new(Kind::ForeignNotification, what)
                    .hint("nothing was deleted; --spool FILE moves such notifications to FILE and continues"))
            }
        }
    }

    /// Deletes what is printed or spooled. Returns `false` if that has to wait for longer than `until`.
    pub fn delete_pending(&mut self, until: Option<Instant>) -> Result<bool, Failure> {
        while let Some(head) = self.undeleted.take() {
            if !self.is_due() && !self.wait(until) {
                self.undeleted = Some(head);
                return Ok(false);
            }
            match self.delete.delete_notification(&head.receipt) {
                Ok(_) => {
                    self.note_success();
                    self.last_deleted = Some(head);
                }
                Err(failure) => {
                    self.undeleted = Some(head);
                    self.note_failure(failure)?;
                }
            }
        }
        Ok(true)
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.not_before
    }

    /// Waits until a call may be made. Returns `false` if `until` or the run's end comes first.
    fn wait(&self, until: Option<Instant>) -> bool {
        let retry = |failure| self.output.wait_for_retry(failure, self.not_before);
        let _wait = self.failure.as_ref().map(retry);
        match until {
            Some(until) if until < self.not_before => {
                self.stop.sleep_until(until);
                false
            }
            _ => self.stop.sleep_until(self.not_before),
        }
    }

    fn note_success(&mut self) {
        self.attempts = RetryPolicy::new(self.retries);
        self.failure = None;
        self.not_before = Instant::now() + self.spacing;
    }

    /// Sets when the call is repeated, or returns the failure if it is not.
    fn note_failure(&mut self, failure: Failure) -> Result<(), Failure> {
        if failure.kind == Kind::TooManyRequests {
            self.spacing = SPACING;
        }
        let pause = match self.attempts.pause_after(&failure) {
            None if self.is_patient && !failure.kind.ends_run() => {
                retry::pause(self.attempts.failed(), failure.retry_after, fastrand::f64())
            }
            Some(pause) => pause,
            None => return Err(failure),
        };
        if self.is_patient && self.failure.is_none() {
            self.output
                .warn(&format!("the queue cannot be read: {}", failure.message()), "the run continues and tries again");
        }
        self.not_before = Instant::now() + pause;
        self.failure = Some(failure);
        Ok(())
    }

    /// If a deleted head is returned again, pauses longer each time, and finally fails.
    fn count_return(&mut self, is_back: bool) -> Result<(), Failure> {
        self.returns = if is_back { self.returns + 1 } else { 0 };
        if self.returns > MOST_RETURNS {
            return Err(Failure::new(
                Kind::UnexpectedResponse,
                format!(
                    "the first notification in the queue was received {MOST_RETURNS} more times after it was deleted"
                ),
            ));
        }
        if self.returns > 3 {
            self.not_before = Instant::now() + (SHORTEST_PAUSE * self.returns).min(LONGEST_RETURN_PAUSE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
