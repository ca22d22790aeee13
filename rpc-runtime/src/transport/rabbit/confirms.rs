//! Which publish a confirm or a return is about.
//!
//! The broker returns a message before it acknowledges it. lapin hands a returned message to whichever confirm it
//! completes next, which may be another publish's. So a returned message is known by the id in its body, and a
//! publish counts as taken only once no return of its own can still be on its way:
//!
//! - lapin keeps returned messages in a queue, and each confirm that it completes takes one out, if there is one.
//! - The return of a publish is in that queue before its confirm is completed, behind returns of publishes that were
//!   made before, too. Once all of those are completed, as many returns have been taken out: its own among them.
//! - Which confirm took it along may be seen later than that, since confirms are not seen in the order in which lapin
//!   completes them. But it is completed by then, so it is one of those outstanding here.
//!
//! Hence two barriers: all that is outstanding when a confirm is seen, then all that is outstanding when those are
//! completed. A lone publish waits for neither.
//!
//! Plain data: no socket, no clock.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// How the broker took a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    Returned,
    Refused,
}

/// The publishes of one channel that have no verdict yet. `F` is what is kept for each, `I` its id.
#[derive(Debug)]
pub(super) struct Confirms<I, F> {
    next: u64,
    outstanding: BTreeSet<u64>,
    /// Acknowledged, and waiting until every publish up to the barrier is completed: before the first barrier, and
    /// before the second.
    settling: [VecDeque<(u64, I)>; 2],
    flights: BTreeMap<I, F>,
    /// Returned before their own confirm was seen.
    returned: HashSet<I>,
}

impl<I: Copy + Ord + std::hash::Hash, F> Confirms<I, F> {
    pub(super) fn new() -> Self {
        Self {
            next: 1,
            outstanding: BTreeSet::new(),
            settling: [VecDeque::new(), VecDeque::new()],
            flights: BTreeMap::new(),
            returned: HashSet::new(),
        }
    }

    /// Notes a publish, and returns its number.
    pub(super) fn published(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.outstanding.insert(number);
        number
    }

    /// Notes that a publish will have no confirm: its channel is gone.
    pub(super) fn lost(&mut self, number: u64) {
        self.outstanding.remove(&number);
    }

    /// Notes the confirm of the publish `number`, and the returned message that came with it, whosever it is. Calls
    /// `settle` for each publish that now has a verdict.
    pub(super) fn completed(
        &mut self,
        number: u64,
        id: I,
        flight: F,
        acked: bool,
        carried: Option<I>,
        mut settle: impl FnMut(F, Verdict),
    ) {
        self.outstanding.remove(&number);
        if let Some(carried) = carried {
            match self.flights.remove(&carried) {
                Some(flight) => settle(flight, Verdict::Returned),
                None => _ = self.returned.insert(carried),
            }
        }
        if self.returned.remove(&id) {
            settle(flight, Verdict::Returned);
        } else if !acked {
            settle(flight, Verdict::Refused);
        } else {
            self.flights.insert(id, flight);
            self.settling[0].push_back((self.barrier(), id));
        }
        self.release(settle);
    }

    /// The newest publish outstanding; 0, which never holds anything up, if there is none.
    fn barrier(&self) -> u64 {
        self.outstanding.last().copied().unwrap_or(0)
    }

    /// Returns the next publish that waits behind a barrier which has fallen.
    ///
    /// What was outstanding at an earlier barrier and still is, is outstanding at every later one, too: the first
    /// barrier is the first to fall.
    fn fallen(&mut self, stage: usize) -> Option<I> {
        let oldest = self.outstanding.first().copied().unwrap_or(u64::MAX);
        let &(barrier, id) = self.settling[stage].front()?;
        (oldest > barrier).then(|| {
            self.settling[stage].pop_front();
            id
        })
    }

    fn release(&mut self, mut settle: impl FnMut(F, Verdict)) {
        while let Some(id) = self.fallen(0) {
            self.settling[1].push_back((self.barrier(), id));
        }
        while let Some(id) = self.fallen(1) {
            if let Some(flight) = self.flights.remove(&id) {
                settle(flight, Verdict::Taken);
            }
        }
    }

