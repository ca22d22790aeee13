//! Reply queues that are not there: what all servers of a transport know of them.
//!
//! A client that restarts or reconnects misses its replies for a while. Instead of trying each reply over and over,
//! one is tried for its queue, and the others wait for what becomes of it. A plain table, without a clock.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// See the module. `J` is a reply.
#[derive(Debug)]
pub(super) struct Absent<J> {
    queues: HashMap<Arc<str>, VecDeque<J>>,
}

impl<J> Absent<J> {
    pub(super) fn new() -> Self {
        Self { queues: HashMap::new() }
    }

    /// Whether a queue is known to be absent.
    pub(super) fn knows(&self, queue: &str) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(queue)
    }

    /// Keeps a reply whose queue is known to be absent.
    pub(super) fn hold(&mut self, queue: &Arc<str>, reply: J) {
        self.queues.entry(Arc::clone(queue)).or_default().push_back(reply);
    }

    /// Takes a reply that its queue did not take. Returns whether this is news, so that somebody has to try again
    /// later.
    pub(super) fn missed(&mut self, queue: &Arc<str>, reply: J) -> bool {
        let news = !self.queues.contains_key(queue);
        self.queues.entry(Arc::clone(queue)).or_default().push_front(reply);
        news
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
            if wanted(&reply) {
                return Some(reply);
            }
            gone(reply);
        }
        self.queues.remove(queue);
        None
    }

    /// Says that a queue has taken a reply. Returns those that waited for that.
    pub(super) fn is_back(&mut self, queue: &str) -> VecDeque<J> {
        if self.queues.is_empty() {
            return VecDeque::new();
        }
        self.queues.remove(queue).unwrap_or_default()
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
        let (mut absent, queue) = (Absent::new(), Arc::from("reply_1"));
        assert!(!absent.knows("reply_1"));
        assert!(absent.missed(&queue, 1) && !absent.missed(&queue, 2));
        absent.hold(&queue, 3);
        assert_eq!(absent.try_next("reply_1", |_| true, |_| ()), Some(2));
        assert!(!absent.missed(&queue, 2), "its turn comes again without news");
        assert_eq!(absent.is_back("reply_1"), [2, 1, 3]);
        assert!(!absent.knows("reply_1"));
    }

    #[test]
    fn what_nobody_wants_any_more_goes_and_the_queue_with_the_last_of_it() {
        let (mut absent, queue) = (Absent::new(), Arc::from("reply_1"));
        absent.missed(&queue, 1);
        absent.hold(&queue, 2);
        let mut gone = Vec::new();
        assert_eq!(absent.try_next("reply_1", |reply| *reply > 2, |reply| gone.push(reply)), None);
        assert_eq!(gone, [1, 2]);
        assert!(!absent.knows("reply_1"));
    }
}
