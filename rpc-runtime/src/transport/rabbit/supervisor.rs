//! Connections in generations: one lapin connection at a time, replaced when it dies.
//!
//! lapin's own recovery stays off: it hides a loss from consumers, replays only some of what was declared, and gives
//! up for good after a number of tries.

mod hosts;
mod outage;

use std::{
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lapin::{
    tcp::{OwnedIdentity, OwnedTLSConfig},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};
use tokio::sync::{oneshot, watch};

pub(super) use self::hosts::Hosts;
use super::{
    amqp::{Connection, Ended, Fault, Health},
    guard,
    names::program,
    socket::Security,
    told,
    topology::Layout,
    transient::{self, Asked},
};
use crate::{
    Event, Failover, Login, Role, TransportError, TransportErrorKind,
    clock::Instant,
    logging,
    observe::Observer,
    options::Tls,
    quiet::Quiet,
    url::{Host, Scheme, TransportUrl},
};

/// A connection that lived this long was a healthy one: the next loss starts with short pauses again.
const STABLE: Duration = Duration::from_secs(10);

/// Where the current generation is found. `None` while there is no connection.
pub(super) type Generations = watch::Receiver<Option<Arc<Connection>>>;

/// Waits for a connection. `None` once the supervisor has ended.
pub(super) async fn connected<G>(
    generations: &mut watch::Receiver<Option<Arc<G>>>,
) -> Option<Arc<G>> {
    generations.wait_for(Option::is_some).await.ok()?.clone()
}

/// Waits until `current` is not the connection to use any more: it is gone, or there is another in its place.
pub(super) async fn replaced<G>(
    generations: &mut watch::Receiver<Option<Arc<G>>>,
    current: &Arc<G>,
) {
    let differs = |generation: &Option<Arc<G>>| {
        !generation.as_ref().is_some_and(|generation| Arc::ptr_eq(generation, current))
    };
    // Who publishes it has ended: there will be none.
    let _ = generations.wait_for(differs).await;
}

/// Waits until a connection is made, one that was not there before.
async fn made<G>(generations: &mut watch::Receiver<Option<Arc<G>>>) {
    while generations.changed().await.is_ok() {
        if generations.borrow_and_update().is_some() {
            return;
        }
    }
    // Its supervisor has ended.
    std::future::pending::<()>().await;
}

/// Pauses between attempts: none before the first, then doubling up to a cap, each cut short at
/// random, so that a fleet does not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    attempt: u32,
    first: Duration,
    /// The longest pause, and what it is now.
    longest: Duration,
    cap: Duration,
}

impl Backoff {
    /// The longest pause while the broker refuses: neither side gains by more.
    const REFUSED: Duration = Duration::from_secs(15);

    pub(super) fn new(cap: Duration) -> Self {
        Self::between(Duration::from_millis(100), cap)
    }

    fn between(first: Duration, cap: Duration) -> Self {
        Self { attempt: 0, first, longest: cap, cap }
    }

    pub(super) fn reset(&mut self) {
        (self.attempt, self.cap) = (0, self.longest);
    }

    /// Lets pauses grow with the time for which attempts have been refused: what was allowed a moment ago may be allowed
    /// again soon, and less and less so.
    pub(super) fn refused_for(&mut self, time: Duration) {
        self.cap = (time / 8).clamp(self.longest, Self::REFUSED.max(self.longest));
    }

    /// Lets pauses be as long as they were meant to be.
    pub(super) fn unrefused(&mut self) {
        self.cap = self.longest;
    }

    /// Returns pauses for what has just failed for the first time.
    fn failed_once(first: Duration, cap: Duration) -> Self {
        Self { attempt: 1, ..Self::between(first, cap) }
    }

    /// Returns the longest that the next pause may be.
    fn ceiling(&mut self) -> Duration {
        let ceiling = match self.attempt {
            0 => Duration::ZERO,
            attempt => self.first.saturating_mul(1 << (attempt - 1).min(16)).min(self.cap),
        };
        self.attempt = self.attempt.saturating_add(1);
        ceiling
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.ceiling().mul_f64(fraction())).await;
    }
}

/// Returns a number between 0 and 1 that differs from process to process and from call to call.
pub(super) fn fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

