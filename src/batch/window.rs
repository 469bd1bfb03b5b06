//! The last chats of a list without a journal, so that a duplicate is sent once, in a MiB and a half.
//!
//! A ring of keys and a table of chains into it: std's set keeps its keys a second time and doubles while it grows,
//! which took more memory than everything else in a long run.

use std::hash::{BuildHasher, RandomState};

use crate::chat_id::ChatKey;

/// How far back a duplicate is noticed.
pub const WINDOW: usize = 65_536;

/// The last [`WINDOW`] chats.
#[derive(Debug, Default)]
pub struct Window {
    /// A ring, once it is full.
    keys: Vec<ChatKey>,
    /// The slot of the oldest key.
    oldest: usize,
    /// For each bucket its first slot, counted from 1; 0: none.
    heads: Vec<u32>,
    /// For each slot the next one of the same bucket, likewise.
    next: Vec<u32>,
    hasher: RandomState,
}

impl Window {
    /// True where the chat is not among them; it is afterwards.
    pub fn meet(&mut self, key: ChatKey) -> bool {
        if self.has(key) {
            return false;
        }
        if self.keys.len() == WINDOW {
            let slot = self.oldest;
            self.oldest = (slot + 1) % WINDOW;
            self.unlink(slot);
            self.keys[slot] = key;
            self.link(slot);
            return true;
        }
        self.keys.push(key);
        self.next.push(0);
        if self.keys.len() > self.heads.len() {
            self.heads = vec![0; self.keys.len().next_power_of_two().max(16)];
            (0..self.keys.len()).for_each(|slot| self.link(slot));
        } else {
            self.link(self.keys.len() - 1);
        }
        true
    }

    fn has(&self, key: ChatKey) -> bool {
        if self.heads.is_empty() {
            return false;
        }
        let mut link = self.heads[self.bucket(key)];
        while link != 0 {
            let slot = link as usize - 1;
            if self.keys[slot] == key {
                return true;
            }
            link = self.next[slot];
        }
        false
    }

    fn bucket(&self, key: ChatKey) -> usize {
        self.hasher.hash_one(key) as usize & (self.heads.len() - 1)
    }

    fn link(&mut self, slot: usize) {
        let bucket = self.bucket(self.keys[slot]);
        self.next[slot] = std::mem::replace(&mut self.heads[bucket], slot as u32 + 1);
    }

    fn unlink(&mut self, slot: usize) {
        let (bucket, gone) = (self.bucket(self.keys[slot]), slot as u32 + 1);
        let mut link = self.heads[bucket];
        if link == gone {
            self.heads[bucket] = self.next[slot];
            return;
        }
        while link != 0 {
            let at = link as usize - 1;
            link = self.next[at];
            if link == gone {
                self.next[at] = self.next[slot];
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat_id::{ChatId, Rule};

    fn key(i: usize) -> ChatKey {
        ChatId::parse(&format!("{i:011}@c.us"), Rule::Strict).expect("an id").key()
    }

    #[test]
    fn the_window_forgets_what_is_long_past() {
        let mut window = Window::default();
        assert!(window.meet(key(0)));
        assert!((1..=WINDOW).all(|i| window.meet(key(i))));
        assert!(!window.meet(key(1)));
        assert!(window.meet(key(0)));
        assert!(window.meet(key(1)));
    }

    #[test]
    fn it_agrees_with_a_plain_list_of_the_last_ones_after_many_rounds() {
        let mut window = Window::default();
        let mut last = std::collections::VecDeque::new();
        let mut present = std::collections::HashSet::new();
        for step in 0..4 * WINDOW {
            // Now and then something from within the window, from its edge and from beyond it.
            let i = if step % 3 == 0 { step.saturating_sub(step * 7 % (WINDOW + WINDOW / 8)) } else { step };
            let is_new = present.insert(i);
            if is_new {
                last.push_back(i);
                if last.len() > WINDOW
                    && let Some(oldest) = last.pop_front()
                {
                    present.remove(&oldest);
                }
            }
            assert_eq!(window.meet(key(i)), is_new, "step {step}");
        }
    }
}
