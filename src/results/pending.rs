//! Which request a result answers: the chats that were requested, each with the time of its request and its deadline.
//!
//! There is no request id, so the chat id decides, and the timestamp shows whether a result is from before the request.
//! The time is an argument; nothing is read, printed or slept for here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use crate::chat_id::{ChatId, ChatKey, Rule};
use crate::greenapi::notification::AvatarInfo;

/// How many seconds a result may be older than its request: clocks differ a little. If the service's clock is more
/// than this ahead, an older result passes for a new one; if it is more behind, a new one counts as stale.
const SLACK: i64 = 5;

/// What a result is to the pending chats.
#[derive(Debug, PartialEq, Eq)]
pub enum Match {
    /// It answers this chat, which is no longer pending.
    Answer(ChatId),
    /// Its chat is pending, but it is from before the request.
    Stale,
    /// Its chat is not pending: another chat, or a person who was requested by number and answers as `@lid`.
    Unmatched,
}

#[derive(Debug, Default)]
pub struct PendingRequests {
    chats: HashMap<ChatKey, Request>,
    /// Min-heap of deadlines. Entries of removed or re-queued chats are skipped.
    deadlines: BinaryHeap<Reverse<(Instant, ChatKey)>>,
    last_deadline: Option<Instant>,
    /// The chat whose result came last, until its line is about to be printed.
    answered: Option<ChatId>,
}

#[derive(Debug)]
struct Request {
    chat: ChatId,
    requested_at: i64,
    deadline: Option<Instant>,
}

impl PendingRequests {
    /// Adds a chat that is about to be requested, at this Unix second: its result may arrive before the response.
    pub fn insert(&mut self, chat: ChatId, requested_at: i64) {
        self.chats.insert(chat.key(), Request { chat, requested_at, deadline: None });
    }

    /// Sets the deadline of a chat whose request was accepted, unless its result has already arrived.
    pub fn accept(&mut self, chat: &ChatId, deadline: Instant) {
        if let Some(request) = self.chats.get_mut(&chat.key()) {
            request.deadline = Some(deadline);
            self.last_deadline = Some(deadline);
            self.deadlines.push(Reverse((deadline, chat.key())));
        }
    }

    pub fn contains(&self, chat: &ChatId) -> bool {
        self.chats.contains_key(&chat.key())
    }

    /// Removes a chat whose request failed. Returns `false` if it was not pending.
    pub fn remove(&mut self, chat: &ChatId) -> bool {
        self.chats.remove(&chat.key()).is_some()
    }

    /// Finds what a result is. The chat that it answers is removed, and kept for [`PendingRequests::take_answered`].
    pub fn match_result(&mut self, info: &AvatarInfo) -> Match {
        let Ok(chat) = ChatId::parse(&info.chat_id, Rule::Lenient) else {
            return Match::Unmatched;
        };
        let Some(request) = self.chats.get(&chat.key()) else {
            return Match::Unmatched;
        };
        if info.timestamp.is_some_and(|timestamp| timestamp.saturating_add(SLACK) < request.requested_at) {
            return Match::Stale;
        }
        // The one that was requested: it has its name.
        self.answered = self.chats.remove(&chat.key()).map(|request| request.chat);
        self.answered.clone().map_or(Match::Unmatched, Match::Answer)
    }

    /// Takes the chat that the last result answered. `None`: [`PendingRequests::drain`] came first.
    pub fn take_answered(&mut self) -> Option<ChatId> {
        self.answered.take()
    }

    /// Removes the chats whose deadline is over, the earliest first.
    pub fn expired(&mut self, now: Instant) -> impl Iterator<Item = ChatId> {
        std::iter::from_fn(move || {
            if self.next_deadline()? > now {
                return None;
            }
            let Reverse((_, key)) = self.deadlines.pop()?;
            self.chats.remove(&key).map(|request| request.chat)
        })
    }

