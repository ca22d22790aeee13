//! Who tells of what happens.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{
    Driver, Emission, Format, LogDriver, Message, Notification, NotifyError, Priority,
    emission::Progress,
    spool::{Draft, Room, Spool},
};
use crate::{
    Transport, clock,
    contain::{Panicked, contained},
    envelope::{Head, NoticeWriter, write_plain_context},
    ids::new_id,
    json,
    pending::{Exchange, Route},
    wire,
};

/// Tells of what happens, to whoever wants to know. Cheap to clone.
///
/// Emitting neither blocks nor fails. What the broker cannot take yet waits in the notifier's [spool](NotifierBuilder::spool);
/// what finds no room there is dropped, which is logged, counted by
/// [`Metrics::notifications_dropped`](crate::Metrics), and known to who waits for the [`Emission`]. The queues that
/// notifications wait in are made with the first one, so that none is lost before somebody listens.
///
/// See the [module](super) for an example.
#[derive(Clone)]
pub struct Notifier {
    publisher_id: Option<Arc<str>>,
    shared: Arc<Shared>,
}

struct Shared {
    spool: Arc<Spool>,
    exchange: Arc<str>,
    topics: Vec<String>,
    formats: Vec<Format>,
    drivers: Vec<Box<dyn Driver>>,
    #[cfg(feature = "routing")]
    routing: Option<super::Routing>,
    /// Whether a notification goes anywhere.
    is_enabled: bool,
    disclosure: Disclosure,
}

/// How much of a context goes along with a notification: everybody on the bus may read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclosure {
    /// All, but `null` for members that are called a token, a password, a secret, a catalogue or credentials.
    #[default]
    Redacted,
    /// Nothing.
    Nothing,
    /// All as it is, with the token of who made the request.
    Everything,
}

/// The options of a [`Notifier`].
#[must_use = "a builder does nothing until `build`"]
pub struct NotifierBuilder {
    transport: Transport,
    publisher_id: Option<Arc<str>>,
    topics: Vec<String>,
    /// Whether an empty list of topics stays empty.
    no_topics: bool,
    formats: Vec<Format>,
    drivers: Vec<Box<dyn Driver>>,
    #[cfg(feature = "routing")]
    routing: Option<super::Routing>,
    is_silent: bool,
    disclosure: Disclosure,
    room: Room,
    give_up_after: Option<Duration>,
}

impl NotifierBuilder {
    /// The original's default topic.
    pub const TOPIC: &'static str = "notifications";
    /// How many notifications wait for the broker by default.
    pub const SPOOL_MESSAGES: usize = 10_000;
    /// How many bytes of them, by default: 64 MiB.
    pub const SPOOL_BYTES: usize = 64 * 1024 * 1024;

    fn new(transport: &Transport) -> Self {
        Self {
            transport: transport.clone(),
            publisher_id: None,
            topics: Vec::new(),
            no_topics: false,
            formats: Vec::new(),
            drivers: Vec::new(),
            #[cfg(feature = "routing")]
            routing: None,
            is_silent: false,
            disclosure: Disclosure::default(),
            room: Room { messages: Self::SPOOL_MESSAGES, bytes: Self::SPOOL_BYTES },
            give_up_after: None,
        }
    }

