//! The original's names for options, and the forms of their values (wire: section 9.2).

use std::{path::PathBuf, time::Duration};

use super::{Failover, Login, RabbitOptions};
use crate::{TransportError, TransportErrorKind};

/// An option: its name, what its value looks like, and what sets it. `None` is a value that does not look like that.
type Known = (&'static str, &'static str, fn(&mut RabbitOptions, &str) -> Option<()>);

const FLAG: &str = "`true` or `false`";
const NUMBER: &str = "a whole number from 0";
const COUNT: &str = "a whole number from 1";
const PREFETCH: &str = "a whole number from 0 to 65535";
const SECONDS: &str = "seconds from 0";
const DELAY: &str = "seconds from 0 to 4.5";
const TIMEOUT: &str = "seconds, more than 0";
const TEXT: &str = "text";

static OPTIONS: &[Known] = &[
    ("amqp_durable_queues", FLAG, |o, v| into(&mut o.durable, flag(v))),
    ("amqp_auto_delete", FLAG, |o, v| into(&mut o.auto_delete, flag(v))),
    ("rabbit_quorum_queue", FLAG, |o, v| into(&mut o.quorum, flag(v))),
    ("rabbit_transient_quorum_queue", FLAG, |o, v| into(&mut o.transient_quorum, flag(v))),
    ("rabbit_quorum_delivery_limit", NUMBER, |o, v| into(&mut o.delivery_limit, number(v))),
    ("rabbit_quorum_max_memory_length", NUMBER, |o, v| into(&mut o.max_memory_length, number(v))),
    ("rabbit_quorum_max_memory_bytes", NUMBER, |o, v| into(&mut o.max_memory_bytes, number(v))),
    ("rabbit_ha_queues", FLAG, |o, v| into(&mut o.ha, flag(v))),
    ("rabbit_transient_queues_ttl", NUMBER, |o, v| into(&mut o.transient_ttl, seconds(v))),
    ("rabbit_stream_fanout", FLAG, |o, v| into(&mut o.stream_fanout, flag(v))),
    ("use_queue_manager", FLAG, |o, v| into(&mut o.names.stable, flag(v))),
    ("hostname", TEXT, |o, v| into(&mut o.names.host, Some(given(v)))),
    ("processname", TEXT, |o, v| into(&mut o.names.process, Some(given(v)))),
    ("enable_cancel_on_failover", FLAG, |o, v| into(&mut o.cancel_on_failover, flag(v))),
    ("rabbit_qos_prefetch_count", PREFETCH, prefetch),
    ("heartbeat_timeout_threshold", NUMBER, |o, v| into(&mut o.heartbeat, seconds(v))),
    ("heartbeat_rate", COUNT, |_, v| count(v).map(drop)),
    ("heartbeat_in_pthread", FLAG, |_, v| flag(v).map(drop)),
    ("rabbit_login_method", "`PLAIN`, `AMQPLAIN`, `EXTERNAL` or `RABBIT-CR-DEMO`", |o, v| {
        into(&mut o.login, login(v))
    }),
    ("ssl", FLAG, |o, v| into(&mut o.tls.enabled, flag(v).map(Some))),
    ("ssl_version", "`TLSv1_2`, `TLSv1_3` or nothing: older ones are not spoken here", tls_version),
    ("ssl_ca_file", TEXT, |o, v| into(&mut o.tls.authority, Some(file(v)))),
    ("ssl_cert_file", TEXT, |o, v| into(&mut o.tls.certificate, Some(file(v)))),
    ("ssl_key_file", TEXT, |o, v| into(&mut o.tls.key, Some(file(v)))),
    ("ssl_enforce_hostname_verification", FLAG, |_, v| flag(v).map(drop)),
    ("ssl_enforce_fips_mode", "`false`: it cannot be promised here", |_, v| {
        flag(v).filter(|fips| !fips).map(drop)
    }),
    ("kombu_reconnect_delay", DELAY, |o, v| {
        into(&mut o.reconnect_delay.0, fraction(v).filter(|d| *d <= Duration::from_millis(4500)))
    }),
    ("kombu_reconnect_splay", SECONDS, |o, v| into(&mut o.reconnect_delay.1, fraction(v))),
    ("rabbit_retry_interval", COUNT, |o, v| {
        let (first, longest) = (pause(v)?, o.retry_interval.1);
        into(&mut o.retry_interval, Some((first, longest.max(first))))
    }),
    ("rabbit_interval_max", COUNT, |o, v| {
        let (first, longest) = (o.retry_interval.0, pause(v)?);
        into(&mut o.retry_interval, Some((first.min(longest), longest)))
    }),
    ("rabbit_retry_backoff", NUMBER, |_, v| number(v).map(drop)),
    ("kombu_failover_strategy", "`round-robin` or `shuffle`", |o, v| {
        into(&mut o.failover, failover(v))
    }),
    ("connect_timeout", TIMEOUT, |o, v| {
        into(&mut o.connect_timeout, fraction(v).filter(|limit| !limit.is_zero()))
    }),
    ("no_consumer_after", SECONDS, |o, v| into(&mut o.no_consumer_after, fraction(v))),
    ("kombu_missing_consumer_retry_timeout", NUMBER, |o, v| {
        into(&mut o.absent_caller_timeout, seconds(v))
    }),
    ("direct_mandatory_flag", FLAG, |_, v| flag(v).map(drop)),
    ("rpc_conn_pool_size", COUNT, |o, v| into(&mut o.pool.1, count(v))),
    ("conn_pool_min_size", NUMBER, |o, v| into(&mut o.pool.0, at_least_zero(v))),
    ("conn_pool_ttl", NUMBER, |_, v| at_least_zero(v).map(drop)),
];

