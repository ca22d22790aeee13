//! What a transport does, for whoever watches it: states, events, and counts.

mod refusal;

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::broadcast;

pub use self::refusal::RefusalKind;
use crate::{TransportError, quiet::Quiet, sync::lock};

/// Which of a transport's two connections.
///
/// There are two so that a broker which takes no messages for a while still takes acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The connection that requests and replies leave by.
    Publishing,
    /// The connection that they come by.
    Consuming,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publishing => "publish",
            Self::Consuming => "consume",
        })
    }
}

/// What one of a transport's connections is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There is none, and one is looked for.
    Connecting {
        /// How many attempts have failed since there was one.
        failed: u32,
        /// Why each host failed at its last attempt. `None` before the first.
        error: Option<TransportError>,
    },
    /// It is up.
    Connected {
        /// Host and port of the broker.
        host: String,
    },
    /// It is up, and the broker takes no messages: it is short of memory or disk.
    Blocked {
        /// Host and port of the broker.
        host: String,
        /// What the broker says.
        reason: String,
    },
    /// The transport has been closed.
    Closed,
}

impl ConnectionState {
    /// Whether messages can pass.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }
}

/// Whether replies can reach a transport's calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RepliesState {
    /// The reply queue is not consumed yet, or not again. Calls wait for it.
    Preparing,
    /// The transport consumes its reply queue.
    Consumed,
    /// The broker refused the reply queue: a right or a channel is missing, or a limit is reached.
    /// Calls fail at once with this error; the transport keeps trying.
    Refused {
        /// The broker's reason.
        error: TransportError,
    },
}

/// What both of a transport's connections are doing: [`Transport::state`](crate::Transport::state).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportState {
    /// See [`Role::Publishing`].
    pub publishing: ConnectionState,
    /// See [`Role::Consuming`].
    pub consuming: ConnectionState,
    /// Whether calls can be answered. A process that only serves or notifies needs no replies, and
    /// looks at the connections alone.
    pub replies: RepliesState,
    /// The hosts of the transport's URL that refuse a connection which another host has taken, in
    /// the order of their reports. A transport that stays connected makes no further attempts, so
    /// this is what the last attempt at each host showed.
    pub refusing: Vec<RefusingHost>,
}

/// A host that answers and refuses connections, where another host serves: in
/// [`TransportState::refusing`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefusingHost {
    /// Host and port.
    pub host: String,
    /// Why it refuses.
    pub error: TransportError,
}

impl TransportState {
    /// Whether requests can leave and replies can come: both connections are up, and the broker has
    /// not refused the reply queue.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let is_refused = matches!(self.replies, RepliesState::Refused { .. });
        self.publishing.is_up() && self.consuming.is_up() && !is_refused
    }
}

/// Something that happened to a transport: from [`Transport::events`](crate::Transport::events).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is up.
    Connected {
        /// Which one.
        role: Role,
        /// Host and port of the broker.
        host: String,
    },
    /// An attempt to connect failed at every host that was due for one. There will be another.
    ConnectFailed {
        /// Which connection.
        role: Role,
        /// How many attempts have failed since there was one.
        failed: u32,
        /// Why: the last reason of each host, also of those that were not due.
        error: TransportError,
    },
    /// A host answers and refuses a connection that another host has taken. Until
    /// [`HostRefusesNoMore`](Self::HostRefusesNoMore) there is one event for each kind of error.
    HostRefused {
        /// Host and port.
        host: String,
        /// Why it refuses.
        error: TransportError,
    },
    /// A host that had refused has taken a connection, or does not answer any more.
    HostRefusesNoMore {
        /// Host and port.
        host: String,
    },
    /// A connection was lost, or given up because it was stuck.
    Lost {
        /// Which one.
        role: Role,
        /// Why, as far as it is known.
        reason: String,
    },
    /// The broker takes no messages: it is short of memory or disk.
    Blocked {
        /// What the broker says.
        reason: String,
    },
    /// The broker takes messages again.
    Unblocked,
    /// The broker refused the reply queue. Calls fail with this error until
    /// [`RepliesConsumed`](Self::RepliesConsumed), or until the connection is replaced.
    RepliesRefused {
        /// The broker's reason.
        error: TransportError,
    },
    /// The transport consumes its reply queue, after the broker had refused that.
    RepliesConsumed,
    /// A server or a listener consumes its queues, for the first time or again.
    Serving {
        /// Its topic; of a listener for notifications its pool, or its topics with commas between them.
        topic: String,
    },
    /// The consumers of a server or a listener are gone: with their connection, or because a queue was deleted. It looks for them again.
    ConsumersLost {
        /// As in [`Serving`](Self::Serving).
        topic: String,
    },
    /// A server refused a request, and no method ran. At most one a second for each kind;
    /// [`Metrics`] counts all of them.
    ///
    /// These events have a buffer of their own, so that they never displace another event. If it is
    /// full, the oldest of them goes, and [`Missed`](Self::Missed) does not count it.
    Refused {
        /// Why.
        kind: RefusalKind,
        /// The topic of the server.
        topic: String,
        /// The method as the request names it: escaped, and cut to 200 bytes.
        method: String,
        /// Whether it was a cast, whose caller learns nothing of the refusal.
        is_cast: bool,
        /// The number of refusals of this kind since the last such event.
        left_out: u64,
    },
    /// A task of the transport has died by a bug of this library's. The transport closes, and calls are told why.
    Failed {
        /// Which task it was.
        reason: String,
    },
    /// The transport is closed.
    Closed,
    /// So many events were missed, because nobody took them in time.
    Missed(u64),
}

