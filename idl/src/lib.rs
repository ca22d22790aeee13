//! What an RPC interface is: its versions, methods and parameters, and the parser that reads them from a Rust trait.
//!
//! One model, many outputs: whatever is made of an interface reads the same data. This crate knows no broker and does
//! no I/O.

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
