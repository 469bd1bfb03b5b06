//! Whether a run ends before its list does, and sleep that this cuts short.
//!
//! Why it ends is not known here.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::interrupt;

/// The early end of one run: it comes by a signal or by [`Ending::begin`], once.
#[derive(Debug)]
pub struct Ending {
    has_begun: AtomicBool,
    /// Readable from the end on, when nobody holds the other side any more; `None` where nobody is to be woken, or the
    /// process has too many files open.
    wake: Option<PipeReader>,
    alarm: Mutex<Option<PipeWriter>>,
}

/// The longest sleep without a look, where nothing wakes the sleeper.
const SLICE: Duration = Duration::from_millis(100);

impl Ending {
    /// One that has not come, in a run of so many threads: one alone sleeps while nobody works who could end it.
    pub fn new(threads: usize) -> Ending {
        let (wake, alarm) = if threads > 1 { io::pipe().ok().unzip() } else { (None, None) };
        Ending { has_begun: AtomicBool::new(false), wake, alarm: Mutex::new(alarm) }
    }

    /// Ends the run: every sleeper wakes.
    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
        self.alarm.lock().expect("no holder of this lock panics").take();
    }

    /// Whether nothing new is to be begun.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::SeqCst) || interrupt::signal().is_some()
    }

    /// Sleeps. False: the run ended first, or had ended before.
    pub fn sleep_until(&self, until: Instant) -> bool {
        while !self.has_begun() {
            let now = Instant::now();
            if now >= until {
                return true;
            }
            // The loop's clock bounds the wait, whatever ended it.
            match &self.wake {
                Some(wake) => drop(interrupt::wait_for(wake.as_fd(), PollFlags::IN, Some(until), Duration::ZERO)),
                None => drop(interrupt::sleep_until(until.min(now + SLICE))),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_lasts_its_time_or_until_the_end() {
        sleep_in(Ending::new(4));
        sleep_in(Ending::new(1));
    }

    fn sleep_in(ending: Ending) {
        let until = Instant::now() + Duration::from_millis(5);
        assert!(ending.sleep_until(until) && Instant::now() >= until);
        let far = Instant::now() + Duration::from_secs(3600);
        std::thread::scope(|scope| {
            let sleepers: Vec<_> = (0..3).map(|_| scope.spawn(|| ending.sleep_until(far))).collect();
            ending.begin();
            assert!(sleepers.into_iter().all(|sleeper| !sleeper.join().expect("no panic")));
        });
        assert!(ending.has_begun() && !ending.sleep_until(far));
    }
}
