//! AMQP as lapin speaks it, with a limit to everything that is waited for.
//!
//! lapin waits without end: for a broker that has stopped, for a frame that was lost, for a connection that is blocked to
//! be so no more. So whatever is asked of it is asked here: no other module can name its connections and channels, and
//! here they are awaited by [`Connection::within`] and [`Connection::until_landed`] alone. What does not come in time means
//! that the connection is stuck, and then it is given up.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt as _,
    future::{join, try_join_all},
    stream::{BoxStream, FuturesUnordered},
};
use lapin::{
    BasicProperties, ConnectionProperties, ErrorKind, ExchangeKind,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    protocol::{AMQPError, AMQPErrorKind, AMQPSoftError},
    types::{FieldTable, ShortString},
    uri::{AMQPUri, SASLMechanism},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout, timeout_at},
};

use super::{
    acks::{Acks, Batch},
    hush::Silent,
    reply_codes::{Meaning, meaning},
    socket::{self, Security, Switch},
    thread::Thread,
};
use crate::{
    TransportError, TransportErrorKind,
    clock::Instant,
    excerpt::{Causes, Excerpt},
    transport::Acked,
};

/// How long the broker may take for one operation before the connection counts as stuck.
const OPERATION_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to confirm a message: a queue that is replicated may have to elect a leader first.
const CONFIRM_LIMIT: Duration = Duration::from_secs(15);
/// How long closing may take: a connection that is stuck is dropped.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long lapin gets each time to release the number of a closed channel.
const RELEASE: Duration = Duration::from_millis(20);
/// How many questions behind acknowledgements may be on their way. What comes meanwhile shares the next.
const QUESTIONS: usize = 2;
/// How long a connection has to be silent for a message that nobody wants any more to end it.
const SILENCE: Duration = Duration::from_secs(2);

/// Why the broker did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It refused, or the connection went.
    #[error("{}", said(.0))]
    Broker(lapin::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It takes nothing at the moment, and the operation is not one to wait with.
    #[error("the broker takes no messages at the moment")]
    Blocked,
    #[error("the connection was stuck, and has been given up")]
    GivenUp,
    #[error("a name of {0} bytes: AMQP has room for 255")]
    Name(usize),
}

impl Fault {
    fn protocol(&self) -> Option<&AMQPError> {
        match self {
            Self::Broker(error) => match error.kind() {
                ErrorKind::ProtocolError(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether what the broker says contains `words`.
    pub(super) fn says(&self, words: &str) -> bool {
        self.words().contains(words)
    }

    /// Whether what it was about is not there.
    pub(super) fn is_missing(&self) -> bool {
        let not_found = AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND);
        self.protocol().is_some_and(|error| *error.kind() == not_found)
    }

    /// Whether the broker has closed a channel over what was published on it: over one message, for what that is.
    pub(super) fn is_of_message(&self) -> bool {
        let is_soft = |error: &AMQPError| matches!(error.kind(), AMQPErrorKind::Soft(_));
        // lapin says so itself of a confirm that it does not know.
        self.protocol().is_some_and(is_soft) && !self.says("inexistant delivery_tag")
    }

    /// What the broker says.
    pub(super) fn words(&self) -> &str {
        self.protocol().map_or("", |error| error.get_message().as_str())
    }

    /// Whether it is the connection's, so that whatever else is asked of it would fail, too.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Blocked | Self::GivenUp => true,
            Self::Broker(error) => !error.is_amqp_soft_error() && !self.is_of_no_channel(),
            Self::Name(_) => false,
        }
    }

    /// Whether the connection has as many channels as the broker grants.
    fn is_of_no_channel(&self) -> bool {
        matches!(self, Self::Broker(error) if matches!(error.kind(), ErrorKind::ChannelsLimitReached))
    }

    /// Returns the meaning of the broker's error, if it is one.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        let error = self.protocol()?;
        Some(meaning(error.get_id(), error.get_message().as_str()))
    }

