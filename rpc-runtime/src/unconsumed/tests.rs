//! The table, with a clock and a broker of the test's own.

use std::{
    future::Future as _,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::envelope::Reply;

const LIMIT: Duration = Duration::from_secs(5);

/// A table, and how late it is.
struct Scene {
    all: Arc<Unconsumed>,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self { all: Arc::new(Unconsumed::new(LIMIT)), now: Instant::now() }
    }

    /// Adds a call whose request the broker has.
    fn call(&self, queue: &str) -> (Arc<Pending>, Waits) {
        let call = Arc::new(Pending::of_nothing(true));
        assert!(call.take().is_some());
        call.confirm();
        let waits = self.all.wait(queue.into(), &call);
        (call, waits)
    }

    fn after(&mut self, millis: u64) -> &mut Self {
        self.now += Duration::from_millis(millis);
        self
    }

    /// Returns what is asked now.
    fn asked(&self) -> Vec<String> {
        match self.all.lock().due(self.now) {
            Due::Ask(queues) => queues.iter().map(|queue| queue.to_string()).collect(),
            Due::Wait(_) => Vec::new(),
        }
    }

    /// Lets the broker answer the question about `q`, which has to be asked now.
    fn counts(&self, messages: u32, consumers: u32) {
        assert_eq!(self.asked(), ["q"]);
        self.all.answered(&"q".into(), Answer::Counts { messages, consumers });
    }
}

/// Returns how long the queue of a call had no consumer when the call ended. `None` if it has not
/// ended.
fn ended(call: &Pending) -> Option<Duration> {
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Outcome::Unconsumed { observed, .. }) => Some(observed),
        Poll::Ready(other) => panic!("{other:?}"),
        Poll::Pending => None,
    }
}

#[test]
fn two_answers_of_none_that_are_far_enough_apart_end_all_calls_of_a_queue() {
    let mut scene = Scene::new();
    let (one, _of_one) = scene.call("q");
    scene.counts(1, 0);
    let (two, _of_two) = scene.call("q");
    for _ in 0..4 {
        scene.after(1000).counts(2, 0);
        assert!(ended(&one).is_none() && ended(&two).is_none());
    }
    scene.after(1000).counts(2, 0);
    assert_eq!((ended(&one), ended(&two)), (Some(LIMIT), Some(LIMIT)));
}

#[test]
fn a_queue_is_asked_about_once_a_second_however_many_calls_wait() {
    let mut scene = Scene::new();
    let _calls: Vec<_> = (0..100).map(|_| scene.call("q")).collect();
    assert_eq!(scene.asked(), ["q"]);
    assert!(scene.asked().is_empty());
    assert!(scene.after(999).asked().is_empty());
    assert_eq!(scene.after(1).asked(), ["q"]);
    let _other = scene.call("other");
    assert_eq!(scene.asked(), ["other"], "that one has not been asked about");
    // Calls that come and go do not ask more often.
    scene.after(1000).asked();
    let (_, waits) = scene.call("third");
    assert_eq!(scene.asked(), ["third"]);
    drop(waits);
    scene.after(500).asked();
    let _again = scene.call("third");
    assert!(!scene.asked().contains(&"third".to_owned()));
    assert!(scene.after(500).asked().contains(&"third".to_owned()));
}

#[test]
fn a_consumer_in_between_begins_the_time_anew() {
    let mut scene = Scene::new();
    let (_early, _waits) = scene.call("q");
    scene.counts(1, 0);
    scene.after(4000).counts(1, 1);
    // Sent after that consumer had gone.
    let (late, _waits) = scene.call("q");
    scene.after(1000).counts(2, 0);
    scene.after(4000).counts(2, 0);
    assert!(ended(&late).is_none());
    scene.after(1000).counts(2, 0);
    assert_eq!(ended(&late), Some(LIMIT));
}

#[test]
fn an_answer_of_a_server_that_was_never_seen_begins_the_time_anew() {
    let mut scene = Scene::new();
    let ((one, of_one), (two, _of_two)) = (scene.call("q"), scene.call("q"));
    scene.counts(2, 0);
    of_one.was_consumed();
    drop((one, of_one));
    scene.after(5000).counts(1, 0);
    assert!(ended(&two).is_none());
    scene.after(5000).counts(1, 0);
    assert_eq!(ended(&two), Some(LIMIT));
}

