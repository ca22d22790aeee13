//! Connections in generations: one lapin connection at a time, replaced when it dies.
//!
//! lapin's own recovery stays off: it hides a loss from consumers, replays only some of what was declared, and gives
//! up for good after a number of tries.

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

use self::outage::Schedule;
use super::{
    amqp::{Connection, Ended, Fault, Health},
    guard,
    names::program,
    socket::Security,
    told,
};
use crate::{
    Event, Failover, Login, RabbitOptions, Role, TransportError, TransportErrorKind,
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
/// random, so that a fleet does not come back in step. While no broker answers, a [`Schedule`]
/// decides instead.
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

    /// Returns the pause before the first attempt in an outage: none, unless the connection that was
    /// lost had just been made.
    fn pause_at_loss(&mut self) -> Duration {
        match std::mem::replace(&mut self.attempt, 1) {
            0 => Duration::ZERO,
            _ => self.first.min(self.cap).mul_f64(fraction()),
        }
    }

    /// Returns the pause before a later attempt, in an outage that has lasted for `lasted`.
    fn pause_in_outage(&mut self, lasted: Duration, phase: f64) -> Duration {
        self.attempt = 1;
        Schedule::new(phase, self.first, self.cap).pause(lasted)
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
    /// The phase of this connection's attempts in an outage, from 0 to 1.
    pub(super) phase: f64,
    pub(super) closing: watch::Receiver<bool>,
    /// How long the first connection may be waited for. `None`: each host is tried once.
    pub(super) patience: Option<Duration>,
    pub(super) options: RabbitOptions,
    pub(super) observer: Arc<Observer>,
    pub(super) quiet: Quiet<Line>,
    /// The largest message that is let through, in bytes.
    pub(super) largest: usize,
    /// The host to try next.
    pub(super) next: usize,
}

/// What a flapping broker makes a supervisor say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Lost,
    Failed,
    Back,
    Blocked,
    Unblocked,
}

/// A connection, and whose it is.
type Connected = (Arc<Connection>, String);

impl Supervisor {
    /// Runs until told to close. `first` learns how the first attempt went; after a failed one there is no second.
    pub(super) async fn run(mut self, first: oneshot::Sender<Result<(), TransportError>>) {
        self.url.shuffle_hosts();
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
        let (shortest, longest) = self.options.retry_interval;
        let mut backoff = Backoff::between(shortest, longest);
        let mut connected = match self.connect_first(&mut backoff).await {
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
                if since.elapsed() >= STABLE {
                    backoff.reset();
                }
                let (delay, splay) = self.options.reconnect_delay;
                tokio::time::sleep(delay + splay.mul_f64(fraction())).await;
            } else {
                let role = self.role;
                let what = "replacing a connection that runs out of channels";
                logging::defer(move || tracing::info!(%role, "{what}"));
            }
            connected = self.reconnect(&mut backoff).await;
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

    async fn connect_first(&mut self, backoff: &mut Backoff) -> Result<Connected, TransportError> {
        let until = self.patience.map(|patience| Instant::now() + patience);
        let mut failed = 0;
        loop {
            backoff.pause().await;
            match self.connect_any().await {
                Err(error) if is_passing(&error) => {
                    if until.is_none_or(|until| Instant::now() >= until) {
                        return Err(error);
                    }
                    self.failed(&mut failed, error);
                }
                ended => {
                    backoff.reset();
                    return ended;
                }
            }
        }
    }

    async fn reconnect(&mut self, backoff: &mut Backoff) -> Connected {
        let (since, mut failed) = (Instant::now(), 0);
        let (mut is_answered, mut other) = (false, self.other.clone());
        other.mark_unchanged();
        let mut pause = backoff.pause_at_loss();
        loop {
            // A broker that says no costs it and others something, each time.
            if is_answered {
                backoff.pause().await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = made(&mut other) => {}
                }
            }
            match self.connect_any().await {
                Ok(connected) => {
                    backoff.unrefused();
                    return connected;
                }
                Err(error) => {
                    is_answered = !is_out(&error);
                    if is_passing(&error) {
                        backoff.unrefused();
                    } else {
                        backoff.refused_for(since.elapsed());
                    }
                    let role = self.role;
                    self.failed(&mut failed, error.clone());
                    self.quiet.defer(Line::Failed, move |left_out| {
                        let what = "cannot connect to the broker; trying again";
                        tracing::warn!(%role, %error, left_out, "{what}");
                    });
                    if !is_answered {
                        pause = backoff.pause_in_outage(since.elapsed(), self.phase);
                    }
                }
            }
        }
    }

