//! The send queue, whatever races: who pushes, who sends, who closes.

use shuttle::{future::block_on, thread};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
};

use super::*;
use crate::sync::model::many_orders;

fn request(is_call: bool) -> Arc<Pending> {
    Arc::new(Pending::of_nothing(is_call))
}

/// A queue, and whether its sender is to stop.
#[derive(Default)]
struct Scene {
    queue: SendQueue,
    stops: AtomicBool,
}

impl Scene {
    /// Sends what comes, as the publisher does. What is sent ends as refused, so that it can be told from the rest.
    fn send(&self, until: usize) {
        let mut sent = 0;
        while sent < until && !self.stops.load(Ordering::SeqCst) {
            match self.queue.pop(true) {
                Some(Job::Request(request)) => {
                    assert!(request.take().is_some(), "it comes out once");
                    request.end(Outcome::Refused);
                    sent += 1;
                }
                Some(Job::Reply(_)) => panic!("nobody pushed it"),
                None => block_on(self.queue.woken.notified()),
            }
        }
    }

    fn close(&self) {
        self.queue.close();
        self.stops.store(true, Ordering::SeqCst);
        self.queue.woken.notify_one();
    }
}

fn outcome(request: &Pending) -> Outcome {
    match request.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a request without an end"),
    }
}

/// Pushes a call and a cast from two tasks beside others, and returns how they ended.
fn run(others: &[fn(&Scene)]) -> [Outcome; 2] {
    let scene = Arc::new(Scene::default());
    let requests = [true, false].map(request);
    let mut tasks: Vec<_> = requests
        .iter()
        .map(|request| {
            let (scene, request) = (Arc::clone(&scene), Arc::clone(request));
            thread::spawn(move || scene.queue.push(Job::Request(request)))
        })
        .collect();
    tasks.extend(others.iter().map(|other| {
        let (scene, other) = (Arc::clone(&scene), *other);
        thread::spawn(move || other(&scene))
    }));
    tasks.into_iter().for_each(|task| task.join().expect("it ends"));
    assert!(scene.queue.is_empty());
    requests.map(|request| outcome(&request))
}

#[test]
fn whatever_is_pushed_wakes_who_sends() {
    many_orders(|| {
        let ends = run(&[|scene| scene.send(2)]);
        assert!(ends.iter().all(|end| matches!(end, Outcome::Refused)), "{ends:?}");
    });
}

#[test]
fn what_is_to_be_sent_at_once_or_not_at_all_fails_alone() {
    many_orders(|| {
        let queue = Arc::new(SendQueue::default());
        let jobs = [(true, Retry::Never), (false, Retry::Never), (true, Retry::Unsent)];
        let jobs = jobs.map(|(is_call, retry)| {
            let mut pending = Pending::of_nothing(is_call);
            pending.retry = retry;
            Arc::new(pending)
        });
        let pushing = jobs.each_ref().map(|job| {
            let (queue, job) = (Arc::clone(&queue), Arc::clone(job));
            thread::spawn(move || queue.push(Job::Request(job)))
        });
        pushing.into_iter().for_each(|task| task.join().expect("it ends"));
        queue.fail_hasty(&TransportError::closed());
        assert_eq!(jobs.each_ref().map(|job| job.has_ended()), [true, true, false]);
        assert_eq!(queue.len(), 1);
    });
}

#[test]
fn a_queue_that_closes_fails_what_it_holds_and_what_comes_later() {
    many_orders(|| {
        let ends = run(&[Scene::close]);
        assert!(ends.iter().all(|end| matches!(end, Outcome::Unsent(_))), "{ends:?}");
    });
}

#[test]
fn what_is_pushed_is_sent_or_failed_while_the_queue_closes() {
    many_orders(|| {
        let ends = run(&[|scene| scene.send(2), Scene::close]);
        let ended = |end: &Outcome| matches!(end, Outcome::Refused | Outcome::Unsent(_));
        assert!(ends.iter().all(ended), "{ends:?}");
    });
}
