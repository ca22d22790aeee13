//! Cinder's create-volume flow: an API process, two schedulers, three volume hosts.
//!
//! Without arguments, all parts run in this process on the embedded broker. `--url rabbit://…` uses
//! a real broker, and `--role` runs one part as its own process.

mod api;
mod scheduler;
mod volume;

use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use examples::Report;
use rpc_runtime::{Running, Transport};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Creates volumes the way Cinder does, and prints each request and its destination.
#[derive(Parser)]
struct Options {
    /// The broker: `memory://name`, or `rabbit://user:password@host:port/`.
    #[arg(long, default_value = "memory://create_volume")]
    url: String,
    /// Runs only this part, until Ctrl-C or SIGTERM.
    #[arg(long)]
    role: Option<Role>,
    /// The name of this part's host.
    #[arg(long, default_value = "node-1")]
    host: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Api,
    Scheduler,
    Volume,
}

/// Prints a line of `who`. Lines of one process are in order.
fn tell(who: &str, what: impl std::fmt::Display) {
    println!("{who:>20} | {what}");
}

#[tokio::main]
async fn main() -> Result<(), Report> {
    let options = Options::parse();
    if options.role.is_some() && options.url.starts_with("memory:") {
        return Err(
            "the embedded broker lives in one process: `--role` needs `--url rabbit://…`".into()
        );
    }
    let transport = Transport::connect(&options.url).await?;
    tell("", format_args!("broker: {transport:?}"));
    match options.role {
        None => everything(&transport).await?,
        Some(Role::Api) => api::create_volumes(&transport, 1).await?,
        Some(Role::Scheduler) => {
            until_stopped(scheduler::start(&transport, &options.host).await?).await?
        }
        Some(Role::Volume) => {
            until_stopped(volume::start(&transport, &options.host, 100).await?).await?
        }
    }
    transport.close().await;
    Ok(())
}

/// Runs all parts, creates a few volumes, and stops cleanly.
async fn everything(transport: &Transport) -> Result<(), Error> {
    let begun = Instant::now();
    let mut parts = Vec::new();
    for (host, room) in [("node-1@lvm", 100), ("node-2@ceph", 80), ("node-3@ceph", 60)] {
        parts.push(volume::start(transport, host, room).await?);
    }
    for host in ["control-1", "control-2"] {
        parts.push(scheduler::start(transport, host).await?);
    }
    api::create_volumes(transport, 3).await?;
    for part in parts {
        part.shutdown(Duration::from_secs(10)).await?;
    }
    tell(
        "",
        format_args!("took {:?}, pending calls: {}", begun.elapsed(), transport.pending_calls()),
    );
    Ok(())
}

/// Serves until the process receives a signal, then finishes running requests. A second signal
/// aborts them.
async fn until_stopped(part: Running) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut told = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    told().await;
    let hurry = part.abort_handle();
    let impatient = tokio::spawn(async move {
        told().await;
        hurry.abort();
    });
    let stopped = part.shutdown(Duration::from_secs(10)).await;
    impatient.abort();
    Ok(stopped?)
}
