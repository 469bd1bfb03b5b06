//! SIGINT and SIGTERM: one flag, one way to sleep, and a cut-off five seconds after the signal.
//!
//! The first signal asks the run to end, a second one ends the process at once. A run checks the flag before each
//! request and in every pause. A thread ends the process after the cut-off, also if an open, a connect or a write still
//! blocks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Kind};
use crate::platform;
pub use crate::platform::die;

/// How long requests in flight may go on after the first signal.
pub const GRACE: Duration = Duration::from_secs(5);
/// The longest sleep without a check of the flag.
pub const SLICE: Duration = Duration::from_millis(50);
/// The time after the cut-off in which a run writes its last results.
const LINGER: Duration = Duration::from_millis(1500);

/// The number of the signal that came; 0: none.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// When the signal was noticed.
static NOTICED: OnceLock<Instant> = OnceLock::new();
/// What the watching thread does at the first signal.
static ACTIONS: Mutex<Vec<Box<dyn FnOnce() + Send>>> = Mutex::new(Vec::new());
/// Whether the process may outlive the cut-off.
static IS_PATIENT: AtomicBool = AtomicBool::new(false);

/// Takes over SIGINT and SIGTERM, once, for the whole process. Fails if no thread can be started.
pub fn install() -> Result<(), Failure> {
    platform::take_over_signals(&SIGNAL);
    let watcher = thread::Builder::new().name("signals".into()).stack_size(64 * 1024);
    watcher.spawn(watch).map(drop).map_err(Failure::no_thread)
}

/// Runs the actions at the signal, and ends the process if it still runs after the cut-off.
fn watch() {
    let signal = loop {
        match signal() {
            Some(signal) => break signal,
            // Longer than other sleeps: this thread wakes up in every run, also in one that only waits.
            None => thread::sleep(2 * SLICE),
        }
    };
    let end = cut_off().map_or_else(Instant::now, |cut_off| cut_off + LINGER);
    let actions = std::mem::take(&mut *ACTIONS.lock().expect("no action is registered in a panic"));
    actions.into_iter().for_each(|action| action());
    thread::sleep(end.saturating_duration_since(Instant::now()));
    if !IS_PATIENT.load(Ordering::SeqCst) {
        die(signal);
    }
}

/// The signal that asked the run to end, if one did.
pub fn signal() -> Option<i32> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => None,
        signal => Some(signal as i32),
    }
}

/// When requests in flight are cut off: [`GRACE`] after the signal was first noticed.
pub fn cut_off() -> Option<Instant> {
    signal()?;
    Some(*NOTICED.get_or_init(Instant::now) + GRACE)
}

/// Registers something to do at the first signal, from another thread, such as shutting down a long poll.
pub fn on_signal(action: impl FnOnce() + Send + 'static) {
    ACTIONS.lock().expect("no action is registered in a panic").push(Box::new(action));
}

/// Lets the process outlive the cut-off: it waits for another process that has the signal too.
pub fn be_patient() {
    IS_PATIENT.store(true, Ordering::SeqCst);
}

/// Whether a run must end before its work is done, because of a failure or a signal.
#[derive(Debug, Default)]
pub struct StopFlag {
    is_set: AtomicBool,
    reason: OnceLock<(Kind, String)>,
}

impl StopFlag {
    /// Asks the run to end.
    pub fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
    }

    /// Asks the run to end because of a failure.
    pub fn set_because(&self, failure: &Failure) {
        let _ = self.reason.set((failure.kind, failure.message()));
        self.set();
    }

    /// The kind and the message of the first failure that ended the run.
    pub fn reason(&self) -> Option<&(Kind, String)> {
        self.reason.get()
    }

    /// Whether nothing new may be started.
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst) || signal().is_some()
    }

    /// Sleeps until `until`. Returns `false` as soon as the flag is set.
    pub fn sleep_until(&self, until: Instant) -> bool {
        loop {
            if self.is_set() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(SLICE));
        }
    }

    /// Sleeps for `pause`. Returns `false` as soon as the flag is set.
    pub fn sleep(&self, pause: Duration) -> bool {
        self.sleep_until(Instant::now() + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_lasts_its_time_or_until_the_flag_is_set() {
        let stop = StopFlag::default();
        let began = Instant::now();
        assert!(stop.sleep(Duration::from_millis(5)) && began.elapsed() >= Duration::from_millis(5));
        thread::scope(|scope| {
            let sleepers: Vec<_> = (0..3).map(|_| scope.spawn(|| stop.sleep(Duration::from_secs(3600)))).collect();
            stop.set();
            assert!(sleepers.into_iter().all(|sleeper| !sleeper.join().expect("no panic")));
        });
        assert!(stop.is_set() && !stop.sleep(Duration::ZERO));
    }
}
