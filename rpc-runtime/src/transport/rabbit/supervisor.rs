//! Connections in generations: one lapin connection at a time, replaced when it dies.
//!
//! lapin's own recovery stays off: it hides a loss from consumers, replays only some of what was declared, and gives
//! up for good after a number of tries.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use lapin::{
    Connection, ConnectionProperties, ErrorKind, Event,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
    tcp::{OwnedIdentity, OwnedTLSConfig},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};

use super::{
    names::program,
    socket::{self, Switch},
    told,
};
use crate::{
    Failover, Login, RabbitOptions, TransportError, TransportErrorKind,
    options::Tls,
    url::{Host, Scheme, TransportUrl},
};

/// How long one host may take to answer, from the first packet to an open connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long closing may take: a connection that is stuck is dropped.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// A connection that lived this long was a healthy one: the next loss starts with short pauses again.
const STABLE: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Generation {
    pub(super) connection: Connection,
    switch: Switch,
    /// Set by whoever finds the connection stuck.
    broken: Notify,
}

impl Generation {
    pub(super) fn is_alive(&self) -> bool {
        self.connection.status().connected()
    }

    /// Gives the connection up: the supervisor makes another.
    pub(super) fn give_up(&self) {
        self.broken.notify_one();
    }

    /// Waits until the connection has died, or was given up.
    async fn ended(&self) {
        let mut events = std::pin::pin!(self.connection.events_listener());
        let died = async {
            // An error of a channel comes here, too, and leaves the connection alive.
            while let Some(event) = events.next().await {
                match event {
                    Event::ConnectionBlocked(reason) => {
                        tracing::warn!(%reason, "the broker takes no messages")
                    }
                    Event::ConnectionUnblocked => tracing::info!("the broker takes messages again"),
                    _ if !self.is_alive() => return,
                    _ => {}
                }
            }
        };
        tokio::select! {
            () = died => {}
            () = self.broken.notified() => {}
        }
    }
}

/// A connection, and what ends it for sure.
type Connected = (Connection, Switch);

/// Where the current generation is found. `None` while there is no connection.
pub(super) type Generations = watch::Receiver<Option<Arc<Generation>>>;

/// Waits for a connection. `None` once the supervisor has ended.
pub(super) async fn connected(generations: &mut Generations) -> Option<Arc<Generation>> {
    generations.wait_for(Option::is_some).await.ok()?.clone()
}

/// Pauses between attempts: none before the first, then doubling up to a cap, each anywhere between nothing and that,
/// so that a fleet does not come back in step.
pub(super) struct Backoff {
    attempt: u32,
    first: Duration,
    cap: Duration,
}

impl Backoff {
    pub(super) fn new(cap: Duration) -> Self {
        Self::between(Duration::from_millis(100), cap)
    }

    fn between(first: Duration, cap: Duration) -> Self {
        Self { attempt: 0, first, cap }
    }

    pub(super) fn reset(&mut self) {
        self.attempt = 0;
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
fn fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

/// Keeps one connection up, and publishes it as the current generation.
pub(super) struct Supervisor {
    pub(super) url: TransportUrl,
    /// What the connection is for, as operators see it in the broker's list.
    pub(super) role: &'static str,
    pub(super) generations: watch::Sender<Option<Arc<Generation>>>,
    pub(super) closing: watch::Receiver<bool>,
    /// How long the first connection may be waited for. `None`: each host is tried once.
    pub(super) patience: Option<Duration>,
    pub(super) options: RabbitOptions,
    /// The host to try next.
    pub(super) next: usize,
}

impl Supervisor {
    /// The cap where the broker refuses the login: neither side gains by more.
    const REFUSED_CAP: Duration = Duration::from_secs(15);

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
            close(&last).await;
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
            let (connection, switch) = connected;
            let generation = Arc::new(Generation { connection, switch, broken: Notify::new() });
            self.generations.send_replace(Some(Arc::clone(&generation)));
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            generation.ended().await;
            tracing::warn!(role = self.role, "lost the connection to the broker");
            self.generations.send_replace(None);
            close(&generation).await;
            drop(generation);
            if since.elapsed() >= STABLE {
                backoff.reset();
            }
            connected = self.reconnect(&mut backoff).await;
            tracing::info!(role = self.role, "connected to the broker again");
        }
    }

