//! The configuration files of OpenStack's services (`oslo.config`): what of them concerns messaging.

mod file;

use std::{fmt, path::Path, time::Duration};

use self::file::{Files, Value};
use crate::{
    Notifier, RabbitOptions, Server, ServerBuilder, Transport, TransportBuilder, TransportError,
    TransportErrorKind,
    logging::guarded,
    notify::{Format, LogDriver, NotifierBuilder},
    options,
};

/// What a service's configuration files say about messaging: `[DEFAULT]`, `[oslo_messaging_rabbit]` and
/// `[oslo_messaging_notifications]`. All other sections belong to others, and are passed over.
///
/// ```
/// # fn main() -> Result<(), rpc_runtime::TransportError> {
/// let config = rpc_runtime::Config::parse(
///     "[DEFAULT]\n\
///      my_host = broker.example.org\n\
///      transport_url = rabbit://cinder:secret@$my_host:5672/\n\
///      rpc_response_timeout = 90\n\
///      [oslo_messaging_rabbit]\n\
///      rabbit_quorum_queue = true\n\
///      rabbit_transient_quorum_queue = true\n",
/// )?
/// .default_control_exchange("cinder");
/// assert_eq!(config.response_timeout().as_secs(), 90);
/// assert!(!format!("{config:?}").contains("secret"));
/// let builder = config.transport(); // then `.connect().await?`
/// # drop(builder); Ok(()) }
/// ```
///
/// # The form of the files
///
/// As `oslo.config` reads them: `name = value` or `name: value`; comments begin a line with `#` or `;`; a line that
/// begins with a space goes on with the value before it; quotes around a value are taken off; `-` and `_` are the same
/// in names; `$name`, `${name}` and `${group.name}` stand for other options of the files, `$$` and `\$` for a `$`. An
/// option that comes again wins, also one of a later file, and a driver of notifications is added.
#[derive(Clone)]
pub struct Config {
    transport_url: Option<String>,
    control_exchange: Option<String>,
    response_timeout: Duration,
    concurrency: usize,
    ping: bool,
    /// The options of `[oslo_messaging_rabbit]`, at a URL that counts for nothing.
    rabbit: TransportBuilder,
    notifications: NotificationOptions,
}

/// What `[oslo_messaging_notifications]` says.
#[derive(Clone)]
pub struct NotificationOptions {
    drivers: Vec<String>,
    transport_url: Option<String>,
    topics: Vec<String>,
    retry: Option<u32>,
    routing: Option<String>,
}

impl Config {
    /// The original's `executor_thread_pool_size`.
    const CONCURRENCY: usize = 64;
    /// The original's `transport_url`: a broker on this machine.
    const TRANSPORT_URL: &str = "rabbit://";

