//! A channel that publishes: messages on their way, and how each landed.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use lapin::{
    BasicProperties, Confirmation,
    message::BasicReturnMessage,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{
    amqp::{Channel, Connection, Fault, Unpublished},
    confirms::Confirms,
    consumer::compression,
    declare::{declare_exchange, try_declare},
    homeless::Missing,
    queue::ReplyRest,
    stay::Stay,
    topology::{self, Cause, ExchangeDeclaration, Layout, Step},
};
use crate::{
    TransportError,
    age::Origin,
    caps::Retry,
    clock::Instant,
    compression::unpack,
    envelope,
    pending::{Exchange, Outcome, Outgoing, Pending, Route},
    transport::kept::{self, Header},
};

/// Whose message is on its way.
pub(super) enum Owner {
    Request(Arc<Pending>),
    Reply(ReplyRest),
}

/// A message on its way.
pub(super) struct Flight {
    pub(super) owner: Owner,
    pub(super) message: Outgoing,
}

/// How a publish ended, as the channel tells it.
pub(super) enum Landing {
    Confirmed {
        acked: bool,
        carried: Option<Uuid>,
    },
    /// It surely did not leave.
    Unsent,
    /// The broker closed the channel over a message: this one, or another. `left` says whether this one may have left.
    Closed {
        fault: Fault,
        left: bool,
    },
    /// It may have left.
    Lost,
}

/// A message whose channel is gone, by the number of its publish.
pub(super) struct Fallen {
    pub(super) number: u64,
    pub(super) flight: Flight,
    pub(super) landing: Landing,
}

/// One channel in confirm mode, and one on the side for declarations, whose failure costs nobody a publish.
pub(super) struct Session {
    pub(super) channel: Channel,
    /// For declarations: opened when first needed, and again after a failure.
    side: Option<Channel>,
    pub(super) declared: HashSet<String>,
    /// When exchanges were last found that may go at any time.
    found: HashMap<String, Instant>,
    layout: Arc<Layout>,
    pub(super) confirms: Confirms<Uuid, Flight>,
    /// What was on its way when the channel went.
    pub(super) fallen: Vec<Fallen>,
    pub(super) stay: Stay,
}

impl Flight {
    /// Whether it is worth sending: not once its caller's deadline has passed.
    pub(super) fn is_wanted(&self) -> bool {
        let now = Instant::now();
        match &self.owner {
            Owner::Request(_) => self.message.expires.is_none_or(|expires| expires.deadline > now),
            Owner::Reply(rest) => rest.until > now,
        }
    }
}

impl Session {
    /// How many publishes may wait for their confirm.
    const WINDOW: usize = 256;
    /// How long an exchange that was found counts as being there. It may go as soon as it was found, in any case; this is about as
    /// long as a message is on its way.
    const FRESH: Duration = Duration::from_millis(20);

    pub(super) async fn open(
        connection: &Arc<Connection>,
        layout: Arc<Layout>,
    ) -> Result<Self, TransportError> {
        let failed = |fault: Fault| fault.to_error("open a channel to publish on");
        let channel = connection.channel().await.map_err(failed)?;
        channel.confirm_select().await.map_err(failed)?;
        Ok(Self {
            channel,
            side: None,
            declared: HashSet::new(),
            found: HashMap::new(),
            layout,
            confirms: Confirms::new(),
            fallen: Vec::new(),
            stay: Stay::new(Instant::now()),
        })
    }

    /// How many messages may be on their way now: none while the broker takes none.
    pub(super) fn window(&self) -> usize {
        if self.channel.connection().is_blocked() { 0 } else { Self::WINDOW }
    }

    /// Sees to it that an exchange is there, on the side channel. One that exists with other properties is used as it is.
    ///
    /// A fanout exchange goes when its last server goes, so it is looked for again and again. It is made only if `make` says
    /// so: its servers may be about to do that, with their bindings.
    pub(super) async fn provide(&mut self, route: &Route, make: bool) -> Provided {
        let exchange = &route.exchange;
        let Some(declaration) = topology::publishing(exchange, &self.layout.options) else {
            return Provided::Ready;
        };
        if matches!(exchange, Exchange::Notifications(_)) {
            return self.provide_queue(declaration, &route.routing_key).await;
        }
        if self.declared.contains(&declaration.name) {
            return Provided::Ready;
        }
        let is_fanout = matches!(exchange, Exchange::Fanout(_));
        let found = self.found.get(&declaration.name);
        if is_fanout && found.is_some_and(|found| found.elapsed() < Self::FRESH) {
            return Provided::Ready;
        }
        let kept = self.side.take();
        let provided = async {
            let side = self.channel.connection().side_channel(kept).await?;
            match is_fanout && !make {
                true => side.expect_exchange(&declaration.name).await?,
                false => declare_exchange(&side, &declaration).await?,
            }
            Ok(side)
        };
        match provided.await {
            Ok(side) => self.side = Some(side),
            Err(fault) if Fault::is_of_connection(&fault) => return Provided::Disconnected,
            Err(fault) if fault.is_missing() => {
                return Provided::Missing(Missing::Exchange(declaration.name));
            }
            Err(fault) => {
                let exchange = declaration.name.clone();
                self.layout.quiet.defer(Cause::Declare, move |left_out| {
                    let what = "cannot declare an exchange; publishing to it all the same";
                    tracing::warn!(exchange, %fault, left_out, "{what}");
                });
            }
        }
        if is_fanout {
            self.found.insert(declaration.name, Instant::now());
        } else {
            self.declared.insert(declaration.name);
        }
        Provided::Ready
    }

