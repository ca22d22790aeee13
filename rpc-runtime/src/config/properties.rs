//! Over random files: what is written into one is read out of it, however it is laid out.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

/// An option of a section.
type Line = (String, String);

/// How lines are written.
#[derive(Clone, Debug)]
struct Layout {
    sign: &'static str,
    quote: &'static str,
    end: &'static str,
    /// What stands between lines.
    between: &'static str,
    dashes: bool,
    lower: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    let sign = select(vec!["=", " = ", ":", " : ", "=  "]);
    let between = select(vec!["", "# a comment = 1", "; [another]", "   # no option"]);
    (sign, select(vec!["", "\"", "'"]), select(vec!["\n", "\r\n"]), between, any::<[bool; 2]>())
        .prop_map(|(sign, quote, end, between, [dashes, lower])| Layout {
            sign,
            quote,
            end,
            between,
            dashes,
            lower,
        })
}

impl Layout {
    fn write(&self, section: &str, lines: &[Line]) -> String {
        let section = if self.lower { section.to_lowercase() } else { section.to_owned() };
        let mut text = format!("[{section}]{}", self.end);
        for (name, value) in lines {
            let name = if self.dashes { name.replace('_', "-") } else { name.clone() };
            let between = if self.between.is_empty() {
                String::new()
            } else {
                format!("{}{}", self.between.trim_start(), self.end)
            };
            text += &format!(
                "{between}{name}{}{}{value}{}{}",
                self.sign, self.quote, self.quote, self.end
            );
        }
        text
    }
}

/// A value that needs nothing but its `$` doubled: no blanks or quotes around it, no backslash in it.
fn plain() -> impl Strategy<Value = String> {
    "[a-z0-9$#;=:,\\[\\]{}.é][a-z0-9$#;=:, \"'\\[\\]{}.é]{0,10}[a-z0-9$;=:,{}.é]"
}

fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}

fn flag() -> impl Strategy<Value = String> {
    select(vec!["true", "False", "1", "0", "on", "OFF", "Yes", "no"]).prop_map(str::to_owned)
}

/// Options of `[oslo_messaging_rabbit]`.
fn rabbit() -> impl Strategy<Value = Vec<Line>> {
    let number = || (0..5000_u32).prop_map(|number| number.to_string());
    let flags = select(vec![
        "amqp_durable_queues",
        "amqp_auto_delete",
        "rabbit_quorum_queue",
        "rabbit_transient_quorum_queue",
        "rabbit_stream_fanout",
        "use_queue_manager",
        "enable_cancel_on_failover",
    ]);
    let numbers = select(vec![
        "rabbit_quorum_delivery_limit",
        "rabbit_transient_queues_ttl",
        "rabbit_qos_prefetch_count",
        "heartbeat_timeout_threshold",
        "kombu_missing_consumer_retry_timeout",
    ]);
    let text = select(vec!["hostname", "processname"]);
    let of = |name: &str, value: String| (name.to_owned(), value);
    vec(
        prop_oneof![
            (flags, flag()).prop_map(move |(name, value)| of(name, value)),
            (numbers, number()).prop_map(move |(name, value)| of(name, value)),
            (text, "[a-z]{1,9}").prop_map(move |(name, value)| of(name, value)),
        ],
        0..8,
    )
}

/// Returns the options as a file means them: of one that comes again, the last.
fn meant(lines: &[Line]) -> RabbitOptions {
    let last =
        |(at, (name, _)): &(usize, &Line)| !lines[at + 1..].iter().any(|(later, _)| later == name);
    let mut counted: Vec<_> = lines.iter().enumerate().filter(last).map(|(_, line)| line).collect();
    counted.sort();
    counted.into_iter().fold(RabbitOptions::default(), |options, (name, value)| {
        options.set(name, value).expect("known")
    })
}

proptest! {
    #[test]
    fn options_are_read_as_they_were_written(lines in rabbit(), layout in layout()) {
        let text = layout.write("oslo_messaging_rabbit", &lines);
        let meant = meant(&lines);
        match (Config::parse(&text), meant.validate()) {
            (Ok(config), Ok(())) => prop_assert_eq!(config.rabbit(), meant),
            (Err(error), Err(rule)) => {
                prop_assert!(error.to_string().contains(&rule.to_string()), "{}", error);
            }
            (read, rule) => prop_assert!(false, "{:?} {:?}\n{}", read, rule, text),
        }
    }

    #[test]
    fn values_are_read_as_they_were_written(
        exchange in plain(), driver in plain(), timeout in 1..1_000_000_u32, threads in 1..10_000_u32,
        ping in any::<bool>(),
        layout in layout(),
    ) {
        let line = |name: &str, value: String| (name.to_owned(), value);
        let general = [
            line("control_exchange", escaped(&exchange)),
            line("rpc_response_timeout", timeout.to_string()),
            line("executor_thread_pool_size", threads.to_string()),
            line("rpc_ping_enabled", ping.to_string()),
        ];
        let drivers = [line("driver", escaped(&driver)), line("driver", "log".into())];
        let text = layout.write("DEFAULT", &general) + &layout.write("oslo_messaging_notifications", &drivers);
        let config = Config::parse(&text).expect("a file");
        prop_assert_eq!(config.control_exchange(), &*exchange);
        prop_assert_eq!(config.response_timeout().as_secs(), u64::from(timeout));
        prop_assert_eq!(config.concurrency(), usize::try_from(threads).expect("few"));
        prop_assert_eq!(config.ping(), ping);
        prop_assert_eq!(config.notifications().drivers(), [driver, "log".to_owned()]);
    }

    #[test]
    fn values_stand_for_each_other_to_a_depth(
        parts in vec("[a-z.]{0,3}", 1..12), braces in any::<bool>(), default in option::of("[a-z]{1,5}"),
    ) {
        let refer = |at: usize| if braces { format!("${{o{at}}}") } else { format!("$o{at} ") };
        // Each option is a text, and the one before it.
        let mut lines = vec![("o0".to_owned(), default.clone().unwrap_or_default())];
        let mut meant = default.unwrap_or_default();
        for (at, part) in parts.iter().enumerate() {
            lines.push((format!("o{}", at + 1), format!("{}x{part}", refer(at))));
            meant = format!("{meant}{}x{part}", if braces { "" } else { " " });
        }
        lines.push(("control_exchange".into(), refer(parts.len())));
        let layout = Layout { sign: "=", quote: "", end: "\n", between: "", dashes: false, lower: false };
        let read = Config::parse(&layout.write("DEFAULT", &lines));
        // As many as `DEPTH`, with the exchange itself.
        if parts.len() < 8 {
            let config = read.expect("they end");
            prop_assert_eq!(config.control_exchange().trim(), meant.trim());
        } else {
            prop_assert!(read.expect_err("too deep").to_string().contains("circle"));
        }
    }
}
