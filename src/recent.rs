//! Duplicate detection: remembers the last 65,536 keys in a bounded amount of memory.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};

/// How many keys are remembered.
pub const CAPACITY: usize = 65_536;

/// The last [`CAPACITY`] different keys, as hashes.
///
/// Two different keys are taken for the same with a probability below 2⁻⁴⁷ each time one is looked up. The hash is
/// seeded at random, so that a list cannot hold keys chosen to collide.
#[derive(Debug, Default)]
pub struct Deduplicator {
    hasher: RandomState,
    /// A tree, because a hash table of this size would double its memory on the way.
    hashes: BTreeSet<u64>,
    /// The same hashes, oldest first.
    order: VecDeque<u64>,
}

impl Deduplicator {
    pub fn contains(&self, key: &impl Hash) -> bool {
        self.hashes.contains(&self.hasher.hash_one(key))
    }

    /// Remembers the key in place of the oldest one. Returns `false` if it was remembered before.
    pub fn insert(&mut self, key: &impl Hash) -> bool {
        let hash = self.hasher.hash_one(key);
        if !self.hashes.insert(hash) {
            return false;
        }
        if self.order.len() == CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        self.order.push_back(hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_is_forgotten_first() {
        let mut recent = Deduplicator::default();
        assert!((0..CAPACITY).all(|key| recent.insert(&key)));
        assert!(!recent.insert(&0_usize), "a repeat pushes nothing out");
        assert!(recent.insert(&CAPACITY));
        assert!(!recent.contains(&0_usize));
        assert!((1..=CAPACITY).all(|key| recent.contains(&key)));
    }

    #[test]
    fn memory_stays_bounded() {
        let mut recent = Deduplicator::default();
        for key in 0..20 * CAPACITY {
            recent.insert(&key);
        }
        assert_eq!((recent.hashes.len(), recent.order.len()), (CAPACITY, CAPACITY));
        assert!(recent.order.capacity() <= CAPACITY);
    }
}
