//! When the next request may go out: rate, pauses and retries as arithmetic on instants.
//!
//! Nothing here sleeps or reads a clock; the pool does both.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::http::retry_after::LONGEST_WAIT;

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

    /// How long to wait before asking again, with so many others `ahead`; zero: a request goes out now, and the slot
    /// is taken.
    ///
    /// A worker that wakes late keeps the grid, as long as it is late by less than half an interval: so the rate is
    /// reached, and still no second holds more than rate + 1 requests.
    pub fn wait(&mut self, now: Instant, ahead: u32) -> Duration {
        let slot = self.next.unwrap_or(now);
        let due = self.paused_until.map_or(slot, |until| slot.max(until)) + self.interval * ahead;
        if due > now {
            return due - now;
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

/// The workers that wait for their turn, first come first. Each sleeps to its own slot, and wakes nobody.
#[derive(Debug)]
pub struct Line {
    pace: Pace,
    waiting: VecDeque<Ticket>,
    last: u64,
}

/// A place in the [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Line {
    /// Nobody waits yet.
    pub fn new(pace: Pace) -> Line {
        Line { pace, waiting: VecDeque::new(), last: 0 }
    }

    /// Joins the line at its end.
    pub fn join(&mut self) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.waiting.push_back(ticket);
        ticket
    }

    /// [`Pace::wait`] for the holder of a ticket. Zero takes it out of the line, too.
    pub fn wait(&mut self, ticket: Ticket, now: Instant) -> Duration {
        let ahead = self.waiting.iter().position(|waiting| *waiting == ticket).unwrap_or(0);
        let wait = self.pace.wait(now, ahead as u32);
        if wait.is_zero() {
            self.leave(ticket);
        }
        wait
    }

    /// Leaves the line without a turn.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|waiting| *waiting != ticket);
    }

    /// [`Pace::pause`].
    pub fn pause(&mut self, until: Instant) {
        self.pace.pause(until);
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
                    let wait = pace.wait(now, 0);
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
        assert_eq!(pace.wait(start, 0), Duration::from_secs(5));
        assert_eq!(pace.wait(start + Duration::from_secs(5), 0), Duration::ZERO);
    }

    #[test]
    fn each_in_the_line_has_its_own_slot_and_whoever_is_late_stops_nobody() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut line = Line::new(Pace::new(10.0));
        let [first, second, third, fourth] = [(); 4].map(|()| line.join());
        let slots = |line: &mut Line, now: Instant, tickets: &[Ticket]| -> Vec<u128> {
            tickets.iter().map(|ticket| line.wait(*ticket, now).as_millis()).collect()
        };
        assert_eq!(slots(&mut line, start, &[first, second, third, fourth]), [0, 100, 200, 300]);
        // Nobody overtakes by coming when a slot is free.
        let late = line.join();
        assert_eq!(slots(&mut line, after(100), &[late, second]), [300, 0]);
        // The third oversleeps: the fourth goes at its own time, and the third next.
        assert_eq!(slots(&mut line, after(300), &[fourth, late, third]), [0, 150, 50]);
        line.leave(third);
        assert_eq!(slots(&mut line, after(400), &[late]), [0]);
        assert!(line.waiting.is_empty());
    }

    #[test]
    fn after_a_pause_the_line_goes_on_in_its_order() {
        let start = Instant::now();
        let mut line = Line::new(Pace::new(10.0));
        line.pause(start + Duration::from_secs(5));
        let [first, second] = [line.join(), line.join()];
        assert_eq!(line.wait(second, start), Duration::from_millis(5100));
        assert_eq!(line.wait(first, start + Duration::from_secs(5)), Duration::ZERO);
        assert_eq!(line.wait(second, start + Duration::from_secs(5)), Duration::from_millis(100));
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