    /// Sees to it that an exchange and a queue for notifications are there.
    async fn provide_queue(&mut self, exchange: ExchangeDeclaration, key: &str) -> Provided {
        let place = place(&exchange.name, key);
        if self.declared.contains(&place) {
            return Provided::Ready;
        }
        let [queue, bind] = topology::notification(&exchange.name, key, &self.layout);
        let name = exchange.name.clone();
        let steps = vec![Step::Exchange(exchange), queue, bind];
        match try_declare(self.channel.connection(), steps, &self.layout).await {
            Ok(()) => {}
            Err((fault, _)) if fault.is_of_connection() => return Provided::Disconnected,
            Err((fault, what)) => {
                let (queue, why) = (key.to_owned(), fault.clone());
                self.layout.quiet.defer(Cause::Declare, move |left_out| {
                    tracing::warn!(queue, fault = %why, left_out, "cannot {what}, for notifications");
                });
                if fault.is_missing() {
                    return Provided::Missing(match fault.says("no exchange") {
                        // It went meanwhile.
                        true => Missing::Exchange(name),
                        // The node that has the queue is down.
                        false => Missing::Queue { exchange: name, key: key.to_owned() },
                    });
                }
            }
        }
        self.declared.insert(place);
        Provided::Ready
    }
}

/// No queue took a notification: it is declared anew before the next.
pub(super) fn forget(declared: &mut HashSet<String>, route: &Route) {
    declared.remove(&place(route.exchange.name(), &route.routing_key));
}

/// The name by which a queue is known to be there.
fn place(exchange: &str, key: &str) -> String {
    format!("{exchange}\0{key}")
}

/// What [`Session::provide`] found.
pub(super) enum Provided {
    Ready,
    Missing(Missing),
    /// The connection is not good any more.
    Disconnected,
}

/// Finds out whether the broker takes messages, by one that goes nowhere: a broker that takes none says so only when it
/// gets one, and keeps what is behind it for whenever it pleases. Returns once it has taken it.
pub(super) async fn probe(channel: Channel) -> Result<(), Fault> {
    let properties = BasicProperties::default().with_delivery_mode(1);
    match channel.publish("", "", false, &[], properties, None).await {
        Ok(_) => Ok(()),
        Err(Unpublished { fault, .. }) => Err(fault),
    }
}

/// Publishes a message, and waits for its confirm.
pub(super) async fn publish(
    channel: Channel,
    number: u64,
    flight: Flight,
) -> (u64, Flight, Landing) {
    let landing = send(&channel, &flight).await;
    (number, flight, landing)
}

async fn send(channel: &Channel, flight: &Flight) -> Landing {
    let message = &flight.message;
    let route = &message.route;
    let mut properties = properties(message);
    // A counter of redeliveries is believed only if the broker has verified its author.
    if message.headers.iter().any(|(name, _)| *name == kept::REDELIVERIES)
        && let Some(user) = channel.connection().user()
    {
        properties = properties.with_user_id(user);
    }
    let published = pin!(channel.publish(
        route.exchange.name(),
        &route.routing_key,
        route.mandatory,
        &message.body,
        properties,
        message.expires.map(|expires| expires.deadline),
    ));
    let published = match &flight.owner {
        Owner::Request(request) if request.is_notification && request.retry == Retry::Never => {
            Box::pin(unless_blocked(channel.connection(), request, published)).await
        }
        _ => published.await,
    };
    match published {
        Ok(Confirmation::Ack(returned)) => Landing::Confirmed {
            acked: true,
            carried: returned.and_then(|returned| id_of(&returned)),
        },
        Ok(Confirmation::Nack(returned)) => Landing::Confirmed {
            acked: false,
            carried: returned.and_then(|returned| id_of(&returned)),
        },
        Ok(Confirmation::NotRequested) => Landing::Lost,
        Err(Unpublished { fault, may_have_left: left }) if fault.is_of_message() => {
            if fault.says("user_id property") {
                channel.connection().user_is_another();
            }
            Landing::Closed { fault, left }
        }
        Err(Unpublished { may_have_left: false, .. }) => Landing::Unsent,
        Err(_) => Landing::Lost,
    }
}

