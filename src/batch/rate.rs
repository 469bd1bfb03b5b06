//! When the next request may be sent: the rate and its pauses as arithmetic on instants.
//!
//! Nothing here sleeps or reads a clock; the workers do both.

use std::time::{Duration, Instant};

/// Spaces requests out. One for all workers of a run.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    next: Option<Instant>,
    paused_until: Option<Instant>,
    granted: u32,
    /// Time in which a request could have been sent but no worker was free.
    lost: Duration,
    /// Such a time before retries: it is lost only if another chat was waiting for a worker.
    maybe_lost: Duration,
}

/// Smaller losses are not reported.
const SMALL_LOSS: Duration = Duration::from_millis(500);

impl RateLimiter {
    /// At most `rate` requests a second; 0: no limit.
    pub fn new(rate: f64) -> RateLimiter {
        let interval = if rate > 0.0 { Duration::from_secs_f64(1.0 / rate) } else { Duration::ZERO };
        RateLimiter {
            interval,
            granted: 0,
            next: None,
            paused_until: None,
            lost: Duration::ZERO,
            maybe_lost: Duration::ZERO,
        }
    }

    /// Returns how long to wait before asking again. Zero: a request may be sent now, and its slot is taken.
    pub fn acquire(&mut self, now: Instant) -> Duration {
        let wait = self.due().map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        if wait.is_zero() {
            self.skip_to(now);
            self.next = Some(self.next.unwrap_or(now) + self.interval);
            self.granted += 1;
        }
        wait
    }

    /// A worker is free and will ask. The time since the next slot was due is lost; if the worker was not free because of
    /// a pause before a retry, only once a worker comes with another chat.
    pub fn arrive(&mut self, now: Instant, is_retry: bool) {
        if let Some(due) = self.due() {
            self.maybe_lost += now.saturating_duration_since(due);
            self.skip_to(now);
        }
        if !is_retry {
            self.lost += std::mem::take(&mut self.maybe_lost);
        }
    }

    /// The worker had nothing to send until now: the time before is not lost.
    pub fn excuse(&mut self, now: Instant) {
        self.maybe_lost = Duration::ZERO;
        self.skip_to(now);
    }

    /// When the next request is due; `None` before the first one.
    fn due(&self) -> Option<Instant> {
        self.next.max(self.paused_until)
    }

    /// Moves the next slot if it is over by more than half an interval. A worker that is less late does not shift the
    /// slots after it: so the rate is reached, and no second has more than rate + 1 requests.
    fn skip_to(&mut self, now: Instant) {
        let earliest = now.checked_sub(self.interval / 2).unwrap_or(now);
        self.next = self.next.map(|slot| slot.max(earliest));
    }

    /// Whether the requests took over 1.1 times as long as their rate says because no worker was free.
    pub fn was_late(&self) -> bool {
        !self.interval.is_zero() && self.lost > (self.interval * self.granted / 10).max(SMALL_LOSS)
    }

    /// No request may be sent before `until`.
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times at which requests may be sent if workers always have one, each `late` after its slot.
    fn grants(rate: f64, count: usize, late: impl Fn(usize) -> Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(rate);
        let mut now = start;
        (0..count)
            .map(|i| {
                loop {
                    let wait = limiter.acquire(now);
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
    fn no_second_has_more_requests_than_the_rate_plus_one() {
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
    fn a_pause_is_for_all_workers_and_never_shortened() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(10.0);
        limiter.pause(start + Duration::from_secs(5));
        limiter.pause(start + Duration::from_secs(2));
        assert_eq!(limiter.acquire(start), Duration::from_secs(5));
        assert_eq!(limiter.acquire(start + Duration::from_secs(5)), Duration::ZERO);
    }

    #[test]
    fn time_is_lost_while_no_worker_is_free() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        // Of the requests at these times, those after the first are retries, `retries` of them.
        let run = |times: &[u64], excused: bool, retries: usize| {
            let mut limiter = RateLimiter::new(10.0);
            for (index, time) in times.iter().enumerate() {
                if excused {
                    limiter.excuse(at(*time));
                }
                limiter.arrive(at(*time), (1..=retries).contains(&index));
                let mut now = at(*time);
                while let wait @ 1.. = limiter.acquire(now).as_micros() {
                    now += Duration::from_micros(wait as u64);
                }
            }
            limiter.was_late()
        };
        assert!(!run(&[0, 10, 20, 30, 40, 250, 300, 500], false, 0), "a worker is there in time");
        assert!(run(&[0, 400, 800, 1_200], false, 0));
        assert!(!run(&[0, 400, 800, 1_200], true, 0), "the list was waited for");
        assert!(!run(&[0, 400, 800, 1_200], false, 3), "no other chat was left");
        assert!(run(&[0, 400, 800, 1_200], false, 2), "another chat waited for a worker");
        assert!(!run(&[0, 400], false, 0), "too little to be mentioned");
        let mut limiter = RateLimiter::new(0.0);
        limiter.arrive(start, false);
        limiter.acquire(start);
        limiter.arrive(at(9_000), false);
        assert!(!limiter.was_late(), "there is no rate to reach");
    }
}
