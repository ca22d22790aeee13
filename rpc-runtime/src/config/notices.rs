//! Warnings about options that have no effect: unknown ones, and known ones in another section.
//!
//! Sections of other libraries are left alone. `[DEFAULT]` holds the options of all libraries, so
//! only names that belong to messaging are reported there.

use super::{
    DEFAULT, NOTIFICATIONS, RABBIT,
    file::{Files, Name, variable_of},
};
use crate::{TransportBuilder, logging::guarded, options};

/// The options of `[DEFAULT]`.
const IN_DEFAULT: &[&str] = &[
    "transport_url",
    "control_exchange",
    "rpc_response_timeout",
    "executor_thread_pool_size",
    "rpc_ping_enabled",
];
/// The options of `[DEFAULT]` that older releases of the original took.
const FORMERLY_IN_DEFAULT: &[&str] = &[
    "rpc_thread_pool_size",
    "notification_driver",
    "notification_topics",
    "notification_transport_url",
];
/// The options of `[oslo_messaging_notifications]`.
const IN_NOTIFICATIONS: &[&str] = &["driver", "transport_url", "topics", "retry", "routing_config"];
/// Options for hosts and logins that the original had before transport URLs.
const IN_THE_URL: &[&str] = &[
    "rabbit_host",
    "rabbit_hosts",
    "rabbit_port",
    "rabbit_userid",
    "rabbit_password",
    "rabbit_virtual_host",
];
/// How options begin that are messaging's in any section.
const OURS: &[&str] = &["rabbit_", "kombu_", "amqp_durable", "amqp_auto", "heartbeat_timeout_"];

/// An option without effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The line or the variable that sets the option.
    place: String,
    /// The mistake, and the option that was probably meant.
    text: String,
}

impl Notice {
    pub(super) fn log(&self) {
        let Self { place, text } = self;
        guarded(|| tracing::warn!(place, "an option has no effect: {text}"));
    }
}

/// Lists the options without effect, each once.
pub(super) fn of(files: &Files) -> Vec<Notice> {
    let mut seen: Vec<Name<'_>> = Vec::new();
    let mut notices = Vec::new();
    for entry in files.entries() {
        let name = (&*entry.section, &*entry.name);
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        notices.extend(text(name).map(|text| Notice { place: entry.origin.to_string(), text }));
    }
    for variable in files.variable_names() {
        let text = of_variable(variable);
        notices.extend(text.map(|text| Notice { place: variable.to_owned(), text }));
    }
    notices
}

/// Describes the mistake, if an option has no effect.
fn text((section, name): Name<'_>) -> Option<String> {
    if takes(section, name) {
        return None;
    }
    let shown = shown(name);
    let is_ours = OURS.iter().any(|start| name.starts_with(start));
    match section {
        RABBIT | NOTIFICATIONS => {}
        DEFAULT if is_ours || near(DEFAULT, name).is_some() => {}
        DEFAULT => return None,
        other => {
            // A section that is misspelt, and not one of another library.
            let meant = [DEFAULT, RABBIT, NOTIFICATIONS].into_iter().find(|section| {
                let (other, section) = (other.replace('-', "_"), section.to_lowercase());
                distance(&other, &section) <= 2 && takes_exactly(&section, name)
            })?;
            return Some(format!(
                "`{shown}` is in [{}], which is not [{meant}]",
                self::shown(other)
            ));
        }
    }
    if IN_THE_URL.contains(&name) {
        return Some(format!("`{shown}` is not an option any more: set [DEFAULT] transport_url"));
    }
    if let Some(home) = home(name).filter(|home| *home != section) {
        return Some(format!("`{shown}` belongs in [{home}], and has no effect in [{section}]"));
    }
    let unknown = format!("`{shown}` in [{section}] is unknown");
    let elsewhere =
        || [RABBIT, DEFAULT].into_iter().find_map(|other| Some((other, near(other, name)?)));
    Some(match near(section, name).map(|meant| (section, meant)).or_else(elsewhere) {
        Some((home, meant)) if home == section => format!("{unknown}; did you mean `{meant}`?"),
        Some((home, meant)) => format!("{unknown}; did you mean `{meant}` in [{home}]?"),
        None => unknown,
    })
}

/// Describes the mistake, if a variable of messaging's sections has no effect.
fn of_variable(variable: &str) -> Option<String> {
    let section = [RABBIT, NOTIFICATIONS, DEFAULT]
        .into_iter()
        .find(|section| variable.strip_prefix(&*variable_of((section, ""))).is_some())?;
    let name = variable.strip_prefix(&*variable_of((section, "")))?.to_lowercase();
    if former(section).any(|former| former == name) {
        let current = options::current(&name).unwrap_or("executor_thread_pool_size");
        let current = if name.starts_with("notification_") { None } else { Some(current) };
        return Some(match current {
            Some(current) => {
                format!(
                    "the environment has no former names: set {}",
                    variable_of((section, current))
                )
            }
            None => "the environment has no former names".to_owned(),
        });
    }
    if variable != variable_of((section, &name)) {
        return None;
    }
    text((section, &name))
}

/// Whether an option has an effect in a section.
fn takes(section: &str, name: &str) -> bool {
    names(section).chain(former(section)).any(|known| known == name)
}

/// The same for a section in lower case.
fn takes_exactly(section: &str, name: &str) -> bool {
    takes(if section == "default" { DEFAULT } else { section }, name)
}

/// Returns the section of an option whose name is one of messaging's alone.
fn home(name: &str) -> Option<&'static str> {
    [RABBIT, DEFAULT, NOTIFICATIONS]
        .into_iter()
        .find(|section| names(section).any(|known| known == name))
}

