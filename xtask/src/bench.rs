//! Measurements. They are printed and never fail a build, because machines differ.

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

/// Measurements other than the speed of calls, casts and notifications.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// Measures `cargo check` of an interface with 200 methods and 40 minor versions, after its
    /// dependencies.
    Macros,
    /// Measures the cost of the parts without I/O: time, instructions, allocations.
    Pure(pure::Options),
    /// Measures how cost grows with calls in flight, body size, hosts, topics and servers of a
    /// fanout. Takes at most six minutes.
    Growth(growth::Options),
}

/// The extent of a measurement.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures only the most important figures, briefly: this library beside bare lapin.
    #[arg(long)]
    quick: bool,
    /// How many times each figure is measured. Default: 5; quick: 2.
    #[arg(long)]
    rounds: Option<usize>,
    /// How long each measurement takes, in seconds. Default: 2; quick: 1.
    #[arg(long)]
    seconds: Option<f64>,
    /// Measures another revision of this library beside this one.
    #[arg(long, value_name = "REV")]
    compare: Option<String>,
    /// Measures only these operations: `call`, `cast`, `fanout`, `notification`, `idempotent-call`.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Measures only these numbers of operations in flight.
    #[arg(long, value_delimiter = ',')]
    in_flight: Vec<usize>,
    /// Measures only these subjects: `ours`, `lapin-guarded`, `kanin`, `tarpc-memory`, and so on.
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<String>,
    /// Writes tables and plots into the documentation.
    #[arg(long)]
    publish: bool,
}

/// Runs a measurement.
pub(crate) fn run(task: Option<Task>, options: &Options) -> Result<(), Error> {
    match task {
        Some(Task::Macros) => macros::run(),
        Some(Task::Pure(options)) => pure::measure(options),
        Some(Task::Growth(options)) => growth::run(&options),
        None => load::run(options),
    }
}
