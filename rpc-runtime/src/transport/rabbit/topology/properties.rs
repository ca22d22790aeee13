//! Over random options and names: what is declared fits together, and both ends declare the same.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::*;

/// Options that fit each other.
fn options() -> impl Strategy<Value = RabbitOptions> {
    let flags = any::<[bool; 6]>();
    let limits = any::<[Option<u32>; 3]>();
    let ttl = prop_oneof![Just(0), 1..5_u64, 1_000..2_000_000_u64, Just(i32::MAX as u64)];
    (flags, limits, ttl)
        .prop_map(|([durable, auto, quorum, transient, ha, stream], limits, ttl)| {
            let [deliveries, length, bytes] = limits.map(|limit| limit.unwrap_or(0));
            RabbitOptions::default()
                .durable_queues(durable)
                .auto_delete(auto)
                .quorum_queues(quorum)
                .transient_quorum_queues(transient)
                .ha_queues(ha)
                .stream_fanout(stream)
                .quorum_delivery_limit(deliveries)
                .quorum_max_memory_length(length)
                .quorum_max_memory_bytes(bytes)
                .transient_queues_ttl(Duration::from_millis(ttl))
        })
        .prop_filter("they do not fit", |options| options.validate().is_ok())
}

fn address() -> impl Strategy<Value = ListenAddress> {
    let name = "[a-z][a-z0-9@#._-]{0,20}";
    (name, name, name).prop_map(|(exchange, topic, host)| ListenAddress {
        exchange: exchange.into(),
        topic: topic.into(),
        host: host.into(),
        prefetch: 1,
    })
}

/// Checks what RabbitMQ asks of a queue.
fn check(queue: &QueueDeclaration) -> Result<(), TestCaseError> {
    let names: BTreeSet<_> = queue.arguments.iter().map(|(name, _)| name).collect();
    prop_assert_eq!(names.len(), queue.arguments.len(), "each argument once");
    for (name, value) in &queue.arguments {
        match value {
            Argument::Number(number) => prop_assert!(*number > 0, "{} {}", name, number),
            Argument::Text(text) => prop_assert!(!text.is_empty()),
        }
    }
    let kind = queue.arguments.iter().find(|(name, _)| *name == "x-queue-type");
    // Neither quorum queues nor streams can be anything else.
    prop_assert!(kind.is_none() || queue.durable && !queue.auto_delete, "{:?}", queue);
    Ok(())
}

proptest! {
    #[test]
    fn a_server_binds_only_what_it_has_declared(options in options(), address in address()) {
        let layout = Layout::new(options);
        let (mut exchanges, mut declared) = (BTreeSet::new(), BTreeSet::new());
        for step in server(&address, "own_queue", &layout) {
            match step {
                Step::Exchange(exchange) => prop_assert!(exchanges.insert(exchange.name)),
                Step::Queue(queue) => {
                    check(&queue)?;
                    prop_assert!(declared.insert(queue.name));
                }
                Step::Bind { queue, exchange, .. } => {
                    prop_assert!(declared.contains(&queue) && exchanges.contains(&exchange));
                }
            }
        }
        let consumed: BTreeSet<_> = queues(&address, "own_queue").into_iter().collect();
        prop_assert_eq!(consumed, declared, "what is declared is consumed, and nothing else");
    }

    #[test]
    fn what_clients_send_by_is_what_servers_bind(options in options(), address in address()) {
        let layout = Layout::new(options);
        let steps = server(&address, "own_queue", &layout);
        let (topic, host) = (address.topic.to_string(), address.host.to_string());
        let to_host = crate::Address::host(topic.clone(), host).routing_key();
        for key in [&topic, &to_host] {
            let (queue, exchange) = (key.clone(), address.exchange.to_string());
            let bound = Step::Bind { queue, exchange, key: key.clone() };
            prop_assert!(steps.contains(&bound));
        }
        let fanout = format!("{topic}_fanout");
        for exchange in [Exchange::Topic(address.exchange.clone()), Exchange::Fanout(fanout.into())] {
            let published = publishing(&exchange, &layout.options).expect("not the broker's own");
            prop_assert!(steps.contains(&Step::Exchange(published)), "both ends declare the same");
        }
        prop_assert_eq!(publishing(&Exchange::Default, &layout.options), None);
    }

    #[test]
    fn queues_of_one_process_go_or_are_kept_for_ever(options in options()) {
        let ttl = options.transient_ttl;
        let queue = transient("reply".into(), &Layout::new(options));
        check(&queue)?;
        let expires = queue.arguments.iter().find(|(name, _)| *name == "x-expires");
        let millis = i32::try_from(ttl.as_millis()).expect("it fits");
        prop_assert_eq!(expires.map(|(_, value)| value.clone()), (millis > 0).then_some(Argument::Number(millis)));
        prop_assert!(!queue.auto_delete);
    }
}
