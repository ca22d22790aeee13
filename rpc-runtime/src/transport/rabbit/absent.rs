//! Reply queues that are not there: what all servers of a transport know of them.
//!
//! A client that restarts or reconnects misses its replies for a while. Instead of trying each reply over and over,
//! one is tried for its queue, and the others wait for what becomes of it. A plain table, without a clock.
//!
//! Whoever may send requests may name queues that never were, each to be tried four times a second for as long as the
//! request says. So the table has bounds; a reply for which it has no room is given up.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// See the module. `J` is a reply.
#[derive(Debug)]
pub(super) struct Absent<J> {
    queues: HashMap<Arc<str>, VecDeque<J>>,
    /// How many bytes a reply has.
    size: fn(&J) -> usize,
    /// How many replies wait, and how large they are.
    held: usize,
    bytes: usize,
}

impl<J> Absent<J> {
    /// How many queues are known at most.
    const QUEUES: usize = 1000;
    /// How many replies wait at most, and how large they may be together.
    const HELD: usize = 10_000;
    const BYTES: usize = 64 << 20;

    pub(super) fn new(size: fn(&J) -> usize) -> Self {
        Self { queues: HashMap::new(), size, held: 0, bytes: 0 }
    }

    /// Whether a queue is known to be absent.
    pub(super) fn knows(&self, queue: &str) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(queue)
    }

    /// Keeps a reply whose queue is known to be absent.
    ///
    /// # Errors
    /// Gives the reply back if there is no room for it.
    pub(super) fn hold(&mut self, queue: &Arc<str>, reply: J) -> Result<(), J> {
        self.room(queue, reply)
            .map(|reply| self.queues.entry(Arc::clone(queue)).or_default().push_back(reply))
    }

    /// Takes a reply that its queue did not take. Returns whether this is news, so that somebody has to try again
    /// later.
    ///
    /// # Errors
    /// Gives the reply back if there is no room for it.
    pub(super) fn missed(&mut self, queue: &Arc<str>, reply: J) -> Result<bool, J> {
        let reply = self.room(queue, reply)?;
        let news = !self.queues.contains_key(queue);
        self.queues.entry(Arc::clone(queue)).or_default().push_front(reply);
        Ok(news)
    }

    /// Makes room for a reply.
    fn room(&mut self, queue: &str, reply: J) -> Result<J, J> {
        let size = (self.size)(&reply);
        let is_full = self.queues.len() >= Self::QUEUES && !self.queues.contains_key(queue);
        if is_full || self.held >= Self::HELD || self.bytes + size > Self::BYTES {
            return Err(reply);
        }
        self.held += 1;
        self.bytes += size;
        Ok(reply)
    }

    /// Takes out the next reply to try. Those that are not wanted any more go to `gone`; with the last of them the
    /// queue is forgotten.
    pub(super) fn try_next(
        &mut self,
        queue: &str,
        wanted: impl Fn(&J) -> bool,
        mut gone: impl FnMut(J),
    ) -> Option<J> {
        let waiting = self.queues.get_mut(queue)?;
        while let Some(reply) = waiting.pop_front() {
            self.held -= 1;
            self.bytes -= (self.size)(&reply);
            if wanted(&reply) {
                return Some(reply);
            }
            gone(reply);
        }
        self.queues.remove(queue);
        None
    }

    /// The next reply to try.
    pub(super) fn next(&self, queue: &str) -> Option<&J> {
        self.queues.get(queue)?.front()
    }

    /// Says that a queue has taken a reply. Returns those that waited for that.
    pub(super) fn is_back(&mut self, queue: &str) -> VecDeque<J> {
        if self.queues.is_empty() {
            return VecDeque::new();
        }
        let waiting = self.queues.remove(queue).unwrap_or_default();
        self.held -= waiting.len();
        self.bytes -= waiting.iter().map(self.size).sum::<usize>();
        waiting
    }

    /// Returns whatever waits.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = J> {
        self.queues.into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reply_is_tried_for_all_that_wait() {
        let (mut absent, queue) = (Absent::new(|_: &u32| 1), Arc::from("reply_1"));
        assert!(!absent.knows("reply_1"));
        assert_eq!((absent.missed(&queue, 1), absent.missed(&queue, 2)), (Ok(true), Ok(false)));
        assert!(absent.knows("reply_1") && !absent.knows("reply_2"));
        absent.hold(&queue, 3).expect("room");
        assert_eq!(absent.try_next("reply_1", |_| true, |_| ()), Some(2));
        assert_eq!(absent.missed(&queue, 2), Ok(false), "its turn comes again without news");
        assert_eq!(absent.is_back("reply_1"), [2, 1, 3]);
        assert!(!absent.knows("reply_1"));
    }

    #[test]
    fn what_nobody_wants_any_more_goes_and_the_queue_with_the_last_of_it() {
        let (mut absent, queue) = (Absent::new(|_: &u32| 1), Arc::from("reply_1"));
        absent.missed(&queue, 1).expect("room");
        absent.hold(&queue, 2).expect("room");
        let mut gone = Vec::new();
        assert_eq!(absent.try_next("reply_1", |reply| *reply > 2, |reply| gone.push(reply)), None);
        assert_eq!(gone, [1, 2]);
        assert!(!absent.knows("reply_1"));
    }

    #[test]
    fn what_waits_is_handed_out_in_order() {
        let (mut absent, queue) = (Absent::new(|_: &u32| 1), Arc::from("reply_1"));
        assert_eq!(absent.next("reply_1"), None);
        (1..4).for_each(|reply| absent.hold(&queue, reply).expect("room"));
        assert_eq!((absent.next("reply_1"), absent.next("reply_2")), (Some(&1), None));
        assert_eq!(absent.into_waiting().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn replies_take_all_the_bytes_there_are_and_no_more() {
        let (mut absent, queue) = (Absent::new(|reply: &usize| *reply), Arc::from("reply_1"));
        absent.hold(&queue, 2).expect("room");
        let rest = Absent::<usize>::BYTES - 2;
        assert_eq!(absent.hold(&queue, rest + 1), Err(rest + 1));
        assert_eq!(absent.hold(&queue, rest), Ok(()));
    }

    #[test]
    fn queues_that_never_were_take_no_more_room_than_there_is() {
        let mut absent = Absent::new(|reply: &usize| *reply);
        let queue = |at: usize| Arc::from(format!("reply_{at}"));
        for at in 0..Absent::<usize>::QUEUES {
            assert_eq!(absent.missed(&queue(at), 1), Ok(true));
        }
        assert_eq!(absent.missed(&queue(5000), 1), Err(1), "no room for another queue");
        let more = Absent::<usize>::HELD - Absent::<usize>::QUEUES;
        assert!((0..more).all(|_| absent.hold(&queue(0), 1).is_ok()));
        assert_eq!(absent.hold(&queue(0), 1), Err(1), "no room for another reply");
        assert_eq!(absent.is_back("reply_0").len(), more + 1);
        assert_eq!(absent.missed(&queue(5000), 1), Ok(true));
        assert_eq!(absent.hold(&queue(1), Absent::<usize>::BYTES), Err(Absent::<usize>::BYTES));
        for at in (1..1000).chain([5000]) {
            absent.try_next(&queue(at), |_| false, drop);
        }
        assert_eq!((absent.held, absent.bytes, absent.queues.len()), (0, 0, 0));
    }
}
