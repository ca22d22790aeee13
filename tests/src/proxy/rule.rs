//! Rules: actions on chosen frames.

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

/// A predicate on the bytes of a unit.
type Test = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Selects the frames of a rule. By default, the first match only.
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
    /// Selects frames from client to broker by name: a method (`queue.declare`), `protocol`,
    /// `heartbeat`, or `*` for any. A message counts as one frame with its header and body.
    ///
    /// # Panics
    /// If AMQP has no such method.
    pub fn up(name: &str) -> Self {
        Self::new(Way::Up, name)
    }

    /// Selects frames from broker to client.
    ///
    /// # Panics
    /// If AMQP has no such method.
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

    /// Selects only frames that contain these bytes.
    pub fn containing(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.containing.push(bytes.as_ref().to_vec());
        self
    }

    /// Selects only connections whose client properties contain `connection`, such as `publish`.
    pub fn on(mut self, connection: &str) -> Self {
        self.connection = Some(connection.to_owned());
        self
    }

    /// Selects only frames for which `is_meant` returns true.
    pub fn that(mut self, is_meant: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.that = Some(Arc::new(is_meant));
        self
    }

    /// Starts with the `nth` match, counted from 1.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// Applies to `times` matches.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Applies to every match.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Applies to each match with a probability, drawn from the proxy's seed.
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

/// A change to the bytes of a unit.
type Change = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

/// The treatment of a frame.
#[derive(Clone)]
#[non_exhaustive]
pub enum Action {
    /// It passes: for a rule that only observes.
    Pass,
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It is held until [`Rule::release`]. Later frames pass.
    Hold,
    /// It arrives this much later. Later frames pass.
    Delay(Duration),
    /// It arrives changed.
    Mutate(Change),
    /// It is dropped, and its sender receives these bytes.
    Answer(Vec<u8>),
    /// It is dropped, and its sender receives a `channel.close` with this code and text.
    Refuse(u16, String),
    /// It arrives, followed by these bytes.
    Append(Vec<u8>),
    /// Both ends receive a reset instead.
    ResetBefore,
    /// Both ends receive a reset after it.
    ResetAfter,
    /// Only its first bytes arrive, as many as this; then both ends receive a reset.
    Cut(usize),
    /// Nothing passes from here on, in this direction of the connection.
    Stop,
}

impl Action {
    /// Changes the bytes of a frame, or of a message with all its frames.
    pub fn mutate(change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Self {
        Self::Mutate(Arc::new(change))
    }

    /// Turns `basic.ack` into `basic.nack`.
    #[must_use]
    pub fn nack() -> Self {
        // The two differ in the method number only, at offset 10: after the frame head and the
        // class.
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

/// An active rule; dropping it ends it. A rule that never applied fails its test.
#[derive(Debug)]
#[must_use = "a rule ends when this is dropped"]
pub struct Rule(pub(super) Arc<RuleState>);

/// The proxy's side of a rule.
#[derive(Debug)]
pub(super) struct RuleState {
    frames: Frames,
    action: Action,
    inner: Mutex<Progress>,
    /// How many frames the action has been applied to.
    fired: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Progress {
    fitted: u64,
    /// How many frames have matched.
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

    /// Returns the action for a frame, if this rule applies to it. `draw` is a random number from 0
    /// to 1.
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

    /// Records that the action has been applied, and wakes waiting tests.
    pub(super) fn fire(&self) {
        self.fired.send_modify(|fired| *fired += 1);
    }

    pub(super) fn hold(&self, to: UnboundedSender<Chunk>, bytes: Vec<u8>) {
        let mut progress = self.lock();
        if progress.is_over && progress.held.is_empty() {
            // The rule has ended, so nothing would release the frame. Sending fails only if the
            // connection has ended.
            let _ = to.send(Chunk::bytes(bytes));
        } else {
            progress.held.push((to, bytes));
        }
    }
}

impl Rule {
    /// Returns how many frames the rule has matched.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.0.lock().judged
    }

    /// Waits until the rule has been applied.
    ///
    /// # Panics
    /// If that takes longer than [`SOON`].
    pub async fn applied(&self) {
        self.applied_times(1).await;
    }

    /// Waits until the rule has been applied `times` times.
    ///
    /// # Panics
    /// If that takes longer than [`SOON`].
    pub async fn applied_times(&self, times: u64) {
        let mut fired = self.0.fired.subscribe();
        let reached = fired.wait_for(|fired| *fired >= times);
        let reached = tokio::time::timeout(SOON, reached).await;
        assert!(reached.is_ok(), "not within {SOON:?}: {:?} of {:?}", self.0.action, self.0.frames);
    }

    /// Releases [held](Action::Hold) frames in order. Later matches are held as before.
    pub fn release(&self) {
        let mut held = std::mem::take(&mut self.0.lock().held).into_iter().peekable();
        while let Some((to, mut bytes)) = held.next() {
            // Frames of one channel leave together, so that an answer to the first overtakes none.
            while let Some((_, more)) = held.next_if(|(also, _)| also.same_channel(&to)) {
                bytes.extend_from_slice(&more);
            }
            // Fails only if the connection has ended.
            let _ = to.send(Chunk::bytes(bytes));
        }
    }

    /// Ends the rule, even if it never applied.
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
