//! What the examples share: Cinder's interfaces, cut down to one flow and as a whole, and Nova's.

pub mod cinder;
pub mod notebook;
pub mod nova;
mod report;

pub use report::Report;
