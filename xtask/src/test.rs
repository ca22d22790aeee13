//! The tests, with what they need.

use std::{process::Command, time::Instant};

use clap::ValueEnum;

use crate::{
    Error, faketime,
    process::{cargo, run},
    python,
    rabbitmq::{self, Lease, controlled::Nodes},
};

/// What tells the tests where things are.
const SETTINGS: [&str; 6] = [
    "RPC_TEST_FAKETIME",
    "RPC_TEST_RABBIT_URL",
    "RPC_TEST_RABBITMQCTL",
    "RPC_TEST_REQUIRE_BROKER",
    "RPC_TEST_NODE",
    "RPC_TEST_CLUSTER",
];

/// A part of the tests.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Suite {
    /// What a broker, a network and a peer can do, on nodes of its own.
    Faults,
}

/// Runs every test of the workspace.
pub(crate) fn all(no_broker: bool, args: &[String]) -> Result<(), Error> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if no_broker {
        let settings = SETTINGS.into_iter().chain(python::settings());
        settings.for_each(|setting| _ = command.env_remove(setting));
        return run(command.args(args));
    }
    with_everything(command.args(args))
}

/// Runs the tests against the original library.
pub(crate) fn interop(args: &[String]) -> Result<(), Error> {
    with_everything(
        cargo()
            .args(["test", "--package", "tests", "--test", "interop"])
            .args(["--test", "cinder", "--test", "recorded", "--"])
            .args(args),
    )
}

/// Runs the fault suite, on nodes that it starts itself, and the hostile messages, on the common one.
pub(crate) fn faults(long: bool, args: &[String]) -> Result<(), Error> {
    let begun = Instant::now();
    let lease = rabbitmq::lease()?;
    let nodes = Nodes::prepare()?;
    let mut command = cargo();
    command.args(["test", "--package", "tests", "--no-fail-fast"]);
    command.args(["--test", "faults", "--test", "hostile", "--"]).args(args);
    // They wait most of the time.
    command.env("RUST_TEST_THREADS", "6");
    tell(&mut command, &lease);
    faketime::tell(&mut command)?;
    nodes.tell(&mut command);
    if long {
        // Its figures are what it is run for.
        command.env("RPC_TEST_LONG", "1").arg("--nocapture");
        nodes.tell_cluster(&mut command);
    }
    let done = run(&mut command);
    eprintln!("the fault suite ran for {:.0} s", begun.elapsed().as_secs_f64());
    done
}

fn with_everything(command: &mut Command) -> Result<(), Error> {
    let begun = Instant::now();
    let pythons = python::interpreters()?;
    let lease = rabbitmq::lease()?;
    let nodes = Nodes::prepare()?;
    nodes.tell(command);
    faketime::tell(command)?;
    tell(command.envs(pythons), &lease);
    let done = run(command);
    eprintln!(
        "tests ran for {:.0} s; RabbitMQ: {}",
        begun.elapsed().as_secs_f64(),
        lease.broker.origin
    );
    done
}

/// Tells the tests where their broker is.
fn tell(command: &mut Command, lease: &Lease) {
    command.env("RPC_TEST_RABBIT_URL", &lease.broker.url).env("RPC_TEST_REQUIRE_BROKER", "1");
    match &lease.broker.control {
        Some(control) => command.env("RPC_TEST_RABBITMQCTL", control),
        // A broker that somebody else runs is not ours to break.
        None => command.env_remove("RPC_TEST_RABBITMQCTL").env("RPC_TEST_GIVEN_BROKER", "1"),
    };
}
