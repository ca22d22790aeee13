//! Silences lapin's logging.
//!
//! lapin logs every frame that it writes or reads, the login with its password among them, and
//! each returned message with its body. Levels do not help, since a debugging session enables all
//! of them. So threads that serve AMQP connections have no subscriber, and lapin is silenced on
//! all others. Our own lines about a connection go through [`crate::logging::defer`].

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
};

use tracing::{
    Dispatch,
    dispatcher::{DefaultGuard, set_default},
};

/// The name of lapin's thread.
const LAPINS: &str = "lapin-io-loop";

thread_local! {
    /// Keeps the thread silent for as long as it lives.
    static FOREVER: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
    /// Keep it silent while [`Silent`] values are dropped.
    static DROPPING: RefCell<Vec<DefaultGuard>> = const { RefCell::new(Vec::new()) };
    static IS_SILENT: Cell<bool> = const { Cell::new(false) };
}

fn silence() -> DefaultGuard {
    set_default(&Dispatch::none())
}

/// Silences this thread for good.
pub(super) fn silence_thread() {
    if !IS_SILENT.replace(true) {
        FOREVER.with_borrow_mut(|guard| *guard = Some(silence()));
    }
}

/// Silences this thread for good, if it is lapin's.
pub(super) fn silence_lapins_thread() {
    if !IS_SILENT.get() && std::thread::current().name() == Some(LAPINS) {
        silence_thread();
    }
}

/// Runs `lapin` without a subscriber.
pub(super) fn silenced<T>(lapin: impl FnOnce() -> T) -> T {
    let _guard = (!IS_SILENT.get()).then(silence);
    lapin()
}

/// A value of lapin's that is dropped without a subscriber.
///
/// Fields are dropped in order: the first silences the thread, the last ends that.
#[derive(Debug)]
pub(super) struct Silent<T> {
    _begin: Begin,
    value: T,
    _end: End,
}

impl<T> Silent<T> {
    pub(super) fn new(value: T) -> Self {
        Self { _begin: Begin, value, _end: End }
    }
}

impl<T> Deref for Silent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Silent<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[derive(Debug)]
struct Begin;

impl Drop for Begin {
    fn drop(&mut self) {
        if !IS_SILENT.try_with(Cell::get).unwrap_or(true) {
            // A thread whose locals are gone already ends, and logs nothing any more.
            let _ = DROPPING.try_with(|guards| guards.borrow_mut().push(silence()));
        }
    }
}

#[derive(Debug)]
struct End;

impl Drop for End {
    fn drop(&mut self) {
        let guard = DROPPING.try_with(|guards| guards.borrow_mut().pop());
        drop(guard);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::logging::sink::Sink;

    fn line() {
        tracing::error!("a line");
    }

    /// Logs when it is dropped.
    struct Loud;

    impl Drop for Loud {
        fn drop(&mut self) {
            line();
        }
    }

    #[test]
    fn what_runs_or_is_dropped_silently_is_not_heard_and_all_else_is() {
        let lines = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lines);
        let count = Sink::new(move || _ = counted.fetch_add(1, Ordering::Relaxed));
        // Of one subscriber alone, tracing remembers what a silent thread has made of a line.
        let _second = Dispatch::new(Sink::new(|| ()));
        let _guard = tracing::subscriber::set_default(count);
        let lines = || lines.load(Ordering::Relaxed);
        silenced(line);
        drop(Silent::new(Loud));
        drop(Silent::new(Silent::new(Loud)));
        assert_eq!(lines(), 0);
        line();
        assert_eq!(lines(), 1);
    }

    #[test]
    fn only_lapins_own_thread_is_silenced_by_its_name() {
        let is_silenced = |name: &str| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(|| {
                silence_lapins_thread();
                silence_lapins_thread();
                IS_SILENT.get()
            });
            thread.expect("a thread").join().expect("no panic")
        };
        assert!(is_silenced(LAPINS));
        assert!(!is_silenced("tokio-rt-worker"));
    }
}
