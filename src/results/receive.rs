//! `receive`'s loop: results off the queue and onto standard output, until there is a reason to end.
//!
//! The order is the point: print, flush, delete.

use std::time::{Duration, Instant};

use super::queue::{LONGEST_POLL, Next, Queue, SHORTEST_POLL};
use crate::failure::{EXIT_SOME_FAILED, Error};
use crate::greenapi::notification::AvatarInfo;
use crate::output::OutputError;
use crate::shutdown::StopFlag;

/// With `--idle` a poll lasts at least this long: the answer needs its time on the way.
const LEAST_POLL: Duration = Duration::from_secs(2);
/// How long the run goes on at its end to delete what it has printed.
const LAST_DELETION: Duration = Duration::from_secs(10);

/// When the run ends. By default when the queue is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct StopCondition {
    /// Not when the queue is empty.
    pub follow: bool,
    /// When nothing has come for this long.
    pub idle: Option<Duration>,
    /// After this number of printed results.
    pub max: Option<u64>,
}

impl StopCondition {
    /// Whether the run ends. `is_empty`: the queue has said so; `quiet`: how long nothing has come.
    fn is_met(&self, is_empty: bool, quiet: Duration) -> bool {
        match self.idle {
            Some(idle) => quiet >= idle,
            None => is_empty && !self.follow,
        }
    }
}

/// Prints results until the run ends. `print` returns when a line is flushed, with whether it reported a failure.
/// Returns the exit status: 1 if a result was a failure.
pub fn receive_loop(
    queue: &mut Queue<'_>,
    condition: StopCondition,
    stop: &StopFlag,
    print: &mut dyn FnMut(&AvatarInfo) -> Result<bool, OutputError>,
) -> Result<u8, Error> {
    let poll = match (condition.idle, condition.follow) {
        (Some(idle), _) => idle.clamp(SHORTEST_POLL, LONGEST_POLL),
        (None, true) => LONGEST_POLL,
        (None, false) => SHORTEST_POLL,
    };
    let waits = condition.follow || condition.idle.is_some();
    let text = if waits { "waiting for results; Ctrl-C ends the run" } else { "reading the queue" };
    let _wait = queue.output().wait(text, None);
    let (mut printed, mut some_failed) = (0, false);
    while !stop.is_set() && condition.max != Some(printed) {
        let until = condition.idle.map(|idle| (queue.quiet_since() + idle).max(Instant::now() + LEAST_POLL));
        let is_empty = match queue.next(poll, until)? {
            Next::Result(message) => {
                if !message.is_repeat {
                    some_failed |= print(&message.info)?;
                    printed += 1;
                }
                queue.ack(message, until)?;
                continue;
            }
            Next::Skipped => continue,
            Next::Empty => true,
            Next::Waited => false,
        };
        if condition.is_met(is_empty, queue.quiet_since().elapsed()) {
            // A queue that could not be read is not an empty one.
            if let Some(failure) = queue.take_failure() {
                return Err(failure.into());
            }
            break;
        }
    }
    queue.delete_pending(Some(Instant::now() + LAST_DELETION))?;
    Ok(if some_failed { EXIT_SOME_FAILED } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, Kind};
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
            let exit = receive_loop(queue, StopCondition::default(), &StopFlag::default(), &mut |info| {
                printed.push(info.timestamp);
                Ok(printed.len() == 1)
            });
            assert_eq!(exit.expect("an exit status"), EXIT_SOME_FAILED);
        });
        assert_eq!(printed, [Some(1), Some(2)]);
    }

    #[test]
    fn max_condition_the_run_without_another_look() {
        let script = Script::start([(ASK, head(1)), ("DELETE deleteNotification /1", reply(200, GONE))]);
        script.queue(None, |queue| {
            let condition = StopCondition { max: Some(1), ..StopCondition::default() };
            assert_eq!(
                receive_loop(queue, condition, &StopFlag::default(), &mut |_| Ok(false)).expect("an exit status"),
                0
            );
        });
    }

    #[test]
    fn what_cannot_be_printed_is_not_deleted() {
        Script::start([(ASK, head(1))]).queue(None, |queue| {
            let end = receive_loop(queue, StopCondition::default(), &StopFlag::default(), &mut |_| {
                Err(OutputError::BrokenPipe)
            });
            assert!(matches!(end, Err(Error::BrokenPipe)), "{end:?}");
        });
        Script::start([(ASK, head(1))]).queue(None, |queue| {
            let full = || OutputError::Io(Failure::new(Kind::OutputFailed, "full"));
            let end = receive_loop(queue, StopCondition::default(), &StopFlag::default(), &mut |_| Err(full()));
            assert!(matches!(end, Err(Error::Failure(failure)) if failure.kind == Kind::OutputFailed));
        });
    }

    #[test]
    fn with_idle_or_follow_an_empty_queue_is_looked_at_again() {
        let idle = Some(Duration::from_secs(5));
        for condition in [
            StopCondition { idle, max: Some(1), ..StopCondition::default() },
            StopCondition { follow: true, idle, max: Some(1) },
        ] {
            let lines = [(ASK, reply(200, "null")), (ASK, head(1)), ("DELETE deleteNotification /1", reply(200, GONE))];
            Script::start(lines).queue(None, |queue| {
                assert_eq!(
                    receive_loop(queue, condition, &StopFlag::default(), &mut |_| Ok(false)).expect("an exit status"),
                    0
                );
            });
        }
    }

    #[test]
    fn an_empty_queue_condition_the_run_when_it_is_told_so() {
        let (short, idle) = (Duration::from_secs(9), Some(Duration::from_secs(10)));
        let over = |follow, idle, quiet| {
            let condition = StopCondition { follow, idle, max: None };
            assert_eq!(condition.is_met(false, quiet), idle.is_some_and(|idle| quiet >= idle));
            condition.is_met(true, quiet)
        };
        assert!(over(false, None, Duration::ZERO));
        assert!(!over(true, None, Duration::from_secs(1_000_000)));
        for follow in [false, true] {
            assert!(!over(follow, idle, short));
            assert!(over(follow, idle, Duration::from_secs(10)));
        }
    }
}
