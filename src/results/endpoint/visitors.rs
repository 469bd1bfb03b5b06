//! The open connections: how many there may be, which one goes when there is no room, and who is still busy.
//!
//! Hundreds of clients that say nothing must not keep the next one out, so the one that has been still for longest
//! goes. This file knows neither HTTP nor notifications.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Connections at a time.
const MOST: usize = 256;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Between requests, or in the head of one.
    Idle,
    /// In the body of a request.
    Receiving,
    /// Waiting until a notification is where it belongs: never cut off for another one's sake.
    Committing,
}

/// One connection.
#[derive(Debug)]
pub struct Visitor {
    id: u64,
    stage: AtomicU8,
    last_move: AtomicU64,
    task: OnceLock<AbortHandle>,
}

impl Visitor {
    /// What is ended when the connection has to go.
    pub fn can_be_ended_by(&self, task: AbortHandle) {
        let _ = self.task.set(task);
    }

    /// From now on the connection is in this stage.
    pub fn set(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    fn is(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Relaxed) == stage as u8
    }
}

/// All connections.
#[derive(Debug, Default)]
pub struct Visitors {
    /// Counts what happens: the time by which connections are still for longer or shorter.
    clock: AtomicU64,
    present: Mutex<HashMap<u64, Arc<Visitor>>>,
    changed: Notify,
}

impl Visitors {
    /// One more; where there is no room another one goes. `None`: all are busy with what must not be cut off.
    pub fn enter(&self) -> Option<Arc<Visitor>> {
        if self.present().len() >= MOST && !self.evict() {
            return None;
        }
        let now = self.tick();
        let visitor = Arc::new(Visitor {
            id: now,
            stage: AtomicU8::new(Stage::Idle as u8),
            last_move: AtomicU64::new(now),
            task: OnceLock::new(),
        });
        self.present().insert(now, Arc::clone(&visitor));
        Some(visitor)
    }

    /// The connection ended by itself.
    pub fn leave(&self, visitor: &Visitor) {
        self.present().remove(&visitor.id);
    }

    /// Ends the connection that has been still for longest. False: none can be ended.
    pub fn evict(&self) -> bool {
        let mut present = self.present();
        let still = present.values().filter(|visitor| !visitor.is(Stage::Committing));
        let Some(oldest) = still.min_by_key(|visitor| visitor.last_move.load(Ordering::Relaxed)) else {
            return false;
        };
        let id = oldest.id;
        if let Some(task) = oldest.task.get() {
            task.abort();
        }
        present.remove(&id);
        true
    }

    /// Marks a connection as busy with a request until the mark is dropped.
    pub fn busy<'a>(&'a self, visitor: &'a Visitor) -> impl Drop + 'a {
        struct Stay<'a>(&'a Visitors, &'a Visitor);
        impl Drop for Stay<'_> {
            fn drop(&mut self) {
                self.1.last_move.store(self.0.tick(), Ordering::Relaxed);
                self.1.set(Stage::Idle);
                self.0.changed.notify_one();
            }
        }
        visitor.last_move.store(self.tick(), Ordering::Relaxed);
        visitor.set(Stage::Receiving);
        Stay(self, visitor)
    }

    /// Whether any connection is busy with a request.
    pub fn any_busy(&self) -> bool {
        self.present().values().any(|visitor| !visitor.is(Stage::Idle))
    }

    /// Ends when a connection stops being busy; one that stopped before counts.
    pub async fn change(&self) {
        self.changed.notified().await;
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn present(&self) -> MutexGuard<'_, HashMap<u64, Arc<Visitor>>> {
        self.present.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_still_for_longest_goes() {
        let visitors = Visitors::default();
        let present: Vec<_> = (0..MOST).map(|_| visitors.enter().expect("room")).collect();
        drop(visitors.busy(&present[0]));
        present[1].set(Stage::Committing);
        visitors.enter().expect("room is made");
        let left = |n: usize| !visitors.present().contains_key(&present[n].id);
        assert!(!left(0), "it has just moved");
        assert!(!left(1), "it is not cut off");
        assert!(left(2));
        assert_eq!(visitors.present().len(), MOST);
    }

    #[test]
    fn nobody_is_let_in_while_all_are_committing() {
        let visitors = Visitors::default();
        for _ in 0..MOST {
            visitors.enter().expect("room").set(Stage::Committing);
        }
        assert!(visitors.enter().is_none());
        assert!(visitors.any_busy());
    }
}
