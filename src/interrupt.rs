//! SIGINT and SIGTERM: the first asks the run to end, the second ends it at once. And SIGXFSZ, which is let go by.
//!
//! Signals belong to the process, so this is the one room with state of the process. There is no thread:
//! the first signal sets a number and makes a pipe readable, and everything that waits, for the network,
//! for standard input or for time to pass, waits for that pipe too. What an interrupted run still does is
//! decided elsewhere.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::low_level;

/// How long requests in flight may go on after the first signal.
pub const GRACE: Duration = Duration::from_secs(5);

struct State {
    signal: Arc<AtomicUsize>,
    wake: OwnedFd,
    seen: OnceLock<Instant>,
}

static STATE: OnceLock<State> = OnceLock::new();

/// Takes over these signals. Before this call, and where it fails, they do what they always do.
pub fn install() -> io::Result<()> {
    if STATE.get().is_some() {
        return Ok(());
    }
    let signal = Arc::new(AtomicUsize::new(0));
    let (wake, alarm) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let seen_once = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM] {
        // Actions run in the order in which they were registered: the first signal finds the flag unset.
        signal_hook::flag::register_conditional_default(number, Arc::clone(&seen_once))?;
        signal_hook::flag::register(number, Arc::clone(&seen_once))?;
        signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize)?;
        low_level::pipe::register(number, alarm.try_clone()?)?;
    }
    // A limit on the size of files (`ulimit -f`) is then an error of the write, as a full disk is.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let _ = STATE.set(State { signal, wake, seen: OnceLock::new() });
    Ok(())
}

/// The signal that asked the run to end, if one did.
pub fn signal() -> Option<i32> {
    let number = STATE.get()?.signal.load(Ordering::SeqCst);
    (number != 0).then_some(number as i32)
}

/// When requests in flight are cut off: five seconds after the signal was first noticed.
pub fn cut_off() -> Option<Instant> {
    signal()?;
    let state = STATE.get()?;
    Some(*state.seen.get_or_init(Instant::now) + GRACE)
}

thread_local! {
    /// Within [`expendable`]: when its work is cut off, if there is such a time.
    static EXPENDABLE: Cell<Option<Option<Instant>>> = const { Cell::new(None) };
}

/// Does work that may be cut off without loss, such as waiting for news: whatever it waits for on this thread, the
/// wait ends at the signal, without the grace that other requests have, and at `until`.
pub fn expendable<T>(until: Option<Instant>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Option<Instant>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            EXPENDABLE.set(self.0);
        }
    }
    let _restore = Restore(EXPENDABLE.replace(Some(until)));
    work()
}

/// A descriptor that is readable from the first signal on; `None` where signals were not taken over.
pub fn wake() -> Option<BorrowedFd<'static>> {
    STATE.get().map(|state| state.wake.as_fd())
}

/// Waits until `fd` is ready for `flags`, the deadline is over, or the run is interrupted. True: ready.
///
/// An interruption ends the wait only after `grace`: at once where it is zero, and no later than [`cut_off`] otherwise.
pub fn wait_for(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Option<Instant>, grace: Duration) -> io::Result<bool> {
    let (deadline, grace) = match EXPENDABLE.get() {
        Some(until) => (deadline.into_iter().chain(until).min(), Duration::ZERO),
        None => (deadline, grace),
    };
    loop {
        let cut = cut_off().map(|cut| cut - (GRACE - grace));
        let until = match (deadline, cut) {
            (Some(deadline), Some(cut)) => Some(deadline.min(cut)),
            (deadline, cut) => deadline.or(cut),
        };
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            return Ok(false);
        }
        let wait = until.map(|until| timespec(until - now));
        // After the signal the pipe stays readable: it would end every wait at once, so only `fd` is waited for.
        let wake = STATE.get().filter(|_| cut.is_none()).map(|state| state.wake.as_fd());
        let mut both =
            [PollFd::from_borrowed_fd(fd, flags), PollFd::from_borrowed_fd(wake.unwrap_or(fd), PollFlags::IN)];
        let polled = if wake.is_some() { &mut both[..] } else { &mut both[..1] };
        match poll(polled, wait.as_ref()) {
            Ok(_) if !both[0].revents().is_empty() => return Ok(true),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether `fd` is ready at this moment, whatever has come.
pub fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Sleeps until the instant. False: a signal came first, or had come before.
pub fn sleep_until(until: Instant) -> bool {
    loop {
        if signal().is_some() {
            return false;
        }
        let now = Instant::now();
        if now >= until {
            return true;
        }
        let Some(state) = STATE.get() else {
            std::thread::sleep(until - now);
            return true;
        };
        let mut wake = [PollFd::new(&state.wake, PollFlags::IN)];
        // An error but EINTR cannot come from one valid descriptor; the loop's clock bounds the wait anyhow.
        let _ = poll(&mut wake, Some(&timespec(until - now)));
    }
}

/// Dies by the signal that came, so that a shell, a loop around us and systemd see what happened.
pub fn die(signal: i32) -> ! {
    let _ = low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

fn timespec(duration: Duration) -> Timespec {
    // One nanosecond too long rather than too short: a wait that ends early would spin.
    Timespec::try_from(duration + Duration::from_nanos(1)).unwrap_or(Timespec { tv_sec: i32::MAX.into(), tv_nsec: 0 })
}