    /// What sort of error it is for a user.
    pub(super) fn kind(&self) -> TransportErrorKind {
        match self {
            Self::Name(_) => TransportErrorKind::Configuration,
            Self::TimedOut(_) => TransportErrorKind::TimedOut,
            Self::Blocked => TransportErrorKind::Blocked,
            Self::GivenUp => TransportErrorKind::Disconnected,
            Self::Broker(error) => match error.kind() {
                ErrorKind::ChannelsLimitReached => TransportErrorKind::LimitReached,
                _ => self.meaning().map_or(TransportErrorKind::Disconnected, |means| means.kind),
            },
        }
    }

    /// Says what the broker would not do. Its own text names what exists and what was wanted.
    pub(super) fn to_error(&self, what: &str) -> TransportError {
        self.caused(self.kind(), format!("cannot {what}"))
    }

    /// Makes an error for a user that this has caused.
    pub(super) fn caused(&self, kind: TransportErrorKind, what: String) -> TransportError {
        TransportError::new(kind, format!("{what}: {self}"))
    }

    /// Whether it is TLS that failed: rustls says so as a mistake in what came.
    pub(super) fn is_tls(&self) -> bool {
        let Self::Broker(error) = self else { return false };
        matches!(error.kind(), ErrorKind::IOError(error) if error.kind() == io::ErrorKind::InvalidData)
    }
}

/// Returns what went wrong in the words of the broker or the system, without lapin's around them.
fn said(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) if !error.get_message().as_str().is_empty() => {
            Excerpt(error.get_message().as_str()).to_string()
        }
        ErrorKind::IOError(error) => Causes(&**error).to_string(),
        _ => Causes(error).to_string(),
    }
}

