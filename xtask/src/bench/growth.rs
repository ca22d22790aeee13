//! Measures how the cost of this library over RabbitMQ grows, in one quantity at a time.

mod curve;
mod measure;

use std::time::{Duration, Instant};

use clap::Args;

use self::{
    curve::{Column, Curve},
    measure::Growth,
};
use super::{
    load::build,
    report::{facts, folders, write_file},
    surroundings,
};
use crate::{
    Error,
    process::{root, step},
    rabbitmq,
};

/// The extent of a measurement.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures fewer sizes, for at most a minute.
    #[arg(long)]
    quick: bool,
    /// How many times each size is measured, if time permits. Default: 2; quick: 1.
    #[arg(long)]
    rounds: Option<u32>,
    /// Measures only these quantities: `in-flight`, `body`, `hosts`, `topics`, `fanout`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Writes the page and its plots into the documentation.
    #[arg(long)]
    publish: bool,
}

/// The longest time of a run. A measurement that has not begun by then is omitted.
const LIMIT: Duration = Duration::from_secs(300);
const QUICK_LIMIT: Duration = Duration::from_secs(50);

const fn column(name: &'static str, digits: usize) -> Column {
    Column { name, digits, is_drawn: false }
}

const fn drawn(name: &'static str, digits: usize) -> Column {
    Column { name, digits, is_drawn: true }
}

/// The measurements of one growing quantity.
struct Plan {
    curve: Curve,
    sizes: &'static [u32],
    quick_sizes: &'static [u32],
    measure: fn(&mut Growth, u32) -> Result<measure::Found, Error>,
}

const SERVERS: &[Column] = &[
    drawn("calls/s", 0),
    drawn("s to bind all", 3),
    column("ms to bind one", 2),
    column("connections", 0),
    column("channels", 0),
    column("server KiB each", 0),
    drawn("broker idle %", 1),
    column("server idle %", 1),
    column("p50 µs", 0),
    column("p99 µs", 0),
];

fn plans() -> [Plan; 5] {
    [
        Plan {
            curve: Curve::new(
                "hosts",
                "Servers in one process",
                "servers",
                "Servers of one topic on one transport, each called by its host in turn, 64 calls in flight. All are bound by one \
                 process, sixteen at a time. Connections and channels are the server process's, as system and broker count them; memory is \
                 what the process has more once all are bound. What broker and server compute while nobody calls is a share of one core.",
                SERVERS,
            ),
            sizes: &[1, 10, 100, 1000],
            quick_sizes: &[1, 10, 100],
            measure: Growth::hosts,
        },
        Plan {
            curve: Curve::new(
                "topics",
                "Topics in one process",
                "topics",
                "The same with a topic for each server.",
                SERVERS,
            ),
            sizes: &[1, 10, 50, 200],
            quick_sizes: &[1, 10, 50],
            measure: Growth::topics,
        },
        Plan {
            curve: Curve::new(
                "fanout",
                "Servers of a fanout cast",
                "servers",
                "Casts to all servers of a topic, all in one process, four in flight. They count once all servers have handled all of them; \
                 the times are those of the broker's confirm.",
                const {
                    &[
                        drawn("casts/s", 0),
                        drawn("deliveries/s", 0),
                        column("p50 µs", 0),
                        column("p99 µs", 0),
                    ]
                },
            ),
            sizes: &[1, 10, 100, 1000],
            quick_sizes: &[1, 10, 100],
            measure: Growth::fanout,
        },
        Plan {
            curve: Curve::new(
                "body",
                "Size of a body",
                "bytes",
                "Calls that return what they get. MB/s counts the body once on its way there and once on its way back.",
                const {
                    &[
                        drawn("calls/s", 1),
                        drawn("MB/s", 1),
                        column("in flight", 0),
                        column("p50 ms", 2),
                        column("p99 ms", 2),
                        column("client MiB", 0),
                        column("server MiB", 0),
                    ]
                },
            ),
            sizes: &[64, 1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20, measure::LARGEST],
            quick_sizes: &[64, 16 << 10, 1 << 20, measure::LARGEST],
            measure: Growth::body,
        },
        Plan {
            curve: Curve::new(
                "in-flight",
                "Calls in flight",
                "calls in flight",
                "Calls of 64 bytes to one server, all on one transport. Memory is what the client process has more at most than it had with \
                 64 calls in flight, once these had used all buffers of the connections, for each call beyond those. What the same number of \
                 tasks takes that hold the same values and call nobody is the caller's own; the rest is the library's. Where few are in \
                 flight, memory says nothing of one call, and is left out.",
                const {
                    &[
                        drawn("calls/s", 0),
                        drawn("library's bytes per call", 0),
                        column("caller's bytes per call", 0),
                        column("bytes of a calling future", 0),
                        column("p50 ms", 2),
                        column("p99 ms", 2),
                        column("client MiB", 0),
                    ]
                },
            ),
            sizes: &[1, 4, 16, 64, 256, 1000, 10_000, 100_000],
            quick_sizes: &[1, 64, 1000, 10_000],
            measure: Growth::in_flight,
        },
    ]
}

