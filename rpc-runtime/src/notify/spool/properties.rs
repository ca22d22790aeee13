//! Over random sends, ends and pauses: a spool keeps what a plain list would, and each notification ends once.

use std::{collections::HashMap, pin::Pin};

use proptest::{collection::vec, option, prelude::*, sample::Index};

use super::*;
use crate::{clock::Instant, memory::Broker, notify::Emission, pending::Exchange};

/// Less than the largest: one alone finds room, whatever its size.
const ROOM: Room = Room { messages: 4, bytes: 50 };
/// The largest message that the transport sends.
const LARGEST: usize = 60;

/// Something that happens to a spool.
#[derive(Clone, Debug)]
enum Step {
    /// A notification comes, of a size.
    Send(usize),
    /// One that the transport was ever given leaves.
    Leave(Index),
    /// It comes back, and may have arrived.
    Back(Index),
    /// It ends, as far as the transport can tell.
    End(Index, Fate),
    /// So many milliseconds pass.
    Pass(u64),
    Close,
}

/// What becomes of a notification.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Confirmed,
    Refused,
    Unroutable,
    Unsent,
    Interrupted,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        3 => Just(Fate::Confirmed),
        2 => Just(Fate::Refused),
        1 => Just(Fate::Unroutable),
        1 => Just(Fate::Unsent),
        1 => Just(Fate::Interrupted),
    ];
    prop_oneof![
        12 => (0..=LARGEST + 1).prop_map(Step::Send),
        3 => any::<Index>().prop_map(Step::Leave),
        3 => any::<Index>().prop_map(Step::Back),
        9 => (any::<Index>(), fate).prop_map(|(which, fate)| Step::End(which, fate)),
        // Even, where the time after which one is given up is odd: no two things happen at the same time.
        6 => prop_oneof![0..3_u64, 50..1250_u64].prop_map(|time| Step::Pass(2 * time)),
        1 => Just(Step::Close),
    ]
}

fn give_up_after() -> impl Strategy<Value = Option<Duration>> {
    let some = prop_oneof![
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        3 => (0..2000_u64).prop_map(|time| Duration::from_millis(2 * time + 1)),
    ];
    option::weighted(0.7, some)
}

/// A notification as the list knows it.
struct Known {
    size: usize,
    since: Instant,
    place: Place,
    /// When its last pause is over.
    until: Option<Instant>,
    emission: Emission,
    is_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The transport has it, as the one that was given to it after so many others.
    There(usize),
    /// It was refused, and is sent again after a pause.
    Pausing,
    Ended(End),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Sent,
    TooLarge,
    Full,
    Unavailable(TransportErrorKind),
    Expired(Duration),
    Refused,
}

impl Known {
    fn has_ended(&self) -> bool {
        matches!(self.place, Place::Ended(_))
    }
}

impl Place {
    const CLOSED: Self = Self::Ended(End::Unavailable(TransportErrorKind::Closed));
}

impl End {
    fn of(result: Result<(), NotifyError>) -> Self {
        match result {
            Ok(()) => Self::Sent,
            Err(NotifyError::TooLarge { size, limit: LARGEST }) if size > LARGEST => Self::TooLarge,
            Err(NotifyError::SpoolFull) => Self::Full,
            Err(NotifyError::Unavailable(error)) => Self::Unavailable(error.kind()),
            Err(NotifyError::Expired { waited }) => Self::Expired(waited),
            Err(NotifyError::Refused) => Self::Refused,
            Err(other) => unreachable!("{other}"),
        }
    }
}

/// What the transport was given.
struct Given {
    id: usize,
    pending: Arc<Pending>,
    /// The message, once it has left.
    left: Option<Outgoing>,
}

/// Spool and list, side by side.
struct Both {
    spool: Arc<Spool>,
    idle: Pin<Box<dyn Future<Output = ()>>>,
    transport: Transport,
    broker: Broker,
    is_closed: bool,
    after: Option<Duration>,
    list: Vec<Known>,
    ids: HashMap<Uuid, usize>,
    given: Vec<Given>,
}

fn idle(spool: &Arc<Spool>) -> Pin<Box<dyn Future<Output = ()>>> {
    let spool = Arc::clone(spool);
    Box::pin(async move { spool.idle().await })
}

/// Lets all tasks do what there is to do at this time.
async fn rest() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

