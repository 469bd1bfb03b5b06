//! The make-believe instance: its options, its clock and what it remembers. One lock around the memory, never held while
//! something waits. Knows nothing of HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use super::journal::Journal;
use super::limits::Limits;
use super::notification::{AvatarInfo, Notification};
use super::queue::Queue;
use super::route::Method;
use super::scenario::Verdict;
use super::{Options, signature};

/// Chats that are remembered half-way through failing twice. Past that all are forgotten, and fail twice once more.
const FAILING: usize = 100_000;

/// Everything that one sandbox is.
pub struct Instance {
    /// What it was told to be.
    pub options: Options,
    /// Where it is reached, as pictures' URLs begin.
    pub api_url: String,
    started: Instant,
    started_unix: Duration,
    turned_ms: AtomicU64,
    memory: Mutex<Memory>,
    /// Rings when the queue has changed or the clock was turned.
    bell: Notify,
}

/// What it remembers.
pub struct Memory {
    /// Its notifications.
    pub queue: Queue,
    /// When what was called.
    pub limits: Limits,
    /// What was received.
    pub journal: Journal,
    failed: HashMap<(Method, Box<str>), u8>,
    chance: Option<fastrand::Rng>,
}

impl Instance {
    /// A fresh one.
    pub fn new(options: Options, api_url: String) -> Instance {
        let memory = Memory {
            queue: Queue::default(),
            limits: Limits::new(),
            journal: Journal::default(),
            failed: HashMap::new(),
            chance: options.seed.map(fastrand::Rng::with_seed),
        };
        Instance {
            options,
            api_url,
            started: Instant::now(),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            turned_ms: AtomicU64::new(0),
            memory: Mutex::new(memory),
            bell: Notify::new(),
        }
    }

    /// Looks into its memory. A closure, so that the lock cannot be held by accident: not over an `await`, not in a `match`.
    pub fn memory<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Time since the start, by the clock that tests can turn.
    pub fn now(&self) -> Duration {
        self.started.elapsed() + Duration::from_millis(self.turned_ms.load(Ordering::Relaxed))
    }

    /// The same instant since 1970.
    pub fn unix(&self, at: Duration) -> Duration {
        self.started_unix + at
    }

    /// Turns the clock.
    pub fn advance(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let turn = |turned: u64| Some(turned.saturating_add(ms).min(MOST_TURNED_MS));
        // Never an error: the closure always gives a value.
        let _ = self.turned_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, turn);
        self.bell.notify_waiters();
    }

    /// Wakes everybody who waits for the queue.
    pub fn ring(&self) {
        self.bell.notify_waiters();
    }

    /// Asks `ready` now and whenever something has changed, until it gives something or `deadline` (none: for ever) has passed.
    /// `ready` also says when it wants to be asked again.
    pub async fn wait_for<T>(
        &self,
        deadline: Option<Duration>,
        mut ready: impl FnMut(&mut Memory, Duration) -> Result<T, Option<Duration>>,
    ) -> Option<T> {
        loop {
            // Listen first, look then: what happens in between is not missed.
            let mut rung = std::pin::pin!(self.bell.notified());
            rung.as_mut().enable();
            let now = self.now();
            let again = match self.memory(|memory| ready(memory, now)) {
                Ok(value) => return Some(value),
                Err(again) => again,
            };
            if deadline.is_some_and(|deadline| deadline <= now) {
                return None;
            }
            match [deadline, again].into_iter().flatten().min() {
                // Rung or not: look again.
                Some(until) => drop(tokio::time::timeout(until.saturating_sub(now), rung).await),
                None => rung.await,
            }
        }
    }

    /// Waits until `deadline`, by the clock that tests can turn.
    pub async fn sleep_until(&self, deadline: Duration) {
        self.wait_for::<()>(Some(deadline), |_, _| Err(None)).await;
    }

    /// Lets a result arrive after the delay, `copies` times.
    pub fn schedule(&self, chat_id: &str, verdict: Verdict, copies: usize) {
        self.memory(|memory| {
            let delay = match &mut memory.chance {
                Some(chance) => self.options.delay.mul_f64(0.5 + chance.f64()),
                None => self.options.delay,
            };
            let due = self.now() + delay;
            let timestamp = self.unix(due).as_secs();
            for _ in 0..copies {
                let result = AvatarInfo { chat_id: chat_id.into(), verdict, timestamp };
                memory.queue.schedule(due, result);
            }
        });
        self.ring();
    }

    /// The JSON of a notification, the same however often it is delivered.
    pub fn write(&self, notification: &Notification) -> Vec<u8> {
        match notification {
            Notification::Raw(bytes) => bytes.to_vec(),
            Notification::AvatarInfo(result) => {
                let picture = || signature::url(&self.api_url, &result.chat_id, result.timestamp);
                result.to_json(&self.options.id_instance, picture).into_bytes()
            }
        }
    }

    /// Where a chat's picture is.
    pub fn picture_url(&self, chat_id: &str, now: Duration) -> String {
        signature::url(&self.api_url, chat_id, self.unix(now).as_secs())
    }
}

impl Memory {
    /// Whether this call for a chat that fails twice is one of the two. After the good one the count starts again.
    pub fn fails(&mut self, method: Method, chat_id: &str) -> bool {
        if self.failed.len() >= FAILING {
            self.failed.clear();
        }
        let key = (method, chat_id.into());
        let count = self.failed.entry(key.clone()).or_default();
        *count += 1;
        let fails = *count <= 2;
        if !fails {
            self.failed.remove(&key);
        }
        fails
    }
}

/// A hundred years: far enough for every test, near enough that no sum of instants overflows.
const MOST_TURNED_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
