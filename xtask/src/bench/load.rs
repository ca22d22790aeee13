//! Measures the speed of calls, casts and notifications: this library and others, in turn, on one
//! broker.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use super::{
    Options,
    process::{Program, computing, forget_peak, peak},
    report::{self, Report},
    samples::{Sample, Samples},
    subject::{Cell, Kind, ORIGINAL, PEERS, Subject, Way, wants_peers},
    surroundings,
};
use crate::{
    Error,
    process::{cargo, output, root, state, step},
    python,
    rabbitmq::{self, Broker, Choice, Lease},
};

/// The package of the program for both ends.
const PROGRAM: &str = "rpc-runtime/bench";
/// How long each subject runs before its first measurement, in seconds.
const WARM_UP: f64 = 0.3;

pub(super) fn run(options: &Options) -> Result<(), Error> {
    let rounds = options.rounds.unwrap_or(if options.quick { 2 } else { 5 });
    let seconds = options.seconds.unwrap_or(if options.quick { 1.0 } else { 2.0 });
    let subjects = subjects(options)?;
    let cells: Vec<_> = cells(options)
        .into_iter()
        .filter(|cell| subjects.iter().any(|one| one.does(*cell)))
        .collect();
    if cells.is_empty() {
        return Err("these options leave nothing to measure".to_owned());
    }
    let lease = rabbitmq::lease(Choice::default())?;
    let mut bench = Bench::new(&lease);
    for round in 0..rounds {
        for cell in &cells {
            for subject in subjects.iter().filter(|subject| subject.does(*cell)) {
                let sample = bench.measure(subject, *cell, seconds)?;
                eprintln!("{:>3}  {cell:34} {:16} {:>9.0}/s", round + 1, subject.name, sample.rate);
                bench.samples.add(*cell, &subject.name, round, sample);
            }
        }
    }
    let names: Vec<_> = subjects.iter().map(|subject| subject.name.clone()).collect();
    let mut surroundings = surroundings::of(&lease.broker);
    let rounds = format!("{rounds}, {seconds} s each, subjects in turn; figures are medians");
    surroundings.push(("rounds", rounds));
    let report = Report { samples: &bench.samples, subjects: &names, surroundings };
    report::write(&report, options.publish)
}

/// Returns the cells that the options ask for.
fn cells(options: &Options) -> Vec<Cell> {
    let mut cells = Vec::new();
    for kind in Kind::ALL {
        let many: &[usize] = match kind {
            Kind::Call => &[1, 64, 512],
            Kind::Cast => &[1, 64],
            Kind::IdempotentCall | Kind::Fanout | Kind::Notification => &[64],
        };
        let bodies: &[usize] = match options.quick || kind == Kind::IdempotentCall {
            true => &[64],
            false => &[64, 4096],
        };
        let new = |in_flight| bodies.iter().map(move |body| Cell { kind, in_flight, body: *body });
        cells.extend(many.iter().copied().flat_map(new));
    }
    let is_short = |cell: &Cell| {
        matches!((cell.kind, cell.in_flight), (Kind::Call, 1 | 64) | (Kind::Cast, 64))
    };
    let is_wanted = |cell: &Cell| {
        let has_kind = match options.kinds.is_empty() {
            true => !options.quick || is_short(cell),
            false => options.kinds.iter().any(|kind| kind == cell.kind.name()),
        };
        has_kind && (options.in_flight.is_empty() || options.in_flight.contains(&cell.in_flight))
    };
    cells.into_iter().filter(is_wanted).collect()
}