    /// Ends the channel: what was acknowledged counts as taken, since no more can be learnt.
    pub(super) fn end(self, mut settle: impl FnMut(F, Verdict)) {
        self.flights.into_values().for_each(|flight| settle(flight, Verdict::Taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// lapin's side: returned messages in a queue, one of which each completed confirm takes along.
    struct Lapin {
        waiting: VecDeque<u64>,
        completed: Vec<(u64, Option<u64>)>,
    }

    impl Lapin {
        fn returned(&mut self, id: u64) {
            self.waiting.push_back(id);
        }

        fn completed(&mut self, number: u64) {
            self.completed.push((number, self.waiting.pop_front()));
        }
    }

    /// A small generator, so that a failing case can be run again.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap_or(0) % bound
        }
    }

    #[test]
    fn a_lone_publish_has_its_verdict_at_once() {
        for (acked, carried, verdict) in [
            (true, None, Verdict::Taken),
            (true, Some(7), Verdict::Returned),
            (false, None, Verdict::Refused),
        ] {
            let (mut confirms, mut seen) = (Confirms::new(), Vec::new());
            let number = confirms.published();
            confirms.completed(number, 7, "flight", acked, carried, |flight, verdict| {
                seen.push((flight, verdict))
            });
            assert_eq!(seen, [("flight", verdict)]);
        }
    }

    #[test]
    fn a_publish_that_is_lost_holds_up_nobody() {
        let (mut confirms, mut seen) = (Confirms::new(), Vec::new());
        let [lost, other, last] = [(); 3].map(|()| confirms.published());
        confirms.completed(other, other, other, true, None, |flight, _| seen.push(flight));
        assert!(seen.is_empty(), "the return of the other may come with the first");
        confirms.lost(lost);
        confirms.completed(last, last, last, true, None, |flight, _| seen.push(flight));
        assert_eq!(seen, [other, last]);
    }

    #[test]
    fn what_was_acknowledged_when_the_channel_ends_was_taken() {
        let mut confirms = Confirms::new();
        let [_, acknowledged] = [(); 2].map(|()| confirms.published());
        confirms.completed(acknowledged, 7, "flight", true, None, |_, _| panic!("it has to wait"));
        let mut seen = Vec::new();
        confirms.end(|flight, verdict| seen.push((flight, verdict)));
        assert_eq!(seen, [("flight", Verdict::Taken)]);
    }

    #[test]
    fn every_return_finds_its_publish_in_whatever_order_confirms_complete_and_are_seen() {
        for seed in 0..2000 {
            let mut random = Random(seed);
            let count = 1 + random.below(40);
            let unroutable: Vec<bool> = (0..count).map(|_| random.below(3) == 0).collect();
            let mut confirms = Confirms::new();
            let mut lapin = Lapin { waiting: VecDeque::new(), completed: Vec::new() };
            let (mut published, mut on_the_way, mut unseen) = (0, Vec::new(), Vec::new());
            let (mut verdicts, mut steps) = (BTreeMap::new(), 0);
            while verdicts.len() < count {
                steps += 1;
                assert!(steps < 10_000, "seed {seed}: a publish has no verdict");
                match random.below(3) {
                    0 if published < count => {
                        let number = confirms.published();
                        // The broker returns at once, and acknowledges whenever it likes.
                        if unroutable[published] {
                            lapin.returned(number);
                        }
                        on_the_way.push(number);
                        published += 1;
                    }
                    1 if !on_the_way.is_empty() => {
                        let number = on_the_way.swap_remove(random.below(on_the_way.len()));
                        lapin.completed(number);
                        unseen.append(&mut lapin.completed);
                    }
                    2 if !unseen.is_empty() => {
                        let (number, carried) = unseen.swap_remove(random.below(unseen.len()));
                        confirms.completed(
                            number,
                            number,
                            number,
                            true,
                            carried,
                            |flight, verdict| {
                                assert!(
                                    verdicts.insert(flight, verdict).is_none(),
                                    "seed {seed}: two verdicts"
                                );
                            },
                        );
                    }
                    _ => {}
                }
            }
            for (number, unroutable) in (1..).zip(unroutable) {
                let expected = if unroutable { Verdict::Returned } else { Verdict::Taken };
                assert_eq!(verdicts[&number], expected, "seed {seed}, publish {number}");
            }
            assert!(confirms.returned.is_empty() && confirms.flights.is_empty());
        }
    }
}