    async fn connect_first(&mut self, backoff: &mut Backoff) -> Result<Connected, TransportError> {
        let until = self.patience.map(|patience| Instant::now() + patience);
        loop {
            backoff.pause().await;
            match self.connect_any().await {
                Err(error) if error.kind() == TransportErrorKind::Unreachable => {
                    if until.is_none_or(|until| Instant::now() >= until) {
                        return Err(error);
                    }
                }
                ended => {
                    backoff.reset();
                    return ended;
                }
            }
        }
    }

    async fn reconnect(&mut self, backoff: &mut Backoff) -> Connected {
        let (delay, splay) = self.options.reconnect_delay;
        let longest = self.options.retry_interval.1;
        tokio::time::sleep(delay + splay.mul_f64(fraction())).await;
        loop {
            backoff.pause().await;
            match self.connect_any().await {
                Ok(connection) => {
                    backoff.cap = longest;
                    return connection;
                }
                Err(error) => {
                    let refused = error.kind() == TransportErrorKind::Refused;
                    backoff.cap = if refused { longest.max(Self::REFUSED_CAP) } else { longest };
                    tracing::warn!(role = self.role, %error, "cannot connect to the broker");
                }
            }
        }
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
                    self.next = (at + 1) % hosts.len();
                    return Ok(connection);
                }
                Err(error) => {
                    tracing::debug!(%host, %error, "a host did not take the connection");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn connect(&self, host: &Host) -> Result<Connected, TransportError> {
        let name = format!("{}:{}:{}", program(), std::process::id(), self.role);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = match self.url.scheme() {
            Scheme::Rabbit { tls: true } => secured(&self.options.tls)?,
            _ => OwnedTLSConfig::default(),
        };
        let connecting = socket::connect(self.uri(host), properties, tls, CONNECT_LIMIT);
        match timeout(CONNECT_LIMIT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(refusal(&error, host)),
            Err(_) => {
                let what = format!("no answer from {host} within {CONNECT_LIMIT:?}");
                Err(TransportError::new(TransportErrorKind::Unreachable, what))
            }
        }
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
fn secured(tls: &Tls) -> Result<OwnedTLSConfig, TransportError> {
    let read = |file: &Path| {
        std::fs::read_to_string(file).map_err(|error| {
            let what = format!("cannot read {}", file.display());
            TransportError::caused(TransportErrorKind::Configuration, what, error)
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
    Ok(OwnedTLSConfig { identity, cert_chain: Some(read(&authority)?) })
}

/// Returns the file of the authorities that this machine trusts.
fn authorities() -> Option<PathBuf> {
    #[cfg(feature = "tls")]
    return openssl_probe::probe().cert_file;
    #[cfg(not(feature = "tls"))]
    None
}

async fn close(generation: &Generation) {
    if generation.is_alive() {
        let _ = timeout(CLOSE_LIMIT, generation.connection.close(200, "bye".into())).await;
    }
    generation.switch.turn_off();
}

/// Says why a host did not take the connection.
fn refusal(error: &lapin::Error, host: &Host) -> TransportError {
    let refused = match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(
            error.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
                | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
        ),
        _ => false,
    };
    if refused {
        let what = format!("{host} refused the login or the virtual host");
        return TransportError::caused(TransportErrorKind::Refused, what, error.clone());
    }
    TransportError::caused(
        TransportErrorKind::Unreachable,
        format!("cannot connect to {host}"),
        error.clone(),
    )
}

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
}
