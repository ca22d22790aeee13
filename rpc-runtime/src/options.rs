//! The options of a RabbitMQ transport: which queues and exchanges are declared, and how.

use std::time::Duration;

use crate::{TransportError, TransportErrorKind};

/// How a transport lays its queues out on RabbitMQ. The default is the original's, so that both share queues.
///
/// All services of a deployment have to agree on these, as they do with the original: a queue has one shape.
///
/// ```
/// # fn main() {
/// use rpc_runtime::{RabbitOptions, Transport};
///
/// // What RabbitMQ 4 takes without deprecated features, and what survives the loss of a broker node.
/// let options = RabbitOptions::default().quorum_queues(true).transient_quorum_queues(true);
/// let builder = Transport::builder("rabbit://user:password@broker:5672/").rabbit(options);
/// # drop(builder); }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitOptions {
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) quorum: bool,
    pub(crate) transient_quorum: bool,
    pub(crate) delivery_limit: u32,
    pub(crate) max_memory_length: u32,
    pub(crate) max_memory_bytes: u32,
    pub(crate) ha: bool,
    pub(crate) transient_ttl: Duration,
    pub(crate) cancel_on_failover: bool,
}

impl Default for RabbitOptions {
    fn default() -> Self {
        Self {
            durable: false,
            auto_delete: false,
            quorum: false,
            transient_quorum: false,
            delivery_limit: 0,
            max_memory_length: 0,
            max_memory_bytes: 0,
            ha: false,
            transient_ttl: Self::TRANSIENT_TTL,
            cancel_on_failover: false,
        }
    }
}

impl RabbitOptions {
    /// How long reply and fanout queues outlive their consumer by default.
    pub const TRANSIENT_TTL: Duration = Duration::from_secs(1800);

    /// Lets control exchanges and the queues of topics and hosts survive a restart of the broker
    /// (`amqp_durable_queues`). Default: no.
    #[must_use]
    pub fn durable_queues(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Lets the broker delete control exchanges and the queues of topics and hosts with their last user
    /// (`amqp_auto_delete`). Default: no.
    #[must_use]
    pub fn auto_delete(mut self, auto_delete: bool) -> Self {
        self.auto_delete = auto_delete;
        self
    }

    /// Makes the queues of topics and hosts quorum queues, which are replicated and durable (`rabbit_quorum_queue`).
    /// Default: no.
    #[must_use]
    pub fn quorum_queues(mut self, quorum: bool) -> Self {
        self.quorum = quorum;
        self
    }

    /// Makes reply and fanout queues quorum queues, too (`rabbit_transient_quorum_queue`). Default: no.
    #[must_use]
    pub fn transient_quorum_queues(mut self, quorum: bool) -> Self {
        self.transient_quorum = quorum;
        self
    }

    /// Limits how often a quorum queue delivers one message (`rabbit_quorum_delivery_limit`). Default: 0, the broker's
    /// own limit.
    #[must_use]
    pub fn quorum_delivery_limit(mut self, times: u32) -> Self {
        self.delivery_limit = times;
        self
    }

    /// Limits how many messages a quorum queue keeps in memory (`rabbit_quorum_max_memory_length`). Default: 0, the
    /// broker's own limit.
    #[must_use]
    pub fn quorum_max_memory_length(mut self, messages: u32) -> Self {
        self.max_memory_length = messages;
        self
    }

    /// Limits how many bytes a quorum queue keeps in memory (`rabbit_quorum_max_memory_bytes`). Default: 0, the broker's
    /// own limit.
    #[must_use]
    pub fn quorum_max_memory_bytes(mut self, bytes: u32) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// Declares queues with `x-ha-policy` (`rabbit_ha_queues`), which no broker has looked at since RabbitMQ 3.0: for
    /// queues that exist with it. Default: no.
    #[must_use]
    pub fn ha_queues(mut self, ha: bool) -> Self {
        self.ha = ha;
        self
    }

    /// Sets how long reply and fanout queues outlive their consumer (`rabbit_transient_queues_ttl`). Zero keeps them for
    /// ever, where a crash leaves one behind. Whole milliseconds, 24 days at most. Default: [`Self::TRANSIENT_TTL`].
    #[must_use]
    pub fn transient_queues_ttl(mut self, ttl: Duration) -> Self {
        self.transient_ttl = ttl;
        self
    }

    /// Asks the broker to cancel consumers when a mirrored queue fails over (`enable_cancel_on_failover`). Default: no.
    #[must_use]
    pub fn cancel_on_failover(mut self, cancel: bool) -> Self {
        self.cancel_on_failover = cancel;
        self
    }

    /// Sets an option by the original's name: `amqp_durable_queues`, `rabbit_quorum_queue` and so on, as transport URLs
    /// and configuration files have them.
    ///
    /// # Errors
    /// If there is no such option here, or `value` has not its form.
    pub fn set(self, name: &str, value: &str) -> Result<Self, TransportError> {
        Ok(match name {
            "amqp_durable_queues" => self.durable_queues(flag(name, value)?),
            "amqp_auto_delete" => self.auto_delete(flag(name, value)?),
            "rabbit_quorum_queue" => self.quorum_queues(flag(name, value)?),
            "rabbit_transient_quorum_queue" => self.transient_quorum_queues(flag(name, value)?),
            "rabbit_quorum_delivery_limit" => self.quorum_delivery_limit(number(name, value)?),
            "rabbit_quorum_max_memory_length" => {
                self.quorum_max_memory_length(number(name, value)?)
            }
            "rabbit_quorum_max_memory_bytes" => self.quorum_max_memory_bytes(number(name, value)?),
            "rabbit_ha_queues" => self.ha_queues(flag(name, value)?),
            "enable_cancel_on_failover" => self.cancel_on_failover(flag(name, value)?),
            "rabbit_transient_queues_ttl" => {
                self.transient_queues_ttl(Duration::from_secs(number(name, value)?.into()))
            }
            _ => {
                let what = format!("there is no option `{}` here", name.escape_debug());
                return Err(TransportError::new(TransportErrorKind::Configuration, what));
            }
        })
    }

    /// Refuses what no broker would take, before one is asked.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let limits = [
            ("quorum_delivery_limit", self.delivery_limit),
            ("quorum_max_memory_length", self.max_memory_length),
            ("quorum_max_memory_bytes", self.max_memory_bytes),
        ];
        let what = if self.quorum && self.auto_delete {
            "quorum queues cannot be deleted with their last user: choose `quorum_queues` or `auto_delete`".to_owned()
        } else if (self.quorum || self.transient_quorum) && self.ha {
            "quorum queues are replicated by themselves: `ha_queues` is for classic ones".to_owned()
        } else if self.transient_ttl.as_millis() > i32::MAX.unsigned_abs().into() {
            "`transient_queues_ttl` is more than 24 days, the most that RabbitMQ takes".to_owned()
        } else if !self.transient_ttl.is_zero() && self.transient_ttl.as_millis() == 0 {
            "`transient_queues_ttl` is less than a millisecond; zero keeps the queues for ever"
                .to_owned()
        } else if let Some((name, _)) =
            limits.iter().find(|(_, limit)| i32::try_from(*limit).is_err())
        {
            format!("`{name}` is more than {}, the most that fits an argument of a queue", i32::MAX)
        } else if let Some((name, _)) =
            limits.iter().find(|(_, limit)| *limit > 0 && !self.quorum && !self.transient_quorum)
        {
            format!("`{name}` is for quorum queues, and there are none")
        } else {
            return Ok(());
        };
        Err(TransportError::new(TransportErrorKind::Configuration, what))
    }
}

