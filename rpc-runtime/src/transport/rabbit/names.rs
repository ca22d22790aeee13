//! What the queues of one process are called (wire: sections 5.2 and 5.6).
//!
//! By default a name is random. A stable one is `<kind>_<host>:<process>:<number>`, with the lowest
//! number that is free: its queue is consumed exclusively, so the broker refuses the second
//! process. For quorum queues `claim` does that. The original counts from 1 in a file of the
//! machine, and does not ask the broker, so our numbers begin where its own do not come.

use std::time::Duration;

use uuid::Uuid;

use crate::{TransportError, TransportErrorKind, clock::Instant, options::QueueNames};

/// The longest name that AMQP has.
const LONGEST: usize = 255;
/// The suffix of the queue that claims a name.
const CLAIM: &str = ".claim";
/// The first number of a stable name.
const FIRST: u32 = 1001;
/// How long a broker may take to notice that a connection of ours is gone, and with it our claim of a queue.
const AFTERLIFE: Duration = Duration::from_secs(60);

/// A queue of this process.
pub(super) struct OwnQueue {
    /// `reply`, or `<topic>_fanout`.
    kind: String,
    /// Host and process. `None`: the name is random.
    owner: Option<String>,
    number: u32,
    name: String,
    claim: Claim,
}

/// Whether the broker has let us consume the queue.
enum Claim {
    Open,
    Held,
    /// It has, and does not any more since then.
    Disputed(Instant),
}

impl OwnQueue {
    pub(super) fn new(kind: String, names: &QueueNames) -> Result<Self, TransportError> {
        let owner = names.stable.then(|| owner(names));
        let mut queue =
            Self { kind, owner, number: FIRST, name: String::new(), claim: Claim::Open };
        queue.rename();
        if queue.name.len() + "4294967295".len() + CLAIM.len() > LONGEST {
            let what = format!("`{}` is too long for a queue's name", queue.name);
            return Err(TransportError::new(TransportErrorKind::Configuration, what));
        }
        Ok(queue)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether others may look for the same name, so that it has to be claimed.
    pub(super) fn is_stable(&self) -> bool {
        self.owner.is_some()
    }

    /// The queue that stands for the name where consuming does not claim it.
    pub(super) fn claim_name(&self) -> String {
        format!("{}{CLAIM}", self.name)
    }

    /// Nobody else consumes the queue.
    pub(super) fn claimed(&mut self) {
        self.claim = Claim::Held;
    }

    /// Somebody else consumes the queue. Returns whether there is another name to try.
    ///
    /// A queue that was ours keeps its name for a while: most likely the broker has not noticed yet that our last
    /// connection is gone, and what is in the queue is for us.
    pub(super) fn refused(&mut self) -> bool {
        self.refused_at(Instant::now())
    }

    fn refused_at(&mut self, now: Instant) -> bool {
        match self.claim {
            Claim::Held => self.claim = Claim::Disputed(now),
            Claim::Disputed(since) if now.saturating_duration_since(since) < AFTERLIFE => {}
            Claim::Open | Claim::Disputed(_) => {
                self.claim = Claim::Open;
                self.number = self.number.saturating_add(1);
                self.rename();
                return true;
            }
        }
        false
    }

    fn rename(&mut self) {
        self.name = match &self.owner {
            Some(owner) => format!("{}_{owner}:{}", self.kind, self.number),
            None => random(&self.kind),
        };
    }
}

/// Returns a name that no other queue has.
pub(super) fn random(kind: &str) -> String {
    format!("{kind}_{}", Uuid::new_v4().simple())
}

fn owner(names: &QueueNames) -> String {
    let host = names
        .host
        .clone()
        .unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned());
    let process = names.process.clone().unwrap_or_else(program);
    format!("{host}:{process}")
}

/// Returns the name of this program's file.
pub(super) fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    std::path::Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stable() -> QueueNames {
        let (host, process) = (Some("node1.example.com".into()), Some("nova-compute".into()));
        QueueNames { stable: true, host, process }
    }

    #[test]
    fn a_stable_name_has_the_lowest_number_that_is_free() {
        let mut queue = OwnQueue::new("compute_fanout".into(), &stable()).expect("short");
        assert_eq!(queue.name(), "compute_fanout_node1.example.com:nova-compute:1001");
        assert!(queue.refused());
        assert_eq!(queue.name(), "compute_fanout_node1.example.com:nova-compute:1002");
        queue.claimed();
        assert!(!queue.refused(), "the broker has not noticed yet that we were gone");
        assert_eq!(queue.name(), "compute_fanout_node1.example.com:nova-compute:1002");
    }

    #[test]
    fn a_queue_that_was_ours_is_given_up_when_its_connection_must_be_gone() {
        let mut queue = OwnQueue::new("reply".into(), &stable()).expect("short");
        let (ours, start) = (queue.name().to_owned(), Instant::now());
        queue.claimed();
        let at = |after: Duration, queue: &mut OwnQueue| queue.refused_at(start + after);
        assert!(!at(Duration::ZERO, &mut queue) && !at(AFTERLIFE / 2, &mut queue));
        assert_eq!(queue.name(), ours);
        // It was ours again in between: the broker has as long anew.
        queue.claimed();
        assert!(!at(AFTERLIFE, &mut queue));
        assert!(!at(2 * AFTERLIFE - Duration::from_nanos(1), &mut queue));
        assert!(at(2 * AFTERLIFE, &mut queue));
        assert_ne!(queue.name(), ours);
        assert!(at(2 * AFTERLIFE, &mut queue), "the next was never ours");
    }

    #[test]
    fn names_are_stable_only_where_that_is_asked_for() {
        let of = |names: &QueueNames| OwnQueue::new("reply".into(), names).expect("short");
        assert!(of(&stable()).is_stable());
        assert!(!of(&QueueNames::default()).is_stable());
    }

    #[test]
    fn a_process_that_is_not_named_is_called_like_its_program() {
        let names = QueueNames { process: None, ..stable() };
        let queue = OwnQueue::new("reply".into(), &names).expect("short");
        let path = std::env::current_exe().expect("a program");
        let program = path.file_name().expect("a file").to_string_lossy();
        assert_eq!(queue.name(), format!("reply_node1.example.com:{program}:1001"));
    }

    #[test]
    fn a_random_name_is_nobody_elses() {
        let names = QueueNames::default();
        let [mut one, other] =
            [(); 2].map(|()| OwnQueue::new("reply".into(), &names).expect("short"));
        assert_ne!(one.name(), other.name());
        assert_eq!(one.name().len(), "reply_".len() + 32);
        let before = one.name().to_owned();
        assert!(one.refused());
        assert_ne!(one.name(), before);
    }

    #[test]
    fn a_name_leaves_room_for_any_number() {
        let names = stable();
        let rest = "_node1.example.com:nova-compute:1001".len() + "4294967295.claim".len();
        let longest = LONGEST - rest;
        let of = |length| OwnQueue::new("x".repeat(length), &names).is_ok();
        assert_eq!((of(longest), of(longest + 1)), (true, false));
    }

    #[test]
    fn a_name_that_no_queue_can_have_is_refused() {
        let error = OwnQueue::new("x".repeat(250), &stable()).err().expect("too long");
        assert_eq!(error.kind(), TransportErrorKind::Configuration);
    }
}
