//! The acknowledgements of a channel: written together, and surely with the broker where that is asked for.
//!
//! AMQP numbers what is delivered by a channel, and one frame may acknowledge a delivery together with all before it. So what is
//! to be acknowledged waits here for the next writing, and where nothing before is still being worked on, one frame does for all.
//!
//! AMQP confirms no acknowledgement. But a broker does what comes by a channel in order, so the answer to a question that was asked
//! behind it says that it has that, too. One question serves all that were written with it.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::Notify;

use crate::transport::Acked;

/// See the module. A plain table: it writes nothing itself.
#[derive(Debug)]
pub(super) struct Acks {
    state: Mutex<State>,
    /// Told when something is to be written, or nothing more will be.
    woken: Notify,
}

#[derive(Debug)]
struct State {
    /// The number of the first delivery in the table. All before it are done with.
    first: u64,
    deliveries: VecDeque<Delivery>,
    /// The first delivery that nobody has settled, nor is about to.
    unsettled: u64,
    /// What is to be written.
    due: Vec<u64>,
    is_closed: bool,
}

#[derive(Debug)]
enum Delivery {
    Unsettled,
    /// Its acknowledgement is to be written, or is on its way.
    Leaving(Waiter),
    /// It has left, and the broker has been asked.
    Asked(Waiter),
    /// Nobody has been told yet.
    Ended(Acked),
    Done,
}

#[derive(Debug, Default)]
struct Waiter {
    /// Whether it waits until the broker surely has the acknowledgement.
    surely: bool,
    waker: Option<Waker>,
    is_gone: bool,
}

/// What is to be written in one go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// The numbers to acknowledge, each alone or with all before it.
    pub(super) frames: Vec<(u64, bool)>,
    /// Whether the broker is to be asked behind them.
    pub(super) asks: bool,
    deliveries: Vec<u64>,
}

