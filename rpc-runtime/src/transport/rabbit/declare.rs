//! Declares what a layout asks for, and makes the best of what exists already.

use std::{fmt, sync::Arc};

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    amqp::{Channel, Connection, Fault},
    topology::{Argument, Cause, ExchangeDeclaration, Kind, Layout, QueueDeclaration, Step},
};
use crate::{TransportError, TransportErrorKind, logging};

/// Declares one thing after the other, on a channel of their own: a refusal closes it.
///
/// What exists and only lasts longer or shorter than it should is used as it is.
pub(super) async fn declare_all(
    connection: &Arc<Connection>,
    steps: Vec<Step>,
    layout: &Layout,
) -> Result<(), TransportError> {
    let declared = try_declare(connection, steps, layout).await;
    declared.map_err(|(fault, what)| fault.to_error(&what))
}

/// The same, and says what failed at which step.
pub(super) async fn try_declare(
    connection: &Arc<Connection>,
    steps: Vec<Step>,
    layout: &Layout,
) -> Result<(), (Fault, String)> {
    let opened = || async {
        connection.channel().await.map_err(|fault| (fault, "open a channel".to_owned()))
    };
    let mut channel = opened().await?;
    for step in steps {
        match declare(&channel, &step).await {
            Ok(()) => {}
            Err(fault) if is_usable(&fault) => {
                layout.quiet.defer(Cause::UseAsItIs, move |left_out| {
                    tracing::warn!(%fault, left_out, "cannot {step}; using it as it is");
                });
                channel = opened().await?;
            }
            Err(fault) => {
                if is_denied(&fault) && layout.make_durable() {
                    let what = "the broker takes durable queues only; all are from now on";
                    logging::defer(move || tracing::warn!("{what}"));
                }
                return Err((fault, step.to_string()));
            }
        }
    }
    channel.close().await;
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(exchange) => write!(f, "declare the exchange `{}`", exchange.name),
            Self::Queue(queue) => write!(f, "declare the queue `{}`", queue.name),
            Self::Bind { queue, exchange, .. } => {
                write!(f, "bind the queue `{queue}` to the exchange `{exchange}`")
            }
        }
    }
}

/// Whether a declaration was refused for a difference that does not matter to who uses the thing.
fn is_usable(fault: &Fault) -> bool {
    fault.kind() == TransportErrorKind::Mismatch
        && ["inequivalent arg 'durable'", "inequivalent arg 'auto_delete'"]
            .iter()
            .any(|difference| fault.says(difference))
}

/// Whether the broker takes no queue that is neither durable nor of one connection alone. RabbitMQ 4.3 takes none, and
/// closes the connection over it.
fn is_denied(fault: &Fault) -> bool {
    fault.says("transient_nonexcl_queues")
}

async fn declare(channel: &Channel, step: &Step) -> Result<(), Fault> {
    match step {
        Step::Exchange(exchange) => declare_exchange(channel, exchange).await,
        Step::Queue(queue) => declare_queue(channel, queue).await,
        Step::Bind { queue, exchange, key } => channel.bind(queue, exchange, key).await,
    }
}

/// Declares an exchange.
pub(super) async fn declare_exchange(
    channel: &Channel,
    exchange: &ExchangeDeclaration,
) -> Result<(), Fault> {
    let options = ExchangeDeclareOptions {
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        ..Default::default()
    };
    let kind = match exchange.kind {
        Kind::Topic => ExchangeKind::Topic,
        Kind::Fanout => ExchangeKind::Fanout,
    };
    channel.declare_exchange(&exchange.name, kind, options).await
}

async fn declare_queue(channel: &Channel, queue: &QueueDeclaration) -> Result<(), Fault> {
    let mut arguments = FieldTable::default();
    for (name, value) in &queue.arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString((&**text).into()),
            Argument::Number(number) => AMQPValue::LongInt(*number),
        };
        arguments.insert((*name).into(), value);
    }
    let options = QueueDeclareOptions {
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        ..QueueDeclareOptions::default()
    };
    channel.declare_queue(&queue.name, options, arguments).await
}
