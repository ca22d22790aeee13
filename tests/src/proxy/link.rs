//! What the way between client and broker is like: slow, narrow, silent, or at its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{Way, connection::Chunk, connection::Link};

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// What comes is kept back, in order.
    pub(super) is_kept: bool,
    /// What comes is gone.
    pub(super) is_swallowed: bool,
    /// Nothing is read: the sender's buffers fill.
    pub(super) is_unread: bool,
    /// The receiver has been told that nothing more comes.
    pub(super) is_ended: bool,
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    /// The most bytes that are written at a time.
    pub(super) slice: Option<usize>,
    /// Bytes in a second.
    pub(super) bandwidth: Option<u64>,
    /// How much may still pass before a reset.
    pub(super) budget: Option<Arc<AtomicU64>>,
}

impl Conditions {
    fn heal(&mut self) {
        // What is swallowed leaves a hole, and what has ended has ended.
        *self =
            Self { is_swallowed: self.is_swallowed, is_ended: self.is_ended, ..Self::default() };
    }

    /// How much of `wanted` may be written at once. Zero: the connection is to be cut.
    pub(super) fn allow(&self, wanted: usize) -> usize {
        let size = self.slice.map_or(wanted, |slice| wanted.min(slice.max(1)));
        let Some(budget) = &self.budget else { return size };
        let take =
            |left: u64| left.checked_sub(u64::try_from(size).unwrap_or(u64::MAX)).or(Some(0));
        let left = budget.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        size.min(usize::try_from(left.unwrap_or_else(|left| left)).unwrap_or(usize::MAX))
    }
}

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Live,
    /// Both ends get a reset.
    Reset,
    /// Both ends get an orderly end.
    Close,
    /// The client gets a reset; the broker goes on to believe in it.
    Zombie,
}

/// Some of the proxy's connections, to be treated alike.
#[derive(Debug)]
pub struct Links {
    links: Vec<Arc<Link>>,
    /// What connections to come begin with, if they are meant, too.
    template: Option<watch::Sender<[Conditions; 2]>>,
}

impl Links {
    pub(super) fn new(
        links: Vec<Arc<Link>>,
        template: Option<watch::Sender<[Conditions; 2]>>,
    ) -> Self {
        Self { links, template }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    fn change(&self, way: Way, change: impl Fn(&mut Conditions)) {
        let each = |conditions: &mut [Conditions; 2]| {
            way.sides().iter().for_each(|side| change(&mut conditions[*side]));
        };
        self.links.iter().for_each(|link| link.conditions.send_modify(each));
        if let Some(template) = &self.template {
            template.send_modify(each);
        }
    }

    fn end(&self, fate: Fate) {
        self.links.iter().for_each(|link| link.end(fate));
    }

    /// Ends them with a reset on both sides.
    pub fn reset(&self) {
        self.end(Fate::Reset);
    }

    /// Ends them in order on both sides.
    pub fn close(&self) {
        self.end(Fate::Close);
    }

    /// Ends them with a reset on the client's side; the broker's side stays open and silent, as long as the proxy lives.
    pub fn zombie(&self) {
        self.end(Fate::Zombie);
    }

    /// Tells the receiver of one direction that nothing more comes. The other direction goes on.
    pub fn half_close(&self, way: Way) {
        self.change(way, |conditions| conditions.is_ended = true);
    }

    /// Keeps back what comes, until [`heal`](Self::heal): a partition that ends.
    pub fn keep(&self, way: Way) {
        self.change(way, |conditions| conditions.is_kept = true);
    }

    /// Loses what comes, for good: nothing is told to anybody.
    pub fn swallow(&self, way: Way) {
        self.change(way, |conditions| conditions.is_swallowed = true);
    }

    /// Reads nothing any more, until [`heal`](Self::heal), so that the sender's buffers fill.
    pub fn unread(&self, way: Way) {
        self.change(way, |conditions| conditions.is_unread = true);
    }

    /// Lets everything arrive later: by `latency`, and up to `jitter` more.
    pub fn delay(&self, way: Way, latency: Duration, jitter: Duration) {
        self.change(way, |conditions| {
            (conditions.latency, conditions.jitter) = (latency, jitter);
        });
    }

    /// Lets bytes arrive in portions of at most `size`.
    pub fn slice(&self, way: Way, size: usize) {
        self.change(way, |conditions| conditions.slice = Some(size));
    }

    /// Lets at most so many bytes pass in a second.
    pub fn bandwidth(&self, way: Way, bytes: u64) {
        self.change(way, |conditions| conditions.bandwidth = Some(bytes));
    }

    /// Resets a connection once so many more bytes have passed, wherever in a frame that is.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        let budget = Arc::new(AtomicU64::new(bytes));
        self.change(way, |conditions| conditions.budget = Some(Arc::clone(&budget)));
    }

    /// Ends delays, limits and partitions. What was kept back arrives now.
    pub fn heal(&self) {
        self.change(Way::Both, Conditions::heal);
        if let Some(template) = &self.template {
            template.send_replace(<[Conditions; 2]>::default());
        }
    }

    /// Puts bytes between two frames of each.
    pub fn inject(&self, way: Way, bytes: &[u8]) {
        for (link, side) in
            self.links.iter().flat_map(|link| way.sides().iter().map(move |s| (link, s)))
        {
            // One that has ended takes nothing.
            let _ = link.to[*side].send(Chunk::bytes(bytes.to_vec()));
        }
    }
}
