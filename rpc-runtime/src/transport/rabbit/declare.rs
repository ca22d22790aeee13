//! Declares what a layout asks for, and makes the best of what exists already.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use super::{
    OPERATION_LIMIT, broker_error,
    topology::{Argument, ExchangeDeclaration, Kind, Layout, QueueDeclaration, Step},
};
use crate::{TransportError, TransportErrorKind};

/// Declares one thing after the other, on a channel of their own: a refusal closes it.
///
/// What exists and only lasts longer or shorter than it should is used as it is.
pub(super) async fn declare_all(
    connection: &lapin::Connection,
    steps: Vec<Step>,
    layout: &Layout,
) -> Result<(), TransportError> {
    let opened = || async {
        let channel = connection.create_channel().await;
        channel.map_err(|error| broker_error("open a channel", &error))
    };
    let mut channel = opened().await?;
    for step in steps {
        let what = match &step {
            Step::Exchange(exchange) => format!("declare the exchange `{}`", exchange.name),
            Step::Queue(queue) => format!("declare the queue `{}`", queue.name),
            Step::Bind { queue, exchange, .. } => {
                format!("bind the queue `{queue}` to the exchange `{exchange}`")
            }
        };
        match declare(&channel, step).await {
            Ok(()) => {}
            Err(error) if is_usable(&error) => {
                tracing::warn!(%error, "cannot {what}: using it as it is");
                channel = opened().await?;
            }
            Err(error) => {
                if is_denied(&error) && layout.make_durable() {
                    tracing::warn!("the broker takes durable queues only: all are from now on");
                }
                return Err(broker_error(&what, &error));
            }
        }
    }
    let closed = channel.close(200, "done".into());
    let _ = timeout(OPERATION_LIMIT, closed).await;
    Ok(())
}

/// Whether a declaration was refused for a difference that does not matter to who uses the thing.
fn is_usable(error: &lapin::Error) -> bool {
    let text = error.to_string();
    broker_error("", error).kind() == TransportErrorKind::Mismatch
        && ["inequivalent arg 'durable'", "inequivalent arg 'auto_delete'"]
            .iter()
            .any(|difference| text.contains(difference))
}

/// Whether the broker takes no queue that is neither durable nor of one connection alone. RabbitMQ 4.3 takes none, and
/// closes the connection over it.
fn is_denied(error: &lapin::Error) -> bool {
    error.to_string().contains("transient_nonexcl_queues")
}

async fn declare(channel: &Channel, step: Step) -> lapin::Result<()> {
    match step {
        Step::Exchange(exchange) => declare_exchange(channel, exchange).await,
        Step::Queue(queue) => declare_queue(channel, queue).await,
        Step::Bind { queue, exchange, key } => {
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments).await
        }
    }
}

/// Declares an exchange.
pub(super) async fn declare_exchange(
    channel: &Channel,
    exchange: ExchangeDeclaration,
) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        ..Default::default()
    };
    let kind = match exchange.kind {
        Kind::Topic => ExchangeKind::Topic,
        Kind::Fanout => ExchangeKind::Fanout,
    };
    channel.exchange_declare(exchange.name.into(), kind, options, FieldTable::default()).await
}

async fn declare_queue(channel: &Channel, queue: QueueDeclaration) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    for (name, value) in queue.arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(text.into_owned().into()),
            Argument::Number(number) => AMQPValue::LongInt(number),
        };
        arguments.insert(name.into(), value);
    }
    let options = QueueDeclareOptions {
        durable: queue.durable,
        auto_delete: queue.auto_delete,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(queue.name.into(), options, arguments).await.map(drop)
}
