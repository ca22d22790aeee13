//! A program whose environment breaks in random ways: it either works, or its state names the
//! cause.
//!
//! While a cause lasts, the program's state and its last event name it. After the cause has ended,
//! calls succeed within their deadlines. `RPC_FAULT_SEED` repeats an order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tests::{amount, node::Shared, proxy::Proxy};

use super::table::{Table, Times};
use crate::surroundings::{Cause, Patient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_alive_or_says_why_not_whatever_breaks_around_it() {
    let Some(shared) = Shared::take().await else { return };
    let seed = std::env::var("RPC_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut rng = fastrand::Rng::with_seed(seed);
    println!("alive: RPC_FAULT_SEED={seed}");
    let world = shared.node.world();
    let proxy = Proxy::start(&world).await;
    let url = proxy.url(&world);
    let (begun, time) =
        (Instant::now(), amount(Duration::from_secs(60), Duration::from_secs(3600)));
    let (mut back, mut totals) = (BTreeMap::<Cause, Vec<Duration>>::new(), [0; 3]);
    while begun.elapsed() < time {
        let mut patient = Patient::start(&url, world.topic()).await;
        let mut causes = vec![Cause::Threads, Cause::Files];
        causes.extend(patient.has_names.then_some(Cause::Name));
        causes.extend(patient.has_clock.then_some(Cause::Clock));
        causes.extend_from_within(..);
        rng.shuffle(&mut causes);
        // From somewhere in the second half on, each log line panics.
        causes.insert(rng.usize(..causes.len()), Cause::Log);
        for cause in causes {
            patient.begin(cause, &mut rng).await;
            proxy.present().reset();
            if let Some(words) = cause.words() {
                patient.names(words).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.u64(..1000))).await;
            patient.end(cause).await;
            let took = patient.well().await;
            assert!(patient.ask("state").await.starts_with("up"), "{cause:?}");
            back.entry(cause).or_default().push(took);
            if begun.elapsed() >= time {
                break;
            }
        }
        let counts = patient.counts().await;
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    let mut table = Table::new("alive or it says so");
    table.row("time, seed", format!("{:.0} s, {seed}", begun.elapsed().as_secs_f64()));
    for (cause, times) in back {
        let count = times.len();
        let times: Times = times.into_iter().collect();
        table.row(format!("{cause:?}: {count} times; a call after it is answered within"), times);
    }
    let [good, failed, wrong] = totals;
    table.row(
        "its own calls: answered, failed, late or wrong",
        format!("{good}, {failed}, {wrong}"),
    );
    table.print();
    assert!(good > 0 && wrong == 0, "{totals:?}");
}
