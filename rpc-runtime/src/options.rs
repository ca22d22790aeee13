//! The options of a RabbitMQ transport: what is declared there, how it logs in, and how it comes back.

mod names;
pub(crate) mod origin;
mod validation;

use std::{path::PathBuf, time::Duration};

use crate::TransportError;
pub(crate) use names::{current, misspelt, whole};
#[cfg(feature = "config")]
pub(crate) use names::{flag, former, is_blank, may_be_empty, names};

/// How a transport uses RabbitMQ. What is declared is by default what the original declares, so that both share queues.
///
/// All services of a deployment have to agree on what is declared, as they do with the original: a queue has one shape.
///
/// ```
/// # fn main() {
/// use rpc_runtime::{RabbitOptions, Transport};
///
/// // What RabbitMQ 4 takes without deprecated features, and what survives the loss of a broker node.
/// let options = RabbitOptions::default().quorum_queues(true).transient_quorum_queues(true);
/// let builder = Transport::builder("rabbit://user:password@broker:5672/").rabbit(options);
/// # drop(builder); }
/// ```
///
/// # The original's names
///
/// A transport URL and a configuration file set the same options by their original's names.
///
/// | Original | Here | Default here |
/// |---|---|---|
/// | `amqp_durable_queues` | [`durable_queues`](Self::durable_queues) | no |
/// | `amqp_auto_delete` | [`auto_delete`](Self::auto_delete) | no |
/// | `rabbit_quorum_queue` | [`quorum_queues`](Self::quorum_queues) | no |
/// | `rabbit_quorum_delivery_limit`, `rabbit_quorum_max_memory_length`, `rabbit_quorum_max_memory_bytes` | [`quorum_delivery_limit`](Self::quorum_delivery_limit), [`quorum_max_memory_length`](Self::quorum_max_memory_length), [`quorum_max_memory_bytes`](Self::quorum_max_memory_bytes) | the broker's |
/// | `rabbit_transient_quorum_queue` | [`transient_quorum_queues`](Self::transient_quorum_queues) | no |
/// | `rabbit_transient_queues_ttl` | [`transient_queues_ttl`](Self::transient_queues_ttl) | 30 min |
/// | `rabbit_ha_queues` | [`ha_queues`](Self::ha_queues) | no |
/// | `rabbit_stream_fanout` | [`stream_fanout`](Self::stream_fanout) | no |
/// | `use_queue_manager`, `hostname`, `processname` | [`stable_queue_names`](Self::stable_queue_names) | random names |
/// | `enable_cancel_on_failover` | [`cancel_on_failover`](Self::cancel_on_failover) | no |
/// | `rabbit_qos_prefetch_count` | [`prefetch`](Self::prefetch) | as many as the server has slots |
/// | `heartbeat_timeout_threshold` | [`heartbeat`](Self::heartbeat) | 10 s (original: 60 s) |
/// | `rabbit_login_method` | [`login`](Self::login) | `PLAIN` (original: `AMQPLAIN`) |
/// | `ssl`, `ssl_ca_file`, `ssl_cert_file`, `ssl_key_file` | [`tls`](Self::tls), [`tls_authority`](Self::tls_authority), [`tls_identity`](Self::tls_identity) | no |
/// | none | [`tls_server_name`](Self::tls_server_name) | the host's |
/// | `kombu_reconnect_delay`, `kombu_reconnect_splay` | [`reconnect_delay`](Self::reconnect_delay) | none (original: 1 s) |
/// | `rabbit_retry_interval`, `rabbit_interval_max` | [`retry_interval`](Self::retry_interval) | 0.1 s to 1.5 s (original: 1 s to 30 s) |
/// | `kombu_failover_strategy` | [`failover`](Self::failover) | `round-robin` |
/// | none; here `connect_timeout` | [`connect_timeout`](Self::connect_timeout) | 5 s |
/// | none; here `no_consumer_after` | [`no_consumer_after`](Self::no_consumer_after) | 5 s |
/// | `kombu_missing_consumer_retry_timeout` | [`absent_caller_timeout`](Self::absent_caller_timeout) | 60 s |
/// | `kombu_compression` | [`TransportBuilder::compression`](crate::TransportBuilder::compression) | none |
///
/// Others are read, checked for their form, and have nothing to change here: `rpc_conn_pool_size`,
/// `conn_pool_min_size` and `conn_pool_ttl`, because two connections serve all; `heartbeat_rate` and
/// `heartbeat_in_pthread`, because heartbeats do not depend on what an application does; `direct_mandatory_flag`, because
/// a reply that no queue takes is always noticed; `rabbit_retry_backoff`, because pauses grow by a rule of their own;
/// `ssl_enforce_hostname_verification` and `ssl_version`, because a host's name is always verified and the best version
/// is chosen, of which 1.2 is the oldest; `ssl_enforce_fips_mode`, which cannot be promised, and is refused where TLS is
/// used.
#[derive(Clone, Debug, PartialEq)]
pub struct RabbitOptions {
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) quorum: bool,
    pub(crate) transient_quorum: bool,
    pub(crate) delivery_limit: u32,
    pub(crate) max_memory_length: u32,
    pub(crate) max_memory_bytes: u32,
    pub(crate) ha: bool,
    pub(crate) transient_ttl: Duration,
    pub(crate) stream_fanout: bool,
    pub(crate) names: QueueNames,
    pub(crate) cancel_on_failover: bool,
    /// `None`: as many as there are slots.
    pub(crate) prefetch: Option<u16>,
    /// Zero: as the broker has it.
    pub(crate) heartbeat: Duration,
    pub(crate) login: Login,
    pub(crate) trusted_users: Vec<String>,
    pub(crate) tls: Tls,
    /// The pause before the first attempt to reconnect, and by how much it differs at random.
    pub(crate) reconnect_delay: (Duration, Duration),
    /// The shortest and the longest pause between attempts.
    pub(crate) retry_interval: (Duration, Duration),
    pub(crate) failover: Failover,
    /// How long one host may take.
    pub(crate) connect_timeout: Duration,
    /// Zero: never.
    pub(crate) no_consumer_after: Duration,
    pub(crate) absent_caller_timeout: Duration,
    /// Zero: never.
    pub(crate) check_exchanges: Duration,
    /// The least and the most connections of the original's pool: they only have to fit each other.
    pub(crate) pool: (u32, u32),
}

