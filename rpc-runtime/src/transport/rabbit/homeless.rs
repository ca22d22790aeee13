//! Requests to an exchange that is not there: they wait for its servers to make it again.
//!
//! Whoever publishes may declare the exchange. But without the servers' bindings it takes a message nowhere, and with it there
//! the servers have a harder time to notice that theirs is gone. A plain table, without a clock.

use std::collections::{HashMap, HashSet};

/// See the module. `J` is a request.
#[derive(Debug)]
pub(super) struct Homeless<J> {
    waiting: HashMap<String, Vec<J>>,
    /// The exchanges that have been waited for: who publishes next makes them.
    awaited: HashSet<String>,
}

impl<J> Homeless<J> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), awaited: HashSet::new() }
    }

    /// Whether requests to an exchange wait.
    pub(super) fn knows(&self, exchange: &str) -> bool {
        !self.waiting.is_empty() && self.waiting.contains_key(exchange)
    }

    /// Whether an exchange has been waited for. The question is asked once.
    pub(super) fn is_rebuilt(&mut self, exchange: &str) -> bool {
        !self.awaited.is_empty() && self.awaited.remove(exchange)
    }

    /// Keeps a request. Returns whether it is the first of its exchange, so that somebody has to look again later.
    pub(super) fn hold(&mut self, exchange: &str, request: J) -> bool {
        if let Some(waiting) = self.waiting.get_mut(exchange) {
            waiting.push(request);
            return false;
        }
        self.waiting.insert(exchange.to_owned(), vec![request]);
        true
    }

    /// Returns the requests that waited for an exchange, in their order.
    pub(super) fn release(&mut self, exchange: &str) -> Vec<J> {
        let Some(waiting) = self.waiting.remove(exchange) else { return Vec::new() };
        self.awaited.insert(exchange.to_owned());
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

    #[test]
    fn requests_wait_for_their_exchange_and_no_other() {
        let mut homeless = Homeless::new();
        assert!(
            homeless.hold("nova", 1) && !homeless.hold("nova", 2) && homeless.hold("cinder", 3)
        );
        assert!(homeless.knows("nova") && !homeless.knows("neutron"));
        assert_eq!(homeless.release("nova"), [1, 2]);
        assert!(!homeless.knows("nova") && homeless.knows("cinder"));
        assert!(homeless.is_rebuilt("nova") && !homeless.is_rebuilt("nova"));
        assert!(homeless.hold("nova", 4), "it is missing again");
    }
}
