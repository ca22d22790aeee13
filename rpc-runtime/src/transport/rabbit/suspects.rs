//! Messages one of which has made the broker close a channel: they are sent again one at a time, until each is cleared.
//!
//! The broker says why it closes a channel, and mostly not over which message. Who closes one alone is known. Plain data: no
//! channel, no clock.

use std::{collections::VecDeque, sync::Arc};

/// What is held against a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// What the broker said.
    pub(super) words: Arc<str>,
    /// Whether the message had been sent more than once before.
    pub(super) was_repeated: bool,
}

/// See the module. `J` is a message.
#[derive(Debug)]
pub(super) struct Suspects<J> {
    waiting: VecDeque<(J, Suspicion)>,
    /// What is held against the one that is on its way, alone.
    trial: Option<Suspicion>,
}

impl<J> Suspects<J> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), trial: None }
    }

    /// Whether there is no reason to send messages one at a time.
    pub(super) fn is_empty(&self) -> bool {
        self.trial.is_none() && self.waiting.is_empty()
    }

    /// Keeps one, behind the others.
    pub(super) fn push(&mut self, message: J, suspicion: Suspicion) {
        self.waiting.push_back((message, suspicion));
    }

    /// Returns the next one that may be sent, for its trial. A trial before has come to nothing: its message was not sent.
    pub(super) fn next(&mut self, may_be_sent: impl Fn(&J) -> bool) -> Option<J> {
        self.trial = None;
        let at = self.waiting.iter().position(|(message, _)| may_be_sent(message))?;
        let (message, suspicion) = self.waiting.remove(at)?;
        self.trial = Some(suspicion);
        Some(message)
    }

    /// Ends a trial, if there is one. Returns what was held against the message.
    pub(super) fn end_trial(&mut self) -> Option<Suspicion> {
        self.trial.take()
    }

    /// Returns whatever waits.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = J> {
        self.waiting.into_iter().map(|(message, _)| message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicion(words: &str) -> Suspicion {
        Suspicion { words: words.into(), was_repeated: false }
    }

    #[test]
    fn suspects_are_tried_one_after_the_other() {
        let mut suspects = Suspects::new();
        assert!(suspects.is_empty() && suspects.next(|_| true).is_none());
        suspects.push(1, suspicion("first"));
        suspects.push(2, suspicion("second"));
        assert_eq!(suspects.next(|_| true), Some(1));
        assert_eq!(suspects.end_trial(), Some(suspicion("first")));
        assert!(!suspects.is_empty(), "another waits");
        assert_eq!(suspects.next(|_| true), Some(2));
        assert!(!suspects.is_empty(), "it has not landed");
        assert_eq!(suspects.end_trial(), Some(suspicion("second")));
        assert!(suspects.is_empty() && suspects.end_trial().is_none());
    }

    #[test]
    fn one_that_cannot_be_sent_yet_keeps_its_place_and_no_other_from_its_trial() {
        let mut suspects = Suspects::new();
        (1..4).for_each(|message| suspects.push(message, suspicion("words")));
        assert_eq!(suspects.next(|message| *message > 1), Some(2));
        assert_eq!(suspects.next(|message| *message > 3), None);
        assert_eq!(suspects.end_trial(), None, "what comes instead is no suspect");
        assert_eq!(suspects.into_waiting().collect::<Vec<_>>(), [1, 3]);
    }
}