/// Keeps one connection up, and publishes it as the current generation.
pub(super) struct Supervisor {
    pub(super) url: TransportUrl,
    pub(super) role: Role,
    pub(super) generations: watch::Sender<Option<Arc<Connection>>>,
    /// The transport's other connection: when that one comes back, so may this one.
    pub(super) other: Generations,
    pub(super) hosts: Hosts,
    pub(super) closing: watch::Receiver<bool>,
    /// How long the first connection may be waited for. `None`: each host is tried once.
    pub(super) patience: Option<Duration>,
    pub(super) layout: Arc<Layout>,
    pub(super) observer: Arc<Observer>,
    pub(super) quiet: Quiet<Line>,
    /// The largest message that is let through, in bytes.
    pub(super) largest: usize,
}

/// What a flapping broker makes a supervisor say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Lost,
    Failed,
    Back,
    Blocked,
    Unblocked,
    /// The host at this place in the URL.
    Refuses(usize),
    RefusesNoMore(usize),
}

/// A connection, and whose it is.
type Connected = (Arc<Connection>, String);

impl Supervisor {
    /// Runs until told to close. `first` learns how the first attempt went; after a failed one there is no second.
    pub(super) async fn run(mut self, first: oneshot::Sender<Result<(), TransportError>>) {
        self.hosts.shuffle(fraction);
        let mut closing = self.closing.clone();
        let closed = async move { told(&mut closing).await };
        tokio::select! {
            () = self.supervise(first) => {}
            () = closed => {}
        }
        if let Some(last) = self.generations.send_replace(None) {
            last.close().await;
        }
    }

    async fn supervise(&mut self, first: oneshot::Sender<Result<(), TransportError>>) {
        let mut connected = match self.connect_first().await {
            Ok(connected) => connected,
            Err(error) => {
                let _ = first.send(Err(error));
                return;
            }
        };
        let mut first = Some(first);
        loop {
            let since = Instant::now();
            let (connection, host) = connected;
            let broker = first.is_some().then(|| host.clone());
            self.observer.note(Event::Connected { role: self.role, host });
            self.generations.send_replace(Some(Arc::clone(&connection)));
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            if let Some(broker) = broker {
                let (role, user) = (self.role, connection.user());
                let user = user.as_ref().map_or("by certificate", |user| user.as_str());
                let user = user.to_owned();
                let (broker_from, user_from) = self.url.origins(&broker);
                logging::defer(move || {
                    let what = "connected to the broker";
                    tracing::info!(%role, broker, broker_from, user, user_from, "{what}");
                });
            }
            let ended = self.watch(&connection).await;
            let was_stable = since.elapsed() >= STABLE;
            if let Ended::Lost(reason) = ended {
                let role = self.role;
                self.generations.send_replace(None);
                self.observer.note(Event::Lost { role, reason: reason.clone() });
                self.quiet.defer(Line::Lost, move |left_out| {
                    let what = "lost the connection to the broker; connecting again";
                    tracing::warn!(%role, %reason, left_out, "{what}");
                });
                connection.close().await;
                drop(connection);
                let (delay, splay) = self.layout.options.reconnect_delay;
                tokio::time::sleep(delay + splay.mul_f64(fraction())).await;
            } else {
                let role = self.role;
                let what = "replacing a connection that runs out of channels";
                logging::defer(move || tracing::info!(%role, "{what}"));
            }
            connected = self.reconnect(was_stable).await;
            let role = self.role;
            self.quiet.defer(Line::Back, move |left_out| {
                tracing::info!(%role, left_out, "connected to the broker again");
            });
        }
    }

    /// Watches a connection, and tells everyone when the broker takes no messages by it.
    async fn watch(&self, connection: &Connection) -> Ended {
        let mut health = connection.health();
        let mut ended = std::pin::pin!(connection.watch());
        let mut is_blocked = false;
        loop {
            tokio::select! {
                ended = &mut ended => return ended,
                Ok(()) = health.changed() => {}
            }
            let health = health.borrow_and_update().clone();
            match health {
                Health::Blocked(reason) if !is_blocked => {
                    is_blocked = true;
                    self.observer.note(Event::Blocked { reason: reason.to_string() });
                    self.quiet.defer(Line::Blocked, move |left_out| {
                        let what = "the broker blocks this connection; messages wait";
                        tracing::warn!(%reason, left_out, "{what}");
                    });
                }
                Health::Open if is_blocked => {
                    is_blocked = false;
                    self.observer.note(Event::Unblocked);
                    self.quiet.defer(Line::Unblocked, |left_out| {
                        tracing::info!(left_out, "the broker unblocked this connection");
                    });
                }
                _ => {}
            }
        }
    }