/// What a transport's own queues are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueNames {
    /// Whether a process that comes back finds its queues.
    pub(crate) stable: bool,
    /// `None`: this machine's.
    pub(crate) host: Option<String>,
    /// `None`: this program's.
    pub(crate) process: Option<String>,
}

/// How a connection is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// `None`: as the URL's driver says.
    pub(crate) enabled: Option<bool>,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// The name in the broker's certificate. `None`: its host's.
    pub(crate) server_name: Option<String>,
}

/// How a transport proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// By user and password, as every broker takes them.
    #[default]
    Plain,
    /// By user and password, in an older form.
    AmqPlain,
    /// By the certificate of the connection: needs [`RabbitOptions::tls_identity`].
    External,
    /// By user and password in two steps, as RabbitMQ demonstrates it.
    CrDemo,
}

/// Which host of a transport URL is tried next. The list is shuffled once for each connection in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failover {
    /// The one after the last.
    #[default]
    RoundRobin,
    /// Any.
    Shuffle,
}

impl Default for RabbitOptions {
    fn default() -> Self {
        Self {
            durable: false,
            auto_delete: false,
            quorum: false,
            transient_quorum: false,
            delivery_limit: 0,
            max_memory_length: 0,
            max_memory_bytes: 0,
            ha: false,
            transient_ttl: Self::TRANSIENT_TTL,
            stream_fanout: false,
            names: QueueNames::default(),
            cancel_on_failover: false,
            prefetch: None,
            heartbeat: Self::HEARTBEAT,
            login: Login::default(),
            trusted_users: Vec::new(),
            tls: Tls::default(),
            reconnect_delay: (Duration::ZERO, Duration::ZERO),
            retry_interval: Self::RETRY_INTERVAL,
            failover: Failover::default(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            no_consumer_after: Self::NO_CONSUMER_AFTER,
            absent_caller_timeout: Self::ABSENT_CALLER_TIMEOUT,
            check_exchanges: Self::CHECK_EXCHANGES,
            pool: (2, 30),
        }
    }
}

impl RabbitOptions {
    /// How long reply and fanout queues outlive their consumer by default.
    pub const TRANSIENT_TTL: Duration = Duration::from_secs(1800);
    /// How often the two ends of a connection tell each other that they live, by default. Two that are missing end it.
    pub const HEARTBEAT: Duration = Duration::from_secs(10);
    /// The shortest and the longest pause between attempts to connect, by default.
    pub const RETRY_INTERVAL: (Duration, Duration) =
        (Duration::from_millis(100), Duration::from_millis(1500));
    /// How long one host may take until a connection to it is open, by default.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// How long a queue has no consumer until calls that wait in it end, by default.
    pub const NO_CONSUMER_AFTER: Duration = Duration::from_secs(5);
    /// How long a reply is tried whose request does not say how long its caller waits, by default.
    pub const ABSENT_CALLER_TIMEOUT: Duration = Duration::from_secs(60);
    /// How often a server looks whether its exchanges are still there, by default.
    pub const CHECK_EXCHANGES: Duration = Duration::from_millis(500);

