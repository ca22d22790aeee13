//! What is measured, and what of it each subject can do.

use std::{fmt, path::PathBuf, process::Command};

/// An operation, so many at a time, with a body of so many bytes.
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

    /// What a chapter about it is called.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Call => "Calls",
            Self::IdempotentCall => "Calls of idempotent methods",
            Self::Cast => "Casts",
            Self::Fanout => "Fanout casts to ten servers",
            Self::Notification => "Notifications",
        }
    }

    /// How often a server handles one operation. `None`: who asks has the answer, and nothing is counted.
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

/// Something that is measured.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    /// What it is called by the program that does it.
    called: &'static str,
    /// What runs that program.
    program: Vec<PathBuf>,
    /// Whether client and server are one process.
    pub(super) is_in_process: bool,
    kinds: &'static [Kind],
}

const CALLS: &[Kind] = &[Kind::Call];
const MESSAGES: &[Kind] = &[Kind::Call, Kind::Cast, Kind::Fanout];

/// The subjects: name, whether in one process, what they do, what they
/// are.
const KNOWN: [(&str, bool, &[Kind], &str); 7] = [
    (
        "ours",
        false,
        &Kind::ALL,
        "this library: confirms, duplicate window, deadlines, at most once",
    ),
    (
        "lapin-guarded",
        false,
        &[Kind::Call, Kind::Cast, Kind::Fanout, Kind::Notification],
        "bare lapin, the same envelope, early acknowledgement, confirms both ways, replies acknowledged",
    ),
    (
        "lapin-envelope",
        false,
        &[Kind::Call, Kind::Cast, Kind::Fanout, Kind::Notification],
        "bare lapin, the same envelope, no confirms",
    ),
    ("lapin-binary", false, MESSAGES, "bare lapin, the body alone, no confirms"),
    ("lapin-window", false, MESSAGES, "bare lapin, the body alone, confirms in a window"),
    ("ours-memory", true, CALLS, "this library on `memory://`"),
    ("oslo", false, MESSAGES, "oslo.messaging, threads"),
];

/// The one that Python does.
pub(super) const ORIGINAL: &str = "oslo";
/// What this library is compared with.
pub(super) const BASES: [&str; 2] = ["lapin-guarded", "lapin-envelope"];

/// Says what a subject is.
pub(super) fn meaning(name: &str) -> &'static str {
    KNOWN
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or("another revision", |(.., meaning)| meaning)
}

impl Subject {
    /// Returns all that one program does. `program` is a command with its first arguments.
    pub(super) fn all_of(program: &[PathBuf], is_done: impl Fn(&str) -> bool) -> Vec<Self> {
        let known = KNOWN.into_iter().filter(|(name, ..)| is_done(name));
        known
            .map(|(name, is_in_process, kinds, _)| Self {
                name: name.to_owned(),
                called: name,
                program: program.to_vec(),
                is_in_process,
                kinds,
            })
            .collect()
    }

    /// Returns what another revision has in its place.
    pub(super) fn at(mut self, revision: &str, program: PathBuf) -> Self {
        self.name = format!("{}@{revision}", self.name);
        self.program = vec![program];
        self
    }

    /// Whether it can be measured there: who is slow is not asked for what takes minutes.
    pub(super) fn does(&self, cell: Cell) -> bool {
        self.kinds.contains(&cell.kind)
    }

    /// Returns the command that starts one end of it.
    pub(super) fn command(&self, end: &[&str]) -> Command {
        let (program, arguments) = self.program.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).arg(end[0]).arg(self.called).args(&end[1..]);
        command
    }
}
