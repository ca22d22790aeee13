//! The model of an RPC interface (versions, methods, parameters), and the parser that reads it from
//! a Rust trait.
//!
//! Everything that is generated from an interface reads this one model. The crate does no I/O and
//! does not depend on a broker.

pub mod contract;
mod interface;
#[cfg(feature = "parse")]
pub mod parse;
mod version;

pub use interface::{
    Ack, HistoryEntry, HistoryKind, Interface, Kind, Method, OldForm, OldName, Parameter,
    UnknownPin,
};
pub use version::{ParseVersionError, Version};
