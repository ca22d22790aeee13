//! The runtime of what belongs to no connection: who makes connections, and who comes after a lost one.
//!
//! One thread for all transports of a process; each connection has another. Handlers that keep every thread of their application's
//! runtime busy stop neither heartbeats nor acknowledgements, and a runtime that ends takes no connection along in the middle of
//! something.

use std::{
    future::{Future, pending},
    io,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    task::JoinHandle,
};
use tracing::instrument::WithSubscriber as _;

use crate::{TransportError, TransportErrorKind};

/// How long a thread stays that looked up a name, or ended what a connection has left.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Returns the runtime. The first who asks starts it; it lives as long as the process.
pub(super) fn handle() -> Result<Handle, TransportError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*runtime {
        return Ok(handle.clone());
    }
    let started = start().map_err(|error| {
        TransportError::caused(TransportErrorKind::LimitReached, "cannot start a thread", &error)
    })?;
    Ok(runtime.insert(started).clone())
}

fn start() -> io::Result<Handle> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().thread_keep_alive(KEEP_ALIVE).build()?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(pending::<()>());
    thread::Builder::new().name("rpc-amqp".to_owned()).spawn(run)?;
    Ok(handle)
}

/// Runs a task on a runtime. What it logs goes where its caller's lines go.
pub(super) fn spawn<F>(on: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    on.spawn(task.with_current_subscriber())
}
