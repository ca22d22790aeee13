//! A RabbitMQ for the tests: a given one, one in Docker, or a private node.

mod certificates;
pub(crate) mod controlled;
mod debian;
mod docker;
mod node;
mod programs;
mod release;
mod removal;
mod shell;
mod watchdog;

use std::{
    fs,
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::Subcommand;

pub(crate) use self::{
    node::free_ports,
    release::{Choice, Release},
};
use self::{programs::Programs, release::Version};
use crate::{
    Error,
    process::{self, output, step},
};

/// The variable that passes the broker's version to the tests.
pub(crate) const RELEASE: &str = "RPC_TEST_RABBIT_RELEASE";
/// The variable that tells the tests whether the broker refuses transient queues.
pub(crate) const DENY_TRANSIENT: &str = "RPC_TEST_DENY_TRANSIENT";

/// Asks a node for its version, and whether it refuses transient queues. A feature that a release
/// no longer permits is an enabled flag; 3.10 does not know this one.
const ABOUT: &str =
    "{rabbit_misc:version(), rabbit_feature_flags:is_enabled(transient_nonexcl_queues)}.";

/// Orders for the broker that stays up between test runs.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Task {
    /// Starts the broker.
    Up {
        #[command(flatten)]
        choice: Choice,
    },
    /// Stops the broker.
    Down,
    /// Prints whether the broker is up, and the variables that name it.
    Status,
    /// Prints the end of the broker's log.
    Logs,
}

/// A broker that answers.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    /// The URL for clients.
    pub(crate) url: String,
    /// A program that accepts `rabbitmqctl`'s arguments. A given broker may not have one.
    pub(crate) control: Option<PathBuf>,
    /// How it was found or started.
    pub(crate) origin: String,
    /// Its version, if known.
    pub(crate) version: Option<Version>,
    /// Whether it refuses queues that are neither durable nor exclusive; `false` if unknown.
    pub(crate) denies_transient: bool,
}

/// The image or the programs to start a broker from.
enum Source {
    /// An image for Docker.
    Image(String),
    /// Programs on this machine.
    Programs(Programs),
}

/// A broker that was started, and the script that ends it.
struct Started {
    broker: Broker,
    /// A shell script that ends it in any state.
    end: String,
}

/// A broker for the lifetime of this value. If it was started for the value, it ends with it.
pub(crate) struct Lease {
    pub(crate) broker: Broker,
    /// Ends the broker when it is dropped, or when this process dies.
    _watchdog: Option<watchdog::Watchdog>,
}

pub(crate) fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Up { choice } => up(choice),
        Task::Down => down(),
        Task::Status => status(),
        Task::Logs => logs(),
    }
}

/// Finds a broker, or starts one that ends with the lease.
pub(crate) fn lease(choice: Choice) -> Result<Lease, Error> {
    choice.check()?;
    if let Some(broker) = given()? {
        require(choice, &broker, "unset RPC_TEST_RABBIT_URL")?;
        return Ok(Lease { broker, _watchdog: None });
    }
    if let Some(broker) = running().filter(|broker| choice.fits(broker)) {
        return Ok(Lease { broker, _watchdog: None });
    }
    let name = format!("test-{}", std::process::id());
    let folder = folder(&name);
    // The watchdog starts first, so that it cleans up even after a failed start.
    let mut watchdog = watchdog::Watchdog::start(&folder)?;
    let Started { broker, end } = start(choice, &name, &folder, |end| watchdog.arm(end))?;
    watchdog.arm(&end)?;
    Ok(Lease { broker, _watchdog: Some(watchdog) })
}

/// Ensures that a broker of this choice can be started, and installs it if necessary.
pub(crate) fn provide(choice: Choice) -> Result<(), Error> {
    source(choice).map(drop)
}

/// Returns the source of a broker of this choice, and installs it if necessary.
fn source(choice: Choice) -> Result<Source, Error> {
    choice.check()?;
    if let Some(release) = choice.release
        && let Some(programs) = programs::installed(release)
    {
        return Ok(Source::Programs(programs));
    }
    if docker::answers() {
        return Ok(Source::Image(docker::image(choice)));
    }
    programs::provide(choice).map(Source::Programs)
}

/// Fails if an existing broker does not fit the choice.
fn require(choice: Choice, broker: &Broker, remedy: &str) -> Result<(), Error> {
    if choice.fits(broker) {
        return Ok(());
    }
    Err(format!("{choice} is asked for, and the broker is {}: {remedy}", broker.described()))
}

/// Starts a broker. `arm` is called early with the script that ends it.
fn start(
    choice: Choice,
    name: &str,
    folder: &Path,
    mut arm: impl FnMut(&str) -> Result<(), Error>,
) -> Result<Started, Error> {
    let (source, settings) = (source(choice)?, choice.settings());
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let started = match source {
        Source::Programs(programs) => node::start(&programs, &settings, name, folder, &mut arm)?,
        Source::Image(image) => match docker::start(&image, &settings, name, folder, &mut arm) {
            Ok(started) => started,
            Err(error) => {
                eprintln!("Docker answers, but gives no broker; a private node, then. {error}");
                let programs = programs::provide(choice)?;
                node::start(&programs, &settings, name, folder, &mut arm)?
            }
        },
    };
    let started = Started { broker: started.broker.asked(), ..started };
    require(choice, &started.broker, "it cannot be asked, or a setting has no effect")?;
    Ok(started)
}

impl Broker {
    /// Asks the broker for its version and for denied features, if a control program is known.
    fn asked(mut self) -> Self {
        let answer = self.control.as_ref().and_then(|control| {
            output(Command::new(control).args(["--quiet", "eval", ABOUT])).ok()
        });
        if let Some((version, denies)) = answer.as_deref().and_then(about) {
            (self.version, self.denies_transient) = (Some(version), denies);
        }
        self
    }

