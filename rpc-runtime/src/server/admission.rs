//! Which requests begin, which wait, and which are refused: slots, limits of methods, places to wait in.
//!
//! Where no method has a limit and nothing is refused, a slot is all there is to it: a request is taken only when there is
//! one, and the broker keeps the others. Otherwise a request has to be read before it can be told what it has to wait for.
//! Then one request at a time is looked at, at the *desk*. It begins, takes a place to wait in, or is refused. One that
//! can do none of these stays at the desk, and what is behind it stays with the broker.

use std::{
    collections::HashMap,
    future::ready,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// See the module.
pub(super) struct Admission {
    slots: Arc<Semaphore>,
    /// `None`: whatever comes takes a slot first.
    room: Option<Room>,
}

/// Where requests wait that have been read.
pub(super) struct Room {
    /// By the method's own name.
    limits: HashMap<&'static str, Arc<Semaphore>>,
    desk: Arc<Semaphore>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// What bounds the refusals on their way, where there are any.
    refusals: Option<Arc<Semaphore>>,
    present: Arc<Present>,
}

/// The ids of requests that have come, and are not in the window of known ones yet.
type Present = Mutex<HashMap<String, usize>>;

/// What a request is taken with.
pub(super) enum Entry {
    Slot(OwnedSemaphorePermit),
    Desk(OwnedSemaphorePermit),
}

/// What a request holds that begins.
pub(super) struct Permits {
    /// Until the broker has had the reply.
    pub(super) slot: OwnedSemaphorePermit,
    /// Until the method ends, if it has a limit.
    pub(super) limit: Option<OwnedSemaphorePermit>,
}

/// What became of a request at the desk.
pub(super) enum Admitted {
    Begins(Permits),
    /// It is to be refused. The permit is for the reply.
    Full(OwnedSemaphorePermit),
}

/// A request that is here: a copy of it that comes meanwhile is known by its id.
pub(super) struct Presence {
    present: Arc<Present>,
    id: String,
    /// Whether no other copy was here before.
    pub(super) is_first: bool,
}

impl Admission {
    /// How many refusals may be on their way to the broker.
    const REFUSALS: usize = 64;

    /// Everything takes a slot.
    pub(super) fn slots(slots: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), room: None }
    }

    /// Methods have limits, `waiting` requests may wait, and calls beyond that are refused if `refuses` says so.
    pub(super) fn limited(
        slots: usize,
        limits: HashMap<&'static str, Arc<Semaphore>>,
        waiting: usize,
        refuses: bool,
    ) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits));
        let room = Room {
            limits,
            desk: semaphore(1),
            places: semaphore(waiting),
            waiting: AtomicUsize::new(0),
            refusals: refuses.then(|| semaphore(Self::REFUSALS)),
            present: Arc::default(),
        };
        Self { slots: semaphore(slots), room: Some(room) }
    }

    /// Returns how many requests have come, and wait.
    pub(super) fn waiting(&self) -> usize {
        self.room.as_ref().map_or(0, |room| room.waiting.load(Ordering::Relaxed))
    }

    /// Waits until a request may be taken.
    pub(super) async fn enter(&self) -> Option<Entry> {
        match &self.room {
            None => Arc::clone(&self.slots).acquire_owned().await.ok().map(Entry::Slot),
            Some(room) => Arc::clone(&room.desk).acquire_owned().await.ok().map(Entry::Desk),
        }
    }

    /// Notes a request that may be refused, until it is in the window of known ones.
    pub(super) fn note(&self, id: Option<&str>) -> Option<Presence> {
        let room = self.room.as_ref().filter(|room| room.refusals.is_some())?;
        let id = id?.to_owned();
        let mut present = room.present.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = present.entry(id.clone()).or_default();
        *copies += 1;
        let is_first = *copies == 1;
        drop(present);
        Some(Presence { present: Arc::clone(&room.present), id, is_first })
    }

    /// Returns what a request begins with that has its slot already, or what it came with.
    pub(super) fn at_once(entry: Entry) -> Result<Permits, Entry> {
        match entry {
            Entry::Slot(slot) => Ok(Permits { slot, limit: None }),
            Entry::Desk(_) => Err(entry),
        }
    }

    /// Waits until the request may begin, unless there is no place to wait in and it may be refused. `None` never comes.
    ///
    /// # Cancel safety
    /// Dropping the future gives up what it holds.
    pub(super) async fn admit(
        &self,
        entry: Entry,
        method: Option<&str>,
        may_be_refused: impl FnOnce() -> bool + Send,
    ) -> Option<Admitted> {
        let (room, desk) = match (entry, &self.room) {
            (Entry::Slot(slot), _) => {
                return Some(Admitted::Begins(Permits { slot, limit: None }));
            }
            (Entry::Desk(desk), Some(room)) => (room, desk),
            (Entry::Desk(_), None) => return None,
        };
        let limit = method.and_then(|method| room.limits.get(method));
        if let Some(permits) = self.free(limit) {
            return Some(Admitted::Begins(permits));
        }
        let _waiting = Waiting::new(&room.waiting);
        let place = match Arc::clone(&room.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match room.refusals.as_ref().filter(|_| may_be_refused()) {
                Some(refusals) => {
                    let permit = Arc::clone(refusals).acquire_owned().await.ok()?;
                    return Some(Admitted::Full(permit));
                }
                None => Arc::clone(&room.places).acquire_owned().await.ok()?,
            },
        };
        let mut turn = pin!(self.turn(limit));
        // It is in line before the next one comes to the desk.
        tokio::select! {
            biased;
            permits = &mut turn => return permits.map(Admitted::Begins),
            () = ready(()) => drop(desk),
        }
        let permits = turn.await;
        drop(place);
        permits.map(Admitted::Begins)
    }

    fn free(&self, limit: Option<&Arc<Semaphore>>) -> Option<Permits> {
        let limit = match limit {
            Some(limit) => Some(Arc::clone(limit).try_acquire_owned().ok()?),
            None => None,
        };
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Permits { slot, limit })
    }

    /// Waits for the method first: a slot is not held for it.
    async fn turn(&self, limit: Option<&Arc<Semaphore>>) -> Option<Permits> {
        let limit = match limit {
            Some(limit) => Some(Arc::clone(limit).acquire_owned().await.ok()?),
            None => None,
        };
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some(Permits { slot, limit })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copies) = present.get_mut(&self.id) {
            *copies -= 1;
            if *copies == 0 {
                present.remove(&self.id);
            }
        }
    }
}

/// Counts a request that waits, also if it is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
