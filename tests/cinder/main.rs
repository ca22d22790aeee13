//! Live tests with Cinder: its installed RPC APIs against servers of the complete interfaces.
//!
//! A Python program calls each method of an API, and prints for each call what has to arrive and
//! what was returned. The servers record what arrived and what they replied.

mod backup;
mod classes;
mod drive;
mod received;
mod run;
mod scheduler;
mod servers;
mod volume;