    /// Describes the broker in words.
    pub(crate) fn described(&self) -> String {
        let version = self.version.map_or_else(String::new, |version| format!(" {version}"));
        let denies = if self.denies_transient { ", transient queues denied" } else { "" };
        format!("RabbitMQ{version}{denies}, {}", self.origin)
    }

    /// Returns the variables for the tests, with their values.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        let version = self.version.map(|version| version.to_string());
        [
            (RELEASE, version.unwrap_or_default()),
            (DENY_TRANSIENT, u8::from(self.denies_transient).to_string()),
        ]
    }
}

/// Reads a node's answer to [`ABOUT`].
fn about(answer: &str) -> Option<(Version, bool)> {
    let (version, denies) = answer.trim().trim_matches(['{', '}']).split_once(',')?;
    Some((version.trim_matches('"').parse().ok()?, denies.parse().ok()?))
}

/// Returns why this run cannot choose its broker, if so.
pub(crate) fn fixed() -> Option<&'static str> {
    let given = std::env::var_os("RPC_TEST_RABBIT_URL").is_some_and(|url| !url.is_empty());
    given.then_some("RPC_TEST_RABBIT_URL names the broker of this run")
}

/// Returns the broker that the environment names.
fn given() -> Result<Option<Broker>, Error> {
    let setting = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(url) = setting("RPC_TEST_RABBIT_URL") else { return Ok(None) };
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
    let broker = Broker {
        url,
        control: setting("RPC_TEST_RABBITMQCTL").map(PathBuf::from),
        origin: "given by RPC_TEST_RABBIT_URL".to_owned(),
        version: setting(RELEASE).and_then(|version| version.parse().ok()),
        denies_transient: setting(DENY_TRANSIENT).is_some_and(|denies| denies == "1"),
    };
    Ok(Some(broker.asked()))
}

/// Whether a program accepts connections at `address`.
fn answers(address: &str) -> bool {
    let limit = Duration::from_secs(2);
    let Ok(mut addresses) = address.to_socket_addrs() else { return false };
    addresses.any(|address| TcpStream::connect_timeout(&address, limit).is_ok())
}

fn folder(name: &str) -> PathBuf {
    shared().join(name)
}

/// The folder that all nodes see under the same path, even those with a system of their own.
fn shared() -> PathBuf {
    process::state().join("rabbitmq")
}

/// The file about the broker that stays up: its URL, control program, origin, version and whether
/// it denies transient queues, one on each line, followed by the script that ends it.
fn record() -> PathBuf {
    shared().join("up")
}

fn read_record() -> Option<(Broker, String)> {
    let text = fs::read_to_string(record()).ok()?;
    let mut lines = text.splitn(6, '\n');
    let broker = Broker {
        url: lines.next()?.to_owned(),
        control: Some(PathBuf::from(lines.next()?)),
        origin: lines.next()?.to_owned(),
        version: lines.next()?.parse().ok(),
        denies_transient: lines.next()? == "true",
    };
    Some((broker, lines.next().unwrap_or_default().to_owned()))
}

/// Returns the broker that stays up, if it runs.
fn running() -> Option<Broker> {
    let (broker, _) = read_record()?;
    let address = broker.url.rsplit('@').next()?.trim_end_matches('/').to_owned();
    answers(&address).then_some(broker)
}

fn up(choice: Choice) -> Result<(), Error> {
    choice.check()?;
    if let Some(broker) = given()? {
        require(choice, &broker, "unset RPC_TEST_RABBIT_URL")?;
        return already(&broker);
    }
    if let Some(broker) = running() {
        require(choice, &broker, "stop it by `cargo xtask rabbitmq down`")?;
        return already(&broker);
    }
    let name = "up-node";
    // The data there may be of another release.
    removal::remove(&folder(name))?;
    let mut known = String::new();
    let started = start(choice, name, &folder(name), |end| {
        known = end.to_owned();
        Ok(())
    });
    let Started { broker, end } = started.inspect_err(|_| {
        // A node that failed to start would keep trying.
        let _ = output(Command::new("sh").args(["-c", &known]));
    })?;
    eprintln!("{}", broker.described());
    let control = broker.control.as_deref().unwrap_or(Path::new("")).display().to_string();
    let version = broker.version.map(|version| version.to_string()).unwrap_or_default();
    let text = format!(
        "{}\n{control}\n{}\n{version}\n{}\n{end}",
        broker.url, broker.origin, broker.denies_transient
    );
    fs::write(record(), text)
        .map_err(|error| format!("cannot write {}: {error}", record().display()))?;
    show(&broker)
}

fn already(broker: &Broker) -> Result<(), Error> {
    println!("already up, {}", broker.described());
    show(broker)
}

fn show(broker: &Broker) -> Result<(), Error> {
    println!("export RPC_TEST_RABBIT_URL={}", broker.url);
    if let Some(control) = &broker.control {
        println!("export RPC_TEST_RABBITMQCTL={}", control.display());
    }
    for (name, value) in broker.settings() {
        println!("export {name}={value}");
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
            println!("up, {}", broker.described());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_its_version_and_whether_it_denies_transient_queues() {
        let read = |text| about(text).map(|(version, denies)| (version.to_string(), denies));
        assert_eq!(read("{\"3.10.8\",false}\n"), Some(("3.10.8".to_owned(), false)));
        assert_eq!(read("{\"4.3.6\",true}\n"), Some(("4.3.6".to_owned(), true)));
        assert_eq!(read("Error: unable to perform an operation"), None);
        assert_eq!(read("{<<\"4\">>,true}"), None);
    }
}