fn is_timeout(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::IOError(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// Makes a name or a key of a text.
fn short(text: &str) -> Result<ShortString, Fault> {
    ShortString::try_new(text).map_err(|_| Fault::Name(text.len()))
}

/// How a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Open,
    /// The broker takes no messages, and says why.
    Blocked(Arc<str>),
    /// Given up, by whoever found it stuck at something.
    Stuck(&'static str),
}

/// How watching a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It is gone.
    Lost(String),
    /// It works, but channels that the broker has closed have used up many of its numbers, which never come back.
    Spent,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    lapin: Arc<Silent<lapin::Connection>>,
    switch: Switch,
    thread: Thread,
    health: watch::Sender<Health>,
    /// lapin gives each event to one listener only.
    events: Mutex<Option<Events>>,
    /// How many channels the broker has closed.
    spent: AtomicUsize,
    /// The broker's name for the user that has logged in, where it is known.
    user: Option<ShortString>,
    /// Whether the broker has said that it knows the user by another name.
    is_user_another: AtomicBool,
}

struct Events(BoxStream<'static, lapin::Event>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Connection {
    /// Connects, with TLS if the URI says so, within `limit` from the first packet to an open
    /// connection. Messages of more than `largest` bytes are not let through.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt, whatever the peer does.
    pub(super) async fn open(
        uri: AMQPUri,
        name: String,
        tls: Security,
        largest: usize,
        limit: Duration,
    ) -> Result<Arc<Self>, Fault> {
        let (switch, thread) =
            (Switch::default(), Thread::new().map_err(|error| Fault::Broker(error.into()))?);
        let is_named = matches!(
            uri.query.auth_mechanism,
            None | Some(SASLMechanism::Plain | SASLMechanism::AMQPlain)
        );
        let user = ShortString::try_new(&*uri.authority.userinfo.username);
        let user = user.ok().filter(|_| is_named);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let until = Instant::now() + limit;
        let connecting = socket::connect(uri, properties, tls, &switch, &thread, largest, until);
        let lapin = match timeout_at(until, connecting).await {
            Ok(Ok(connected)) => connected,
            // The socket's own steps end by the same limit, at times a moment earlier.
            Ok(Err(error)) if is_timeout(&error) && Instant::now() >= until => {
                return Err(Fault::TimedOut(limit));
            }
            Ok(Err(error)) => return Err(Fault::Broker(error)),
            // With the switch goes the attempt.
            Err(_) => return Err(Fault::TimedOut(limit)),
        };
        let events = Some(Events(lapin.events_listener().boxed()));
        Ok(Arc::new(Self {
            lapin: Arc::new(Silent::new(lapin)),
            switch,
            thread,
            health: watch::Sender::new(Health::Open),
            events: Mutex::new(events),
            spent: AtomicUsize::new(0),
            user,
            is_user_another: AtomicBool::new(false),
        }))
    }

    /// Returns the name that the broker verifies as `user-id`, where it is known.
    pub(super) fn user(&self) -> Option<ShortString> {
        self.user.clone().filter(|_| !self.is_user_another.load(Ordering::Relaxed))
    }

    /// Notes that the broker knows the user by another name: its back end of logins chooses the
    /// names.
    pub(super) fn user_is_another(&self) {
        self.is_user_another.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.lapin.status().connected() && !matches!(&*self.health.borrow(), Health::Stuck(_))
    }

    /// Messages come by this connection whose age matters.
    pub(super) fn time(&self) {
        self.switch.time();
    }

    /// See [`Switch::unread_since`].
    pub(super) fn unread_since(&self) -> Option<Instant> {
        self.switch.unread_since()
    }

    /// Whether the broker takes no messages by this connection.
    pub(super) fn is_blocked(&self) -> bool {
        self.lapin.status().blocked()
    }

    /// Waits until the broker takes no messages by this connection.
    pub(super) async fn blocked(&self) {
        let _ = self.health().wait_for(|health| matches!(health, Health::Blocked(_))).await;
    }

    fn has_health(&self, health: &Health) -> bool {
        *self.health.borrow() == *health
    }

    /// Follows what becomes of the connection.
    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Waits until the connection is given up, or closed.
    async fn given_up(&self) {
        let _ = self.health().wait_for(|health| matches!(health, Health::Stuck(_))).await;
    }

    /// Gives the connection up: it is stuck at something. Whatever waits for it fails at once, and what the system holds of
    /// messages is thrown away.
    pub(super) fn give_up(&self, at: &'static str) {
        self.become_unless_stuck(Health::Stuck(at));
        self.switch.reset();
    }

    /// Follows what lapin and others say of the connection, until it is gone or has to be replaced. One may do so.
    pub(super) async fn watch(&self) -> Ended {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Events(mut events)) = events else { return std::future::pending().await };
        // What happened before somebody listened is told to nobody.
        if !self.lapin.status().connected() {
            return Ended::Lost("it went as soon as it was there".to_owned());
        }
        let limit = usize::from(self.lapin.configuration().channel_max()) / 4;
        let mut health = self.health();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = health.wait_for(|health| matches!(health, Health::Stuck(_))) => {
                    let Health::Stuck(at) = *self.health.borrow() else { continue };
                    return Ended::Lost(format!("it was stuck: {at}"));
                }
            };
            match event {
                Some(lapin::Event::ConnectionBlocked(reason)) => {
                    self.become_unless_stuck(Health::Blocked(reason.into()));
                }
                Some(lapin::Event::ConnectionUnblocked) => self.become_unless_stuck(Health::Open),
                None => return Ended::Lost("lapin ended it".to_owned()),
                Some(lapin::Event::Error(error)) if !self.lapin.status().connected() => {
                    return Ended::Lost(said(&error));
                }
                Some(lapin::Event::Error(error)) if error.is_amqp_soft_error() => {
                    let spent = self.spent.fetch_add(1, Ordering::Relaxed) + 1;
                    if spent == limit {
                        return Ended::Spent;
                    }
                }
                Some(_) if !self.lapin.status().connected() => {
                    return Ended::Lost("it is gone".to_owned());
                }
                Some(_) => {}
            }
        }
    }

    fn become_unless_stuck(&self, now: Health) {
        self.health.send_if_modified(|health| {
            let may = !matches!(health, Health::Stuck(_));
            if may {
                *health = now;
            }
            may
        });
    }

    /// Runs a task on the connection's own thread, for as long as it has one: there it costs nobody a change of threads.
    ///
    /// # Cancel safety
    /// Dropping the future drops the task.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.thread.run(task).await
    }

    /// Lets a task go on by itself on the connection's thread. A thread that has ended runs it no
    /// more.
    pub(super) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.thread.detach(task);
    }

    /// Opens a channel.
    ///
    /// lapin releases the number of a closed channel a moment after the close has returned. Where
    /// the broker grants few channels, opening the next one is therefore tried again.
    pub(super) async fn channel(self: &Arc<Self>) -> Result<Channel, Fault> {
        let mut attempts = 0;
        let lapin = loop {
            let opened = self.within("opening a channel", self.lapin.create_channel()).await;
            match opened {
                Err(fault) if fault.is_of_no_channel() && attempts < 5 => {
                    attempts += 1;
                    sleep(RELEASE).await;
                }
                opened => break opened?,
            }
        };
        let (connection, acks) = (Arc::clone(self), OnceLock::new());
        Ok(Channel(Arc::new(Open { lapin: Silent::new(lapin), connection, acks })))
    }

    /// Returns a channel that is kept on the side, or another in its place if an error has closed it.
    pub(super) async fn side_channel(
        self: &Arc<Self>,
        kept: Option<Channel>,
    ) -> Result<Channel, Fault> {
        match kept.filter(Channel::is_open) {
            Some(channel) => Ok(channel),
            None => self.channel().await,
        }
    }

    /// Says goodbye, and ends the connection whether the broker answers or not.
    pub(super) async fn close(&self) {
        let mut says_goodbye = true;
        if self.is_alive() {
            let closed = pin!(self.lapin.close(200, "bye".into()));
            let closed = timeout(CLOSE_LIMIT, self.thread.nudging(closed));
            says_goodbye = closed.await.is_ok();
        }
        if says_goodbye && self.has_health(&Health::Open) {
            self.switch.turn_off();
        } else {
            self.switch.reset();
        }
        self.become_unless_stuck(Health::Stuck("closed"));
    }

    /// Waits for an operation. One that takes too long gives the connection up. While the broker takes no messages
    /// lapin writes nothing at all, so that operations fail at once.
    async fn within<T>(
        &self,
        what: &'static str,
        operation: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Fault> {
        let (mut health, operation) = (self.health(), pin!(operation));
        tokio::select! {
            biased;
            done = timeout(OPERATION_LIMIT, self.thread.nudging(operation)) => match done {
                Ok(done) => done.map_err(Fault::Broker),
                Err(_) => {
                    self.give_up(what);
                    Err(Fault::TimedOut(OPERATION_LIMIT))
                }
            },
            Ok(health) = health.wait_for(|health| *health != Health::Open) => Err(match *health {
                Health::Stuck(_) => Fault::GivenUp,
                _ => Fault::Blocked,
            }),
        }
    }

    /// Waits for a message's confirm: as long as the broker takes no messages, and not much longer than it may take
    /// where it does. `wanted` is when nobody wants the message any more. What is then still held up on the way has to go, or
    /// it would arrive whenever the way is free again.
    async fn until_landed<T>(
        &self,
        wanted: Option<Instant>,
        mut publishing: Pin<&mut impl Future<Output = Result<T, Unpublished>>>,
    ) -> Result<T, Unpublished> {
        let begun = Instant::now();
        let mut limit = begun + CONFIRM_LIMIT;
        let mut wanted = wanted.filter(|wanted| *wanted < limit);
        loop {
            let until = wanted.unwrap_or(limit);
            if let Ok(landed) = timeout_at(until, &mut publishing).await {
                return landed;
            }
            let now = Instant::now();
            let is_held_up =
                self.is_blocked() || self.switch.is_silent_since(begun) && now >= begun + SILENCE;
            if wanted.is_some() && !is_held_up {
                // It may be that there was no time to see a silence.
                wanted = (now < begun + SILENCE).then_some(begun + SILENCE);
            } else if wanted.is_none() && self.is_blocked() {
                limit = now + CONFIRM_LIMIT;
            } else {
                self.give_up("publishing");
                // With the connection goes what lapin still holds of the message, and then it is known whether it left.
                return timeout(CLOSE_LIMIT, publishing).await.unwrap_or_else(|_| {
                    let fault = Fault::TimedOut(begun.elapsed());
                    Err(Unpublished { fault, may_have_left: true })
                });
            }
        }
    }
}

