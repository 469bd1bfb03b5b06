//! Duplicate detection: remembers the last 65,536 keys in a bounded amount of memory.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

/// How many keys are remembered.
const CAPACITY: usize = 65_536;

/// The last 65,536 different keys, as hashes.
///
/// Two different keys are taken for the same with a probability below 2⁻⁴⁷ each time one is looked up. The hash is
/// seeded at random, so that a list cannot hold keys chosen to collide.
#[derive(Debug, Default)]
pub struct Deduplicator {
    hasher: RandomState,
    /// A ring: `oldest` is replaced next once it is full.
    hashes: Vec<u64>,
    oldest: usize,
    /// Where in `hashes` a hash is: two bytes each, where a set would hold all of it again. Places of replaced hashes
    /// stay until the table is full; then it is filled anew, and does not grow.
    places: HashTable<u16>,
}

impl Deduplicator {
    pub fn contains(&self, key: &impl Hash) -> bool {
        self.holds(self.hasher.hash_one(key))
    }

    /// Remembers the key in place of the oldest one. Returns `false` if it was remembered before.
    pub fn insert(&mut self, key: &impl Hash) -> bool {
        let hash = self.hasher.hash_one(key);
        if self.holds(hash) {
            return false;
        }
        if self.hashes.len() == 1 {
            // A single chat needs no room for more; a list takes less memory when nothing grows step by step.
            self.hashes.reserve_exact(CAPACITY - 1);
            self.places.reserve(CAPACITY - 1, |place| self.hashes[usize::from(*place)]);
        }
        let place = self.oldest;
        self.oldest = (place + 1) % CAPACITY;
        if self.hashes.len() < CAPACITY {
            self.hashes.push(hash);
        } else {
            self.hashes[place] = hash;
        }
        if self.places.len() == self.places.capacity() {
            self.places.clear();
            (0..self.hashes.len()).for_each(|place| self.add(place));
        } else {
            self.add(place);
        }
        true
    }

    fn add(&mut self, place: usize) {
        self.places.insert_unique(self.hashes[place], place as u16, |place| self.hashes[usize::from(*place)]);
    }

    fn holds(&self, hash: u64) -> bool {
        self.places.find(hash, |place| self.hashes[usize::from(*place)] == hash).is_some()
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
        let mut memory_after = |keys: std::ops::Range<usize>| {
            keys.for_each(|key| assert!(recent.insert(&key)));
            (recent.hashes.capacity(), recent.places.allocation_size())
        };
        assert_eq!(memory_after(0..CAPACITY), memory_after(CAPACITY..20 * CAPACITY));
    }
}