    pub fn next_deadline(&mut self) -> Option<Instant> {
        loop {
            let &Reverse((deadline, key)) = self.deadlines.peek()?;
            if self.chats.get(&key).is_some_and(|request| request.deadline == Some(deadline)) {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
    }

    pub fn count(&self) -> usize {
        self.chats.len()
    }

    /// The last deadline that was set: no other one is later.
    pub fn last_deadline(&self) -> Option<Instant> {
        self.last_deadline
    }

    /// Removes every chat without a line, in no order.
    pub fn drain(&mut self) -> impl Iterator<Item = ChatId> {
        self.deadlines.clear();
        self.answered.take().into_iter().chain(self.chats.drain().map(|(_, request)| request.chat))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn chat(number: u64) -> ChatId {
        ChatId::parse(&format!("{number}@c.us"), Rule::Strict).expect("a chat id")
    }

    fn result(chat: &str, timestamp: Option<i64>) -> AvatarInfo {
        AvatarInfo { chat_id: chat.into(), timestamp, ..AvatarInfo::default() }
    }

    const FIRST: u64 = 11_001_234_567;
    const SECOND: u64 = 11_001_234_568;

    #[test]
    fn a_result_answers_its_chat_once() {
        let mut pending = PendingRequests::default();
        pending.insert(chat(FIRST), 1_000);
        assert_eq!(pending.match_result(&result("11001234567@c.us", Some(1_000))), Match::Answer(chat(FIRST)));
        assert!(pending.chats.is_empty());
        assert_eq!(pending.match_result(&result("11001234567@c.us", Some(1_000))), Match::Unmatched);
    }

    #[test]
    fn a_result_over_five_seconds_older_than_the_request_answers_nothing() {
        let mut pending = PendingRequests::default();
        pending.insert(chat(FIRST), 1_000);
        assert_eq!(pending.match_result(&result("11001234567@c.us", Some(994))), Match::Stale);
        assert_eq!(pending.match_result(&result("11001234567@c.us", Some(i64::MIN))), Match::Stale);
        assert_eq!(pending.chats.len(), 1);
        assert_eq!(pending.match_result(&result("11001234567@c.us", Some(995))), Match::Answer(chat(FIRST)));
    }

    #[test]
    fn a_result_without_a_timestamp_answers() {
        let mut pending = PendingRequests::default();
        pending.insert(chat(FIRST), 1_000);
        assert_eq!(pending.match_result(&result("11001234567@c.us", None)), Match::Answer(chat(FIRST)));
    }

    #[test]
    fn other_chats_lids_and_odd_ids_are_unmatched() {
        let mut pending = PendingRequests::default();
        pending.insert(chat(FIRST), 1_000);
        for id in ["11001234568@c.us", "11001234567@lid", "11001234567@g.us", "status@broadcast", ""] {
            assert_eq!(pending.match_result(&result(id, Some(1))), Match::Unmatched, "{id}");
        }
        assert_eq!(pending.chats.len(), 1);
    }

    #[test]
    fn each_chat_expires_at_its_own_deadline() {
        let (mut pending, now) = (PendingRequests::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        for (number, seconds) in [(FIRST, 20), (SECOND, 10)] {
            pending.insert(chat(number), 0);
            pending.accept(&chat(number), at(seconds));
        }
        assert_eq!(pending.next_deadline(), Some(at(10)));
        assert_eq!(pending.expired(at(9)).count(), 0);
        assert_eq!(pending.expired(at(10)).collect::<Vec<_>>(), [chat(SECOND)]);
        assert_eq!(pending.next_deadline(), Some(at(20)));
        assert_eq!(pending.match_result(&result("11001234567@c.us", None)), Match::Answer(chat(FIRST)));
        assert_eq!(pending.next_deadline(), None);
        assert_eq!(pending.expired(at(99)).count(), 0);
    }

    #[test]
    fn a_result_before_the_acceptance_leaves_no_deadline() {
        let (mut pending, now) = (PendingRequests::default(), Instant::now());
        pending.insert(chat(FIRST), 0);
        assert_eq!(pending.next_deadline(), None);
        assert_eq!(pending.match_result(&result("11001234567@c.us", None)), Match::Answer(chat(FIRST)));
        pending.accept(&chat(FIRST), now);
        assert_eq!(pending.expired(now).count(), 0);
    }

    #[test]
    fn a_chat_that_is_requested_again_has_only_its_newer_deadline() {
        let (mut pending, now) = (PendingRequests::default(), Instant::now());
        pending.insert(chat(FIRST), 0);
        pending.accept(&chat(FIRST), now);
        pending.insert(chat(FIRST), 1);
        pending.accept(&chat(FIRST), now + Duration::from_secs(1));
        assert_eq!(pending.expired(now).count(), 0);
        assert_eq!(pending.expired(now + Duration::from_secs(1)).collect::<Vec<_>>(), [chat(FIRST)]);
    }

    #[test]
    fn removed_and_drained_chats_are_not_pending() {
        let mut pending = PendingRequests::default();
        pending.insert(chat(FIRST), 0);
        pending.remove(&chat(FIRST));
        assert!(pending.chats.is_empty());
        pending.insert(chat(SECOND), 0);
        assert_eq!(pending.drain().collect::<Vec<_>>(), [chat(SECOND)]);
        assert!(pending.chats.is_empty());
    }

    #[test]
    fn an_answered_chat_is_either_taken_or_drained() {
        let mut pending = PendingRequests::default();
        for is_taken in [true, false] {
            pending.insert(chat(FIRST), 0);
            assert_eq!(pending.match_result(&result("11001234567@c.us", None)), Match::Answer(chat(FIRST)));
            let taken = if is_taken { pending.take_answered() } else { None };
            assert_eq!(taken.is_some(), is_taken);
            assert_eq!(pending.drain().count(), usize::from(!is_taken));
            assert_eq!(pending.take_answered(), None);
        }
    }
}