    /// Lets control exchanges and the queues of topics and hosts survive a restart of the broker
    /// (`amqp_durable_queues`). Default: no.
    #[must_use]
    pub fn durable_queues(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Lets the broker delete control exchanges and the queues of topics and hosts with their last user
    /// (`amqp_auto_delete`). Default: no.
    #[must_use]
    pub fn auto_delete(mut self, auto_delete: bool) -> Self {
        self.auto_delete = auto_delete;
        self
    }

    /// Makes the queues of topics and hosts quorum queues, which are replicated and durable (`rabbit_quorum_queue`).
    /// Default: no.
    #[must_use]
    pub fn quorum_queues(mut self, quorum: bool) -> Self {
        self.quorum = quorum;
        self
    }

    /// Makes reply and fanout queues quorum queues, too (`rabbit_transient_quorum_queue`). Default: no.
    #[must_use]
    pub fn transient_quorum_queues(mut self, quorum: bool) -> Self {
        self.transient_quorum = quorum;
        self
    }

    /// Limits how often a quorum queue delivers one message (`rabbit_quorum_delivery_limit`). Default: 0, the broker's
    /// own limit.
    #[must_use]
    pub fn quorum_delivery_limit(mut self, times: u32) -> Self {
        self.delivery_limit = times;
        self
    }

    /// Limits how many messages a quorum queue keeps in memory (`rabbit_quorum_max_memory_length`). Default: 0, the
    /// broker's own limit.
    #[must_use]
    pub fn quorum_max_memory_length(mut self, messages: u32) -> Self {
        self.max_memory_length = messages;
        self
    }

    /// Limits how many bytes a quorum queue keeps in memory (`rabbit_quorum_max_memory_bytes`). Default: 0, the broker's
    /// own limit.
    #[must_use]
    pub fn quorum_max_memory_bytes(mut self, bytes: u32) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// Declares queues with `x-ha-policy` (`rabbit_ha_queues`), which no broker has looked at since RabbitMQ 3.0: for
    /// queues that exist with it. Default: no.
    #[must_use]
    pub fn ha_queues(mut self, ha: bool) -> Self {
        self.ha = ha;
        self
    }

    /// Sets how long reply and fanout queues outlive their consumer (`rabbit_transient_queues_ttl`). Zero keeps them for
    /// ever, where a crash leaves one behind. Whole milliseconds, 24 days at most. Default: [`Self::TRANSIENT_TTL`].
    #[must_use]
    pub fn transient_queues_ttl(mut self, ttl: Duration) -> Self {
        self.transient_ttl = ttl;
        self
    }

    /// Asks the broker to cancel consumers when a mirrored queue fails over (`enable_cancel_on_failover`). Default: no.
    #[must_use]
    pub fn cancel_on_failover(mut self, cancel: bool) -> Self {
        self.cancel_on_failover = cancel;
        self
    }

    /// Sends fanout casts through one stream for all servers of a topic, instead of a queue for each
    /// (`rabbit_stream_fanout`). Needs [`Self::transient_quorum_queues`], as in the original. Default: no.
    ///
    /// A server sees what is published after it has been bound, and nothing twice after a lost connection. The
    /// original's servers run again what was published before they started.
    #[must_use]
    pub fn stream_fanout(mut self, stream: bool) -> Self {
        self.stream_fanout = stream;
        self
    }

    /// Names the queues for replies and fanout casts after host, process and a number, so that a process that comes
    /// back finds its queues (`use_queue_manager`). Default: no, names are random and go with the process.
    ///
    /// The number is the lowest free one from 1001; the original counts from 1, in a file of the
    /// machine. The broker refuses a number that is in use, so two processes never share a queue,
    /// even if they have the same host and process name. With
    /// [`transient_quorum_queues`](Self::transient_quorum_queues) that takes a second queue for
    /// each name, with `.claim` behind it, which goes with its connection.
    #[must_use]
    pub fn stable_queue_names(mut self, stable: bool) -> Self {
        self.names.stable = stable;
        self
    }

    /// Sets the host in [stable names](Self::stable_queue_names) (`hostname`). Default: this machine's.
    #[must_use]
    pub fn host_name(mut self, host: impl Into<String>) -> Self {
        self.names.host = Some(host.into());
        self
    }

    /// Sets the process in [stable names](Self::stable_queue_names) (`processname`). Default: the program's file.
    #[must_use]
    pub fn process_name(mut self, process: impl Into<String>) -> Self {
        self.names.process = Some(process.into());
        self
    }

    /// Limits how many requests of one queue a server may have that are not acknowledged (`rabbit_qos_prefetch_count`,
    /// where 0 is the default). Default: as many as it has slots, so that it takes none from servers that are idle.
    #[must_use]
    pub fn prefetch(mut self, requests: u16) -> Self {
        self.prefetch = (requests > 0).then_some(requests);
        self
    }

    /// Sets how often both ends of a connection tell each other that they live (`heartbeat_timeout_threshold`). Two
    /// that are missing end it. Whole seconds up to 65535; zero leaves it to the broker. Default: [`Self::HEARTBEAT`].
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// Sets how to log in (`rabbit_login_method`). Default: [`Login::Plain`].
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        self.login = login;
        self
    }

