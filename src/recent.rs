//! The last 65,536 things that were met, so that what comes twice is noticed, in little memory.
//!
//! A ring of keys and a table of chains into it: std's set keeps every key a second time and doubles while it grows,
//! which took more memory than everything else in a long run. What is remembered is its users' business.

use std::hash::{BuildHasher, Hash, RandomState};

/// How many are remembered.
pub const REMEMBERED: usize = 65_536;

/// The last [`REMEMBERED`] different keys.
#[derive(Debug)]
pub struct Recent<T> {
    /// A ring, once it is full.
    keys: Vec<T>,
    /// The slot of the oldest key.
    oldest: usize,
    /// For each bucket its first slot, counted from 1; 0: none.
    heads: Vec<u32>,
    /// For each slot the next one of the same bucket, likewise.
    next: Vec<u32>,
    hasher: RandomState,
}

impl<T> Default for Recent<T> {
    fn default() -> Recent<T> {
        Recent { keys: Vec::new(), oldest: 0, heads: Vec::new(), next: Vec::new(), hasher: RandomState::default() }
    }
}

impl<T: Copy + Eq + Hash> Recent<T> {
    /// True where the key is not among them; it is afterwards, and the oldest one may be forgotten for it.
    pub fn meet(&mut self, key: T) -> bool {
        if self.has(key) {
            return false;
        }
        if self.keys.len() == REMEMBERED {
            let slot = self.oldest;
            self.oldest = (slot + 1) % REMEMBERED;
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

    /// Whether the key is among them.
    pub fn has(&self, key: T) -> bool {
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

    fn bucket(&self, key: T) -> usize {
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
    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut recent = Recent::default();
        assert!(recent.meet(0));
        assert!((1..=REMEMBERED).all(|i| recent.meet(i)));
        assert!(!recent.meet(1));
        assert!(recent.meet(0));
        assert!(recent.meet(1));
    }

    #[test]
    fn it_agrees_with_a_plain_list_of_the_last_ones_after_many_rounds() {
        let mut recent = Recent::default();
        let mut last = std::collections::VecDeque::new();
        let mut present = std::collections::HashSet::new();
        for step in 0..4 * REMEMBERED {
            // Now and then something from within, from its edge and from beyond it.
            let i = if step % 3 == 0 { step.saturating_sub(step * 7 % (REMEMBERED + REMEMBERED / 8)) } else { step };
            let is_new = present.insert(i);
            if is_new {
                last.push_back(i);
                if last.len() > REMEMBERED
                    && let Some(oldest) = last.pop_front()
                {
                    present.remove(&oldest);
                }
            }
            assert_eq!(recent.meet(i), is_new, "step {step}");
        }
    }
}
