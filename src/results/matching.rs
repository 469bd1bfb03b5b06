//! Which request a result answers: chats that were asked for, each with the time of its request and its deadline.
//!
//! There is no request id, so the chat id decides, and the timestamp tells a result that was in the queue before.
//! Pure arithmetic: time comes in as arguments, and nothing is read, printed or slept for here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use crate::chat_id::{ChatId, ChatKey, Rule};
use crate::greenapi::messages::AvatarInfo;

/// How many seconds a result may be older than its request: clocks differ a little. Where the service's clock is
/// more than this ahead, an older result passes for a new one; where it is more behind, a new one counts as stale.
const SLACK: i64 = 5;

/// What a result is to the chats that are waited for.
#[derive(Debug, PartialEq, Eq)]
pub enum Fit {
    /// It answers this chat, which is not waited for any more.
    Answers(ChatId),
    /// It is of a chat that is waited for, but from before the request.
    Stale,
    /// Nobody waits for it: another chat, or a person who was asked for by number and answers as `@lid`.
    Stranger,
}

/// The chats that are waited for.
#[derive(Debug, Default)]
pub struct Waiting {
    chats: HashMap<ChatKey, Asked>,
    /// Deadlines, the nearest first; of a chat that is gone or got another one the entry is void.
    deadlines: BinaryHeap<Reverse<(Instant, ChatKey)>>,
}

#[derive(Debug)]
struct Asked {
    chat: ChatId,
    requested_at: i64,
    deadline: Option<Instant>,
}

impl Waiting {
    /// The chat is about to be asked for, at this Unix second: its result may come before the answer to the request.
    pub fn ask(&mut self, chat: ChatId, requested_at: i64) {
        self.chats.insert(chat.key(), Asked { chat, requested_at, deadline: None });
    }

    /// The request was taken: the chat is waited for until the deadline, unless its result has come meanwhile.
    pub fn accept(&mut self, chat: &ChatId, deadline: Instant) {
        if let Some(asked) = self.chats.get_mut(&chat.key()) {
            asked.deadline = Some(deadline);
            self.deadlines.push(Reverse((deadline, chat.key())));
        }
    }

    /// Whether the chat is waited for.
    pub fn has(&self, chat: &ChatId) -> bool {
        self.chats.contains_key(&chat.key())
    }

    /// The request failed: nothing is waited for. False: nothing was any more.
    pub fn withdraw(&mut self, chat: &ChatId) -> bool {
        self.chats.remove(&chat.key()).is_some()
    }

    /// What a result is to the chats that are waited for.
    pub fn offer(&mut self, info: &AvatarInfo) -> Fit {
        let Ok(chat) = ChatId::parse(&info.chat_id, Rule::Lenient) else {
            return Fit::Stranger;
        };
        let Some(asked) = self.chats.get(&chat.key()) else {
            return Fit::Stranger;
        };
        if info.timestamp.is_some_and(|timestamp| timestamp.saturating_add(SLACK) < asked.requested_at) {
            return Fit::Stale;
        }
        self.chats.remove(&chat.key());
        Fit::Answers(chat)
    }

    /// Takes out the chats whose deadline is over, the earliest first.
    pub fn expired(&mut self, now: Instant) -> impl Iterator<Item = ChatId> {
        std::iter::from_fn(move || {
            self.drop_void();
            let &Reverse((deadline, key)) = self.deadlines.peek()?;
            if deadline > now {
                return None;
            }
            self.chats.remove(&key).map(|asked| asked.chat)
        })
    }

    /// The nearest deadline.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.drop_void();
        self.deadlines.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Takes out every chat that is still waited for, in no order: the run ends.
    pub fn give_up(&mut self) -> impl Iterator<Item = ChatId> {
        self.deadlines.clear();
        self.chats.drain().map(|(_, asked)| asked.chat)
    }

    /// How many chats are waited for.
    pub fn len(&self) -> usize {
        self.chats.len()
    }

    /// Whether everything is answered.
    pub fn is_empty(&self) -> bool {
        self.chats.is_empty()
    }

