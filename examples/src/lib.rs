//! What the examples share: two of Cinder's interfaces, cut down to one flow.

pub mod cinder;
pub mod notebook;
