//! The instance's queue: its head comes in, is kept where it belongs, and only then goes out.
//!
//! The same head comes back until it is deleted, so a run that dies loses nothing. Another program's notification
//! goes to the spool, or stops the run where there is none. This file does not print, and knows no request.

use std::time::{Duration, Instant};

use super::identity;
use super::lock::Lock;
use super::spool::Spool;
use crate::failure::{Failure, Kind};
use crate::greenapi::client::Client;
use crate::greenapi::messages::{AvatarInfo, Foreign, Head, Notification, Receipt};
use crate::interrupt;
use crate::recent::Deduplicator;

/// The shortest long poll that the service knows.
pub const SHORTEST_POLL: Duration = Duration::from_secs(5);
/// The longest that is asked for: the service allows 60 s, but proxies lose patience earlier.
pub const LONGEST_POLL: Duration = Duration::from_secs(20);
/// The time limit that the client of a queue must have at least.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A poll after a failed one is not cut off sooner: else a failure would pass for an empty queue.
const LEAST_RETRY: Duration = Duration::from_secs(2);
/// A poll that found nothing sooner than this was no long poll, and the next one waits a little.
const QUICK: Duration = Duration::from_millis(500);
/// Pauses after such polls grow between these. The longest one is short beside any wait that somebody asks for: a
/// result must not lie there unseen when the wait is over.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before a head is looked at that comes back although it was deleted.
const LONGEST_RETURN_PAUSE: Duration = Duration::from_secs(1);
/// The distance of calls once the service has said that 100 a second are too many.
const SPACING: Duration = Duration::from_millis(11);
/// How often the same head may come back after it was deleted.
const MOST_RETURNS: u32 = 100;

/// How often a call is repeated, and after how long.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// Repeats after the first attempt.
    pub times: u32,
    /// The pause after the given number of failures, with what the service asked for.
    pub delay: fn(u32, Option<Duration>) -> Duration,
}

/// What [`Queue::next`] found.
#[derive(Debug)]
pub enum Next {
    /// A result: print and flush it, then [`Queue::finish`] it.
    Result(Delivery),
    /// Another program's notification went to the spool, or a repeated result away: look again.
    Aside,
    /// Nothing came, or the wait was cut off.
    Nothing,
}

/// A result that is still in the queue.
#[derive(Debug)]
#[must_use = "it comes back until it is finished"]
pub struct Delivery {
    /// What it says.
    pub info: AvatarInfo,
    receipt: Receipt,
}

/// An instance's queue, for its only reader.
#[derive(Debug)]
pub struct Queue<'a> {
    client: &'a Client<'a>,
    retries: Retries,
    spool: Option<Spool>,
    printed: Deduplicator,
    quiet_since: Instant,
    spacing: Duration,
    pause: Duration,
    not_before: Instant,
    last_deleted: Option<Head>,
    returns: u32,
    _lock: Lock,
}

