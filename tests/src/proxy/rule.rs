//! What is done to chosen frames.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc::UnboundedSender, watch};

use super::{
    Way,
    connection::Chunk,
    frame::{self, Unit},
};
use crate::SOON;

/// Looks at bytes.
type Test = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Which frames a rule is about. By default the first that fits, once.
#[derive(Clone)]
#[must_use]
pub struct Frames {
    way: Way,
    name: String,
    containing: Vec<Vec<u8>>,
    connection: Option<String>,
    that: Option<Test>,
    nth: u64,
    times: u64,
    probability: f64,
}

impl Frames {
    /// Frames from client to broker, of a method (`queue.declare`), `protocol`, `heartbeat`, or `*` for any. A message is
    /// one with its header and body.
    ///
    /// # Panics
    /// If there is no such method.
    pub fn up(name: &str) -> Self {
        Self::new(Way::Up, name)
    }

    /// Frames from broker to client.
    ///
    /// # Panics
    /// If there is no such method.
    pub fn down(name: &str) -> Self {
        Self::new(Way::Down, name)
    }

    fn new(way: Way, name: &str) -> Self {
        assert!(frame::is_known(name), "AMQP has no method `{name}`");
        Self {
            way,
            name: name.to_owned(),
            containing: Vec::new(),
            connection: None,
            that: None,
            nth: 1,
            times: 1,
            probability: 1.0,
        }
    }

    /// Only those with these bytes somewhere in them.
    pub fn containing(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.containing.push(bytes.as_ref().to_vec());
        self
    }

    /// Only those of connections whose client says this of itself, such as `publish` in its name.
    pub fn on(mut self, connection: &str) -> Self {
        self.connection = Some(connection.to_owned());
        self
    }

    /// Only those of which this is true.
    pub fn that(mut self, is_meant: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.that = Some(Arc::new(is_meant));
        self
    }

    /// From the `nth` on that fits, counted from 1.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// That many of them.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// All of them.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Each with a probability, drawn by the proxy's seed.
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    fn fits(&self, way: Way, label: &str, unit: &Unit) -> bool {
        let has = |part: &Vec<u8>| unit.bytes.windows(part.len()).any(|window| window == part);
        self.way == way
            && (self.name == "*" || self.name == unit.name)
            && self.connection.as_ref().is_none_or(|connection| label.contains(connection))
            && self.containing.iter().all(has)
            && self.that.as_ref().is_none_or(|that| that(&unit.bytes))
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.way == Way::Up { "up" } else { "down" };
        write!(f, "{} {way}, number {}, {} times", self.name, self.nth, self.times)
    }
}

/// Changes bytes.
type Change = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// What is done to a frame.
#[derive(Clone)]
#[non_exhaustive]
pub enum Action {
    /// It passes: for a rule that only waits for it.
    Pass,
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It is kept until [`Rule::release`]. What comes after it passes.
    Hold,
    /// It arrives so much later. What comes after it passes.
    Delay(Duration),
    /// It arrives changed.
    Mutate(Change),
    /// It is dropped, and its sender gets these bytes.
    Answer(Vec<u8>),
    /// It is dropped, and its sender is told that the channel is closed over it, by this code and text.
    Refuse(u16, String),
    /// It arrives, and these bytes after it.
    Append(Vec<u8>),
    /// Both ends get a reset instead.
    ResetBefore,
    /// Both ends get a reset after it.
    ResetAfter,
    /// So many of its bytes arrive, then both ends get a reset.
    Cut(usize),
    /// Nothing passes from here on, in this direction of the connection.
    Stop,
}

impl Action {
    /// Changes the bytes of a frame, or of a message with all its frames.
    pub fn mutate(change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Self {
        Self::Mutate(Arc::new(change))
    }

    /// Makes of `basic.ack` a `basic.nack`.
    #[must_use]
    pub fn nack() -> Self {
        // Both have the tag and then the bit `multiple`; the number of the method is behind head and class.
        Self::mutate(|ack| ack[10] = 120)
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "Pass",
            Self::Drop => "Drop",
            Self::Duplicate => "Duplicate",
            Self::Hold => "Hold",
            Self::Delay(_) => "Delay",
            Self::Mutate(_) => "Mutate",
            Self::Answer(_) => "Answer",
            Self::Refuse(..) => "Refuse",
            Self::Append(_) => "Append",
            Self::ResetBefore => "ResetBefore",
            Self::ResetAfter => "ResetAfter",
            Self::Cut(_) => "Cut",
            Self::Stop => "Stop",
        })
    }
}