#[test]
fn another_connection_begins_the_time_anew_and_forgets_refusals() {
    let mut scene = Scene::new();
    let (call, waits) = scene.call("q");
    scene.counts(1, 0);
    assert!(waits.unconsumed().is_some());
    scene.all.reset();
    assert!(waits.unconsumed().is_none());
    scene.after(5000).counts(1, 0);
    assert!(ended(&call).is_none());
    assert_eq!(scene.after(1000).asked(), ["q"]);
    scene.all.answered(&"q".into(), Answer::Refused);
    assert!(scene.after(60_000).asked().is_empty());
    drop((call, waits));
    let _other = scene.call("q");
    assert!(scene.after(60_000).asked().is_empty(), "a refusal outlives its call");
    scene.all.reset();
    assert_eq!(scene.asked(), ["q"]);
}

#[test]
fn a_request_that_a_server_may_have_is_waited_for_and_the_queue_named() {
    for (messages, consumers) in [(0, 0), (0, 1), (7, 1)] {
        let mut scene = Scene::new();
        let (call, waits) = scene.call("q");
        scene.counts(messages, consumers);
        assert_eq!(waits.unconsumed().is_some(), consumers == 0);
        for _ in 0..4 {
            scene.after(5000).counts(3, 0);
            assert!(ended(&call).is_none(), "after {messages}, {consumers}");
        }
        assert_eq!(waits.unconsumed().as_deref(), Some("q"));
        assert!(scene.after(4999).asked().is_empty(), "there is no hurry where nothing can end");
        // Another call is asked for as soon as it comes, and ends by what is known of the queue.
        let (other, _waits) = scene.call("q");
        scene.counts(4, 0);
        assert!(ended(&other).is_some() && ended(&call).is_none());
    }
}

#[test]
fn an_empty_queue_without_consumers_ends_nothing() {
    let mut scene = Scene::new();
    let (call, waits) = scene.call("q");
    scene.counts(0, 0);
    for _ in 0..10 {
        scene.after(5000).counts(0, 0);
    }
    assert!(ended(&call).is_none(), "it may have no leader");
    assert_eq!(waits.unconsumed().as_deref(), Some("q"));
    scene.after(5000).counts(0, 2);
    assert_eq!(waits.unconsumed(), None);
}

#[test]
fn nothing_is_asked_for_a_request_that_has_not_arrived_or_was_answered() {
    let mut scene = Scene::new();
    let waiting = Arc::new(Pending::of_nothing(true));
    let _of_waiting = scene.all.wait("q".into(), &waiting);
    assert!(scene.asked().is_empty(), "it is not in the queue");
    assert!(waiting.take().is_some());
    assert!(scene.after(1000).asked().is_empty(), "nor is it known to be");
    waiting.confirm();
    assert_eq!(scene.after(1000).asked(), ["q"]);
    let sign = r#"{"_msg_id": "1", "result": null, "failure": null, "ending": false}"#;
    waiting.reply(Reply::parse(sign.to_owned()).expect("a sign of life"));
    assert!(scene.after(1000).asked().is_empty(), "its server lives");
    assert!(!waiting.end_if_silent(Outcome::Refused));
}

#[test]
fn a_request_that_arrives_between_question_and_answer_does_not_end_by_that_answer() {
    let mut scene = Scene::new();
    let (first, _of_first) = scene.call("q");
    scene.counts(1, 0);
    scene.after(5000);
    assert_eq!(scene.asked(), ["q"]);
    let (late, _of_late) = scene.call("q");
    scene.all.answered(&"q".into(), Answer::Counts { messages: 2, consumers: 0 });
    assert!(ended(&first).is_some() && ended(&late).is_none());
}

#[test]
fn a_table_without_calls_is_empty_and_a_task_that_asks_for_it_ends() {
    let mut scene = Scene::new();
    let (_, waits) = scene.call("q");
    scene.counts(1, 1);
    drop(waits);
    scene.after(1000).asked();
    assert!(scene.all.lock().queues.is_empty());
    let mut asking = scene.all.claim().expect("nobody asks");
    assert!(scene.all.claim().is_none());
    let mut next = std::pin::pin!(asking.questions());
    let ended = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ended, Poll::Ready(None)));
    let again = scene.all.claim();
    assert!(again.is_some(), "the next call has another task started");
    drop(again);
    assert!(scene.all.claim().is_some(), "a task that died has been replaced");
}
