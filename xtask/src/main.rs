//! What a developer runs: `cargo xtask …`.

mod bench;
mod bless;
mod ci;
mod faketime;
mod fuzz;
mod mutants;
mod process;
mod python;
mod rabbitmq;
mod record;
mod test;
mod tools;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// A task's failure: what went wrong, and what to do about it.
type Error = String;

/// The project's tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A RabbitMQ of one's own, for trying things out.
    Rabbitmq {
        #[command(subcommand)]
        task: rabbitmq::Task,
    },
    /// Runs all tests: finds or starts a RabbitMQ, and installs the Python library that they talk to.
    Test {
        /// Runs only one suite of them.
        suite: Option<test::Suite>,
        /// Runs the long form of the fault suite.
        #[arg(long, requires = "suite")]
        long: bool,
        /// Skips what needs a broker.
        #[arg(long, conflicts_with = "release")]
        no_broker: bool,
        #[command(flatten)]
        choice: rabbitmq::Choice,
        /// What `cargo test` gets besides.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Runs only the tests against the original Python library, and against Cinder.
    Interop {
        #[command(flatten)]
        choice: rabbitmq::Choice,
        /// What the test program gets besides.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Checks format, lints, documentation, examples and tidiness.
    Ci,
    /// Gives any bytes to what reads bytes, and says which break a promise.
    Fuzz {
        /// One target. Without: each.
        target: Option<String>,
        /// How long each target is fuzzed.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Breaks the pure parts in every small way, and says what no test sees.
    Mutants {
        /// One area. Without: each.
        area: Option<String>,
        /// One of its files, by the end of its name.
        #[arg(long)]
        file: Option<String>,
    },
    /// Measures how fast calls, casts and notifications are, beside bare lapin and other libraries, and prints what it found.
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        task: Option<bench::Task>,
        #[command(flatten)]
        options: bench::Options,
    },
    /// Controls a node of the fault suite: its tests call this.
    #[command(hide = true)]
    Node {
        /// Where the node lives.
        folder: PathBuf,
        /// What to do with it.
        #[command(subcommand)]
        order: rabbitmq::controlled::Order,
    },
    /// Rewrites the files that tests compare with. Review the difference.
    Bless,
    /// Records anew what the clients of Cinder and Nova send. Review the difference.
    Record,
}

fn main() -> ExitCode {
    let done = match Options::parse().task {
        Task::Rabbitmq { task } => rabbitmq::run(task),
        Task::Test { suite: Some(test::Suite::Faults), long, choice, args, .. } => {
            test::faults(choice, long, &args)
        }
        Task::Test { no_broker: true, args, .. } => test::without_broker(&args),
        Task::Test { choice, args, .. } => test::all(choice, &args),
        Task::Interop { choice, args } => test::interop(choice, &args),
        Task::Node { folder, order } => rabbitmq::controlled::obey(&folder, order),
        Task::Ci => ci::run(),
        Task::Fuzz { target, seconds } => fuzz::run_targets(target.as_deref(), seconds),
        Task::Mutants { area, file } => mutants::run(area.as_deref(), file.as_deref()),
        Task::Bench { task, options } => bench::run(task, &options),
        Task::Bless => bless::run_all(),
        Task::Record => record::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
