//! The tasks that a transport cannot do without. One that dies by a bug is noticed, so that nothing goes on half dead.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use super::runtime::spawn;

/// Runs such tasks, and tells of the first that has died.
#[derive(Clone, Debug)]
pub(super) struct Vital(watch::Sender<Option<&'static str>>);

impl Vital {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Runs a task. `what` says what it does, in words for a log line.
    pub(super) fn spawn<F>(&self, on: &Handle, what: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let first = self.0.clone();
        spawn(on, async move {
            // Whoever panics has said why by the panic's own message.
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                first.send_if_modified(|died| died.replace(what).is_none());
            }
        })
    }

    /// Waits until one has died, and says which.
    pub(super) async fn died(&self) -> &'static str {
        let mut died = self.0.subscribe();
        loop {
            if let Some(what) = *died.borrow_and_update() {
                return what;
            }
            // There is always a sender: this one.
            let _ = died.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, sync::Arc, time::Duration};

    use tokio::time::timeout;

    use super::{
        super::{
            Signals, Tasks,
            closing::Closing,
            queue::{Job, SendQueue},
            told,
        },
        *,
    };
    use crate::{
        Event, TransportErrorKind,
        observe::{Events, Observer},
        pending::{Outcome, Pending},
        replies::Replies,
        transport::{Limits, Tracker},
    };

    /// The tasks of a transport without a broker, one of which has a bug.
    struct Scene {
        queue: Arc<SendQueue>,
        events: Events,
        ended: watch::Receiver<bool>,
    }

    impl Scene {
        fn start(
            run: impl Fn(&Vital, &'static str, watch::Receiver<bool>) -> JoinHandle<()>,
        ) -> Self {
            let (queue, observer) = (Arc::<SendQueue>::default(), Arc::new(Observer::new()));
            let (close, closing) = watch::channel(false);
            let (end, ending) = watch::channel(false);
            let (hang_up, hung_up) = watch::channel(false);
            let (over, ended) = watch::channel(false);
            let vital = Vital::new();
            let tasks = Tasks {
                queue: Arc::clone(&queue),
                replies: Arc::new(Replies::new(Arc::clone(&observer), Limits::default())),
                connections: [(); 2].map(|()| watch::channel(None).1),
                publisher: run(&vital, "publishing", closing.clone()),
                consumer: run(&vital, "consuming replies", ending),
                listeners: Tracker::default(),
                supervisors: [hung_up.clone(), hung_up].map(|told| run(&vital, "connecting", told)),
                observer: Arc::clone(&observer),
                vital,
            };
            let events = observer.events();
            let signals = Signals { close, end, hang_up, ended: over };
            tokio::spawn(tasks.end(closing, signals, Closing::new()));
            Self { queue, events, ended }
        }
    }

    fn outcome(request: &Pending) -> Outcome {
        let waker = std::task::Waker::noop();
        match request.poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(outcome) => outcome,
            std::task::Poll::Pending => panic!("it waits for nobody"),
        }
    }

    #[tokio::test]
    async fn a_task_that_dies_by_a_bug_closes_its_transport_and_says_so() {
        for dead in ["publishing", "consuming replies", "connecting"] {
            let mut scene = Scene::start(|vital, what, mut told_to_end| {
                vital.spawn(&Handle::current(), what, async move {
                    assert_ne!(what, dead, "a bug");
                    told(&mut told_to_end).await;
                })
            });
            let waiting = Arc::new(Pending::of_nothing(true));
            scene.queue.push(Job::Request(Arc::clone(&waiting)));
            let event = timeout(Duration::from_secs(30), scene.events.next()).await;
            let event = event.expect("it is noticed").expect("an event");
            assert!(
                matches!(&event, Event::Failed { reason } if reason.contains(dead)),
                "{event:?}"
            );
            assert!(matches!(scene.events.next().await, Some(Event::Closed)));
            let all = told(&mut scene.ended);
            assert!(timeout(Duration::from_secs(30), all).await.is_ok(), "{dead}: it ends");
            let later = Arc::new(Pending::of_nothing(false));
            scene.queue.push(Job::Request(Arc::clone(&later)));
            for request in [waiting, later] {
                let Outcome::Unsent(error) = outcome(&request) else { panic!("it has not left") };
                assert_eq!(error.kind(), TransportErrorKind::Closed);
                assert!(error.to_string().contains(dead) && error.source().is_none(), "{error}");
            }
        }
    }
}
