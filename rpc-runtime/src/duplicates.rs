//! The ids of requests that this server has begun, so that a second copy is not run again.
//!
//! A plain window, bounded in size and in time. It knows no clock: the time is an argument. The original keeps 16
//! ids per listener (wire: section 6.3); a publisher that repeats a request after a lost connection may come later
//! than that.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Duplicates {
    known: HashSet<u128>,
    order: VecDeque<(Instant, u128)>,
    /// Keys for ids that are not 128-bit numbers, which no peer can guess.
    hash: [RandomState; 2],
}

impl Duplicates {
    /// How many ids are kept at most.
    pub(crate) const SIZE: usize = 20_000;
    /// How long an id is kept at most.
    pub(crate) const AGE: Duration = Duration::from_secs(600);

    pub(crate) fn new() -> Self {
        Self {
            known: HashSet::new(),
            order: VecDeque::new(),
            hash: [RandomState::new(), RandomState::new()],
        }
    }

    /// Remembers `id`. Returns whether it was known already.
    pub(crate) fn saw(&mut self, id: &str, now: Instant) -> bool {
        while let Some(&(since, oldest)) = self.order.front() {
            if self.order.len() < Self::SIZE && now.saturating_duration_since(since) < Self::AGE {
                break;
            }
            self.order.pop_front();
            self.known.remove(&oldest);
        }
        let id = self.key(id);
        if !self.known.insert(id) {
            return true;
        }
        self.order.push_back((now, id));
        false
    }

    fn key(&self, id: &str) -> u128 {
        match u128::from_str_radix(id, 16) {
            Ok(number) if id.len() == 32 => number,
            _ => {
                u128::from(self.hash[0].hash_one(id)) << 64 | u128::from(self.hash[1].hash_one(id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_copy_is_known_until_it_is_old() {
        let (mut window, start) = (Duplicates::new(), Instant::now());
        assert!(!window.saw("0000000000000000000000000000000a", start));
        assert!(!window.saw("a", start));
        assert!(window.saw("0000000000000000000000000000000a", start));
        assert!(window.saw("a", start + Duplicates::AGE / 2));
        assert!(!window.saw("a", start + Duplicates::AGE));
    }

    #[test]
    fn the_window_is_bounded() {
        let (mut window, start) = (Duplicates::new(), Instant::now());
        for id in 0..3 * Duplicates::SIZE {
            assert!(!window.saw(&format!("{id:032x}"), start));
        }
        assert_eq!((window.known.len(), window.order.len()), (Duplicates::SIZE, Duplicates::SIZE));
        assert!(window.saw(&format!("{:032x}", 3 * Duplicates::SIZE - 1), start));
    }
}