/// Ends a notification that is sent at once or not at all when the broker stops taking messages. It may arrive all the same.
async fn unless_blocked<T>(
    connection: &Connection,
    request: &Pending,
    mut publishing: Pin<&mut impl Future<Output = T>>,
) -> T {
    tokio::select! {
        biased;
        published = &mut publishing => return published,
        () = connection.blocked() => {}
    }
    request.end(Outcome::Unsent(blocked()));
    publishing.await
}

/// Why what is sent at once or not at all is not sent to a broker that takes nothing.
pub(super) fn blocked() -> TransportError {
    Fault::Blocked.to_error("send anything at once")
}

/// Returns the id of a message that the broker gave back.
fn id_of(returned: &BasicReturnMessage) -> Option<Uuid> {
    let headers = returned.properties.headers().as_ref().map(FieldTable::inner);
    if let Some(AMQPValue::LongString(id)) = headers.and_then(|headers| headers.get(kept::ID)) {
        return Uuid::try_parse_ascii(id.as_bytes()).ok();
    }
    let body = unpack(&returned.data, compression(&returned.properties), usize::MAX).ok()?;
    let text = envelope::open(&body).ok()?;
    let id = envelope::Request::parse(&text).ok()?.unique_id()?;
    Uuid::try_parse(&id).ok()
}

/// Makes the headers of a message. `expiration` is that of a call, in milliseconds.
fn headers(message: &Outgoing, expiration: Option<u64>) -> FieldTable {
    let mut headers = FieldTable::default();
    let origin = message.expires.zip(expiration);
    let origin = origin.and_then(|(expires, expiration)| expires.origin(expiration));
    for (name, number) in origin.into_iter().flat_map(Origin::headers) {
        headers.insert(name.into(), integer(number));
    }
    if let Some(compression) = message.compression {
        headers.insert("compression".into(), AMQPValue::LongString(compression.header().into()));
    }
    for (name, value) in &message.headers {
        let value = match value {
            Header::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Header::Number(number) => integer(*number),
        };
        headers.insert((*name).into(), value);
    }
    headers
}

fn integer(number: u64) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The properties that every message has (wire: section 5.1).
fn properties(message: &Outgoing) -> BasicProperties {
    // An expired message is not sent; one that expires this instant may live for a millisecond.
    let expiration = message.expires.map(|expires| expires.millis(Instant::now()).unwrap_or(1));
    let properties = BasicProperties::default()
        .with_content_type(ShortString::from(envelope::CONTENT_TYPE))
        .with_content_encoding(ShortString::from("utf-8"))
        .with_headers(headers(message, expiration))
        .with_delivery_mode(2)
        .with_priority(0);
    match expiration {
        Some(millis) => properties.with_expiration(ShortString::from(millis.to_string())),
        None => properties,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        age::{BEGAN, CALLER, TIMEOUT},
        pending::Expiry,
    };

    /// Returns the names of a call's headers. The call began `ago`.
    fn names(mut message: Outgoing, ago: Duration, is_own: bool) -> Vec<String> {
        let (timeout, began) = (Duration::from_secs(2), Instant::now() - ago);
        message.expires = Some(Expiry { deadline: began + timeout, timeout, is_own });
        let properties = properties(&message);
        let headers = properties.headers().as_ref().expect("a table").inner();
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_call_says_when_it_began_and_a_copy_of_it_says_the_same() {
        let of_nothing = || Pending::of_nothing(true).take().expect("a message");
        assert_eq!(names(of_nothing(), Duration::ZERO, true), [BEGAN, CALLER]);
        assert_eq!(names(of_nothing(), Duration::from_secs(1), true), [BEGAN, CALLER, TIMEOUT]);
        let origin = Origin { caller: 7, began: 1_700_000_000_000, timeout: Some(2000) };
        let headers = Header::of_origin(&origin).collect();
        let mut copy = Outgoing::to_queue(Arc::from("q"), Vec::new(), headers);
        copy.expires = Some(Expiry {
            deadline: Instant::now() + Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            is_own: false,
        });
        let properties = properties(&copy);
        let headers = properties.headers().as_ref().expect("a table").inner();
        for (name, number) in origin.headers() {
            assert_eq!(headers.get(name), Some(&integer(number)));
        }
        assert_eq!(names(of_nothing(), Duration::ZERO, false), [""; 0], "a stranger's, copied");
    }

    #[test]
    fn a_cast_says_nothing_of_time() {
        let message = Pending::of_nothing(false).take().expect("a message");
        assert!(properties(&message).headers().as_ref().expect("a table").inner().is_empty());
    }
}
