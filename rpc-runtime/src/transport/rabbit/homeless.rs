//! Messages for what is not there: an exchange that its servers make again, or a queue for notifications that cannot be made.
//!
//! Whoever publishes may declare the exchange. But without the servers' bindings it takes a message nowhere, and with it there
//! the servers have a harder time to notice that theirs is gone. A queue may be missing because the node that has it is
//! down. What waits for either holds up nothing else. A plain table, without a clock.

use std::collections::{HashMap, HashSet};

/// What is not there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Missing {
    Exchange(String),
    /// The queue of an exchange that notifications with a key wait in.
    Queue {
        exchange: String,
        key: String,
    },
}

/// See the module. `J` is a request.
#[derive(Debug)]
pub(super) struct Homeless<J> {
    waiting: HashMap<Missing, Vec<J>>,
    /// The exchanges that have been waited for: who publishes next makes them.
    awaited: HashSet<String>,
}

impl<J> Homeless<J> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), awaited: HashSet::new() }
    }

    /// Returns what a message to an exchange has to wait for; `key` is that of a notification.
    pub(super) fn awaits(&self, exchange: &str, key: Option<&str>) -> Option<Missing> {
        if self.waiting.is_empty() {
            return None;
        }
        let queue =
            |key: &str| Missing::Queue { exchange: exchange.to_owned(), key: key.to_owned() };
        let places = [Some(Missing::Exchange(exchange.to_owned())), key.map(queue)];
        places.into_iter().flatten().find(|place| self.waiting.contains_key(place))
    }

    /// Whether an exchange has been waited for. The question is asked once.
    pub(super) fn is_rebuilt(&mut self, exchange: &str) -> bool {
        !self.awaited.is_empty() && self.awaited.remove(exchange)
    }

    /// Takes note that something is missing. Returns whether that is news, so that somebody has to look again later.
    pub(super) fn miss(&mut self, missing: &Missing) -> bool {
        let is_news = !self.waiting.contains_key(missing);
        if is_news {
            self.waiting.insert(missing.clone(), Vec::new());
        }
        is_news
    }

    /// Keeps a request for what is missing.
    pub(super) fn hold(&mut self, missing: &Missing, request: J) {
        self.waiting.entry(missing.clone()).or_default().push(request);
    }

    /// Returns the requests that waited for something, in their order.
    pub(super) fn release(&mut self, missing: &Missing) -> Vec<J> {
        let Some(waiting) = self.waiting.remove(missing) else { return Vec::new() };
        if let Missing::Exchange(exchange) = missing {
            self.awaited.insert(exchange.clone());
        }
        waiting
    }

    /// Returns whatever waits.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = J> {
        self.waiting.into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(name: &str) -> Missing {
        Missing::Exchange(name.to_owned())
    }

    #[test]
    fn requests_wait_for_their_exchange_and_no_other() {
        let mut homeless = Homeless::new();
        assert_eq!(homeless.awaits("nova", None), None);
        assert!(homeless.miss(&exchange("nova")) && homeless.miss(&exchange("cinder")));
        homeless.hold(&exchange("nova"), 1);
        homeless.hold(&exchange("cinder"), 3);
        assert!(!homeless.miss(&exchange("nova")), "it is no news");
        homeless.hold(&exchange("nova"), 2);
        assert_eq!(homeless.awaits("nova", Some("info")), Some(exchange("nova")));
        assert_eq!(homeless.awaits("neutron", None), None);
        assert_eq!(homeless.release(&exchange("nova")), [1, 2]);
        assert_eq!(homeless.awaits("nova", None), None);
        assert_eq!(homeless.awaits("cinder", None), Some(exchange("cinder")));
        assert!(homeless.is_rebuilt("nova") && !homeless.is_rebuilt("nova"));
        assert!(homeless.miss(&exchange("nova")), "it is missing again");
    }

    #[test]
    fn notifications_wait_for_their_queue_and_nothing_else_does() {
        let mut homeless = Homeless::new();
        let queue = Missing::Queue { exchange: "nova".to_owned(), key: "events.info".to_owned() };
        assert!(homeless.miss(&queue));
        homeless.hold(&queue, 1);
        assert_eq!(homeless.awaits("nova", Some("events.info")).as_ref(), Some(&queue));
        assert_eq!(homeless.awaits("nova", Some("events.error")), None);
        assert_eq!(homeless.awaits("nova", None), None, "a request of the same key is none");
        assert_eq!(homeless.awaits("cinder", Some("events.info")), None);
        assert_eq!(homeless.release(&queue), [1]);
        assert!(!homeless.is_rebuilt("nova"), "the exchange was there all the time");
        homeless.hold(&queue, 2);
        assert_eq!(homeless.into_waiting().collect::<Vec<_>>(), [2]);
    }
}
