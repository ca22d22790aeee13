//! The requests that this server has begun, so that a second copy is not run again but answered as the first was.
//!
//! A plain window, bounded in number, time and bytes. It knows no clock: the time is an argument. The original keeps
//! 16 ids per listener and no replies (wire: section 6.3); a publisher that repeats a request after a lost connection
//! may come later than that, and still waits for its reply.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use uuid::Uuid;

use crate::{clock::Instant, hash::Keyed, transport::ReplyMessage};

/// How much a server remembers of the requests that it has begun, so that a second copy is not run again.
///
/// Copies come from clients that repeat what may have been lost, and from brokers that deliver again what was not
/// acknowledged. A copy of a request that runs waits for its end; one of a request that has ended is answered with the
/// reply that the first had, while that is kept. The memory is the server's own and goes with it: a request that had
/// ended and was not acknowledged yet when its server crashed or was replaced is run again.
///
/// ```
/// # use rpc_runtime::DuplicateWindow;
/// use std::time::Duration;
///
/// let busy = DuplicateWindow::new().requests(200_000).age(Duration::from_secs(120)).reply_bytes(64 << 20);
/// let off = DuplicateWindow::off();
/// # let _ = (busy, off);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a window is for `ServerBuilder::duplicate_window`"]
pub struct DuplicateWindow {
    requests: usize,
    age: Duration,
    reply_bytes: usize,
}

impl DuplicateWindow {
    /// How many requests are known by default.
    pub const REQUESTS: usize = 20_000;
    /// How long a request is known by default.
    pub const AGE: Duration = Duration::from_secs(600);
    /// How large the replies may be that are kept by default, all together.
    pub const REPLY_BYTES: usize = 16 << 20;

    /// Makes the default window.
    pub fn new() -> Self {
        Self { requests: Self::REQUESTS, age: Self::AGE, reply_bytes: Self::REPLY_BYTES }
    }

    /// Remembers nothing: each copy is run.
    pub fn off() -> Self {
        Self::new().requests(0)
    }

    /// Sets how many requests are known at most that have ended; each takes about 100 bytes. What runs is known in any case. 0
    /// is [`off`](Self::off). Default: [`Self::REQUESTS`].
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// Sets how long a request is known, from its end. Default: [`Self::AGE`].
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Sets how large the replies may be that are kept for copies, all together; the oldest go first, and one that is
    /// larger than a sixteenth of this is not kept. Default: [`Self::REPLY_BYTES`].
    pub fn reply_bytes(mut self, bytes: usize) -> Self {
        self.reply_bytes = bytes;
        self
    }
}

impl Default for DuplicateWindow {
    fn default() -> Self {
        Self::new()
    }
}

/// See the module. `C` is what waits for a request that another copy of it is running for.
#[derive(Debug)]
pub(crate) struct Duplicates<C> {
    window: DuplicateWindow,
    known: HashMap<u128, State<C>, Keyed>,
    /// What has ended, and when. What runs is not forgotten: who waits for its end would wait for ever.
    order: VecDeque<(Instant, u128)>,
    /// The requests whose replies are kept, oldest first, and how large those are.
    kept: VecDeque<u128>,
    bytes: usize,
    /// Keys for ids that are not 128-bit numbers, which no peer can guess.
    hash: [RandomState; 2],
}

#[derive(Debug)]
enum State<C> {
    Running(Vec<C>),
    Ended(Option<ReplyMessage>),
}

/// What is known of a request.
#[derive(Debug)]
pub(crate) enum Seen<'a, C> {
    /// Nothing: it is to be run. The key is for [`Duplicates::end`].
    First(u128),
    /// It is being run. Who has to know when it ends goes into the list.
    Running(&'a mut Vec<C>),
    /// It has ended. A call's reply is here unless it had to make room.
    Ended(Option<ReplyMessage>),
}

impl<C> Duplicates<C> {
    pub(crate) fn new(window: DuplicateWindow) -> Self {
        Self {
            window,
            known: HashMap::default(),
            order: VecDeque::new(),
            kept: VecDeque::new(),
            bytes: 0,
            hash: [RandomState::new(), RandomState::new()],
        }
    }

