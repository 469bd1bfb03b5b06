//! The instance's notification queue: first in, first out, the same head until it is deleted, kept for a day.
//! Results that are still on their way wait here too. Instants are durations since the sandbox started, and come from outside:
//! nothing here knows a clock or waits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::notification::{AvatarInfo, Notification};

/// How long the service keeps a notification.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// What waits to be received, and what is on its way.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// By the instant at which each arrives; the number tells two of one instant apart.
    on_its_way: BTreeMap<(Duration, u64), AvatarInfo>,
    scheduled: u64,
    receipts: u64,
}

struct Waiting {
    receipt: u64,
    since: Duration,
    handed_out: bool,
    notification: Notification,
}

impl Queue {
    /// Lets a result arrive at `due`.
    pub fn schedule(&mut self, due: Duration, result: AvatarInfo) {
        self.scheduled += 1;
        self.on_its_way.insert((due, self.scheduled), result);
    }

    /// Puts a notification behind all that have arrived by `now`, and says under which receipt.
    pub fn push(&mut self, notification: Notification, now: Duration) -> u64 {
        self.settle(now);
        self.append(notification, now)
    }

    /// The notification that has waited longest, and its receipt: the same one until it is deleted or a day old.
    pub fn head(&mut self, now: Duration) -> Option<(u64, &Notification)> {
        self.settle(now);
        let head = self.waiting.front_mut()?;
        head.handed_out = true;
        Some((head.receipt, &head.notification))
    }

    /// Deletes what was handed out under this receipt. False if there is no such thing, or no longer.
    pub fn delete(&mut self, receipt: u64, now: Duration) -> bool {
        self.settle(now);
        let known = self.waiting.front().is_some_and(|head| head.handed_out && head.receipt == receipt);
        if known {
            self.waiting.pop_front();
        }
        known
    }

    /// When the next result arrives that is on its way.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.on_its_way.keys().next().map(|(due, _)| *due)
    }

    /// How many wait, and how many are on their way.
    pub fn count(&mut self, now: Duration) -> (usize, usize) {
        self.settle(now);
        (self.waiting.len(), self.on_its_way.len())
    }

    /// Lets arrive what is due, and forgets what is too old.
    fn settle(&mut self, now: Duration) {
        while let Some(next) = self.on_its_way.first_entry() {
            let due = next.key().0;
            if due > now {
                break;
            }
            let result = next.remove();
            self.append(Notification::AvatarInfo(result), due);
        }
        while self.waiting.front().is_some_and(|head| head.since + RETENTION <= now) {
            self.waiting.pop_front();
        }
    }

    fn append(&mut self, notification: Notification, since: Duration) -> u64 {
        self.receipts += 1;
        self.waiting.push_back(Waiting { receipt: self.receipts, since, handed_out: false, notification });
        self.receipts
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Verdict;
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn result(chat_id: &str) -> AvatarInfo {
        AvatarInfo { chat_id: chat_id.into(), verdict: Verdict::Found, timestamp: 0 }
    }

    fn raw(text: &str) -> Notification {
        Notification::Raw(text.as_bytes().into())
    }

    fn head(queue: &mut Queue, now: Duration) -> Option<(u64, String)> {
        queue.head(now).map(|(receipt, notification)| match notification {
            Notification::AvatarInfo(result) => (receipt, result.chat_id.to_string()),
            Notification::Raw(bytes) => (receipt, String::from_utf8_lossy(bytes).into_owned()),
        })
    }

    #[test]
    fn the_same_head_comes_back_until_it_is_deleted() {
        let mut queue = Queue::default();
        queue.push(raw("a"), at(0));
        queue.push(raw("b"), at(0));
        assert_eq!(head(&mut queue, at(1)), Some((1, "a".to_owned())));
        assert_eq!(head(&mut queue, at(2)), Some((1, "a".to_owned())));
        assert!(queue.delete(1, at(2)));
        assert!(!queue.delete(1, at(2)));
        assert_eq!(head(&mut queue, at(3)), Some((2, "b".to_owned())));
    }

    #[test]
    fn a_receipt_that_was_not_handed_out_deletes_nothing() {
        let mut queue = Queue::default();
        queue.push(raw("a"), at(0));
        queue.push(raw("b"), at(0));
        assert!(!queue.delete(1, at(0)));
        assert!(queue.head(at(0)).is_some());
        assert!(!queue.delete(2, at(0)));
        assert_eq!(queue.count(at(0)), (2, 0));
    }

    #[test]
    fn a_result_arrives_when_it_is_due_and_not_before() {
        let mut queue = Queue::default();
        queue.schedule(at(9), result("late"));
        queue.schedule(at(5), result("early"));
        assert_eq!(queue.next_arrival(), Some(at(5)));
        assert_eq!(head(&mut queue, at(4)), None);
        queue.push(raw("between"), at(7));
        for (receipt, chat_id) in [(1, "early"), (2, "between"), (3, "late")] {
            assert_eq!(head(&mut queue, at(9)), Some((receipt, chat_id.to_owned())));
            assert!(queue.delete(receipt, at(9)));
        }
    }

    #[test]
    fn a_notification_is_kept_for_a_day() {
        let mut queue = Queue::default();
        queue.push(raw("a"), at(0));
        queue.push(raw("b"), at(10));
        assert_eq!(head(&mut queue, RETENTION - at(1)), Some((1, "a".to_owned())));
        assert_eq!(head(&mut queue, RETENTION), Some((2, "b".to_owned())));
        assert!(!queue.delete(1, RETENTION));
        assert_eq!(head(&mut queue, RETENTION + at(10)), None);
    }
}