/// Builds the measured programs.
fn subjects(options: &Options) -> Result<Vec<Subject>, Error> {
    let is_wanted = |name: &str| match options.subjects.is_empty() {
        true => {
            !options.quick
                || ["ours", "lapin-guarded", "lapin-envelope", "ours-memory"].contains(&name)
        }
        false => options.subjects.iter().any(|subject| subject == name),
    };
    let peers = if wants_peers(is_wanted) { &[PEERS][..] } else { &[] };
    let program = step("building what is measured", || build(&root(), peers))?;
    let mut subjects = Subject::all_of(&[program], |name| name != ORIGINAL && is_wanted(name));
    if let Some(revision) = &options.compare {
        let program = step(format_args!("building {revision}"), || build_at(revision))?;
        let other = subjects.iter().find(|subject| subject.name == "ours").cloned();
        let other = other.ok_or("`--compare` compares `ours`, which `--subjects` leaves out")?;
        subjects.insert(1, other.at(revision, program));
    }
    if is_wanted(ORIGINAL) {
        match python::with_oslo() {
            Ok(interpreter) => {
                let program = [interpreter, root().join(PROGRAM).join("oslo.py")];
                subjects.extend(Subject::all_of(&program, |name| name == ORIGINAL));
            }
            Err(error) => eprintln!("oslo.messaging is left out: {error}"),
        }
    }
    Ok(subjects)
}

/// Builds the program of a checkout, and returns its path.
pub(super) fn build(checkout: &Path, features: &[&str]) -> Result<PathBuf, Error> {
    let folder = checkout.join(PROGRAM);
    if !folder.is_dir() {
        return Err(format!("there is nothing to measure in {}", folder.display()));
    }
    // The versions of the dependencies are the workspace's.
    fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock"))
        .map_err(|error| format!("cannot copy Cargo.lock: {error}"))?;
    let target = state().join("bench-target");
    let mut command = cargo();
    command.current_dir(&folder).args(["build", "--quiet", "--release"]);
    command.args(features.iter().flat_map(|feature| ["--features", feature]));
    command.env("CARGO_TARGET_DIR", &target).env_remove("RUSTFLAGS");
    output(&mut command)?;
    // The next build overwrites the program, so it is copied.
    let built = target.join("release/rpc-bench");
    let name = checkout.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let program = target.join(format!("rpc-bench-{name}"));
    fs::copy(&built, &program)
        .map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    Ok(program)
}

/// Builds the program at another revision.
fn build_at(revision: &str) -> Result<PathBuf, Error> {
    let checkout = state().join("bench-other");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        output(command.current_dir(root()).args(arguments))
    };
    let place = checkout.display().to_string();
    // The first time, there is no such worktree.
    let _ = git(&["worktree", "remove", "--force", &place]);
    git(&["worktree", "add", "--detach", &place, revision])?;
    let built = build(&checkout, &[]);
    git(&["worktree", "remove", "--force", &place])?;
    built
}

/// The running programs, and their measurements.
struct Bench<'a> {
    broker: &'a Broker,
    /// The broker's process, if it runs on this machine.
    broker_process: Option<u32>,
    clients: BTreeMap<String, Program>,
    /// The server of each subject, and the kind of operation that it serves.
    servers: BTreeMap<String, (Kind, Program)>,
    /// The addresses of servers that do not use the broker.
    addresses: BTreeMap<String, String>,
    samples: Samples,
}

impl<'a> Bench<'a> {
    fn new(lease: &'a Lease) -> Self {
        let broker = &lease.broker;
        Self {
            broker,
            broker_process: process_of(broker),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            addresses: BTreeMap::new(),
            samples: Samples::default(),
        }
    }

    fn measure(&mut self, subject: &Subject, cell: Cell, seconds: f64) -> Result<Sample, Error> {
        let is_new = self.start(subject, cell.kind)?;
        if is_new {
            self.once(subject, cell, WARM_UP)?;
        }
        self.once(subject, cell, seconds)
    }

