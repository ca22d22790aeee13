//! What is declared at the broker: exchanges, queues and bindings, in the original's layout (wire: section 5).
//!
//! Plain data from plain names and options. Nobody here talks to a broker.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::trust::Trust;
use crate::{
    RabbitOptions,
    pending::Exchange,
    quiet::Quiet,
    sync::lock,
    transport::{ListenAddress, Sources},
};

/// The options, and what a broker has made of them.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) options: RabbitOptions,
    /// Whether the broker denies queues that are neither durable nor exclusive.
    only_durable: AtomicBool,
    /// Whether it has been asked about them.
    was_asked: AtomicBool,
    /// The declared queues that may be quorum queues, and whether they surely are.
    replicated: Mutex<BTreeMap<String, bool>>,
    /// The users whose counters of redeliveries are believed.
    pub(super) trust: Trust,
    /// What an outage makes everybody say, over and over.
    pub(super) quiet: Quiet<Cause>,
}

/// What is said of a broker that does not do as it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Consume,
    ConsumeReplies,
    Counter,
    Declare,
    Exchange,
    Publish,
    Refused,
    ReplyQueueTaken,
    UseAsItIs,
}

impl Layout {
    pub(super) fn new(options: RabbitOptions) -> Self {
        Self {
            options,
            only_durable: AtomicBool::new(false),
            was_asked: AtomicBool::new(false),
            replicated: Mutex::default(),
            trust: Trust::default(),
            quiet: Quiet::new(),
        }
    }

    pub(super) fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Whether the broker is to be asked about queues that are neither durable nor exclusive: the
    /// layout has some, and the broker has not been asked.
    pub(super) fn may_ask(&self) -> bool {
        let is_durable =
            (self.options.durable || self.options.quorum) && self.options.transient_quorum;
        !is_durable && !self.was_asked.load(Ordering::Relaxed)
    }

    /// Notes that the broker has answered, so that it is not asked again.
    pub(super) fn has_asked(&self) {
        self.was_asked.store(true, Ordering::Relaxed);
    }

    /// From now on all queues are durable. Returns whether they were not.
    pub(super) fn make_durable(&self) -> bool {
        !self.only_durable.swap(true, Ordering::Relaxed)
    }

    /// Notes the form of a queue that has been declared.
    pub(super) fn note(&self, queue: &QueueDeclaration) {
        let mut replicated = lock(&self.replicated);
        if queue.may_be_quorum() {
            replicated.insert(queue.name.clone(), queue.is_quorum());
        } else {
            replicated.remove(&queue.name);
        }
    }

    /// Whether a queue that has been declared surely is a quorum queue.
    pub(super) fn is_quorum(&self, queue: &str) -> bool {
        lock(&self.replicated).get(queue).is_some_and(|surely| *surely)
    }

    /// Whether a queue that has been declared may be a quorum queue.
    pub(super) fn may_be_quorum(&self, queue: &str) -> bool {
        lock(&self.replicated).contains_key(queue)
    }

    fn is_durable(&self, wanted: bool) -> bool {
        wanted || self.only_durable.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Fanout,
}

/// An exchange to declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExchangeDeclaration {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
}

/// A queue to declare. None is exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueDeclaration {
    pub(super) name: String,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) arguments: Vec<(&'static str, Argument)>,
}

impl QueueDeclaration {
    /// Whether the type is left to the broker.
    pub(super) fn has_no_type(&self) -> bool {
        !self.arguments.iter().any(|(name, _)| *name == "x-queue-type")
    }

    /// A virtual host may have a default type for durable queues, and releases before 4.3 accept a
    /// declaration without a type for any queue.
    fn may_be_quorum(&self) -> bool {
        self.is_quorum() || self.durable && self.has_no_type()
    }

    fn is_quorum(&self) -> bool {
        self.arguments.contains(&("x-queue-type", Argument::Text("quorum".into())))
    }
}

/// The value of a queue's argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Text(Cow<'static, str>),
    /// RabbitMQ takes whole numbers of any width for equal, and no other kind of number.
    Number(i32),
}

/// One step of a set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Exchange(ExchangeDeclaration),
    Queue(QueueDeclaration),
    Bind { queue: String, exchange: String, key: String },
}

/// A control exchange.
fn control(name: String, options: &RabbitOptions) -> ExchangeDeclaration {
    let durable = options.durable || options.quorum;
    ExchangeDeclaration { name, kind: Kind::Topic, durable, auto_delete: options.auto_delete }
}

/// The exchange of a topic that every server of it is bound to.
fn broadcast(name: String, options: &RabbitOptions) -> ExchangeDeclaration {
    let durable = options.transient_quorum;
    ExchangeDeclaration { name, kind: Kind::Fanout, durable, auto_delete: true }
}

