//! How acknowledgements are put together, beside a broker that counts them.

use std::collections::BTreeSet;

use super::*;

fn now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn batch(acks: &Acks) -> Option<Batch> {
    now(&mut Box::pin(acks.next())).flatten()
}

fn frames(acks: &Acks) -> Vec<(u64, bool)> {
    batch(acks).map(|batch| batch.frames).unwrap_or_default()
}

#[test]
fn one_frame_does_for_all_where_nothing_before_is_worked_on() {
    let acks = Acks::new();
    let _acking = [2, 1, 3].map(|tag| acks.ack(tag, false));
    assert_eq!(frames(&acks), [(3, true)]);
    let _acking = acks.ack(4, false);
    assert_eq!(frames(&acks), [(4, false)]);
    assert!(batch(&acks).is_none(), "nothing is written twice");
}

#[test]
fn what_is_worked_on_is_acknowledged_by_nobody_else() {
    let acks = Acks::new();
    let _acking = [1, 3, 4].map(|tag| acks.ack(tag, false));
    assert_eq!(frames(&acks), [(1, false), (3, false), (4, false)]);
    let _acking = acks.ack(6, false);
    assert_eq!(frames(&acks), [(6, false)]);
    let _acking = [2, 5].map(|tag| acks.ack(tag, false));
    assert_eq!(frames(&acks), [(5, true)], "two and five, since all others have left");
}

#[test]
fn what_is_settled_in_another_way_counts_once_that_has_left() {
    let acks = Acks::new();
    let _acking = [2, 3].map(|tag| acks.ack(tag, false));
    assert_eq!(frames(&acks), [(2, false), (3, false)]);
    acks.settled(1);
    let _acking = [4, 5].map(|tag| acks.ack(tag, false));
    assert_eq!(frames(&acks), [(5, true)]);
}

#[test]
fn it_is_known_what_became_of_each() {
    let acks = Acks::new();
    for (left, answered, [plain, surely]) in [
        (true, true, [Acked::Surely, Acked::Surely]),
        (true, false, [Acked::Surely, Acked::Unknown]),
        (false, true, [Acked::NotLeft, Acked::NotLeft]),
    ] {
        let first = acks.lock().first;
        let mut acking = [acks.ack(first, false), acks.ack(first + 1, true)];
        assert!(acking.iter_mut().all(|one| now(one).is_none()));
        let batch = batch(&acks).expect("two");
        assert!(batch.asks);
        acks.wrote(&batch, left);
        assert_eq!(now(&mut acking[0]), Some(plain));
        assert_eq!(now(&mut acking[1]).is_none(), left);
        if left {
            acks.answered(&batch, answered);
            assert_eq!(now(&mut acking[1]), Some(surely));
        }
        assert!(acks.lock().deliveries.is_empty(), "nothing is kept of what is over");
    }
}

#[test]
fn nobody_is_asked_where_nobody_waits_for_it() {
    let acks = Acks::new();
    let _acking = acks.ack(1, false);
    assert!(!batch(&acks).expect("one").asks);
}

#[test]
fn who_goes_leaves_the_acknowledgement_as_it_is() {
    let acks = Acks::new();
    for surely in [false, true] {
        let tag = acks.lock().first;
        drop(acks.ack(tag, surely));
        let batch = batch(&acks).expect("it is written");
        assert_eq!(batch.frames, [(tag, false)]);
        acks.wrote(&batch, true);
        acks.answered(&batch, true);
        let later = acks.ack(tag + 1, surely);
        let batch = self::batch(&acks).expect("another");
        acks.wrote(&batch, true);
        acks.answered(&batch, true);
        drop(later);
        assert!(acks.lock().deliveries.is_empty(), "nothing is kept of what is over");
    }
}

