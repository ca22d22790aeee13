//! Locks and counters of what several tasks share. In tests, a model may let another task go on at each of them.

#[cfg(test)]
pub(crate) mod model;

#[cfg(test)]
pub(crate) use model::{AtomicUsize, Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicUsize};
