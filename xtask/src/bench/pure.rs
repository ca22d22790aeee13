//! Measures the cost of the pure parts: time, instructions, allocations.
//!
//! Time depends on the machine, and is only shown. Instructions and allocations depend only on the
//! compiler, so a change of them can fail the check.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use super::{machine, report::write_file};
use crate::{
    Error,
    process::{Packages, cargo, find, install, output, root, run, state, step},
};

const PACKAGE: &str = "rpc-runtime/bench";
/// The accepted costs.
const AGREED: &str = "rpc-runtime/bench/pure.txt";
const PUBLISHED: &str = "rpc-runtime/docs/speed/pure.md";

const VALGRIND: Packages =
    Packages { apt: &["valgrind"], dnf: &["valgrind"], apk: &["valgrind"], brew: &["valgrind"] };

/// How many times a part runs while its instructions are counted. The difference of the two counts
/// is its cost.
const FEW: u64 = 512;
const MANY: u64 = 1536;
/// How many percent more instructions are tolerated, because compilers and C libraries differ a
/// little.
const SLACK: u64 = 10;

/// The use of the figures.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Fails if a part allocates more often than `rpc-runtime/bench/pure.txt` says, or requires a
    /// tenth more instructions. Measures no times.
    #[arg(long, conflicts_with_all = ["accept", "publish"])]
    check: bool,
    /// Rewrites that file. Review the difference.
    #[arg(long)]
    accept: bool,
    /// Writes the table into the documentation.
    #[arg(long)]
    publish: bool,
}

/// The cost of one part.
struct Cost {
    name: String,
    what: String,
    /// The median in nanoseconds, if it was timed.
    time: Option<f64>,
    instructions: u64,
    /// An average, because some parts allocate only now and then.
    allocations: f64,
    /// Allocated bytes.
    bytes: u64,
}

/// Measures every part.
pub(super) fn measure(options: Options) -> Result<(), Error> {
    let valgrind = valgrind()?;
    let program = step("building what is measured", build)?;
    let mut costs = Vec::new();
    for line in output(Command::new(&program).arg("parts"))?.lines() {
        let (name, what) = line.split_once('\t').ok_or("a part is not described")?;
        costs.push(count(&valgrind, &program, name, what)?);
    }
    if options.check {
        return check(&costs);
    }
    time(&mut costs)?;
    let table = table(&costs);
    println!("{table}");
    if options.accept {
        write_file(&root().join(AGREED), &agreement(&costs))?;
    }
    if options.publish {
        let head = "# What the pure parts cost\n\nMade by `cargo xtask bench pure --publish`.";
        write_file(&root().join(PUBLISHED), &format!("{head}\n\n{}\n{table}", surroundings()))?;
    }
    Ok(())
}

/// Returns valgrind's path, and installs it if necessary.
fn valgrind() -> Result<PathBuf, Error> {
    if let Some(program) = find("valgrind") {
        return Ok(program);
    }
    eprintln!("valgrind, which counts instructions, is not installed here.");
    install(&VALGRIND)?;
    find("valgrind")
        .ok_or_else(|| "valgrind was installed, but is not on the path: put it there".to_owned())
}

fn target() -> PathBuf {
    state().join("bench-target")
}

/// Returns cargo for the package of measured programs.
fn bench_cargo() -> Command {
    let mut command = cargo();
    // Flags from the environment would replace the package's own.
    command.current_dir(root().join(PACKAGE)).env_remove("RUSTFLAGS");
    command.env("CARGO_TARGET_DIR", target());
    command
}

fn build() -> Result<PathBuf, Error> {
    // The versions of the dependencies are the workspace's.
    fs::copy(root().join("Cargo.lock"), root().join(PACKAGE).join("Cargo.lock"))
        .map_err(|error| format!("cannot copy Cargo.lock: {error}"))?;
    output(bench_cargo().args(["build", "--quiet", "--release", "--bin", "pure"]))?;
    Ok(target().join("release/pure"))
}

fn count(valgrind: &Path, program: &Path, name: &str, what: &str) -> Result<Cost, Error> {
    let allocated = output(Command::new(program).args(["allocations", name]))?;
    let (allocations, bytes) =
        allocated.trim().split_once(' ').ok_or("a part does not report its allocations")?;
    let few = instructions(valgrind, program, name, FEW)?;
    let many = instructions(valgrind, program, name, MANY)?;
    Ok(Cost {
        name: name.to_owned(),
        what: what.to_owned(),
        time: None,
        instructions: many.saturating_sub(few) / (MANY - FEW),
        allocations: number(allocations)?,
        bytes: number(bytes)?,
    })
}

