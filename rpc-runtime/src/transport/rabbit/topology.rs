//! What is declared at the broker: exchanges, queues and bindings, in the original's layout (wire: section 5).
//!
//! Plain data from plain names. Nobody here talks to a broker.

use crate::{pending::Exchange, transport::Address};

/// How long a reply queue or a fanout queue outlives its consumer, in milliseconds
/// (`rabbit_transient_queues_ttl`, 1800 s).
const TRANSIENT_TTL: i32 = 1_800_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Fanout,
}

/// An exchange to declare. None is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExchangeDeclaration {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) auto_delete: bool,
}

/// A queue to declare. None is durable, exclusive or auto-delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueDeclaration {
    pub(super) name: String,
    /// The `x-expires` argument, in milliseconds.
    pub(super) expires: Option<i32>,
}

/// One step of a set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Exchange(ExchangeDeclaration),
    Queue(QueueDeclaration),
    Bind { queue: String, exchange: String, key: String },
}

/// What a publisher declares before it publishes to `exchange`: nothing for the default one.
pub(super) fn publishing(exchange: &Exchange) -> Option<ExchangeDeclaration> {
    let name = exchange.name().to_owned();
    match exchange {
        Exchange::Default => None,
        Exchange::Topic(_) => {
            Some(ExchangeDeclaration { name, kind: Kind::Topic, auto_delete: false })
        }
        Exchange::Fanout(_) => {
            Some(ExchangeDeclaration { name, kind: Kind::Fanout, auto_delete: true })
        }
    }
}

/// The queue that a client's replies come to. It is bound to nothing: the default exchange knows every queue.
pub(super) fn replies(queue: &str) -> QueueDeclaration {
    QueueDeclaration { name: queue.to_owned(), expires: Some(TRANSIENT_TTL) }
}

/// The queues that a server consumes, in the order in which it does: topic, host, fanout.
pub(super) fn queues(address: &Address, fanout_queue: &str) -> [String; 3] {
    [
        address.topic.to_string(),
        format!("{}.{}", address.topic, address.host),
        fanout_queue.to_owned(),
    ]
}

/// What a server declares, in the original's order.
pub(super) fn server(address: &Address, fanout_queue: &str) -> Vec<Step> {
    let fanout_exchange = format!("{}_fanout", address.topic);
    let [topic, host, fanout] = queues(address, fanout_queue);
    let control = ExchangeDeclaration {
        name: address.exchange.to_string(),
        kind: Kind::Topic,
        auto_delete: false,
    };
    let broadcast = ExchangeDeclaration {
        name: fanout_exchange.clone(),
        kind: Kind::Fanout,
        auto_delete: true,
    };
    let shared = |queue: String| {
        let bind = Step::Bind {
            queue: queue.clone(),
            exchange: address.exchange.to_string(),
            key: queue.clone(),
        };
        [Step::Queue(QueueDeclaration { name: queue, expires: None }), bind]
    };
    let mut steps = vec![Step::Exchange(control)];
    steps.extend(shared(topic));
    steps.extend(shared(host));
    steps.push(Step::Exchange(broadcast));
    steps
        .push(Step::Queue(QueueDeclaration { name: fanout.clone(), expires: Some(TRANSIENT_TTL) }));
    steps.push(Step::Bind {
        queue: fanout,
        exchange: fanout_exchange,
        key: address.topic.to_string(),
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_declares_the_recorded_layout() {
        let address = Address {
            exchange: "openstack".into(),
            topic: "t".into(),
            host: "h".into(),
            prefetch: 1,
        };
        let steps: Vec<_> = server(&address, "t_fanout_1").iter().map(describe).collect();
        assert_eq!(
            steps,
            [
                "exchange openstack Topic false",
                "queue t None",
                "bind t openstack t",
                "queue t.h None",
                "bind t.h openstack t.h",
                "exchange t_fanout Fanout true",
                "queue t_fanout_1 Some(1800000)",
                "bind t_fanout_1 t_fanout t",
            ]
        );
    }

    fn describe(step: &Step) -> String {
        match step {
            Step::Exchange(exchange) => {
                format!("exchange {} {:?} {}", exchange.name, exchange.kind, exchange.auto_delete)
            }
            Step::Queue(queue) => format!("queue {} {:?}", queue.name, queue.expires),
            Step::Bind { queue, exchange, key } => format!("bind {queue} {exchange} {key}"),
        }
    }
}
