//! Who looks whether exchanges and bindings are still there: the broker tells nobody when somebody deletes them.
//!
//! One task does it for all servers and listeners of a transport, so that a look costs no more for many than for one: each exchange
//! is asked for once, and of the bindings only so many each time. Whoever misses something is told, and makes it again.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use super::{
    amqp::{Channel, Connection, Fault},
    supervisor::{Generations, connected, fraction, replaced},
    told,
    topology::Step,
};
use crate::TransportErrorKind;

/// In how many looks all bindings are looked at: that costs the broker more.
const BINDINGS_ROUND: usize = 20;
/// How many places' bindings are looked at in one look, at most.
const PLACES: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Lookout {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    watched: BTreeMap<u64, Watched>,
    next: u64,
    /// The place whose bindings were looked at last.
    last: u64,
}

#[derive(Debug)]
struct Watched {
    steps: Arc<[Step]>,
    /// Counts what was found missing, and says what it was.
    missing: watch::Sender<Option<Arc<Fault>>>,
}

/// What somebody wants to be there. It is looked after until this is dropped.
pub(super) struct Watching {
    lookout: Arc<Lookout>,
    number: u64,
    missing: watch::Receiver<Option<Arc<Fault>>>,
}

impl Watching {
    /// Waits until something is missing, and says what the broker said of it.
    pub(super) async fn missing(&mut self) -> Arc<Fault> {
        loop {
            if self.missing.changed().await.is_err() {
                // It goes with its place, and that with this.
                std::future::pending::<()>().await;
            }
            if let Some(fault) = self.missing.borrow_and_update().clone() {
                return fault;
            }
        }
    }

    /// Everything has been made again: what was found before that counts no more.
    pub(super) fn made_again(&mut self) {
        self.missing.mark_unchanged();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.lookout.lock().watched.remove(&self.number);
    }
}