    /// Names broker users whose counters of redeliveries are believed, beside the users that this
    /// transport logs in as. Default: none.
    ///
    /// A classic queue does not count deliveries, so servers and listeners publish a message that
    /// was delivered before anew, with a counter. They believe a counter only if the broker has
    /// verified its author, by AMQP's property `user-id`. Servers of one topic that log in as
    /// different users have to name each other's users here, or the count begins anew whenever
    /// another user's server publishes the message. With [`Login::External`] the broker alone knows
    /// the name of the login: no copy carries a `user-id`, and the [limit of
    /// deliveries](crate::ServerBuilder::delivery_limit) needs quorum queues, which count by
    /// themselves.
    ///
    /// RabbitMQ lets a user with the tag `impersonator` claim any `user-id`. Messages of the same
    /// user are not told apart.
    #[must_use]
    pub fn trusted_users<U: Into<String>>(mut self, users: impl IntoIterator<Item = U>) -> Self {
        self.trusted_users = users.into_iter().map(Into::into).collect();
        self
    }

    /// Secures the connection (`ssl`). Needs the feature `tls`. The broker's certificate and its host's name are always
    /// verified. Default: as the URL says, `amqps://` or `amqp://`.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls.enabled = Some(tls);
        self
    }

    /// Trusts the authorities of a PEM file, and no others (`ssl_ca_file`). It is read when a connection is made. Default:
    /// those of this machine, or of the file that `SSL_CERT_FILE` names.
    #[must_use]
    pub fn tls_authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.authority = Some(file.into());
        self
    }

    /// Shows the broker a certificate, both from PEM files (`ssl_cert_file`, `ssl_key_file`). They are read when a
    /// connection is made, so that renewed ones are used.
    #[must_use]
    pub fn tls_identity(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.certificate = Some(certificate.into());
        self.tls.key = Some(key.into());
        self
    }

    /// Sets the name that the broker's certificate has to have, for brokers that are reached by an address or through a relay.
    /// Default: the host's, as the URL says it. A name that can be none is an error of kind
    /// [`Tls`](crate::TransportErrorKind::Tls) at the first connection.
    #[must_use]
    pub fn tls_server_name(mut self, name: impl Into<String>) -> Self {
        self.tls.server_name = Some(name.into());
        self
    }

    /// Waits before the first attempt to come back from a lost connection: for `delay`, and up to `splay` more at
    /// random (`kombu_reconnect_delay`, `kombu_reconnect_splay`). Default: not at all.
    #[must_use]
    pub fn reconnect_delay(mut self, delay: Duration, splay: Duration) -> Self {
        self.reconnect_delay = (delay, splay);
        self
    }

    /// Limits how long one host may take, from looking up its name to an open connection. If it
    /// takes longer, the next host is tried. The addresses of one host share the time. Option:
    /// `connect_timeout`, in seconds. Default: [`Self::CONNECT_TIMEOUT`].
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the shortest and the longest pause between attempts to connect
    /// (`rabbit_retry_interval`, `rabbit_interval_max`). Default: [`Self::RETRY_INTERVAL`].
    ///
    /// While no broker answers, the first attempt is made at once. After that each connection
    /// pauses for half of the time that the outage has lasted, for at least three times `first` and
    /// at most `longest`. The two connections of a transport take turns, and the first to succeed
    /// wakes the other. A host that answers and refuses has pauses of its own, of at most a quarter
    /// of a minute.
    #[must_use]
    pub fn retry_interval(mut self, first: Duration, longest: Duration) -> Self {
        self.retry_interval = (first, longest);
        self
    }

    /// Sets which host is tried next (`kombu_failover_strategy`). Default: [`Failover::RoundRobin`].
    #[must_use]
    pub fn failover(mut self, failover: Failover) -> Self {
        self.failover = failover;
        self
    }

    /// Sets how long a reply is tried whose queue is not there, if its request does not say how long its caller waits
    /// (`kombu_missing_consumer_retry_timeout`). Default: [`Self::ABSENT_CALLER_TIMEOUT`].
    #[must_use]
    pub fn absent_caller_timeout(mut self, timeout: Duration) -> Self {
        self.absent_caller_timeout = timeout;
        self
    }

    /// Sets how often a server looks whether its exchanges are still there, more or less. A broker tells nobody when one is
    /// deleted, and then nothing arrives any more; the original's servers have to be started again. A look costs the broker
    /// one question for each exchange, however many servers a transport has, and it answers them from memory. Bindings are made
    /// again in turn, all of them within twenty looks, or 16 servers' in each where there are more than 320. Zero: never. Default:
    /// [`Self::CHECK_EXCHANGES`].
    #[must_use]
    pub fn check_exchanges(mut self, every: Duration) -> Self {
        self.check_exchanges = every;
        self
    }

    /// Ends a call with [`CallError::NoConsumer`](crate::CallError::NoConsumer) whose request waits
    /// in a queue that has no consumer, once the broker has reported that for `time`. Zero turns
    /// this off. Option: `no_consumer_after`, in seconds. Default: [`Self::NO_CONSUMER_AFTER`].
    ///
    /// A server that is restarted should be back by then. The broker is asked about a queue only
    /// while a call of this transport has waited in it for 200 ms, and at most once a second. A
    /// broker that refuses to answer is not asked again about that queue until the next connection.
    ///
    /// A request that a server may have taken is waited for until its deadline: one that was sent
    /// while the queue had a consumer, or after which the queue was found empty.
    /// [`CallError::DeadlineExceeded`](crate::CallError) then names the queue, if it has no
    /// consumer any more.
    #[must_use]
    pub fn no_consumer_after(mut self, time: Duration) -> Self {
        self.no_consumer_after = time;
        self
    }

    /// Sets an option by the original's name, as transport URLs and configuration files have them: see the table
    /// [above](Self#the-originals-names).
    ///
    /// # Errors
    /// If there is no such option here, or `value` has not its form.
    pub fn set(mut self, name: &str, value: &str) -> Result<Self, TransportError> {
        names::set(&mut self, name, value)?;
        Ok(self)
    }
}
