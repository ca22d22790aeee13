//! What this process holds, and whether anything in it has panicked.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What should stay as it is. Where the system does not tell, there is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) kib: usize,
    pub(crate) threads: usize,
    pub(crate) files: usize,
}

impl Held {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self { kib: number("VmRSS:"), threads: number("Threads:"), files }
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics from now on, those of tasks that nobody awaits included.
pub(crate) fn count_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            told(panic);
        }));
    });
}

pub(crate) fn panics() -> usize {
    PANICS.load(Ordering::Relaxed)
}
