//! What does not fit each other, refused before a broker is asked.

use std::time::Duration;

use super::{Login, RabbitOptions};
use crate::{TransportError, TransportErrorKind};

/// What is wrong, and when.
type Rule = (fn(&RabbitOptions) -> bool, &'static str);

/// The longest time that fits an argument of a queue.
const LONGEST_TTL: Duration = Duration::from_millis(i32::MAX as u64);

static RULES: &[Rule] = &[
    (
        |o| o.quorum && o.auto_delete,
        "quorum queues cannot be deleted with their last user: choose `quorum_queues` or `auto_delete`",
    ),
    (
        |o| (o.quorum || o.transient_quorum) && o.ha,
        "quorum queues are replicated by themselves: `ha_queues` is for classic ones",
    ),
    (
        |o| o.stream_fanout && !o.transient_quorum,
        "`stream_fanout` needs `transient_quorum_queues`: the exchange of a stream is as durable as theirs",
    ),
    (
        |o| o.transient_ttl > LONGEST_TTL,
        "`transient_queues_ttl` is more than 24 days, the most that RabbitMQ takes",
    ),
    (
        |o| !o.transient_ttl.is_zero() && o.transient_ttl < Duration::from_millis(1),
        "`transient_queues_ttl` is less than a millisecond; zero keeps the queues for ever",
    ),
    (
        |o| o.stream_fanout && o.transient_ttl.subsec_nanos() > 0,
        "`transient_queues_ttl` is not in whole seconds, as the age of a stream is",
    ),
    (
        |o| limits(o).any(|limit| i32::try_from(limit).is_err()),
        "a limit of quorum queues is more than 2147483647, the most that fits an argument of a queue: \
         `quorum_delivery_limit`, `quorum_max_memory_length` or `quorum_max_memory_bytes`",
    ),
    (
        |o| limits(o).any(|limit| limit > 0) && !o.quorum && !o.transient_quorum,
        "`quorum_delivery_limit`, `quorum_max_memory_length` and `quorum_max_memory_bytes` are for quorum queues, and \
         there are none",
    ),
    (
        |o| o.heartbeat.subsec_nanos() > 0 || o.heartbeat.as_secs() > u16::MAX.into(),
        "`heartbeat` is not in whole seconds up to 65535",
    ),
    (
        |o| o.retry_interval.0.is_zero() || o.retry_interval.0 > o.retry_interval.1,
        "`retry_interval` begins with nothing, or with more than it may become \
         (`rabbit_retry_interval`, `rabbit_interval_max`)",
    ),
    (
        |o| o.connect_timeout.is_zero(),
        "`connect_timeout` is zero, which leaves a host no time to answer",
    ),
    (|o| o.pool.0 > o.pool.1, "`conn_pool_min_size` is more than `rpc_conn_pool_size`"),
    (
        |o| o.names.host.iter().chain(&o.names.process).any(|name| !is_part_of_a_name(name)),
        "a host or process in the names of queues is empty, longer than 80 bytes, or has control characters",
    ),
    (
        |o| o.tls.certificate.is_some() != o.tls.key.is_some(),
        "a certificate without its key, or a key without its certificate (`ssl_cert_file`, `ssl_key_file`)",
    ),
    (
        |o| o.login == Login::External && o.tls.certificate.is_none(),
        "a login by certificate needs one (`EXTERNAL`, `ssl_cert_file`)",
    ),
];

/// Returns the limits of quorum queues.
fn limits(options: &RabbitOptions) -> impl Iterator<Item = u32> {
    [options.delivery_limit, options.max_memory_length, options.max_memory_bytes].into_iter()
}

/// A queue's name has 255 bytes, and a topic is to go in, too.
fn is_part_of_a_name(name: &str) -> bool {
    (1..=80).contains(&name.len()) && !name.chars().any(char::is_control)
}

impl RabbitOptions {
    /// Refuses what does not fit each other.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        match RULES.iter().find(|(is_wrong, _)| is_wrong(self)) {
            Some((_, what)) => Err(TransportError::new(TransportErrorKind::Configuration, *what)),
            None => Ok(()),
        }
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
            (options().host_name(""), "host"),
            (options().process_name("x".repeat(81)), "process"),
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
