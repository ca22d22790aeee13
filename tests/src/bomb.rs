//! Values that panic when they are dropped.

use std::panic::panic_any;

/// Panics when it is dropped, unless that would abort the process.
#[derive(Debug)]
pub struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any(Fuse(3));
        }
    }
}

/// A panic's payload whose destructor panics with another payload, and so on: the number of them.
#[derive(Debug)]
pub struct Fuse(pub u8);

impl Drop for Fuse {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Self(self.0 - 1));
        }
    }
}
