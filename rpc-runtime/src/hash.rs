//! A cheap hash for short keys, some of which strangers choose.
//!
//! Eight bytes at a time are mixed with what was before, by a multiplication with keys that no stranger knows. Who cannot see
//! hashes cannot find keys that share one. The standard library's hash promises more, and takes several times as long.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashes for one table, with keys of its own.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    seed: u64,
    factor: u64,
}

impl Default for Keyed {
    fn default() -> Self {
        let random = RandomState::new();
        // An odd factor loses no bit.
        Self { seed: random.hash_one(0), factor: random.hash_one(1) | 1 }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix { state: self.seed, factor: self.factor }
    }
}

/// A hash as far as it has come.
#[derive(Debug)]
pub(crate) struct Mix {
    state: u64,
    factor: u64,
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            // Zeros at the end count.
            last[7] = rest.len() as u8;
            self.write_u64(u64::from_le_bytes(last));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        // Both halves, or the highest bits of a key would count for little.
        self.state = (product as u64) ^ (product >> 64) as u64;
    }

    fn write_u128(&mut self, words: u128) {
        self.write_u64(words as u64);
        self.write_u64((words >> 64) as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * u128::from(self.factor.rotate_left(32) | 1);
        (product as u64) ^ (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Returns how full the fullest of 1024 places is, by the bits that tables choose places with, and by the seven
    /// that they compare first.
    fn fullest<T: std::hash::Hash>(keys: impl Iterator<Item = T>) -> (usize, usize) {
        let (keyed, mut places, mut tags) = (Keyed::default(), vec![0; 1024], vec![0; 128]);
        for key in keys {
            let hash = keyed.hash_one(key) as usize;
            places[hash % 1024] += 1;
            tags[hash >> 57] += 1;
        }
        (places.into_iter().max().unwrap_or(0), tags.into_iter().max().unwrap_or(0))
    }

    #[test]
    fn keys_that_look_alike_do_not_share_places() {
        // 16 384 keys: 16 to a place and 128 to a tag, if they are spread well.
        let few = |(places, tags): (usize, usize)| places <= 48 && tags <= 384;
        let count = 16_384_u64;
        assert!(few(fullest(0..count)), "counted");
        assert!(few(fullest((0..count).map(|at| at << 50))), "high bits alone");
        assert!(few(fullest((0..count).map(u128::from))), "ids, low");
        assert!(few(fullest((0..count).map(|at| u128::from(at) << 114))), "ids, high");
        assert!(few(fullest((0..count).map(|at| u128::from(at) << 64 | u128::from(at)))), "twins");
        assert!(few(fullest((0..count).map(|at| format!("topic.host-{at}")))), "names");
    }

    #[test]
    fn a_key_has_one_hash_in_a_table_and_another_in_the_next() {
        let tables = [(); 8].map(|()| Keyed::default());
        let hashes: HashSet<_> = tables.iter().map(|keyed| keyed.hash_one("topic")).collect();
        assert_eq!(hashes.len(), tables.len());
        assert!(tables.iter().all(|keyed| keyed.hash_one("topic") == keyed.hash_one("topic")));
        // Texts that only zeros tell apart are two.
        assert_ne!(tables[0].hash_one("a"), tables[0].hash_one("a\0"));
    }
}