/// What a publisher declares before it publishes to `exchange`: nothing for the default one.
pub(super) fn publishing(
    exchange: &Exchange,
    options: &RabbitOptions,
) -> Option<ExchangeDeclaration> {
    let name = exchange.name().to_owned();
    match exchange {
        Exchange::Default => None,
        Exchange::Topic(_) | Exchange::Notifications(_) => Some(control(name, options)),
        Exchange::Fanout(_) => Some(broadcast(name, options)),
    }
}

/// The queue of a topic or a host, that servers share or come back to.
fn shared(name: String, layout: &Layout) -> QueueDeclaration {
    let options = &layout.options;
    QueueDeclaration {
        name,
        durable: layout.is_durable(options.durable || options.quorum),
        auto_delete: options.auto_delete,
        arguments: arguments(options.quorum, options),
    }
}

/// A queue of one process: for replies, or for fanout casts. It goes when nobody has consumed it for a while.
///
/// The one for replies is bound to nothing: the default exchange knows every queue.
pub(super) fn transient(name: String, layout: &Layout) -> QueueDeclaration {
    let options = &layout.options;
    let mut arguments = arguments(options.transient_quorum, options);
    if let Ok(millis @ 1..) = i32::try_from(options.transient_ttl.as_millis()) {
        arguments.push(("x-expires", Argument::Number(millis)));
    }
    let durable = layout.is_durable(options.transient_quorum);
    QueueDeclaration { name, durable, auto_delete: false, arguments }
}

/// A queue for messages that an operator has to look at. With `most` the oldest message makes room
/// for one more.
pub(super) fn kept(name: String, most: Option<u32>, layout: &Layout) -> QueueDeclaration {
    let quorum = layout.options.quorum;
    let mut arguments = match quorum {
        true => vec![("x-queue-type", Argument::Text("quorum".into()))],
        false => Vec::new(),
    };
    if let Some(most) = most {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        arguments.push(("x-max-length", Argument::Number(most)));
    }
    QueueDeclaration { name, durable: true, auto_delete: false, arguments }
}

/// The queue that fanout casts of a topic come by, for all of its servers.
fn stream(name: String, options: &RabbitOptions) -> QueueDeclaration {
    let mut arguments = vec![("x-queue-type", Argument::Text("stream".into()))];
    let seconds = options.transient_ttl.as_secs();
    if seconds > 0 {
        arguments.push(("x-max-age", Argument::Text(format!("{seconds}s").into())));
    }
    QueueDeclaration { name, durable: true, auto_delete: false, arguments }
}

fn arguments(quorum: bool, options: &RabbitOptions) -> Vec<(&'static str, Argument)> {
    let mut arguments = Vec::new();
    if options.ha {
        arguments.push(("x-ha-policy", Argument::Text("all".into())));
    }
    if !quorum {
        return arguments;
    }
    arguments.push(("x-queue-type", Argument::Text("quorum".into())));
    for (name, limit) in [
        ("x-delivery-limit", options.delivery_limit),
        ("x-max-in-memory-length", options.max_memory_length),
        ("x-max-in-memory-bytes", options.max_memory_bytes),
    ] {
        if let Ok(limit @ 1..) = i32::try_from(limit) {
            arguments.push((name, Argument::Number(limit)));
        }
    }
    arguments
}

/// The queues that a server consumes, in the order in which it does: topic, host, fanout.
pub(super) fn queues(address: &ListenAddress, fanout_queue: &str) -> [String; 3] {
    [
        address.topic.to_string(),
        format!("{}.{}", address.topic, address.host),
        fanout_queue.to_owned(),
    ]
}

/// What a server declares, in the original's order.
pub(super) fn server(address: &ListenAddress, fanout_queue: &str, layout: &Layout) -> Vec<Step> {
    let options = &layout.options;
    let [topic, host, fanout] = queues(address, fanout_queue);
    let exchange = address.exchange.to_string();
    let fanout_exchange = format!("{}_fanout", address.topic);
    let bound = |queue: String| {
        let (exchange, key) = (exchange.clone(), queue.clone());
        let declared = Step::Queue(shared(queue.clone(), layout));
        [declared, Step::Bind { queue, exchange, key }]
    };
    let mut steps = vec![Step::Exchange(control(exchange.clone(), options))];
    steps.extend(bound(topic));
    steps.extend(bound(host));
    steps.push(Step::Exchange(broadcast(fanout_exchange.clone(), options)));
    let (name, is_stream) = (fanout.clone(), options.stream_fanout);
    steps.push(Step::Queue(match is_stream {
        true => stream(name, options),
        false => transient(name, layout),
    }));
    let key = address.topic.to_string();
    steps.push(Step::Bind { queue: fanout, exchange: fanout_exchange, key });
    steps
}