    /// Says who tells: OpenStack's services name themselves and their host, as in `volume.host-1`. Default: nobody.
    pub fn publisher_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.publisher_id = Some(id.into());
        self
    }

    /// Adds a topic: each gets a copy. Default: [`Self::TOPIC`].
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Sends by the broker to the topics that are added, and to no default topic.
    #[cfg(feature = "config")]
    pub(crate) fn without_default_topic(mut self) -> Self {
        self.no_topics = true;
        self
    }

    /// Sends by the broker in this form, too. Default: [`Format::V2`], unless there is another driver.
    pub fn messaging(mut self, format: Format) -> Self {
        if !self.formats.contains(&format) {
            self.formats.push(format);
        }
        self
    }

    /// Sends nothing by itself: without a driver or a form to send in, notifications go nowhere (the driver `noop`).
    pub fn noop(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// Adds a driver.
    pub fn driver(mut self, driver: impl Driver) -> Self {
        self.drivers.push(Box::new(driver));
        self
    }

    /// Lets rules say which notifications go to the broker, in which form, and to the log (the driver `routing`). Drivers and forms
    /// that are set besides get all.
    #[cfg(feature = "routing")]
    pub fn routing(mut self, routing: super::Routing) -> Self {
        self.routing = Some(routing);
        self.noop()
    }

    /// Sets how much of the context goes along. Default: [`Disclosure::Redacted`].
    pub fn disclosure(mut self, disclosure: Disclosure) -> Self {
        self.disclosure = disclosure;
        self
    }

    /// Sets how much waits here while the broker takes nothing: so many copies, of so many bytes altogether. A single one
    /// is always taken. Defaults: [`Self::SPOOL_MESSAGES`], [`Self::SPOOL_BYTES`].
    pub fn spool(mut self, messages: usize, bytes: usize) -> Self {
        self.room = Room { messages: messages.max(1), bytes };
        self
    }

    /// Gives up notifications that the broker has not taken in so long (`retry`). With `Duration::ZERO` they are sent if
    /// there is a connection, once. Default: they wait for ever.
    pub fn give_up_after(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.give_up_after = time.into();
        self
    }

    /// Makes the notifier. It sends on the Tokio runtime on which it was made, wherever its methods
    /// are called; without one, or on one without timers, its emissions end with
    /// [`NotifyError::Unavailable`].
    #[must_use]
    pub fn build(self) -> Notifier {
        let mut this = self;
        if this.topics.is_empty() && !this.no_topics {
            this.topics.push(Self::TOPIC.to_owned());
        }
        if this.formats.is_empty() && this.drivers.is_empty() && !this.is_silent {
            this.formats.push(Format::default());
        }
        let is_enabled = !this.formats.is_empty() || !this.drivers.is_empty();
        #[cfg(feature = "routing")]
        let is_enabled = is_enabled || this.routing.is_some();
        let exchange = this.transport.control_exchange();
        let spool = Spool::new(this.transport, this.room, this.give_up_after, clock::runtime());
        let shared = Shared {
            spool,
            exchange,
            topics: this.topics,
            formats: this.formats,
            drivers: this.drivers,
            #[cfg(feature = "routing")]
            routing: this.routing,
            is_enabled,
            disclosure: this.disclosure,
        };
        Notifier { publisher_id: this.publisher_id, shared: Arc::new(shared) }
    }
}

impl fmt::Debug for NotifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifierBuilder")
            .field("publisher_id", &self.publisher_id)
            .field("topics", &self.topics)
            .field("formats", &self.formats)
            .field("disclosure", &self.disclosure)
            .finish_non_exhaustive()
    }
}

