//! What a process holds of its machine.

use std::fs;

/// See the module.
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
    /// What this process holds. Where the system does not tell, there is nothing.
    #[must_use]
    pub fn now() -> Self {
        Self::of(std::process::id()).unwrap_or_default()
    }

    /// What a process holds. `None` if it does not run, or the system does not tell.
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
