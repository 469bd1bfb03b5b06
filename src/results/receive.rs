//! The loop of `receive`: prints and flushes each result of the queue, then deletes it, until the run ends.

use std::time::{Duration, Instant};

use super::queue::{LONGEST_POLL, Next, Queue, SHORTEST_POLL};
use crate::failure::{EXIT_SOME_FAILED, Error};
use crate::greenapi::notification::AvatarInfo;
use crate::shutdown::StopFlag;

/// With `--idle` a poll lasts at least this long, as the answer takes time to arrive.
const LEAST_POLL: Duration = Duration::from_secs(2);
/// How long the run goes on at its end to delete what it has printed.
const LAST_DELETION: Duration = Duration::from_secs(10);

/// When the run ends. By default when the queue is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct StopCondition {
    /// Whether the run continues when the queue is empty.
    pub follow: bool,
    /// The run ends when nothing has arrived for this long.
    pub idle: Option<Duration>,
    /// The run ends after this number of printed results.
    pub max: Option<u64>,
}

impl StopCondition {
    /// Whether the run ends. `is_empty`: the queue is empty; `quiet`: how long nothing has arrived.
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
    print: &mut dyn FnMut(&AvatarInfo) -> Result<bool, Error>,
) -> Result<u8, Error> {
    let poll = match (condition.idle, condition.follow) {
        (Some(idle), _) => idle.clamp(SHORTEST_POLL, LONGEST_POLL),
        (None, true) => LONGEST_POLL,
        (None, false) => SHORTEST_POLL,
    };
    let waits = condition.follow || condition.idle.is_some();
    let text = if waits { "waiting for results; Ctrl-C ends the run" } else { "reading the queue" };
    let _wait = queue.output.wait(text, None);
    let (mut printed, mut some_failed) = (0, false);
    while !stop.is_set() && condition.max != Some(printed) {
        let until = condition.idle.map(|idle| (queue.quiet_since + idle).max(Instant::now() + LEAST_POLL));
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
        if condition.is_met(is_empty, queue.quiet_since.elapsed()) {
            // A queue that could not be read is not an empty one.
            if let Some(failure) = queue.failure.take() {
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

    #[test]
    fn an_empty_queue_ends_the_run_unless_follow_or_idle_is_set() {
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
