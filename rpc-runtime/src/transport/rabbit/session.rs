//! A channel that publishes: messages on their way, and how each landed.

use std::{collections::HashSet, sync::Arc, time::Instant};

use lapin::{
    BasicProperties, Channel, Confirmation, ErrorKind,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    OPERATION_LIMIT, broker_error,
    confirms::Confirms,
    consumer::compression,
    declare::declare_exchange,
    queue::ReplyRest,
    supervisor::Generation,
    topology::{self, Layout},
};
use crate::{
    TransportError, TransportErrorKind,
    compression::unpack,
    envelope,
    pending::{Exchange, Outgoing, Pending},
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
    /// The broker closed the channel over a message to its exchange, which is not there: this one, or another.
    NoExchange,
    /// It may have left.
    Lost,
}
/// One channel in confirm mode, and one on the side for declarations, whose failure costs nobody a publish.
pub(super) struct Session {
    pub(super) generation: Arc<Generation>,
    pub(super) channel: Channel,
    /// For declarations: opened when first needed, and again after a failure.
    side: Option<Channel>,
    declared: HashSet<String>,
    layout: Arc<Layout>,
    pub(super) confirms: Confirms<Uuid, Flight>,
    /// What was on its way to an exchange that is not there.
    pub(super) homeless: Vec<Flight>,
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
    pub(super) async fn open(
        generation: Arc<Generation>,
        layout: Arc<Layout>,
    ) -> Result<Self, TransportError> {
        let opened = async {
            let channel = generation.connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        let channel = match timeout(OPERATION_LIMIT, opened).await {
            Ok(opened) => opened.map_err(|error| broker_error("open a channel", &error))?,
            Err(_) => {
                generation.give_up();
                return Err(TransportError::new(
                    TransportErrorKind::TimedOut,
                    "the broker does not open a channel",
                ));
            }
        };
        Ok(Self {
            generation,
            channel,
            side: None,
            declared: HashSet::new(),
            layout,
            confirms: Confirms::new(),
            homeless: Vec::new(),
        })
    }

    /// Declares an exchange, on the side channel. One that exists with other properties is used as it is.
    ///
    /// A fanout exchange goes when its last server goes, so it is declared each time. Returns whether the connection
    /// is still good.
    pub(super) async fn declare(&mut self, exchange: &Exchange) -> bool {
        let Some(declaration) = topology::publishing(exchange, &self.layout.options) else {
            return true;
        };
        if self.declared.contains(&declaration.name) {
            return true;
        }
        let side = self.side.take().filter(|side| side.status().connected());
        let connection = &self.generation.connection;
        let declared = async {
            let side = match side {
                Some(side) => side,
                None => connection.create_channel().await?,
            };
            declare_exchange(&side, declaration.clone()).await.map(|()| side)
        };
        match timeout(OPERATION_LIMIT, declared).await {
            Ok(Err(error)) => {
                tracing::warn!(exchange = declaration.name, %error, "cannot declare an exchange")
            }
            Ok(Ok(side)) => self.side = Some(side),
            Err(_) => {
                self.generation.give_up();
                return false;
            }
        }
        if let Exchange::Topic(_) = exchange {
            self.declared.insert(declaration.name);
        }
        true
    }
}

/// Publishes a message, and waits for its confirm.
pub(super) async fn publish(
    channel: Channel,
    number: u64,
    flight: Flight,
) -> (u64, Flight, Landing) {
    let landing = match send(&channel, &flight.message).await {
        Ok(confirmation) => confirmation,
        Err(error) => match error.kind() {
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                Landing::Unsent
            }
            _ => lost(&error, &flight.message),
        },
    };
    (number, flight, landing)
}

/// Says what an error that closed the channel means for a message that had left.
fn lost(error: &lapin::Error, message: &Outgoing) -> Landing {
    let missing = format!("no exchange '{}'", message.route.exchange.name());
    match error.kind() {
        ErrorKind::ProtocolError(error) if error.get_message().as_str().contains(&missing) => {
            Landing::NoExchange
        }
        _ => Landing::Lost,
    }
}

async fn send(channel: &Channel, message: &Outgoing) -> Result<Landing, lapin::Error> {
    let route = &message.route;
    let options = BasicPublishOptions { mandatory: route.mandatory, immediate: false };
    let exchange = ShortString::from(route.exchange.name());
    let routing_key = ShortString::from(&*route.routing_key);
    let confirm = channel
        .basic_publish(exchange, routing_key, options, &message.body, properties(message))
        .await?;
    // From here on the message may have left, whatever the error says.
    Ok(match confirm.await {
        Ok(Confirmation::Ack(returned)) => Landing::Confirmed {
            acked: true,
            carried: returned.and_then(|returned| id_of(&returned)),
        },
        Ok(Confirmation::Nack(returned)) => Landing::Confirmed {
            acked: false,
            carried: returned.and_then(|returned| id_of(&returned)),
        },
        Ok(Confirmation::NotRequested) => Landing::Lost,
        Err(error) => lost(&error, message),
    })
}

/// Returns the id of a message that the broker gave back.
fn id_of(returned: &BasicReturnMessage) -> Option<Uuid> {
    let body = unpack(&returned.data, compression(&returned.properties)).ok()?;
    let text = envelope::open(&body).ok()?;
    let id = envelope::Request::parse(&text).ok()?.unique_id()?;
    Uuid::try_parse(&id).ok()
}

fn headers(message: &Outgoing) -> FieldTable {
    let mut headers = FieldTable::default();
    if let Some(compression) = message.compression {
        headers.insert("compression".into(), AMQPValue::LongString(compression.header().into()));
    }
    headers
}

/// The properties that every message has (wire: section 5.1).
fn properties(message: &Outgoing) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type(ShortString::from(envelope::CONTENT_TYPE))
        .with_content_encoding(ShortString::from("utf-8"))
        .with_headers(headers(message))
        .with_delivery_mode(2)
        .with_priority(0);
    match &message.expires {
        // An expired message is not sent; one that expires this instant may live for a millisecond.
        Some(expires) => {
            let millis = expires.millis(Instant::now()).unwrap_or(1);
            properties.with_expiration(ShortString::from(millis.to_string()))
        }
        None => properties,
    }
}
