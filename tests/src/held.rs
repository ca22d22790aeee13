//! Resources that a process holds: memory, threads, open files.

use std::fs;

/// Resources of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Memory, in KiB.
    pub kib: usize,
    /// Threads.
    pub threads: usize,
    /// Open files.
    pub files: usize,
}

impl Held {
    /// Measures this process. All values are zero where the system has no `/proc`.
    #[must_use]
    pub fn now() -> Self {
        Self::of(std::process::id()).unwrap_or_default()
    }

    /// Measures a process. Returns `None` if it does not run, or if the system has no `/proc`.
    #[must_use]
    pub fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
        Some(Self { kib: number("VmRSS:")?, threads: number("Threads:")?, files })
    }
}