/// The events of a transport, from the moment on when this was made.
#[derive(Debug)]
pub struct Events {
    /// `None` once there are no more.
    all: Option<broadcast::Receiver<Event>>,
    /// Requests that servers refused. A stranger can cause them.
    refused: broadcast::Receiver<Event>,
}

impl Events {
    /// Returns the next event. `None` after [`Event::Closed`], and for a transport that has no broker.
    ///
    /// # Cancel safety
    /// No event is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Event> {
        use broadcast::error::RecvError::{Closed, Lagged};

        let all = self.all.as_mut()?;
        let event = tokio::select! {
            biased;
            event = all.recv() => event,
            event = refused(&mut self.refused) => return Some(event),
        };
        match event {
            Ok(event) => Some(event),
            Err(Lagged(missed)) => Some(Event::Missed(missed)),
            Err(Closed) => {
                self.all = None;
                None
            }
        }
    }
}

/// Returns the next refusal that is still in the buffer.
async fn refused(refused: &mut broadcast::Receiver<Event>) -> Event {
    loop {
        match refused.recv().await {
            Ok(event) => return event,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a transport has done so far: [`Transport::metrics`](crate::Transport::metrics). All are totals since it
        /// was made, but for the last two.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
            /// How many calls wait for their reply now.
            pub pending_calls: u64,
            /// How many requests and replies wait to be published now.
            pub queued: u64,
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $(pub(crate) $name: Count,)*
        }

        impl Counts {
            fn read(&self) -> Metrics {
                Metrics { $($name: self.$name.0.load(Ordering::Relaxed),)* ..Metrics::default() }
            }
        }
    };
}

