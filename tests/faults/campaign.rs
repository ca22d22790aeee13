//! Campaigns: many operations and many faults, and the figures that result.
//!
//! The short forms run with all tests, the long ones with `cargo xtask test faults --long`. At its
//! end, each prints a table for `rpc-runtime/docs/reliability.md`.

mod alive;
mod besieged;
mod drain;
mod flat;
mod returning;
mod siege;
mod table;
mod telling;