fn is_ready(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

impl Both {
    async fn new(after: Option<Duration>) -> Self {
        let url = format!("memory://spool-{}", Uuid::new_v4());
        let transport = Transport::builder(&url).message_limit(LARGEST).connect().await;
        let transport = transport.expect("it is embedded");
        let broker = transport.memory().expect("it is embedded");
        broker.hold();
        let spool = Spool::new(transport.clone(), ROOM, after, Ok(Handle::current()));
        let idle = idle(&spool);
        let (list, ids, given) = Default::default();
        Self { spool, idle, transport, broker, is_closed: false, after, list, ids, given }
    }

    fn alive(&self) -> impl Iterator<Item = &Known> {
        self.list.iter().filter(|known| !known.has_ended())
    }

    /// When one is given up that has come at `since`.
    fn due(&self, since: Instant) -> Option<Instant> {
        self.after.filter(|after| !after.is_zero()).and_then(|after| since.checked_add(after))
    }

    fn send(&mut self, size: usize) -> Result<(), TestCaseError> {
        let (id, unique_id) = (self.list.len(), Uuid::new_v4());
        self.ids.insert(unique_id, id);
        let kept: usize = self.alive().map(|known| known.size).sum();
        let is_full = self.alive().count() >= ROOM.messages || kept > 0 && kept + size > ROOM.bytes;
        let progress = Arc::new(Progress::default());
        let emission = Emission::new(Arc::clone(&progress));
        let since = Instant::now();
        let exchange = Exchange::Notifications("openstack".into());
        let route = Route { exchange, routing_key: "notifications.info".into(), mandatory: true };
        let draft = Draft { event_type: "e".into(), route, body: vec![7; size], unique_id };
        self.spool.send(draft, &progress);
        let place = match (size > LARGEST, is_full, self.is_closed) {
            (true, _, _) => Place::Ended(End::TooLarge),
            (_, true, _) => Place::Ended(End::Full),
            (_, _, true) => Place::CLOSED,
            _ => Place::There(self.given.len()),
        };
        self.list.push(Known { size, since, place, until: None, emission, is_told: false });
        let waiting = self.spool.aging.lock().len();
        prop_assert!(waiting <= 2 * ROOM.messages + 1, "{} are looked at for their age", waiting);
        let news = self.take_given()?;
        let is_there = matches!(place, Place::There(_));
        prop_assert_eq!(news, if is_there { vec![id] } else { Vec::new() });
        Ok(())
    }

    /// Looks at what the transport was given since the last time, and is still to be sent.
    fn take_given(&mut self) -> Result<Vec<usize>, TestCaseError> {
        let mut news = Vec::new();
        for pending in self.broker.hold() {
            let is_once = self.after == Some(Duration::ZERO);
            prop_assert_eq!(pending.retry, if is_once { Retry::Never } else { Retry::Ambiguous });
            let Some(message) = pending.take() else { continue };
            let id = self.ids[&message.unique_id];
            prop_assert_eq!(message.body.len(), self.list[id].size);
            prop_assert!(message.route.mandatory && message.expires.is_none());
            prop_assert_eq!(&*message.route.routing_key, "notifications.info");
            pending.put_back(message, false);
            news.push(id);
            self.given.push(Given { id, pending, left: None });
        }
        Ok(news)
    }

    /// Chooses one that the transport was given. Says whether it is still wanted.
    fn choose(&mut self, which: &Index) -> Option<(&mut Given, bool)> {
        let at = (!self.given.is_empty()).then(|| which.index(self.given.len()))?;
        let given = &mut self.given[at];
        let is_wanted = self.list[given.id].place == Place::There(at);
        Some((given, is_wanted))
    }

    fn leave(&mut self, which: &Index) -> Result<(), TestCaseError> {
        let Some((given, is_wanted)) = self.choose(which) else { return Ok(()) };
        if given.left.is_none() {
            given.left = given.pending.take();
            prop_assert_eq!(given.left.is_some(), is_wanted, "sent after its end, or not at all");
        }
        Ok(())
    }

    fn back(&mut self, which: &Index) -> Result<(), TestCaseError> {
        let Some((given, is_wanted)) = self.choose(which) else { return Ok(()) };
        if let Some(message) = given.left.take() {
            given.pending.put_back(message, true);
            prop_assert_eq!(given.pending.is_queued(), is_wanted);
        }
        Ok(())
    }

    fn end(&mut self, which: &Index, fate: Fate) {
        let Some((given, is_wanted)) = self.choose(which) else { return };
        let refused = TransportError::new(TransportErrorKind::Refused, "it may not");
        match fate {
            Fate::Confirmed => given.pending.confirm(),
            Fate::Refused => _ = given.pending.end(Outcome::Refused),
            Fate::Unroutable => _ = given.pending.end(Outcome::Unroutable(Route::of_nothing())),
            Fate::Unsent => _ = given.pending.end(Outcome::Unsent(refused)),
            Fate::Interrupted => _ = given.pending.end(Outcome::Interrupted),
        }
        // Who has ended it does not put it back.
        given.left = None;
        let id = given.id;
        let known = &mut self.list[id];
        if is_wanted {
            known.place = match fate {
                Fate::Confirmed => Place::Ended(End::Sent),
                Fate::Unsent => Place::Ended(End::Unavailable(TransportErrorKind::Refused)),
                Fate::Interrupted => {
                    Place::Ended(End::Unavailable(TransportErrorKind::Disconnected))
                }
                _ if self.after == Some(Duration::ZERO) => Place::Ended(End::Refused),
                _ => {
                    known.until = Some(Instant::now() + AGAIN);
                    Place::Pausing
                }
            };
        }
    }

    async fn pass(&mut self, time: Duration) -> Result<(), TestCaseError> {
        tokio::time::sleep(time).await;
        rest().await;
        let now = Instant::now();
        let mut again = Vec::new();
        for id in 0..self.list.len() {
            let due = self.due(self.list[id].since);
            let known = &mut self.list[id];
            let is_first = |until: &Instant| *until <= now && due.is_none_or(|due| *until < due);
            let until =
                known.until.filter(|until| known.place == Place::Pausing && is_first(until));
            match (until, self.after.filter(|_| due.is_some_and(|due| due <= now))) {
                _ if known.has_ended() => {}
                (Some(_), _) if self.is_closed => known.place = Place::CLOSED,
                (_, Some(after)) => known.place = Place::Ended(End::Expired(after)),
                (Some(until), None) => again.push(until),
                (None, None) => {}
            }
        }
        again.sort();
        let first = self.given.len();
        let news = self.take_given()?;
        let times: Option<Vec<_>> = news.iter().map(|id| self.list[*id].until).collect();
        prop_assert_eq!(times, Some(again), "in the order in which they were refused");
        for (place, id) in (first..).zip(news) {
            prop_assert_eq!(self.list[id].place, Place::Pausing);
            self.list[id].place = Place::There(place);
        }
        Ok(())
    }

    /// The transport is closed: it fails what it has.
    async fn close(&mut self) {
        self.transport.close().await;
        self.is_closed = true;
        for (at, given) in self.given.iter_mut().enumerate() {
            given.pending.end(Outcome::Unsent(TransportError::closed()));
            given.left = None;
            let known = &mut self.list[given.id];
            if known.place == Place::There(at) {
                known.place = Place::CLOSED;
            }
        }
    }

    /// Checks that nothing is kept or counted but what has not ended, and that the rest was told its end, once.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let (mut count, mut bytes, mut sent, mut pausing) = (0, 0, 0, 0);
        for known in &mut self.list {
            let end = Pin::new(&mut known.emission).poll(&mut Context::from_waker(Waker::noop()));
            if !known.has_ended() {
                prop_assert!(end.is_pending());
                (count, bytes) = (count + 1, bytes + known.size);
                continue;
            }
            if let (Poll::Ready(result), false) = (end, known.is_told) {
                prop_assert_eq!(Place::Ended(End::of(result)), known.place);
                known.is_told = true;
            }
            prop_assert!(known.is_told);
            sent += u64::from(known.place == Place::Ended(End::Sent));
            // A pause is slept through.
            pausing += usize::from(known.until.is_some_and(|until| until > Instant::now()));
        }
        prop_assert_eq!(*self.spool.kept(), Kept { messages: count, bytes });
        prop_assert_eq!(
            Arc::strong_count(&self.spool),
            2 + count + pausing,
            "one that has ended is kept"
        );
        prop_assert_eq!(is_ready(&mut self.idle), count == 0);
        if count == 0 {
            self.idle = idle(&self.spool);
        }
        let metrics = self.transport.metrics();
        let ended = u64::try_from(self.list.len() - count).expect("a few");
        let counted = (metrics.notifications_sent, metrics.notifications_dropped);
        prop_assert_eq!(counted, (sent, ended - sent), "each once");
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Send(size) => self.send(size)?,
            Step::Leave(which) => self.leave(&which)?,
            Step::Back(which) => self.back(&which)?,
            Step::End(which, fate) => self.end(&which, fate),
            Step::Pass(time) => self.pass(Duration::from_millis(time)).await?,
            Step::Close => self.close().await,
        }
        rest().await;
        self.check()
    }

    /// Drops the spool with all that it has, which goes on until it has ended.
    async fn drop_spool(self) -> Result<(), TestCaseError> {
        let Self { spool, idle, given, broker, .. } = self;
        drop((spool, idle));
        for given in given {
            given.pending.confirm();
        }
        // A pause may not be over, and what comes then is confirmed.
        tokio::time::sleep(AGAIN).await;
        rest().await;
        broker.hold().into_iter().for_each(|pending| pending.confirm());
        rest().await;
        prop_assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_spool_keeps_what_a_list_would(steps in vec(step(), 0..60), after in give_up_after()) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut both = Both::new(after).await;
            for step in steps {
                both.step(step).await?;
            }
            both.drop_spool().await
        })?;
    }
}
