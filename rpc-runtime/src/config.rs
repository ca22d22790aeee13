//! The configuration files of OpenStack's services (`oslo.config`), as far as they concern
//! messaging.

mod file;
mod lines;
mod notices;

use std::{ffi::OsString, fmt, path::Path, time::Duration};

use self::file::{DEFAULT, Files, Name, Value};
use crate::{
    Notifier, RabbitOptions, Server, ServerBuilder, Transport, TransportBuilder, TransportError,
    TransportErrorKind,
    logging::guarded,
    notify::{Format, LogDriver, NotifierBuilder},
    options::{self, origin::Origin},
};

/// The section of the options of RabbitMQ.
const RABBIT: &str = "oslo_messaging_rabbit";
/// The section of the options of notifications.
const NOTIFICATIONS: &str = "oslo_messaging_notifications";

/// The options of messaging in a service's configuration files and environment: `[DEFAULT]`,
/// `[oslo_messaging_rabbit]` and `[oslo_messaging_notifications]`. Sections of other libraries are
/// passed over.
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
/// Files are read as `oslo.config` 10.7 reads them, and each file that it refuses is refused with
/// file, line and reason.
///
/// - `[section]`, `name = value` or `name: value`; comments begin a line with `#` or `;`. A line
///   that begins with a blank or a tab continues the value before it, and is refused where there is
///   none.
/// - The blanks around a value are removed, and then one pair of quotes. In a URL, tabs and ends of
///   lines are removed as well, so that a URL may continue over several lines.
/// - `[DEFAULT]` is spelled in capitals; `[default]` is another section. Other sections may be
///   spelled either way. Options are spelled as the original spells them, with `_`.
/// - `$name`, `${name}` and `${group.name}` stand for other options of the files, `$$` and `\$` for
///   a `$`.
/// - An option that is set again wins, also one of a later file. A driver of notifications is
///   added.
/// - Files are UTF-8, without a byte order mark.
///
/// # The environment
///
/// [`load`](Self::load) and [`load_all`](Self::load_all) read the environment of the process, too:
/// the variable `OS_<GROUP>__<OPTION>`, in capitals, wins over the option in the files. Kubernetes
/// deployments set `OS_DEFAULT__TRANSPORT_URL` from a secret. The text of a variable counts as it
/// is, blanks and quotes included; only `$name` is replaced. An empty variable is an empty value.
/// Former names of options have no variables. `OS_OSLO_MESSAGING_NOTIFICATIONS__DRIVER` is one
/// driver; the original reads a driver for each letter. [`parse`](Self::parse) reads no
/// environment, and [`load_with_environment`](Self::load_with_environment) reads the one that it is
/// given.
///
/// # Mistakes
///
/// An error names file, line, section and option as they are spelled there, or the variable, and
/// never a password. Only what is used can fail: a mistake in `[oslo_messaging_notifications]` is
/// an error of [`notification_transport`](Self::notification_transport) when it connects, or of
/// [`notifier`](Self::notifier). An unknown option of these sections is a warning, which names the
/// option that was probably meant. So is an option in a section where it has no effect.
#[derive(Clone)]
pub struct Config {
    /// `None`: not set.
    transport_url: Option<Value>,
    control_exchange: Option<String>,
    response_timeout: Duration,
    concurrency: usize,
    ping: bool,
    /// The options of `[oslo_messaging_rabbit]`, at a URL that counts for nothing.
    rabbit: TransportBuilder,
    notifications: NotificationOptions,
}

/// The options of `[oslo_messaging_notifications]`.
#[derive(Clone)]
pub struct NotificationOptions {
    drivers: Vec<String>,
    /// `Ok(None)`: the URL of `[DEFAULT]`.
    transport_url: Result<Option<Value>, TransportError>,
    topics: Vec<String>,
    retry: Option<u32>,
    routing: Option<String>,
    /// The first invalid option.
    invalid: Option<TransportError>,
}

impl Config {
    /// The original's `executor_thread_pool_size`.
    const CONCURRENCY: usize = 64;
    /// The original's `transport_url`: a broker on this machine.
    const TRANSPORT_URL: &str = "rabbit://";

