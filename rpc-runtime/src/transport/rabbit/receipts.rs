//! What the broker surely has of a channel's acknowledgements.
//!
//! AMQP confirms none. But a broker does what comes by a channel in order, so the answer to a question that was asked after an
//! acknowledgement says that it has that, too. One question serves all who wait when it is asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// See the module. A plain table: it asks nobody.
#[derive(Debug)]
pub(super) struct Receipts {
    state: Mutex<State>,
    /// Up to which acknowledgement the broker has them all. `None`: it will not be known any more.
    known: watch::Sender<Option<u64>>,
}

#[derive(Debug, Default)]
struct State {
    /// How many have left.
    left: u64,
    is_asking: bool,
}

/// The duty to ask. Whoever has it and goes leaves it to another.
struct Turn<'a> {
    receipts: &'a Receipts,
    /// Up to which acknowledgement the answer will be.
    upto: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.receipts.lock().is_asking = false;
        self.receipts.known.send_modify(|_| {});
    }
}

impl Receipts {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), known: watch::Sender::new(Some(0)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the duty to ask, unless somebody has it.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        if std::mem::replace(&mut state.is_asking, true) {
            return None;
        }
        Some(Turn { receipts: self, upto: state.left })
    }

    /// Waits until the broker surely has an acknowledgement that has just left. `ask` asks it, and says whether it answered.
    /// Returns `false` if the channel went before that.
    pub(super) async fn wait<F: Future<Output = bool>>(&self, ask: impl Fn() -> F) -> bool {
        let own = {
            let mut state = self.lock();
            state.left += 1;
            state.left
        };
        let mut known = self.known.subscribe();
        loop {
            match *known.borrow_and_update() {
                Some(upto) if upto >= own => return true,
                None => return false,
                Some(_) => {}
            }
            let Some(turn) = self.turn() else {
                // Whoever asks tells, also by leaving.
                let _ = known.changed().await;
                continue;
            };
            let answered = ask().await;
            self.known.send_replace(answered.then_some(turn.upto));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use tokio::{sync::Semaphore, task::yield_now, time::timeout};

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// A broker that answers when it is let.
    #[derive(Clone)]
    struct Broker {
        asked: Arc<AtomicU64>,
        answers: Arc<Semaphore>,
    }

    impl Broker {
        fn new() -> Self {
            Self { asked: Arc::default(), answers: Arc::new(Semaphore::new(0)) }
        }

        async fn ask(&self) -> bool {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.answers.acquire().await.map(tokio::sync::SemaphorePermit::forget).is_ok()
        }

        fn asked(&self) -> u64 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn waits(receipts: &Arc<Receipts>, broker: &Broker) -> tokio::task::JoinHandle<bool> {
        let (receipts, broker) = (Arc::clone(receipts), broker.clone());
        tokio::spawn(async move { receipts.wait(|| broker.ask()).await })
    }

    async fn until(condition: impl Fn() -> bool) {
        let holds = async {
            while !condition() {
                yield_now().await;
            }
        };
        timeout(SOON, holds).await.expect("soon");
    }

    #[tokio::test]
    async fn one_question_serves_all_who_wait_when_it_is_asked() {
        let (receipts, broker) = (Arc::new(Receipts::new()), Broker::new());
        let first = waits(&receipts, &broker);
        until(|| broker.asked() == 1).await;
        let rest: Vec<_> = (0..20).map(|_| waits(&receipts, &broker)).collect();
        until(|| receipts.lock().left == 21).await;
        broker.answers.add_permits(1);
        assert!(timeout(SOON, first).await.expect("soon").expect("no panic"));
        // They came after the question.
        until(|| broker.asked() == 2).await;
        assert!(rest.iter().all(|waiting| !waiting.is_finished()));
        broker.answers.add_permits(1);
        for waiting in rest {
            assert!(timeout(SOON, waiting).await.expect("soon").expect("no panic"));
        }
        assert_eq!(broker.asked(), 2);
    }

    #[tokio::test]
    async fn a_channel_that_goes_leaves_nobody_waiting() {
        let (receipts, broker) = (Arc::new(Receipts::new()), Broker::new());
        let waiting: Vec<_> = (0..5).map(|_| waits(&receipts, &broker)).collect();
        until(|| broker.asked() == 1).await;
        broker.answers.close();
        for waiting in waiting {
            assert!(!timeout(SOON, waiting).await.expect("soon").expect("no panic"));
        }
        assert!(!timeout(SOON, waits(&receipts, &broker)).await.expect("soon").expect("no panic"));
        assert_eq!(broker.asked(), 1);
    }

    #[tokio::test]
    async fn who_asks_and_goes_leaves_that_to_another() {
        let (receipts, broker) = (Arc::new(Receipts::new()), Broker::new());
        let first = waits(&receipts, &broker);
        until(|| broker.asked() == 1).await;
        let second = waits(&receipts, &broker);
        until(|| receipts.lock().left == 2).await;
        first.abort();
        until(|| broker.asked() == 2).await;
        broker.answers.add_permits(1);
        assert!(timeout(SOON, second).await.expect("soon").expect("no panic"));
    }
}