/// A rule while it holds: it ends with this. One that never applied fails its test.
#[derive(Debug)]
#[must_use = "a rule ends when this is dropped"]
pub struct Rule(pub(super) Arc<RuleState>);

/// A rule, as the proxy has it.
#[derive(Debug)]
pub(super) struct RuleState {
    frames: Frames,
    action: Action,
    inner: Mutex<Progress>,
    /// To how many it has been applied.
    fired: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Progress {
    fitted: u64,
    /// To how many it applies.
    judged: u64,
    is_over: bool,
    held: Vec<(UnboundedSender<Chunk>, Vec<u8>)>,
}

impl RuleState {
    pub(super) fn new(frames: Frames, action: Action) -> Self {
        Self { frames, action, inner: Mutex::default(), fired: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Returns what is to be done to a frame, if this rule is about it. `draw` is a number from 0 to 1.
    pub(super) fn judge(
        &self,
        way: Way,
        label: &str,
        unit: &Unit,
        draw: impl FnOnce() -> f64,
    ) -> Option<Action> {
        if !self.frames.fits(way, label, unit) {
            return None;
        }
        let mut progress = self.lock();
        progress.fitted += 1;
        let first = progress.fitted < self.frames.nth;
        let spent = progress.judged >= self.frames.times;
        let lucky = self.frames.probability < 1.0 && draw() >= self.frames.probability;
        if progress.is_over || first || spent || lucky {
            return None;
        }
        progress.judged += 1;
        Some(self.action.clone())
    }

    /// Tells who waits that it has been done.
    pub(super) fn fire(&self) {
        self.fired.send_modify(|fired| *fired += 1);
    }

    pub(super) fn hold(&self, to: UnboundedSender<Chunk>, bytes: Vec<u8>) {
        let mut progress = self.lock();
        if progress.is_over && progress.held.is_empty() {
            // Nobody lets it go any more. A connection that has ended takes nothing.
            let _ = to.send(Chunk::bytes(bytes));
        } else {
            progress.held.push((to, bytes));
        }
    }
}

impl Rule {
    /// How often it has applied.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.0.lock().judged
    }

    /// Waits until it has applied.
    ///
    /// # Panics
    /// If it does not within [`SOON`].
    pub async fn applied(&self) {
        self.applied_times(1).await;
    }

    /// Waits until it has applied so often.
    ///
    /// # Panics
    /// If it does not within [`SOON`].
    pub async fn applied_times(&self, times: u64) {
        let mut fired = self.0.fired.subscribe();
        let reached = fired.wait_for(|fired| *fired >= times);
        let reached = tokio::time::timeout(SOON, reached).await;
        assert!(reached.is_ok(), "not within {SOON:?}: {:?} of {:?}", self.0.action, self.0.frames);
    }

    /// Lets go what is [held](Action::Hold), in its order, and holds what comes as before.
    pub fn release(&self) {
        let mut held = std::mem::take(&mut self.0.lock().held).into_iter().peekable();
        while let Some((to, mut bytes)) = held.next() {
            // An answer to the first of them overtakes none of the others.
            while let Some((_, more)) = held.next_if(|(also, _)| also.same_channel(&to)) {
                bytes.extend_from_slice(&more);
            }
            // A connection that has ended takes nothing.
            let _ = to.send(Chunk::bytes(bytes));
        }
    }

    /// Ends it, and does not ask whether it applied.
    pub fn end(self) {
        self.0.lock().is_over = true;
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let was_over = std::mem::replace(&mut self.0.lock().is_over, true);
        self.release();
        assert!(
            was_over || self.fired() > 0 || std::thread::panicking(),
            "a rule never applied: {:?} of {:?}",
            self.0.action,
            self.0.frames
        );
    }
}