    /// Connects for the first time. An attempt is made at each host, and again at those whose
    /// reason for failing may pass, for as long as the caller is patient.
    async fn connect_first(&mut self) -> Result<Connected, TransportError> {
        // A patience that ends beyond the clock has no end.
        let until = Instant::now().checked_add(self.patience.unwrap_or_default());
        let (mut failed, mut other) = (0, self.other.clone());
        other.mark_unchanged();
        loop {
            let round = self.next_round(&mut other, until).await;
            match self.connect_any(round).await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    let is_over = until.is_some_and(|until| Instant::now() >= until);
                    if is_over || !self.hosts.may_pass() {
                        return Err(error);
                    }
                    self.failed(&mut failed, error);
                }
            }
        }
    }

    /// Connects again after a loss. `was_stable`: the lost connection had been up for long.
    async fn reconnect(&mut self, was_stable: bool) -> Connected {
        let (mut failed, mut other) = (0, self.other.clone());
        other.mark_unchanged();
        self.hosts.lost(was_stable, Instant::now(), fraction());
        loop {
            let round = self.next_round(&mut other, None).await;
            match self.connect_any(round).await {
                Ok(connected) => return connected,
                Err(error) => {
                    let role = self.role;
                    self.failed(&mut failed, error.clone());
                    self.quiet.defer(Line::Failed, move |left_out| {
                        let what = "cannot connect to the broker; trying again";
                        tracing::warn!(%role, %error, left_out, "{what}");
                    });
                }
            }
        }
    }

    fn failed(&self, failed: &mut u32, error: TransportError) {
        *failed = failed.saturating_add(1);
        self.observer.note(Event::ConnectFailed { role: self.role, failed: *failed, error });
    }

    /// Waits until hosts are due, and returns their places. Hosts that did not answer are due when
    /// the transport's other connection is made, and at `until`.
    async fn next_round(&mut self, other: &mut Generations, until: Option<Instant>) -> Vec<usize> {
        loop {
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                self.hosts.hurry(now);
            }
            if self.layout.options.failover == Failover::Shuffle {
                self.hosts.shuffle(fraction);
            }
            let round = self.hosts.round(now);
            if !round.is_empty() {
                return round;
            }
            let due = self.hosts.next_due();
            let due = until.filter(|until| *until > now).map_or(due, |until| until.min(due));
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = made(other) => self.hosts.hurry(Instant::now()),
            }
        }
    }

    /// Makes an attempt at each host of a round, until one takes the connection.
    async fn connect_any(&mut self, round: Vec<usize>) -> Result<Connected, TransportError> {
        for place in round {
            let Some(host) = self.url.hosts().get(place) else { continue };
            match self.connect(host).await {
                Ok(connection) => {
                    let host = host.to_string();
                    self.hosts.connected(place);
                    self.refuses_no_more(place);
                    self.report_refusals();
                    return Ok((connection, host));
                }
                Err(error) => {
                    let host = host.to_string();
                    self.hosts.failed(place, error.clone(), Instant::now(), fraction());
                    self.refuses_no_more(place);
                    let what = "an attempt to connect failed";
                    logging::defer(move || tracing::debug!(%host, %error, "{what}"));
                }
            }
        }
        self.hosts.round_failed(Instant::now());
        Err(self.hosts.error())
    }

    /// Reports the hosts that refuse the connection which another host has taken, each once.
    fn report_refusals(&self) {
        for (place, host, error) in self.hosts.refusing() {
            let (host, error) = (host.to_owned(), error.clone());
            let event = Event::HostRefused { host: host.clone(), error: error.clone() };
            if self.observer.note(event) {
                self.quiet.defer(Line::Refuses(place), move |left_out| {
                    let what = "a host refuses the connection; another serves";
                    tracing::warn!(host, %error, left_out, "{what}");
                });
            }
        }
    }

    /// Ends the report of a host unless that refused at its last attempt, too.
    fn refuses_no_more(&self, place: usize) {
        let host = self.hosts.name(place).to_owned();
        if self.hosts.is_refusing(&host) {
            return;
        }
        if self.observer.note(Event::HostRefusesNoMore { host: host.clone() }) {
            self.quiet.defer(Line::RefusesNoMore(place), move |left_out| {
                tracing::info!(host, left_out, "a host refuses the connection no more");
            });
        }
    }

    /// Connects to a host, and asks it once about queues that it may deny: nothing else uses the
    /// connection yet.
    async fn connect(&self, host: &Host) -> Result<Arc<Connection>, TransportError> {
        let connection = self.open(host).await?;
        if self.role != Role::Consuming {
            return Ok(connection);
        }
        match transient::ask(&connection, &self.layout).await {
            Ok(Asked::Usable) => Ok(connection),
            Ok(Asked::Closed) => self.open(host).await,
            Err(fault) => Err(refusal(&fault, host)),
        }
    }

    async fn open(&self, host: &Host) -> Result<Arc<Connection>, TransportError> {
        let name = format!("{}:{}:{}", program(), std::process::id(), self.role);
        let tls = match self.url.scheme() {
            Scheme::Rabbit { tls: true } => secured(&self.layout.options.tls)?,
            _ => Security::default(),
        };
        let limit = self.layout.options.connect_timeout;
        let opened = Connection::open(self.uri(host), name, tls, self.largest, limit).await;
        opened.map_err(|fault| refusal(&fault, host))
    }

    fn uri(&self, host: &Host) -> AMQPUri {
        let tls = self.url.scheme() == Scheme::Rabbit { tls: true };
        AMQPUri {
            scheme: if tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: host.user.clone(),
                    password: host.password.clone(),
                },
                host: host.name.clone(),
                port: host.port,
            },
            vhost: self.url.virtual_host().to_owned(),
            query: AMQPQueryString {
                frame_max: Some(guard::AGREED),
                heartbeat: u16::try_from(self.layout.options.heartbeat.as_secs()).ok(),
                auth_mechanism: Some(mechanism(self.layout.options.login)),
                ..AMQPQueryString::default()
            },
        }
    }
}

