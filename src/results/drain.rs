//! `receive`'s loop: results off the queue and onto standard output, until there is reason to end.
//!
//! The order is the whole point: print, flush, delete. This file knows nothing of HTTP, nor what a line looks like.

use std::time::{Duration, Instant};

use super::queue::{LONGEST_POLL, Next, Queue, SHORTEST_POLL};
use crate::failure::{EXIT_SOME_FAILED, Failure, Kind};
use crate::greenapi::messages::AvatarInfo;
use crate::interrupt;
use crate::output::Unwritten;

/// With `--idle`, a poll is not cut off sooner than this after it began: the answer needs its time on the way.
const LEAST_POLL: Duration = Duration::from_secs(2);

/// When the run ends. With neither: as soon as the queue is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// Not when the queue is empty.
    pub follow: bool,
    /// When nothing has come for so long.
    pub idle: Option<Duration>,
    /// After so many printed results.
    pub max: Option<u64>,
}

impl Ends {
    /// Whether an empty queue ends the run, in which nothing has come for so long.
    fn is_over(&self, quiet: Duration) -> bool {
        match self.idle {
            Some(idle) => quiet >= idle,
            None => !self.follow,
        }
    }
}

/// Prints results until the run ends; `print` returns once a line is flushed, and whether it told of a failure.
/// The exit status: 74 where the reader of standard output left, 1 where a result was a failure.
pub fn drain(
    queue: &mut Queue<'_>,
    ends: Ends,
    print: &mut dyn FnMut(&AvatarInfo) -> Result<bool, Unwritten>,
) -> Result<u8, Failure> {
    let poll = match (ends.idle, ends.follow) {
        (Some(idle), _) => idle.clamp(SHORTEST_POLL, LONGEST_POLL),
        (None, true) => LONGEST_POLL,
        (None, false) => SHORTEST_POLL,
    };
    let (mut printed, mut some_failed) = (0, false);
    while interrupt::signal().is_none() {
        let until = ends.idle.map(|idle| (queue.quiet_since() + idle).max(Instant::now() + LEAST_POLL));
        match queue.next(poll, until)? {
            Next::Result(delivery) => {
                match print(&delivery.info) {
                    Ok(is_failure) => some_failed |= is_failure,
                    Err(Unwritten::PipeClosed) => return Ok(Kind::OutputFailed.exit()),
                    Err(Unwritten::Failed(failure)) => return Err(failure),
                }
                queue.finish(delivery)?;
                printed += 1;
                if ends.max == Some(printed) {
                    break;
                }
            }
            Next::Aside => {}
            Next::Nothing => {
                if ends.is_over(queue.quiet_since().elapsed()) {
                    break;
                }
            }
        }
    }
    Ok(if some_failed { EXIT_SOME_FAILED } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::script::{Script, reply};

    const ASK: &str = "GET receiveNotification ?receiveTimeout=5";
    const GONE: &str = r#"{"result":true,"reason":""}"#;

    fn head(receipt: u32) -> String {
        let body = format!(r#"{{"timestamp":{receipt},"avatarInfo":{{"chatId":"11001234567@c.us"}}}}"#);
        reply(200, &format!(r#"{{"receiptId":{receipt},"body":{body}}}"#))
    }

    #[test]
    fn every_result_is_printed_before_it_is_deleted_until_the_queue_is_empty() {
        let script = Script::start([
            (ASK, head(1)),
            ("DELETE deleteNotification /1", reply(200, GONE)),
            (ASK, head(2)),
            ("DELETE deleteNotification /2", reply(200, GONE)),
            (ASK, reply(200, "null")),
        ]);
        let mut printed = Vec::new();
        script.queue(None, |queue| {
            let exit = drain(queue, Ends::default(), &mut |info| {
                printed.push(info.timestamp);
                Ok(printed.len() == 1)
            });
            assert_eq!(exit.expect("an exit status"), EXIT_SOME_FAILED);
        });
        assert_eq!(printed, [Some(1), Some(2)]);
    }

    #[test]
    fn max_ends_the_run_without_another_look() {
        let script = Script::start([(ASK, head(1)), ("DELETE deleteNotification /1", reply(200, GONE))]);
        script.queue(None, |queue| {
            let ends = Ends { max: Some(1), ..Ends::default() };
            assert_eq!(drain(queue, ends, &mut |_| Ok(false)).expect("an exit status"), 0);
        });
    }

    #[test]
    fn what_cannot_be_printed_is_not_deleted() {
        Script::start([(ASK, head(1))]).queue(None, |queue| {
            let exit = drain(queue, Ends::default(), &mut |_| Err(Unwritten::PipeClosed));
            assert_eq!(exit.expect("a silent end"), 74);
        });
        Script::start([(ASK, head(1))]).queue(None, |queue| {
            let full = || Unwritten::Failed(Failure::new(Kind::OutputFailed, "full"));
            let failure = drain(queue, Ends::default(), &mut |_| Err(full())).expect_err("full");
            assert_eq!(failure.kind, Kind::OutputFailed);
        });
    }

    #[test]
    fn with_idle_or_follow_an_empty_queue_is_looked_at_again() {
        let idle = Some(Duration::from_secs(5));
        for ends in [Ends { idle, max: Some(1), ..Ends::default() }, Ends { follow: true, idle, max: Some(1) }] {
            let lines = [(ASK, reply(200, "null")), (ASK, head(1)), ("DELETE deleteNotification /1", reply(200, GONE))];
            Script::start(lines).queue(None, |queue| {
                assert_eq!(drain(queue, ends, &mut |_| Ok(false)).expect("an exit status"), 0);
            });
        }
    }

    #[test]
    fn an_empty_queue_ends_the_run_when_it_is_told_so() {
        let (short, idle) = (Duration::from_secs(9), Some(Duration::from_secs(10)));
        let over = |follow, idle, quiet| Ends { follow, idle, max: None }.is_over(quiet);
        assert!(over(false, None, Duration::ZERO));
        assert!(!over(true, None, Duration::from_secs(1_000_000)));
        for follow in [false, true] {
            assert!(!over(follow, idle, short));
            assert!(over(follow, idle, Duration::from_secs(10)));
        }
    }
}
