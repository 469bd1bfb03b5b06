//! Duplicate detection: remembers the last 65,536 keys in a bounded amount of memory.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

/// How many keys are remembered.
pub const CAPACITY: usize = 65_536;

/// The last [`CAPACITY`] different keys, as hashes.
///
/// Two different keys are taken for the same with a probability below 2⁻⁴⁷ each time one is looked up. The hash is
/// seeded at random, so that a list cannot hold keys chosen to collide.
#[derive(Debug, Default)]
pub struct Deduplicator {
    hasher: RandomState,
    /// A ring: `oldest` is replaced next once it is full.
    hashes: Vec<u64>,
    oldest: usize,
    /// Where in `hashes` a hash is: two bytes each, where a set would hold all of it again.
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
        let place = self.oldest;
        self.oldest = (place + 1) % CAPACITY;
        if self.hashes.len() < CAPACITY {
            self.hashes.push(hash);
        } else {
            let old = std::mem::replace(&mut self.hashes[place], hash);
            if let Ok(entry) = self.places.find_entry(old, |other| usize::from(*other) == place) {
                entry.remove();
            }
        }
        self.places.insert_unique(hash, place as u16, |place| self.hashes[usize::from(*place)]);
        true
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
        for key in 0..20 * CAPACITY {
            recent.insert(&key);
        }
        assert_eq!((recent.hashes.len(), recent.places.len()), (CAPACITY, CAPACITY));
        assert!(recent.hashes.capacity() <= CAPACITY);
    }
}
