//! What happens again and again: many operations and many faults, and the figures that come of them.
//!
//! The short forms run with all tests, the long ones with `cargo xtask test faults --long`. Each prints a table at its end,
//! for `rpc-runtime/docs/reliability.md`.

mod alive;
mod besieged;
mod drain;
mod flat;
mod returning;
mod siege;
mod table;
mod telling;
