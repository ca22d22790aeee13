//! Log lines that somebody else can cause, a stranger or an outage: at most one a second for each cause.
//!
//! What is left out is counted, and the next line says how much that was. Lines below `info` are not counted: who asks for
//! them wants each.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::Instant, contain::log};

/// When lines were last written, by their cause.
#[derive(Debug)]
pub(crate) struct Quiet<C = ()>(Mutex<BTreeMap<C, Said>>);

/// What was last said of a cause.
#[derive(Debug)]
struct Said {
    at: Instant,
    /// How many lines were left out since.
    left_out: u64,
}

impl<C: Ord> Quiet<C> {
    /// The shortest time between two lines of one cause.
    const PAUSE: Duration = Duration::from_secs(1);
    /// How many causes are known at most: a peer may have a hand in what they are called.
    const MOST: usize = 1000;

    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Writes `line`, unless one of the same cause has just been written. It is told how many were left out since that
    /// one, if any were.
    pub(crate) fn say(&self, cause: C, line: impl FnOnce(Option<u64>)) {
        if let Some(left_out) = self.turn(cause, Instant::now()) {
            log(|| line((left_out > 0).then_some(left_out)));
        }
    }

    /// Returns how many lines were left out, if it is time for one.
    fn turn(&self, cause: C, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match causes.get_mut(&cause) {
            Some(said) if now.saturating_duration_since(said.at) < Self::PAUSE => {
                said.left_out += 1;
                None
            }
            Some(said) => {
                said.at = now;
                Some(std::mem::take(&mut said.left_out))
            }
            None => {
                if causes.len() >= Self::MOST {
                    causes.retain(|_, said| now.saturating_duration_since(said.at) < Self::PAUSE);
                }
                if causes.len() >= Self::MOST {
                    return None;
                }
                causes.insert(cause, Said { at: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_are_missing() {
        let (quiet, start) = (Quiet::new(), Instant::now());
        let at = |millis| quiet.turn((), start + Duration::from_millis(millis));
        assert_eq!([at(0), at(0), at(500), at(999)], [Some(0), None, None, None]);
        assert_eq!([at(1000), at(1001)], [Some(3), None]);
        // A clock that goes back says no more than one that stands still.
        assert_eq!([at(0), at(60_000), at(61_000)], [None, Some(2), Some(0)]);
    }

    #[test]
    fn causes_do_not_silence_each_other() {
        let (quiet, now) = (Quiet::new(), Instant::now());
        assert_eq!([quiet.turn("a", now), quiet.turn("b", now)], [Some(0), Some(0)]);
        assert_eq!([quiet.turn("a", now), quiet.turn("b", now)], [None, None]);
    }

    #[test]
    fn causes_without_end_take_no_more_room_than_there_is() {
        let (quiet, start) = (Quiet::new(), Instant::now());
        let lines = (0..5000).filter_map(|cause| quiet.turn(cause, start)).count();
        assert_eq!(lines, Quiet::<i32>::MOST);
        assert_eq!(quiet.turn(5000, start + Quiet::<i32>::PAUSE), Some(0));
        assert!(quiet.0.lock().expect("no panic").len() == 1);
    }

    #[test]
    fn a_flood_makes_as_many_lines_as_it_has_seconds() {
        let (quiet, start) = (Quiet::new(), Instant::now());
        let turns = (0..60_000).map(|millis| quiet.turn((), start + Duration::from_millis(millis)));
        let lines: Vec<u64> = turns.flatten().collect();
        assert_eq!((lines.len(), lines.iter().sum::<u64>()), (60, 59 * 999));
    }
}
