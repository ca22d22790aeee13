//! A server that stops: who waits for the last of what runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use shuttle::{future::block_on, thread};
use tokio::sync::{Semaphore, watch};

use super::Tracker;
use crate::sync::model::{every_order, many_orders, point};

#[test]
fn who_waits_for_the_end_of_two_requests_sees_the_end_of_both() {
    every_order(|| {
        let (tracker, done) = (Tracker::default(), Arc::new(AtomicUsize::new(0)));
        let running: Vec<_> = [(); 2]
            .map(|()| {
                let (tracked, done) = (tracker.track(), Arc::clone(&done));
                thread::spawn(move || {
                    done.fetch_add(1, Ordering::SeqCst);
                    drop(tracked);
                })
            })
            .into();
        block_on(tracker.idle());
        assert_eq!((done.load(Ordering::SeqCst), tracker.running()), (2, 0));
        running.into_iter().for_each(|task| task.join().expect("it ends"));
    });
}

#[test]
fn two_who_wait_are_both_told() {
    many_orders(|| {
        let tracker = Tracker::default();
        let tracked = tracker.track();
        let waiting = [(); 2].map(|()| {
            let tracker = tracker.clone();
            thread::spawn(move || block_on(tracker.idle()))
        });
        drop(tracked);
        waiting.into_iter().for_each(|task| task.join().expect("it ends"));
    });
}

/// A server of one slot, as `Server` is one: it takes a slot, then a request, and counts it before it is begun.
struct Scene {
    slots: Arc<Semaphore>,
    tracker: Tracker,
    closing: watch::Sender<bool>,
    waiting: AtomicUsize,
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Scene {
    fn new(requests: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(1)),
            tracker: Tracker::default(),
            closing: watch::Sender::new(false),
            waiting: AtomicUsize::new(requests),
            begun: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// Runs what waits, until told to stop.
    async fn serve(&self) {
        let mut closing = self.closing.subscribe();
        loop {
            let slot = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => return,
                slot = Arc::clone(&self.slots).acquire_owned() => slot.expect("it is never closed"),
            };
            point();
            if self.waiting.load(Ordering::SeqCst) == 0 {
                return;
            }
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            let tracked = self.tracker.track();
            let (begun, ended) = (Arc::clone(&self.begun), Arc::clone(&self.ended));
            thread::spawn(move || {
                assert_eq!(begun.fetch_add(1, Ordering::SeqCst), ended.load(Ordering::SeqCst));
                point();
                ended.fetch_add(1, Ordering::SeqCst);
                drop(slot);
                drop(tracked);
            });
        }
    }
}

#[test]
fn a_server_that_stops_has_ended_all_that_it_began_and_begins_nothing_later() {
    many_orders(|| {
        let scene = Arc::new(Scene::new(3));
        let serving = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || block_on(scene.serve()))
        };
        point();
        scene.closing.send_replace(true);
        serving.join().expect("it ends");
        block_on(scene.tracker.idle());
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        assert_eq!(count(&scene.begun), count(&scene.ended));
        assert_eq!(
            count(&scene.begun) + count(&scene.waiting),
            3,
            "what has not begun still waits"
        );
        point();
        assert_eq!(count(&scene.begun), count(&scene.ended));
    });
}
