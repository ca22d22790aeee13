//! Rules for options that do not fit each other, checked before a broker is asked.

use std::time::Duration;

use super::{Login, RabbitOptions};
use crate::{TransportError, TransportErrorKind};

/// Options that do not fit each other.
pub(crate) struct Rule {
    is_broken: fn(&RabbitOptions) -> bool,
    /// The error's text. Options stand in braces, by their original's names.
    what: &'static str,
}

/// The longest time that fits an argument of a queue.
const LONGEST_TTL: Duration = Duration::from_millis(i32::MAX as u64);

/// The setters of [`RabbitOptions`] for options in rules, where their names differ.
static SETTERS: &[(&str, &str)] = &[
    ("amqp_auto_delete", "auto_delete"),
    ("heartbeat_timeout_threshold", "heartbeat"),
    ("hostname", "host_name"),
    ("processname", "process_name"),
    ("rabbit_ha_queues", "ha_queues"),
    ("rabbit_interval_max", "retry_interval"),
    ("rabbit_quorum_delivery_limit", "quorum_delivery_limit"),
    ("rabbit_quorum_max_memory_bytes", "quorum_max_memory_bytes"),
    ("rabbit_quorum_max_memory_length", "quorum_max_memory_length"),
    ("rabbit_quorum_queue", "quorum_queues"),
    ("rabbit_retry_interval", "retry_interval"),
    ("rabbit_stream_fanout", "stream_fanout"),
    ("rabbit_transient_queues_ttl", "transient_queues_ttl"),
    ("rabbit_transient_quorum_queue", "transient_quorum_queues"),
];

static RULES: &[Rule] = &[
    Rule {
        is_broken: |o| o.quorum && o.auto_delete,
        what: "quorum queues cannot be deleted with their last user: choose {rabbit_quorum_queue} or \
               {amqp_auto_delete}",
    },
    Rule {
        is_broken: |o| o.quorum && o.ha,
        what: "quorum queues are replicated by themselves: {rabbit_ha_queues} is for classic ones, and \
               {rabbit_quorum_queue} is set",
    },
    Rule {
        is_broken: |o| o.transient_quorum && o.ha,
        what: "quorum queues are replicated by themselves: {rabbit_ha_queues} is for classic ones, and \
               {rabbit_transient_quorum_queue} is set",
    },
    Rule {
        is_broken: |o| o.stream_fanout && !o.transient_quorum,
        what: "{rabbit_stream_fanout} needs {rabbit_transient_quorum_queue}: the exchange of a stream is as \
               durable as theirs",
    },
    Rule {
        is_broken: |o| o.transient_ttl > LONGEST_TTL,
        what: "{rabbit_transient_queues_ttl} is more than 24 days, the most that RabbitMQ takes",
    },
    Rule {
        is_broken: |o| !o.transient_ttl.is_zero() && o.transient_ttl < Duration::from_millis(1),
        what: "{rabbit_transient_queues_ttl} is less than a millisecond; zero keeps the queues for ever",
    },
    Rule {
        is_broken: |o| o.stream_fanout && o.transient_ttl.subsec_nanos() > 0,
        what: "{rabbit_transient_queues_ttl} is not in whole seconds, as the age of a stream is",
    },
    Rule {
        is_broken: |o| limits(o).any(|limit| i32::try_from(limit).is_err()),
        what: "a limit of quorum queues is more than 2147483647, the most that fits an argument of a queue: \
               {rabbit_quorum_delivery_limit}, {rabbit_quorum_max_memory_length} or \
               {rabbit_quorum_max_memory_bytes}",
    },
    Rule {
        is_broken: |o| limits(o).any(|limit| limit > 0) && !o.quorum && !o.transient_quorum,
        what: "{rabbit_quorum_delivery_limit}, {rabbit_quorum_max_memory_length} and \
               {rabbit_quorum_max_memory_bytes} are for quorum queues, and there are none",
    },
    Rule {
        is_broken: |o| o.heartbeat.subsec_nanos() > 0 || o.heartbeat.as_secs() > u16::MAX.into(),
        what: "{heartbeat_timeout_threshold} is not in whole seconds up to 65535",
    },
    Rule {
        is_broken: |o| o.retry_interval.0.is_zero() || o.retry_interval.0 > o.retry_interval.1,
        what: "the pause between attempts begins with nothing, or with more than it may become: \
               {rabbit_retry_interval}, {rabbit_interval_max}",
    },
    Rule {
        is_broken: |o| o.connect_timeout.is_zero(),
        what: "{connect_timeout} is zero, which leaves a host no time to answer",
    },
    Rule {
        is_broken: |o| o.pool.0 > o.pool.1,
        what: "{conn_pool_min_size} is more than {rpc_conn_pool_size}",
    },
    Rule {
        is_broken: |o| {
            let mut names = o.names.host.iter().chain(&o.names.process);
            o.names.stable && names.any(|name| !is_part_of_a_name(name))
        },
        what: "{hostname} or {processname}, which are a part of the names of queues, is empty, longer than \
               80 bytes, or has control characters",
    },
    Rule {
        is_broken: |o| may_secure(o) && o.tls.certificate.is_some() != o.tls.key.is_some(),
        what: "a certificate without its key, or a key without its certificate: {ssl_cert_file}, \
               {ssl_key_file}",
    },
    Rule {
        is_broken: |o| o.login == Login::External && o.tls.certificate.is_none(),
        what: "a login by certificate needs one: {rabbit_login_method} is `EXTERNAL`, and {ssl_cert_file} is \
               not set",
    },
];