    /// Reads one file, and the environment of the process.
    ///
    /// # Errors
    /// If the file cannot be read, is malformed, or an option of `[DEFAULT]` or
    /// `[oslo_messaging_rabbit]` that belongs to messaging has a value that it cannot have.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TransportError> {
        Self::load_all([path])
    }

    /// Reads several files, and the environment of the process.
    ///
    /// Later files win, as with a repeated `--config-file`. Of a directory, all files that end in
    /// `.conf` are read in the order of their names, as with `--config-dir`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_all<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Self, TransportError> {
        Self::load_with_environment(paths, std::env::vars_os())
    }

    /// Reads several files, as [`load_all`](Self::load_all) does, and these variables in place of
    /// the environment of the process.
    ///
    /// ```
    /// # fn main() -> Result<(), rpc_runtime::TransportError> {
    /// use rpc_runtime::Config;
    ///
    /// let files: [&str; 0] = [];
    /// let variables = [("OS_DEFAULT__RPC_RESPONSE_TIMEOUT", "90")];
    /// let variables = variables.map(|(name, value)| (name.into(), value.into()));
    /// let config = Config::load_with_environment(files, variables)?;
    /// assert_eq!(config.response_timeout().as_secs(), 90);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_environment<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, TransportError> {
        let mut files = Files::default();
        files.variables(variables);
        for path in paths {
            files.load(path.as_ref())?;
        }
        Self::of(&files)
    }

    /// Reads the text of a file, and no environment.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str) -> Result<Self, TransportError> {
        let mut files = Files::default();
        files.parse("the configuration", text)?;
        Self::of(&files)
    }

    fn of(files: &Files) -> Result<Self, TransportError> {
        let last = |name| files.last(&[(DEFAULT, name)]);
        let control_exchange = last("control_exchange")?;
        if let Some(exchange) = control_exchange.as_ref().filter(|value| value.text.is_empty()) {
            return Err(exchange.misspelt("the name of an exchange"));
        }
        let threads = [(DEFAULT, "executor_thread_pool_size"), (DEFAULT, "rpc_thread_pool_size")];
        let number = |value: Option<Value>| match value {
            Some(value) => value.number(1),
            None => Ok(None),
        };
        let (seconds, threads) =
            (number(last("rpc_response_timeout")?)?, number(files.last(&threads)?)?);
        let config = Self {
            transport_url: last("transport_url")?,
            control_exchange: control_exchange.map(|exchange| exchange.text),
            response_timeout: seconds
                .map_or(TransportBuilder::TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
            concurrency: match threads {
                Some(threads) => usize::try_from(threads).unwrap_or(usize::MAX),
                None => Self::CONCURRENCY,
            },
            ping: match last("rpc_ping_enabled")? {
                Some(value) => value.flag()?,
                None => false,
            },
            rabbit: rabbit(files),
            notifications: NotificationOptions::of(files),
        };
        config.transport().check()?;
        for notice in notices::of(files) {
            notice.log();
        }
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
        self.builder(self.transport_url.as_ref())
    }

    /// Starts the transport for notifications: by `[oslo_messaging_notifications] transport_url`, or the one of
    /// `[DEFAULT]` where there is none. A URL that cannot be used is an error when it connects.
    pub fn notification_transport(&self) -> TransportBuilder {
        match &self.notifications.transport_url {
            Ok(own) => self.builder(own.as_ref().or(self.transport_url.as_ref())),
            Err(error) => {
                let mut builder = self.builder(None);
                builder.origins().no_url = Some(error.clone());
                builder
            }
        }
    }

    fn builder(&self, url: Option<&Value>) -> TransportBuilder {
        let text = url.map_or(Self::TRANSPORT_URL, |url| &url.text);
        let mut builder = self.rabbit.clone().at(text);
        builder.origins().url = url.map_or(Origin::Default, |url| url.origin.clone());
        builder.control_exchange(self.control_exchange()).timeout(self.response_timeout)
    }

    /// Starts a server on `transport` with as many slots as the files say, and with or without ping.
    pub fn server(&self, transport: &Transport) -> ServerBuilder {
        Server::builder(transport).concurrency(self.concurrency).ping(self.ping)
    }

    /// Starts a notifier on `transport` with the drivers, the topics and the retries that the files
    /// say.
    ///
    /// No driver, or no topic: nothing is sent, as in the original. A driver that is named twice
    /// sends once. A driver that is unknown, that this build lacks (`routing` needs the feature of
    /// that name), or that has no use here (`test`) is a warning, and the others work.
    ///
    /// The original counts attempts. A notification waits here for as long as those would take, with its pauses: 1 s for
    /// one, 4 s for two, 9 s for three.
    ///
    /// # Errors
    /// If an option of `[oslo_messaging_notifications]` has a value that it cannot have, or the
    /// file of rules for the driver `routing` cannot be read.
    pub fn notifier(&self, transport: &Transport) -> Result<NotifierBuilder, TransportError> {
        let options = &self.notifications;
        if let Some(error) = &options.invalid {
            return Err(error.clone());
        }
        let builder = Notifier::builder(transport).noop().without_default_topic();
        let builder = builder.give_up_after(options.patience());
        let builder = options.topics.iter().fold(builder, NotifierBuilder::topic);
        let drivers = options.drivers.iter().enumerate();
        let drivers = drivers.filter(|(at, driver)| !options.drivers[..*at].contains(driver));
        drivers.map(|(_, driver)| driver).try_fold(builder, |builder, driver| {
            match driver.as_str() {
                "messaging" => Ok(builder.messaging(Format::V1)),
                "messagingv2" => Ok(builder.messaging(Format::V2)),
                "log" => Ok(builder.driver(LogDriver)),
                "noop" => Ok(builder),
                "routing" => options.routed(builder),
                "test" => {
                    let hint = "a test gives its notifier a `Recorder`";
                    guarded(|| tracing::warn!("the driver `test` sends no notifications; {hint}"));
                    Ok(builder)
                }
                unknown => {
                    let what = "unknown driver of notifications; it is ignored";
                    let known = "messaging, messagingv2, log, routing, noop";
                    guarded(|| tracing::warn!(driver = ?unknown, known, "{what}"));
                    Ok(builder)
                }
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

    /// Returns the options of `[oslo_messaging_notifications]`.
    #[must_use]
    pub fn notifications(&self) -> &NotificationOptions {
        &self.notifications
    }
}

/// Reads `[oslo_messaging_rabbit]`. An invalid option is an error of a transport that would use it.
fn rabbit(files: &Files) -> TransportBuilder {
    let mut builder = Transport::builder(Config::TRANSPORT_URL);
    for name in options::names().chain(TransportBuilder::OPTIONS) {
        let former = options::former(name).map(|former| (RABBIT, former));
        let names: Vec<Name<'_>> = std::iter::once((RABBIT, name)).chain(former).collect();
        let value = match files.last(&names) {
            Ok(Some(value)) => value,
            Ok(None) => continue,
            Err(error) => {
                builder.origins().invalid.insert(name, error);
                continue;
            }
        };
        if value.is_blank() && options::may_be_empty(name) {
            continue;
        }
        match builder.clone().option(name, &value.text) {
            Ok(set) => {
                builder = set;
                builder.origins().options.insert(name, value.origin);
            }
            Err(error) => {
                builder.origins().invalid.insert(name, value.origin.blame(&error));
            }
        }
    }
    builder
}

/// Keeps the first error, and goes on without the value.
fn or_default<T: Default>(
    read: Result<T, TransportError>,
    first: &mut Option<TransportError>,
) -> T {
    read.unwrap_or_else(|error| {
        first.get_or_insert(error);
        T::default()
    })
}

impl NotificationOptions {
    fn of(files: &Files) -> Self {
        let last = |name, former| files.last(&[(NOTIFICATIONS, name), (DEFAULT, former)]);
        let drivers = files.all(&[(NOTIFICATIONS, "driver"), (DEFAULT, "notification_driver")]);
        let retry = files.last(&[(NOTIFICATIONS, "retry")]);
        let routing = files.last(&[(NOTIFICATIONS, "routing_config")]);
        let url = last("transport_url", "notification_transport_url");
        let mut invalid = None;
        let topics = or_default(last("topics", "notification_topics"), &mut invalid);
        let topics = topics.map_or(NotifierBuilder::TOPIC.to_owned(), |topics| topics.text);
        let topics = topics.split(',').map(|topic| topic.trim_matches(options::is_blank));
        let is_given = |text: &String| !text.is_empty();
        let drivers = or_default(drivers, &mut invalid).into_iter().map(|driver| driver.text);
        let retry = retry.and_then(|retry| retry.map_or(Ok(None), |retry| retry.retries()));
        Self {
            drivers: drivers.filter(is_given).collect(),
            transport_url: url.map(|url| url.filter(|url| !url.text.is_empty())),
            topics: topics.map(str::to_owned).filter(is_given).collect(),
            retry: or_default(retry, &mut invalid),
            routing: or_default(routing, &mut invalid).map(|file| file.text).filter(is_given),
            invalid,
        }
    }

    #[cfg(feature = "routing")]
    fn routed(&self, builder: NotifierBuilder) -> Result<NotifierBuilder, TransportError> {
        let option = "[oslo_messaging_notifications] routing_config";
        let Some(file) = self.routing() else {
            let what = "the driver `routing` has no rules, and sends no notifications";
            guarded(|| tracing::warn!(option, "{what}"));
            return Ok(builder);
        };
        let rules = crate::notify::Routing::load(file);
        let rules = rules.map_err(|error| wrong(format!("{option}: {error}")))?;
        Ok(builder.routing(rules))
    }

    #[cfg(not(feature = "routing"))]
    fn routed(&self, builder: NotifierBuilder) -> Result<NotifierBuilder, TransportError> {
        let what = "this build has no driver `routing`: enable the feature `routing`";
        guarded(|| tracing::warn!("{what}"));
        Ok(builder)
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

#[cfg(all(test, feature = "rabbit"))]
mod judged;
#[cfg(test)]
mod tests;
