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
                let is_over = match ends.idle {
                    Some(idle) => queue.quiet_since().elapsed() >= idle,
                    None => !ends.follow,
                };
                if is_over {
                    break;
                }
            }
        }
    }
    Ok(if some_failed { EXIT_SOME_FAILED } else { 0 })
}