/// Reads a flag as oslo.config does.
fn flag(name: &str, value: &str) -> Result<bool, TransportError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(misspelt(name, value, "`true` or `false`")),
    }
}

fn number(name: &str, value: &str) -> Result<u32, TransportError> {
    value.trim().parse().map_err(|_| misspelt(name, value, "a number from 0"))
}

fn misspelt(name: &str, value: &str, expected: &str) -> TransportError {
    let what =
        format!("the option `{name}` cannot be `{}`: expected {expected}", value.escape_debug());
    TransportError::new(TransportErrorKind::Configuration, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_the_originals_names() {
        let set = [
            ("rabbit_quorum_queue", "True"),
            ("rabbit_quorum_delivery_limit", "5"),
            ("rabbit_transient_queues_ttl", "60"),
        ];
        let options = set
            .iter()
            .try_fold(RabbitOptions::default(), |options, (name, value)| options.set(name, value));
        let expected = RabbitOptions::default().quorum_queues(true).quorum_delivery_limit(5);
        assert_eq!(options.expect("known"), expected.transient_queues_ttl(Duration::from_secs(60)));
        for (name, value) in [
            ("nope", "1"),
            ("rabbit_quorum_queue", "maybe"),
            ("rabbit_quorum_delivery_limit", "-1"),
        ] {
            let error = RabbitOptions::default().set(name, value).expect_err(name);
            assert!(
                error.kind() == TransportErrorKind::Configuration
                    && error.to_string().contains(name),
                "{error}"
            );
        }
    }

    #[test]
    fn what_no_broker_would_take_is_refused_by_name() {
        let options = RabbitOptions::default;
        for (refused, names) in [
            (options().quorum_queues(true).auto_delete(true), "auto_delete"),
            (options().quorum_queues(true).ha_queues(true), "ha_queues"),
            (options().transient_quorum_queues(true).ha_queues(true), "ha_queues"),
            (
                options().transient_queues_ttl(Duration::from_secs(30 * 86_400)),
                "transient_queues_ttl",
            ),
            (options().transient_queues_ttl(Duration::from_nanos(1)), "transient_queues_ttl"),
            (options().quorum_delivery_limit(5), "quorum_delivery_limit"),
            (
                options().quorum_queues(true).quorum_max_memory_bytes(u32::MAX),
                "quorum_max_memory_bytes",
            ),
        ] {
            let error = refused.validate().expect_err(names);
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(error.to_string().contains(names), "{error}");
        }
        assert!(options().validate().is_ok());
        assert!(
            options()
                .quorum_queues(true)
                .durable_queues(true)
                .quorum_delivery_limit(5)
                .validate()
                .is_ok()
        );
    }
}
