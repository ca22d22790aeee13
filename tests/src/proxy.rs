//! A TCP proxy between clients and a broker that reads AMQP frames, to cause every fault that a network and a peer can.
//!
//! Tests control it: its door (who may connect), its [`Links`] (what the way is like), and [`Rule`]s (what becomes of
//! chosen frames). TLS passes as bytes, for which there are no rules.

mod connection;
mod frame;
mod link;
mod rule;
mod seen;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use self::{connection::Link, frame::Unit, link::Conditions, rule::RuleState, seen::Seen};
pub use self::{
    frame::method,
    link::Links,
    rule::{Action, Frames, Rule},
};
use crate::World;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From client to broker.
    Up,
    /// From broker to client.
    Down,
    /// Either.
    Both,
}

impl Way {
    fn sides(self) -> &'static [usize] {
        match self {
            Self::Up => &[0],
            Self::Down => &[1],
            Self::Both => &[0, 1],
        }
    }

    fn back(self) -> Self {
        if self == Self::Up { Self::Down } else { Self::Up }
    }
}

/// What becomes of who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    /// Taken, and never answered.
    Hang,
    /// Taken, and reset.
    Reset,
}

/// See the module. Everything ends with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Absent while nobody listens.
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// What all connections have in common.
#[derive(Debug)]
struct Shared {
    broker: String,
    door: watch::Sender<Door>,
    /// What connections begin with.
    template: watch::Sender<[Conditions; 2]>,
    links: Mutex<Vec<Arc<Link>>>,
    rules: Mutex<Vec<Arc<RuleState>>>,
    seen: Seen,
    attempts: AtomicU64,
    random: Mutex<fastrand::Rng>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the part of a URL with login and addresses.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

impl Proxy {
    /// Starts one before the world's broker. Everything passes.
    ///
    /// # Panics
    /// If there is no port for it.
    pub async fn start(world: &World) -> Self {
        let address = authority(world.url()).rsplit('@').next().unwrap_or_default();
        Self::before(address).await
    }

    /// Starts one before an address, `host:port`.
    ///
    /// # Panics
    /// If there is no port for it.
    pub async fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address_here = listener.local_addr().expect("an address");
        let seed = std::env::var("RPC_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        // Shown with a test that fails.
        println!("RPC_FAULT_SEED={seed}");
        let shared = Arc::new(Shared {
            broker: address.to_owned(),
            door: watch::Sender::new(Door::Open),
            template: watch::Sender::new(Default::default()),
            links: Mutex::default(),
            rules: Mutex::default(),
            seen: Seen::default(),
            attempts: AtomicU64::new(0),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let accepting = tokio::spawn(Arc::clone(&shared).accept(listener));
        Self { address: address_here, shared, listening: Mutex::new(Some(accepting)) }
    }

    /// The world's URL, by this proxy.
    #[must_use]
    pub fn url(&self, world: &World) -> String {
        let authority = authority(world.url());
        let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
        world.url().replacen(authority, &format!("{login}@{}", self.address), 1)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections in order, and resets who connects.
    pub fn cut(&self) {
        self.reset_new();
        self.present().close();
    }

    /// Takes connections again, and lets everything pass.
    ///
    /// # Panics
    /// If its port has been taken meanwhile.
    pub async fn mend(&self) {
        self.all().heal();
        self.open().await;
    }

    /// Takes connections again.
    ///
    /// # Panics
    /// If its port has been taken meanwhile.
    pub async fn open(&self) {
        self.listen(Door::Open).await;
    }

    /// Takes connections, and never says anything on them.
    ///
    /// # Panics
    /// If its port has been taken meanwhile.
    pub async fn hang(&self) {
        self.listen(Door::Hang).await;
    }

    /// Resets who connects.
    pub fn reset_new(&self) {
        self.shared.door.send_replace(Door::Reset);
    }

    /// Listens no more: who connects is refused. Present connections stay.
    pub async fn refuse(&self) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.abort();
            // Its socket is closed once it has ended.
            let _ = listening.await;
        }
    }

    async fn listen(&self, door: Door) {
        self.shared.door.send_replace(door);
        if lock(&self.listening).is_some() {
            return;
        }
        let listener = async {
            loop {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_reuseaddr(true).expect("an option");
                // An attempt of somebody else's may have this port for an instant.
                match socket.bind(self.address).and_then(|()| socket.listen(1024)) {
                    Ok(listener) => return listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let listener = crate::soon("the proxy's port", listener).await;
        let accepting = tokio::spawn(Arc::clone(&self.shared).accept(listener));
        *lock(&self.listening) = Some(accepting);
    }

    /// The connections there are, and all to come.
    #[must_use]
    pub fn all(&self) -> Links {
        Links::new(lock(&self.shared.links).clone(), Some(self.shared.template.clone()))
    }

    /// The connections there are.
    #[must_use]
    pub fn present(&self) -> Links {
        Links::new(lock(&self.shared.links).clone(), None)
    }

    /// The connections there are of which the client says this, such as `publish` in its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Links {
        let links = lock(&self.shared.links);
        Links::new(links.iter().filter(|link| link.label().contains(name)).cloned().collect(), None)
    }

    /// Does something to chosen frames, as long as the rule lives.
    pub fn rule(&self, frames: Frames, action: Action) -> Rule {
        let state = Arc::new(RuleState::new(frames, action));
        let mut rules = lock(&self.shared.rules);
        rules.retain(|rule| !rule.is_over());
        rules.push(Arc::clone(&state));
        Rule(state)
    }

    /// How many frames of that name have come.
    #[must_use]
    pub fn seen(&self, way: Way, name: &str) -> u64 {
        assert!(frame::is_known(name), "AMQP has no method `{name}`");
        self.shared.seen.count(way, name)
    }

    /// Waits until so many frames of that name have come since the start.
    ///
    /// # Panics
    /// If they do not within [`SOON`](crate::SOON).
    pub async fn until_seen(&self, way: Way, name: &str, times: u64) {
        assert!(frame::is_known(name), "AMQP has no method `{name}`");
        self.shared.seen.until(way, name, times).await;
    }

    /// How often somebody has connected, whatever became of it.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.shared.attempts.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listening) = lock(&self.listening).take() {
            listening.abort();
        }
        self.present().close();
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            let number = self.attempts.fetch_add(1, Ordering::AcqRel);
            let door = *self.door.borrow();
            if door == Door::Reset {
                // Closed at once, which is a reset then.
                let _ = client.set_zero_linger();
                continue;
            }
            let (link, outlets) = Link::new(number, self.template.borrow().clone());
            lock(&self.links).push(Arc::clone(&link));
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                match door {
                    Door::Hang => link.hang(client).await,
                    _ => match TcpStream::connect(&shared.broker).await {
                        Ok(broker) => {
                            let _ = (client.set_nodelay(true), broker.set_nodelay(true));
                            link.serve(&shared, client, broker, outlets).await;
                        }
                        // As if the broker's machine had said so.
                        Err(_) => _ = client.set_zero_linger(),
                    },
                }
                lock(&shared.links).retain(|other| other.number != link.number);
            });
        }
    }

    fn draw(&self) -> f64 {
        lock(&self.random).f64()
    }

    /// Returns what is to be done to a frame: what the first rule says that is about it.
    fn judge(&self, way: Way, label: &str, unit: &Unit) -> Option<(Arc<RuleState>, Action)> {
        let rules = lock(&self.rules);
        rules.iter().find_map(|rule| {
            let action = rule.judge(way, label, unit, || self.draw())?;
            Some((Arc::clone(rule), action))
        })
    }
}
