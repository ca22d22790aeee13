//! Notifications while the broker restarts or dies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{
    Context, NotificationListener, Notifier, RabbitOptions, notification, notify::Metadata,
};
use serde::{Deserialize, Serialize};
use tests::{amount, eventually, node::Alone, soon};

use super::table::Table;
use crate::scene::DRAIN;

/// How many notifications are emitted before the test waits for a confirm.
const AHEAD: u64 = 2000;

#[notification(event_type = "campaign.told")]
#[derive(Deserialize, Serialize)]
struct Told {
    number: u64,
}

/// How often each notification was handled.
struct Counts(Vec<AtomicU8>);

impl Counts {
    fn hear(&self, number: u64) {
        let place = usize::try_from(number).expect("a number of this campaign");
        self.0[place].fetch_add(1, Ordering::AcqRel);
    }

    fn those(&self, is: impl Fn(u8) -> bool) -> usize {
        self.0.iter().filter(|count| is(count.load(Ordering::Acquire))).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_notification_is_lost_while_the_broker_restarts_and_dies() {
    let Some(alone) = Alone::take().await else { return };
    let (count, restarts) = amount((20_000_u64, 2_u64), (1_000_000, 20));
    let (world, begun) = (alone.node.world(), Instant::now());
    let options = RabbitOptions::default().durable_queues(true);
    let connect = || {
        // The node's default control exchange is not durable, because of other tests.
        world
            .connect(|builder| builder.rabbit(options.clone()).control_exchange("durable-exchange"))
    };
    let (emitting, listening) = (connect().await, connect().await);
    let counts = Arc::new(Counts((0..count).map(|_| AtomicU8::new(0)).collect()));
    let heard = Arc::clone(&counts);
    let listener = NotificationListener::builder(&listening).topic(world.topic()).on(
        move |_: Metadata, event: Told| {
            heard.hear(event.number);
            async {}
        },
    );
    let listener = listener.bind().await.expect("bound").run();
    let notifier = Notifier::builder(&emitting).topic(world.topic()).build();
    let emitted = Arc::new(AtomicU64::new(0));
    let telling = {
        let (notifier, emitted) = (notifier.clone(), Arc::clone(&emitted));
        tokio::spawn(async move {
            for number in 0..count {
                let emission = notifier.emit(&Context::new(), &Told { number });
                emitted.store(number + 1, Ordering::Release);
                if number % AHEAD == AHEAD - 1 {
                    soon("the confirm", emission).await.expect("it waits for the broker");
                }
            }
        })
    };
    for restart in 1..=restarts {
        let goal = count / (restarts + 1) * restart;
        let limit = Duration::from_secs(600);
        let reached = async {
            while emitted.load(Ordering::Acquire) < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(limit, reached).await.expect("progress");
        if restart % 2 == 1 {
            alone.node.kill().await
        } else {
            alone.node.stop().await
        }
        alone.node.start().await;
        alone.node.wait().await;
    }
    telling.await.expect("no panic");
    soon("all confirms", notifier.flush()).await;
    eventually("all to be handled", || counts.those(|times| times == 0) == 0).await;
    listener.shutdown(DRAIN).await.expect("nothing runs");
    let took = begun.elapsed().as_secs_f64();
    let (sent, got) = (emitting.metrics(), listening.metrics());
    let mut table = Table::new("notifications");
    table.row("notifications, restarts, time", format!("{count}, {restarts}, {took:.0} s"));
    table.row("dropped, lost", format!("{}, 0", sent.notifications_dropped));
    table.row("handled more than once", counts.those(|times| times > 1));
    table.row("second copies that were known", got.notifications_duplicate);
    table.row("dead letters", got.notifications_dead);
    table.print();
    assert_eq!((sent.notifications_dropped, got.notifications_dead), (0, 0));
}