/// What whoever sends a notification declares beside the exchange, so that it waits for who will listen some day.
pub(super) fn notification(exchange: &str, key: &str, layout: &Layout) -> [Step; 2] {
    kept_for(exchange, key, key, layout)
}

/// What a listener for notifications declares, in the original's order.
pub(super) fn listener(sources: &Sources, layout: &Layout) -> Vec<Step> {
    let steps = sources.bindings.iter().flat_map(|(exchange, key)| {
        let declared = Step::Exchange(control(exchange.to_string(), &layout.options));
        let queue = sources.queue(key);
        [declared].into_iter().chain(kept_for(exchange, key, queue, layout))
    });
    steps.collect()
}

fn kept_for(exchange: &str, key: &str, queue: &str, layout: &Layout) -> [Step; 2] {
    let [exchange, key, queue] = [exchange, key, queue].map(str::to_owned);
    [Step::Queue(shared(queue.clone(), layout)), Step::Bind { queue, exchange, key }]
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Map, Value, json};

    use super::{super::names::OwnQueue, *};
    use crate::json::from_str;

    /// Returns the options of a recorded variant.
    fn options(recorded: &Map<String, Value>) -> RabbitOptions {
        let mut options = RabbitOptions::default();
        for (name, value) in recorded {
            let flag = value.as_bool().unwrap_or_default();
            let number =
                value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
            options = match name.as_str() {
                "amqp_durable_queues" => options.durable_queues(flag),
                "amqp_auto_delete" => options.auto_delete(flag),
                "rabbit_quorum_queue" => options.quorum_queues(flag),
                "rabbit_transient_quorum_queue" => options.transient_quorum_queues(flag),
                "rabbit_quorum_delivery_limit" => options.quorum_delivery_limit(number),
                "rabbit_quorum_max_memory_length" => options.quorum_max_memory_length(number),
                "rabbit_quorum_max_memory_bytes" => options.quorum_max_memory_bytes(number),
                "rabbit_ha_queues" => options.ha_queues(flag),
                "rabbit_transient_queues_ttl" => {
                    options.transient_queues_ttl(Duration::from_secs(number.into()))
                }
                "enable_cancel_on_failover" => options.cancel_on_failover(flag),
                "rabbit_stream_fanout" => options.stream_fanout(flag),
                "use_queue_manager" => options.stable_queue_names(flag),
                "hostname" => options.host_name(value.as_str().expect("text")),
                "processname" => options.process_name(value.as_str().expect("text")),
                "rabbit_qos_prefetch_count" => options.prefetch(number.try_into().expect("few")),
                "control_exchange" => options,
                unknown => panic!("no option {unknown}"),
            };
        }
        options
    }

    /// Writes a step as the recording has it.
    fn written(step: &Step) -> Value {
        match step {
            Step::Exchange(exchange) => json!(["exchange.declare", {
                "exchange": exchange.name, "type": format!("{:?}", exchange.kind).to_lowercase(),
                "durable": exchange.durable, "auto_delete": exchange.auto_delete, "arguments": {},
            }]),
            Step::Queue(queue) => {
                let arguments = queue.arguments.iter().map(|(name, value)| match value {
                    Argument::Text(text) => ((*name).to_owned(), json!(text)),
                    Argument::Number(number) => ((*name).to_owned(), json!({"@I": number})),
                });
                json!(["queue.declare", {
                    "queue": queue.name, "durable": queue.durable, "auto_delete": queue.auto_delete,
                    "exclusive": false, "arguments": arguments.collect::<Map<_, _>>(),
                }])
            }
            Step::Bind { queue, exchange, key } => {
                json!(["queue.bind", {"queue": queue, "exchange": exchange, "routing_key": key, "arguments": {}}])
            }
        }
    }

    /// Returns the recorded declarations of one side, without what is the same in all.
    fn recorded(methods: &Value) -> Vec<Value> {
        let mut steps = Vec::new();
        for method in methods.as_array().expect("a list") {
            let name = method["method"].as_str().expect("text");
            if !matches!(name, "exchange.declare" | "queue.declare" | "queue.bind") {
                continue;
            }
            let mut args = method["args"].clone();
            for same in ["passive", "internal", "nowait"] {
                args.as_object_mut().expect("an object").remove(same);
            }
            let step = json!([name, args]);
            // It declares its control exchange before each queue; once is enough.
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        steps
    }

    #[test]
    fn a_durable_queue_without_a_type_may_be_replicated() {
        let layout = Layout::new(RabbitOptions::default());
        let declared = |durable, arguments: &[(&'static str, Argument)]| {
            let (name, arguments) = ("q".to_owned(), arguments.to_vec());
            layout.note(&QueueDeclaration { name, durable, auto_delete: false, arguments });
            (layout.is_quorum("q"), layout.may_be_quorum("q"))
        };
        let typed = |kind: &'static str| [("x-queue-type", Argument::Text(kind.into()))];
        assert_eq!((layout.is_quorum("q"), layout.may_be_quorum("q")), (false, false));
        assert_eq!(declared(true, &typed("quorum")), (true, true));
        assert_eq!(declared(true, &[]), (false, true), "a virtual host may have a default");
        assert_eq!(declared(false, &[]), (false, false));
        assert_eq!(declared(true, &typed("stream")), (false, false));
    }

    #[test]
    fn only_a_layout_with_transient_queues_asks_about_them_and_only_once() {
        let options = RabbitOptions::default;
        let lasting = options().quorum_queues(true).transient_quorum_queues(true);
        assert!(!Layout::new(lasting).may_ask());
        for options in [options(), options().durable_queues(true), options().quorum_queues(true)] {
            let layout = Layout::new(options.clone());
            assert!(layout.may_ask(), "replies or fanout casts come by such queues");
            layout.has_asked();
            assert!(!layout.may_ask());
        }
        assert!(Layout::new(options().transient_quorum_queues(true)).may_ask(), "the topic's");
    }

    #[test]
    fn a_broker_that_takes_only_durable_queues_gets_them_and_is_told_of_once() {
        let layout = Layout::new(RabbitOptions::default());
        let durable =
            || transient("q".into(), &layout).durable && shared("q".into(), &layout).durable;
        assert!(!durable());
        assert!(layout.make_durable());
        assert!(durable());
        assert!(!layout.make_durable(), "that is no news");
        assert!(durable());
    }

    #[test]
    fn what_is_kept_for_ever_says_nothing_of_its_age() {
        let options = RabbitOptions::default().transient_queues_ttl(Duration::ZERO);
        let kind = ("x-queue-type", Argument::Text("stream".into()));
        assert_eq!(stream("q".into(), &options).arguments, [kind]);
        assert_eq!(transient("q".into(), &Layout::new(options)).arguments, []);
    }

    #[test]
    fn declarations_equal_the_recorded_ones_for_every_variant() {
        let text = include_str!("topology.json");
        let variants: Vec<Value> = from_str(text).expect("JSON");
        let (mut same, mut refused) = (0, 0);
        for variant in &variants {
            let name = variant["variant"].as_str().expect("text");
            let options = options(variant["options"].as_object().expect("an object"));
            if variant.get("error").is_some() {
                assert!(options.validate().is_err(), "{name}");
                refused += 1;
                continue;
            }
            assert!(options.validate().is_ok(), "{name}");
            let exchange = variant["options"]["control_exchange"].as_str().unwrap_or("openstack");
            let theirs = recorded(&variant["server_methods"]);
            let fanout = theirs
                .iter()
                .find_map(|step| step[1]["queue"].as_str().filter(|q| q.contains("_fanout")));
            let names = options.names.clone();
            let layout = Layout::new(options);
            let address = ListenAddress {
                exchange: exchange.into(),
                topic: "compute".into(),
                host: "host1".into(),
                prefetch: 1,
            };
            let fanout = fanout.expect("a queue");
            // A number differs in any case: the original counts all queues of a host.
            let unnumbered = |name: &str| name.rsplit_once(':').map(|(name, _)| name.to_owned());
            if names.stable && !layout.options.stream_fanout {
                let own = OwnQueue::new("compute_fanout".into(), &names).expect("short");
                assert_eq!(unnumbered(own.name()), unnumbered(fanout), "{name}");
            }
            let steps = server(&address, fanout, &layout);
            assert_eq!(steps.iter().map(written).collect::<Vec<_>>(), theirs, "{name}: server");
            let theirs = recorded(&variant["client_methods"]);
            let reply_queue = theirs[0][1]["queue"].as_str().expect("a queue").to_owned();
            let exchanges =
                [Exchange::Topic(exchange.into()), Exchange::Fanout("compute_fanout".into())];
            if names.stable {
                let own = OwnQueue::new("reply".into(), &names).expect("short");
                assert_eq!(unnumbered(own.name()), unnumbered(&reply_queue), "{name}");
            }
            let mut ours = vec![written(&Step::Queue(transient(reply_queue, &layout)))];
            ours.extend(
                exchanges
                    .iter()
                    .filter_map(|e| publishing(e, &layout.options))
                    .map(|e| written(&Step::Exchange(e))),
            );
            assert_eq!(ours, theirs, "{name}: client");
            same += 1;
        }
        assert_eq!((variants.len(), same, refused), (20, 17, 3));
    }
}
