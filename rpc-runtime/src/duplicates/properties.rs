//! Over random requests, ends and pauses: the window knows what a plain list would, and keeps its bounds.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

const REQUESTS: usize = 4;
const AGE: Duration = Duration::from_secs(1);
const BYTES: usize = 160;

/// Something that happens to a window.
#[derive(Clone, Debug)]
enum Step {
    /// A copy of a request comes, after a while.
    Begin(u8, Duration),
    /// One of those that have begun ends, with a reply of a size.
    End(Index, Option<usize>),
    /// It ends without an end.
    Forget(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![Just(0), 0..400_u64].prop_map(Duration::from_millis);
    let size = prop_oneof![Just(None), (0..=11_usize).prop_map(Some)];
    prop_oneof![
        4 => (0..6_u8, pause).prop_map(|(id, pause)| Step::Begin(id, pause)),
        3 => (any::<Index>(), size).prop_map(|(which, size)| Step::End(which, size)),
        1 => any::<Index>().prop_map(Step::Forget),
    ]
}

/// A request as the list knows it.
struct Known {
    /// When it began, then when it ended.
    since: Instant,
    id: u8,
    /// Who waits for its end. `None` once it has ended.
    waiting: Option<usize>,
    size: Option<usize>,
}

/// Window and list, side by side.
struct Both {
    window: Duplicates<()>,
    list: Vec<Known>,
    now: Instant,
    /// What is to be run: what the window calls it, and its id.
    begun: Vec<(u128, u8)>,
}

impl Both {
    fn new() -> Self {
        let window = DuplicateWindow::new().requests(REQUESTS).age(AGE).reply_bytes(BYTES);
        let (list, begun) = (Vec::new(), Vec::new());
        Self { window: Duplicates::new(window), list, now: Instant::now(), begun }
    }

    fn begin(&mut self, id: u8, pause: Duration) -> Result<(), TestCaseError> {
        self.now += pause;
        let now = self.now;
        self.list.retain(|known| known.waiting.is_some() || now - known.since < AGE);
        let seen = self.window.begin(&id.to_string(), now);
        let Some(known) = self.list.iter_mut().find(|known| known.id == id) else {
            let Seen::First(key) = seen else { return Err(TestCaseError::fail("it is new")) };
            self.list.push(Known { since: now, id, waiting: Some(0), size: None });
            self.begun.push((key, id));
            return Ok(());
        };
        match (seen, &mut known.waiting) {
            (Seen::Running(waiting), Some(count)) => {
                waiting.push(());
                *count += 1;
            }
            (Seen::Ended(None), None) => {}
            (Seen::Ended(Some(reply)), None) => prop_assert_eq!(Some(reply.body.len()), known.size),
            (seen, _) => prop_assert!(false, "{:?}", seen),
        }
        Ok(())
    }

    fn end(&mut self, which: &Index, size: Option<usize>) -> Result<(), TestCaseError> {
        let Some((key, id)) = self.take(which) else { return Ok(()) };
        let reply = size.map(|size| ReplyMessage {
            mark: None,
            queue: "q".into(),
            body: vec![7; size].into(),
            compression: None,
            unique_id: uuid::Uuid::nil(),
        });
        let waited = self.window.end(key, reply, self.now).len();
        let place = self.list.iter().position(|known| known.id == id);
        let Some(at) = place else { return Err(TestCaseError::fail("it ran")) };
        let waiting = self.list.remove(at).waiting;
        self.list.push(Known { since: self.now, id, waiting: None, size });
        if self.ended() > REQUESTS {
            let oldest = self.list.iter().position(|known| known.waiting.is_none());
            oldest.map(|at| self.list.remove(at));
        }
        prop_assert_eq!(Some(waited), waiting);
        Ok(())
    }

    fn forget(&mut self, which: &Index) -> Result<(), TestCaseError> {
        let Some((key, id)) = self.take(which) else { return Ok(()) };
        let waited = self.window.forget(key).len();
        let place = self.list.iter().position(|known| known.id == id);
        let expected = place.map_or(0, |at| self.list.remove(at).waiting.unwrap_or(0));
        prop_assert_eq!(waited, expected);
        Ok(())
    }

    fn take(&mut self, which: &Index) -> Option<(u128, u8)> {
        (!self.begun.is_empty()).then(|| self.begun.swap_remove(which.index(self.begun.len())))
    }

    /// How many of those that are known have ended.
    fn ended(&self) -> usize {
        self.list.iter().filter(|known| known.waiting.is_none()).count()
    }

    /// Checks the bounds, and that nothing is counted that is not there.
    fn check(&self) -> Result<(), TestCaseError> {
        let window = &self.window;
        prop_assert_eq!(window.known.len(), self.list.len());
        prop_assert_eq!(window.order.len(), self.ended());
        prop_assert!(window.order.len() <= REQUESTS && window.bytes <= BYTES);
        let kept = |state: &State<()>| match state {
            State::Ended(Some(reply)) => reply.body.len(),
            _ => 0,
        };
        prop_assert_eq!(window.known.values().map(kept).sum::<usize>(), window.bytes);
        let replies = window.known.values().filter(|state| matches!(state, State::Ended(Some(_))));
        prop_assert_eq!(window.kept.len(), replies.count());
        for known in &self.list {
            prop_assert!(window.knows(&known.id.to_string()));
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_window_knows_what_a_list_would(steps in vec(step(), 0..60)) {
        let mut both = Both::new();
        for step in steps {
            match step {
                Step::Begin(id, pause) => both.begin(id, pause)?,
                Step::End(which, size) => both.end(&which, size)?,
                Step::Forget(which) => both.forget(&which)?,
            }
            both.check()?;
        }
    }
}