/// Returns the instructions of a run that repeats a part `times` times, with startup and shutdown.
fn instructions(valgrind: &Path, program: &Path, name: &str, times: u64) -> Result<u64, Error> {
    let mut command = Command::new(valgrind);
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-fd=1"]);
    let said = output(command.arg(program).args(["run", name, &times.to_string()]))?;
    let count = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = count.ok_or_else(|| format!("valgrind has counted nothing:\n{said}"))?;
    number(count)
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, Error> {
    text.trim().parse().map_err(|_| format!("not a number: {text}"))
}

/// Adds the time of each part, by Criterion.
fn time(costs: &mut [Cost]) -> Result<(), Error> {
    let results = target().join("criterion");
    // Figures of earlier runs must not count.
    let _ = fs::remove_dir_all(&results);
    run(bench_cargo().args(["bench", "--quiet", "--bench", "pure"]))?;
    for cost in costs {
        let file = results.join(&cost.name).join("new/estimates.json");
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let median = text.split_once("\"median\":").map(|(_, rest)| rest);
        let point = median.and_then(|rest| rest.split_once("\"point_estimate\":"));
        let point = point.and_then(|(_, rest)| rest.split([',', '}']).next());
        cost.time = Some(number(point.ok_or("Criterion has written no median")?)?);
    }
    Ok(())
}

fn table(costs: &[Cost]) -> String {
    let mut text = "| part | ns | instructions | allocations | bytes | is |\n".to_owned();
    text += "|---|---|---|---|---|---|\n";
    for cost in costs {
        let Cost { name, what, time, instructions, allocations, bytes } = cost;
        let time = time.map_or_else(|| "–".to_owned(), |time| format!("{time:.0}"));
        let _ = writeln!(
            text,
            "| `{name}` | {time} | {instructions} | {allocations} | {bytes} | {what} |"
        );
    }
    text
}

fn surroundings() -> String {
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (what, value) in [
        ("date", machine::date()),
        ("revision", machine::revision()),
        ("compiler", machine::compiler()),
        ("system", machine::system()),
        ("processor", machine::processor()),
        ("valgrind", machine::said("valgrind", &["--version"])),
    ] {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text + "\nTimes are medians, by Criterion. Instructions are callgrind's, each part's own. Allocations and the bytes \
            that are asked for are counted; what grows counts again.\n"
}

/// Returns the text of the accepted costs.
fn agreement(costs: &[Cost]) -> String {
    let mut text = "# Instructions and allocations of each part. `cargo xtask bench pure --check` compares, `--accept` \
                    writes.\n"
        .to_owned();
    for Cost { name, instructions, allocations, .. } in costs {
        let _ = writeln!(text, "{name} {instructions} {allocations}");
    }
    text
}

/// Compares the costs with the accepted ones, and reports all that are higher.
fn check(costs: &[Cost]) -> Result<(), Error> {
    let file = root().join(AGREED);
    let text = fs::read_to_string(&file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let wrong = compare(costs, &agreed(&text)?);
    print!("{}", table(costs));
    if wrong.is_empty() {
        return Ok(());
    }
    let advice = "to accept this, run `cargo xtask bench pure --accept`, and say why in the commit";
    Err(format!("{}\n{advice}", wrong.join("\n")))
}

/// Reads the accepted costs: instructions and allocations by part.
fn agreed(text: &str) -> Result<BTreeMap<&str, (u64, f64)>, Error> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &'_ str| -> Result<(u64, f64), Error> {
        let mut words = line.split(' ').skip(1);
        let mut word = || words.next().ok_or_else(|| format!("not a part's figures: {line}"));
        Ok((number(word()?)?, number(word()?)?))
    };
    lines.map(|line| Ok((line.split(' ').next().unwrap_or(line), read(line)?))).collect()
}

/// Returns a message for each cost above the accepted one, and for each part that is only on one
/// side.
fn compare(costs: &[Cost], agreed: &BTreeMap<&str, (u64, f64)>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Cost { name, instructions, allocations, .. } in costs {
        let Some((most, often)) = agreed.get(name.as_str()) else {
            wrong.push(format!("{name}: no cost is agreed"));
            continue;
        };
        if allocations > often {
            wrong.push(format!("{name}: {allocations} allocations, {often} are agreed"));
        }
        if instructions * 100 > most * (100 + SLACK) {
            wrong.push(format!("{name}: {instructions} instructions, {most} are agreed"));
        }
    }
    for name in agreed.keys().filter(|name| costs.iter().all(|cost| cost.name != **name)) {
        wrong.push(format!("{name}: the part no longer exists"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(name: &str, instructions: u64, allocations: f64) -> Cost {
        let (name, what) = (name.to_owned(), String::new());
        Cost { name, what, time: None, instructions, allocations, bytes: 0 }
    }

    #[test]
    fn one_more_allocation_or_a_tenth_more_instructions_is_refused() {
        let text = agreement(&[cost("a", 1000, 2.0), cost("b", 1000, 0.25)]);
        let agreed = agreed(&text).expect("it is what was written");
        let wrong = |one: (u64, f64), other: (u64, f64)| {
            compare(&[cost("a", one.0, one.1), cost("b", other.0, other.1)], &agreed).len()
        };
        assert_eq!(wrong((1100, 2.0), (1, 0.0)), 0);
        assert_eq!(wrong((1101, 2.0), (1000, 0.25)), 1);
        assert_eq!(wrong((1000, 3.0), (1000, 0.26)), 2);
    }

    #[test]
    fn parts_that_come_and_go_are_agreed_to_first() {
        let text = agreement(&[cost("a", 1000, 2.0)]);
        let agreed = agreed(&text).expect("it is what was written");
        assert_eq!(compare(&[cost("b", 1, 0.0)], &agreed).len(), 2);
    }
}
