//! The measured subjects, and the operations that each of them supports.

use std::{fmt, path::PathBuf, process::Command};

/// An operation, the number of them in flight, and the size of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) in_flight: usize,
    pub(super) body: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Call,
    IdempotentCall,
    Cast,
    Fanout,
    Notification,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Call, Self::IdempotentCall, Self::Cast, Self::Fanout, Self::Notification];

    /// Its name in orders.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::IdempotentCall => "idempotent-call",
            Self::Cast => "cast",
            Self::Fanout => "fanout",
            Self::Notification => "notification",
        }
    }

    /// The title of its chapter.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Call => "Calls",
            Self::IdempotentCall => "Calls of idempotent methods",
            Self::Cast => "Casts",
            Self::Fanout => "Fanout casts to ten servers",
            Self::Notification => "Notifications",
        }
    }

    /// How many times servers handle one operation. `None`: the caller's answer shows it, so
    /// nothing is counted.
    pub(super) fn copies(self) -> Option<u64> {
        match self {
            Self::Call | Self::IdempotentCall => None,
            Self::Cast | Self::Notification => Some(1),
            Self::Fanout => Some(10),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} in flight, {} B", self.kind.name(), self.in_flight, self.body)
    }
}

/// A measured library or configuration.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    /// Its name in the program's arguments.
    called: &'static str,
    /// The command that runs the program.
    program: Vec<PathBuf>,
    pub(super) way: Way,
    kinds: &'static [Kind],
}

/// How client and server of a subject reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the broker that all subjects share.
    Broker,
    /// Through a connection of their own.
    Socket,
    /// Within one process.
    Memory,
}

/// The fixed facts about a subject.
struct Known {
    name: &'static str,
    way: Way,
    kinds: &'static [Kind],
    meaning: &'static str,
    /// Whether the program must be built with its feature [`PEERS`].
    is_peer: bool,
}

const CALLS: &[Kind] = &[Kind::Call];
const MESSAGES: &[Kind] = &[Kind::Call, Kind::Cast, Kind::Fanout];
const BARE: &[Kind] = &[Kind::Call, Kind::Cast, Kind::Fanout, Kind::Notification];

const KNOWN: [Known; 10] = [
    known("ours", &Kind::ALL, "this library: confirms, duplicate window, deadlines, at most once"),
    known(
        "lapin-guarded",
        BARE,
        "bare lapin, the same envelope, early acknowledgement, confirms both ways, replies acknowledged",
    ),
    known("lapin-envelope", BARE, "bare lapin, the same envelope, no confirms"),
    known("lapin-binary", MESSAGES, "bare lapin, the body alone, no confirms"),
    known("lapin-window", MESSAGES, "bare lapin, the body alone, confirms in a window"),
    Known {
        is_peer: true,
        ..known("kanin", CALLS, "a server of kanin's, protobuf, no confirms; bare lapin calls it")
    },
    Known { way: Way::Memory, ..known("ours-memory", CALLS, "this library on `memory://`") },
    Known {
        way: Way::Memory,
        is_peer: true,
        ..known("tarpc-memory", CALLS, "tarpc within a process: values are handed over as they are")
    },
    Known {
        way: Way::Socket,
        is_peer: true,
        ..known("tarpc-tcp", CALLS, "tarpc over one TCP connection, JSON, no broker")
    },
    known(ORIGINAL, MESSAGES, "oslo.messaging, threads"),
];

/// Returns a subject that uses the broker.
const fn known(name: &'static str, kinds: &'static [Kind], meaning: &'static str) -> Known {
    Known { name, way: Way::Broker, kinds, meaning, is_peer: false }
}

/// The subject in Python.
pub(super) const ORIGINAL: &str = "oslo";
/// The bases of comparison: bare lapin for subjects with a broker, tarpc for others.
pub(super) const BASES: [&str; 3] = ["lapin-guarded", "lapin-envelope", "tarpc-memory"];
/// The program's feature for other libraries.
pub(super) const PEERS: &str = "peers";

fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// Describes a subject.
pub(super) fn meaning(name: &str) -> &'static str {
    find(name).map_or("another revision", |known| known.meaning)
}

/// Whether the ratio of two subjects is meaningful: both or neither must use a broker, which
/// dominates the cost.
pub(super) fn are_comparable(one: &str, other: &str) -> bool {
    let has_broker = |name: &str| {
        let name = name.split('@').next().unwrap_or(name);
        find(name).is_some_and(|known| known.way == Way::Broker)
    };
    one != other && has_broker(one) == has_broker(other)
}

/// Whether one of the wanted subjects requires the feature [`PEERS`].
pub(super) fn wants_peers(is_wanted: impl Fn(&str) -> bool) -> bool {
    KNOWN.iter().any(|known| known.is_peer && is_wanted(known.name))
}

impl Subject {
    /// Returns the subjects of one program. `program` is a command with its first arguments.
    pub(super) fn all_of(program: &[PathBuf], is_done: impl Fn(&str) -> bool) -> Vec<Self> {
        let known = KNOWN.iter().filter(|known| is_done(known.name));
        known
            .map(|known| Self {
                name: known.name.to_owned(),
                called: known.name,
                program: program.to_vec(),
                way: known.way,
                kinds: known.kinds,
            })
            .collect()
    }

    /// Returns the same subject at another revision.
    pub(super) fn at(mut self, revision: &str, program: PathBuf) -> Self {
        self.name = format!("{}@{revision}", self.name);
        self.program = vec![program];
        self
    }

    /// Whether the subject supports the operation.
    pub(super) fn does(&self, cell: Cell) -> bool {
        self.kinds.contains(&cell.kind)
    }

    /// Returns the command that starts one end.
    pub(super) fn command(&self, end: &[&str]) -> Command {
        let (program, arguments) = self.program.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).arg(end[0]).arg(self.called).args(&end[1..]);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::{BASES, KNOWN, are_comparable, find, wants_peers};

    #[test]
    fn a_ratio_is_only_of_two_that_both_have_a_broker_or_neither() {
        assert!(are_comparable("ours", "lapin-guarded"));
        assert!(are_comparable("kanin", "lapin-envelope"));
        assert!(are_comparable("ours@main", "ours"));
        assert!(are_comparable("ours-memory", "tarpc-memory"));
        assert!(are_comparable("tarpc-tcp", "tarpc-memory"));
        assert!(!are_comparable("ours-memory", "lapin-guarded"));
        assert!(!are_comparable("ours", "tarpc-memory"));
        assert!(!are_comparable("lapin-guarded", "lapin-guarded"));
    }

    #[test]
    fn every_base_is_a_subject_and_no_name_comes_twice() {
        assert!(BASES.iter().all(|base| find(base).is_some()));
        for known in &KNOWN {
            assert_eq!(KNOWN.iter().filter(|other| other.name == known.name).count(), 1);
        }
    }

    #[test]
    fn other_libraries_are_built_only_where_one_is_asked_for() {
        assert!(wants_peers(|name| name == "kanin"));
        assert!(wants_peers(|_| true));
        assert!(!wants_peers(|name| name.starts_with("ours") || name.starts_with("lapin")));
    }
}