impl Acks {
    pub(super) fn new() -> Self {
        let (deliveries, due) = (VecDeque::new(), Vec::new());
        let state = State { first: 1, deliveries, unsettled: 1, due, is_closed: false };
        Self { state: Mutex::new(state), woken: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acknowledges a delivery. Once it has left, or `surely` with the broker, the future says what became of it.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the acknowledgement as it is.
    pub(super) fn ack(&self, tag: u64, surely: bool) -> Acking<'_> {
        let mut state = self.lock();
        if !state.is_closed
            && let Some(delivery) = state.delivery(tag)
        {
            *delivery = Delivery::Leaving(Waiter { surely, ..Waiter::default() });
            state.due.push(tag);
            drop(state);
            self.woken.notify_one();
        }
        Acking { acks: self, tag }
    }

    /// Notes that a delivery has been settled in another way, by a frame that has left.
    pub(super) fn settled(&self, tag: u64) {
        let mut state = self.lock();
        if let Some(delivery) = state.delivery(tag) {
            *delivery = Delivery::Done;
            state.shorten();
        }
    }

    /// Waits until there is something to write, and takes it. `None`: there will be nothing any more.
    pub(super) async fn next(&self) -> Option<Batch> {
        loop {
            let woken = self.woken.notified();
            {
                let mut state = self.lock();
                if state.is_closed {
                    return None;
                }
                if !state.due.is_empty() {
                    return Some(state.take());
                }
            }
            woken.await;
        }
    }

    /// Notes that a batch has left, or that it has not.
    pub(super) fn wrote(&self, batch: &Batch, has_left: bool) {
        let told = self.lock().end(&batch.deliveries, |waiter| match (has_left, waiter.surely) {
            (false, _) => Some(Acked::NotLeft),
            (true, false) => Some(Acked::Surely),
            (true, true) => None,
        });
        told.into_iter().for_each(Waker::wake);
    }

    /// Notes that the question behind a batch was answered, or will not be.
    pub(super) fn answered(&self, batch: &Batch, is_answered: bool) {
        let acked = if is_answered { Acked::Surely } else { Acked::Unknown };
        let told = self.lock().end(&batch.deliveries, |_| Some(acked));
        told.into_iter().for_each(Waker::wake);
    }

    /// Ends the channel: nothing more leaves.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.due.clear();
        let mut told = Vec::new();
        for delivery in &mut state.deliveries {
            match std::mem::replace(delivery, Delivery::Done) {
                Delivery::Leaving(waiter) => *delivery = waiter.end(Acked::NotLeft, &mut told),
                Delivery::Asked(waiter) => *delivery = waiter.end(Acked::Unknown, &mut told),
                Delivery::Ended(acked) => *delivery = Delivery::Ended(acked),
                Delivery::Unsettled | Delivery::Done => {}
            }
        }
        state.shorten();
        drop(state);
        self.woken.notify_one();
        told.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Returns a delivery. `None` if it is done with.
    fn delivery(&mut self, tag: u64) -> Option<&mut Delivery> {
        let at = usize::try_from(tag.checked_sub(self.first)?).ok()?;
        while self.deliveries.len() <= at {
            self.deliveries.push_back(Delivery::Unsettled);
        }
        self.deliveries.get_mut(at)
    }

    /// Drops what is done with from the beginning of the table.
    fn shorten(&mut self) {
        while matches!(self.deliveries.front(), Some(Delivery::Done)) {
            self.deliveries.pop_front();
            self.first += 1;
        }
    }

    fn take(&mut self) -> Batch {
        let mut deliveries = std::mem::take(&mut self.due);
        deliveries.sort_unstable();
        self.unsettled = self.unsettled.max(self.first);
        let from = usize::try_from(self.unsettled - self.first).unwrap_or(usize::MAX);
        let settled = self.deliveries.iter().skip(from);
        let settled = settled.take_while(|delivery| !matches!(delivery, Delivery::Unsettled));
        self.unsettled += u64::try_from(settled.count()).unwrap_or_default();
        let together = deliveries.partition_point(|tag| *tag < self.unsettled);
        let (together, apart) = deliveries.split_at(together);
        let mut frames: Vec<_> =
            together.last().map(|last| (*last, together.len() > 1)).into_iter().collect();
        frames.extend(apart.iter().map(|tag| (*tag, false)));
        let mut asks = false;
        for tag in &deliveries {
            asks |=
                matches!(self.delivery(*tag), Some(Delivery::Leaving(Waiter { surely: true, .. })));
        }
        Batch { frames, asks, deliveries }
    }

    /// Ends deliveries of which `end` says how. Others have been asked for. Returns who is to be told, once the lock is free: they
    /// take it, too.
    fn end(&mut self, deliveries: &[u64], end: impl Fn(&Waiter) -> Option<Acked>) -> Vec<Waker> {
        let mut told = Vec::new();
        for tag in deliveries {
            let Some(delivery) = self.delivery(*tag) else { continue };
            match std::mem::replace(delivery, Delivery::Done) {
                Delivery::Leaving(waiter) | Delivery::Asked(waiter) => {
                    *delivery = match end(&waiter) {
                        Some(acked) => waiter.end(acked, &mut told),
                        None => Delivery::Asked(waiter),
                    };
                }
                other => *delivery = other,
            }
        }
        self.shorten();
        told
    }
}

impl Waiter {
    /// Adds who waits to those who are to be told.
    fn end(self, acked: Acked, told: &mut Vec<Waker>) -> Delivery {
        if self.is_gone {
            return Delivery::Done;
        }
        told.extend(self.waker);
        Delivery::Ended(acked)
    }
}

/// An acknowledgement that somebody waits for.
#[must_use = "it is not known yet what becomes of it"]
pub(super) struct Acking<'a> {
    acks: &'a Acks,
    tag: u64,
}

impl Future for Acking<'_> {
    type Output = Acked;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Acked> {
        let mut state = self.acks.lock();
        let acked = match state.delivery(self.tag) {
            Some(Delivery::Leaving(waiter) | Delivery::Asked(waiter)) => {
                match &mut waiter.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            Some(delivery @ Delivery::Ended(_)) => {
                match std::mem::replace(delivery, Delivery::Done) {
                    Delivery::Ended(acked) => acked,
                    _ => Acked::NotLeft,
                }
            }
            // The channel was closed before.
            Some(Delivery::Unsettled | Delivery::Done) | None => Acked::NotLeft,
        };
        state.shorten();
        Poll::Ready(acked)
    }
}

impl Drop for Acking<'_> {
    fn drop(&mut self) {
        let mut state = self.acks.lock();
        match state.delivery(self.tag) {
            Some(Delivery::Leaving(waiter) | Delivery::Asked(waiter)) => {
                waiter.is_gone = true;
                let waker = waiter.waker.take();
                drop(state);
                drop(waker);
            }
            Some(delivery @ Delivery::Ended(_)) => {
                *delivery = Delivery::Done;
                state.shorten();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