    /// Reads one file.
    ///
    /// # Errors
    /// If it cannot be read, is malformed, or an option that belongs to messaging has a value that it cannot have. The
    /// text names file, section and option, and never a password.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TransportError> {
        Self::load_all([path])
    }

    /// Reads several files, of which later ones win, as with a repeated `--config-file`. Of a directory, all files that
    /// end in `.conf` are read in the order of their names, as with `--config-dir`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_all<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Self, TransportError> {
        let mut files = Files::default();
        for path in paths {
            files.load(path.as_ref())?;
        }
        Self::of(&files)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str) -> Result<Self, TransportError> {
        let mut files = Files::default();
        files.parse("the configuration", text)?;
        Self::of(&files)
    }

    fn of(files: &Files) -> Result<Self, TransportError> {
        let last = |names: &[&str]| files.last("DEFAULT", names);
        let seconds = last(&["rpc_response_timeout"])?.map(|value| value.number(1)).transpose()?;
        let concurrency = last(&["executor_thread_pool_size", "rpc_thread_pool_size"])?;
        let config = Self {
            transport_url: last(&["transport_url"])?.and_then(Value::text),
            control_exchange: last(&["control_exchange"])?.and_then(Value::text),
            response_timeout: seconds
                .map_or(TransportBuilder::TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
            concurrency: match concurrency.map(|value| value.number(1)).transpose()? {
                Some(threads) => usize::try_from(threads).unwrap_or(usize::MAX),
                None => Self::CONCURRENCY,
            },
            ping: match last(&["rpc_ping_enabled"])? {
                Some(value) => value.flag()?,
                None => false,
            },
            rabbit: rabbit(files)?,
            notifications: NotificationOptions::of(files)?,
        };
        config.transport().check().map_err(|error| files.blame("DEFAULT", &error))?;
        config
            .notification_transport()
            .check()
            .map_err(|error| files.blame("oslo_messaging_notifications", &error))?;
        Ok(config)
    }

    /// Sets the control exchange of files that name none: OpenStack's services have one each, called like them.
    /// Default: [`TransportBuilder::CONTROL_EXCHANGE`].
    #[must_use]
    pub fn default_control_exchange(mut self, exchange: &str) -> Self {
        self.control_exchange.get_or_insert_with(|| exchange.to_owned());
        self
    }

    /// Starts a transport as the files say.
    pub fn transport(&self) -> TransportBuilder {
        self.builder(self.transport_url.as_deref())
    }

    /// Starts the transport for notifications: by `[oslo_messaging_notifications] transport_url`, or the one of
    /// `[DEFAULT]` where there is none.
    pub fn notification_transport(&self) -> TransportBuilder {
        let own = self.notifications.transport_url.as_deref();
        self.builder(own.or(self.transport_url.as_deref()))
    }

    fn builder(&self, url: Option<&str>) -> TransportBuilder {
        let builder = self.rabbit.clone().at(url.unwrap_or(Self::TRANSPORT_URL));
        builder.control_exchange(self.control_exchange()).timeout(self.response_timeout)
    }

    /// Starts a server on `transport` with as many slots as the files say, and with or without ping.
    pub fn server(&self, transport: &Transport) -> ServerBuilder {
        Server::builder(transport).concurrency(self.concurrency).ping(self.ping)
    }

    /// Starts a notifier on `transport` with the drivers, the topics and the retries that the files say. No driver: nothing is
    /// sent, as in the original.
    ///
    /// The original counts attempts. A notification waits here for as long as those would take, with its pauses: 1 s for
    /// one, 4 s for two, 9 s for three.
    ///
    /// # Errors
    /// If there is no such driver: `messaging`, `messagingv2`, `log` and `noop` are known, and `routing` with the feature of that
    /// name; if its file of rules is none.
    pub fn notifier(&self, transport: &Transport) -> Result<NotifierBuilder, TransportError> {
        let options = &self.notifications;
        let builder = Notifier::builder(transport).noop().give_up_after(options.patience());
        let builder = options.topics.iter().fold(builder, NotifierBuilder::topic);
        options.drivers.iter().try_fold(builder, |builder, driver| match driver.as_str() {
            "messaging" => Ok(builder.messaging(Format::V1)),
            "messagingv2" | "messaging_v2" => Ok(builder.messaging(Format::V2)),
            "log" => Ok(builder.driver(LogDriver)),
            "noop" => Ok(builder),
            "routing" => options.routed(builder),
            "test" => Err(wrong(
                "[oslo_messaging_notifications] driver cannot be `test`: a test gives its notifier a `Recorder`",
            )),
            unknown => {
                let unknown = unknown.escape_debug();
                let known = "expected `messaging`, `messagingv2`, `log`, `routing` or `noop`";
                let option = "[oslo_messaging_notifications] driver";
                Err(wrong(format!("{option} cannot be `{unknown}`: {known}")))
            }
        })
    }

    /// The exchange that topics are bound to (`control_exchange`).
    #[must_use]
    pub fn control_exchange(&self) -> &str {
        self.control_exchange.as_deref().unwrap_or(TransportBuilder::CONTROL_EXCHANGE)
    }

    /// How long requests may take that do not say otherwise (`rpc_response_timeout`).
    #[must_use]
    pub fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// How many requests a server runs at a time (`executor_thread_pool_size`).
    #[must_use]
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Whether servers answer to a ping (`rpc_ping_enabled`).
    #[must_use]
    pub fn ping(&self) -> bool {
        self.ping
    }

    /// The options of `[oslo_messaging_rabbit]`.
    #[must_use]
    pub fn rabbit(&self) -> RabbitOptions {
        self.rabbit.clone().into_rabbit()
    }

    /// What `[oslo_messaging_notifications]` says.
    #[must_use]
    pub fn notifications(&self) -> &NotificationOptions {
        &self.notifications
    }
}