counts! {
    /// Connections that came up.
    connections,
    /// Connections that were lost.
    connections_lost,
    /// Attempts to connect that failed.
    connects_failed,
    /// Times that the broker took no messages.
    blocked,
    /// Requests that were handed to the broker, repetitions counted.
    requests_sent,
    /// Requests that were handed to the broker again after a lost connection.
    requests_repeated,
    /// Requests that no queue took.
    requests_returned,
    /// Requests that the broker refused.
    requests_refused,
    /// Requests whose connection was lost before their confirm.
    requests_interrupted,
    /// Replies that were handed to the calls that waited for them, signs of life counted.
    replies_received,
    /// Replies that nobody waited for any more.
    replies_late,
    /// Messages on the reply queue that are no replies.
    replies_malformed,
    /// Requests that came to this transport's servers.
    requests_received,
    /// Messages to servers that are no requests.
    requests_malformed,
    /// Requests that were not run because their caller had stopped waiting.
    requests_expired,
    /// Second copies of requests, which were not run.
    requests_duplicate,
    /// Calls that were refused because there was no room for them.
    requests_declined,
    /// Requests that were delivered too often, and put aside.
    requests_dead,
    /// Requests that were refused: see [`RefusalKind::NoSuchMethod`].
    requests_no_such_method,
    /// Requests that were refused: see [`RefusalKind::UnsupportedVersion`].
    requests_unsupported_version,
    /// Requests that were refused: see [`RefusalKind::BadArguments`].
    requests_bad_arguments,
    /// Requests that were refused: see [`RefusalKind::IncompatibleObject`].
    requests_incompatible_object,
    /// Requests that were refused: see [`RefusalKind::TooManyValues`].
    requests_too_many_values,
    /// Fanout casts that no interface here knows: another service shares the topic.
    requests_foreign,
    /// Refused casts that were put aside: see [`keep_refused`](crate::ServerBuilder::keep_refused).
    requests_kept,
    /// Requests whose method returned an error of its own.
    requests_failed,
    /// Requests whose method panicked.
    requests_panicked,
    /// Requests whose method was given up at its [time limit](crate::ServerBuilder::time_limit).
    requests_timed_out,
    /// Requests whose method ran, and whose result could not be written as JSON.
    requests_unanswerable,
    /// Requests whose method was given up because the server stopped.
    requests_stopped,
    /// Requests that failed by a bug of this library: their callers get a failure `ServerFailed`.
    requests_broken,
    /// Replies that were handed over to be sent, and signs of life.
    replies_sent,
    /// Replies that were dropped: their caller's queue did not come back in time, the broker
    /// refused them, or the transport closed before they could leave.
    replies_dropped,
    /// Replies that were not sent: the request names a queue that cannot be a reply queue.
    replies_misaddressed,
    /// Replies that were larger than they may be: their callers got a failure `ReplyTooLarge`.
    replies_too_large,
    /// Copies of notifications that the broker has taken.
    notifications_sent,
    /// Copies of notifications that were given up: there was no room, or no time left.
    notifications_dropped,
    /// Notifications that came to this transport's listeners.
    notifications_received,
    /// Second copies of notifications, which nobody was told of.
    notifications_duplicate,
    /// Messages to listeners that cannot be read as notifications.
    notifications_malformed,
    /// Notifications that were acknowledged and forgotten: no handler is for them, no filter of the
    /// listener matches, or their priority is unknown.
    notifications_unwanted,
    /// Notifications that a handler did not finish, and that come again.
    notifications_requeued,
    /// Notifications that were put aside: delivered too often, or nothing that a handler can read.
    notifications_dead,
}

/// One total.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where a transport notes what it does.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) counts: Counts,
    states: Mutex<TransportState>,
    /// `None` once the transport is closed.
    events: Mutex<Option<broadcast::Sender<Event>>>,
    refused: broadcast::Sender<Event>,
    /// When refusals were last told of.
    quiet: Quiet<RefusalKind>,
}

impl Observer {
    /// How many events are kept for who is slow.
    const KEPT: usize = 256;
    /// How many of them are kept that tell of refused requests.
    const REFUSED_KEPT: usize = 16;

    pub(crate) fn new() -> Self {
        let none = ConnectionState::Connecting { failed: 0, error: None };
        Self {
            counts: Counts::default(),
            states: Mutex::new(TransportState {
                publishing: none.clone(),
                consuming: none,
                replies: RepliesState::Preparing,
                refusing: Vec::new(),
            }),
            events: Mutex::new(Some(broadcast::Sender::new(Self::KEPT))),
            refused: broadcast::Sender::new(Self::REFUSED_KEPT),
            quiet: Quiet::new(),
        }
    }

    pub(crate) fn state(&self) -> TransportState {
        lock(&self.states).clone()
    }

    /// Returns why nothing can be published, if attempts to connect have failed.
    pub(crate) fn no_connection(&self) -> Option<TransportError> {
        match &lock(&self.states).publishing {
            ConnectionState::Connecting { error, .. } => error.clone(),
            _ => None,
        }
    }

    pub(crate) fn events(&self) -> Events {
        let all = lock(&self.events).as_ref().map(broadcast::Sender::subscribe);
        Events { all, refused: self.refused.subscribe() }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.counts.read()
    }

    /// Sends an event for a refused request, unless another of its kind was sent within a second.
    /// `event` gets the number of refusals since then.
    pub(crate) fn refused(&self, kind: RefusalKind, event: impl FnOnce(u64) -> Event) {
        self.quiet.say(kind, |left_out| _ = self.refused.send(event(left_out.unwrap_or(0))));
    }

    /// Notes that both connections are up.
    pub(crate) fn connected(&self, host: &str) {
        for role in [Role::Publishing, Role::Consuming] {
            self.note(Event::Connected { role, host: host.to_owned() });
        }
        self.note(Event::RepliesConsumed);
    }

    /// Notes that both connections are lost.
    pub(crate) fn lost(&self, reason: &str) {
        for role in [Role::Publishing, Role::Consuming] {
            self.note(Event::Lost { role, reason: reason.to_owned() });
        }
    }

