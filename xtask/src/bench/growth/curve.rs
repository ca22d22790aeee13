//! The figures for one growing quantity, as a table and as lines.

use std::{collections::BTreeMap, fmt::Write as _};

use super::super::{
    plot::{Line, lines},
    report::shown,
    samples::median,
};

/// A figure that is measured for each size.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) digits: usize,
    pub(super) is_drawn: bool,
}

/// A growing quantity, and the figures over it.
pub(super) struct Curve {
    /// The last part of its file's name.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The unit of a size.
    pub(super) by: &'static str,
    /// How the figures were measured.
    pub(super) about: &'static str,
    pub(super) columns: &'static [Column],
    /// By size, the figures of each round, in the order of the columns.
    rounds: BTreeMap<u32, Vec<Vec<Option<f64>>>>,
    /// The limits that were met or are near.
    notes: Vec<String>,
}

impl Curve {
    pub(super) fn new(
        name: &'static str,
        title: &'static str,
        by: &'static str,
        about: &'static str,
        columns: &'static [Column],
    ) -> Self {
        Self { name, title, by, about, columns, rounds: BTreeMap::new(), notes: Vec::new() }
    }

    /// Adds the figures of one round.
    pub(super) fn add(&mut self, size: u32, figures: Vec<Option<f64>>) {
        self.rounds.entry(size).or_default().push(figures);
    }

    /// Notes that a size is omitted, unless another round has measured it.
    pub(super) fn leave_out(&mut self, size: u32) {
        if !self.rounds.contains_key(&size) {
            self.note(format!("{size}: left out, because the time for this run was over."));
        }
    }

    /// Adds a note, once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn figure(&self, size: u32, column: usize) -> Option<f64> {
        let rounds = self.rounds.get(&size)?;
        median(rounds.iter().filter_map(|figures| figures.get(column).copied().flatten()).collect())
    }

    /// Returns the name of the file with its lines.
    pub(super) fn file(&self) -> String {
        format!("growth-{}.svg", self.name)
    }

    /// Draws a line for each figure that is drawn.
    pub(super) fn drawn(&self) -> String {
        let columns = self.columns.iter().enumerate().filter(|(_, column)| column.is_drawn);
        let drawn: Vec<_> = columns
            .map(|(at, column)| {
                let point = |size: &u32| Some((f64::from(*size), self.figure(*size, at)?));
                Line { name: column.name, points: self.rounds.keys().filter_map(point).collect() }
            })
            .collect();
        lines(self.title, self.by, &drawn)
    }

    /// Returns its chapter.
    pub(super) fn chapter(&self) -> String {
        let Self { title, about, by, .. } = self;
        let mut text = format!("## {title}\n\n{about}\n\n![{title}]({})\n\n| {by} |", self.file());
        for column in self.columns {
            let _ = write!(text, " {} |", column.name);
        }
        let _ = writeln!(text, "\n|{}", "---|".repeat(1 + self.columns.len()));
        for size in self.rounds.keys() {
            let _ = write!(text, "| {size} |");
            for (at, column) in self.columns.iter().enumerate() {
                let _ = write!(text, " {} |", shown(self.figure(*size, at), column.digits));
            }
            text.push('\n');
        }
        if !self.notes.is_empty() {
            text += "\nWhat limits:\n\n";
            for note in &self.notes {
                let _ = writeln!(text, "- {note}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Curve};

    const COLUMNS: &[Column] = &[
        Column { name: "calls/s", digits: 0, is_drawn: true },
        Column { name: "connections", digits: 0, is_drawn: false },
    ];

    fn curve() -> Curve {
        let mut curve = Curve::new("hosts", "Hosts", "hosts", "It is said how.", COLUMNS);
        curve.add(100, vec![Some(900.0), Some(2.0)]);
        curve.add(10, vec![Some(1000.0), Some(2.0)]);
        curve.add(10, vec![Some(3000.0), None]);
        curve
    }

    #[test]
    fn a_row_has_the_medians_of_a_size_and_sizes_are_in_order() {
        let chapter = curve().chapter();
        let rows: Vec<_> = chapter.lines().filter(|line| line.starts_with("| 1")).collect();
        assert_eq!(rows, ["| 10 | 2000 | 2 |", "| 100 | 900 | 2 |"]);
        assert!(chapter.contains("(growth-hosts.svg)"), "{chapter}");
    }

    #[test]
    fn a_figure_that_was_not_found_is_a_dash() {
        let mut curve = curve();
        curve.add(1000, vec![None, None]);
        assert!(curve.chapter().contains("| 1000 | – | – |\n"), "{}", curve.chapter());
    }

    #[test]
    fn what_limits_is_said_once() {
        let mut curve = curve();
        assert!(!curve.chapter().contains("What limits"));
        for _ in 0..2 {
            curve.note("1000: it was refused".to_owned());
        }
        assert_eq!(curve.chapter().matches("- 1000: it was refused\n").count(), 1);
    }

    #[test]
    fn a_size_is_left_out_only_if_no_round_has_it() {
        let mut curve = curve();
        curve.leave_out(10);
        assert!(!curve.chapter().contains("left out"));
        curve.leave_out(1000);
        assert!(curve.chapter().contains("- 1000: left out"), "{}", curve.chapter());
    }

    #[test]
    fn only_columns_that_are_to_be_drawn_have_a_line() {
        let drawn = curve().drawn();
        assert!(drawn.contains(">calls/s</text>") && !drawn.contains(">connections</text>"));
        assert_eq!(drawn.matches("<circle").count(), 2);
    }
}
