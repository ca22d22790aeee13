//! Tables of what was found, for people.

use std::{fmt::Write as _, fs, path::Path};

use super::{
    plot,
    samples::{Sample, Samples},
    subject::{BASES, Cell, Kind, meaning},
};
use crate::{
    Error,
    process::{root, state},
};

/// Where published figures are.
const PUBLISHED: &str = "rpc-runtime/docs/speed";

/// What there is to say.
pub(super) struct Report<'a> {
    pub(super) samples: &'a Samples,
    /// In the order in which they are shown.
    pub(super) subjects: &'a [String],
    /// Where and when it was measured.
    pub(super) surroundings: Vec<(&'static str, String)>,
}

/// Prints tables, and writes them with plots into files.
pub(super) fn write(report: &Report<'_>, publish: bool) -> Result<(), Error> {
    let tables = tables(report);
    println!("{tables}");
    let kept = state().join("bench");
    let mut folders = vec![kept];
    if publish {
        folders.push(root().join(PUBLISHED));
    }
    let plots: Vec<_> = kinds(report)
        .into_iter()
        .map(|(kind, cells)| (kind, plot::bars(report, kind, &cells)))
        .collect();
    for folder in folders {
        write_file(
            &folder.join("figures.md"),
            &format!("# Figures\n\nMade by `cargo xtask bench --publish`.\n\n{tables}"),
        )?;
        for (kind, svg) in &plots {
            write_file(&folder.join(format!("{}.svg", kind.name())), svg)?;
        }
        write_file(&folder.join("index.html"), &plot::page(report, &plots))?;
        eprintln!("written: {}", folder.join("index.html").display());
    }
    Ok(())
}

pub(super) fn write_file(file: &Path, text: &str) -> Result<(), Error> {
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(file, text));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Returns what was measured of each kind.
fn kinds(report: &Report<'_>) -> Vec<(Kind, Vec<Cell>)> {
    let cells = report.samples.cells();
    let of = |kind| cells.iter().copied().filter(|cell: &Cell| cell.kind == kind).collect();
    let kinds = Kind::ALL.into_iter().map(|kind| (kind, of(kind)));
    kinds.filter(|(_, cells): &(_, Vec<_>)| !cells.is_empty()).collect()
}

fn tables(report: &Report<'_>) -> String {
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (what, value) in &report.surroundings {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text += "\n| subject | is |\n|---|---|\n";
    for subject in report.subjects {
        let _ = writeln!(text, "| `{subject}` | {} |", meaning(subject));
    }
    text += "\nComputing time is per operation, memory the most that a process had. Casts, fanout casts and notifications count once servers have\nhandled all of them. Ratios are medians of the rounds' own.\n";
    for (kind, cells) in kinds(report) {
        let _ = writeln!(text, "\n## {}\n", kind.title());
        text += "| in flight | body | subject | per s | p50 µs | p99 µs |";
        for base in BASES {
            let _ = write!(text, " to `{base}` |");
        }
        text += " client µs | server µs | broker µs | client MiB | server MiB |\n|";
        text += &"---|".repeat(11 + BASES.len());
        text.push('\n');
        for cell in cells {
            report.subjects.iter().for_each(|subject| row(&mut text, report, cell, subject));
        }
    }
    text
}

fn row(text: &mut String, report: &Report<'_>, cell: Cell, subject: &str) {
    let of = |figure: &dyn Fn(&Sample) -> Option<f64>| report.samples.median(cell, subject, figure);
    let Some(rate) = of(&|sample| Some(sample.rate)) else { return };
    let (p50, p99) = (of(&|sample| Some(sample.p50)), of(&|sample| Some(sample.p99)));
    let _ = write!(text, "| {} | {} | `{subject}` | {rate:.0} |", cell.in_flight, cell.body);
    let _ = write!(text, " {} | {} |", shown(p50, 0), shown(p99, 0));
    for base in BASES {
        let ratio = report.samples.ratio(cell, subject, base, |sample| sample.rate);
        let _ = write!(text, " {} |", shown(ratio.filter(|_| subject != base), 2));
    }
    let costs =
        [of(&|sample| sample.client), of(&|sample| sample.server), of(&|sample| sample.broker)];
    let peaks = [of(&|sample| sample.client_peak), of(&|sample| sample.server_peak)];
    for figure in costs.into_iter().chain(peaks) {
        let _ = write!(text, " {} |", shown(figure, 0));
    }
    text.push('\n');
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}