    fn drop_void(&mut self) {
        while let Some(Reverse((deadline, key))) = self.deadlines.peek() {
            if self.chats.get(key).is_some_and(|asked| asked.deadline == Some(*deadline)) {
                break;
            }
            self.deadlines.pop();
        }
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

    const ANNA: u64 = 11_001_234_567;
    const BORIS: u64 = 11_001_234_568;

    #[test]
    fn a_result_answers_its_chat_once() {
        let mut waiting = Waiting::default();
        waiting.ask(chat(ANNA), 1_000);
        assert_eq!(waiting.offer(&result("11001234567@c.us", Some(1_000))), Fit::Answers(chat(ANNA)));
        assert!(waiting.is_empty());
        assert_eq!(waiting.offer(&result("11001234567@c.us", Some(1_000))), Fit::Stranger);
    }

    #[test]
    fn a_result_over_five_seconds_older_than_the_request_answers_nothing() {
        let mut waiting = Waiting::default();
        waiting.ask(chat(ANNA), 1_000);
        assert_eq!(waiting.offer(&result("11001234567@c.us", Some(994))), Fit::Stale);
        assert_eq!(waiting.offer(&result("11001234567@c.us", Some(i64::MIN))), Fit::Stale);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting.offer(&result("11001234567@c.us", Some(995))), Fit::Answers(chat(ANNA)));
    }

    #[test]
    fn a_result_without_a_timestamp_answers() {
        let mut waiting = Waiting::default();
        waiting.ask(chat(ANNA), 1_000);
        assert_eq!(waiting.offer(&result("11001234567@c.us", None)), Fit::Answers(chat(ANNA)));
    }

    #[test]
    fn other_chats_lids_and_odd_ids_are_strangers() {
        let mut waiting = Waiting::default();
        waiting.ask(chat(ANNA), 1_000);
        for id in ["11001234568@c.us", "11001234567@lid", "11001234567@g.us", "status@broadcast", ""] {
            assert_eq!(waiting.offer(&result(id, Some(1))), Fit::Stranger, "{id}");
        }
        assert_eq!(waiting.len(), 1);
    }

    #[test]
    fn each_chat_expires_at_its_own_deadline() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        for (number, seconds) in [(ANNA, 20), (BORIS, 10)] {
            waiting.ask(chat(number), 0);
            waiting.accept(&chat(number), at(seconds));
        }
        assert_eq!(waiting.next_deadline(), Some(at(10)));
        assert_eq!(waiting.expired(at(9)).count(), 0);
        assert_eq!(waiting.expired(at(10)).collect::<Vec<_>>(), [chat(BORIS)]);
        assert_eq!(waiting.next_deadline(), Some(at(20)));
        assert_eq!(waiting.offer(&result("11001234567@c.us", None)), Fit::Answers(chat(ANNA)));
        assert_eq!(waiting.next_deadline(), None);
        assert_eq!(waiting.expired(at(99)).count(), 0);
    }

    #[test]
    fn a_result_that_overtakes_the_acceptance_leaves_no_deadline() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.ask(chat(ANNA), 0);
        assert_eq!(waiting.next_deadline(), None);
        assert_eq!(waiting.offer(&result("11001234567@c.us", None)), Fit::Answers(chat(ANNA)));
        waiting.accept(&chat(ANNA), now);
        assert_eq!(waiting.expired(now).count(), 0);
    }

    #[test]
    fn a_chat_that_is_asked_again_has_its_newer_deadline_alone() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.ask(chat(ANNA), 0);
        waiting.accept(&chat(ANNA), now);
        waiting.ask(chat(ANNA), 1);
        waiting.accept(&chat(ANNA), now + Duration::from_secs(1));
        assert_eq!(waiting.expired(now).count(), 0);
        assert_eq!(waiting.expired(now + Duration::from_secs(1)).collect::<Vec<_>>(), [chat(ANNA)]);
    }

    #[test]
    fn what_failed_or_is_given_up_is_not_waited_for() {
        let mut waiting = Waiting::default();
        waiting.ask(chat(ANNA), 0);
        waiting.withdraw(&chat(ANNA));
        assert!(waiting.is_empty());
        waiting.ask(chat(BORIS), 0);
        assert_eq!(waiting.give_up().collect::<Vec<_>>(), [chat(BORIS)]);
        assert!(waiting.is_empty());
    }
}