/// Names that older releases of the original took for some of them.
static OLD: &[(&str, &str)] = &[
    ("kombu_reconnect_timeout", "kombu_missing_consumer_retry_timeout"),
    ("rabbit_quroum_max_memory_length", "rabbit_quorum_max_memory_length"),
    ("rabbit_quroum_max_memory_bytes", "rabbit_quorum_max_memory_bytes"),
    ("rabbit_use_ssl", "ssl"),
    ("kombu_ssl_version", "ssl_version"),
    ("kombu_ssl_keyfile", "ssl_key_file"),
    ("kombu_ssl_certfile", "ssl_cert_file"),
    ("kombu_ssl_ca_certs", "ssl_ca_file"),
];

/// Numbers that the original needs. It reads others that are empty as not set.
#[cfg(feature = "config")]
static NEEDED: &[&str] =
    &["rpc_conn_pool_size", "conn_pool_min_size", "heartbeat_timeout_threshold", "heartbeat_rate"];

/// Lists the names of options.
#[cfg(feature = "config")]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, ..)| *name)
}

/// Lists the names that an option had in older releases of the original.
#[cfg(feature = "config")]
pub(crate) fn former(name: &str) -> impl Iterator<Item = &'static str> {
    OLD.iter().filter(move |(_, current)| *current == name).map(|(old, _)| *old)
}

/// Returns the name that an option has now. `None` if there is no such option.
pub(crate) fn current(name: &str) -> Option<&'static str> {
    let old = OLD.iter().find(|(old, _)| *old == name);
    old.map(|(_, current)| *current)
        .or_else(|| OPTIONS.iter().map(|(known, ..)| *known).find(|known| *known == name))
}

/// Whether an empty value means that the option is not set: so it is for most numbers.
#[cfg(feature = "config")]
pub(crate) fn may_be_empty(name: &str) -> bool {
    let forms = [NUMBER, COUNT, PREFETCH, SECONDS, DELAY, TIMEOUT];
    let form = OPTIONS.iter().find(|(known, ..)| *known == name).map(|(_, form, _)| *form);
    form.is_some_and(|form| forms.contains(&form)) && !NEEDED.contains(&name)
}

pub(super) fn set(
    options: &mut RabbitOptions,
    name: &str,
    value: &str,
) -> Result<(), TransportError> {
    let current = current(name);
    let Some((_, form, set)) = OPTIONS.iter().find(|(known, ..)| Some(*known) == current) else {
        let what = format!("there is no option `{}` here", name.escape_debug());
        return Err(TransportError::new(TransportErrorKind::Configuration, what));
    };
    set(options, value).ok_or_else(|| misspelt(name, value, form))
}

pub(crate) fn misspelt(name: &str, value: &str, form: &str) -> TransportError {
    let what = format!("the option `{name}` cannot be `{}`: expected {form}", value.escape_debug());
    TransportError::new(TransportErrorKind::Configuration, what)
}

