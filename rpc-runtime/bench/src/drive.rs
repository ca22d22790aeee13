//! Keeping so many operations going, and how long they take.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Result, item::Kind};

/// How much is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) kind: Kind,
    pub(crate) in_flight: usize,
    /// The bytes of a body.
    pub(crate) body: usize,
    pub(crate) time: Duration,
}

/// How often a server was called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What does operations.
pub(crate) trait Clients {
    fn drive(&self, load: Load) -> Pin<Box<dyn Future<Output = Result<Found>> + '_>>;
}

/// What was found.
pub(crate) struct Found {
    seconds: f64,
    /// The bytes of one of the futures that do operations.
    task: usize,
    /// In microseconds, in order.
    times: Vec<u32>,
}

impl Found {
    /// Returns what as many of a hundred operations did not take longer than.
    fn percentile(&self, percent: usize) -> u32 {
        self.times.get(self.times.len() * percent / 100).copied().unwrap_or(0)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, seconds) = (self.times.len(), self.seconds);
        let [p50, p90, p99] = [50, 90, 99].map(|percent| self.percentile(percent));
        let task = self.task;
        write!(
            f,
            "done operations={count} seconds={seconds:.6} p50={p50} p90={p90} p99={p99} task={task}"
        )
    }
}

/// Does one operation after the other, so many at a time.
pub(crate) async fn drive<C, F, W>(load: Load, client: &C, operation: F) -> Result<Found>
where
    C: Clone + Send + 'static,
    F: Fn(C) -> W + Copy + Send + 'static,
    W: Future<Output = Result<C>> + Send + 'static,
{
    let begun = Instant::now();
    let until = begun + load.time;
    let mut task = 0;
    let workers: Vec<_> = (0..load.in_flight)
        .map(|_| {
            let mut client = client.clone();
            let worker = async move {
                let mut times = Vec::new();
                loop {
                    let begun = Instant::now();
                    if begun >= until {
                        return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(times);
                    }
                    client = operation(client).await?;
                    times.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
            };
            task = size_of_val(&worker);
            tokio::spawn(worker)
        })
        .collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok(Found { seconds, task, times })
}