    /// Notes an event, and what it says of the connections. Returns whether it is news.
    pub(crate) fn note(&self, event: Event) -> bool {
        match &event {
            Event::Connected { .. } => self.counts.connections.add_one(),
            Event::ConnectFailed { .. } => self.counts.connects_failed.add_one(),
            Event::Lost { .. } => self.counts.connections_lost.add_one(),
            Event::Blocked { .. } => self.counts.blocked.add_one(),
            _ => {}
        }
        if !self.enter(&event) {
            return false;
        }
        let mut events = lock(&self.events);
        if let Some(events) = &*events {
            // Nobody has to listen.
            let _ = events.send(event.clone());
        }
        if let Event::Closed = event {
            *events = None;
        }
        true
    }

    /// Enters an event into the states. Returns whether it is news.
    fn enter(&self, event: &Event) -> bool {
        let mut states = lock(&self.states);
        let states = &mut *states;
        match event {
            Event::Connected { role, host } => {
                *states.of(*role) = ConnectionState::Connected { host: host.clone() };
            }
            Event::ConnectFailed { role, failed, error } => {
                let (failed, error) = (*failed, Some(error.clone()));
                *states.of(*role) = ConnectionState::Connecting { failed, error };
            }
            Event::Lost { role, .. } => {
                *states.of(*role) = ConnectionState::Connecting { failed: 0, error: None };
                if *role == Role::Consuming {
                    states.replies = RepliesState::Preparing;
                }
            }
            Event::RepliesRefused { error } => {
                let error = error.clone();
                states.replies = RepliesState::Refused { error };
            }
            Event::RepliesConsumed => {
                let before = std::mem::replace(&mut states.replies, RepliesState::Consumed);
                return matches!(before, RepliesState::Refused { .. });
            }
            Event::Blocked { reason } => {
                if let ConnectionState::Connected { host } = &mut states.publishing {
                    let (host, reason) = (std::mem::take(host), reason.clone());
                    states.publishing = ConnectionState::Blocked { host, reason };
                }
            }
            Event::Unblocked => {
                if let ConnectionState::Blocked { host, .. } = &mut states.publishing {
                    states.publishing = ConnectionState::Connected { host: std::mem::take(host) };
                }
            }
            Event::HostRefused { host, error } => {
                let refusing = RefusingHost { host: host.clone(), error: error.clone() };
                match states.refusing.iter_mut().find(|known| known.host == *host) {
                    Some(known) => {
                        let before = std::mem::replace(known, refusing);
                        return before.error.kind() != error.kind();
                    }
                    None => states.refusing.push(refusing),
                }
            }
            Event::HostRefusesNoMore { host } => {
                let before = states.refusing.len();
                states.refusing.retain(|known| known.host != *host);
                return states.refusing.len() < before;
            }
            Event::Closed => {
                states.publishing = ConnectionState::Closed;
                states.consuming = ConnectionState::Closed;
                states.refusing.clear();
            }
            _ => {}
        }
        true
    }
}

impl TransportState {
    fn of(&mut self, role: Role) -> &mut ConnectionState {
        match role {
            Role::Publishing => &mut self.publishing,
            Role::Consuming => &mut self.consuming,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refusals_displace_no_other_event() {
        let observer = Observer::new();
        let mut events = observer.events();
        observer.connected("one");
        for method in 0..1000 {
            // Past the limit of one a second, as if it were not there.
            let _ = observer.refused.send(Event::Refused {
                kind: RefusalKind::NoSuchMethod,
                topic: "t".to_owned(),
                method: method.to_string(),
                is_cast: true,
                left_out: 0,
            });
        }
        observer.lost("gone");
        let mut seen = Vec::new();
        for _ in 0..4 + Observer::REFUSED_KEPT {
            seen.push(events.next().await.expect("an event"));
        }
        assert!(seen[..2].iter().all(|event| matches!(event, Event::Connected { .. })));
        assert!(seen[2..4].iter().all(|event| matches!(event, Event::Lost { .. })));
        assert!(seen[4..].iter().all(|event| matches!(event, Event::Refused { .. })));
        observer.note(Event::Closed);
        assert!(matches!(events.next().await, Some(Event::Closed)));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn a_kind_of_refusal_is_told_once_a_second() {
        let observer = Observer::new();
        let told = std::cell::Cell::new(0);
        for _ in 0..100 {
            for kind in [RefusalKind::NoSuchMethod, RefusalKind::BadArguments] {
                observer.refused(kind, |_| {
                    told.set(told.get() + 1);
                    Event::Unblocked
                });
            }
        }
        assert_eq!(told.get(), 2);
    }
}
