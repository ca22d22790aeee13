//! Tables of measurements, for people.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{
    aims, plot,
    samples::{Sample, Samples},
    subject::{BASES, Cell, Kind, are_comparable, meaning},
};
use crate::{
    Error,
    process::{root, state},
};

/// The folder of published figures.
const PUBLISHED: &str = "rpc-runtime/docs/speed";

/// A report's contents.
pub(super) struct Report<'a> {
    pub(super) samples: &'a Samples,
    /// In the order of the tables.
    pub(super) subjects: &'a [String],
    /// When, where and with which versions the figures were measured.
    pub(super) surroundings: Vec<(&'static str, String)>,
}

/// Prints tables, and writes them with plots into files.
pub(super) fn write(report: &Report<'_>, publish: bool) -> Result<(), Error> {
    let tables = tables(report);
    println!("{tables}");
    let plots: Vec<_> = kinds(report)
        .into_iter()
        .map(|(kind, cells)| (kind, plot::bars(report, kind, &cells)))
        .collect();
    for folder in folders(publish) {
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

/// Returns the folders for pages: the one of build results, and if asked for, the documentation.
pub(super) fn folders(publish: bool) -> Vec<PathBuf> {
    let published = publish.then(|| root().join(PUBLISHED));
    std::iter::once(state().join("bench")).chain(published).collect()
}

pub(super) fn write_file(file: &Path, text: &str) -> Result<(), Error> {
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(file, text));
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Returns the measured cells by kind.
fn kinds(report: &Report<'_>) -> Vec<(Kind, Vec<Cell>)> {
    let cells = report.samples.cells();
    let of = |kind| cells.iter().copied().filter(|cell: &Cell| cell.kind == kind).collect();
    let kinds = Kind::ALL.into_iter().map(|kind| (kind, of(kind)));
    kinds.filter(|(_, cells): &(_, Vec<_>)| !cells.is_empty()).collect()
}

fn tables(report: &Report<'_>) -> String {
    let mut text = facts(&report.surroundings);
    text += "\n| subject | is |\n|---|---|\n";
    for subject in report.subjects {
        let _ = writeln!(text, "| `{subject}` | {} |", meaning(subject));
    }
    text += "\nComputing time is per operation, memory the most that a process had. Casts, fanout casts and notifications count once servers have\nhandled all of them. Ratios are medians of the rounds' own.\n";
    text += &aims::table(report.samples);
    for (kind, cells) in kinds(report) {
        let bases = bases(report, &cells);
        let _ = writeln!(text, "\n## {}\n", kind.title());
        text += "| in flight | body | subject | per s | p50 µs | p99 µs |";
        for base in &bases {
            let _ = write!(text, " to `{base}` |");
        }
        text += " client µs | server µs | broker µs | client MiB | server MiB |\n|";
        text += &"---|".repeat(11 + bases.len());
        text.push('\n');
        for cell in cells {
            report
                .subjects
                .iter()
                .for_each(|subject| row(&mut text, report, cell, subject, &bases));
        }
    }
    text
}

/// Returns a table of facts about a measurement.
pub(super) fn facts(surroundings: &[(&'static str, String)]) -> String {
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (what, value) in surroundings {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text
}

/// Returns the subjects that these cells can be compared with.
fn bases(report: &Report<'_>, cells: &[Cell]) -> Vec<&'static str> {
    let is_measured = |base: &&str| {
        cells
            .iter()
            .any(|cell| report.samples.median(*cell, base, |sample| Some(sample.rate)).is_some())
    };
    BASES.into_iter().filter(is_measured).collect()
}

fn row(text: &mut String, report: &Report<'_>, cell: Cell, subject: &str, bases: &[&str]) {
    let of = |figure: &dyn Fn(&Sample) -> Option<f64>| report.samples.median(cell, subject, figure);
    let Some(rate) = of(&|sample| Some(sample.rate)) else { return };
    let (p50, p99) = (of(&|sample| Some(sample.p50)), of(&|sample| Some(sample.p99)));
    let _ = write!(text, "| {} | {} | `{subject}` | {rate:.0} |", cell.in_flight, cell.body);
    let _ = write!(text, " {} | {} |", shown(p50, 0), shown(p99, 0));
    for base in bases {
        let ratio = report.samples.ratio(cell, subject, base, |sample| sample.rate);
        let ratio = ratio.filter(|_| are_comparable(subject, base));
        let _ = write!(text, " {} |", shown(ratio, 2));
    }
    let costs =
        [of(&|sample| sample.client), of(&|sample| sample.server), of(&|sample| sample.broker)];
    let peaks = [of(&|sample| sample.client_peak), of(&|sample| sample.server_peak)];
    for figure in costs.into_iter().chain(peaks) {
        let _ = write!(text, " {} |", shown(figure, 0));
    }
    text.push('\n');
}

pub(super) fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}
