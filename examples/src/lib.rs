//! The interfaces that the examples share: Cinder's, cut down to one flow and complete, and Nova's.

pub mod cinder;
pub mod notebook;
pub mod nova;
mod report;

pub use report::Report;
