//! What a server publishes to keep a request: copies that count how often it was delivered, and dead letters.
//!
//! A request is acknowledged only after the broker has confirmed what was published for it. A crash between the two leaves
//! both: a request may be there twice, and is never lost.

use std::{
    future::{pending, poll_fn},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Body, Driver, Transport};
use crate::{
    Compression, TransportError,
    age::Origin,
    caps::Retry,
    excerpt::Excerpt,
    pending::{Exchange, Outcome, Outgoing, Pending, Route},
};

/// The header of a copy: how often the request was delivered before. A classic queue tells only that it was.
pub(crate) const REDELIVERIES: &str = "x-rpc-redeliveries";
/// The header by which a message is known that comes back. Its body's id is the request's, which others may carry too.
pub(crate) const ID: &str = "x-rpc-id";
/// The suffix of a topic's queue for refused casts.
pub(crate) const REFUSED: &str = ".refused";
/// Why a request is a dead letter.
const DEAD_REASON: &str = "x-rpc-dead-reason";
/// How often it was delivered.
const DEAD_DELIVERIES: &str = "x-rpc-dead-deliveries";
/// The queue that it came by.
const DEAD_QUEUE: &str = "x-rpc-dead-queue";
/// The host of the server that gave it up.
pub(crate) const DEAD_HOST: &str = "x-rpc-dead-host";
/// The method that it is for, or the event that it tells of.
const DEAD_METHOD: &str = "x-rpc-dead-method";
/// When it was given up, in seconds since 1970.
const DEAD_TIME: &str = "x-rpc-dead-time";

/// How long the work on a message may wait for a copy of it that counts.
pub(crate) const MOMENT: Duration = Duration::from_secs(5);
/// How long a copy may take that no work waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Text(String),
    Number(u64),
}

/// What is known of a request that was delivered before.
#[derive(Clone, Debug)]
pub(crate) struct Redelivery {
    /// How often it was, as far as is known, at least once. Whoever had it may have begun to run it.
    pub(crate) count: u32,
    /// The queue that it came by.
    pub(crate) queue: Arc<str>,
    /// When its caller began the call, if its message says so, and the call's whole timeout in
    /// milliseconds.
    pub(crate) began: Option<Origin>,
    /// Whether the broker says that there was a delivery before. A counter alone never makes a dead
    /// letter, since other programs may have the same login.
    pub(crate) is_redelivered: bool,
    /// Whether the next delivery will be counted as well. A classic queue counts only what a copy tells it.
    pub(crate) is_counted: bool,
}

impl Header {
    /// Returns the headers of a copy that say when the original call began.
    pub(crate) fn of_origin(origin: &Origin) -> impl Iterator<Item = (&'static str, Self)> + use<> {
        origin.headers().map(|(name, number)| (name, Self::Number(number)))
    }
}

impl Outgoing {
    /// A message to one queue.
    pub(crate) fn to_queue(
        queue: Arc<str>,
        body: Vec<u8>,
        headers: Vec<(&'static str, Header)>,
    ) -> Self {
        let unique_id = crate::ids::new_id();
        let mut headers = headers;
        headers.push((ID, Header::Text(unique_id.simple().to_string())));
        let route = Route { exchange: Exchange::Default, routing_key: queue, mandatory: true };
        Self {
            route,
            body: Body::Owned(body),
            compression: None,
            expires: None,
            headers,
            unique_id,
        }
    }

    /// A message as it came, to one queue. It was unpacked by the name of its `compression`.
    pub(crate) fn copy(
        queue: Arc<str>,
        body: &[u8],
        compression: Option<&str>,
        headers: Vec<(&'static str, Header)>,
    ) -> Self {
        let mut copy = Self::to_queue(queue, body.to_vec(), headers);
        copy.compression = compression.and_then(Compression::of_option);
        copy
    }
}

/// Returns what a dead letter says of itself. The count of copies is not there: moved back to its queue, it starts anew.
pub(crate) fn letter(
    reason: &str,
    deliveries: u32,
    queue: &str,
    method: &str,
) -> Vec<(&'static str, Header)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = |text: &str| Header::Text(Excerpt(text).to_string());
    vec![
        (DEAD_REASON, text(reason)),
        (DEAD_DELIVERIES, Header::Number(deliveries.into())),
        (DEAD_QUEUE, Header::Text(queue.to_owned())),
        (DEAD_METHOD, text(method)),
        (DEAD_TIME, Header::Number(now.as_secs())),
    ]
}

impl Transport {
    /// Publishes a message, and waits until the broker has it or does not take it. It is not sent twice.
    ///
    /// # Cancel safety
    /// A message that has not left when the future is dropped is not sent.
    pub(crate) async fn publish(&self, message: Outgoing) -> Outcome {
        let pending = Abandoned(Arc::new(Pending::new(message, false, Retry::Unsent)));
        self.send(Arc::clone(&pending.0));
        poll_fn(|cx| pending.0.poll(cx)).await
    }

    /// As [`publish`](Self::publish), but waits neither for longer than `limit` nor for a broker that takes no messages. `None`
    /// then: the message may arrive later all the same.
    pub(crate) async fn publish_within(
        &self,
        message: Outgoing,
        limit: Duration,
    ) -> Option<Outcome> {
        let mut events = self.events();
        let blocked = async {
            while self.obstacle().is_none() {
                if events.next().await.is_none() {
                    // It is closed, which ends the message.
                    return pending().await;
                }
            }
        };
        tokio::select! {
            biased;
            () = blocked => None,
            outcome = self.publish(message) => Some(outcome),
            () = tokio::time::sleep(limit) => None,
        }
    }

    /// Puts a message into a durable queue without a consumer, which holds the newest `most`
    /// messages, or any number. Returns why, if it cannot.
    pub(crate) async fn put_aside(
        &self,
        queue: &str,
        letter: Outgoing,
        most: Option<u32>,
    ) -> Result<(), String> {
        self.keep_queue(queue, most).await.map_err(|error| error.to_string())?;
        match self.publish_within(letter, PATIENCE).await {
            Some(Outcome::Confirmed) => Ok(()),
            Some(outcome) => Err(format!("{outcome:?}")),
            None => Err("the broker does not take it".to_owned()),
        }
    }

    /// Declares a durable queue without a consumer. A queue that exists is used as it is.
    async fn keep_queue(&self, queue: &str, most: Option<u32>) -> Result<(), TransportError> {
        match &self.0.driver {
            Driver::Memory(link) => {
                link.keep_queue(queue, most);
                Ok(())
            }
            Driver::InProcess(_) => Ok(()),
            #[cfg(feature = "rabbit")]
            Driver::Rabbit(link) => link.keep_queue(queue, most).await,
        }
    }
}

/// A message that is not sent any more once nobody waits for it.
struct Abandoned(Arc<Pending>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
