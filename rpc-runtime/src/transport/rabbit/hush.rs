//! lapin's log lines, of which there are none.
//!
//! lapin logs every frame that it writes or reads, the login with its password among them, and at the level of a warning
//! the whole of each message that comes back because nobody takes it. Levels do not help: who looks for something turns
//! all of them on. These lines are written on one thread, lapin's own, which asks our stream for bytes. There they go
//! nowhere; what there is to say of a connection is said by us.

use std::cell::RefCell;

use tracing::{
    Dispatch,
    dispatcher::{DefaultGuard, set_default},
};

/// The name of lapin's thread.
const THREAD: &str = "lapin-io-loop";

thread_local! {
    static HUSHED: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// Lets lines go nowhere for as long as this thread lives, if it is lapin's.
pub(super) fn hush() {
    HUSHED.with_borrow_mut(|hushed| {
        if hushed.is_none() && std::thread::current().name() == Some(THREAD) {
            *hushed = Some(set_default(&Dispatch::none()));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether lines go nowhere on a thread of this name, after `hush`.
    fn is_hushed(name: &str) -> bool {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(|| {
            hush();
            hush();
            HUSHED.with_borrow(Option::is_some)
        });
        thread.expect("a thread").join().expect("no panic")
    }

    #[test]
    fn only_lapins_own_thread_is_hushed() {
        assert!(is_hushed(THREAD));
        assert!(!is_hushed("tokio-rt-worker"));
    }
}
