//! Other libraries for calls between Rust programs.

pub(crate) mod kanin;
pub(crate) mod tarpc;