impl Drop for Connection {
    /// The last who used it has gone: it is closed behind their back.
    fn drop(&mut self) {
        if self.lapin.status().connected() {
            let (lapin, switch) = (Arc::clone(&self.lapin), std::mem::take(&mut self.switch));
            let thread = self.thread.clone();
            self.thread.detach(async move {
                let closed = pin!(lapin.close(200, "bye".into()));
                let _ = timeout(CLOSE_LIMIT, thread.nudging(closed)).await;
                switch.turn_off();
            });
        }
    }
}

/// Why a message is not known to have arrived.
#[derive(Debug)]
pub(super) struct Unpublished {
    pub(super) fault: Fault,
    /// `false`: it surely has not.
    pub(super) may_have_left: bool,
}

/// A channel. Cheap to clone; it keeps its connection.
#[derive(Clone, Debug)]
pub(super) struct Channel(Arc<Open>);

#[derive(Debug)]
struct Open {
    lapin: Silent<lapin::Channel>,
    connection: Arc<Connection>,
    /// The acknowledgements of what is consumed, once there is one.
    acks: OnceLock<Arc<Acks>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(acks) = self.acks.get() {
            acks.close();
        }
    }
}

/// Ends acknowledgements when nobody writes them any more. If that is for a bug, the connection goes, too: what it has delivered comes
/// again by the next one.
struct Writing {
    acks: Arc<Acks>,
    connection: Arc<Connection>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.acks.close();
        if std::thread::panicking() {
            self.connection.give_up("acknowledging");
        }
    }
}