impl<'a> Queue<'a> {
    /// The queue of the client's instance, whose lock the caller has taken. The client's time limit is at least
    /// [`CALL_TIMEOUT`].
    pub fn new(client: &'a Client<'a>, retries: Retries, spool: Option<Spool>, lock: Lock) -> Queue<'a> {
        let now = Instant::now();
        Queue {
            client,
            retries,
            spool,
            printed: Deduplicator::default(),
            quiet_since: now,
            spacing: Duration::ZERO,
            pause: Duration::ZERO,
            not_before: now,
            last_deleted: None,
            returns: 0,
            _lock: lock,
        }
    }

    /// Since when nothing has come.
    pub fn quiet_since(&self) -> Instant {
        self.quiet_since
    }

    /// Looks at the head, waiting up to `poll` for one; nothing is lost when the wait is cut off at `until` or by a
    /// signal. Without a spool a head that is not ours is an error and stays where it is.
    pub fn next(&mut self, poll: Duration, until: Option<Instant>) -> Result<Next, Failure> {
        let start = until.map_or(self.not_before, |until| until.min(self.not_before));
        if !interrupt::sleep_until(start) || start < self.not_before {
            return Ok(Next::Nothing);
        }
        let began = Instant::now();
        let Some(head) = self.poll(poll, until)? else {
            let quick = began.elapsed() < QUICK;
            self.pause = if quick { (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE) } else { Duration::ZERO };
            self.not_before = Instant::now() + self.pause;
            return Ok(Next::Nothing);
        };
        self.quiet_since = Instant::now();
        self.pause = Duration::ZERO;
        self.not_before = self.quiet_since + self.spacing;
        let is_back = self.last_deleted.as_ref() == Some(&head);
        self.count_return(is_back)?;
        let Head { receipt, notification } = head;
        match notification {
            Notification::Avatar(info) if !self.printed.contains(&identity(&info)) => {
                return Ok(Next::Result(Delivery { info, receipt }));
            }
            Notification::Foreign(ref foreign) if !is_back => self.keep(foreign)?,
            Notification::Avatar(_) | Notification::Foreign(_) => {}
        }
        self.delete(&receipt)?;
        self.last_deleted = Some(Head { receipt, notification });
        Ok(Next::Aside)
    }

    fn keep(&mut self, foreign: &Foreign) -> Result<(), Failure> {
        match &mut self.spool {
            Some(spool) => spool.append(&[&foreign.line[..], b"\n"].concat()),
            None => {
                let what = format!("the queue's head is another program's: {}", foreign.what);
                Err(Failure::new(Kind::ForeignNotification, what)
                    .hint("nothing was deleted; --spool FILE appends such notifications to FILE and reads on"))
            }
        }
    }

    /// Takes a result off the queue, now that its line is flushed.
    pub fn finish(&mut self, delivery: Delivery) -> Result<(), Failure> {
        // First of all: what is printed must not be printed again, even where it cannot be deleted.
        self.printed.insert(&identity(&delivery.info));
        let Delivery { info, receipt } = delivery;
        self.delete(&receipt)?;
        self.last_deleted = Some(Head { receipt, notification: Notification::Avatar(info) });
        Ok(())
    }

    fn poll(&mut self, poll: Duration, until: Option<Instant>) -> Result<Option<Head>, Failure> {
        let client = self.client;
        let mut before: Option<Failure> = None;
        self.patiently(|failed| {
            let until = until.map(|until| if failed > 0 { until.max(Instant::now() + LEAST_RETRY) } else { until });
            match interrupt::expendable(until, || client.receive_notification(poll)) {
                // Cut off: nothing came, unless there was trouble before.
                Err(failure) if failure.kind == Kind::Timeout && failure.is_final => match before.take() {
                    Some(mut trouble) if interrupt::signal().is_none() => {
                        trouble.is_final = true;
                        Err(trouble)
                    }
                    _ => Ok(None),
                },
                Err(failure) => {
                    let (hint, http_status) = (failure.hint.clone(), failure.http_status);
                    before = Some(Failure { hint, http_status, ..Failure::new(failure.kind, failure.message()) });
                    Err(failure)
                }
                Ok(head) => Ok(head),
            }
        })
    }

    fn delete(&mut self, receipt: &Receipt) -> Result<(), Failure> {
        let client = self.client;
        self.patiently(|_| client.delete_notification(receipt)).map(|_| ())
    }

    /// Repeats a call that may go well a little later; it is told how often it has failed.
    fn patiently<T>(&mut self, mut call: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut failed = 0;
        loop {
            let failure = match call(failed) {
                Err(failure) if failure.is_retried() && failed < self.retries.times => failure,
                result => return result,
            };
            failed += 1;
            if failure.kind == Kind::TooManyRequests {
                self.spacing = SPACING;
            }
            let wait = (self.retries.delay)(failed, failure.retry_after);
            if !interrupt::sleep_until(Instant::now() + wait) {
                return Err(failure);
            }
        }
    }

    /// A head that was deleted and is still there gets longer and longer pauses, and in the end an error.
    fn count_return(&mut self, is_back: bool) -> Result<(), Failure> {
        self.returns = if is_back { self.returns + 1 } else { 0 };
        if self.returns > MOST_RETURNS {
            return Err(Failure::new(
                Kind::UnexpectedResponse,
                format!("the queue's head came back {MOST_RETURNS} times after it was deleted"),
            ));
        }
        if self.returns > 3 {
            self.not_before = Instant::now() + (SHORTEST_PAUSE * self.returns).min(LONGEST_RETURN_PAUSE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::script::{Script, reply};

    const AVATAR: &str = include_str!("../../tests/cli/samples/avatar-info.json");
    const MESSAGE: &str = include_str!("../../tests/cli/samples/incoming-message.json");
    const BROKEN: &str = include_str!("../../tests/cli/samples/receive-trailing-comma.txt");
    const GONE: &str = r#"{"result":true,"reason":""}"#;
    const ASK: &str = "GET receiveNotification ?receiveTimeout=5";

    fn head(receipt: u32, body: &str) -> String {
        reply(200, &format!(r#"{{"receiptId":{receipt},"body":{body}}}"#))
    }

    fn look(queue: &mut Queue<'_>) -> Result<Next, Failure> {
        queue.next(SHORTEST_POLL, None)
    }

    #[test]
    fn a_result_is_deleted_only_when_it_is_finished_and_its_repeat_at_once() {
        let script = Script::start([
            (ASK, head(1, AVATAR)),
            (ASK, head(1, AVATAR)),
            ("DELETE deleteNotification /1", reply(200, GONE)),
            (ASK, head(2, AVATAR)),
            ("DELETE deleteNotification /2", reply(200, r#"{"result":false,"reason":"gone"}"#)),
            (ASK, reply(200, "null")),
        ]);
        script.queue(None, |queue| {
            assert!(matches!(look(queue), Ok(Next::Result(_))), "looked at and left");
            let Ok(Next::Result(delivery)) = look(queue) else { panic!("a result") };
            assert_eq!(delivery.info.chat_id, "79001234560@c.us");
            queue.finish(delivery).expect("deleted");
            assert!(matches!(look(queue), Ok(Next::Aside)));
            assert!(matches!(look(queue), Ok(Next::Nothing)));
        });
    }

    #[test]
    fn a_foreign_head_stops_the_run_and_stays() {
        Script::start([(ASK, head(1, MESSAGE))]).queue(None, |queue| {
            let failure = look(queue).expect_err("not ours");
            assert_eq!(failure.kind, Kind::ForeignNotification);
            assert!(failure.message().contains("incomingMessageReceived"), "{}", failure.message());
        });
    }

    #[test]
    fn foreign_and_unreadable_heads_are_in_the_spool_before_they_go() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("spool");
        let script = Script::start([
            (ASK, head(1, MESSAGE)),
            ("DELETE deleteNotification /1", reply(200, GONE)),
            (ASK, reply(200, BROKEN)),
            ("DELETE deleteNotification /1234567", reply(200, GONE)),
        ]);
        script.queue(Some(Spool::open(&path).expect("a spool")), |queue| {
            assert!(matches!(look(queue), Ok(Next::Aside)));
            assert!(matches!(look(queue), Ok(Next::Aside)));
        });
        let kept = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(kept, format!("{}\n{}\n", MESSAGE.trim(), BROKEN.trim()));
    }

    #[test]
    fn a_full_spool_deletes_nothing() {
        let full = Spool::open(std::path::Path::new("/dev/full")).expect("it opens");
        Script::start([(ASK, head(1, MESSAGE))]).queue(Some(full), |queue| {
            assert_eq!(look(queue).expect_err("full").kind, Kind::OutputFailed);
        });
    }

    #[test]
    fn a_head_without_end_deletes_nothing() {
        let long = head(1, &format!(r#"{{"typeWebhook":"x","a":"{}"}}"#, "a".repeat(1_100_000)));
        let spool = Spool::open(std::path::Path::new("/dev/null")).expect("it opens");
        Script::start([(ASK, long)]).queue(Some(spool), |queue| {
            assert_eq!(look(queue).expect_err("too long").kind, Kind::ForeignNotification);
        });
    }

    #[test]
    fn failures_are_repeated_and_what_is_nothing_is_not_a_failure() {
        let script = Script::start([
            (ASK, reply(500, "")),
            (ASK, reply(502, "<html>")),
            (ASK, head(1, AVATAR)),
            ("DELETE deleteNotification /1", reply(503, "")),
            ("DELETE deleteNotification /1", reply(500, "findUnAckedMessage: no such message")),
            (ASK, reply(408, "")),
            (ASK, reply(504, "<html>")),
            (ASK, reply(200, "")),
            (ASK, reply(200, " null\n")),
        ]);
        script.queue(None, |queue| {
            let Ok(Next::Result(delivery)) = look(queue) else { panic!("a result") };
            queue.finish(delivery).expect("it was gone");
            for _ in 0..4 {
                assert!(matches!(look(queue), Ok(Next::Nothing)));
                assert!(queue.not_before > Instant::now(), "an answer that came at once is no long poll");
                queue.not_before = Instant::now();
            }
        });
    }

    #[test]
    fn a_service_that_stays_down_ends_the_run() {
        let script = Script::start([(ASK, reply(503, "")), (ASK, reply(503, "")), (ASK, reply(503, ""))]);
        script.queue(None, |queue| assert_eq!(look(queue).expect_err("down").kind, Kind::ServerError));
    }

    #[test]
    fn a_queue_that_cannot_be_read_says_why() {
        for (status, body, kind) in [
            (400, r#"{"message":"custom webhook url is set"}"#, Kind::WebhookUrlSet),
            (200, r#"{"code":401,"description":"Unauthorized"}"#, Kind::Unauthorized),
            (200, "<html><title>Log in</title></html>", Kind::UnexpectedResponse),
            (200, "{}", Kind::UnexpectedResponse),
        ] {
            Script::start([(ASK, reply(status, body))])
                .queue(None, |queue| assert_eq!(look(queue).expect_err(body).kind, kind));
        }
    }

    #[test]
    fn words_inside_of_a_notification_are_not_the_services_own() {
        let text = r#"{"typeWebhook":"x","text":"instance account not authorized","code":401,"n":1e999,}"#;
        Script::start([(ASK, head(1, text))]).queue(None, |queue| {
            assert_eq!(look(queue).expect_err("not ours").kind, Kind::ForeignNotification);
        });
    }

    #[test]
    fn a_long_poll_is_cut_off_in_time_and_nothing_came() {
        let script = Script::start([("GET receiveNotification ?receiveTimeout=20", String::new())]);
        script.queue(None, |queue| {
            let began = Instant::now();
            let next = queue.next(LONGEST_POLL, Some(began + Duration::from_millis(40)));
            assert!(matches!(next, Ok(Next::Nothing)), "{next:?}");
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        });
    }

    #[test]
    fn after_a_429_calls_keep_their_distance() {
        Script::start([(ASK, reply(429, "")), (ASK, head(1, AVATAR))]).queue(None, |queue| {
            assert!(matches!(look(queue), Ok(Next::Result(_))));
            assert_eq!(queue.not_before, queue.quiet_since + SPACING);
        });
    }
}