fn into<T>(option: &mut T, value: Option<T>) -> Option<()> {
    *option = value?;
    Some(())
}

/// Reads a flag as the original does.
pub(crate) fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// Reads a whole number as Python does: with blanks around it, a sign, and `_` between digits. A
/// number beyond the type's range becomes its largest.
pub(crate) fn whole(value: &str) -> Option<i64> {
    let value = value.trim_matches(is_blank);
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let is_number =
        digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let negative = value.starts_with('-');
    is_number.then(|| {
        let digits = digits.replace('_', "");
        let number = digits.parse().unwrap_or(i64::MAX);
        if negative { -number } else { number }
    })
}

fn number(value: &str) -> Option<u32> {
    let number = whole(value).filter(|number| *number >= 0)?;
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Whether Python's `strip` removes it: blanks of all scripts, and four separators.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A number that has no meaning below zero, and that the original takes there.
fn at_least_zero(value: &str) -> Option<u32> {
    whole(value).map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

fn count(value: &str) -> Option<u32> {
    number(value).filter(|count| *count > 0)
}

fn seconds(value: &str) -> Option<Duration> {
    number(value).map(|seconds| Duration::from_secs(seconds.into()))
}

fn pause(value: &str) -> Option<Duration> {
    count(value).map(|seconds| Duration::from_secs(seconds.into()))
}

fn fraction(value: &str) -> Option<Duration> {
    let value = value.trim_matches(is_blank);
    let is_separated = value.split('_').all(|part| {
        part.starts_with(|c: char| c.is_ascii_digit())
            && part.ends_with(|c: char| c.is_ascii_digit())
    });
    let value = if is_separated { value.replace('_', "") } else { value.to_owned() };
    value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// Text that is not given if it is empty.
fn given(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn file(value: &str) -> Option<PathBuf> {
    given(value).map(PathBuf::from)
}

fn prefetch(options: &mut RabbitOptions, value: &str) -> Option<()> {
    let count = u16::try_from(whole(value)?).ok()?;
    options.prefetch = (count > 0).then_some(count);
    Some(())
}

fn login(value: &str) -> Option<Login> {
    match value {
        "PLAIN" => Some(Login::Plain),
        "AMQPLAIN" => Some(Login::AmqPlain),
        "EXTERNAL" => Some(Login::External),
        "RABBIT-CR-DEMO" => Some(Login::CrDemo),
        _ => None,
    }
}

fn failover(value: &str) -> Option<Failover> {
    match value {
        "round-robin" => Some(Failover::RoundRobin),
        "shuffle" => Some(Failover::Shuffle),
        _ => None,
    }
}

/// Nothing has to be kept: the best version that both ends speak is chosen.
fn tls_version(_: &mut RabbitOptions, value: &str) -> Option<()> {
    let spoken = ["", "sslv23", "tls", "tlsv1_2", "tlsv1_3", "tlsv1.2", "tlsv1.3"];
    spoken.contains(&value.to_ascii_lowercase().as_str()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_all(given: &[(&str, &str)]) -> Result<RabbitOptions, TransportError> {
        given
            .iter()
            .try_fold(RabbitOptions::default(), |options, (name, value)| options.set(name, value))
    }

    #[test]
    fn options_are_set_by_the_originals_names() {
        let options = set_all(&[
            ("rabbit_quorum_queue", "True"),
            ("rabbit_quorum_delivery_limit", "5"),
            ("rabbit_transient_queues_ttl", " 60 "),
            ("rabbit_transient_quorum_queue", "on"),
            ("rabbit_stream_fanout", "yes"),
            ("use_queue_manager", "1"),
            ("hostname", "node-1"),
            ("processname", "volume"),
            ("rabbit_qos_prefetch_count", "10"),
            ("heartbeat_timeout_threshold", "30"),
            ("rabbit_login_method", "AMQPLAIN"),
            ("ssl", "true"),
            ("ssl_ca_file", "/ca.pem"),
            ("ssl_cert_file", "/c.pem"),
            ("ssl_key_file", "/k.pem"),
            ("kombu_reconnect_delay", "0.5"),
            ("kombu_reconnect_splay", "2"),
            ("rabbit_retry_interval", "2"),
            ("rabbit_interval_max", "20"),
            ("kombu_failover_strategy", "shuffle"),
            ("connect_timeout", "2.5"),
            ("no_consumer_after", "0"),
            ("kombu_missing_consumer_retry_timeout", "30"),
            ("enable_cancel_on_failover", "True"),
        ]);
        let seconds = Duration::from_secs;
        let expected = RabbitOptions::default()
            .quorum_queues(true)
            .quorum_delivery_limit(5)
            .transient_queues_ttl(seconds(60))
            .transient_quorum_queues(true)
            .stream_fanout(true)
            .stable_queue_names(true)
            .host_name("node-1")
            .process_name("volume")
            .prefetch(10)
            .heartbeat(seconds(30))
            .login(Login::AmqPlain)
            .tls(true)
            .tls_authority("/ca.pem")
            .tls_identity("/c.pem", "/k.pem")
            .reconnect_delay(Duration::from_millis(500), seconds(2))
            .retry_interval(seconds(2), seconds(20))
            .failover(Failover::Shuffle)
            .connect_timeout(Duration::from_millis(2500))
            .no_consumer_after(Duration::ZERO)
            .absent_caller_timeout(seconds(30))
            .cancel_on_failover(true);
        assert_eq!(options.expect("known"), expected);
    }

    #[test]
    fn the_originals_defaults_are_all_understood() {
        let options = set_all(&[
            ("amqp_durable_queues", "False"),
            ("amqp_auto_delete", "False"),
            ("rpc_conn_pool_size", "30"),
            ("conn_pool_min_size", "2"),
            ("conn_pool_ttl", "1200"),
            ("ssl", "False"),
            ("ssl_version", ""),
            ("ssl_key_file", ""),
            ("ssl_cert_file", ""),
            ("ssl_ca_file", ""),
            ("ssl_enforce_hostname_verification", "True"),
            ("ssl_enforce_fips_mode", "False"),
            ("kombu_reconnect_delay", "1.0"),
            ("kombu_reconnect_splay", "0.0"),
            ("kombu_missing_consumer_retry_timeout", "60"),
            ("kombu_failover_strategy", "round-robin"),
            ("rabbit_login_method", "AMQPLAIN"),
            ("rabbit_retry_interval", "1"),
            ("rabbit_retry_backoff", "2"),
            ("rabbit_interval_max", "30"),
            ("rabbit_ha_queues", "False"),
            ("rabbit_quorum_queue", "False"),
            ("rabbit_transient_quorum_queue", "False"),
            ("rabbit_quorum_delivery_limit", "0"),
            ("rabbit_quorum_max_memory_length", "0"),
            ("rabbit_quorum_max_memory_bytes", "0"),
            ("rabbit_transient_queues_ttl", "1800"),
            ("rabbit_qos_prefetch_count", "0"),
            ("heartbeat_timeout_threshold", "60"),
            ("heartbeat_rate", "3"),
            ("heartbeat_in_pthread", "False"),
            ("direct_mandatory_flag", "True"),
            ("enable_cancel_on_failover", "False"),
            ("use_queue_manager", "False"),
            ("rabbit_stream_fanout", "False"),
            ("kombu_reconnect_timeout", "60"),
        ]);
        options.expect("known").validate().expect("they fit each other");
    }

    #[test]
    fn a_name_or_value_that_is_none_is_refused_by_name() {
        for (name, value) in [
            ("nope", "1"),
            ("rabbit_quorum_queue", "maybe"),
            ("rabbit_quorum_queue", ""),
            ("rabbit_quorum_delivery_limit", "-1"),
            ("rabbit_qos_prefetch_count", "65536"),
            ("rabbit_login_method", "plain text"),
            ("ssl_version", "TLSv1"),
            ("ssl_version", "SSLv3"),
            ("ssl_enforce_fips_mode", "true"),
            ("kombu_reconnect_delay", "5"),
            ("kombu_reconnect_delay", "NaN"),
            ("kombu_reconnect_splay", "-1"),
            ("rabbit_retry_interval", "0"),
            ("rabbit_interval_max", "0"),
            ("kombu_failover_strategy", "random"),
            ("connect_timeout", "0"),
            ("connect_timeout", "soon"),
            ("no_consumer_after", "-1"),
            ("rpc_conn_pool_size", "0"),
            ("kombu_reconnect_timeout", "soon"),
        ] {
            let error = RabbitOptions::default().set(name, value).expect_err(name);
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