    fn failed(&self, failed: &mut u32, error: TransportError) {
        *failed = failed.saturating_add(1);
        self.observer.note(Event::ConnectFailed { role: self.role, failed: *failed, error });
    }

    /// Tries each host once, beginning with the one after the last.
    async fn connect_any(&mut self) -> Result<Connected, TransportError> {
        if self.options.failover == Failover::Shuffle {
            self.url.shuffle_hosts();
        }
        let hosts = self.url.hosts();
        let mut last =
            TransportError::new(TransportErrorKind::Unreachable, "the transport URL names no host");
        for at in (self.next..).take(hosts.len()) {
            let host = &hosts[at % hosts.len()];
            match self.connect(host).await {
                Ok(connection) => {
                    let host = host.to_string();
                    self.next = (at + 1) % hosts.len();
                    return Ok((connection, host));
                }
                Err(error) => {
                    last = error.clone();
                    let host = host.to_string();
                    let what = "a host refused the connection";
                    logging::defer(move || tracing::debug!(%host, %error, "{what}"));
                }
            }
        }
        Err(last)
    }

    async fn connect(&self, host: &Host) -> Result<Arc<Connection>, TransportError> {
        let name = format!("{}:{}:{}", program(), std::process::id(), self.role);
        let tls = match self.url.scheme() {
            Scheme::Rabbit { tls: true } => secured(&self.options.tls)?,
            _ => Security::default(),
        };
        let limit = self.options.connect_timeout;
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
                heartbeat: u16::try_from(self.options.heartbeat.as_secs()).ok(),
                auth_mechanism: Some(mechanism(self.options.login)),
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

/// Whether an attempt that failed may succeed by itself: nobody refused it.
pub(super) fn is_passing(error: &TransportError) -> bool {
    use TransportErrorKind::{Blocked, Disconnected, LimitReached, TimedOut, Unreachable};
    matches!(error.kind(), Blocked | Disconnected | LimitReached | TimedOut | Unreachable)
}

/// Whether an attempt failed because no broker answered: an outage.
fn is_out(error: &TransportError) -> bool {
    use TransportErrorKind::{Disconnected, TimedOut, Unreachable};
    matches!(error.kind(), Disconnected | TimedOut | Unreachable)
}

/// Says why a host did not take the connection.
fn refusal(fault: &Fault, host: &Host) -> TransportError {
    let (kind, what) = match fault.kind() {
        TransportErrorKind::Refused => {
            (TransportErrorKind::Refused, format!("{host} refused the login or the virtual host"))
        }
        TransportErrorKind::LimitReached => {
            (TransportErrorKind::LimitReached, format!("{host} takes no more connections"))
        }
        _ if fault.is_tls() => {
            (TransportErrorKind::Tls, format!("cannot secure the connection to {host}"))
        }
        _ => (TransportErrorKind::Unreachable, format!("cannot connect to {host}")),
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

    #[test]
    fn pauses_in_an_outage_begin_with_none_and_grow_while_the_broker_refuses() {
        let mut backoff = Backoff::new(Duration::from_millis(1500));
        let lasted = Duration::from_secs(60);
        assert_eq!(backoff.pause_at_loss(), Duration::ZERO);
        let pauses = |backoff: &mut Backoff| {
            let all = (60..90).map(|s| backoff.pause_in_outage(Duration::from_secs(s), 0.0));
            all.max().unwrap_or_default()
        };
        let usual = pauses(&mut backoff);
        assert!(usual <= Duration::from_millis(1500), "{usual:?}");
        backoff.refused_for(lasted);
        let refused = pauses(&mut backoff);
        assert!(refused > Duration::from_secs(5) && refused <= Duration::from_millis(7500));
        assert!(backoff.pause_at_loss() <= Duration::from_millis(100), "it is lost soon again");
        backoff.reset();
        assert_eq!(backoff.pause_at_loss(), Duration::ZERO);
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
