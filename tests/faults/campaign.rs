//! What happens again and again: many operations and many faults, and the figures that come of them.
//!
//! The short forms run with all tests, the long ones with `cargo xtask test faults --long`. Each prints a table at its end,
//! for `rpc-runtime/docs/reliability.md`.

mod besieged;
mod drain;
mod flat;
mod returning;
mod siege;
mod table;

use crate::scene::is_long;

/// How much there is of something.
fn amount<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}