    /// Remembers the request `id`, and returns what was known of it.
    pub(crate) fn begin(&mut self, id: &str, now: Instant) -> Seen<'_, C> {
        let DuplicateWindow { requests, age, .. } = self.window;
        let key = self.key(id);
        if requests == 0 {
            return Seen::First(key);
        }
        while let Some(&(since, _)) = self.order.front()
            && now.saturating_duration_since(since) >= age
        {
            self.forget_oldest();
        }
        match self.known.entry(key) {
            Entry::Vacant(unknown) => {
                unknown.insert(State::Running(Vec::new()));
                Seen::First(key)
            }
            Entry::Occupied(known) => match known.into_mut() {
                State::Running(waiting) => Seen::Running(waiting),
                State::Ended(reply) => Seen::Ended(reply.clone()),
            },
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, oldest)) = self.order.pop_front() else { return };
        if self.kept.front() == Some(&oldest) {
            self.kept.pop_front();
        }
        if let Some(state) = self.known.remove(&oldest) {
            self.let_go(state);
        }
    }

    /// Whether the request `id` is known. It is not remembered for that.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.known.contains_key(&self.key(id))
    }

    /// Notes that a request has ended, and how it was answered. Returns who waited for that.
    pub(crate) fn end(&mut self, key: u128, reply: Option<ReplyMessage>, now: Instant) -> Vec<C> {
        // A window that is off knows nothing.
        let Some(state) = self.known.get_mut(&key) else { return Vec::new() };
        let size = reply.as_ref().map_or(0, |reply| reply.body.len());
        let reply = reply.filter(|_| size <= self.window.reply_bytes / 16);
        let is_kept = reply.is_some();
        let before = std::mem::replace(state, State::Ended(reply));
        if matches!(before, State::Running(_)) {
            self.order.push_back((now, key));
        }
        if is_kept {
            self.bytes += size;
            // In the same order, or the front would not be what goes first.
            if !matches!(before, State::Ended(Some(_))) {
                self.kept.push_back(key);
            }
        }
        let waiting = self.let_go(before);
        while self.order.len() > self.window.requests {
            self.forget_oldest();
        }
        self.make_room();
        waiting
    }

    /// Forgets a request that has not come to an end, so that its next copy is run. Returns who waited for the end.
    pub(crate) fn forget(&mut self, key: u128) -> Vec<C> {
        let Some(state) = self.known.remove(&key) else { return Vec::new() };
        if let State::Ended(_) = state {
            self.order.retain(|(_, known)| *known != key);
            self.kept.retain(|known| *known != key);
        }
        self.let_go(state)
    }

    /// Takes leave of what was known of a request: nobody else counts its reply. Returns who waited for its end.
    fn let_go(&mut self, state: State<C>) -> Vec<C> {
        match state {
            State::Running(waiting) => waiting,
            State::Ended(reply) => {
                self.bytes -= reply.map_or(0, |reply| reply.body.len());
                Vec::new()
            }
        }
    }

    /// Lets the oldest replies go. They are not looked at unless there are too many bytes: none of them is in a cache any more.
    fn make_room(&mut self) {
        while self.bytes > self.window.reply_bytes
            && let Some(oldest) = self.kept.pop_front()
        {
            if let Some(State::Ended(reply)) = self.known.get_mut(&oldest) {
                self.bytes -= reply.take().map_or(0, |reply| reply.body.len());
            }
        }
    }

    fn key(&self, id: &str) -> u128 {
        let number = if id.len() == 32 { Uuid::try_parse(id).ok() } else { None };
        let hash = |at: usize| u128::from(self.hash[at].hash_one(id));
        number.map_or_else(|| hash(0) << 64 | hash(1), |number| number.as_u128())
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> (Duplicates<u8>, Instant) {
        (Duplicates::new(DuplicateWindow::new()), Instant::now())
    }

    fn first(seen: Seen<'_, u8>) -> Option<u128> {
        match seen {
            Seen::First(key) => Some(key),
            _ => None,
        }
    }

    fn reply(size: usize) -> Option<ReplyMessage> {
        let body = std::sync::Arc::new(vec![7; size]);
        let unique_id = uuid::Uuid::nil();
        Some(ReplyMessage { queue: "q".into(), body, compression: None, unique_id, mark: None })
    }

    #[test]
    fn a_second_copy_is_known_until_it_is_old() {
        let (mut window, start) = window();
        for id in ["0000000000000000000000000000000a", "a"] {
            let key = first(window.begin(id, start)).expect("it is new");
            window.end(key, None, start);
        }
        assert!(first(window.begin("0000000000000000000000000000000a", start)).is_none());
        assert!(first(window.begin("a", start + DuplicateWindow::AGE / 2)).is_none());
        assert!(first(window.begin("a", start + DuplicateWindow::AGE)).is_some());
    }

    #[test]
    fn what_runs_is_known_however_long_and_whatever_else_comes() {
        let start = Instant::now();
        let narrow = DuplicateWindow::new().requests(2).age(Duration::from_secs(1));
        let mut window = Duplicates::<u8>::new(narrow);
        let key = first(window.begin("a", start)).expect("it is new");
        for (seconds, id) in ["b", "c", "d", "e"].iter().enumerate() {
            let now = start + Duration::from_secs(seconds as u64);
            let other = first(window.begin(id, now)).expect("it is new");
            match window.begin("a", now) {
                Seen::Running(waiting) => waiting.push(7),
                seen => panic!("{seen:?}"),
            }
            window.end(other, None, now);
        }
        let end = start + Duration::from_secs(9);
        assert_eq!(window.end(key, None, end), [7; 4]);
        assert!(matches!(window.begin("a", end), Seen::Ended(None)));
    }

    #[test]
    fn ids_that_are_written_otherwise_are_others() {
        let (mut window, start) = window();
        for id in ["a", "0a", "A", "+a", "0000000000000000000000000000000a", ""] {
            assert!(first(window.begin(id, start)).is_some(), "{id}");
            assert!(first(window.begin(id, start)).is_none(), "{id}");
        }
    }

    #[test]
    fn a_copy_waits_for_the_first_and_then_has_its_reply() {
        let (mut window, start) = window();
        let key = first(window.begin("a", start)).expect("it is new");
        match window.begin("a", start) {
            Seen::Running(waiting) => waiting.push(1),
            other => panic!("{other:?}"),
        }
        assert_eq!(window.end(key, reply(3), start), [1]);
        assert!(
            matches!(window.begin("a", start), Seen::Ended(Some(kept)) if kept.body.len() == 3)
        );
    }

    #[test]
    fn the_window_is_bounded_in_number() {
        let (mut window, start) = window();
        let size = DuplicateWindow::REQUESTS;
        for id in 0..3 * size {
            let key = first(window.begin(&format!("{id:032x}"), start)).expect("it is new");
            window.end(key, reply(1), start);
        }
        assert_eq!((window.known.len(), window.order.len(), window.bytes), (size, size, size));
        assert!(window.kept.len() <= size);
        assert!(first(window.begin(&format!("{:032x}", 3 * size - 1), start)).is_none());
    }

    #[test]
    fn the_window_is_bounded_in_bytes() {
        let (mut window, start) = window();
        let most = DuplicateWindow::REPLY_BYTES / 16;
        for id in 0..100 {
            let key = first(window.begin(&id.to_string(), start)).expect("it is new");
            window.end(key, reply(most + usize::from(id == 99)), start);
        }
        assert_eq!(window.bytes, DuplicateWindow::REPLY_BYTES);
        assert!(matches!(window.begin("0", start), Seen::Ended(None)));
        assert!(matches!(window.begin("98", start), Seen::Ended(Some(_))));
        assert!(matches!(window.begin("99", start), Seen::Ended(None)), "too large to keep");
    }

    #[test]
    fn the_window_is_as_wide_as_it_is_told() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let narrow = DuplicateWindow::new().requests(2).age(second).reply_bytes(160);
        let mut window = Duplicates::<u8>::new(narrow);
        for (id, size) in [("a", 11), ("b", 10)] {
            let key = first(window.begin(id, start)).expect("it is new");
            window.end(key, reply(size), start);
        }
        assert!(matches!(window.begin("a", start), Seen::Ended(None)), "too large to keep");
        let again = first(window.begin("b", start + second)).expect("too old");
        window.end(again, None, start + second);
        for id in ["c", "d"] {
            let key = first(window.begin(id, start + second)).expect("it is new");
            window.end(key, None, start + second);
        }
        assert!(first(window.begin("b", start + second)).is_some(), "too many came since");
        let mut off = Duplicates::<u8>::new(DuplicateWindow::off());
        for _ in 0..2 {
            let key = first(off.begin("a", start)).expect("nothing is remembered");
            assert!(!off.knows("a") && off.end(key, reply(1), start).is_empty());
        }
        assert_eq!((off.known.len(), off.order.len(), off.bytes), (0, 0, 0));
    }

    #[test]
    fn what_did_not_end_is_forgotten_and_runs_again() {
        let (mut window, start) = window();
        let key = first(window.begin("a", start)).expect("it is new");
        if let Seen::Running(waiting) = window.begin("a", start) {
            waiting.push(1);
        }
        assert_eq!(window.forget(key), [1]);
        assert!(!window.knows("a") && first(window.begin("a", start)).is_some());
    }
}
