//! The runtime of what belongs to no connection: supervisors, and whatever waits for a connection.
//!
//! One thread serves all transports of a process, and each connection has another. Handlers that
//! keep every thread of their application's runtime busy stop neither heartbeats nor
//! acknowledgements.
//!
//! A system that has no thread to give ([`std::thread::Builder::spawn`] fails) stops nothing that
//! runs: what needs a thread fails with an error, and [`aside`] has one in reserve.

use std::{
    future::{Future, pending},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    task::JoinHandle,
};

use super::hush::silence_thread;
use crate::{
    TransportError, TransportErrorKind,
    logging::{Logged, start_writer},
    sync::lock,
};

/// Work that blocks the thread that does it.
type Work = Box<dyn FnOnce() + Send>;

static RUNTIME: Mutex<Option<Threads>> = Mutex::new(None);

/// The threads that a process with an AMQP connection keeps.
struct Threads {
    runtime: Handle,
    /// Works off what finds no thread of its own.
    reserve: Sender<Work>,
}

/// Returns the runtime. The first caller starts it; it lives as long as the process.
///
/// # Errors
/// If the system has no thread to give.
pub(super) fn handle() -> Result<Handle, TransportError> {
    let mut threads = lock(&RUNTIME);
    if let Some(threads) = &*threads {
        return Ok(threads.runtime.clone());
    }
    let started = start().map_err(|error| {
        TransportError::caused(TransportErrorKind::LimitReached, "cannot start a thread", &error)
    })?;
    Ok(threads.insert(started).runtime.clone())
}

fn start() -> io::Result<Threads> {
    start_writer()?;
    let (reserve, work) = channel();
    spawn_thread("rpc-reserve", move || work_off(&work))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    spawn_thread("rpc-amqp", move || runtime.block_on(pending::<()>()))?;
    Ok(Threads { runtime: handle, reserve })
}

/// Starts a thread on which lapin is silenced.
pub(super) fn spawn_thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let run = move || {
        silence_thread();
        run();
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Works off one thing after the other. A panic ends one of them alone.
fn work_off(work: &Receiver<Work>) {
    for work in work {
        // The panic's own message has said what happened.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

/// Does work that blocks on a thread of its own, or on the one in reserve if the system gives none.
pub(super) fn aside(name: &str, work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(Mutex::new(Some(work)));
    let run = {
        let work = Arc::clone(&work);
        move || {
            if let Some(work) = lock(&work).take() {
                work();
            }
        }
    };
    if spawn_thread(name, run.clone()).is_err()
        && let Some(threads) = &*lock(&RUNTIME)
    {
        // It lives as long as the process.
        let _ = threads.reserve.send(Box::new(run));
    }
}

/// Runs a task on a runtime. What it logs goes where its caller's lines go.
pub(super) fn spawn<F>(on: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    on.spawn(Logged::new(task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_in_reserve_survives_what_panics_on_it() {
        let (reserve, work) = channel::<Work>();
        let worker = thread::spawn(move || work_off(&work));
        let (done, is_done) = channel();
        reserve.send(Box::new(|| panic!("a bug"))).expect("it runs");
        reserve.send(Box::new(move || done.send(7).expect("it is waited for"))).expect("it runs");
        assert_eq!(is_done.recv().expect("no thread died"), 7);
        drop(reserve);
        worker.join().expect("no panic");
    }
}
