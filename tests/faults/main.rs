//! Faults of a broker, a network and a peer: one test for each, named after its number in
//! `rpc-runtime/docs/reliability.md` and its promise. The suite has its own nodes, because some
//! tests kill them.

mod aged;
mod blocked;
mod campaign;
mod channels;
mod closing;
mod clusters;
mod connecting;
mod hosts;
mod logging;
mod losing;
mod pressure;
mod program;
mod proxied;
mod refused;
mod replies;
mod running;
mod scene;
mod secured;
mod silent;
mod starved;
mod steps;
mod stranger;
mod surroundings;
mod unconsumed;
mod verdicts;