pub(super) fn run(options: &Options) -> Result<(), Error> {
    let plans = plans();
    if let Some(unknown) =
        options.only.iter().find(|name| plans.iter().all(|plan| plan.curve.name != *name))
    {
        return Err(format!("nothing that grows is called `{unknown}`"));
    }
    let wanted = |plan: &Plan| {
        options.only.is_empty() || options.only.iter().any(|name| name == plan.curve.name)
    };
    let mut plans: Vec<_> = plans.into_iter().filter(wanted).collect();
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 2 });
    let program = step("building what is measured", || build(&root(), &[]))?;
    let lease = rabbitmq::lease(rabbitmq::Choice::default())?;
    let until = Instant::now() + if options.quick { QUICK_LIMIT } else { LIMIT };
    let mut growth = Growth::new(&program, &lease.broker, options.quick);
    for _ in 0..rounds {
        for plan in &mut plans {
            let sizes = if options.quick { plan.quick_sizes } else { plan.sizes };
            for size in sizes {
                let (name, curve) = (plan.curve.name, &mut plan.curve);
                if Instant::now() >= until {
                    curve.leave_out(*size);
                    continue;
                }
                match (plan.measure)(&mut growth, *size) {
                    Ok(found) => {
                        let first = found.figures.first().copied().flatten().unwrap_or_default();
                        eprintln!("{name:10} {size:>9} {first:>10.1} {}", curve.columns[0].name);
                        curve.add(*size, found.figures);
                        found.notes.into_iter().for_each(|note| curve.note(note));
                    }
                    Err(error) => {
                        eprintln!("{name:10} {size:>9} {error}");
                        curve.add(*size, Vec::new());
                        curve.note(format!("{size}: {error}."));
                    }
                }
            }
        }
    }
    let mut surroundings = surroundings::of(&lease.broker);
    let rounds = format!("{rounds}, as far as there was time; figures are medians");
    surroundings.push(("rounds", rounds));
    write(&plans, &surroundings, options.publish)
}

/// Prints the tables, and writes the page and its plots.
fn write(
    plans: &[Plan],
    surroundings: &[(&'static str, String)],
    publish: bool,
) -> Result<(), Error> {
    let mut page = format!(
        "# How it grows\n\nMade by `cargo xtask bench growth --publish`. Client, server and broker share the machine; what counts is how a \
         figure changes with the size, more than what it is.\n\n{}",
        facts(surroundings)
    );
    for plan in plans {
        page.push('\n');
        page += &plan.curve.chapter();
    }
    println!("{page}");
    for folder in folders(publish) {
        write_file(&folder.join("growth.md"), &page)?;
        for plan in plans {
            write_file(&folder.join(plan.curve.file()), &plan.curve.drawn())?;
        }
        eprintln!("written: {}", folder.join("growth.md").display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::plans;

    #[test]
    fn a_quick_run_measures_some_of_the_sizes_of_a_full_one() {
        for plan in plans() {
            assert!(plan.quick_sizes.len() < plan.sizes.len(), "{}", plan.curve.name);
            assert!(
                plan.quick_sizes.iter().all(|size| plan.sizes.contains(size)),
                "{}",
                plan.curve.name
            );
        }
    }
}
