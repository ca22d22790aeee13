//! Notifications, whatever races: the broker's word for one, the end of its pause, its age, others that want its room.

use shuttle::{future::block_on, thread};
use tokio::runtime::Runtime;

use super::*;
use crate::{
    clock::Instant,
    memory::Broker,
    notify::Emission,
    pending::Exchange,
    sync::model::{many_orders, point},
};

const AGE: Duration = Duration::from_secs(3600);

/// A spool, with a transport that a test decides for. Nobody drives the runtime: what it has to do, a scenario does.
struct Scene {
    spool: Arc<Spool>,
    broker: Broker,
    _runtime: Runtime,
}

impl Scene {
    fn new(messages: usize, bytes: usize) -> Arc<Self> {
        let url = format!("memory://spool-model-{}", Uuid::new_v4());
        let transport = block_on(Transport::connect(&url)).expect("it is embedded");
        let broker = transport.memory().expect("it is embedded");
        broker.hold();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let spool = Spool::new(transport, Room { messages, bytes }, Some(AGE), Ok(handle));
        Arc::new(Self { spool, broker, _runtime: runtime })
    }

    fn send(&self) -> Emission {
        let progress = Arc::new(Progress::default());
        let exchange = Exchange::Notifications("openstack".into());
        let route = Route { exchange, routing_key: "q".into(), mandatory: true };
        let unique_id = Uuid::from_u128(7);
        let draft = Draft { event_type: "e".into(), route, body: vec![7; 10], unique_id };
        self.spool.send(draft, &progress);
        Emission::new(progress)
    }

    /// Publishes what the transport was given since the last time. Says whether something left.
    fn publish(&self) -> bool {
        let given = self.broker.hold();
        given.iter().fold(false, |left, pending| {
            let leaves = pending.take().is_some();
            pending.confirm();
            left | leaves
        })
    }

    /// Gives up what is there.
    fn grow_old(&self) {
        let (old, _) = self.spool.aging.take(Instant::now() + 2 * AGE);
        old.into_iter().for_each(|spooled| spooled.give_up());
    }

    /// Refuses what is there, and ends its pause at once.
    fn refuse(&self) {
        let waiting = self.spool.aging.lock().front().and_then(|(_, spooled)| spooled.upgrade());
        for pending in self.broker.hold() {
            pending.take();
            pending.end(Outcome::Refused);
        }
        if let Some(spooled) = waiting {
            spooled.send();
        }
    }

    /// How many notifications have ended well, and how many have not.
    fn counts(&self) -> (u64, u64) {
        let metrics = self.spool.transport().metrics();
        (metrics.notifications_sent, metrics.notifications_dropped)
    }

    /// Checks that nothing is kept.
    fn is_empty(&self) -> bool {
        *self.spool.kept() == Kept::default()
    }
}

/// What a task does.
type Part = fn(&Scene);

/// Has tasks work on one notification to its end, and checks that it has one.
fn run(parts: &[Part]) {
    let scene = Scene::new(1, 10);
    let emission = scene.send();
    let others: Vec<_> = parts
        .iter()
        .map(|part| {
            let (part, scene) = (*part, Arc::clone(&scene));
            thread::spawn(move || part(&scene))
        })
        .collect();
    let end = block_on(emission);
    let sent = match end {
        Ok(()) => (1, 0),
        Err(NotifyError::Expired { .. }) => (0, 1),
        Err(other) => panic!("{other}"),
    };
    assert!(scene.is_empty(), "who was told its end finds its room free");
    others.into_iter().for_each(|other| other.join().expect("it ends"));
    assert_eq!(scene.counts(), sent, "once");
    assert!(!scene.publish(), "nobody waits, and it would be sent");
    assert_eq!(scene.counts(), sent, "once");
}

#[test]
fn a_notification_that_is_confirmed_and_given_up_ends_once() {
    many_orders(|| run(&[|scene| _ = scene.publish(), Scene::grow_old]));
}

#[test]
fn a_notification_that_is_given_up_twice_ends_once() {
    let give_up: Part = |scene| {
        let known = scene.spool.aging.lock().front().and_then(|(_, spooled)| spooled.upgrade());
        known.iter().for_each(Spooled::give_up);
    };
    many_orders(move || run(&[give_up, give_up, Scene::grow_old]));
}

#[test]
fn a_notification_whose_pause_ends_when_it_is_given_up_is_not_sent_later() {
    many_orders(|| run(&[Scene::refuse, Scene::grow_old]));
}

#[test]
fn a_notification_ends_once_whatever_races() {
    let refuse_and_publish: Part = |scene| {
        scene.refuse();
        scene.publish();
    };
    many_orders(move || run(&[refuse_and_publish, |scene| _ = scene.publish(), Scene::grow_old]));
}

#[test]
fn who_is_confirmed_while_it_is_handed_over_ends() {
    many_orders(|| {
        let scene = Scene::new(2, 100);
        let publishing = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                for _ in 0..3 {
                    scene.publish();
                    point();
                }
            })
        };
        let emissions = [scene.send(), scene.send()];
        publishing.join().expect("it ends");
        scene.publish();
        block_on(scene.spool.idle());
        emissions.into_iter().for_each(|emission| block_on(emission).expect("confirmed"));
        assert_eq!((scene.counts(), scene.is_empty()), ((2, 0), true));
    });
}

#[test]
fn of_two_that_come_at_once_one_gets_the_last_room() {
    for (messages, bytes) in [(1, 100), (2, 19)] {
        many_orders(move || {
            let scene = Scene::new(messages, bytes);
            let other = {
                let scene = Arc::clone(&scene);
                thread::spawn(move || scene.send())
            };
            let ends = [scene.send(), other.join().expect("it ends")];
            assert_eq!(*scene.spool.kept(), Kept { messages: 1, bytes: 10 });
            assert!(scene.publish());
            let ends = ends.map(block_on);
            let is_full = |end: &Result<_, _>| matches!(end, Err(NotifyError::SpoolFull));
            assert!(ends.iter().any(Result::is_ok) && ends.iter().any(is_full), "{ends:?}");
            assert!(scene.is_empty());
        });
    }
}
