//! Models: tasks that share something, in every order in which they can take turns, or in many.
//!
//! Shuttle runs the tasks of a scenario by turns on one thread, and decides at each lock and counter who goes on. What
//! blocks for ever is a deadlock that it reports, with the order that led there. tokio's own parts are used as they
//! are: each of their operations is one step. Outside of a model, these types are those of std.

use std::{
    ops::{Deref, DerefMut},
    sync::{LockResult, PoisonError, atomic::Ordering},
    time::Duration,
};

use shuttle::{
    Config, Runner,
    current::try_get_current_task,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler},
};

/// The most orders that a model may have of which every one is tried.
const MOST: usize = 200_000;
/// How many orders are tried where there are too many, by each of two ways of choosing them.
const MANY: usize = 2_000;
/// How often one order changes its mind.
const CHANGES: usize = 3;

/// Runs a scenario in every order.
pub(crate) fn every_order(scenario: impl Fn() + Send + Sync + 'static) {
    let scheduler = DfsScheduler::new(Some(MOST), false);
    let tried = Runner::new(scheduler, Config::new()).run(scenario);
    assert!((2..MOST).contains(&tried), "{tried} orders: try `many_orders`");
}

/// Runs a scenario in many orders: random ones, and ones with few changes at random places.
pub(crate) fn many_orders(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    let seed = std::env::var("RPC_RANDOM_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().expect("RPC_RANDOM_SEED is a number"));
    let random = RandomScheduler::new_from_seed(seed, MANY);
    Runner::new(random, Config::new()).run(scenario.clone());
    let few = PctScheduler::new_from_seed(seed, CHANGES, MANY);
    Runner::new(few, Config::new()).run(scenario);
}

/// A place where a model may let another task go on.
pub(crate) fn point() {
    if try_get_current_task().is_some() && !std::thread::panicking() {
        // There is no time in a model: this is one turn.
        shuttle::thread::sleep(Duration::ZERO);
    }
}

/// `std::sync::Mutex`, with a place for others before it is locked and after it is free again.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        point();
        match self.0.lock() {
            Ok(guard) => Ok(MutexGuard(Some(guard))),
            Err(error) => Err(PoisonError::new(MutexGuard(Some(error.into_inner())))),
        }
    }
}

/// A lock that is held. No task stops while it holds one, so nobody ever waits for it in a model.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T>(Option<std::sync::MutexGuard<'a, T>>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("held until it is dropped")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0 = None;
        point();
    }
}

/// `std::sync::atomic::AtomicUsize`, with a place for others before and after each use.
#[derive(Debug, Default)]
pub(crate) struct AtomicUsize(std::sync::atomic::AtomicUsize);

impl AtomicUsize {
    pub(crate) fn load(&self, order: Ordering) -> usize {
        point();
        let value = self.0.load(order);
        point();
        value
    }

    pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        point();
        let before = self.0.fetch_add(value, order);
        point();
        before
    }

    pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        point();
        let before = self.0.fetch_sub(value, order);
        point();
        before
    }
}