fn mechanism(login: Login) -> SASLMechanism {
    match login {
        Login::Plain => SASLMechanism::Plain,
        Login::AmqPlain => SASLMechanism::AMQPlain,
        Login::External => SASLMechanism::External,
        Login::CrDemo => SASLMechanism::RabbitCrDemo,
    }
}

/// Reads whom to trust and who we are.
fn secured(tls: &Tls) -> Result<Security, TransportError> {
    let read = |file: &Path| {
        std::fs::read_to_string(file).map_err(|error| {
            let what = format!("cannot read {}", file.display());
            TransportError::caused(TransportErrorKind::Configuration, what, &error)
        })
    };
    let identity = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let (pem, key) = (read(certificate)?.into_bytes(), read(key)?.into_bytes());
            Some(OwnedIdentity::PKCS8 { pem, key })
        }
        _ => None,
    };
    let authority = tls.authority.clone().or_else(authorities).ok_or_else(|| {
        let what =
            "this machine trusts no authority: name one with `tls_authority` (`ssl_ca_file`)";
        TransportError::new(TransportErrorKind::Configuration, what)
    })?;
    let config = OwnedTLSConfig { identity, cert_chain: Some(read(&authority)?) };
    Ok(Security { config, server_name: tls.server_name.clone() })
}

/// Returns the file of the authorities that this machine trusts.
fn authorities() -> Option<PathBuf> {
    #[cfg(feature = "tls")]
    return openssl_probe::probe().cert_file;
    #[cfg(not(feature = "tls"))]
    None
}

/// Says why a host did not take the connection.
fn refusal(fault: &Fault, host: &Host) -> TransportError {
    let at_host = fault.meaning().and_then(|meaning| meaning.at_host);
    let does = |or| format!("{host} {}", at_host.unwrap_or(or));
    let (kind, what) = match fault.kind() {
        kind @ TransportErrorKind::Refused => (kind, does("refused the login or the virtual host")),
        kind @ TransportErrorKind::LimitReached => (kind, does("takes no more connections")),
        _ if fault.is_tls() => {
            (TransportErrorKind::Tls, format!("cannot secure the connection to {host}"))
        }
        _ => {
            let what = at_host.map_or_else(|| format!("cannot connect to {host}"), does);
            (TransportErrorKind::Unreachable, what)
        }
    };
    fault.caused(kind, what)
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_begin_with_none() {
        let mut backoff = Backoff::new(Duration::from_millis(500));
        let pauses: Vec<_> = (0..6).map(|_| backoff.ceiling().as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.ceiling(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_there_before_wakes_nobody_and_a_new_one_does() {
        let (sender, mut other) = watch::channel(Some(Arc::new(1)));
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, made(&mut other)).await.is_err(), "it was there");
        sender.send_replace(None);
        assert!(tokio::time::timeout(soon, made(&mut other)).await.is_err(), "it is lost");
        sender.send_replace(Some(Arc::new(2)));
        assert!(tokio::time::timeout(soon, made(&mut other)).await.is_ok(), "it is back");
        drop(sender);
        assert!(tokio::time::timeout(soon, made(&mut other)).await.is_err(), "it has ended");
    }
}