#[test]
fn a_channel_that_ends_leaves_nobody_waiting() {
    let acks = Acks::new();
    let mut asked = acks.ack(1, true);
    let batch = batch(&acks).expect("one");
    acks.wrote(&batch, true);
    let mut waiting = [acks.ack(2, true), acks.ack(3, false)];
    acks.close();
    assert_eq!(now(&mut asked), Some(Acked::Unknown));
    assert_eq!(waiting.each_mut().map(now), [Some(Acked::NotLeft); 2]);
    assert_eq!(now(&mut acks.ack(4, true)), Some(Acked::NotLeft));
    assert_eq!(now(&mut Box::pin(acks.next())), Some(None), "whoever writes is told");
    acks.answered(&batch, true);
    assert!(now(&mut acks.ack(9, false)).is_some());
}

#[test]
fn whoever_writes_and_whoever_waits_are_woken() {
    struct Woken(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let woken = std::sync::Arc::new(Woken(std::sync::atomic::AtomicUsize::new(0)));
    let count = || woken.0.load(std::sync::atomic::Ordering::Relaxed);
    let waker = Waker::from(std::sync::Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let acks = Acks::new();
    let mut writing = Box::pin(acks.next());
    assert!(writing.as_mut().poll(&mut cx).is_pending());
    let mut acking = acks.ack(1, true);
    assert_eq!(count(), 1);
    let Poll::Ready(Some(batch)) = writing.as_mut().poll(&mut cx) else { panic!("one is due") };
    assert!(Pin::new(&mut acking).poll(&mut cx).is_pending());
    acks.wrote(&batch, true);
    assert_eq!(count(), 1, "it waits for the answer");
    acks.answered(&batch, true);
    assert_eq!(count(), 2);
}

/// A broker's side of a channel: what it has delivered and nobody has settled.
#[derive(Default)]
struct Broker {
    delivered: u64,
    open: BTreeSet<u64>,
}

impl Broker {
    fn deliver(&mut self) -> u64 {
        self.delivered += 1;
        self.open.insert(self.delivered);
        self.delivered
    }

    /// Takes a frame, and returns what it settles.
    fn acked(&mut self, (tag, with_those_before): (u64, bool)) -> Vec<u64> {
        assert!(self.open.contains(&tag), "a broker closes the channel over {tag}");
        let settled: Vec<_> = match with_those_before {
            true => self.open.range(..=tag).copied().collect(),
            false => vec![tag],
        };
        settled.iter().for_each(|tag| _ = self.open.remove(tag));
        settled
    }
}

#[test]
fn whatever_the_order_each_is_acknowledged_once_and_nothing_else_is() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (acks, mut broker) = (Acks::new(), Broker::default());
        let (mut worked_on, mut acking) = (Vec::new(), Vec::new());
        let (mut due, mut total) = (BTreeSet::new(), 0);
        while total < 200 || !broker.open.is_empty() {
            match random.u8(..10) {
                0..4 if total < 200 => {
                    worked_on.push(broker.deliver());
                    total += 1;
                }
                4..7 if !worked_on.is_empty() => {
                    // Mostly the oldest.
                    let among = if random.u8(..4) == 0 { worked_on.len() } else { 1 };
                    let tag = worked_on.swap_remove(random.usize(..among));
                    worked_on.sort_unstable();
                    due.insert(tag);
                    acking.push((tag, acks.ack(tag, random.bool())));
                }
                7 if !worked_on.is_empty() => {
                    let tag = worked_on.swap_remove(random.usize(..worked_on.len()));
                    worked_on.sort_unstable();
                    assert!(broker.open.remove(&tag));
                    acks.settled(tag);
                }
                8 => {
                    let Some(batch) = batch(&acks) else { continue };
                    let acked: BTreeSet<_> =
                        batch.frames.iter().flat_map(|frame| broker.acked(*frame)).collect();
                    assert_eq!(acked, std::mem::take(&mut due), "seed {seed}");
                    acks.wrote(&batch, true);
                    acks.answered(&batch, true);
                }
                9 if !acking.is_empty() => {
                    let (tag, mut one) = acking.swap_remove(random.usize(..acking.len()));
                    assert_eq!(now(&mut one).is_some(), !due.contains(&tag), "seed {seed}");
                }
                _ => {}
            }
        }
        drop(acking);
        let state = acks.lock();
        assert!(state.deliveries.is_empty() && state.first == broker.delivered + 1, "seed {seed}");
    }
}
