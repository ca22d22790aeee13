//! Locks and counters of what several tasks share. In tests, a model may let another task go on at each of them.

#[cfg(test)]
pub(crate) mod model;

#[cfg(test)]
pub(crate) use model::{AtomicUsize, Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicUsize};

/// Locks what no model looks at, also if somebody panicked who had it: nothing here is left half done.
pub(crate) fn lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
