//! A TCP proxy between clients and a broker that reads AMQP frames, and simulates faults of
//! networks and peers.
//!
//! Tests control three parts: the door (which connections it accepts), its [`Links`] (the
//! conditions of connections), and [`Rule`]s (what happens to chosen frames). TLS passes as bytes,
//! to which no rule applies.

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

/// A direction.
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

/// How the proxy treats a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    /// Accepted, and never answered.
    Hang,
    /// Accepted, and reset.
    Reset,
}

/// A proxy. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// `None` while the proxy does not listen.
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// State shared by all connections.
#[derive(Debug)]
struct Shared {
    broker: String,
    door: watch::Sender<Door>,
    /// The initial conditions of a connection.
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

/// Returns the part of a URL with credentials and addresses.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

impl Proxy {
    /// Starts a proxy for the world's broker. Everything passes.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(world: &World) -> Self {
        let address = authority(world.url()).rsplit('@').next().unwrap_or_default();
        Self::before(address).await
    }

    /// Starts a proxy for an address, `host:port`.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address_here = listener.local_addr().expect("an address");
        let seed = std::env::var("RPC_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        // Shown with a failed test.
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

    /// Returns the world's URL, with this proxy's address.
    #[must_use]
    pub fn url(&self, world: &World) -> String {
        let authority = authority(world.url());
        let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
        world.url().replacen(authority, &format!("{login}@{}", self.address), 1)
    }

    /// Returns the proxy's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and resets new ones.
    pub fn cut(&self) {
        self.reset_new();
        self.present().close();
    }

    /// Accepts connections again, and lets everything pass.
    ///
    /// # Panics
    /// If another process has bound the port meanwhile.
    pub async fn mend(&self) {
        self.all().heal();
        self.open().await;
    }

    /// Accepts connections again.
    ///
    /// # Panics
    /// If another process has bound the port meanwhile.
    pub async fn open(&self) {
        self.listen(Door::Open).await;
    }

    /// Accepts connections, and never writes to them.
    ///
    /// # Panics
    /// If another process has bound the port meanwhile.
    pub async fn hang(&self) {
        self.listen(Door::Hang).await;
    }

    /// Resets new connections.
    pub fn reset_new(&self) {
        self.shared.door.send_replace(Door::Reset);
    }

    /// Stops listening, so that the system refuses new connections. Present connections stay.
    pub async fn refuse(&self) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.abort();
            // The socket closes when the task has ended.
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
                // A connection of another program may briefly have this local port.
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

    /// Returns the present connections and all future ones.
    #[must_use]
    pub fn all(&self) -> Links {
        Links::new(lock(&self.shared.links).clone(), Some(self.shared.template.clone()))
    }

    /// Returns the present connections.
    #[must_use]
    pub fn present(&self) -> Links {
        Links::new(lock(&self.shared.links).clone(), None)
    }

    /// Returns the present connections whose client properties contain `name`, such as `publish`.
    #[must_use]
    pub fn named(&self, name: &str) -> Links {
        let links = lock(&self.shared.links);
        Links::new(links.iter().filter(|link| link.label().contains(name)).cloned().collect(), None)
    }

    /// Applies an action to chosen frames for as long as the rule lives.
    pub fn rule(&self, frames: Frames, action: Action) -> Rule {
        let state = Arc::new(RuleState::new(frames, action));
        let mut rules = lock(&self.shared.rules);
        rules.retain(|rule| !rule.is_over());
        rules.push(Arc::clone(&state));
        Rule(state)
    }

    /// Returns the number of frames of that name so far.
    #[must_use]
    pub fn seen(&self, way: Way, name: &str) -> u64 {
        assert!(frame::is_known(name), "AMQP has no method `{name}`");
        self.shared.seen.count(way, name)
    }

    /// Waits until `times` frames of that name have passed since the start.
    ///
    /// # Panics
    /// If that takes longer than [`SOON`](crate::SOON).
    pub async fn until_seen(&self, way: Way, name: &str, times: u64) {
        assert!(frame::is_known(name), "AMQP has no method `{name}`");
        self.shared.seen.until(way, name, times).await;
    }

    /// Returns the number of connection attempts, whatever their outcome.
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
                // Without lingering, closing sends a reset.
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
                        // The same, as if the broker's machine had reset it.
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

    /// Returns the first rule that applies to a frame, with its action.
    fn judge(&self, way: Way, label: &str, unit: &Unit) -> Option<(Arc<RuleState>, Action)> {
        let rules = lock(&self.rules);
        rules.iter().find_map(|rule| {
            let action = rule.judge(way, label, unit, || self.draw())?;
            Some((Arc::clone(rule), action))
        })
    }
}
