//! When the next request may go out: rate, pauses and retries as arithmetic on instants.
//!
//! Nothing here sleeps or reads a clock; the pool does both.

use std::time::{Duration, Instant};

use crate::greenapi::error::LONGEST_WAIT;

/// Spaces requests out. One for all workers of a run.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Option<Instant>,
    paused_until: Option<Instant>,
}

impl Pace {
    /// At most `rate` requests a second; 0 lifts the limit.
    pub fn new(rate: f64) -> Pace {
        let interval = if rate > 0.0 { Duration::from_secs_f64(1.0 / rate) } else { Duration::ZERO };
        Pace { interval, next: None, paused_until: None }
    }

    /// How long to wait before asking again; zero: a request goes out now, and the slot is taken.
    ///
    /// A worker that wakes late keeps the grid, as long as it is late by less than half an interval: so the rate is
    /// reached, and still no second holds more than rate + 1 requests.
    pub fn wait(&mut self, now: Instant) -> Duration {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return until - now;
        }
        let slot = self.next.unwrap_or(now);
        if slot > now {
            return slot - now;
        }
        let earliest = now.checked_sub(self.interval / 2).unwrap_or(now);
        self.next = Some(slot.max(earliest) + self.interval);
        Duration::ZERO
    }

    /// No request goes out before that instant.
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }
}

/// How long to wait after the `failed`th attempt (1 is the first) before the next one: what the service asked for,
/// else 1 s, 2 s, 4 s … with a fifth of jitter either way; a minute at most. `chance` is in 0..1.
pub fn delay(failed: u32, asked: Option<Duration>, chance: f64) -> Duration {
    if let Some(asked) = asked {
        return asked.min(LONGEST_WAIT);
    }
    let growing = LONGEST_WAIT.min(Duration::from_secs(1 << failed.saturating_sub(1).min(6)));
    growing.mul_f64(0.8 + 0.4 * chance).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets workers ask as fast as they like, each grant `late` after it could have been; the instants of the grants.
    fn grants(rate: f64, count: usize, late: impl Fn(usize) -> Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut pace = Pace::new(rate);
        let mut now = start;
        (0..count)
            .map(|i| {
                loop {
                    let wait = pace.wait(now);
                    if wait.is_zero() {
                        return now - start;
                    }
                    now += wait + late(i);
                }
            })
            .collect()
    }

    fn most_in_a_second(grants: &[Duration]) -> usize {
        let within =
            |from: &Duration| grants.iter().filter(|at| *at >= from && **at <= *from + Duration::from_secs(1)).count();
        grants.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn no_second_holds_more_than_rate_and_one_requests() {
        for rate in [1.0, 10.0, 50.0, 333.0] {
            for late_micros in [0, 100, 2_000, 40_000, 400_000] {
                let late = |i: usize| Duration::from_micros(if i.is_multiple_of(3) { late_micros } else { 0 });
                let most = most_in_a_second(&grants(rate, 700, late));
                assert!(most <= rate as usize + 1, "{most} at {rate} a second, {late_micros} us late");
            }
        }
    }

    #[test]
    fn the_rate_is_reached_although_every_wake_is_late() {
        let grants = grants(100.0, 501, |_| Duration::from_micros(300));
        let took = grants[500] - grants[0];
        assert!(took < Duration::from_millis(5_010), "{took:?}");
    }

    #[test]
    fn a_rate_of_zero_never_waits() {
        assert!(grants(0.0, 1000, |_| Duration::ZERO).iter().all(Duration::is_zero));
    }

    #[test]
    fn a_pause_holds_everyone_back_and_is_never_shortened() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0);
        pace.pause(start + Duration::from_secs(5));
        pace.pause(start + Duration::from_secs(2));
        assert_eq!(pace.wait(start), Duration::from_secs(5));
        assert_eq!(pace.wait(start + Duration::from_secs(5)), Duration::ZERO);
    }

    #[test]
    fn delays_grow_and_the_service_is_obeyed() {
        let secs = |failed, chance| delay(failed, None, chance).as_secs_f64();
        assert_eq!((secs(1, 0.5), secs(2, 0.5), secs(3, 0.5)), (1.0, 2.0, 4.0));
        assert_eq!((secs(1, 0.0), secs(1, 1.0)), (0.8, 1.2));
        assert_eq!(secs(100, 1.0), 60.0);
        assert_eq!(delay(1, Some(Duration::ZERO), 0.5), Duration::ZERO);
        assert_eq!(delay(1, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
    }
}
