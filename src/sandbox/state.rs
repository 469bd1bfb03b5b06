//! What a sandbox remembers: its clock, the notification queue, the calls that count against the rate limits, and how
//! often each chat was requested.
//!
//! Instants are durations since the start, by a clock that tests can advance.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use tokio::sync::Notify;

use super::Config;

/// How long the service keeps a notification.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// The window of the rate limits: a second, less what network jitter may push two evenly paced calls together.
const RATE_WINDOW: Duration = Duration::from_millis(950);

/// State of one sandbox, shared by its connections and the webhook.
pub struct SandboxState {
    pub config: Config,
    pub api_url: String,
    started: Instant,
    started_unix: Duration,
    memory: Mutex<Memory>,
    /// Signalled when the queue or the clock has changed.
    changed: Notify,
}

#[derive(Default)]
struct Memory {
    advanced: Duration,
    /// First in, first out; ordered by `due`.
    queue: VecDeque<Queued>,
    receipts: u64,
    /// By method.
    calls: BTreeMap<&'static str, u64>,
    latest_calls: HashMap<&'static str, Vec<Duration>>,
    /// By chat.
    requests: HashMap<String, u64>,
}

struct Queued {
    due: Duration,
    /// Set when the notification is first delivered.
    receipt: Option<u64>,
    body: Bytes,
}

impl SandboxState {
    pub fn new(config: Config, api_url: String) -> SandboxState {
        SandboxState {
            config,
            api_url,
            started: Instant::now(),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            memory: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed() + self.lock().advanced
    }

    /// The same instant since 1970.
    pub fn unix(&self, at: Duration) -> Duration {
        self.started_unix + at
    }

    /// Advances the clock, by a year at most.
    pub fn advance_clock(&self, by: Duration) {
        self.lock().advanced += by.min(super::MAX_DELAY);
        self.changed.notify_waiters();
    }

    /// Runs `work` until `deadline`; `None` if the deadline came first.
    pub async fn timeout_at<T>(&self, deadline: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            // Registered before the clock is read, so that no change in between is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let left = deadline.saturating_sub(self.now());
            let mut wait = pin!(tokio::time::timeout(left, changed));
            let done = poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending => wait.as_mut().poll(context).map(|_| None),
            });
            let done = done.await;
            if done.is_some() || self.now() >= deadline {
                return done;
            }
        }
    }

    /// Waits, by the clock that tests can advance.
    pub async fn sleep(&self, duration: Duration) {
        self.timeout_at(self.now() + duration, std::future::pending::<()>()).await;
    }

    /// Queues a notification that can be received from `due` on, behind all that are due by then.
    pub fn notify(&self, due: Duration, body: impl Into<Bytes>) {
        let mut memory = self.lock();
        let at = memory.queue.partition_point(|queued| queued.due <= due);
        memory.queue.insert(at, Queued { due, receipt: None, body: body.into() });
        drop(memory);
        self.changed.notify_waiters();
    }

    /// Waits for the queue's head and returns its receipt and body: the same until it is deleted or a day old.
    pub async fn head(&self) -> (u64, Bytes) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = self.now();
            let head = self.lock().head(now);
            match head {
                Ok(head) => return head,
                Err(None) => changed.await,
                Err(Some(due)) => drop(tokio::time::timeout(due - now, changed).await),
            }
        }
    }

    /// Deletes the head if it was delivered under this receipt. Returns whether it was.
    pub fn delete(&self, receipt: u64) -> bool {
        let now = self.now();
        let mut memory = self.lock();
        memory.expire(now);
        let is_head = memory.queue.front().is_some_and(|head| head.receipt == Some(receipt));
        if is_head {
            memory.queue.pop_front();
        }
        is_head
    }

    /// Number of notifications that can be received now.
    pub fn waiting(&self) -> usize {
        let now = self.now();
        let mut memory = self.lock();
        memory.expire(now);
        memory.queue.partition_point(|queued| queued.due <= now)
    }

    /// Counts a call of a method and returns `true`, or returns `false` if the call exceeds the method's rate.
    pub fn allow(&self, method: &'static str, per_second: usize) -> bool {
        let now = self.now();
        let memory = &mut *self.lock();
        if self.config.rate_limit {
            let latest = memory.latest_calls.entry(method).or_default();
            latest.retain(|call| *call + RATE_WINDOW > now);
            if latest.len() >= per_second {
                return false;
            }
            latest.push(now);
        }
        *memory.calls.entry(method).or_default() += 1;
        true
    }

    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.lock().calls.clone()
    }

    /// Counts a request for a chat. Returns 1 for the first.
    pub fn count_request(&self, chat_id: &str) -> u64 {
        *self.lock().requests.entry(chat_id.to_owned()).and_modify(|count| *count += 1).or_insert(1)
    }
}

impl Memory {
    /// The head of the queue, or when the next notification is due.
    fn head(&mut self, now: Duration) -> Result<(u64, Bytes), Option<Duration>> {
        self.expire(now);
        let head = self.queue.front_mut().ok_or(None)?;
        if head.due > now {
            return Err(Some(head.due));
        }
        let receipt = *head.receipt.get_or_insert_with(|| {
            self.receipts += 1;
            self.receipts
        });
        Ok((receipt, head.body.clone()))
    }

    fn expire(&mut self, now: Duration) {
        while self.queue.front().is_some_and(|head| head.due + RETENTION <= now) {
            self.queue.pop_front();
        }
    }
}