fn names(section: &str) -> Box<dyn Iterator<Item = &'static str>> {
    match section {
        DEFAULT => Box::new(IN_DEFAULT.iter().copied()),
        NOTIFICATIONS => Box::new(IN_NOTIFICATIONS.iter().copied()),
        RABBIT => Box::new(options::names().chain(TransportBuilder::OPTIONS)),
        _ => Box::new(std::iter::empty()),
    }
}

fn former(section: &str) -> Box<dyn Iterator<Item = &'static str>> {
    match section {
        DEFAULT => Box::new(FORMERLY_IN_DEFAULT.iter().copied()),
        RABBIT => Box::new(options::names().flat_map(options::former)),
        _ => Box::new(std::iter::empty()),
    }
}

/// Returns the option of a section whose name is nearly this one.
fn near(section: &str, name: &str) -> Option<&'static str> {
    let normal = name.replace('-', "_").to_lowercase();
    let far = |known: &str| distance(&normal, known);
    let nearest = names(section).min_by_key(|known| far(known))?;
    // A short name is soon another one.
    (far(nearest) <= 2.min(nearest.len() / 4)).then_some(nearest)
}

/// Counts the letters to insert, remove or replace until one word is the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, meant) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *meant);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Shows a name from a file. Other text may be a secret on the wrong line.
fn shown(name: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
    if name.len() <= 60 && name.chars().all(is_name) { name } else { "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notices(text: &str) -> Vec<String> {
        let mut files = Files::default();
        files.parse("a.conf", text).expect("a file");
        of(&files).into_iter().map(|notice| format!("{}: {}", notice.place, notice.text)).collect()
    }

    #[test]
    fn an_option_without_effect_is_reported_with_what_was_meant() {
        for (text, said) in [
            (
                "[oslo_messaging_rabbit]\nrabbit_quorum_queues = 1\nrabbit_quorum_queues = 0",
                "a.conf:2: `rabbit_quorum_queues` in [oslo_messaging_rabbit] is unknown; \
                 did you mean `rabbit_quorum_queue`?",
            ),
            (
                "[oslo_messaging_rabbit]\ncolour = 1",
                "a.conf:2: `colour` in [oslo_messaging_rabbit] is unknown",
            ),
            (
                "[oslo_messaging_notifications]\ntopic = a",
                "a.conf:2: `topic` in [oslo_messaging_notifications] is unknown; did you mean `topics`?",
            ),
            (
                "[oslo_messaging_rabbit]\nrpc_response_timeout = 1",
                "a.conf:2: `rpc_response_timeout` belongs in [DEFAULT], and has no effect in \
                 [oslo_messaging_rabbit]",
            ),
            (
                "[DEFAULT]\nrabbit_quorum_queue = 1",
                "a.conf:2: `rabbit_quorum_queue` belongs in [oslo_messaging_rabbit], and has no effect \
                 in [DEFAULT]",
            ),
            (
                "[DEFAULT]\ncontrol-exchange = a",
                "a.conf:2: `control-exchange` in [DEFAULT] is unknown; did you mean `control_exchange`?",
            ),
            (
                "[DEFAULT]\nkombu_compresion = gzip",
                "a.conf:2: `kombu_compresion` in [DEFAULT] is unknown; did you mean `kombu_compression` \
                 in [oslo_messaging_rabbit]?",
            ),
            (
                "[default]\ntransport_url = rabbit://h",
                "a.conf:2: `transport_url` is in [default], which is not [DEFAULT]",
            ),
            (
                "[oslo_messaging_rabit]\nssl = 1",
                "a.conf:2: `ssl` is in [oslo_messaging_rabit], which is not [oslo_messaging_rabbit]",
            ),
            (
                "[oslo_messaging_rabbit]\nrabbit_password = secret",
                "a.conf:2: `rabbit_password` is not an option any more: set [DEFAULT] transport_url",
            ),
        ] {
            assert_eq!(notices(text), [said], "{text}");
        }
    }

    #[test]
    fn options_of_other_libraries_are_left_alone() {
        let text = "[DEFAULT]\nmy_ip = 1\nhost = a\nssl_ca_file = b\ndriver = c\nhostname = d\n\
                    state_path = e\ntransport = f\nrpc_thread_pool_size = 3\n\
                    [oslo_messaging_kafka]\nssl_cafile = a\n[keystone_authtoken]\nretry = 1\n\
                    [database]\ntransport_url = a\n[oslo_messaging_rabbit]\nheartbeat_rate = 3\n\
                    rabbit_use_ssl = 0\n[oslo_messaging_notifications]\ndriver = log\n";
        assert_eq!(notices(text), [""; 0]);
    }

    #[test]
    fn a_variable_without_effect_is_reported() {
        let mut files = Files::default();
        let names = [
            "OS_DEFAULT__RPC_THREAD_POOL_SIZE",
            "OS_OSLO_MESSAGING_RABBIT__RABBIT_QUORUM_QUEUES",
            "OS_DEFAULT__MY_IP",
            "OS_DEFAULT__TRANSPORT_URL",
            "OS_CLOUD",
        ];
        files.variables(names.map(|name| (name.into(), "1".into())));
        let notices = of(&files);
        let places: Vec<_> = notices.iter().map(|notice| &*notice.place).collect();
        assert_eq!(places, names[..2]);
        assert!(notices[0].text.contains("OS_DEFAULT__EXECUTOR_THREAD_POOL_SIZE"), "{notices:?}");
        assert!(notices[1].text.contains("`rabbit_quorum_queue`"), "{notices:?}");
    }
}