/// Writes the acknowledgements of a channel, until that or the connection is gone.
async fn write_acks(lapin: Silent<lapin::Channel>, of: Writing) {
    let Writing { acks, connection } = &of;
    let mut writing = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(has_left) = writing.next(), if !writing.is_empty() => match has_left {
                true => {}
                false => return,
            },
            batch = acks.next(), if writing.len() < QUESTIONS => {
                let Some(batch) = batch else { return };
                writing.push(write_batch(&lapin, connection, acks, batch));
            }
            () = connection.given_up() => return,
        }
    }
}

/// Writes acknowledgements, and asks the broker behind them where somebody waits for that. Returns whether they have left.
async fn write_batch(
    lapin: &lapin::Channel,
    connection: &Connection,
    acks: &Acks,
    batch: Batch,
) -> bool {
    let frames = batch
        .frames
        .iter()
        .map(|(tag, multiple)| lapin.basic_ack(*tag, BasicAckOptions { multiple: *multiple }));
    let frames = connection.within("acknowledging", try_join_all(frames));
    let leaving = async {
        let has_left = frames.await.is_ok();
        acks.wrote(&batch, has_left);
        has_left
    };
    if !batch.asks {
        return leaving.await;
    }
    // A question whose answer changes nothing: nobody publishes by a channel that consumes.
    let question = lapin.confirm_select(ConfirmSelectOptions::default());
    let asking = connection.within("asking for acknowledgements", question);
    let (has_left, answer) = join(leaving, asking).await;
    acks.answered(&batch, answer.is_ok());
    has_left
}

impl Channel {
    pub(super) fn is_open(&self) -> bool {
        self.0.lapin.status().connected()
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.0.connection
    }

    async fn within<T>(
        &self,
        what: &'static str,
        operation: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Fault> {
        self.0.connection.within(what, operation).await
    }

    pub(super) async fn confirm_select(&self) -> Result<(), Fault> {
        let selected = self.0.lapin.confirm_select(ConfirmSelectOptions::default());
        self.within("asking for confirms", selected).await
    }

    pub(super) async fn qos(&self, prefetch: u16) -> Result<(), Fault> {
        let limited = self.0.lapin.basic_qos(prefetch, BasicQosOptions::default());
        self.within("limiting the prefetch", limited).await
    }

    pub(super) async fn declare_exchange(
        &self,
        name: &str,
        kind: ExchangeKind,
        options: ExchangeDeclareOptions,
    ) -> Result<(), Fault> {
        let declared =
            self.0.lapin.exchange_declare(short(name)?, kind, options, FieldTable::default());
        self.within("declaring an exchange", declared).await
    }

    /// Asks whether an exchange is there. If not, that is an error, and closes the channel.
    pub(super) async fn expect_exchange(&self, name: &str) -> Result<(), Fault> {
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        // Its kind does not matter to the broker.
        self.declare_exchange(name, ExchangeKind::Topic, options).await
    }

    pub(super) async fn declare_queue(
        &self,
        name: &str,
        options: QueueDeclareOptions,
        arguments: FieldTable,
    ) -> Result<(), Fault> {
        let declared = self.0.lapin.queue_declare(short(name)?, options, arguments);
        self.within("declaring a queue", declared).await.map(drop)
    }

    /// Asks how many messages wait in a queue, and how many consumers it has. A refusal closes the
    /// channel.
    pub(super) async fn count(&self, name: &str) -> Result<(u32, u32), Fault> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared = self.0.lapin.queue_declare(short(name)?, options, FieldTable::default());
        let queue = self.within("counting consumers", declared).await?;
        Ok((queue.message_count(), queue.consumer_count()))
    }