/// Whether connections may be secured: the URL decides if the options do not.
fn may_secure(options: &RabbitOptions) -> bool {
    options.tls.enabled != Some(false)
}

impl Rule {
    /// Lists the options that the rule names, by their original's names.
    pub(crate) fn options(&self) -> impl Iterator<Item = &'static str> {
        self.what.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
    }

    /// Says what is wrong, with the options spelled by `spell`.
    pub(crate) fn text(&self, spell: impl Fn(&'static str) -> String) -> String {
        self.options().fold(self.what.to_owned(), |text, name| {
            text.replacen(&format!("{{{name}}}"), &spell(name), 1)
        })
    }
}

/// Returns the limits of quorum queues.
fn limits(options: &RabbitOptions) -> impl Iterator<Item = u32> {
    [options.delivery_limit, options.max_memory_length, options.max_memory_bytes].into_iter()
}

/// A queue's name has 255 bytes, and a topic is to go in, too.
fn is_part_of_a_name(name: &str) -> bool {
    (1..=80).contains(&name.len()) && !name.chars().any(char::is_control)
}

impl RabbitOptions {
    /// Returns the first rule that the options break.
    pub(crate) fn conflict(&self) -> Option<&'static Rule> {
        RULES.iter().find(|rule| (rule.is_broken)(self))
    }

    /// Refuses options that do not fit each other, by the names of their setters here.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let Some(rule) = self.conflict() else { return Ok(()) };
        let setter = |name: &'static str| {
            let setter = SETTERS.iter().find(|(original, _)| *original == name);
            format!("`{}`", setter.map_or(name, |(_, setter)| setter))
        };
        Err(TransportError::new(TransportErrorKind::Configuration, rule.text(setter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let (options, seconds) = (RabbitOptions::default, Duration::from_secs);
        for (refused, names) in [
            (options().quorum_queues(true).auto_delete(true), "auto_delete"),
            (options().quorum_queues(true).ha_queues(true), "ha_queues"),
            (options().transient_quorum_queues(true).ha_queues(true), "ha_queues"),
            (options().stream_fanout(true), "stream_fanout"),
            (options().transient_queues_ttl(seconds(30 * 86_400)), "transient_queues_ttl"),
            (options().transient_queues_ttl(Duration::from_nanos(1)), "transient_queues_ttl"),
            (
                options()
                    .transient_quorum_queues(true)
                    .stream_fanout(true)
                    .transient_queues_ttl(Duration::from_millis(1500)),
                "transient_queues_ttl",
            ),
            (options().quorum_delivery_limit(5), "quorum_delivery_limit"),
            (
                options().quorum_queues(true).quorum_max_memory_bytes(u32::MAX),
                "quorum_max_memory_bytes",
            ),
            (options().heartbeat(seconds(70_000)), "heartbeat"),
            (options().heartbeat(Duration::from_millis(500)), "heartbeat"),
            (options().retry_interval(seconds(3), seconds(2)), "retry_interval"),
            (options().retry_interval(seconds(0), seconds(2)), "retry_interval"),
            (options().connect_timeout(seconds(0)), "connect_timeout"),
            (options().stable_queue_names(true).host_name(""), "host"),
            (options().stable_queue_names(true).process_name("x".repeat(81)), "process"),
            (options().login(Login::External), "EXTERNAL"),
        ] {
            let error = refused.validate().expect_err(names);
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(error.to_string().contains(names), "{error}");
        }
        for (name, value) in [("rpc_conn_pool_size", "1"), ("ssl_cert_file", "/c.pem")] {
            let refused = options().set(name, value).expect("known").validate();
            assert!(refused.expect_err(name).to_string().contains(name));
        }
    }

    #[test]
    fn what_fits_is_taken() {
        let options = RabbitOptions::default;
        for taken in [
            options(),
            options().quorum_queues(true).durable_queues(true).quorum_delivery_limit(5),
            options().transient_quorum_queues(true).stream_fanout(true).stable_queue_names(true),
            options().transient_queues_ttl(Duration::ZERO).heartbeat(Duration::ZERO),
            options().login(Login::External).tls_identity("/c.pem", "/k.pem"),
        ] {
            taken.validate().expect("it fits");
        }
    }
}
