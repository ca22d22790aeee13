//! A RabbitMQ for the tests: one that is given, one in Docker, or a private node.

mod certificates;
pub(crate) mod controlled;
mod docker;
mod node;
mod watchdog;

use std::{
    fs,
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::Subcommand;

pub(crate) use self::node::free_ports;
use crate::{
    Error,
    process::{self, step},
};

/// What to do with the broker that stays up between test runs.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Task {
    /// Starts it.
    Up,
    /// Stops it.
    Down,
    /// Says where it is.
    Status,
    /// Shows the end of its log.
    Logs,
}

/// A broker that answers.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    /// Where clients connect.
    pub(crate) url: String,
    /// A program that takes `rabbitmqctl`'s arguments. A broker that is given has none.
    pub(crate) control: Option<PathBuf>,
    /// Where it came from.
    pub(crate) origin: String,
}

/// A broker that was started, and what ends it.
struct Started {
    broker: Broker,
    /// A shell script that ends it, whatever state it is in.
    end: String,
}

/// A broker for as long as this lives: one that was started for it ends with it.
pub(crate) struct Lease {
    pub(crate) broker: Broker,
    /// Ends the broker when it is dropped, and also when this process dies.
    _watchdog: Option<watchdog::Watchdog>,
}

pub(crate) fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Up => up(),
        Task::Down => down(),
        Task::Status => status(),
        Task::Logs => logs(),
    }
}

/// Finds a broker, or starts one that ends with the lease.
pub(crate) fn lease() -> Result<Lease, Error> {
    if let Some(broker) = given()?.or_else(running) {
        return Ok(Lease { broker, _watchdog: None });
    }
    let name = format!("test-{}", std::process::id());
    let folder = folder(&name);
    // The watchdog comes first: whatever happens while starting, it cleans up.
    let mut watchdog = watchdog::Watchdog::start(&folder)?;
    let Started { broker, end } = start(&name, &folder, |end| watchdog.arm(end))?;
    watchdog.arm(&end)?;
    Ok(Lease { broker, _watchdog: Some(watchdog) })
}

/// Starts a broker: in Docker if an engine answers, else as a private node. `arm` learns early what ends it.
fn start(
    name: &str,
    folder: &Path,
    mut arm: impl FnMut(&str) -> Result<(), Error>,
) -> Result<Started, Error> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    if docker::answers() {
        match docker::start(name, folder, &mut arm) {
            Ok(started) => return Ok(started),
            Err(error) => {
                eprintln!("Docker answers, but gives no broker; a private node, then. {error}")
            }
        }
    }
    node::start(name, folder, &mut arm)
}

/// Returns the broker that the environment names.
fn given() -> Result<Option<Broker>, Error> {
    let Some(url) = std::env::var("RPC_TEST_RABBIT_URL").ok().filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let authority =
        url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let address =
        if address.contains(':') { address.to_owned() } else { format!("{address}:5672") };
    if !answers(&address) {
        return Err(format!(
            "RPC_TEST_RABBIT_URL is set, but nothing answers at {address}: start it, or unset it"
        ));
    }
    let control = std::env::var_os("RPC_TEST_RABBITMQCTL").map(PathBuf::from);
    Ok(Some(Broker { url, control, origin: "given by RPC_TEST_RABBIT_URL".to_owned() }))
}

/// Whether something accepts connections at `address`.
fn answers(address: &str) -> bool {
    let limit = Duration::from_secs(2);
    let Ok(mut addresses) = address.to_socket_addrs() else { return false };
    addresses.any(|address| TcpStream::connect_timeout(&address, limit).is_ok())
}

fn folder(name: &str) -> PathBuf {
    process::state().join("rabbitmq").join(name)
}

/// The file that says which broker stays up: its URL, its control program, its origin, and below them what ends it.
fn record() -> PathBuf {
    process::state().join("rabbitmq").join("up")
}

fn read_record() -> Option<(Broker, String)> {
    let text = fs::read_to_string(record()).ok()?;
    let mut lines = text.splitn(4, '\n');
    let (url, control, origin) =
        (lines.next()?.to_owned(), PathBuf::from(lines.next()?), lines.next()?.to_owned());
    let end = lines.next().unwrap_or_default().to_owned();
    Some((Broker { url, control: Some(control), origin }, end))
}

/// Returns the broker that stays up, if it does.
fn running() -> Option<Broker> {
    let (broker, _) = read_record()?;
    let address = broker.url.rsplit('@').next()?.trim_end_matches('/').to_owned();
    answers(&address).then_some(broker)
}

fn up() -> Result<(), Error> {
    if let Some(broker) = given()?.or_else(running) {
        println!("already up, {}", broker.origin);
        return show(&broker);
    }
    let name = "up-node";
    let Started { broker, end } = start(name, &folder(name), |_| Ok(()))?;
    let control = broker.control.as_deref().unwrap_or(Path::new("")).display().to_string();
    let text = format!("{}\n{control}\n{}\n{end}", broker.url, broker.origin);
    fs::write(record(), text)
        .map_err(|error| format!("cannot write {}: {error}", record().display()))?;
    show(&broker)
}

fn show(broker: &Broker) -> Result<(), Error> {
    println!("export RPC_TEST_RABBIT_URL={}", broker.url);
    if let Some(control) = &broker.control {
        println!("export RPC_TEST_RABBITMQCTL={}", control.display());
    }
    Ok(())
}

fn down() -> Result<(), Error> {
    let Some((_, end)) = read_record() else {
        println!("nothing is up");
        return Ok(());
    };
    step("stopping RabbitMQ", || process::output(Command::new("sh").arg("-c").arg(end)))?;
    fs::remove_file(record())
        .map_err(|error| format!("cannot remove {}: {error}", record().display()))
}

fn status() -> Result<(), Error> {
    match given()?.or_else(running) {
        Some(broker) => {
            println!("up, {}", broker.origin);
            show(&broker)
        }
        None => {
            println!("down");
            Ok(())
        }
    }
}

fn logs() -> Result<(), Error> {
    let log = folder("up-node").join("log");
    let text = fs::read_to_string(&log)
        .map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    println!("{}", last_lines(&text, 50));
    Ok(())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