    pub(super) async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), Fault> {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let (queue, exchange, key) = (short(queue)?, short(exchange)?, short(key)?);
        let bound = self.0.lapin.queue_bind(queue, exchange, key, options, arguments);
        self.within("binding a queue", bound).await
    }

    pub(super) async fn consume(
        &self,
        queue: &str,
        tag: &str,
        exclusive: bool,
        arguments: FieldTable,
    ) -> Result<Consumer, Fault> {
        let options = BasicConsumeOptions { exclusive, ..BasicConsumeOptions::default() };
        let consuming = self.0.lapin.basic_consume(short(queue)?, short(tag)?, options, arguments);
        self.within("consuming a queue", consuming).await.map(|lapin| Consumer(Silent::new(lapin)))
    }

    pub(super) async fn cancel(&self, tag: &str) -> Result<(), Fault> {
        let cancelled = self.0.lapin.basic_cancel(short(tag)?, BasicCancelOptions::default());
        self.within("cancelling a consumer", cancelled).await
    }

    pub(super) async fn delete_queue(&self, name: &str) -> Result<(), Fault> {
        let deleted = self.0.lapin.queue_delete(short(name)?, QueueDeleteOptions::default());
        self.within("deleting a queue", deleted).await.map(drop)
    }

    /// Acknowledges all deliveries up to one. It is for channels of which none is acknowledged by [`Self::ack`].
    pub(super) async fn ack_all(&self, tag: u64) -> Result<(), Fault> {
        let acked = self.0.lapin.basic_ack(tag, BasicAckOptions { multiple: true });
        self.within("acknowledging", acked).await
    }

    /// Acknowledges one delivery. With `surely` it waits until the broker has that, otherwise until it has left.
    pub(super) async fn ack(&self, tag: u64, surely: bool) -> Acked {
        self.acks().ack(tag, surely).await
    }

    fn acks(&self) -> &Acks {
        self.0.acks.get_or_init(|| {
            let acks = Arc::new(Acks::new());
            let lapin = Silent::new((*self.0.lapin).clone());
            let connection = Arc::clone(self.connection());
            let writing = write_acks(lapin, Writing { acks: Arc::clone(&acks), connection });
            // Where the thread is over, so is the writing.
            self.connection().thread.detach(writing);
            acks
        })
    }

    /// Refuses a delivery for good.
    pub(super) async fn reject(&self, tag: u64) -> Result<(), Fault> {
        let rejected = self.0.lapin.basic_reject(tag, BasicRejectOptions { requeue: false });
        self.within("rejecting", rejected).await?;
        self.acks().settled(tag);
        Ok(())
    }

    /// Gives a delivery back to its queue.
    pub(super) async fn requeue(&self, tag: u64) -> Result<(), Fault> {
        let options = BasicNackOptions { requeue: true, multiple: false };
        self.within("giving back a request", self.0.lapin.basic_nack(tag, options)).await?;
        self.acks().settled(tag);
        Ok(())
    }

    /// Gives a delivery back to its queue, without waiting for that. A channel that is gone has
    /// done so.
    pub(super) fn requeue_later(&self, tag: u64) {
        if !self.0.lapin.status().connected() {
            return;
        }
        let channel = self.clone();
        self.connection().thread.detach(async move {
            let _ = channel.requeue(tag).await;
        });
    }

    /// Publishes a message, and waits for its confirm. `wanted` is when nobody wants it any more.
    pub(super) async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        mandatory: bool,
        body: &[u8],
        properties: BasicProperties,
        wanted: Option<Instant>,
    ) -> Result<lapin::Confirmation, Unpublished> {
        let unsent = |fault| Unpublished { fault, may_have_left: false };
        let exchange = short(exchange).map_err(unsent)?;
        let routing_key = short(routing_key).map_err(unsent)?;
        let options = BasicPublishOptions { mandatory, immediate: false };
        let lapin = &*self.0.lapin;
        let sending = pin!(lapin.basic_publish(exchange, routing_key, options, body, properties));
        let publishing = pin!(async {
            let confirm = match self.0.connection.thread.nudging(sending).await {
                Ok(confirm) => confirm,
                // It was not written to its end, so that nobody can have read it.
                Err(error) => return Err(unsent(Fault::Broker(error))),
            };
            // From here on it may have arrived, whatever the error says.
            let left = |error| Unpublished { fault: Fault::Broker(error), may_have_left: true };
            confirm.await.map_err(left)
        });
        self.0.connection.until_landed(wanted, publishing).await
    }

    pub(super) async fn close(&self) {
        if self.is_open() {
            // Whatever it says, the channel is not used any more.
            let closed = self.0.lapin.close(200, "done".into());
            let _ = self.within("closing a channel", closed).await;
        }
    }
}