macro_rules! levels {
    ($($(#[$doc:meta])* $name:ident => $priority:ident,)*) => {
        impl Notifier {$(
            $(#[$doc])*
            pub fn $name<C: Serialize + ?Sized, P: Serialize + ?Sized>(
                &self,
                ctx: &C,
                event_type: &str,
                payload: &P,
            ) -> Emission {
                self.notify(Priority::$priority, ctx, event_type, payload)
            }
        )*}
    };
}

levels! {
    /// Tells of what may be asked about in an audit.
    audit => Audit,
    /// Tells of what helps to find a mistake.
    debug => Debug,
    /// Tells of what was done.
    info => Info,
    /// Tells of what may go wrong.
    warn => Warn,
    /// Tells of what went wrong.
    error => Error,
    /// Tells that nothing goes on.
    critical => Critical,
    /// Tells of a measurement.
    sample => Sample,
}

impl Notifier {
    /// Starts a notifier that sends by `transport`, to its [control exchange](crate::TransportBuilder::control_exchange).
    pub fn builder(transport: &Transport) -> NotifierBuilder {
        NotifierBuilder::new(transport)
    }

    /// Returns the same notifier, telling as somebody else.
    #[must_use]
    pub fn with_publisher_id(&self, id: impl Into<Arc<str>>) -> Self {
        Self { publisher_id: Some(id.into()), shared: Arc::clone(&self.shared) }
    }

    /// Tells of an event.
    pub fn emit<C, E>(&self, ctx: &C, event: &E) -> Emission
    where
        C: Serialize + ?Sized,
        E: Notification + Serialize,
    {
        self.notify(E::PRIORITY, ctx, E::EVENT_TYPE, event)
    }

    /// Tells of an event that has no type of its own.
    pub fn notify<C: Serialize + ?Sized, P: Serialize + ?Sized>(
        &self,
        priority: Priority,
        ctx: &C,
        event_type: &str,
        payload: &P,
    ) -> Emission {
        let progress = Arc::new(Progress::default());
        if !self.is_enabled() {
            return Emission::new(progress);
        }
        progress.begin();
        let encoded = self.encode(priority, ctx, event_type, payload, &progress);
        let encoded = encoded.map_err(NotifyError::Encode);
        if let Err(error) = &encoded {
            self.shared.spool.dropped(event_type, error);
        }
        progress.end(encoded);
        Emission::new(progress)
    }

    fn encode<C: Serialize + ?Sized, P: Serialize + ?Sized>(
        &self,
        priority: Priority,
        ctx: &C,
        event_type: &str,
        payload: &P,
        progress: &Arc<Progress>,
    ) -> Result<(), serde_json::Error> {
        let payload = json::text(payload)?;
        let mut context = Vec::new();
        match self.shared.disclosure {
            Disclosure::Nothing => {}
            Disclosure::Redacted => write_plain_context(ctx, true, &mut context)?,
            Disclosure::Everything => write_plain_context(ctx, false, &mut context)?,
        }
        let time = SystemTime::now();
        let timestamp = wire::datetime::blank(time);
        let message = Message {
            message_id: new_id(),
            publisher_id: self.publisher_id.as_deref(),
            event_type,
            priority,
            payload: &payload,
            timestamp: &timestamp,
            time,
            context: &context,
        };
        let shared = &*self.shared;
        let (formats, logs) = (Cow::Borrowed(&*shared.formats), false);
        #[cfg(feature = "routing")]
        let (formats, logs) = match &shared.routing {
            Some(routing) => routing.chosen(formats, event_type, priority),
            None => (formats, logs),
        };
        self.publish(&message, &formats, progress)?;
        let log = logs.then_some(&LogDriver as &dyn Driver);
        for driver in shared.drivers.iter().map(|driver| &**driver).chain(log) {
            let notified = contained(|| driver.notify(&message));
            let notified = notified.unwrap_or_else(|Panicked| Err("the driver panicked".into()));
            if let Err(error) = notified.map_err(NotifyError::Driver) {
                shared.spool.dropped(event_type, &error);
                progress.begin();
                progress.end(Err(error));
            }
        }
        Ok(())
    }

    /// Sends a copy to each topic, in each form.
    fn publish(
        &self,
        message: &Message<'_>,
        formats: &[Format],
        progress: &Arc<Progress>,
    ) -> Result<(), serde_json::Error> {
        let shared = &self.shared;
        if formats.is_empty() {
            return Ok(());
        }
        let head = Head {
            message_id: message.message_id,
            publisher_id: message.publisher_id,
            event_type: message.event_type,
            priority: message.priority.capitals(),
            payload: message.payload,
            timestamp: message.timestamp,
        };
        let notice = NoticeWriter::new(&head, message.context)?;
        let event_type: Arc<str> = message.event_type.into();
        for format in formats {
            for topic in &shared.topics {
                let unique_id = new_id();
                let body = match format {
                    Format::V1 => notice.bare(unique_id),
                    Format::V2 => notice.wrapped(unique_id),
                };
                let route = Route {
                    exchange: Exchange::Notifications(Arc::clone(&shared.exchange)),
                    routing_key: format!("{topic}.{}", message.priority.name()).into(),
                    // The queue may have been deleted since it was made. The original would lose it.
                    mandatory: true,
                };
                let event_type = Arc::clone(&event_type);
                shared.spool.send(Draft { event_type, route, body, unique_id }, progress);
            }
        }
        Ok(())
    }

    /// Whether a notification goes anywhere.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shared.is_enabled
    }

    /// Returns how many copies of notifications wait for the broker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.spool.len()
    }

    /// Waits until the broker has all that has been emitted, or it was given up. A process that ends should wait for this,
    /// and then [close](Transport::close) the transport.
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn flush(&self) {
        self.shared.spool.idle().await;
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("publisher_id", &self.publisher_id)
            .field("topics", &self.shared.topics)
            .field("transport", self.shared.spool.transport())
            .finish_non_exhaustive()
    }
}
