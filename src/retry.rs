//! When a failed call is repeated: one policy for requests, polls and downloads.

use std::time::Duration;

use crate::failure::Failure;
use crate::shutdown::StopFlag;

/// The longest pause before another attempt, also if the service asks for more.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    retries: u32,
    failed: u32,
}

impl RetryPolicy {
    /// At most `retries` attempts after the first one.
    pub fn new(retries: u32) -> RetryPolicy {
        RetryPolicy { retries, failed: 0 }
    }

    /// Counts a failed attempt. Returns the pause before the next one, or `None` if there is none: the failure is
    /// final, or the retries are used up.
    pub fn pause_after(&mut self, failure: &Failure) -> Option<Duration> {
        self.failed += 1;
        (failure.is_retryable() && self.failed <= self.retries)
            .then(|| pause(self.failed, failure.retry_after, fastrand::f64()))
    }

    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// Calls until it succeeds, no attempt is left, or `stop` is set.
    pub fn run<T>(mut self, stop: &StopFlag, mut call: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        loop {
            let failure = match call() {
                Err(failure) => failure,
                value => return value,
            };
            match self.pause_after(&failure) {
                Some(pause) if stop.sleep(pause) => {}
                _ => return Err(failure),
            }
        }
    }
}

/// The pause after the `failed`th attempt (1 is the first): the one that the service asked for, otherwise 1 s, 2 s, 4 s
/// … plus or minus up to a fifth; at most [`LONGEST_PAUSE`]. `chance`, from 0 to 1, chooses the variation.
pub fn pause(failed: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let growing = || Duration::from_secs(1 << failed.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
    asked.unwrap_or_else(|| growing().mul_f64(0.8 + 0.4 * chance)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[test]
    fn pauses_grow_unless_the_service_asks_for_one() {
        let secs = |failed, chance| pause(failed, None, chance).as_secs_f64();
        assert_eq!((secs(1, 0.5), secs(2, 0.5), secs(3, 0.5)), (1.0, 2.0, 4.0));
        assert_eq!((secs(1, 0.0), secs(1, 1.0)), (0.8, 1.2));
        assert_eq!(secs(100, 1.0), 60.0);
        assert_eq!(pause(1, Some(Duration::ZERO), 0.5), Duration::ZERO);
        assert_eq!(pause(1, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
        assert_eq!(pause(1, Some(Duration::MAX), 0.5), LONGEST_PAUSE);
    }

    #[test]
    fn only_failures_that_may_pass_are_retried() {
        let attempts = |kind, retries| {
            let mut attempts = 0;
            let result = RetryPolicy::new(retries).run(&StopFlag::default(), || {
                attempts += 1;
                Err::<(), _>(Failure { retry_after: Some(Duration::ZERO), ..Failure::new(kind, "no") })
            });
            assert_eq!(result.expect_err("it always fails").kind, kind);
            attempts
        };
        assert_eq!(attempts(Kind::ServerError, 3), 4);
        assert_eq!(attempts(Kind::ServerError, 0), 1);
        assert_eq!(attempts(Kind::Forbidden, 3), 1);
    }
}