impl Lookout {
    pub(super) fn new() -> Self {
        Self { places: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after what `steps` have made.
    pub(super) fn watch(self: &Arc<Self>, steps: Vec<Step>) -> Watching {
        let (sender, missing) = watch::channel(None);
        let mut places = self.lock();
        let number = places.next;
        places.next += 1;
        places.watched.insert(number, Watched { steps: steps.into(), missing: sender });
        Watching { lookout: Arc::clone(self), number, missing }
    }

    /// Returns each exchange once.
    fn exchanges(&self) -> BTreeSet<String> {
        let places = self.lock();
        let steps = places.watched.values().flat_map(|watched| &*watched.steps);
        steps.filter_map(exchange).map(str::to_owned).collect()
    }

    /// Returns the places whose bindings are to be looked at now.
    fn turn(&self) -> Vec<(u64, Arc<[Step]>)> {
        let mut places = self.lock();
        let count = places.watched.len().div_ceil(BINDINGS_ROUND).min(PLACES);
        let behind = (Bound::Excluded(places.last), Bound::Unbounded);
        let all = places.watched.range(behind).chain(places.watched.range(..=places.last));
        let turn: Vec<_> =
            all.take(count).map(|(at, watched)| (*at, Arc::clone(&watched.steps))).collect();
        if let Some((last, _)) = turn.last() {
            places.last = *last;
        }
        turn
    }

    /// Tells the places that want an exchange that it is gone.
    fn lost(&self, name: &str, fault: Fault) {
        let fault = Arc::new(fault);
        for watched in self.lock().watched.values() {
            if watched.steps.iter().any(|step| exchange(step) == Some(name)) {
                watched.missing.send_replace(Some(Arc::clone(&fault)));
            }
        }
    }

    /// Tells a place that something of it is gone.
    fn lost_at(&self, place: u64, fault: Fault) {
        if let Some(watched) = self.lock().watched.get(&place) {
            watched.missing.send_replace(Some(Arc::new(fault)));
        }
    }

    /// Looks every so often, by one connection after the other, until the transport closes.
    pub(super) async fn run(
        self: Arc<Self>,
        every: Duration,
        mut generations: Generations,
        mut closing: watch::Receiver<bool>,
    ) {
        if every.is_zero() {
            return;
        }
        let looking = async {
            while let Some(connection) = connected(&mut generations).await {
                let mut others = generations.clone();
                tokio::select! {
                    () = self.look(every, &connection) => {}
                    () = replaced(&mut others, &connection) => {}
                }
                replaced(&mut generations, &connection).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = told(&mut closing) => {}
        }
    }

    /// Looks until the connection is not good any more.
    async fn look(&self, every: Duration, connection: &Arc<Connection>) {
        let mut side = None;
        loop {
            sleep(every.mul_f64(0.75 + fraction() / 2.0)).await;
            for name in self.exchanges() {
                match expect(connection, &mut side, &name).await {
                    Ok(()) => {}
                    Err(fault) if ends_look(&fault) => return,
                    Err(fault) => self.lost(&name, fault),
                }
            }
            // Who publishes may have made an exchange again, without the bindings.
            for (place, steps) in self.turn() {
                match bind(connection, &mut side, &steps).await {
                    Ok(()) => {}
                    Err(fault) if ends_look(&fault) => return,
                    Err(fault) => self.lost_at(place, fault),
                }
            }
        }
    }
}

/// Whether nothing can be asked by this connection any more: it is gone, or has no channel to give.
fn ends_look(fault: &Fault) -> bool {
    fault.is_of_connection() || fault.kind() == TransportErrorKind::LimitReached
}

/// The exchange that a step makes.
fn exchange(step: &Step) -> Option<&str> {
    match step {
        Step::Exchange(exchange) => Some(&exchange.name),
        Step::Queue(_) | Step::Bind { .. } => None,
    }
}

/// Asks whether an exchange is there, on a channel that is kept unless that is refused.
async fn expect(
    connection: &Arc<Connection>,
    side: &mut Option<Channel>,
    name: &str,
) -> Result<(), Fault> {
    let channel = connection.side_channel(side.take()).await?;
    channel.expect_exchange(name).await?;
    *side = Some(channel);
    Ok(())
}

/// Makes the bindings again that are among some steps.
async fn bind(
    connection: &Arc<Connection>,
    side: &mut Option<Channel>,
    steps: &[Step],
) -> Result<(), Fault> {
    let channel = connection.side_channel(side.take()).await?;
    for step in steps {
        if let Step::Bind { queue, exchange, key } = step {
            channel.bind(queue, exchange, key).await?;
        }
    }
    *side = Some(channel);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::rabbit::topology::{ExchangeDeclaration, Kind};

    fn steps(exchanges: &[&str]) -> Vec<Step> {
        let step = |name: &&str| {
            let name = (*name).to_owned();
            let (durable, auto_delete) = (false, false);
            Step::Exchange(ExchangeDeclaration { name, kind: Kind::Topic, durable, auto_delete })
        };
        exchanges.iter().map(step).collect()
    }

    fn is_told(watching: &mut Watching) -> bool {
        use futures_util::FutureExt as _;
        watching.missing().now_or_never().is_some()
    }

    fn fault() -> Fault {
        Fault::Name(256)
    }

    #[test]
    fn an_exchange_of_many_servers_is_asked_for_once() {
        let lookout = Arc::new(Lookout::new());
        let servers: Vec<_> = (0..100).map(|_| lookout.watch(steps(&["nova", "fanout"]))).collect();
        let other = lookout.watch(steps(&["cinder"]));
        assert_eq!(Vec::from_iter(lookout.exchanges()), ["cinder", "fanout", "nova"]);
        drop(servers);
        assert_eq!(Vec::from_iter(lookout.exchanges()), ["cinder"]);
        drop(other);
        assert!(lookout.exchanges().is_empty() && lookout.turn().is_empty());
    }

    #[test]
    fn who_wants_an_exchange_is_told_that_it_is_gone_and_nobody_else() {
        let lookout = Arc::new(Lookout::new());
        let mut servers = ["nova", "nova", "cinder"].map(|name| lookout.watch(steps(&[name])));
        lookout.lost("nova", fault());
        assert_eq!(servers.each_mut().map(is_told), [true, true, false]);
        assert_eq!(servers.each_mut().map(is_told), [false; 3], "once");
        lookout.lost("nova", fault());
        servers[0].made_again();
        assert_eq!(servers.each_mut().map(is_told), [false, true, false]);
        lookout.lost_at(servers[2].number, fault());
        assert_eq!(servers.each_mut().map(is_told), [false, false, true]);
    }

    #[test]
    fn all_bindings_have_their_turn_however_many_come_and_go() {
        for count in [1, 19, 20, 21, 150, 1000] {
            let lookout = Arc::new(Lookout::new());
            let mut servers: Vec<_> = (0..count).map(|_| lookout.watch(steps(&["x"]))).collect();
            // One leaves in the middle.
            let gone = servers.swap_remove(count / 2);
            let looks = (count.div_ceil(PLACES)).max(BINDINGS_ROUND);
            let mut seen = BTreeSet::new();
            for look in 0..=looks {
                let turn = lookout.turn();
                assert!(turn.len() <= PLACES);
                seen.extend(turn.into_iter().map(|(place, _)| place));
                if look == looks / 2 {
                    servers.push(lookout.watch(steps(&["x"])));
                }
            }
            let early = servers.iter().filter(|server| server.number < count as u64);
            assert!(early.clone().all(|server| seen.contains(&server.number)), "{count}");
            drop(gone);
        }
    }
}