/// Reads `[oslo_messaging_rabbit]`. What is unknown there is passed over, as in the original, and logged.
fn rabbit(files: &Files) -> Result<TransportBuilder, TransportError> {
    const SECTION: &str = "oslo_messaging_rabbit";
    let mut builder = Transport::builder(Config::TRANSPORT_URL);
    for name in files.names(SECTION) {
        if !TransportBuilder::knows(name) && !options::knows(name) {
            guarded(|| tracing::debug!(name, "no option of this library in [{SECTION}]"));
            continue;
        }
        let Some(value) = files.last(SECTION, &[name])? else { continue };
        builder = builder.option(name, &value.text).map_err(|error| value.blame(&error))?;
    }
    Ok(builder)
}

impl NotificationOptions {
    fn of(files: &Files) -> Result<Self, TransportError> {
        const SECTION: &str = "oslo_messaging_notifications";
        let read = |name: &str, old: &str| match files.last(SECTION, &[name])? {
            Some(value) => Ok(Some(value)),
            None => files.last("DEFAULT", &[old]),
        };
        let mut drivers = files.all(SECTION, "driver")?;
        if drivers.is_empty() {
            drivers = files.all("DEFAULT", "notification_driver")?;
        }
        let topics = read("topics", "notification_topics")?.and_then(Value::text);
        let topics = topics.as_deref().unwrap_or("notifications").split(',').map(str::trim);
        let retry = files.last(SECTION, &["retry"])?;
        Ok(Self {
            drivers: drivers.into_iter().filter_map(Value::text).collect(),
            transport_url: read("transport_url", "notification_transport_url")?
                .and_then(Value::text),
            topics: topics.filter(|topic| !topic.is_empty()).map(str::to_owned).collect(),
            retry: retry.map(|value| value.retries()).transpose()?.flatten(),
            routing: files.last(SECTION, &["routing_config"])?.and_then(Value::text),
        })
    }

    #[cfg(feature = "routing")]
    fn routed(&self, builder: NotifierBuilder) -> Result<NotifierBuilder, TransportError> {
        let option = "[oslo_messaging_notifications] routing_config";
        let Some(file) = self.routing() else {
            return Err(wrong(format!(
                "{option} is missing: the driver `routing` needs its rules"
            )));
        };
        let rules = crate::notify::Routing::load(file);
        let rules = rules.map_err(|error| wrong(format!("{option}: {error}")))?;
        Ok(builder.routing(rules))
    }

    #[cfg(not(feature = "routing"))]
    fn routed(&self, _: NotifierBuilder) -> Result<NotifierBuilder, TransportError> {
        Err(wrong("this build has no driver `routing`: enable the feature `routing`"))
    }

    /// How long the original tries, by its own pauses (wire: section 7.4). `None`: for ever.
    fn patience(&self) -> Option<Duration> {
        let attempts = u64::from(self.retry?);
        // 1, 3, 5 and so on up to 29, and then 30 each.
        let seconds = if attempts <= 15 { attempts.pow(2) } else { 225 + 30 * (attempts - 15) };
        // What is longer than a few years is for ever.
        let most = 100_000_000;
        (seconds < most).then(|| Duration::from_secs(seconds))
    }

    /// The names of the drivers, in order: `messaging`, `messagingv2`, `log` and so on (`driver`). None: nothing is
    /// sent.
    #[must_use]
    pub fn drivers(&self) -> &[String] {
        &self.drivers
    }

    /// The topics that notifications go to (`topics`).
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// How often sending is tried again (`retry`). `None`: for ever.
    #[must_use]
    pub fn retry(&self) -> Option<u32> {
        self.retry
    }

    /// The file of rules for the driver `routing` (`routing_config`).
    #[must_use]
    pub fn routing(&self) -> Option<&Path> {
        self.routing.as_deref().map(Path::new)
    }
}

impl fmt::Debug for Config {
    /// Leaves out what may hold a password: URLs, and options as they were written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("control_exchange", &self.control_exchange())
            .field("response_timeout", &self.response_timeout)
            .field("concurrency", &self.concurrency)
            .field("ping", &self.ping)
            .field("rabbit", &self.rabbit())
            .field("notifications", &self.notifications)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NotificationOptions {
    /// Leaves out the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationOptions")
            .field("drivers", &self.drivers)
            .field("topics", &self.topics)
            .field("retry", &self.retry)
            .field("routing", &self.routing)
            .finish_non_exhaustive()
    }
}

/// An error of the configuration.
fn wrong(what: impl Into<String>) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, what)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
