//! Runs the tests, with everything that they require.

use std::{process::Command, time::Instant};

use clap::ValueEnum;

use crate::{
    Error, faketime,
    process::{cargo, run},
    python,
    rabbitmq::{self, Choice, Lease, Release, controlled::Nodes},
};

/// The release on which a plain run repeats the suites whose outcome depends on the broker. It
/// permits transient queues, like Debian's package by default.
const CURRENT: Choice = Choice { release: Some(Release::V4_3), deny_transient: false };
/// The suites that a plain run repeats there.
const REPEATED: [&str; 3] = ["calls", "broker", "notifications"];

/// The variables that tell the tests about their broker and tools.
const SETTINGS: [&str; 8] = [
    "RPC_TEST_FAKETIME",
    "RPC_TEST_RABBIT_URL",
    "RPC_TEST_RABBITMQCTL",
    "RPC_TEST_REQUIRE_BROKER",
    "RPC_TEST_NODE",
    "RPC_TEST_CLUSTER",
    rabbitmq::RELEASE,
    rabbitmq::DENY_TRANSIENT,
];

/// A part of the tests.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Suite {
    /// Faults of a broker, a network and a peer, on nodes of their own.
    Faults,
}

/// Runs every test of the workspace that does not require a broker.
pub(crate) fn without_broker(args: &[String]) -> Result<(), Error> {
    let mut command = workspace();
    let settings = SETTINGS.into_iter().chain(python::settings());
    settings.for_each(|setting| _ = command.env_remove(setting));
    run(command.args(args))
}

/// Runs every test of the workspace. Without arguments, repeats some suites on a current release.
pub(crate) fn all(choice: Choice, args: &[String]) -> Result<(), Error> {
    let done = with_everything(choice, workspace().args(args));
    if choice.release.is_some() || !args.is_empty() {
        return done;
    }
    // If both fail, both errors are shown.
    match (done, repeated()) {
        (Err(first), Err(second)) => Err(format!("{first}\n{second}")),
        (first, second) => first.and(second),
    }
}

/// Runs, on a current release, the suites whose outcome depends on the broker.
fn repeated() -> Result<(), Error> {
    let what = REPEATED.join(", ");
    if let Some(reason) = rabbitmq::fixed() {
        eprintln!("SKIPPED: {what} on {CURRENT}: {reason}");
        return Ok(());
    }
    let begun = Instant::now();
    if let Err(reason) = rabbitmq::provide(CURRENT) {
        if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
            return Err(format!("{what} have to run on {CURRENT}: {reason}"));
        }
        let reason = reason.lines().next().unwrap_or_default();
        eprintln!("SKIPPED: {what} on {CURRENT}: {reason}");
        return Ok(());
    }
    let lease = rabbitmq::lease(CURRENT)?;
    // The same packages as before, so that nothing is rebuilt.
    let mut command = workspace();
    REPEATED.iter().for_each(|suite| _ = command.args(["--test", suite]));
    tell(&mut command, &lease);
    let done = run(&mut command);
    let (seconds, broker) = (begun.elapsed().as_secs_f64(), lease.broker.described());
    eprintln!("{what} ran for {seconds:.0} s; {broker}");
    done
}

fn workspace() -> Command {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command
}

/// Runs the tests against the original library.
pub(crate) fn interop(choice: Choice, args: &[String]) -> Result<(), Error> {
    with_everything(
        choice,
        cargo()
            .args(["test", "--package", "tests", "--test", "interop"])
            .args(["--test", "cinder", "--test", "recorded", "--"])
            .args(args),
    )
}

/// Runs the fault suite on nodes that it starts itself, and the hostile messages on the common
/// broker.
pub(crate) fn faults(choice: Choice, long: bool, args: &[String]) -> Result<(), Error> {
    let begun = Instant::now();
    let lease = rabbitmq::lease(choice)?;
    let nodes = Nodes::prepare(choice)?;
    let mut command = cargo();
    command.args(["test", "--package", "tests", "--no-fail-fast"]);
    command.args(["--test", "faults", "--test", "hostile", "--"]).args(args);
    // These tests wait most of the time.
    command.env("RUST_TEST_THREADS", "6");
    tell(&mut command, &lease);
    faketime::tell(&mut command)?;
    nodes.tell(&mut command);
    if long {
        // The long form is run for its figures, so they are shown.
        command.env("RPC_TEST_LONG", "1").arg("--nocapture");
        nodes.tell_cluster(&mut command);
    }
    let done = run(&mut command);
    let (seconds, broker) = (begun.elapsed().as_secs_f64(), lease.broker.described());
    eprintln!("the fault suite ran for {seconds:.0} s; {broker}");
    done
}

fn with_everything(choice: Choice, command: &mut Command) -> Result<(), Error> {
    let begun = Instant::now();
    let pythons = python::interpreters()?;
    let lease = rabbitmq::lease(choice)?;
    // Late, because the ports of the nodes are known to be free only now.
    let nodes = Nodes::prepare(choice)?;
    nodes.tell(command);
    faketime::tell(command)?;
    tell(command.envs(pythons), &lease);
    let done = run(command);
    let (seconds, broker) = (begun.elapsed().as_secs_f64(), lease.broker.described());
    eprintln!("tests ran for {seconds:.0} s; {broker}");
    done
}

/// Passes the broker's URL and properties to the tests.
fn tell(command: &mut Command, lease: &Lease) {
    command.envs(lease.broker.settings());
    command.env("RPC_TEST_RABBIT_URL", &lease.broker.url).env("RPC_TEST_REQUIRE_BROKER", "1");
    match &lease.broker.control {
        Some(control) => command.env("RPC_TEST_RABBITMQCTL", control),
        // Tests must not break a broker that is not theirs.
        None => command.env_remove("RPC_TEST_RABBITMQCTL").env("RPC_TEST_GIVEN_BROKER", "1"),
    };
}
