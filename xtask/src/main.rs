//! The developer's commands: `cargo xtask …`.

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

/// The error of a task: what failed, and what the developer can do.
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
    /// Starts or stops a RabbitMQ of your own, for experiments.
    Rabbitmq {
        #[command(subcommand)]
        task: rabbitmq::Task,
    },
    /// Runs all tests. Finds or starts a RabbitMQ, and installs the Python library for the interop
    /// tests.
    Test {
        /// Runs only this suite.
        suite: Option<test::Suite>,
        /// Runs the long form of the fault suite.
        #[arg(long, requires = "suite")]
        long: bool,
        /// Skips tests that require a broker.
        #[arg(long, conflicts_with = "release")]
        no_broker: bool,
        #[command(flatten)]
        choice: rabbitmq::Choice,
        /// Further arguments for `cargo test`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Runs only the tests against the original Python library, and against Cinder.
    Interop {
        #[command(flatten)]
        choice: rabbitmq::Choice,
        /// Further arguments for the test program.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Checks format, lints, documentation, examples and tidiness.
    Ci,
    /// Feeds arbitrary bytes to the readers, and reports inputs that break a promise.
    Fuzz {
        /// One target. Default: each.
        target: Option<String>,
        /// How long each target is fuzzed.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Mutates the pure parts in every small way, and reports mutants that no test detects.
    Mutants {
        /// One area. Default: each.
        area: Option<String>,
        /// One of its files, by the end of its name.
        #[arg(long)]
        file: Option<String>,
    },
    /// Measures the speed of calls, casts and notifications, beside bare lapin and other libraries.
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        task: Option<bench::Task>,
        #[command(flatten)]
        options: bench::Options,
    },
    /// Controls a node of the fault suite. The suite's tests run this command.
    #[command(hide = true)]
    Node {
        /// The node's folder.
        folder: PathBuf,
        /// The order for the node.
        #[command(subcommand)]
        order: rabbitmq::controlled::Order,
    },
    /// Rewrites the files that tests compare with. Review the difference.
    Bless,
    /// Records again what the clients of Cinder and Nova send. Review the difference.
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