    /// Starts both ends, unless they run. Returns whether one was started.
    fn start(&mut self, subject: &Subject, kind: Kind) -> Result<bool, Error> {
        let name = &subject.name;
        if subject.way == Way::Socket && !self.addresses.contains_key(name) {
            let [port] = rabbitmq::free_ports()?;
            self.addresses.insert(name.clone(), format!("127.0.0.1:{port}"));
        }
        let url = self.addresses.get(name).unwrap_or(&self.broker.url).as_str();
        let listens = self.servers.get(name).is_some_and(|(listened, _)| serves(*listened, kind));
        if !listens && subject.way != Way::Memory {
            self.servers.remove(name);
            let program = Program::start(name, &mut subject.command(&["serve", url, kind.name()]))?;
            self.servers.insert(name.clone(), (kind, program));
        }
        let is_new = !self.clients.contains_key(name);
        if is_new {
            let program = Program::start(name, &mut subject.command(&["load", url]))?;
            self.clients.insert(name.clone(), program);
        }
        Ok(is_new || !listens)
    }

    fn once(&mut self, subject: &Subject, cell: Cell, seconds: f64) -> Result<Sample, Error> {
        let name = &subject.name;
        let client = self.clients.get_mut(name).ok_or("a client is missing")?;
        let mut server = self.servers.get_mut(name).map(|(_, server)| server);
        let (client_id, server_id) = (client.id(), server.as_ref().map(|server| server.id()));
        let processes = [Some(client_id), server_id, self.broker_process];
        let before = processes.map(|process| process.and_then(computing));
        [Some(client_id), server_id].into_iter().flatten().for_each(forget_peak);
        let counted = match (cell.kind.copies(), &mut server) {
            (Some(_), Some(server)) => count(&server.ask("await 0")?)?,
            _ => 0,
        };
        let begun = Instant::now();
        let order = format!("{} {} {} {seconds}", cell.kind.name(), cell.in_flight, cell.body);
        let found = client.ask(&order).map_err(|error| format!("{name}, {cell}: {error}"))?;
        let operations = figure(&found, "operations")?;
        let mut took = figure(&found, "seconds")?;
        if let (Some(copies), Some(server)) = (cell.kind.copies(), server) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let wanted = counted + copies * operations as u64;
            let handled = count(&server.ask(&format!("await {wanted}"))?)?;
            took = begun.elapsed().as_secs_f64();
            if handled < wanted {
                return Err(format!("{name}, {cell}: {} messages are lost", wanted - handled));
            }
        }
        let mut each = before.into_iter().zip(processes).map(|(before, process)| {
            let spent = computing(process?)?.checked_sub(before?)?;
            Some(spent.as_secs_f64() * 1e6 / operations)
        });
        let mib = |process: u32| {
            peak(process).map(|kib| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0)
        };
        Ok(Sample {
            rate: operations / took,
            p50: figure(&found, "p50")?,
            p99: figure(&found, "p99")?,
            client: each.next().flatten(),
            server: each.next().flatten(),
            broker: each.next().flatten().filter(|_| subject.way == Way::Broker),
            client_peak: mib(client_id),
            server_peak: server_id.and_then(mib),
        })
    }
}

/// Whether a server of the first kind also serves the second.
fn serves(listened: Kind, wanted: Kind) -> bool {
    let is_shared = |kind| matches!(kind, Kind::Call | Kind::IdempotentCall | Kind::Cast);
    listened == wanted || is_shared(listened) && is_shared(wanted)
}

/// Returns one figure from a program's answer.
pub(super) fn figure(found: &str, name: &str) -> Result<f64, Error> {
    let value = found.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("no `{name}` in: {found}"))
}

pub(super) fn count(said: &str) -> Result<u64, Error> {
    let count = said.strip_prefix("count ").and_then(|count| count.parse().ok());
    count.ok_or_else(|| format!("not a count: {said}"))
}

/// Returns the broker's process, if it runs on this machine.
pub(super) fn process_of(broker: &Broker) -> Option<u32> {
    let said =
        output(Command::new(broker.control.as_ref()?).args(["eval", "os:getpid()."])).ok()?;
    let id = said.trim().trim_matches('"').parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
    name.starts_with("beam").then_some(id)
}
