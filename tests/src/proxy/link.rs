//! Conditions of connections: latency, bandwidth, silence, and how they end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{Way, connection::Chunk, connection::Link};

/// The conditions of one direction of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// Bytes are kept back, in order.
    pub(super) is_kept: bool,
    /// Bytes are lost.
    pub(super) is_swallowed: bool,
    /// The proxy does not read: the sender's buffers fill.
    pub(super) is_unread: bool,
    /// The receiver has received the end of the stream.
    pub(super) is_ended: bool,
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    /// The most bytes in one write.
    pub(super) slice: Option<usize>,
    /// Bytes per second.
    pub(super) bandwidth: Option<u64>,
    /// The number of bytes before a reset.
    pub(super) budget: Option<Arc<AtomicU64>>,
}

impl Conditions {
    fn heal(&mut self) {
        // Lost bytes leave a gap, so that direction stays lossy. A closed direction stays closed.
        *self =
            Self { is_swallowed: self.is_swallowed, is_ended: self.is_ended, ..Self::default() };
    }

    /// Returns how many of `wanted` bytes may be written at once. Zero: the connection is to be
    /// reset.
    pub(super) fn allow(&self, wanted: usize) -> usize {
        let size = self.slice.map_or(wanted, |slice| wanted.min(slice.max(1)));
        let Some(budget) = &self.budget else { return size };
        let take =
            |left: u64| left.checked_sub(u64::try_from(size).unwrap_or(u64::MAX)).or(Some(0));
        let left = budget.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        size.min(usize::try_from(left.unwrap_or_else(|left| left)).unwrap_or(usize::MAX))
    }
}

/// How a connection ends, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Live,
    /// Both ends receive a reset.
    Reset,
    /// Both ends receive an orderly close.
    Close,
    /// The client receives a reset; the broker's side stays open.
    Zombie,
}

/// Some of the proxy's connections, treated alike.
#[derive(Debug)]
pub struct Links {
    links: Vec<Arc<Link>>,
    /// The initial conditions of future connections, if these belong to the selection.
    template: Option<watch::Sender<[Conditions; 2]>>,
}

impl Links {
    pub(super) fn new(
        links: Vec<Arc<Link>>,
        template: Option<watch::Sender<[Conditions; 2]>>,
    ) -> Self {
        Self { links, template }
    }

    /// Returns the number of connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether the selection has no connections.
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

    /// Resets both sides.
    pub fn reset(&self) {
        self.end(Fate::Reset);
    }

    /// Closes both sides.
    pub fn close(&self) {
        self.end(Fate::Close);
    }

    /// Resets the client's side; the broker's side stays open and silent for as long as the proxy
    /// lives.
    pub fn zombie(&self) {
        self.end(Fate::Zombie);
    }

    /// Closes one direction at its receiver. The other direction continues.
    pub fn half_close(&self, way: Way) {
        self.change(way, |conditions| conditions.is_ended = true);
    }

    /// Keeps bytes back until [`heal`](Self::heal): a partition that ends.
    pub fn keep(&self, way: Way) {
        self.change(way, |conditions| conditions.is_kept = true);
    }

    /// Loses bytes permanently; neither side receives an error.
    pub fn swallow(&self, way: Way) {
        self.change(way, |conditions| conditions.is_swallowed = true);
    }

    /// Stops reading until [`heal`](Self::heal), so that the sender's buffers fill.
    pub fn unread(&self, way: Way) {
        self.change(way, |conditions| conditions.is_unread = true);
    }

    /// Delays all bytes by `latency`, and up to `jitter` more.
    pub fn delay(&self, way: Way, latency: Duration, jitter: Duration) {
        self.change(way, |conditions| {
            (conditions.latency, conditions.jitter) = (latency, jitter);
        });
    }

    /// Writes at most `size` bytes at a time.
    pub fn slice(&self, way: Way, size: usize) {
        self.change(way, |conditions| conditions.slice = Some(size));
    }

    /// Passes at most `bytes` bytes per second.
    pub fn bandwidth(&self, way: Way, bytes: u64) {
        self.change(way, |conditions| conditions.bandwidth = Some(bytes));
    }

    /// Resets a connection after `bytes` more bytes, even within a frame.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        let budget = Arc::new(AtomicU64::new(bytes));
        self.change(way, |conditions| conditions.budget = Some(Arc::clone(&budget)));
    }

    /// Ends delays, limits and partitions. Bytes that were kept back arrive now.
    pub fn heal(&self) {
        self.change(Way::Both, Conditions::heal);
        if let Some(template) = &self.template {
            template.send_replace(<[Conditions; 2]>::default());
        }
    }

    /// Inserts bytes between two frames, on each connection.
    pub fn inject(&self, way: Way, bytes: &[u8]) {
        for (link, side) in
            self.links.iter().flat_map(|link| way.sides().iter().map(move |s| (link, s)))
        {
            // Fails only on a connection that has ended.
            let _ = link.to[*side].send(Chunk::bytes(bytes.to_vec()));
        }
    }
}
