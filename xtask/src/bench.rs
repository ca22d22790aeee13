//! Measurements. They are printed, and decide nothing: machines differ.

mod aims;
mod growth;
mod load;
mod machine;
mod macros;
mod plot;
mod process;
mod pure;
mod report;
mod samples;
mod subject;
mod surroundings;

use clap::{Args, Subcommand};

use crate::Error;

/// What there is to measure, if it is not how fast calls, casts and notifications are.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// How long `cargo check` takes for an interface of 200 methods over 40 minor versions, on top of its dependencies.
    Macros,
    /// What the parts cost that do no I/O: time, instructions, allocations.
    Pure(pure::Options),
    /// How this library grows: with calls in flight, size, hosts, topics and servers of a fanout. Takes six minutes at most.
    Growth(growth::Options),
}

/// How much is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures the most important figures, shortly: this library beside bare lapin.
    #[arg(long)]
    quick: bool,
    /// How often each figure is measured, one after the other. Default: 5; quick: 2.
    #[arg(long)]
    rounds: Option<usize>,
    /// How long each is, in seconds. Default: 2; quick: 1.
    #[arg(long)]
    seconds: Option<f64>,
    /// Measures another revision of this library beside this one.
    #[arg(long, value_name = "REV")]
    compare: Option<String>,
    /// Measures only these operations: `call`, `cast`, `fanout`, `notification`, `idempotent-call`.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Measures only so many operations at a time.
    #[arg(long, value_delimiter = ',')]
    in_flight: Vec<usize>,
    /// Measures only these subjects: `ours`, `lapin-guarded`, `kanin`, `tarpc-memory`, and so on.
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Writes tables and plots into the documentation.
    #[arg(long)]
    publish: bool,
}

/// Measures.
pub(crate) fn run(task: Option<Task>, options: &Options) -> Result<(), Error> {
    match task {
        Some(Task::Macros) => macros::run(),
        Some(Task::Pure(options)) => pure::measure(options),
        Some(Task::Growth(options)) => growth::run(&options),
        None => load::run(options),
    }
}
