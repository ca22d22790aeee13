//! Live tests with Cinder: its own RPC APIs, as they are installed, against our servers of the whole interfaces.
//!
//! A Python program calls each method of an API. It says of each call what has to arrive, and what came back; the
//! servers here note what arrived, and what they returned.

mod backup;
mod classes;
mod drive;
mod received;
mod run;
mod scheduler;
mod servers;
mod volume;
