//! Declares what a layout asks for, and makes the best of what exists already.

use std::{fmt, sync::Arc};

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    adopt,
    amqp::{Channel, Connection, Fault},
    topology::{Argument, Cause, ExchangeDeclaration, Kind, Layout, QueueDeclaration, Step},
};
use crate::{TransportError, TransportErrorKind, logging};

/// Declares one thing after the other, on a channel of their own: a refusal closes it.
///
/// A thing that exists in another form is used as it is, if the difference is [harmless](adopt).
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
        let mut declared = step.clone();
        while let Err(fault) = declare(&channel, &declared).await {
            let Some(adopted) = adopted(&step, &declared, &fault) else {
                // A broker that permitted them when it was asked has become a newer one.
                if is_denied(&fault) {
                    deny(layout);
                }
                return Err((fault, step.to_string()));
            };
            let step = step.clone();
            layout.quiet.defer(Cause::UseAsItIs, move |left_out| {
                tracing::warn!(%fault, left_out, "cannot {step}; using it as it is");
            });
            channel = opened().await?;
            match adopted {
                Adopted::AsItIs => break,
                Adopted::In(form) => declared = form,
            }
        }
        if let Step::Queue(queue) = &declared {
            layout.note(queue);
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

/// A use of something that exists in another form than it was declared.
enum Adopted {
    /// Without another declaration.
    AsItIs,
    /// Once it has been declared in its own form.
    In(Step),
}

/// Decides whether a thing can be used whose declaration was refused. `wanted` is the layout's form
/// of it.
fn adopted(wanted: &Step, declared: &Step, fault: &Fault) -> Option<Adopted> {
    if fault.kind() != TransportErrorKind::Mismatch {
        return None;
    }
    let as_it_is = match (wanted, declared) {
        (Step::Queue(wanted), Step::Queue(queue)) => {
            if let Some(form) = adopt::adopted(queue, fault.words()) {
                return Some(Adopted::In(Step::Queue(form)));
            }
            adopt::is_of_another_kind(wanted, queue) || adopt::is_harmless(fault.words())
        }
        _ => adopt::is_harmless(fault.words()),
    };
    as_it_is.then_some(Adopted::AsItIs)
}

/// Whether the broker denied a queue because it is neither durable nor exclusive.
pub(super) fn is_denied(fault: &Fault) -> bool {
    fault.says("transient_nonexcl_queues")
}

/// Makes all queues of the transport durable from now on.
pub(super) fn deny(layout: &Layout) {
    if layout.make_durable() {
        let what = "the broker permits no queues that are neither durable nor exclusive; \
                    all queues of this transport are durable";
        logging::defer(move || tracing::info!("{what}"));
    }
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

/// Declares a queue.
pub(super) async fn declare_queue(
    channel: &Channel,
    queue: &QueueDeclaration,
) -> Result<(), Fault> {
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