/// What comes from a queue. `None` is its end: the channel is gone, or the broker has cancelled the consumer.
#[derive(Debug)]
pub(super) struct Consumer(Silent<lapin::Consumer>);

impl Stream for Consumer {
    type Item = lapin::message::Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx).map(|next| next?.ok())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Returns the driver's files by name, without their tests.
    fn sources() -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transport/rabbit");
        let mut sources = Vec::new();
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a file");
                let code = text.split("#[cfg(test)]").next().expect("a part").to_owned();
                sources.push((path.file_name().expect("a name").to_string_lossy().into(), code));
            }
        }
        sources
    }

    #[test]
    fn no_other_file_can_await_lapin() {
        for (file, code) in sources() {
            // What opens a connection is awaited here, under a limit.
            if file == "amqp.rs" || file == "socket.rs" {
                continue;
            }
            for name in ["Connection", "Channel", "Consumer", "PublisherConfirm"] {
                assert!(!code.contains(&format!("lapin::{name}")), "{file} names lapin's {name}");
            }
            let imports = code.split("use lapin::").skip(1);
            for import in imports.filter_map(|rest| rest.split(';').next()) {
                let mut words = import.split(|letter: char| !letter.is_alphanumeric());
                let forbidden = ["Connection", "Channel", "Consumer", "PublisherConfirm"];
                assert!(!words.any(|word| forbidden.contains(&word)), "{file} imports {import}");
            }
        }
    }

    #[test]
    fn lapin_is_awaited_under_a_limit_alone() {
        let (_, code) = sources().into_iter().find(|(file, _)| file == "amqp.rs").expect("this");
        let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut operations = 0;
        for (at, what) in code.match_indices("lapin.").chain(code.match_indices("lapin .")) {
            let after = &code[at + what.len()..];
            let name: String = after
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if ["status", "configuration", "events_listener", "clone"].contains(&name.as_str()) {
                continue;
            }
            operations += 1;
            // A future is made and given to what limits it, before anything else ends a statement twice.
            let rest: String = after.split_inclusive(';').take(2).collect();
            let before = &code[at.saturating_sub(120)..at];
            let is_limited = |text: &str| {
                ["within(", "timeout(", "until_landed("].iter().any(|limit| text.contains(limit))
            };
            assert!(is_limited(&rest) || is_limited(before) || name == "basic_publish", "{name}");
        }
        assert!(operations >= 16, "{operations} were found");
        let publishing = code.split("let publishing = pin!(async {").nth(1).expect("a block");
        assert!(publishing.contains("until_landed(wanted, publishing)"));
        assert_eq!(code.matches("basic_publish(").count(), 1);
    }
}
