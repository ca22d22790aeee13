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

use std::collections::{HashSet, VecDeque};

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
    outstanding: Outstanding,
    /// Acknowledged, and waiting until every publish up to a barrier is completed. All go over both barriers in order.
    settling: VecDeque<Settling<I, F>>,
    /// How many of them are behind the first barrier, and wait for the second.
    halfway: usize,
    /// Returned before their own confirm was seen.
    returned: HashSet<I>,
}

#[derive(Debug)]
struct Settling<I, F> {
    barrier: u64,
    id: I,
    flight: F,
}

/// The publishes that are not completed. Numbers go up by one, so it is a row of marks, of which the first and the last are set.
#[derive(Debug)]
struct Outstanding {
    first: u64,
    marks: VecDeque<bool>,
    next: u64,
}

impl Outstanding {
    fn publish(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        if self.marks.is_empty() {
            self.first = number;
        }
        // Where the last were completed, their marks are gone.
        let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        self.marks.resize(place, false);
        self.marks.push_back(true);
        number
    }

    fn complete(&mut self, number: u64) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(mark) = place.and_then(|place| self.marks.get_mut(place)) {
            *mark = false;
        }
        while self.marks.front() == Some(&false) {
            self.marks.pop_front();
            self.first += 1;
        }
        while self.marks.back() == Some(&false) {
            self.marks.pop_back();
        }
    }

    /// The oldest. Beyond all numbers if there is none.
    fn oldest(&self) -> u64 {
        if self.marks.is_empty() { u64::MAX } else { self.first }
    }

    /// The newest. 0, which never holds anything up, if there is none.
    fn newest(&self) -> u64 {
        match u64::try_from(self.marks.len()) {
            Ok(count @ 1..) => self.first + count - 1,
            _ => 0,
        }
    }
}

impl<I: Copy + Eq + std::hash::Hash, F> Confirms<I, F> {
    pub(super) fn new() -> Self {
        Self {
            outstanding: Outstanding { first: 1, marks: VecDeque::new(), next: 1 },
            settling: VecDeque::new(),
            halfway: 0,
            returned: HashSet::new(),
        }
    }

    /// Notes a publish, and returns its number.
    pub(super) fn published(&mut self) -> u64 {
        self.outstanding.publish()
    }

    /// Notes that a publish will have no confirm: its channel is gone.
    pub(super) fn lost(&mut self, number: u64) {
        self.outstanding.complete(number);
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
        self.outstanding.complete(number);
        if let Some(carried) = carried {
            match self.take(carried) {
                Some(flight) => settle(flight, Verdict::Returned),
                None => _ = self.returned.insert(carried),
            }
        }
        if !self.returned.is_empty() && self.returned.remove(&id) {
            settle(flight, Verdict::Returned);
        } else if !acked {
            settle(flight, Verdict::Refused);
        } else {
            let barrier = self.outstanding.newest();
            self.settling.push_back(Settling { barrier, id, flight });
        }
        self.release(settle);
    }

    /// Takes out what was acknowledged and is returned after all.
    fn take(&mut self, id: I) -> Option<F> {
        let at = self.settling.iter().position(|settling| settling.id == id)?;
        if at < self.halfway {
            self.halfway -= 1;
        }
        self.settling.remove(at).map(|settling| settling.flight)
    }

    /// Lets those go whose barriers have fallen.
    ///
    /// What was outstanding at an earlier barrier and still is, is outstanding at every later one, too: the first
    /// barrier is the first to fall.
    fn release(&mut self, mut settle: impl FnMut(F, Verdict)) {
        let (oldest, newest) = (self.outstanding.oldest(), self.outstanding.newest());
        while let Some(settling) = self.settling.get_mut(self.halfway)
            && settling.barrier < oldest
        {
            settling.barrier = newest;
            self.halfway += 1;
        }
        while self.halfway > 0
            && self.settling.front().is_some_and(|settling| settling.barrier < oldest)
            && let Some(settling) = self.settling.pop_front()
        {
            self.halfway -= 1;
            settle(settling.flight, Verdict::Taken);
        }
    }

    /// Ends the channel: what was acknowledged counts as taken, since no more can be learnt.
    pub(super) fn end(self, mut settle: impl FnMut(F, Verdict)) {
        self.settling.into_iter().for_each(|settling| settle(settling.flight, Verdict::Taken));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            assert!(confirms.returned.is_empty() && confirms.settling.is_empty());
            assert!(confirms.halfway == 0 && confirms.outstanding.marks.is_empty());
        }
    }
}
